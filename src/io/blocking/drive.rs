//! The loop that drives a connection, whole or in halves, over a stream whose calls block or return `WouldBlock`.
//!
//! The [`Driver`] decides what to do. Waiting happens inside the calls of the stream, so these are bounded: by the
//! driver's deadlines, by the caller's timeout, and to a few milliseconds while the other direction has work to do. A
//! call that has used up its bound is repeated. One that returns at once belongs to a non-blocking stream, and waiting
//! is then left to the caller.

use core::time::Duration;
use std::{io, net::Shutdown};

use super::{
    Stream,
    clock::Clock,
    limit::{Calls, Limit},
    transport::{ReadOutcome, Reader, WriteOutcome, Writing},
};
use crate::{
    connection::{Driver, Fault, Found, Inbound, ProtocolError, Step, Time, earlier},
    error::Error,
    io::{SHORTEST, verbs::Wanted},
};

/// What a call waits for.
#[derive(Debug)]
pub(super) enum Asks<'a> {
    /// The next event.
    Event(&'a mut Inbound),
    /// All output written. It reads meanwhile.
    Flush(&'a mut Inbound),
    /// All output written, without the receiving half.
    Write,
    /// Room for a message, or the end of sending; without the receiving half.
    Room,
    /// The end of a connection that failed while a message was lent.
    End,
}

impl Asks<'_> {
    /// Asks for the next step, and begins it if it is one of the write side.
    pub(super) fn begin(&mut self, driver: &mut Driver) -> Result<Writing, Next> {
        let step = self.next(driver);
        Writing::begin(step, driver).ok_or_else(|| self.other(step, driver))
    }

    /// Asks for the next step while another caller writes, so that it is not one of the write side.
    pub(super) fn look(&mut self, driver: &mut Driver) -> Next {
        let step = self.next(driver);
        self.other(step, driver)
    }

    fn other(&self, step: Step, driver: &mut Driver) -> Next {
        if matches!(step, Step::Read | Step::Discard) {
            // This may wait for long.
            driver.outbound().release();
        }
        Next::Step(step, self.patience(driver))
    }

    fn next(&mut self, driver: &mut Driver) -> Step {
        match self {
            Self::Event(inbound) => driver.next(inbound),
            Self::Flush(inbound) => driver.next_flush(inbound),
            Self::Write | Self::Room => driver.next_write(),
            Self::End => driver.next_end(),
        }
    }

    fn patience(&self, driver: &Driver) -> Option<Time> {
        match self {
            Self::Event(inbound) | Self::Flush(inbound) => driver.patience(Some(inbound)),
            Self::Write | Self::Room | Self::End => driver.patience(None),
        }
    }

    fn tell(&self, driver: &mut Driver, now: Time) {
        match self {
            Self::Write | Self::Room => driver.at_write(now),
            _ => driver.at(now),
        }
    }

    const fn waits_to_write(&self) -> bool {
        matches!(self, Self::Flush(_) | Self::Write | Self::Room)
    }
}

/// Why the loop ends.
#[derive(Debug)]
pub(super) enum Stop {
    Found(Found),
    Written,
    Ended,
}

/// What to do next, or what was done.
#[derive(Debug)]
pub(super) enum Next {
    WriteOutcome(WriteOutcome),
    /// A step, and how long a read may take.
    Step(Step, Option<Time>),
}

/// The error of the stream, which is reported once, as the reason why the connection ended.
#[derive(Debug, Default)]
pub(super) struct Failure {
    error: Option<io::Error>,
    is_known: bool,
}

impl Failure {
    /// Notes the error of a write, of which the driver has been notified.
    pub(super) fn noted(&mut self, wrote: WriteOutcome) -> WriteOutcome {
        match wrote {
            WriteOutcome::Failed(error) => {
                self.note(error);
                WriteOutcome::Done
            }
            wrote => wrote,
        }
    }

    /// Notes an error, if it is the first.
    pub(super) fn note(&mut self, error: io::Error) {
        if !self.is_known {
            (self.error, self.is_known) = (Some(error), true);
        }
    }

