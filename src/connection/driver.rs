//! The order of reads, writes, deadlines and the end of a connection: once, without I/O and without a clock.
//!
//! Whoever moves the bytes asks for the next [`Step`], performs it and reports what came of it. It knows no state of the
//! closing handshake, no deadline and no flag of the connection. [`Driver`] says how such a loop is written.
//!
//! ```text
//!               the events that arrived were taken
//!                               |
//!                               v
//!   +-------> is it over? ----- yes ----> Shutdown (once) ----> ENDED
//!   |                           | no
//!   |                           v
//!   |         write side free?  ----> Write, then Flush, then Shutdown (once)
//!   |                           | nothing to write, or blocked
//!   |                           v
//!   |         a deadline is not armed?  ----> Time
//!   |                           | armed
//!   |                           v
//!   |         read side free?  ----> Read; after a failure Discard; after 32 of them Time (if a deadline runs), then Yield
//!   |                           | blocked
//!   |                           v
//!   |         a deadline has passed?  -- no --> WAIT for the transport, or until the next deadline (then Time)
//!   |                           | yes
//!   |                           v
//!   |         punctual: both sides are free again, and blocked once more:  judge it
//!   +-------  late: the same, but first a grace of 1 ms in WAIT
//! ```
//!
//! The rules, with the requirements that they fulfil:
//!
//! 1. A connection that is over is shut down, if that is still possible, and nothing else.
//! 2. What waits is written, at most [`Driver::MAX_WRITE`] bytes at a time (DRV-19), then flushed. Then the write side is shut
//!    down, once (DRV-17).
//! 3. A deadline that is not armed asks for the time before the read. To arm it is no judgement. A message that arrives needs
//!    no time as long as there may be more to read.
//! 4. After a failure of the connection, what is read is discarded. A turn has a bounded number of reads (DRV-13), after which
//!    the time is asked for if a deadline runs: a flood cannot put off the end.
//! 5. When both sides block, the wait is for the nearest deadline, writes included (DRV-03).
//! 6. A deadline is judged only when both sides were tried after it had passed, and blocked (DRV-01). A look that is more than
//!    1 ms late leaves 1 ms for the runtime to learn what waits: "not ready" is what it knows, not what the socket holds. To
//!    send a Ping is no judgement.
//! 7. A write that fails ends the sending direction only (DRV-02): output is dropped, and what the peer has sent is received,
//!    for at most the time of the closing handshake. What is sent meanwhile is accepted and dropped. Output that stood still
//!    for too long, found by a caller that does not read, does the same, but reading ends when it would block.
//! 8. The time of the closing handshake begins when the Close is written, or the write side has failed (DRV-05). Before that,
//!    output must move within that time, or the one for stalled writes.
//! 9. After the peer's Close the end is clean, however the transport ended; otherwise it is the failure, or the error of the
//!    transport.
//! 10. A reader is woken when a deadline has become earlier than the one that it waits for, when that has passed, and at the
//!     end; a writer when all is written, when nothing can be written any more, when the peer has closed, and at the end
//!     (DRV-07).
//! 11. A caller that waits to write also reads, as much as fits, and looks at what arrives up to the first event (DRV-20). While
//!     nothing fits, silence is not judged. Once nothing can arrive any more, output may stand still for half a second only.
//!     The same holds for one that leaves events because messages are refused until output is written.

mod clock;
mod report;
mod steps;
mod wakes;

use core::time::Duration;

pub use self::wakes::Wakes;
pub(crate) use self::{clock::Judging, steps::Readiness};
use self::{clock::Who, steps::Asks};
use crate::connection::{Inbound, Outbound, deadlines::Deadlines, output::MAX_WRITE, time::Time};

/// Reads after which the time is asked for, if a deadline runs, and others get their turn.
pub(crate) const READS: u8 = 32;

/// Time for which a reader that cannot be woken does not look at what a writer has done.
const GLANCE: Duration = Duration::from_millis(10);

