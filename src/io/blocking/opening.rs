//! The opening handshake over a stream: performs the steps of an [`Opening`].

use core::{task::Poll, time::Duration};
use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    time::Instant,
};

use super::{
    Stream, WebSocket,
    limit::{Calls, Limit},
    transport::uninterrupted,
};
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
        opener::{self, Opener},
        verbs::{accept_verbs, connect_verbs},
    },
    negotiated::Negotiated,
};

/// The opening handshake of a server over a stream, step by step.
///
/// [`WebSocket::accept`] takes all steps at once. Use the steps for a non-blocking stream, calling
/// [`recv_request`](Self::recv_request) again when there is more to read, or to inspect the request before deciding
/// about it.
#[derive(Debug)]
pub struct Acceptor<S> {
    link: OpeningLink<S, ServerHandshake>,
}

impl<S: Stream> Acceptor<S> {
    /// Starts a handshake over a stream from which nothing has been read. Its timeout starts now.
    #[must_use]
    pub fn new(stream: S, config: &Config) -> Self {
        Self {
            link: OpeningLink::new(stream, Instant::now(), Opening::server(config, Time::ZERO), config),
        }
    }

    /// Starts a handshake over a stream that must be set up first, with TLS for example. Its timeout starts now, and
    /// limits both together: `set_up` gets the deadline.
    ///
    #[cfg_attr(
        feature = "rustls",
        doc = "
```no_run
# fn serve(stream: std::net::TcpStream, tls: std::sync::Arc<websocket_proto::tls::rustls::ServerConfig>) -> Result<(), websocket_proto::Error> {
use websocket_proto::{Config, blocking::{Acceptor, TlsStream}, handshake::Accept};

let set_up = |deadline| TlsStream::server(stream, tls, deadline);
let mut acceptor = Acceptor::over(set_up, &Config::new())?;
let request = acceptor.recv_request()?;
let mut websocket = acceptor.accept(&request, Accept::new())?;
# Ok(())
# }
```
"
    )]
    /// # Errors
    ///
    /// The errors of `set_up`.
    pub fn over(set_up: impl FnOnce(Option<Instant>) -> Result<S, Error>, config: &Config) -> Result<Self, Error> {
        let link = OpeningLink::over(set_up, Opening::server(config, Time::ZERO), config)?;
        Ok(Self { link })
    }

    accept_verbs!(WebSocket<S>);
}

/// The opening handshake of a client over a stream, step by step.
///
/// [`WebSocket::client`] takes all steps at once. Use the steps for a non-blocking stream, or to inspect the response.
#[derive(Debug)]
pub struct Connector<S> {
    link: OpeningLink<S, ClientHandshake>,
}

impl<S: Stream> Connector<S> {
    /// Starts a handshake over a stream connected to the request's server. Its timeout starts now.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] for a request that cannot be sent; [`Error::Entropy`].
    pub fn new(stream: S, request: ClientRequest, config: &Config) -> Result<Self, Error> {
        let opening = Opening::client(request, config.nonce()?, config, Time::ZERO)?;
        Ok(Self {
            link: OpeningLink::new(stream, Instant::now(), opening, config),
        })
    }

    /// Starts a handshake over a stream that must be set up first; see [`Acceptor::over`].
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), before anything is set up; the errors of `set_up`.
    pub fn over(
        set_up: impl FnOnce(Option<Instant>) -> Result<S, Error>,
        request: ClientRequest,
        config: &Config,
    ) -> Result<Self, Error> {
        let opening = Opening::client(request, config.nonce()?, config, Time::ZERO)?;
        let link = OpeningLink::over(set_up, opening, config)?;
        Ok(Self { link })
    }

    /// Sets the deadline of a handshake that began before this point.
    pub(in crate::io) fn set_deadline(&mut self, deadline: Option<Instant>) {
        let origin = self.link.origin;
        let due = deadline.map(|deadline| Time::from_origin(deadline.saturating_duration_since(origin)));
        self.link.opener.opening.set_deadline(due);
    }

    connect_verbs!(WebSocket<S>);
}

