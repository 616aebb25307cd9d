//! The opening handshake over an async transport.

use core::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::io::{self, IoSlice};

use super::{Timer, Transport, WebSocket, engine};
use crate::{
    config::Config,
    connection::Time,
    error::Error,
    handshake::{
        Accept, ClientHandshake, ClientRequest, HandshakeError, Rejection, ServerHandshake, UpgradeRequest,
        UpgradeResponse,
    },
};

/// Bytes of one read. A browser's request has about 600.
const READ: usize = 2 << 10;

/// How long a client that was refused may take to read why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// The opening handshake of a server over a transport, step by step, so that the decision may take its time.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # async fn serve(stream: tokio::net::TcpStream) -> Result<(), websocket_proto::Error> {
/// use websocket_proto::{Config, asynchronous::Acceptor, handshake::{Accept, Rejection}, tokio::Io};
///
/// let mut acceptor = Acceptor::new(Io::new(stream), &Config::new());
/// let request = acceptor.recv_request().await?;
/// # async fn is_known_user(_: Option<&[u8]>) -> bool { true }
/// if !is_known_user(request.headers().first("cookie")).await {
///     return Err(acceptor.reject(&request, &Rejection::new(403)).await);
/// }
/// let mut websocket = acceptor.accept(&request, Accept::new()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Acceptor<T: Transport> {
    transport: T,
    handshake: ServerHandshake,
    config: Config,
    clock: Clock<T::Timer>,
    /// The answer to a request that is not valid, while it is under way.
    refusal: Option<(HandshakeError, Refusal)>,
}

impl<T: Transport> Acceptor<T> {
    /// A handshake over a transport of which nothing was read.
    #[must_use]
    pub fn new(transport: T, config: &Config) -> Self {
        Self {
            transport,
            handshake: ServerHandshake::new(config),
            config: config.clone(),
            clock: Clock::new(config),
            refusal: None,
        }
    }

    /// The client's request.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for a request that is not valid or late, which was then answered; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call goes on with what has arrived.
    pub async fn recv_request(&mut self) -> Result<UpgradeRequest, Error> {
        poll_fn(|cx| self.poll_request(cx)).await
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
        match request.accept(accept) {
            Ok(accepted) => {
                let (response, negotiated) = accepted.into_parts();
                let negotiated = negotiated.with_prelude(response);
                let mut websocket = WebSocket::from_parts(self.transport, &negotiated, &self.config);
                websocket.flush().await?;
                Ok(websocket)
            }
            Err(error) => {
                self.refuse_with_500().await;
                Err(error.into())
            }
        }
    }

