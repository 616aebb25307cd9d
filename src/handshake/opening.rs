//! The order of reads, writes, deadlines and the end of an opening handshake: once, without I/O and without a clock.
//!
//! It is of the same kind as the [`Driver`](crate::Driver) of a connection, and shares its steps and its judgement of
//! deadlines (DRV-18).
//!
//! ```text
//!   server                                                    client
//!
//!   EXCHANGE: Read                                            EXCHANGE: Write, Flush, Read
//!     |                                                         |     (after a failed write: Read, for at most 2 s)
//!     +-- a valid request -----> SETTLED: Ended                 |
//!     |                           |         |                   +-- a response, valid or not --+
//!     |                  accept() |         | reject(), or      +-- the end, or the deadline --+
//!     |                           v         | accept() fails                                   v
//!     |                      Negotiated     v                                            SETTLED: Ended
//!     +-- an invalid request, or ------> REFUSAL: Time, Write, Flush, Shutdown,
//!     |   the deadline (408)                |     Discard
//!     |                                     |
//!     |                                     +-- the client's end, a failed write, or 2 s --+
//!     +-- the end -------------------------------------------------------------------------+--> SETTLED: Ended
//! ```
//!
//! The rules, with the requirements that they fulfil:
//!
//! 1. A deadline that begins asks for the time before anything else, so that it bounds every call.
//! 2. What waits is written, at most [`Opening::MAX_WRITE`] bytes at a time (DRV-19), then flushed. After a refusal the write
//!    side is shut down, once (DRV-17).
//! 3. When the write side blocks, the read side is tried: a server may refuse a request before it has read all of it.
//! 4. A deadline is judged only when both sides were tried after it had passed, and blocked (DRV-01): a request or a response
//!    that waits in the transport is in time. A look that is more than 1 ms late leaves 1 ms, as for a connection.
//! 5. A turn has a bounded number of reads, after which the time is asked for if a deadline runs (DRV-13).
//! 6. After a write of the client has failed, what the server has sent is received (DRV-02), within the deadline and for at most
//!    [`Opening::LAST_WAIT`].
//! 7. What a refused client still sends is discarded, so that no reset destroys the refusal, until its end and for at most
//!    [`Opening::LAST_WAIT`].

mod report;
mod sides;

use alloc::vec::Vec;
use core::time::Duration;

pub use self::sides::Handshake;
use super::HandshakeError;
use crate::{
    connection::{
        Driver, Step, Time,
        driver::{Judging, READS, Readiness},
    },
    log,
};

