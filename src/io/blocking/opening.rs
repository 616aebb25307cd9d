//! The opening handshake over a stream.

use core::time::Duration;
use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    time::Instant,
};

use super::{Stream, WebSocket, transport};
use crate::{
    config::Config,
    error::Error,
    handshake::{
        Accept, ClientHandshake, ClientRequest, HandshakeError, Rejection, ServerHandshake, UpgradeRequest,
        UpgradeResponse,
    },
    negotiated::Negotiated,
};

/// Bytes of one read. A browser's request has about 600.
const READ: usize = 4 << 10;

/// How long a client that was refused may take to read why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// The opening handshake of a server over a stream, step by step.
///
/// [`WebSocket::accept`] takes all steps at once. The steps serve a non-blocking stream, whose
/// [`recv_request`](Self::recv_request) is called again when there is more to read, and a server that wants to look at
/// the request at leisure.
#[derive(Debug)]
pub struct Acceptor<S> {
    stream: S,
    handshake: ServerHandshake,
    config: Config,
    clock: Clock,
}

impl<S: Stream> Acceptor<S> {
    /// A handshake over a stream of which nothing was read.
    #[must_use]
    pub fn new(stream: S, config: &Config) -> Self {
        Self {
            stream,
            handshake: ServerHandshake::new(config),
            config: config.clone(),
            clock: Clock::new(config),
        }
    }

    /// The client's request.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for a request that is not valid or late, which was then answered; [`Error::Io`], with
    /// `WouldBlock` if the stream has not got all of it yet: then call again.
    pub fn recv_request(&mut self) -> Result<UpgradeRequest, Error> {
        let mut buffer = [0; READ];
        let outcome = loop {
            match self.clock.read(&mut self.stream, &mut buffer)? {
                Read::Bytes(n) => match self.handshake.receive(&buffer[..n]) {
                    Ok(None) => {}
                    Ok(Some(request)) => break Ok(request),
                    Err(error) => break Err(error),
                },
                Read::End => break Err(self.handshake.receive_eof()),
                Read::TooLate => break Err(self.handshake.handle_timeout()),
            }
        };
        if let Some(response) = outcome.as_ref().err().and_then(HandshakeError::response) {
            self.refuse(&response);
        }
        Ok(outcome?)
    }

    /// Accepts the request. On a non-blocking stream, the response may go out with later calls.
    ///
    /// # Errors
    ///
    /// [`Error::Accept`] if the request cannot be accepted so, in which case the client was told 500; [`Error::Io`].
    pub fn accept(mut self, request: &UpgradeRequest, accept: Accept) -> Result<WebSocket<S>, Error> {
        match request.accept(accept) {
            Ok(accepted) => {
                let (response, negotiated) = accepted.into_parts();
                self.clock.stop(&mut self.stream)?;
                open(self.stream, &negotiated.with_prelude(response), &self.config)
            }
            Err(error) => {
                self.refuse_with_500();
                Err(error.into())
            }
        }
    }

    /// Rejects the request, and waits for a short time until the client has read the response.
    ///
    /// Returns [`Error::Rejected`]; [`Error::Reject`] if it cannot be rejected so, in which case the client was told
    /// 500.
    pub fn reject(mut self, request: &UpgradeRequest, rejection: &Rejection) -> Error {
        match request.reject(rejection) {
            Ok(response) => {
                self.refuse(&response);
                Error::Rejected(rejection.status())
            }
            Err(error) => {
                self.refuse_with_500();
                error.into()
            }
        }
    }

    fn refuse_with_500(&mut self) {
        if let Ok(response) = Rejection::new(500).to_bytes() {
            self.refuse(&response);
        }
    }

    /// Sends a refusal as well as it goes. That there was something to refuse is what counts.
    fn refuse(&mut self, response: &[u8]) {
        let _ = self.stream.set_write_timeout(Some(REFUSAL_TIMEOUT));
        if self.stream.write_all(response).is_ok() && self.stream.shutdown(Shutdown::Write).is_ok() {
            let _ = transport::drain(&mut self.stream, Instant::now() + REFUSAL_TIMEOUT);
        }
    }
}