/// What is to be done next; see [`Driver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Write some of the [output](crate::Output), at most [`Driver::MAX_WRITE`] bytes. Report
    /// [`wrote`](Driver::wrote), [`write_blocked`](Driver::write_blocked), [`write_started`](Driver::write_started) or
    /// [`write_failed`](Driver::write_failed).
    Write,
    /// Pass on what the transport has buffered. Report [`flushed`](Driver::flushed), or as for `Write`.
    Flush,
    /// Shut the write side down. Report [`shut_down`](Driver::shut_down), whether it succeeded or not, or as for `Write`.
    /// It comes once.
    Shutdown,
    /// Read into the space of the receiving half. Report [`read`](Driver::read) and take the events, or report
    /// [`read_blocked`](Driver::read_blocked), [`read_started`](Driver::read_started),
    /// [`read_ended`](Driver::read_ended) or [`read_failed`](Driver::read_failed).
    Read,
    /// Read, and throw away what was read. Report as for `Read`.
    Discard,
    /// Report the time with [`at`](Driver::at).
    Time,
    /// Wait until the transport is ready for what was blocked, or until this time, and then report the time. `None` is no
    /// limit.
    Wait(Option<Time>),
    /// This was enough for one turn: let others have theirs, and then ask again.
    Yield,
    /// All output is written and flushed. Only for callers that wait for that.
    Written,
    /// The connection is over. [`Driver::outcome`] is how.
    Ended,
}

