//! WebSockets over tokio's streams.
//!
//! ```no_run
//! use tokio::net::{TcpListener, TcpStream};
//! use websocket_proto::{Error, tokio::WebSocket};
//!
//! # async fn run() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:9001").await?;
//! loop {
//!     let (stream, peer) = listener.accept().await?;
//!     tokio::spawn(async move {
//!         if let Err(error) = echo(stream).await {
//!             eprintln!("{peer}: {error}");
//!         }
//!     });
//! }
//! # }
//!
//! async fn echo(stream: TcpStream) -> Result<(), Error> {
//!     stream.set_nodelay(true)?;
//!     let mut websocket = WebSocket::accept(stream).await?;
//!     while let Some((message, outbound)) = websocket.recv_split().await? {
//!         outbound.feed(message)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! [`WebSocket::accept_with`](asynchronous::WebSocket::accept_with) checks the origin of browsers, and [`Shutdown`] ends a server
//! gracefully. A client begins with [`connect`], or with [`Reconnect`]. Import items of this module and not the module itself, which
//! would hide the crate `tokio`.
//!
//! # Timers
//!
//! Deadlines need a runtime with [`enable_time`], as `#[tokio::main]` builds it. On a runtime without, they panic, as
//! tokio's own timers do; switch them off with [`Timers::off`](crate::Timers::off).
//!
//! [`enable_time`]: ::tokio::runtime::Builder::enable_time

mod broadcast;
mod connect;
mod reconnect;
mod shutdown;
mod stream;

use alloc::boxed::Box;
use core::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};
use std::io::{self, IoSlice};

use ::tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

pub use self::{
    broadcast::{Broadcast, BroadcastOutcome, Subscription, SubscriptionEnd, WhenSlow},
    connect::{connect, connect_with, open_stream},
    reconnect::{GaveUp, Reconnect},
    shutdown::{Shutdown, ShutdownGuard, ShutdownOutcome},
    stream::MaybeTls,
};
use crate::{
    connection::Time,
    io::asynchronous::{self, RuntimeTimer, Transport},
};

/// A WebSocket over a tokio stream. See [`asynchronous::WebSocket`] for its documentation.
pub type WebSocket<S> = asynchronous::WebSocket<Io<S>>;

/// The sending half of a [`WebSocket`].
pub type SendHalf<S> = asynchronous::SendHalf<Io<S>>;

/// The receiving half of a [`WebSocket`].
pub type RecvHalf<S> = asynchronous::RecvHalf<Io<S>>;

/// The opening handshake of a server, step by step. See [`asynchronous::Acceptor`] for its documentation.
pub type Acceptor<S> = asynchronous::Acceptor<Io<S>>;

/// The opening handshake of a client, step by step. See [`asynchronous::Connector`] for its documentation.
pub type Connector<S> = asynchronous::Connector<Io<S>>;

/// Access to the stream.
impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Returns the stream.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.transport().stream
    }

    /// Returns the stream. Reading from it or writing to it corrupts the connection.
    #[must_use]
    pub const fn stream_mut(&mut self) -> &mut S {
        &mut self.transport_mut().stream
    }
}

/// A tokio stream as a [`Transport`].
#[derive(Debug)]
pub struct Io<S> {
    stream: S,
}

impl<S> Io<S> {
    /// Wraps a stream.
    #[must_use]
    pub const fn new(stream: S) -> Self {
        Self { stream }
    }

    /// Returns the stream.
    #[must_use]
    pub fn into_stream(self) -> S {
        self.stream
    }
}

impl<S> From<S> for Io<S> {
    fn from(stream: S) -> Self {
        Self::new(stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for Io<S> {
    type Timer = TokioTimer;

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
        Poll::Ready(asynchronous::end_without_notice(read.map(|()| buffer.filled().len())))
    }

    const HAS_READ_BUF: bool = true;

    fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut asynchronous::ReadBuf<'_, '_>,
    ) -> Poll<io::Result<usize>> {
        // This future holds nothing that would be lost with it.
        let read = ready!(pin!(self.stream.read_buf(buffer.as_buf_mut())).poll(cx));
        Poll::Ready(asynchronous::end_without_notice(read))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        match slices {
            [slice] => stream.poll_write(cx, slice),
            _ if !stream.is_write_vectored() => stream.poll_write(cx, slices.first().map_or(&[], |slice| &**slice)),
            _ => stream.poll_write_vectored(cx, slices),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Tokio's clock. It registers a timer with the runtime only while a deadline is set.
#[derive(Debug)]
pub struct TokioTimer {
    origin: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl RuntimeTimer for TokioTimer {
    fn new() -> Self {
        Self {
            origin: Instant::now(),
            sleep: None,
        }
    }

    fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }

    fn poll_until(&mut self, due: Time, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.origin.checked_add(due.since_origin()) else {
            // Beyond what the clock can represent: never.
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(())
    }
}