/// An opening handshake and its stream.
#[derive(Debug)]
struct OpeningLink<S, H: Handshake> {
    stream: S,
    origin: Instant,
    opener: Opener<H>,
    config: Config,
    reads: Limit,
    writes: Limit,
}

impl<S: Stream, H: Handshake> OpeningLink<S, H> {
    /// `origin` is the time at which the opening handshake began.
    fn new(stream: S, origin: Instant, opening: Opening<H>, config: &Config) -> Self {
        Self {
            stream,
            origin,
            opener: Opener::new(opening),
            config: config.clone(),
            reads: Limit::new(Calls::Read),
            writes: Limit::new(Calls::Write),
        }
    }

    fn over(
        set_up: impl FnOnce(Option<Instant>) -> Result<S, Error>,
        opening: Opening<H>,
        config: &Config,
    ) -> Result<Self, Error> {
        let origin = Instant::now();
        // A time too long for the clock means no limit.
        let deadline = opening
            .patience()
            .and_then(|due| origin.checked_add(due.since_origin()));
        Ok(Self::new(set_up(deadline)?, origin, opening, config))
    }

    /// Receives the peer's head.
    fn recv(&mut self) -> Result<H::Received, Error> {
        self.drive()?;
        self.opener.outcome()
    }

    fn open(mut self, negotiated: &Negotiated) -> WebSocket<S> {
        self.reads.restore(&mut self.stream);
        self.writes.restore(&mut self.stream);
        WebSocket::from_negotiated(self.stream, negotiated, &self.config)
    }

    /// Continues to the end of the handshake or of a refusal.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the stream is not ready.
    fn drive(&mut self) -> io::Result<()> {
        // Whether output is waiting, and the deadline until which a whole turn has waited.
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
                // A blocking stream has waited until then; a non-blocking one is not ready.
                Step::Wait(due) if due.is_none() || due == waited => return Err(ErrorKind::WouldBlock.into()),
                Step::Wait(due) => {
                    (is_full, waited) = (false, due);
                    self.opener.opening.turn();
                }
                Step::Yield => {}
                Step::Written | Step::Ended => return Ok(()),
                // Nothing would end this read, while the peer may be waiting for the rest of the request.
                Step::Read if is_full && patience.is_none() => return Err(ErrorKind::WouldBlock.into()),
                step => {
                    let mut calls = Bounded {
                        patience: patience.map(|due| due.since(self.now()).max(SHORTEST)),
                        stream: &mut self.stream,
                        reads: &mut self.reads,
                        writes: &mut self.writes,
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

/// The calls of a stream, each of which may block for a limited time.
struct Bounded<'a, S> {
    stream: &'a mut S,
    patience: Option<Duration>,
    reads: &'a mut Limit,
    writes: &'a mut Limit,
}

impl<S: Stream> opener::Calls for Bounded<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        ready(|| {
            self.reads.set(self.stream, self.patience);
            self.stream.read(buffer)
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready(|| {
            self.writes.set(self.stream, self.patience);
            self.stream.write(bytes)
        })
    }

    fn flush(&mut self) -> Poll<io::Result<()>> {
        ready(|| self.stream.flush())
    }

    /// Does not wait, since the end of the stream is detected by reading.
    fn shutdown(&mut self) -> Poll<io::Result<()>> {
        // A stream of TLS writes its notice.
        let patience = self.patience.unwrap_or(Opening::<ServerHandshake>::LAST_WAIT);
        self.writes.set(self.stream, Some(patience));
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }
}

/// Makes a call. [`Poll::Pending`] means that the stream is not ready.
fn ready<V>(call: impl FnMut() -> io::Result<V>) -> Poll<io::Result<V>> {
    match uninterrupted(call) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}
