//! The order of reads, writes, deadlines and the end of an opening handshake: in one place, without I/O and without a
//! clock.
//!
//! It works like the [`Driver`](crate::Driver) of a connection, and shares its steps and its judging of deadlines
//! (DRV-18).
//!
//! ```text
//!   server                                                    client
//!
//!   EXCHANGE: Read                                            EXCHANGE: Write, Flush, Read
//!     |                                                         |     (after a failed write: Read, for at most 2 s)
//!     +-- a valid request -----> SETTLED: Ended                 |
//!     |                           |         |                   +-- a valid response ----------> SETTLED: Ended
//!     |                  accept() |         | reject(), or      +-- an invalid one, or a refusal --+
//!     |                           v         | accept() fails    +-- the end, or the deadline ------+
//!     |                      Negotiated     v                                                      v
//!     |                                     |                                    SETTLED: Shutdown, Ended
//!     +-- an invalid request, or ------> REFUSAL: Time, Write, Flush, Shutdown,
//!     |   the deadline (408)                |     Discard
//!     |                                     |
//!     |                                     +-- the client's end, a failed write, or 2 s --+
//!     +-- the end --> SETTLED: Shutdown, Ended                                             +--> SETTLED: Ended
//! ```
//!
//! The rules, with the requirements that they fulfil:
//!
//! 1. A deadline that starts asks for the time before anything else, so that it bounds every call.
//! 2. Queued output is written, at most [`Opening::MAX_WRITE`] bytes at a time (DRV-19), then flushed. After a refusal,
//!    and after any other failure, the write side is shut down, once (DRV-17): a stream of TLS then notifies the peer
//!    (RFC 8446 §6.1, SEC-16). If it is not ready for that, nothing is waited for.
//! 3. If the write side blocks, the read side is tried: a server may refuse a request before it has read all of it.
//! 4. A deadline is judged only after both sides were tried after it had passed, and blocked (DRV-01): a request or
//!    response that is waiting in the transport is in time. If the time is reported more than 1 ms late, the runtime has
//!    1 ms more, as for a connection.
//! 5. A turn has a bounded number of reads, after which the time is asked for if a deadline is running (DRV-13).
//! 6. After a write of the client has failed, data that the server has sent is received (DRV-02), within the deadline
//!    and for at most [`Opening::LAST_WAIT`].
//! 7. Data that a refused client still sends is discarded, so that no reset destroys the refusal, until the client's
//!    end and for at most [`Opening::LAST_WAIT`].

mod report;
mod sides;

use alloc::vec::Vec;
use core::{fmt, time::Duration};

pub use self::sides::Handshake;
use super::{HandshakeError, shown::Count};
use crate::{
    connection::{
        Driver, Step, Time,
        driver::{Judging, READS, Readiness},
    },
    log,
};

/// Decides what to do next with the transport of an opening handshake: a loop performs [`Step`]s and reports their
/// results.
///
/// [`Opening::server`] receives an [`UpgradeRequest`](super::UpgradeRequest) and sends refusals; [`Opening::client`]
/// sends a [`ClientRequest`](super::ClientRequest) and receives the response. It does no I/O and reads no clock. One
/// function drives both sides, until [`Step::Ended`]:
///
/// ```
/// use std::{io, time::Instant};
/// use websocket_proto::{Config, Connection, Step, Time, handshake::{Accept, Handshake, Opening}};
///
/// /// Drives an opening handshake over a non-blocking stream. Returns `Wait`, `Yield` or `Ended`.
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
/// // `Wait` and `Yield` are for the loop's poll. This stream contains the whole request.
/// assert_eq!(drive(&mut opening, &mut stream, origin), Step::Ended);
/// let request = opening.outcome()?;
/// // After an error, or after `reject`, continue to drive until it ends again: that sends the refusal.
/// let negotiated = opening.accept(&request, Accept::new())?;
/// // The response is the first output of the connection.
/// let connection = Connection::from_negotiated(&negotiated, &config);
/// # assert!(connection.wants_write());
/// # Ok(())
/// # }
/// # serve().unwrap();
/// ```
///
/// Every kind of loop uses it like the [`Driver`](crate::Driver#kinds-of-loops) of a connection. The reports are the same,
/// except that [`read`](Self::read) takes the bytes. Read into a few KiB: a request has about 600 bytes, and bytes after
/// it are copied.
///
/// # Time
///
/// | what | minimum | maximum |
/// |---|---|---|
/// | the request, or request and response | [`Timers::handshake`](crate::Timers::handshake), from the time passed to the constructor | the same, plus 1 ms if the loop was late |
/// | after a refusal, or a failed write of a client | until the peer's end is read | [`LAST_WAIT`](Self::LAST_WAIT), plus 1 ms if the loop was late |
///
/// `Timers::handshake` is rounded up to a millisecond. Zero counts as one, and more than 49 days means no limit. The
/// time in which the application decides is not limited. The accepting response is output of the connection, so
/// [`Timers::write`](crate::Timers::write) limits it.
pub struct Opening<H: Handshake> {
    handshake: H,
    stage: Stage,
    /// The outcome of the exchange, until it is taken.
    outcome: Option<Result<H::Received, HandshakeError>>,
    /// The request or the refusal, of which `written` bytes are written.
    output: Vec<u8>,
    written: usize,
    unflushed: bool,
    shut_down: bool,
    read: Readiness,
    write: Readiness,
    /// Reads since the time was reported, or since the loop waited.
    reads: u8,
    /// Whether the time was reported after the last of them.
    asked: bool,
    /// Whether the last wait starts with the next report of the time.
    begins: bool,
    due: Option<Time>,
    phase: Judging,
    /// The time that was reported, or the end of a grace period.
    moment: Time,
}

