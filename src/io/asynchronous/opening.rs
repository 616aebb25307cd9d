//! The opening handshake over an async transport: performs the steps of an [`Opening`].

use alloc::boxed::Box;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
use core::time::Duration;
use core::{
    future::poll_fn,
    task::{Context, Poll, ready},
};
use std::io::{self, IoSlice};

use super::{RuntimeTimer, Transport, WebSocket};
use crate::{
    config::Config,
    connection::Step,
    error::{Error, Phase},
    handshake::{
        Accept, ClientHandshake, ClientRequest, Handshake, Opening, Rejection, ServerHandshake, UpgradeRequest,
        UpgradeResponse,
    },
    io::{
        bounded::bounded,
        opener::{Calls, Opener},
        verbs::{accept_verbs, connect_verbs},
    },
    negotiated::Negotiated,
};

/// The opening handshake of a server, step by step: first the request, then the decision about it.
///
/// Use it as [`tokio::Acceptor`](crate::tokio::Acceptor) or [`futures::Acceptor`](crate::futures::Acceptor).
/// [`WebSocket::accept_with`] takes all steps at once.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # async fn serve(stream: tokio::net::TcpStream) -> Result<(), websocket_proto::Error> {
/// use websocket_proto::{Config, handshake::{Accept, Rejection}, tokio::Acceptor};
///
/// let mut acceptor = Acceptor::new(stream, &Config::new());
/// let request = acceptor.recv_request().await?;
/// # async fn is_known_user(_: Option<&str>) -> bool { true }
/// if !is_known_user(request.headers().get("Authorization")).await {
///     return Err(acceptor.reject(&request, &Rejection::new(403)).await);
/// }
/// let mut websocket = acceptor.accept(&request, Accept::new()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Acceptor<T: Transport> {
    link: OpeningLink<T, T::Timer, ServerHandshake>,
}

impl<T: Transport> Acceptor<T> {
    /// Starts a handshake over a stream from which nothing has been read. Its timeout starts now.
    ///
    /// The stream is any type that converts into the transport; see [`WebSocket::accept`].
    #[must_use]
    pub fn new(stream: impl Into<T>, config: &Config) -> Self {
        let timer = T::Timer::new();
        let opening = Opening::server(config, timer.now());
        Self {
            link: OpeningLink::new(stream.into(), timer, opening, config.clone()),
        }
    }

    /// Starts a handshake over a stream that must be set up first, with TLS for example. Its timeout starts now, and
    /// limits both together.
    ///
    /// `set_up` is any future that returns the stream:
    ///
    #[cfg_attr(
        feature = "tokio-rustls",
        doc = "
```
# async fn serve(stream: tokio::net::TcpStream, config: std::sync::Arc<websocket_proto::tls::rustls::ServerConfig>) -> Result<(), websocket_proto::Error> {
use tokio_rustls::TlsAcceptor;
use websocket_proto::{Config, handshake::Accept, tokio::Acceptor};

let tls = TlsAcceptor::from(config);
let mut acceptor = Acceptor::over(tls.accept(stream), &Config::new()).await?;
let request = acceptor.recv_request().await?;
let mut websocket = acceptor.accept(&request, Accept::new()).await?;
# Ok(())
# }
```
"
    )]
    /// # Errors
    ///
    /// The errors of `set_up`; [`Error::TimedOut`] with [`Phase::Tls`] if it takes too long.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the connection is dropped.
    pub fn over<F, S, E>(set_up: F, config: &Config) -> impl Future<Output = Result<Self, Error>> + use<T, F, S, E>
    where
        F: Future<Output = Result<S, E>>,
        S: Into<T>,
        E: Into<Error>,
    {
        let timer = T::Timer::new();
        let opening = Opening::server(config, timer.now());
        let link = OpeningLink::over(set_up, timer, opening, config.clone());
        // Boxed. Otherwise the state of TLS would be part of the caller's future for as long as the connection lasts.
        Box::pin(async move { Ok(Self { link: link.await? }) })
    }

    accept_verbs!(WebSocket<T>, async await);
}

/// The opening handshake of a client, step by step.
///
/// Use it as [`tokio::Connector`](crate::tokio::Connector) or [`futures::Connector`](crate::futures::Connector).
/// [`WebSocket::client_with`] takes all steps at once.
#[derive(Debug)]
pub struct Connector<T: Transport> {
    link: OpeningLink<T, T::Timer, ClientHandshake>,
}