/// The opening handshake of a client over a stream, step by step.
///
/// [`WebSocket::client`] takes all steps at once. The steps serve a non-blocking stream, and a client that wants to see
/// the response.
#[derive(Debug)]
pub struct Connector<S> {
    stream: S,
    handshake: ClientHandshake,
    /// Bytes of the request that are written.
    written: usize,
    /// Whether the stream may hold written bytes back.
    unflushed: bool,
    config: Config,
    clock: Clock,
}

impl<S: Stream> Connector<S> {
    /// A handshake over a stream that leads to the server of the request.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] for a request that cannot be sent; [`Error::Entropy`].
    pub fn new(stream: S, request: ClientRequest, config: &Config) -> Result<Self, Error> {
        Ok(Self {
            stream,
            handshake: ClientHandshake::new(request, config.nonce()?, config)?,
            written: 0,
            unflushed: true,
            config: config.clone(),
            clock: Clock::new(config),
        })
    }

    /// Sets the end of the handshake, which began before it got here. Also bounds the writes, which
    /// [`open`](Self::open) gives the bound of the connection.
    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        self.clock = Clock { deadline };
        match self.clock.left() {
            Some(left) => self.stream.set_write_timeout(Some(left.max(transport::SHORTEST))),
            None => Ok(()),
        }
    }

    /// Sends the request, and returns the server's response.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the server refuses, or its response is not valid or late; [`Error::Io`], with
    /// `WouldBlock` if the stream is not ready: then call again.
    pub fn recv_response(&mut self) -> Result<UpgradeResponse, Error> {
        while let rest @ [_, ..] = &self.handshake.request()[self.written..] {
            match transport::uninterrupted(|| self.stream.write(rest))? {
                0 => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                n => self.written += n,
            }
        }
        if self.unflushed {
            transport::uninterrupted(|| self.stream.flush())?;
            self.unflushed = false;
        }
        let mut buffer = [0; READ];
        loop {
            match self.clock.read(&mut self.stream, &mut buffer)? {
                Read::Bytes(n) => {
                    if let Some(response) = self.handshake.receive(&buffer[..n])? {
                        return Ok(response);
                    }
                }
                Read::End => return Err(self.handshake.receive_eof().into()),
                Read::TooLate => return Err(self.handshake.handle_timeout().into()),
            }
        }
    }

    /// Opens the connection that the response allows.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn open(mut self, response: UpgradeResponse) -> Result<WebSocket<S>, Error> {
        self.clock.stop(&mut self.stream)?;
        open(self.stream, &response.into_negotiated(), &self.config)
    }
}

/// Starts the connection, and writes what must go out first. What a stream does not take yet goes out later.
fn open<S: Stream>(stream: S, negotiated: &Negotiated, config: &Config) -> Result<WebSocket<S>, Error> {
    let mut websocket = WebSocket::from_negotiated(stream, negotiated, config);
    match websocket.flush() {
        Err(error) if !error.is_would_block() => Err(error),
        _ => Ok(websocket),
    }
}

/// The end of an opening handshake that begins now. A time that is too long to be reached is no bound.
pub(super) fn deadline(config: &Config) -> Option<Instant> {
    let timeout = config.timers.handshake?;
    Instant::now().checked_add(timeout)
}

/// The time that an opening handshake may take.
#[derive(Debug)]
struct Clock {
    deadline: Option<Instant>,
}

enum Read {
    Bytes(usize),
    End,
    TooLate,
}

impl Clock {
    fn new(config: &Config) -> Self {
        Self {
            deadline: deadline(config),
        }
    }

    fn left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Reads once, for at most as long as the handshake may take.
    fn read<S: Stream>(&self, stream: &mut S, buffer: &mut [u8]) -> io::Result<Read> {
        loop {
            if self.is_over() {
                return Ok(Read::TooLate);
            }
            if let Some(left) = self.left() {
                stream.set_read_timeout(Some(left))?;
            }
            match stream.read(buffer) {
                Ok(0) => return Ok(Read::End),
                Ok(n) => return Ok(Read::Bytes(n)),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut if self.is_over() => return Ok(Read::TooLate),
                    ErrorKind::TimedOut => return Err(ErrorKind::WouldBlock.into()),
                    _ => return Err(error),
                },
            }
        }
    }

    fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left < transport::SHORTEST)
    }

    /// Ends the bound on reads that the handshake has set.
    fn stop<S: Stream>(&self, stream: &mut S) -> io::Result<()> {
        match self.deadline {
            Some(_) => stream.set_read_timeout(None),
            None => Ok(()),
        }
    }
}