/// What to do next with the transport of a connection: the loop around it performs [`Step`]s and reports what came of them.
///
/// It owns the sending half; [`Connection::drive`](crate::Connection::drive) lends it together with the receiving half.
/// It does no I/O and reads no clock. All rules about the order of reads, writes and deadlines, and about the end of a
/// connection, are in it, so a loop needs none of its own:
///
/// ```
/// use std::{io, time::Instant};
/// use websocket_proto::{Config, Connection, Event, Role, Step, Time};
///
/// /// Drives a connection over a non-blocking stream. Returns what it waits for, `Yield` or `Ended`.
/// fn drive(connection: &mut Connection, stream: &mut (impl io::Read + io::Write), origin: Instant) -> io::Result<Step> {
///     connection.drive().1.turn();
///     loop {
///         let (inbound, driver) = connection.drive();
///         // First all events, answered while they are lent. An error comes back as the outcome.
///         while !driver.outbound().is_full() {
///             match inbound.next_event(driver.outbound()) {
///                 Ok(Some(Event::Message(message))) => drop(driver.outbound().feed(message)),
///                 Ok(Some(_)) => {}
///                 Ok(None) | Err(_) => break,
///             }
///         }
///         let step = driver.next(inbound);
///         match step {
///             Step::Write => match stream.write(driver.chunk()) {
///                 Ok(n) if n > 0 => driver.wrote(n),
///                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => driver.write_blocked(),
///                 _ => driver.write_failed(),
///             },
///             Step::Flush => match stream.flush() {
///                 Ok(()) => driver.flushed(),
///                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => driver.write_blocked(),
///                 Err(_) => driver.write_failed(),
///             },
///             Step::Shutdown => driver.shut_down(), // and shut the write side of the socket down
///             Step::Read => match stream.read(inbound.space()) {
///                 Ok(0) => driver.read_ended(),
///                 Ok(n) => {
///                     inbound.advance(n);
///                     driver.read(n);
///                 }
///                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => driver.read_blocked(),
///                 Err(_) => driver.read_failed(),
///             },
///             Step::Discard => match stream.read(&mut [0; 1024]) {
///                 Ok(0) => driver.read_ended(),
///                 Ok(n) => driver.read(n),
///                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => driver.read_blocked(),
///                 Err(_) => driver.read_failed(),
///             },
///             Step::Time => driver.at(Time::from_origin(origin.elapsed())),
///             Step::Wait(Some(due)) if Time::from_origin(origin.elapsed()) >= due => {
///                 driver.at(Time::from_origin(origin.elapsed()));
///             }
///             _ => return Ok(step),
///         }
///     }
/// }
///
/// # let mut connection = Connection::new(Role::Server, &Config::new());
/// # let ended = drive(&mut connection, &mut io::Cursor::new(Vec::new()), Instant::now());
/// # assert_eq!(ended.unwrap(), Step::Ended);
/// # assert!(connection.drive().1.outcome().is_err());
/// ```
///
/// # Loops of every kind
///
/// - *Level-triggered or polled* (`Future`s): call [`turn`](Self::turn) whenever the task runs; a side that was not ready is
///   then tried again. For [`Step::Wait`] set the timer, if there is a time, and return; when it fires, report the time with
///   [`at`](Self::at) and ask again.
/// - *Edge-triggered*: report [`readable`](Self::readable) and [`writable`](Self::writable) with the events of the poll instead.
///   For [`Step::Yield`] put the connection at the end of the queue, and ask again when it comes up.
/// - *Blocking*: bound each read and write by [`patience`](Self::patience). One that ran into that bound, or found the stream
///   not ready, is reported as blocked. For `Wait`, report the time if it has come, and begin another turn otherwise, in which
///   the calls do the waiting. While output waits, a read must not block for long, and the other way round.
/// - *Completion-based*: start the operation that a step asks for and report [`write_started`](Self::write_started) or
///   [`read_started`](Self::read_started) in place of its result; ask on until `Wait`. Report the result when it is there, and
///   ask again. Nothing is asked for twice. Take the results that are there before reporting the time. For `Write`,
///   [`take_output`](Self::take_output) hands the output over, so that the operation can own it (as io_uring needs it). For
///   `Read`, [`Inbound::take_buffer`] and [`Inbound::receive_buffer`] do the same with the buffer that is filled.
///
/// # Two tasks
///
/// [`Connection::into_halves`](crate::Connection::into_halves) gives the receiving half to one task, and both share the
/// driver, protected by a lock that is held while a step is performed on a stream that does not block. The reader asks with
/// [`next`](Self::next); a writer asks with [`next_write`](Self::next_write), begins its turn with
/// [`writable`](Self::writable) and reports the time with [`at_write`](Self::at_write). One timer is enough for both: it is set
/// to the time of the latest `Wait`. When a turn is over, and after something was queued, [`wakes`](Self::wakes) says whom that
/// concerns. The write side is polled with a waker that wakes both. On a stream that blocks, the lock must not be held for so
/// long: a write is started with [`take_output`](Self::take_output), and reported when it is done.
///
/// A connection that one task uses for both does not need `next_write`: while it waits to write, it asks with
/// [`next_flush`](Self::next_flush), so that it reads as well.
///
/// # Failing with a lent message
///
/// Text is checked when it is lent. If that fails, report the error with the failed half: the connection is to be driven to its
/// end with [`next_end`](Self::next_end), which does not need the receiving half that the borrow checker takes for lent.
#[derive(Debug)]
pub struct Driver {
    pub(crate) outbound: Outbound,
    pub(crate) deadlines: Deadlines,
    /// For each who asks, the time that was told, or the end of the grace.
    moments: [Time; 2],
    phases: [Judging; 2],
    /// Until when the reader waits: [`Time::END`] for a wait without end, [`Time::ZERO`] once that time was told to the writer.
    reader_waits: Option<Time>,
    writer_waits: bool,
    /// Whether the latest turn was the reader's.
    reads_now: bool,
    read: Readiness,
    write: Readiness,
    /// Reads since the time was told, or the reader waited.
    reads: u8,
    /// Whether the time was told after the last of them.
    asked: bool,
}

impl Driver {
    /// Bytes that one write is given at most: [`slices`](Self::slices) and [`chunk`](Self::chunk) see to it.
    ///
    /// A transport that accepts everything, such as a channel, then never holds more than this beyond what it has passed on.
    /// It is enough for a message of 64 KiB to leave with one write.
    pub const MAX_WRITE: usize = MAX_WRITE;

    pub(super) fn new(outbound: Outbound, deadlines: Deadlines) -> Self {
        Self {
            outbound,
            deadlines,
            moments: [Time::ZERO; 2],
            phases: [Judging::Quiet; 2],
            reader_waits: None,
            writer_waits: false,
            reads_now: false,
            read: Readiness::Free,
            write: Readiness::Free,
            reads: 0,
            asked: false,
        }
    }

    /// The sending half: what is queued there is written next.
    #[inline]
    pub const fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// The sending half, to be looked at only.
    #[inline]
    #[must_use]
    pub const fn outbound_ref(&self) -> &Outbound {
        &self.outbound
    }

