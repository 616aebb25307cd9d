//! The opening handshake over a stream: steps of an [`Opening`], performed.

use core::time::Duration;
use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    time::Instant,
};

use super::{Stream, WebSocket};
use crate::{
    config::Config,
    connection::{Step, Time},
    error::Error,
    handshake::{
        Accept, ClientHandshake, ClientRequest, Handshake, HandshakeError, Opening, Rejection, ServerHandshake,
        UpgradeRequest, UpgradeResponse,
    },
    io::SHORTEST,
    negotiated::Negotiated,
};

/// Bytes of one read. A browser's request has about 600.
const READ: usize = 4 << 10;

/// The opening handshake of a server over a stream, step by step.
///
/// [`WebSocket::accept`] takes all steps at once. The steps serve a non-blocking stream, whose
/// [`recv_request`](Self::recv_request) is called again when there is more to read, and a server that wants to look at
/// the request before it decides.
#[derive(Debug)]
pub struct Acceptor<S> {
    link: Link<S, ServerHandshake>,
}

impl<S: Stream> Acceptor<S> {
    /// A handshake over a stream of which nothing was read. Its time begins now.
    #[must_use]
    pub fn new(stream: S, config: &Config) -> Self {
        Self {
            link: Link::new(stream, Opening::server(config, Time::ZERO), config),
        }
    }

    /// The client's request.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for a request that is not valid or late, after the client was told so and had
    /// [2 s](Opening::LAST_WAIT) to end its side; [`Error::Io`], with `WouldBlock` if the stream is not ready: then call
    /// again.
    pub fn recv_request(&mut self) -> Result<UpgradeRequest, Error> {
        self.link.recv()
    }

    /// Accepts the request. On a non-blocking stream, the response may go out with later calls.
    ///
    /// # Errors
    ///
    /// [`Error::Accept`] if the request cannot be accepted so, in which case the client was told 500; [`Error::Io`].
    pub fn accept(mut self, request: &UpgradeRequest, accept: Accept) -> Result<WebSocket<S>, Error> {
        match self.link.opening.accept(request, accept) {
            Ok(negotiated) => self.link.open(&negotiated),
            Err(error) => {
                // That there was something to refuse is what counts.
                let _ = self.link.drive();
                Err(error.into())
            }
        }
    }

    /// Rejects the request, and waits for at most [2 s](Opening::LAST_WAIT) until the client has read the response and ended
    /// its side. It does not wait for a non-blocking stream.
    ///
    /// Returns [`Error::Rejected`]; [`Error::Reject`] if it cannot be rejected so, in which case the client was told
    /// 500.
    pub fn reject(mut self, _: &UpgradeRequest, rejection: &Rejection) -> Error {
        let rejected = self.link.opening.reject(rejection);
        let _ = self.link.drive();
        match rejected {
            Ok(()) => Error::Rejected(rejection.status()),
            Err(error) => error.into(),
        }
    }
}

/// The opening handshake of a client over a stream, step by step.
///
/// [`WebSocket::client`] takes all steps at once. The steps serve a non-blocking stream, and a client that wants to see
/// the response.
#[derive(Debug)]
pub struct Connector<S> {
    link: Link<S, ClientHandshake>,
}

impl<S: Stream> Connector<S> {
    /// A handshake over a stream that leads to the server of the request. Its time begins now.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] for a request that cannot be sent; [`Error::Entropy`].
    pub fn new(stream: S, request: ClientRequest, config: &Config) -> Result<Self, Error> {
        let opening = Opening::client(request, config.nonce()?, config, Time::ZERO)?;
        Ok(Self {
            link: Link::new(stream, opening, config),
        })
    }

    /// Sets the end of the handshake, which began before it got here.
    pub(super) fn set_deadline(&mut self, deadline: Option<Instant>) {
        let origin = self.link.origin;
        let due = deadline.map(|deadline| Time::from_origin(deadline.saturating_duration_since(origin)));
        self.link.opening.set_deadline(due);
    }

    /// Sends the request, and returns the server's response.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the server refuses, or its response is not valid or late; [`Error::Io`], with
    /// `WouldBlock` if the stream is not ready: then call again.
    pub fn recv_response(&mut self) -> Result<UpgradeResponse, Error> {
        self.link.recv()
    }

    /// Opens the connection that the response allows.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn open(self, response: UpgradeResponse) -> Result<WebSocket<S>, Error> {
        self.link.open(&response.into_negotiated())
    }
}

