//! The order of reads, writes, deadlines and the end of a connection: in one place, without I/O and without a clock.
//!
//! The code that moves the bytes asks for the next [`Step`], performs it and reports the result. It knows no state of
//! the closing handshake, no deadline and no flag of the connection. [`Driver`] explains how to write such a loop.
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
//! 1. A connection that is over is only shut down, if that is still possible, so that a stream of TLS notifies the peer
//!    (RFC 8446 §6.1, SEC-16).
//! 2. Queued output is written, at most [`Driver::MAX_WRITE`] bytes at a time (DRV-19), then flushed. Then the write
//!    side is shut down, once (DRV-17).
//! 3. If a deadline is not armed, the time is asked for before the read. Arming a deadline does not judge it. An
//!    unfinished message needs no time as long as there may be more to read.
//! 4. After a failure of the connection, data that is read is discarded. A turn has a bounded number of reads (DRV-13).
//!    After these, the time is asked for if a deadline is running: a flood cannot delay the end.
//! 5. If both sides block, the wait lasts until the nearest deadline, including those for writes (DRV-03).
//! 6. A deadline is judged only after both sides were tried after it had passed, and blocked (DRV-01). If the time is
//!    reported more than 1 ms late, the runtime has 1 ms to learn which bytes are waiting: its "not ready" is what it
//!    knows, not what the socket holds. Sending a Ping is not judging.
//! 7. A failed write ends the sending direction only (DRV-02): output is dropped, and data that the peer has sent is
//!    received, for at most the time of the closing handshake. Messages sent meanwhile are accepted and dropped. Output
//!    that has stalled for too long, detected by a caller that does not read, has the same effect, but reading ends when
//!    it would block.
//! 8. The time of the closing handshake starts when the Close is written, or when the write side has failed (DRV-05).
//!    Before that, output must make progress within that time, or within that for stalled writes.
//! 9. After the peer's Close the end is clean, however the transport ended. Otherwise it is the failure, or the error
//!    of the transport.
//! 10. A reader is woken when a deadline has become earlier than the one that it waits for, when that deadline has
//!     passed, and at the end; a writer when everything is written, when nothing can be written any more, when the peer
//!     has closed, and at the end (DRV-07).
//! 11. A caller that waits to write also reads, as far as there is room, and processes what arrives up to the first
//!     event (DRV-20). While there is no room, silence is not judged. Once nothing can arrive any more, output may stall
//!     for half a second only. The same applies to a caller that leaves events because messages are refused until output
//!     is written.

mod clock;
mod report;
mod steps;
mod wakes;

use core::time::Duration;

pub use self::wakes::Wakes;
pub(crate) use self::{clock::Judging, steps::Readiness};
use self::{clock::Who, steps::Asks};
use crate::connection::{Inbound, Outbound, deadlines::Deadlines, output::MAX_WRITE, time::Time};

/// The number of reads after which the time is asked for if a deadline is running, and other tasks get their turn.
pub(crate) const READS: u8 = 32;

/// How long a reader that cannot be woken goes without checking what a writer has done.
const GLANCE: Duration = Duration::from_millis(10);

/// What to do next; see [`Driver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Write some of the [output](crate::Output), at most [`Driver::MAX_WRITE`] bytes. Report
    /// [`wrote`](Driver::wrote), [`write_blocked`](Driver::write_blocked), [`write_started`](Driver::write_started) or
    /// [`write_failed`](Driver::write_failed).
    Write,
    /// Flush what the transport has buffered. Report [`flushed`](Driver::flushed), or as for `Write`.
    Flush,
    /// Shut down the write side. Report [`shut_down`](Driver::shut_down), whether it succeeded or not, or as for
    /// `Write`. This step comes once.
    Shutdown,
    /// Read into the space of the receiving half. Report [`read`](Driver::read) and take the events, or report
    /// [`read_blocked`](Driver::read_blocked), [`read_started`](Driver::read_started),
    /// [`read_ended`](Driver::read_ended) or [`read_failed`](Driver::read_failed).
    Read,
    /// Read, and discard the data. Report as for `Read`.
    Discard,
    /// Report the time with [`at`](Driver::at).
    Time,
    /// Wait until the transport is ready for what was blocked, or until this time, and then report the time. `None`
    /// means no limit.
    Wait(Option<Time>),
    /// This turn was long enough: let other tasks run, then ask again.
    Yield,
    /// All output is written and flushed. Only for callers that wait for that.
    Written,
    /// The connection is over. [`Driver::outcome`] returns how it ended.
    Ended,
}

