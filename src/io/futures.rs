//! WebSockets over futures-io streams, on any executor.
//!
//! ```no_run
//! use std::net::{TcpListener, TcpStream};
//! use async_io::Async;
//! use websocket_proto::{Error, futures::WebSocket};
//!
//! # fn spawn(_: impl Future<Output = ()> + Send + 'static) {}
//! # async fn run() -> std::io::Result<()> {
//! let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 9001))?;
//! loop {
//!     let (stream, peer) = listener.accept().await?;
//!     // The `spawn` of your executor: `smol::spawn(…).detach()`, for example.
//!     spawn(async move {
//!         if let Err(error) = echo(stream).await {
//!             eprintln!("{peer}: {error}");
//!         }
//!     });
//! }
//! # }
//!
//! async fn echo(stream: Async<TcpStream>) -> Result<(), Error> {
//!     stream.get_ref().set_nodelay(true)?;
//!     let mut websocket = WebSocket::accept(stream).await?;
//!     while let Some((message, outbound)) = websocket.recv_split().await? {
//!         outbound.feed(message)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! [`WebSocket::accept_with`](asynchronous::WebSocket::accept_with) checks the origin of browsers. A client begins with [`connect`].
//!
//! After the closing handshake, `poll_close` of the stream should shut down its write side, so that the peer learns of the
//! end. The streams of `async-net` (`smol::net`) do so. `async_io::Async` only flushes: its peer learns of the end when
//! the connection is dropped, as it is here, and [`close`](asynchronous::WebSocket::close) waits for the peer until
//! [`Timers::close`](crate::Timers::close).

mod connect;
mod stream;

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::{
    io::{self, IoSlice},
    time::Instant,
};

use async_io::Timer as Sleep;
use futures_io::{AsyncRead, AsyncWrite};

pub use self::{
    connect::{connect, connect_with, open_stream},
    stream::MaybeTls,
};
use crate::{
    connection::Time,
    io::asynchronous::{self, RuntimeTimer, Transport},
};

/// A WebSocket over a futures-io stream. See [`asynchronous::WebSocket`] for its documentation.
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

/// A futures-io stream as a [`Transport`].
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
    type Timer = AsyncIoTimer;

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream)
            .poll_read(cx, buffer)
            .map(asynchronous::end_without_notice)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // The default `poll_write_vectored` writes the first slice, so there is no need to check for support.
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// The system clock, with timers of async-io, which work on any executor.
#[derive(Debug)]
pub struct AsyncIoTimer {
    origin: Instant,
    sleep: Option<(Time, Sleep)>,
}

impl RuntimeTimer for AsyncIoTimer {
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
        let (set, sleep) = self.sleep.get_or_insert_with(|| (due, Sleep::at(deadline)));
        if *set != due {
            sleep.set_at(deadline);
            *set = due;
        }
        ready!(Pin::new(sleep).poll(cx));
        self.sleep = None;
        Poll::Ready(())
    }
}