/// Omits the bytes to write, which contain what only the peer may see.
impl<H: Handshake + fmt::Debug> fmt::Debug for Opening<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("handshake", &self.handshake)
            .field("stage", &self.stage)
            .field("outcome", &self.outcome)
            .field("output", &Count(&self.output[self.written..]))
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}

/// The stage of an opening handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waiting for the peer's head.
    Exchange,
    /// The outcome is known.
    Settled,
    /// Sending the refusal to the client.
    Refusal,
}

impl<H: Handshake> Opening<H> {
    /// The most bytes offered for one write: [`chunk`](Self::chunk) returns no more.
    pub const MAX_WRITE: usize = Driver::MAX_WRITE;

    /// How long a refused client has to read the reason and close its side: 2 s from the start of the refusal. A server
    /// that does not read any more has as long to send its reason.
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

    /// Sets the deadline of a handshake that began before this point. `None` means no limit.
    pub const fn set_deadline(&mut self, deadline: Option<Time>) {
        self.due = deadline;
    }

    /// Returns the next step.
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

    /// Returns how the handshake ended, once the next step is [`Step::Ended`]: the request to decide about, or the
    /// response.
    ///
    /// # Errors
    ///
    /// The failure. [`HandshakeError::Eof`] also stands for an error of the transport. [`HandshakeError::Ended`] if the
    /// outcome was already taken, or there is none yet.
    pub fn outcome(&mut self) -> Result<H::Received, HandshakeError> {
        self.outcome.take().unwrap_or(Err(HandshakeError::Ended))
    }

    /// Returns the next bytes to write.
    #[must_use]
    pub fn chunk(&self) -> &[u8] {
        let rest = &self.output[self.written..];
        &rest[..rest.len().min(Self::MAX_WRITE)]
    }

    /// Returns until when a blocking call may block; `None` means no limit. For blocking streams, whose calls do the
    /// waiting.
    #[must_use]
    pub const fn patience(&self) -> Option<Time> {
        match self.phase {
            Judging::Grace => Some(self.moment),
            _ => self.due,
        }
    }

    /// Looks at the deadline, if a time was reported.
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
                // Waiting bytes have had their chance: a flood does not delay the end.
                self.expire();
            }
        }
    }

    /// Handles a deadline that has passed, after waiting bytes were read.
    fn expire(&mut self) {
        self.phase = Judging::Quiet;
        match self.stage {
            // A transport that accepts nothing more has already failed.
            Stage::Exchange if self.write == Readiness::Over => self.end_input(),
            Stage::Exchange => {
                let error = self.handshake.handle_timeout();
                self.settle(Err(error));
            }
            Stage::Settled => self.lose(HandshakeError::TimedOut),
            Stage::Refusal => self.stage = Stage::Settled,
        }
    }

    /// Notes that nothing more arrives.
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
        // This can no longer open a connection: it is the response to a request that cannot be sent.
        let is_lost = outcome.is_ok() && self.write == Readiness::Over && self.has_output();
        self.outcome = Some(outcome);
        if is_lost {
            self.lose(HandshakeError::Eof);
        }
    }

    /// Notes that the response cannot open a connection: the rest of the request cannot be written.
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
            // A response that arrived early opens the connection only after the whole request is written.
            Stage::Settled => match &self.outcome {
                Some(Ok(_)) => !self.has_output(),
                Some(Err(_)) => self.shut_down || self.write != Readiness::Free,
                None => true,
            },
            Stage::Refusal => self.write == Readiness::Over || (self.read == Readiness::Over && self.shut_down),
        }
    }

    fn write_step(&self) -> Option<Step> {
        if matches!(self.outcome, Some(Err(_))) && self.stage == Stage::Settled {
            Some(Step::Shutdown)
        } else if self.written < self.output.len() {
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