impl<T: Transport> Connector<T> {
    /// Starts a handshake over a stream connected to the request's server. Its timeout starts now.
    ///
    /// The stream is any type that converts into the transport; see [`WebSocket::accept`].
    ///
    /// # Errors
    ///
    /// [`Error::Request`] for a request that cannot be sent; [`Error::Entropy`].
    pub fn new(stream: impl Into<T>, request: ClientRequest, config: &Config) -> Result<Self, Error> {
        let timer = T::Timer::new();
        let opening = Opening::client(request, config.nonce()?, config, timer.now())?;
        Ok(Self {
            link: OpeningLink::new(stream.into(), timer, opening, config.clone()),
        })
    }

    /// Starts a handshake over a stream that must be set up first; see [`Acceptor::over`].
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), before anything is set up; the errors of `set_up`; [`Error::TimedOut`] with
    /// [`Phase::Tls`] if it takes too long.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the connection is dropped.
    pub fn over<F, S, E>(
        set_up: F,
        request: ClientRequest,
        config: &Config,
    ) -> impl Future<Output = Result<Self, Error>> + use<T, F, S, E>
    where
        F: Future<Output = Result<S, E>>,
        S: Into<T>,
        E: Into<Error>,
    {
        let timer = T::Timer::new();
        let opening = config
            .nonce()
            .map_err(Error::from)
            .and_then(|nonce| Ok(Opening::client(request, nonce, config, timer.now())?));
        let config = config.clone();
        Box::pin(async move {
            let link = OpeningLink::over(set_up, timer, opening?, config).await?;
            Ok(Self { link })
        })
    }

    /// Sets the time left for a handshake that began before this point.
    #[cfg(any(feature = "tokio", feature = "futures-io"))]
    pub(crate) fn set_time_left(&mut self, left: Duration) {
        let deadline = self.link.timer.now() + left;
        self.link.opener.opening.set_deadline(Some(deadline));
    }

    connect_verbs!(WebSocket<T>, async await);
}

/// An opening handshake and its transport.
#[derive(Debug)]
struct OpeningLink<T, C, H: Handshake> {
    transport: T,
    timer: C,
    opener: Opener<H>,
    config: Config,
}

impl<T: Transport, H: Handshake> OpeningLink<T, T::Timer, H> {
    fn new(transport: T, timer: T::Timer, opening: Opening<H>, config: Config) -> Self {
        Self {
            transport,
            timer,
            opener: Opener::new(opening),
            config,
        }
    }

    /// Sets the stream up, until the deadline of the opening handshake.
    async fn over<S: Into<T>, E: Into<Error>>(
        set_up: impl Future<Output = Result<S, E>>,
        mut timer: T::Timer,
        opening: Opening<H>,
        config: Config,
    ) -> Result<Self, Error> {
        let until = |due, cx: &mut Context<'_>| timer.poll_until(due, cx);
        let stream = bounded(opening.patience(), until, Phase::Tls, set_up).await?;
        Ok(Self::new(stream.into(), timer, opening, config))
    }

    fn open(self, negotiated: &Negotiated) -> WebSocket<T> {
        WebSocket::from_negotiated(self.transport, negotiated, &self.config)
    }

    /// Receives the peer's head.
    async fn recv(&mut self) -> Result<H::Received, Error> {
        self.drive().await;
        self.opener.outcome()
    }

    async fn drive(&mut self) {
        poll_fn(|cx| self.poll_drive(cx)).await;
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            transport,
            timer,
            opener,
            ..
        } = self;
        opener.opening.turn();
        loop {
            match opener.opening.next_step() {
                Step::Time => opener.opening.at(timer.now()),
                Step::Wait(Some(due)) => {
                    ready!(timer.poll_until(due, cx));
                    opener.opening.at(timer.now().max(due));
                }
                Step::Wait(None) => return Poll::Pending,
                Step::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Written | Step::Ended => return Poll::Ready(()),
                step => drop(opener.perform(step, &mut Polled { transport, cx })),
            }
        }
    }
}

/// The calls of a transport, each polled once.
struct Polled<'a, 'c, T> {
    transport: &'a mut T,
    cx: &'a mut Context<'c>,
}

impl<T: Transport> Calls for Polled<'_, '_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.transport.poll_read(self.cx, buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.transport.poll_write(self.cx, &[IoSlice::new(bytes)])
    }

    fn flush(&mut self) -> Poll<io::Result<()>> {
        self.transport.poll_flush(self.cx)
    }

    fn shutdown(&mut self) -> Poll<io::Result<()>> {
        self.transport.poll_shutdown(self.cx)
    }
}