/// What to do next with the transport of an opening handshake: the loop around it performs [`Step`]s and reports what came of
/// them.
///
/// [`Opening::server`] receives an [`UpgradeRequest`](super::UpgradeRequest) and sends refusals, [`Opening::client`] sends a
/// [`ClientRequest`](super::ClientRequest) and receives the response. It does no I/O and reads no clock. One function drives
/// both sides, until [`Step::Ended`]:
///
/// ```
/// use std::{io, time::Instant};
/// use websocket_proto::{Config, Connection, Step, Time, handshake::{Accept, Handshake, Opening}};
///
/// /// Drives an opening handshake over a non-blocking stream. Returns what it waits for, `Yield` or `Ended`.
/// fn drive<H: Handshake>(opening: &mut Opening<H>, stream: &mut (impl io::Read + io::Write), origin: Instant) -> Step {
///     let mut buffer = [0; 4096];
///     opening.turn();
///     loop {
///         let step = opening.next_step();
///         match step {
///             Step::Write => match stream.write(opening.chunk()) {
///                 Ok(n) if n > 0 => opening.wrote(n),
///                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => opening.write_blocked(),
///                 _ => opening.write_failed(),
///             },
///             Step::Flush => match stream.flush() {
///                 Ok(()) => opening.flushed(),
///                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => opening.write_blocked(),
///                 Err(_) => opening.write_failed(),
///             },
///             Step::Shutdown => opening.shut_down(), // and shut the write side of the socket down
///             Step::Read | Step::Discard => match stream.read(&mut buffer) {
///                 Ok(0) => opening.read_ended(),
///                 Ok(n) => opening.read(&buffer[..n]),
///                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => opening.read_blocked(),
///                 Err(_) => opening.read_failed(),
///             },
///             Step::Time => opening.at(Time::from_origin(origin.elapsed())),
///             Step::Wait(Some(due)) if Time::from_origin(origin.elapsed()) >= due => {
///                 opening.at(Time::from_origin(origin.elapsed()));
///             }
///             _ => return step,
///         }
///     }
/// }
///
/// # fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut stream = io::Cursor::new(Vec::from(*b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
/// #     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"));
/// let config = Config::new();
/// let origin = Instant::now();
/// let mut opening = Opening::server(&config, Time::ZERO);
/// // `Wait` and `Yield` are for the poll of the loop. This stream has all of the request.
/// assert_eq!(drive(&mut opening, &mut stream, origin), Step::Ended);
/// let request = opening.outcome()?;
/// // After an error, or after `reject`, drive on until it ends again: that sends the refusal.
/// let negotiated = opening.accept(&request, Accept::new())?;
/// // The response is the first output of the connection.
/// let connection = Connection::from_negotiated(&negotiated, &config);
/// # assert!(connection.wants_write());
/// # Ok(())
/// # }
/// # serve().unwrap();
/// ```
///
/// Loops of every kind use it as they use the [`Driver`](crate::Driver#kinds-of-loops) of a connection: the reports are the
/// same, except that [`read`](Self::read) takes the bytes. Read into a few KiB: a request has about 600 bytes, and what follows
/// it is copied.
///
/// # Time
///
/// | what | least | greatest |
/// |---|---|---|
/// | the request, or request and response | [`Timers::handshake`](crate::Timers::handshake), which begins with the time that the constructor is given | the same, and 1 ms if the loop was late |
/// | after a refusal, or a failed write of a client | until the peer's end is read | [`LAST_WAIT`](Self::LAST_WAIT), and 1 ms if the loop was late |
///
/// `Timers::handshake` is rounded up to a millisecond, and zero is a millisecond; over 49 days it is no limit. The time in which
/// the application decides is not limited. The response that accepts is output of the connection, so that
/// [`Timers::write`](crate::Timers::write) bounds it.
#[derive(Debug)]
pub struct Opening<H: Handshake> {
    handshake: H,
    stage: Stage,
    /// What the exchange led to, until it is taken.
    outcome: Option<Result<H::Received, HandshakeError>>,
    /// The request or the refusal, of which `written` bytes are written.
    output: Vec<u8>,
    written: usize,
    unflushed: bool,
    shut_down: bool,
    read: Readiness,
    write: Readiness,
    /// Reads since the time was told, or the loop waited.
    reads: u8,
    /// Whether the time was told after the last of them.
    asked: bool,
    /// Whether the last wait begins when the time is told next.
    begins: bool,
    due: Option<Time>,
    phase: Judging,
    /// The time that was told, or the end of a grace.
    moment: Time,
}

/// How far an opening handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The peer's head is awaited.
    Exchange,
    /// The outcome is known.
    Settled,
    /// The client is told why not.
    Refusal,
}

impl<H: Handshake> Opening<H> {
    /// Bytes that one write is given at most: [`chunk`](Self::chunk) sees to it.
    pub const MAX_WRITE: usize = Driver::MAX_WRITE;

    /// How long a client that was refused may take to read why, and to end its side: 2 s from when the refusal begins. As
    /// long may a server take that reads nothing more to say why.
    pub const LAST_WAIT: Duration = Duration::from_secs(2);

    fn new(handshake: H, output: Vec<u8>, due: Option<Time>) -> Self {
        Self {
            handshake,
            stage: Stage::Exchange,
            outcome: None,
            unflushed: !output.is_empty(),
            output,
            written: 0,
            shut_down: false,
            read: Readiness::Free,
            write: Readiness::Free,
            reads: 0,
            asked: false,
            begins: false,
            due,
            phase: Judging::Quiet,
            moment: Time::ZERO,
        }
    }

    /// Sets the time at which the handshake must have ended, if it began before it got here. `None` is no limit.
    pub const fn set_deadline(&mut self, deadline: Option<Time>) {
        self.due = deadline;
    }

    /// The next step.
    pub fn next_step(&mut self) -> Step {
        loop {
            self.take_time();
            if self.is_over() {
                return Step::Ended;
            }
            if self.begins {
                return Step::Time;
            }
            if self.write == Readiness::Free {
                if let Some(step) = self.write_step() {
                    return step;
                }
            }
            if self.read == Readiness::Free && self.stage != Stage::Settled {
                return self.read_step();
            }
            let until = match self.phase {
                Judging::Tried => {
                    self.expire();
                    continue;
                }
                Judging::Grace => Some(self.moment),
                _ => self.due,
            };
            (self.reads, self.asked) = (0, false);
            return Step::Wait(until);
        }
    }