/// Decides what to do next with the transport of a connection: a loop performs [`Step`]s and reports their results.
///
/// It owns the sending half; [`Connection::drive`](crate::Connection::drive) returns it together with the receiving
/// half. It does no I/O and reads no clock. It contains all rules about the order of reads, writes and deadlines, and
/// about the end of a connection, so a loop needs no rules of its own:
///
/// ```
/// use std::{io, time::Instant};
/// use websocket_proto::{Config, Connection, Event, Role, Step, Time};
///
/// /// Drives a connection over a non-blocking stream. Returns `Wait`, `Yield` or `Ended`.
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
/// # Kinds of loops
///
/// - *Level-triggered or polled* (`Future`s): call [`turn`](Self::turn) whenever the task runs; a side that was not
///   ready is then tried again. For [`Step::Wait`], set the timer if there is a time, and return. When it fires, report
///   the time with [`at`](Self::at) and ask again.
/// - *Edge-triggered*: report [`readable`](Self::readable) and [`writable`](Self::writable) with the events of the poll
///   instead. For [`Step::Yield`], put the connection at the end of the queue, and ask again when it comes up.
/// - *Blocking*: limit each read and write by [`patience`](Self::patience). A call that used up this limit, or found
///   the stream not ready, is reported as blocked. For `Wait`, report the time if it has come. Otherwise begin another
///   turn, in which the calls do the waiting. While output is waiting, a read must not block for long, and vice versa.
/// - *Completion-based*: start the operation for a step, and report [`write_started`](Self::write_started) or
///   [`read_started`](Self::read_started) in place of its result; continue to ask until `Wait`. When an operation has
///   completed, report its result and ask again. No operation is asked for twice. Report the available results before
///   the time. For `Write`, [`take_output`](Self::take_output) hands over the output, so that the operation can own it
///   (as io_uring requires). For `Read`, [`Inbound::take_buffer`] and [`Inbound::receive_buffer`] do the same with the
///   buffer to fill.
///
/// # Two tasks
///
/// [`Connection::into_halves`](crate::Connection::into_halves) gives the receiving half to one task. Both share the
/// driver, protected by a lock; on a non-blocking stream, the lock is held while a step is performed. The reader asks
/// with [`next`](Self::next). A writer begins its turn with [`writable`](Self::writable), asks with
/// [`next_write`](Self::next_write) and reports the time with [`at_write`](Self::at_write). One timer is enough for
/// both: set it to the time of the latest `Wait`. At the end of a turn, and after queueing something,
/// [`wakes`](Self::wakes) returns which task to wake. Poll the write side with a waker that wakes both.
///
/// On a blocking stream, the lock must not be held while a call blocks: start a write with
/// [`take_output`](Self::take_output), and report it when it is done.
///
/// A connection used by a single task does not need `next_write`: to wait until output is written, it asks with
/// [`next_flush`](Self::next_flush), so that it also reads.
///
/// # Failing with a lent message
///
/// Text is checked when it is lent. If that fails, report the error with the failed half. Then drive the connection to
/// its end with [`next_end`](Self::next_end), which does not use the receiving half: the borrow checker considers that
/// lent.
#[derive(Debug)]
pub struct Driver {
    pub(crate) outbound: Outbound,
    pub(crate) deadlines: Deadlines,
    /// For each caller, the time that was reported, or the end of the grace period.
    moments: [Time; 2],
    phases: [Judging; 2],
    /// Until when the reader waits: [`Time::END`] for no limit, [`Time::ZERO`] after the writer reported that time.
    reader_waits: Option<Time>,
    writer_waits: bool,
    /// Whether the latest turn was the reader's.
    reads_now: bool,
    read: Readiness,
    write: Readiness,
    /// Reads since the time was reported, or since the reader waited.
    reads: u8,
    /// Whether the time was reported after the last of them.
    asked: bool,
}