/// An opening handshake and its stream.
#[derive(Debug)]
struct Link<S, H: Handshake> {
    stream: S,
    origin: Instant,
    opening: Opening<H>,
    config: Config,
    /// Whether reads of the stream were bounded.
    bounded: bool,
    /// Why the stream failed.
    error: Option<io::Error>,
}

impl<S: Stream, H: Handshake> Link<S, H> {
    fn new(stream: S, opening: Opening<H>, config: &Config) -> Self {
        Self {
            stream,
            origin: Instant::now(),
            opening,
            config: config.clone(),
            bounded: false,
            error: None,
        }
    }

    /// The peer's head.
    fn recv(&mut self) -> Result<H::Received, Error> {
        self.drive()?;
        self.opening
            .outcome()
            .map_err(|error| match (error, self.error.take()) {
                (HandshakeError::Eof, Some(cause)) => cause.into(),
                (error, _) => error.into(),
            })
    }

    /// Starts the connection, and writes what must go out first. What a stream does not take yet goes out later.
    fn open(mut self, negotiated: &Negotiated) -> Result<WebSocket<S>, Error> {
        if self.bounded {
            self.stream.set_read_timeout(None)?;
        }
        let mut websocket = WebSocket::from_negotiated(self.stream, negotiated, &self.config);
        match websocket.flush() {
            Err(error) if !error.is_would_block() => Err(error),
            _ => Ok(websocket),
        }
    }

    /// Goes on to the end of the exchange or of a refusal.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, if the stream is not ready before it must be.
    fn drive(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ];
        // Whether output waits, and until when the calls of a whole turn have waited.
        let (mut is_full, mut waited) = (false, None);
        self.opening.turn();
        loop {
            match self.opening.next_step() {
                Step::Write => match self.write() {
                    Ok(n) if n > 0 => self.opening.wrote(n),
                    written => is_full |= self.not_written(written.err()),
                },
                Step::Flush => match self.stream.flush() {
                    Ok(()) => self.opening.flushed(),
                    Err(error) => is_full |= self.not_written(Some(error)),
                },
                Step::Shutdown => {
                    let _ = self.stream.shutdown(Shutdown::Write);
                    self.opening.shut_down();
                }
                // Nothing would end this read, though the peer may wait for the rest of the request.
                Step::Read if is_full && self.opening.patience().is_none() => return Err(ErrorKind::WouldBlock.into()),
                Step::Read | Step::Discard => match self.read(&mut buffer) {
                    Ok(0) => self.opening.read_ended(),
                    Ok(n) => self.opening.read(&buffer[..n]),
                    Err(error) => match error.kind() {
                        ErrorKind::Interrupted => {}
                        ErrorKind::WouldBlock | ErrorKind::TimedOut => self.opening.read_blocked(),
                        _ => {
                            self.error.get_or_insert(error);
                            self.opening.read_failed();
                        }
                    },
                },
                Step::Time => self.opening.at(self.now()),
                Step::Wait(Some(due)) if self.now() + SHORTEST >= due => self.opening.at(self.now().max(due)),
                // A stream that blocks has waited until then, and another is not ready.
                Step::Wait(due) if due.is_none() || due == waited => return Err(ErrorKind::WouldBlock.into()),
                Step::Wait(due) => {
                    (is_full, waited) = (false, due);
                    self.opening.turn();
                }
                Step::Yield => {}
                Step::Written | Step::Ended => return Ok(()),
            }
        }
    }

    fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }

    /// How long a call may block.
    fn patience(&self) -> Option<Duration> {
        let due = self.opening.patience()?;
        Some(due.since(self.now()).max(SHORTEST))
    }

    fn write(&mut self) -> io::Result<usize> {
        if let patience @ Some(_) = self.patience() {
            self.stream.set_write_timeout(patience)?;
        }
        self.stream.write(self.opening.chunk())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let patience @ Some(_) = self.patience() {
            self.bounded = true;
            self.stream.set_read_timeout(patience)?;
        }
        self.stream.read(buffer)
    }

    /// Reports a write that failed or took nothing. Returns whether the stream is not ready.
    fn not_written(&mut self, error: Option<io::Error>) -> bool {
        let error = error.unwrap_or(ErrorKind::WriteZero.into());
        match error.kind() {
            ErrorKind::Interrupted => return false,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                self.opening.write_blocked();
                return true;
            }
            _ => {}
        }
        self.error.get_or_insert(error);
        self.opening.write_failed();
        false
    }
}