    /// Begins a turn of the reader: both sides of the transport may be ready.
    ///
    /// For callers that are not told which side is ready: those that poll, and those that block. Others report
    /// [`readable`](Self::readable) and [`writable`](Self::writable).
    #[inline]
    pub fn turn(&mut self) {
        self.reads_now = true;
        self.read.free();
        self.write.free();
    }

    /// The read side may be ready.
    #[inline]
    pub fn readable(&mut self) {
        self.reads_now = true;
        self.read.free();
    }

    /// The write side may be ready; also begins a turn of a [writer](Self::next_write).
    #[inline]
    pub fn writable(&mut self) {
        self.reads_now = false;
        self.write.free();
    }

    /// The next step of a caller that waits for events, or for the end. All events must have been taken before, unless the
    /// output [is full](Outbound::is_full): then they may be left until some of it is written.
    #[inline]
    pub fn next(&mut self, inbound: &mut Inbound) -> Step {
        self.reader_waits = None;
        // The common cases in few steps: an open connection with something to write, with nothing to do but to read, or with
        // nothing at all.
        if self.phases[Who::Reader as usize] == Judging::Quiet {
            match self.read {
                Readiness::Free if self.reads < READS => {
                    if self.outbound.is_quiet() && self.deadlines.is_quiet(inbound.received().bytes) {
                        return Step::Read;
                    }
                    if let Some(step) = self.write_step_while_open() {
                        return step;
                    }
                }
                Readiness::Blocked if self.outbound.is_quiet() => {
                    let due = self.deadlines.next(&self.outbound, Some(inbound.received()));
                    if due != Some(Time::ZERO) {
                        return self.wait(due);
                    }
                }
                _ => {}
            }
        }
        self.next_in_full(Asks::Events, Some(inbound))
    }

    /// The next step of a caller that waits until all output is written, and reads meanwhile, so that two peers that both
    /// write do not block each other (DRV-20). It ends with [`Step::Written`], or with [`Step::Ended`] if the rest cannot be
    /// written.
    ///
    /// Events may be left in the receiving half. Once nothing more fits there (its buffer is full, and a long message is
    /// complete), nothing is read until one was taken; meanwhile, silence of the peer is not judged. A loop that reads into
    /// a buffer of its own, of which not everything was taken over, reports [`read_paused`](Self::read_paused).
    #[inline]
    pub fn next_flush(&mut self, inbound: &mut Inbound) -> Step {
        self.reader_waits = None;
        // As above. What is written at once needs no look at the other side.
        if self.read != Readiness::Over
            && self.phases[Who::Reader as usize] == Judging::Quiet
            && self.outbound.closing.is_open()
        {
            if let Some(step) = self.write_step_while_open() {
                return step;
            }
            if !self.outbound.can_stall() {
                return Step::Written;
            }
        }
        self.next_in_full(Asks::Written, Some(inbound))
    }

    /// The next step of a connection that has failed, without its receiving half: a message may be lent from that.
    pub fn next_end(&mut self) -> Step {
        self.reader_waits = None;
        self.next_in_full(Asks::End, None)
    }

    /// How long a read may go on that nobody can end, while another thread uses the driver, or while
    /// [`patience`](Self::patience) is [`Time::ZERO`]; `None` is no limit. For blocking streams, whose reader cannot be
    /// [woken](Self::wakes).
    ///
    /// A deadline that begins meanwhile is then kept to 1.25 times its value, or 10 ms.
    #[must_use]
    pub fn glance(&self) -> Option<Duration> {
        let shortest = self.deadlines.shortest_to_begin()?;
        Some((shortest / 4).max(GLANCE))
    }

    /// Until when a call that blocks may block; `None` is no limit. [`Time::ZERO`] is the deadline of a message of which more may
    /// be there: it begins when a read has found nothing for a [glance](Self::glance). For blocking streams, whose calls do the waiting. While the
    /// receiving half is lent, at the [end](Self::next_end), it is not needed.
    #[must_use]
    pub fn patience(&self, inbound: Option<&Inbound>) -> Option<Time> {
        let due = self.deadlines.next(&self.outbound, inbound.map(Inbound::received));
        match self.phase(Who::Reader) {
            (Judging::Grace, moment) => Some(moment),
            _ => due,
        }
    }
}