impl Driver {
    /// The most bytes offered for one write: [`slices`](Self::slices) and [`chunk`](Self::chunk) return no more.
    ///
    /// A transport that accepts everything, such as a channel, then never holds more than this beyond what it has
    /// passed on. It is enough to send a message of 64 KiB with one write.
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

    /// Returns the sending half: what is queued there is written next.
    #[inline]
    pub const fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// Returns the sending half, read-only.
    #[inline]
    #[must_use]
    pub const fn outbound_ref(&self) -> &Outbound {
        &self.outbound
    }

    /// Begins a turn of the reader: both sides of the transport may be ready.
    ///
    /// For callers that do not know which side is ready: those that poll, and those that block. Others report
    /// [`readable`](Self::readable) and [`writable`](Self::writable).
    #[inline]
    pub fn turn(&mut self) {
        self.reads_now = true;
        self.read.free();
        self.write.free();
    }

    /// Reports that the read side may be ready.
    #[inline]
    pub fn readable(&mut self) {
        self.reads_now = true;
        self.read.free();
    }

    /// Reports that the write side may be ready; also begins a turn of a [writer](Self::next_write).
    #[inline]
    pub fn writable(&mut self) {
        self.reads_now = false;
        self.write.free();
    }

    /// Returns the next step of a caller that waits for events, or for the end.
    ///
    /// All events must have been taken first, unless the output [is full](Outbound::is_full): then they may be left
    /// until some of it is written.
    #[inline]
    pub fn next(&mut self, inbound: &mut Inbound) -> Step {
        self.reader_waits = None;
        // The common cases in few steps: an open connection that has something to write, only has to read, or has
        // nothing to do.
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

    /// Returns the next step of a caller that waits until all output is written, and also reads, so that two peers that
    /// both write do not block each other. It ends with [`Step::Written`], or with [`Step::Ended`] if the rest
    /// cannot be written.
    ///
    /// Events may be left in the receiving half. Once there is no more room (the buffer is full, and a long message is
    /// complete), nothing is read until an event was taken; meanwhile, silence of the peer is not judged. A loop that
    /// reads into its own buffer, from which not all bytes could be received, reports
    /// [`read_paused`](Self::read_paused).
    #[inline]
    pub fn next_flush(&mut self, inbound: &mut Inbound) -> Step {
        self.reader_waits = None;
        // As in `next`. What can be written at once needs no check of the other side.
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

    /// Returns the next step of a connection that has failed, without its receiving half: a message may be borrowed
    /// from that.
    pub fn next_end(&mut self) -> Step {
        self.reader_waits = None;
        self.next_in_full(Asks::End, None)
    }

    /// Returns how long a read that cannot be interrupted may take, while another thread uses the driver or while
    /// [`patience`](Self::patience) is [`Time::ZERO`]. `None` means no limit. For blocking streams, whose reader cannot
    /// be [woken](Self::wakes).
    ///
    /// A deadline that starts meanwhile then fires within 1.25 times its value, or 10 ms late.
    #[must_use]
    pub fn glance(&self) -> Option<Duration> {
        let shortest = self.deadlines.shortest_to_begin()?;
        Some((shortest / 4).max(GLANCE))
    }

    /// Returns until when a blocking call may block; `None` means no limit. For blocking streams, whose calls do the
    /// waiting.
    ///
    /// [`Time::ZERO`] stands for the deadline of a message of which more may be available: it starts once a read has
    /// found nothing for a [glance](Self::glance). Pass `None` while the receiving half is lent, at the
    /// [end](Self::next_end).
    #[must_use]
    pub fn patience(&self, inbound: Option<&Inbound>) -> Option<Time> {
        let due = self.deadlines.next(&self.outbound, inbound.map(Inbound::received));
        match self.phase(Who::Reader) {
            (Judging::Grace, moment) => Some(moment),
            _ => due,
        }
    }
}