    /// Reports how the connection, or one of its directions, ended.
    pub(super) fn tell(&mut self, outcome: Result<(), ProtocolError>) -> Result<(), Error> {
        outcome.map_err(|failure| match self.error.take() {
            Some(error) if failure == ProtocolError::ConnectionLost => error.into(),
            _ => failure.into(),
        })
    }
}

/// The state of the stream's two sides.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) clock: Clock,
    pub(super) reader: Reader,
    pub(super) writes: Limit,
    pub(super) failure: Failure,
}

impl Sides {
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::start(),
            reader: Reader::new(),
            writes: Limit::new(Calls::Write),
            failure: Failure::default(),
        }
    }
}

/// Access to the driver and the two sides of the stream.
pub(super) trait Hold {
    type Stream: Stream;

    fn clock(&self) -> Clock;

    /// Calls `act` with the driver. It must not block.
    fn with<T>(&mut self, act: impl FnOnce(&mut Driver, &mut Failure) -> T) -> T;

    /// Returns the next step. A step of the write side is performed.
    fn next(&mut self, asks: &mut Asks<'_>) -> Next;

    /// Returns the read side, if it belongs to this half.
    fn reading(&mut self) -> Option<(&mut Self::Stream, &mut Reader)>;

    /// Waits for another thread that is writing, if there is one.
    fn wait(&mut self, _until: Option<Time>) {}
}

/// Continues until a wanted event is found. Returns `None` at the end of a connection that closed cleanly.
pub(super) fn find<H: Hold>(
    hold: &mut H,
    inbound: &mut Inbound,
    wanted: Wanted,
    until: Option<Time>,
) -> Result<Option<Found>, Error> {
    while let Stop::Found(found) = drive(hold, Asks::Event(inbound), until)? {
        if wanted.includes(&found) {
            return Ok(Some(found));
        }
    }
    shut_down(hold);
    hold.with(|driver, failure| failure.tell(driver.outcome()))
        .map(|()| None)
}

/// Writes until `asks` is fulfilled or the connection ends.
pub(super) fn write<H: Hold>(hold: &mut H, asks: Asks<'_>) -> Result<(), Error> {
    match drive(hold, asks, None)? {
        Stop::Ended => hold.with(|driver, failure| failure.tell(driver.write_outcome())),
        _ => Ok(()),
    }
}

/// Finishes the connection after a fault in a message that was about to be lent. Returns the failure.
#[cold]
pub(super) fn fail<H: Hold>(hold: &mut H, fault: Fault) -> Error {
    let failure = hold.with(|driver, _| driver.outbound().tell(fault));
    if let Err(error) = drive(hold, Asks::End, None) {
        return error;
    }
    shut_down(hold);
    failure.into()
}

/// Ends the stream, so that the peer, or another thread that is still writing, need not wait until it is dropped.
fn shut_down<H: Hold>(hold: &mut H) {
    if let Some((stream, _)) = hold.reading() {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Drives the connection until it gets what the caller asks for, the connection ends, or `until` has passed.
///
/// # Errors
///
/// `WouldBlock` if the time is up, or the stream is non-blocking and not ready.
pub(super) fn drive<H: Hold>(hold: &mut H, mut asks: Asks<'_>, until: Option<Time>) -> Result<Stop, Error> {
    let clock = hold.clock();
    if let Some((_, reader)) = hold.reading() {
        reader.limit.restart();
        // An event loop calls again when either side is ready.
        reader.is_blocked = false;
    }
    begin(hold, &asks);
    // Whether a call in this turn waited for what is asked for (`true`), or returned at once (`false`).
    let mut has_waited = None;
    loop {
        if let Some(found) = look(hold, &mut asks) {
            return Ok(Stop::Found(found));
        }
        if matches!(asks, Asks::Room) && !hold.with(|driver, _| driver.outbound_ref().is_full()) {
            return Ok(Stop::Written);
        }
        let (step, due) = match hold.next(&mut asks) {
            Next::Step(step, due) => (step, due),
            Next::WriteOutcome(wrote) => {
                if let WriteOutcome::Blocked { has_waited: waited } = wrote {
                    has_waited = Some(waited);
                }
                if let Some((_, reader)) = hold.reading() {
                    reader.is_blocked = matches!(wrote, WriteOutcome::Blocked { has_waited: true });
                }
                continue;
            }
        };
        let due = match step {
            Step::Written => return Ok(Stop::Written),
            Step::Ended => return Ok(Stop::Ended),
            Step::Read | Step::Discard => {
                // A deadline that has not started yet starts once nothing arrives for a while.
                let (due, most) = match due {
                    Some(Time::ZERO) => (None, hold.with(|driver, _| driver.glance())),
                    due => (due, None),
                };
                let waited = read(hold, &mut asks, step, earlier(due, until), most);
                if !asks.waits_to_write() {
                    has_waited = waited.or(has_waited);
                }
                continue;
            }
            Step::Time => Some(Time::ZERO),
            Step::Wait(due) => due,
            _ => None,
        };
        // Less than `SHORTEST` left counts as up.
        let now = clock.now();
        let is_up = |end: Time| now + SHORTEST >= end;
        if let Some(due) = due.filter(|&due| is_up(due)) {
            hold.with(|driver, _| asks.tell(driver, now.max(due)));
            continue;
        }
        let is_refused = has_waited == Some(false) && step != Step::Yield;
        if is_refused || until.is_some_and(is_up) {
            return Err(io::Error::from(io::ErrorKind::WouldBlock).into());
        }
        if let Some((_, reader)) = hold.reading() {
            reader.is_blocked = false;
        }
        if has_waited.is_none() {
            hold.wait(earlier(due, until));
        }
        begin(hold, &asks);
        has_waited = None;
    }
}

/// Starts a turn.
fn begin<H: Hold>(hold: &mut H, asks: &Asks<'_>) {
    // While there is something to read, a stream that did not accept output is not asked again in the next turn.
    let is_blocked = hold.reading().is_some_and(|(_, reader)| reader.is_blocked);
    hold.with(|driver, _| match asks {
        Asks::Write | Asks::Room => driver.writable(),
        Asks::Event(_) if is_blocked => driver.readable(),
        _ => driver.turn(),
    });
}

/// Returns an event that has arrived. Messages are found without the driver.
fn look<H: Hold>(hold: &mut H, asks: &mut Asks<'_>) -> Option<Found> {
    let Asks::Event(inbound) = asks else { return None };
    match inbound.parse().into_data() {
        Ok(found) => Some(found),
        // A failure is returned later, as the outcome.
        Err(parsed) => hold
            .with(|driver, _| inbound.settle(parsed, driver.outbound()))
            .unwrap_or(None),
    }
}

/// Reads once. If nothing arrived, returns whether the call waited.
fn read<H: Hold>(
    hold: &mut H,
    asks: &mut Asks<'_>,
    step: Step,
    until: Option<Time>,
    most: Option<Duration>,
) -> Option<bool> {
    let clock = hold.clock();
    let (stream, reader) = hold.reading()?;
    let ahead = asks.waits_to_write();
    let inbound = match asks {
        Asks::Event(inbound) | Asks::Flush(inbound) if step == Step::Read => Some(&mut **inbound),
        _ => None,
    };
    let received = reader.read(stream, inbound, (until, most), ahead, clock);
    let waited = match received {
        ReadOutcome::Blocked { has_waited } => Some(has_waited),
        _ => None,
    };
    hold.with(|driver, failure| match received {
        ReadOutcome::Bytes(n) => driver.read(n),
        ReadOutcome::End => driver.read_ended(),
        ReadOutcome::Blocked { .. } => driver.read_blocked(),
        ReadOutcome::Full => driver.read_paused(),
        ReadOutcome::Interrupted => {}
        ReadOutcome::Failed(error) => {
            failure.note(error);
            driver.read_failed();
        }
    });
    waited
}