    /// Rejects the request, and waits for a short time until the client has read the response.
    ///
    /// Returns [`Error::Rejected`]; [`Error::Reject`] if it cannot be rejected so, in which case the client was told
    /// 500.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the connection is dropped with it.
    pub async fn reject(mut self, request: &UpgradeRequest, rejection: &Rejection) -> Error {
        match request.reject(rejection) {
            Ok(response) => {
                self.refuse(response).await;
                Error::Rejected(rejection.status())
            }
            Err(error) => {
                self.refuse_with_500().await;
                error.into()
            }
        }
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<UpgradeRequest, Error>> {
        if self.refusal.is_none() {
            let received = match self.poll_receive(cx)? {
                Poll::Pending if self.clock.is_late(cx) => Err(self.handshake.handle_timeout()),
                received => ready!(received),
            };
            match received {
                Ok(request) => return Poll::Ready(Ok(request)),
                Err(error) => match error.response() {
                    Some(response) => self.refusal = Some((error, Refusal::new(response, &mut self.clock))),
                    None => return Poll::Ready(Err(error.into())),
                },
            }
        }
        if let Some((_, refusal)) = &mut self.refusal {
            ready!(refusal.poll(&mut self.transport, &mut self.clock, cx));
        }
        let error = self.refusal.take().map_or(HandshakeError::Ended, |(error, _)| error);
        Poll::Ready(Err(error.into()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Result<UpgradeRequest, HandshakeError>>> {
        let mut buffer = [0; READ];
        loop {
            let received = match ready!(self.transport.poll_read(cx, &mut buffer))? {
                0 => Err(self.handshake.receive_eof()),
                n => self.handshake.receive(&buffer[..n]),
            };
            if let Some(received) = received.transpose() {
                return Poll::Ready(Ok(received));
            }
        }
    }

    async fn refuse_with_500(&mut self) {
        if let Ok(response) = Rejection::new(500).to_bytes() {
            self.refuse(response).await;
        }
    }

    async fn refuse(&mut self, response: Vec<u8>) {
        let Self { transport, clock, .. } = self;
        let mut refusal = Refusal::new(response, clock);
        poll_fn(|cx| refusal.poll(transport, clock, cx)).await;
    }
}

/// A refusal that is being sent as well as it goes, before the client's end of the stream is awaited for a short time.
/// That there was something to refuse is what counts.
#[derive(Debug)]
struct Refusal {
    response: Vec<u8>,
    written: usize,
    shut_down: bool,
}

impl Refusal {
    fn new<C: Timer>(response: Vec<u8>, clock: &mut Clock<C>) -> Self {
        clock.deadline = Some(clock.timer.now() + REFUSAL_TIMEOUT);
        Self {
            response,
            written: 0,
            shut_down: false,
        }
    }

    fn poll<T: Transport>(&mut self, transport: &mut T, clock: &mut Clock<T::Timer>, cx: &mut Context<'_>) -> Poll<()> {
        if clock.is_late(cx) {
            return Poll::Ready(());
        }
        if !self.shut_down {
            if ready!(poll_write_all(transport, &self.response, &mut self.written, cx)).is_err() {
                return Poll::Ready(());
            }
            let _ = ready!(transport.poll_shutdown(cx));
            self.shut_down = true;
        }
        if engine::has_ended(transport, cx) {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// The opening handshake of a client over a transport, step by step.
#[derive(Debug)]
pub struct Connector<T: Transport> {
    transport: T,
    handshake: ClientHandshake,
    /// Bytes of the request that are written.
    written: usize,
    config: Config,
    clock: Clock<T::Timer>,
}

impl<T: Transport> Connector<T> {
    /// A handshake over a transport that leads to the server of the request.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] for a request that cannot be sent; [`Error::Entropy`].
    pub fn new(transport: T, request: ClientRequest, config: &Config) -> Result<Self, Error> {
        Ok(Self {
            transport,
            handshake: ClientHandshake::new(request, config.nonce()?, config)?,
            written: 0,
            config: config.clone(),
            clock: Clock::new(config),
        })
    }

    /// Sets the time that is left for the handshake, of which some was used to get here.
    #[cfg(feature = "tokio")]
    pub(crate) fn set_time_left(&mut self, left: Duration) {
        self.clock.deadline = Some(self.clock.timer.now() + left);
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
        poll_fn(|cx| self.poll_response(cx)).await
    }

    /// Opens the connection that the response allows.
    #[must_use]
    pub fn open(self, response: UpgradeResponse) -> WebSocket<T> {
        WebSocket::from_parts(self.transport, &response.into_negotiated(), &self.config)
    }

    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<UpgradeResponse, Error>> {
        match self.poll_exchange(cx) {
            Poll::Pending if self.clock.is_late(cx) => Poll::Ready(Err(self.handshake.handle_timeout().into())),
            response => response,
        }
    }

    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<UpgradeResponse, Error>> {
        let request = self.handshake.request();
        ready!(poll_write_all(&mut self.transport, request, &mut self.written, cx))?;
        let mut buffer = [0; READ];
        loop {
            match ready!(self.transport.poll_read(cx, &mut buffer))? {
                0 => return Poll::Ready(Err(self.handshake.receive_eof().into())),
                n => {
                    if let Some(response) = self.handshake.receive(&buffer[..n])? {
                        return Poll::Ready(Ok(response));
                    }
                }
            }
        }
    }
}

/// Writes all bytes, of which `written` are written.
pub(crate) fn poll_write_all<T: Transport>(
    transport: &mut T,
    bytes: &[u8],
    written: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while let rest @ [_, ..] = &bytes[*written..] {
        match ready!(transport.poll_write(cx, &[IoSlice::new(rest)]))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            n => *written += n,
        }
    }
    transport.poll_flush(cx)
}

/// The time that an opening handshake may take.
#[derive(Debug)]
struct Clock<C> {
    timer: C,
    deadline: Option<Time>,
}

impl<C: Timer> Clock<C> {
    fn new(config: &Config) -> Self {
        let timer = C::new();
        let deadline = config.timers.handshake.map(|timeout| timer.now() + timeout);
        Self { timer, deadline }
    }

    /// Whether the deadline has passed. Asked only when the transport has to be waited for: what is there at once needs no
    /// timer, and to set one may cost a system call.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline
            .is_some_and(|deadline| self.timer.poll_until(deadline, cx).is_ready())
    }
}
