//! The opening handshake over a stream: steps of an [`Opening`], performed.

use core::{task::Poll, time::Duration};
use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    time::Instant,
};

use super::{Stream, WebSocket, transport::uninterrupted};
use crate::{
    config::Config,
    connection::{Step, Time},
    error::Error,
    handshake::{
        Accept, ClientHandshake, ClientRequest, Handshake, Opening, Rejection, ServerHandshake, UpgradeRequest,
        UpgradeResponse,
    },
    io::{
        SHORTEST,
        opener::{Calls, Opener},
    },
    negotiated::Negotiated,
};

/// The opening handshake of a server over a stream, step by step.
///
/// [`WebSocket::accept`] takes all steps at once. The steps serve a non-blocking stream, whose
/// [`recv_request`](Self::recv_request) is called again when there is more to read, and a server that wants to look at
/// the request before it decides.
#[derive(Debug)]
pub struct Acceptor<S> {
    link: OpeningLink<S, ServerHandshake>,
}

impl<S: Stream> Acceptor<S> {
    /// A handshake over a stream of which nothing was read. Its time begins now.
    #[must_use]
    pub fn new(stream: S, config: &Config) -> Self {
        Self {
            link: OpeningLink::new(stream, Opening::server(config, Time::ZERO), config),
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
        match self.link.opener.opening.accept(request, accept) {
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
        let rejected = self.link.opener.opening.reject(rejection);
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
    link: OpeningLink<S, ClientHandshake>,
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
            link: OpeningLink::new(stream, opening, config),
        })
    }

    /// Sets the end of the handshake, which began before it got here.
    pub(in crate::io) fn set_deadline(&mut self, deadline: Option<Instant>) {
        let origin = self.link.origin;
        let due = deadline.map(|deadline| Time::from_origin(deadline.saturating_duration_since(origin)));
        self.link.opener.opening.set_deadline(due);
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
struct OpeningLink<S, H: Handshake> {
    stream: S,
    origin: Instant,
    opener: Opener<H>,
    config: Config,
    /// Whether reads of the stream were bounded.
    bounded: bool,
}

impl<S: Stream, H: Handshake> OpeningLink<S, H> {
    fn new(stream: S, opening: Opening<H>, config: &Config) -> Self {
        Self {
            stream,
            origin: Instant::now(),
            opener: Opener::new(opening),
            config: config.clone(),
            bounded: false,
        }
    }

    /// The peer's head.
    fn recv(&mut self) -> Result<H::Received, Error> {
        self.drive()?;
        self.opener.outcome()
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
        // Whether output waits, and until when the calls of a whole turn have waited.
        let (mut is_full, mut waited) = (false, None);
        self.opener.opening.turn();
        loop {
            let step = self.opener.opening.next_step();
            let patience = self.opener.opening.patience();
            match step {
                Step::Time => self.opener.opening.at(self.now()),
                Step::Wait(Some(due)) if self.now() + SHORTEST >= due => {
                    self.opener.opening.at(self.now().max(due));
                }
                // A stream that blocks has waited until then, and another is not ready.
                Step::Wait(due) if due.is_none() || due == waited => return Err(ErrorKind::WouldBlock.into()),
                Step::Wait(due) => {
                    (is_full, waited) = (false, due);
                    self.opener.opening.turn();
                }
                Step::Yield => {}
                Step::Written | Step::Ended => return Ok(()),
                // Nothing would end this read, though the peer may wait for the rest of the request.
                Step::Read if is_full && patience.is_none() => return Err(ErrorKind::WouldBlock.into()),
                step => {
                    let mut calls = Bounded {
                        patience: patience.map(|due| due.since(self.now()).max(SHORTEST)),
                        stream: &mut self.stream,
                        bounded: &mut self.bounded,
                    };
                    is_full |= self.opener.perform(step, &mut calls);
                }
            }
        }
    }

    fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }
}

/// The calls of a stream, each of which may block for a time.
struct Bounded<'a, S> {
    stream: &'a mut S,
    patience: Option<Duration>,
    bounded: &'a mut bool,
}

impl<S: Stream> Calls for Bounded<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        ready(|| {
            if self.patience.is_some() {
                *self.bounded = true;
                self.stream.set_read_timeout(self.patience)?;
            }
            self.stream.read(buffer)
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready(|| {
            if self.patience.is_some() {
                self.stream.set_write_timeout(self.patience)?;
            }
            self.stream.write(bytes)
        })
    }

    fn flush(&mut self) -> Poll<io::Result<()>> {
        ready(|| self.stream.flush())
    }

    /// It is not waited for, since the end of the stream is a sign as well.
    fn shutdown(&mut self) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }
}

/// Makes a call, for which the stream may not be ready.
fn ready<V>(call: impl FnMut() -> io::Result<V>) -> Poll<io::Result<V>> {
    match uninterrupted(call) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}