    /// How it ended, once the next step is [`Step::Ended`]: the request that waits for a decision, or the response.
    ///
    /// # Errors
    ///
    /// The failure. [`HandshakeError::Eof`] stands for an error of the transport, too, if there was one.
    /// [`HandshakeError::Ended`] if the outcome was taken before, or there is none yet.
    pub fn outcome(&mut self) -> Result<H::Received, HandshakeError> {
        self.outcome.take().unwrap_or(Err(HandshakeError::Ended))
    }

    /// The next bytes to write.
    #[must_use]
    pub fn chunk(&self) -> &[u8] {
        let rest = &self.output[self.written..];
        &rest[..rest.len().min(Self::MAX_WRITE)]
    }

    /// Until when a call that blocks may block; `None` is no limit. For blocking streams, whose calls do the waiting.
    #[must_use]
    pub const fn patience(&self) -> Option<Time> {
        match self.phase {
            Judging::Grace => Some(self.moment),
            _ => self.due,
        }
    }

    /// Looks at the deadline, if a time was told.
    fn take_time(&mut self) {
        if !self.phase.is_told() {
            return;
        }
        let now = self.moment;
        let passed = self.due.filter(|&due| due <= now);
        (self.phase, self.moment) = self.phase.looked(now, passed);
        if passed.is_some() {
            self.read.free();
            self.write.free();
            if self.reads >= READS {
                // What waits has had its chance: a flood does not put off the end.
                self.expire();
            }
        }
    }

    /// The deadline has passed, and what waits was read.
    fn expire(&mut self) {
        self.phase = Judging::Quiet;
        match self.stage {
            // A transport that takes nothing more has failed before.
            Stage::Exchange if self.write == Readiness::Over => self.end_input(),
            Stage::Exchange => {
                let error = self.handshake.handle_timeout();
                self.settle(Err(error));
            }
            Stage::Settled => self.lose(HandshakeError::TimedOut),
            Stage::Refusal => self.stage = Stage::Settled,
        }
    }

    /// Nothing more arrives.
    fn end_input(&mut self) {
        if self.stage == Stage::Exchange {
            let error = self.handshake.receive_eof();
            self.settle(Err(error));
        }
    }

    fn settle(&mut self, outcome: Result<H::Received, HandshakeError>) {
        self.stage = Stage::Settled;
        if let Some(refusal) = outcome.as_ref().err().and_then(H::refusal) {
            self.refuse(refusal);
        }
        // What opens nothing any more: a response to a request that cannot be sent.
        let is_lost = outcome.is_ok() && self.write == Readiness::Over && self.has_output();
        self.outcome = Some(outcome);
        if is_lost {
            self.lose(HandshakeError::Eof);
        }
    }

    /// What was received opens nothing: the rest of the request cannot be written.
    fn lose(&mut self, error: HandshakeError) {
        log::refused(H::ROLE, None, &error);
        self.outcome = Some(Err(error));
    }

    /// Begins to send a refusal.
    fn refuse(&mut self, response: Vec<u8>) {
        self.stage = Stage::Refusal;
        (self.output, self.written, self.unflushed) = (response, 0, true);
        (self.due, self.begins, self.phase) = (None, true, Judging::Quiet);
    }

    fn has_output(&self) -> bool {
        self.written < self.output.len() || self.unflushed
    }

    fn is_over(&self) -> bool {
        match self.stage {
            Stage::Exchange => false,
            // A response that came before all of the request was written opens nothing until it is.
            Stage::Settled => !(matches!(self.outcome, Some(Ok(_))) && self.has_output()),
            Stage::Refusal => self.write == Readiness::Over || (self.read == Readiness::Over && self.shut_down),
        }
    }

    fn write_step(&self) -> Option<Step> {
        if self.written < self.output.len() {
            Some(Step::Write)
        } else if self.unflushed {
            Some(Step::Flush)
        } else if self.stage == Stage::Refusal && !self.shut_down {
            Some(Step::Shutdown)
        } else {
            None
        }
    }

    fn read_step(&mut self) -> Step {
        if self.reads < READS {
            let is_refused = self.stage == Stage::Refusal;
            return if is_refused { Step::Discard } else { Step::Read };
        }
        if self.due.is_some() && !self.asked {
            return Step::Time;
        }
        (self.reads, self.asked) = (0, false);
        Step::Yield
    }
}
