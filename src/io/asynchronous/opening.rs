//! The opening handshake over an async transport: steps of an [`Opening`], performed.

#[cfg(feature = "tokio")]
use core::time::Duration;
use core::{
    future::poll_fn,
    task::{Context, Poll, ready},
};
use std::io::{self, IoSlice};

use super::{Timer, Transport, WebSocket};
use crate::{
    config::Config,
    connection::{Connection, Step},
    error::Error,
    handshake::{
        Accept, ClientHandshake, ClientRequest, Handshake, HandshakeError, Opening, Rejection, ServerHandshake,
        UpgradeRequest, UpgradeResponse,
    },
    negotiated::Negotiated,
};

/// Bytes of one read. A browser's request has about 600.
const READ: usize = 2 << 10;

/// The opening handshake of a server over a transport, step by step, so that the decision may take its time.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # async fn serve(stream: tokio::net::TcpStream) -> Result<(), websocket_proto::Error> {
/// use websocket_proto::{Config, asynchronous::Acceptor, handshake::{Accept, Rejection}, tokio::Io};
///
/// let mut acceptor = Acceptor::new(Io::new(stream), &Config::new());
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
    link: Link<T, T::Timer, ServerHandshake>,
}

impl<T: Transport> Acceptor<T> {
    /// A handshake over a transport of which nothing was read. Its time begins now.
    #[must_use]
    pub fn new(transport: T, config: &Config) -> Self {
        let timer = T::Timer::new();
        let opening = Opening::server(config, timer.now());
        Self {
            link: Link::new(transport, timer, opening, config),
        }
    }

    /// The client's request.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for a request that is not valid or late, after the client was told so and had
    /// [2 s](Opening::LAST_WAIT) to end its side; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call goes on with what has arrived.
    pub async fn recv_request(&mut self) -> Result<UpgradeRequest, Error> {
        self.link.recv().await
    }

    /// Accepts the request.
    ///
    /// # Errors
    ///
    /// [`Error::Accept`] if the request cannot be accepted so, in which case the client was told 500; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the connection is dropped with it.
    pub async fn accept(mut self, request: &UpgradeRequest, accept: Accept) -> Result<WebSocket<T>, Error> {
        match self.link.opening.accept(request, accept) {
            Ok(negotiated) => {
                let mut websocket = self.link.into_websocket(&negotiated);
                websocket.flush().await?;
                Ok(websocket)
            }
            Err(error) => {
                self.link.drive().await;
                Err(error.into())
            }
        }
    }

    /// Rejects the request, and waits for at most [2 s](Opening::LAST_WAIT) until the client has read the response and ended
    /// its side.
    ///
    /// Returns [`Error::Rejected`]; [`Error::Reject`] if it cannot be rejected so, in which case the client was told
    /// 500.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the connection is dropped with it.
    pub async fn reject(mut self, _: &UpgradeRequest, rejection: &Rejection) -> Error {
        let rejected = self.link.opening.reject(rejection);
        self.link.drive().await;
        match rejected {
            Ok(()) => Error::Rejected(rejection.status()),
            Err(error) => error.into(),
        }
    }
}

/// The opening handshake of a client over a transport, step by step.
#[derive(Debug)]
pub struct Connector<T: Transport> {
    link: Link<T, T::Timer, ClientHandshake>,
}

impl<T: Transport> Connector<T> {
    /// A handshake over a transport that leads to the server of the request. Its time begins now.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] for a request that cannot be sent; [`Error::Entropy`].
    pub fn new(transport: T, request: ClientRequest, config: &Config) -> Result<Self, Error> {
        let timer = T::Timer::new();
        let opening = Opening::client(request, config.nonce()?, config, timer.now())?;
        Ok(Self {
            link: Link::new(transport, timer, opening, config),
        })
    }

    /// Sets the time that is left for the handshake, of which some was used to get here.
    #[cfg(feature = "tokio")]
    pub(crate) fn set_time_left(&mut self, left: Duration) {
        let deadline = self.link.timer.now() + left;
        self.link.opening.set_deadline(Some(deadline));
    }

    /// Sends the request, and returns the server's response.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the server refuses, or its response is not valid or late; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call goes on where it was.
    pub async fn recv_response(&mut self) -> Result<UpgradeResponse, Error> {
        self.link.recv().await
    }

    /// Opens the connection that the response allows.
    #[must_use]
    pub fn open(self, response: UpgradeResponse) -> WebSocket<T> {
        self.link.into_websocket(&response.into_negotiated())
    }
}

/// An opening handshake and its transport.
#[derive(Debug)]
struct Link<T, C, H: Handshake> {
    transport: T,
    timer: C,
    opening: Opening<H>,
    config: Config,
    /// Why the transport failed.
    error: Option<io::Error>,
}

impl<T: Transport, H: Handshake> Link<T, T::Timer, H> {
    fn new(transport: T, timer: T::Timer, opening: Opening<H>, config: &Config) -> Self {
        Self {
            transport,
            timer,
            opening,
            config: config.clone(),
            error: None,
        }
    }

    fn into_websocket(self, negotiated: &Negotiated) -> WebSocket<T> {
        WebSocket::from_parts(self.transport, Connection::from_negotiated(negotiated, &self.config))
    }

    /// The peer's head.
    async fn recv(&mut self) -> Result<H::Received, Error> {
        self.drive().await;
        self.opening
            .outcome()
            .map_err(|error| match (error, self.error.take()) {
                (HandshakeError::Eof, Some(cause)) => cause.into(),
                (error, _) => error.into(),
            })
    }

    async fn drive(&mut self) {
        poll_fn(|cx| self.poll_drive(cx)).await;
    }

    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            transport,
            timer,
            opening,
            error,
            ..
        } = self;
        let mut buffer = [0; READ];
        opening.turn();
        loop {
            match opening.next_step() {
                Step::Write => match transport.poll_write(cx, &[IoSlice::new(opening.chunk())]) {
                    Poll::Ready(Ok(n)) if n > 0 => opening.wrote(n),
                    Poll::Ready(written) => {
                        error.get_or_insert(written.err().unwrap_or(io::ErrorKind::WriteZero.into()));
                        opening.write_failed();
                    }
                    Poll::Pending => opening.write_blocked(),
                },
                Step::Flush => match transport.poll_flush(cx) {
                    Poll::Ready(Ok(())) => opening.flushed(),
                    Poll::Ready(Err(cause)) => {
                        error.get_or_insert(cause);
                        opening.write_failed();
                    }
                    Poll::Pending => opening.write_blocked(),
                },
                Step::Shutdown => match transport.poll_shutdown(cx) {
                    Poll::Ready(_) => opening.shut_down(),
                    Poll::Pending => opening.write_blocked(),
                },
                Step::Read | Step::Discard => match transport.poll_read(cx, &mut buffer) {
                    Poll::Ready(Ok(0)) => opening.read_ended(),
                    Poll::Ready(Ok(n)) => opening.read(&buffer[..n]),
                    Poll::Ready(Err(cause)) => {
                        error.get_or_insert(cause);
                        opening.read_failed();
                    }
                    Poll::Pending => opening.read_blocked(),
                },
                Step::Time => opening.at(timer.now()),
                Step::Wait(Some(due)) => {
                    ready!(timer.poll_until(due, cx));
                    opening.at(timer.now().max(due));
                }
                Step::Wait(None) => return Poll::Pending,
                Step::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Written | Step::Ended => return Poll::Ready(()),
            }
        }
    }
}
