//! The loop that drives a connection, whole or in halves, over a stream whose calls block or are refused.
//!
//! The [`Driver`] says what to do. The calls of the stream do the waiting, so they are bounded: by the driver's deadlines, by
//! what the caller allows, and to a few milliseconds while the other direction has something to do as well. A call that has
//! used up its bound is made again; one that comes back at once is one of a stream that does not block, and that is left to
//! the caller.

use core::time::Duration;
use std::io;

use super::{
    Stream,
    limit::SHORTEST,
    transport::{Blocked, Clock, Reader, Received, Wait, Writing, Wrote},
};
use crate::{
    connection::{Driver, Found, Inbound, ProtocolError, Step, Time},
    error::Error,
};

/// How long a read may block while output waits that the stream did not take.
const SOON: Duration = Duration::from_millis(4);

/// How long the stream is not asked again to take output that it did not take, as long as there is something to read.
const RESPITE: Duration = Duration::from_millis(50);

/// What a call waits for.
#[derive(Debug)]
pub(super) enum Asks<'a> {
    /// The next event.
    Event(&'a mut Inbound),
    /// That everything is written. It reads meanwhile.
    Flush(&'a mut Inbound),
    /// That everything is written, without the receiving half.
    Write,
    /// The end of a connection that has failed with a lent message.
    End,
}

impl Asks<'_> {
    /// Asks for the next step. One of the write side is begun.
    pub(super) fn begin(&mut self, driver: &mut Driver) -> Result<Writing, Next> {
        let step = self.next(driver);
        Writing::begin(step, driver).ok_or_else(|| self.other(step, driver, false))
    }

    /// Asks for the next step while somebody writes, so that it is not one of the write side.
    pub(super) fn look(&mut self, driver: &mut Driver) -> Next {
        let step = self.next(driver);
        self.other(step, driver, true)
    }

    fn other(&self, step: Step, driver: &mut Driver, others: bool) -> Next {
        if matches!(step, Step::Read | Step::Discard) {
            // What it waits for may take long.
            driver.outbound().release();
        }
        let due = self.patience(driver);
        Next::Step { step, due, others }
    }

    fn next(&mut self, driver: &mut Driver) -> Step {
        match self {
            Self::Event(inbound) => driver.next(inbound),
            Self::Flush(inbound) => driver.next_flush(inbound),
            Self::Write => driver.next_write(),
            Self::End => driver.next_end(),
        }
    }

    fn patience(&self, driver: &Driver) -> Option<Time> {
        match self {
            Self::Event(inbound) | Self::Flush(inbound) => driver.patience(Some(inbound)),
            Self::Write | Self::End => driver.patience(None),
        }
    }

    fn tell(&self, driver: &mut Driver, now: Time) {
        match self {
            Self::Write => driver.at_write(now),
            _ => driver.at(now),
        }
    }

    const fn waits_to_write(&self) -> bool {
        matches!(self, Self::Flush(_) | Self::Write)
    }
}

/// What the loop ends with.
#[derive(Debug)]
pub(super) enum Stop {
    Found(Found),
    Written,
    Ended,
}

/// What is to be done next, or was done.
#[derive(Debug)]
pub(super) enum Next {
    Wrote(Wrote),
    Step {
        step: Step,
        /// Until when a read may take.
        due: Option<Time>,
        /// Whether another thread writes.
        others: bool,
    },
}

/// The error of the stream, which is told once, as what ended the connection.
#[derive(Debug, Default)]
pub(super) struct Failure {
    error: Option<io::Error>,
    is_known: bool,
}

impl Failure {
    /// Notes the error of a write, which the driver knows of.
    pub(super) fn noted(&mut self, wrote: Wrote) -> Wrote {
        match wrote {
            Wrote::Failed(error) => {
                self.note(error);
                Wrote::Done
            }
            wrote => wrote,
        }
    }

    /// Notes the first error.
    pub(super) fn note(&mut self, error: io::Error) {
        if !self.is_known {
            (self.error, self.is_known) = (Some(error), true);
        }
    }

    /// How the connection ended, or one of its directions.
    pub(super) fn tell(&mut self, outcome: Result<(), ProtocolError>) -> Result<(), Error> {
        outcome.map_err(|failure| match self.error.take() {
            Some(error) if failure == ProtocolError::ConnectionLost => error.into(),
            _ => failure.into(),
        })
    }
}

/// Who holds the driver and the sides of the stream.
pub(super) trait Hold {
    type Stream: Stream;

    fn clock(&self) -> Clock;

    /// Does something with the driver that takes no time.
    fn with<T>(&mut self, act: impl FnOnce(&mut Driver, &mut Failure) -> T) -> T;

    /// The next step. One of the write side is performed.
    fn next(&mut self, asks: &mut Asks<'_>) -> Next;

    /// The stream, to be read.
    fn reading(&mut self) -> Option<(&mut Self::Stream, &mut Reading)>;

    /// The application's own limit of writes, for a caller that waits to write.
    fn write_limit(&self) -> Option<Duration> {
        None
    }

    /// How long a read may go on although others use the driver.
    fn glance(&self) -> Option<Duration> {
        None
    }

    /// Waits for another thread that writes, if there still is one.
    fn wait(&mut self, _until: Option<Time>) {}
}

/// The read side, and what is known of the other one.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) reader: Reader,
    /// The end of the [`RESPITE`].
    respite: Option<Time>,
}

impl Reading {
    pub(super) const fn new() -> Self {
        Self {
            reader: Reader::new(),
            respite: None,
        }
    }
}

/// Drives until what is asked for is there, or the connection is over; but not longer than `until`.
///
/// # Errors
///
/// `WouldBlock`: the time is up, or the stream does not block and is not ready.
pub(super) fn drive<H: Hold>(hold: &mut H, mut asks: Asks<'_>, until: Option<Time>) -> Result<Stop, Error> {
    let mut turn = Turn::begin(hold, &asks, None);
    loop {
        if let Some(found) = find(hold, &mut asks) {
            return Ok(Stop::Found(found));
        }
        let (step, due, others) = match hold.next(&mut asks) {
            Next::Wrote(wrote) => {
                turn.note_write(hold, &asks, &wrote);
                continue;
            }
            Next::Step { step, due, others } => (step, due, others),
        };
        match step {
            Step::Read | Step::Discard => {
                let wait = Wait {
                    until: earlier(due, until),
                    most: earlier(hold.glance(), turn.is_blocked.then_some(SOON)),
                };
                read(hold, &mut asks, step, wait, &mut turn);
            }
            Step::Time => {
                let now = hold.clock().now();
                hold.with(|driver, _| asks.tell(driver, now));
            }
            Step::Written => return Ok(Stop::Written),
            Step::Ended => return Ok(Stop::Ended),
            Step::Wait(due) => {
                let now = hold.clock().now();
                if let Some(due) = due.filter(|&due| now + SHORTEST >= due) {
                    // The last instants count as waited for.
                    hold.with(|driver, _| asks.tell(driver, now.max(due)));
                    continue;
                }
                if turn.is_up(hold, &asks, until, now) || (turn.is_refused && !turn.has_waited && !others) {
                    return Err(io::Error::from(io::ErrorKind::WouldBlock).into());
                }
                if others && !turn.has_waited {
                    hold.wait(earlier(due, until));
                }
                turn = Turn::begin(hold, &asks, turn.quiet);
            }
            // This was enough for one turn, which ends also if something arrives all the time.
            _ => {
                let now = hold.clock().now();
                if turn.is_up(hold, &asks, until, now) {
                    return Err(io::Error::from(io::ErrorKind::WouldBlock).into());
                }
                turn = Turn::begin(hold, &asks, turn.quiet);
            }
        }
    }
}

fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

/// What is known of the sides of the stream between two waits.
struct Turn {
    /// Whether a call has waited for as long as it was let.
    has_waited: bool,
    /// Whether a call was refused at once.
    is_refused: bool,
    /// Whether output waits that the stream did not take.
    is_blocked: bool,
    /// Since when the direction that is waited for has not moved, as far as it matters.
    quiet: Option<Time>,
}

impl Turn {
    fn begin<H: Hold>(hold: &mut H, asks: &Asks<'_>, quiet: Option<Time>) -> Self {
        let clock = hold.clock();
        let respite = match hold.reading() {
            Some((_, reading)) if !asks.waits_to_write() => {
                reading.respite = reading.respite.filter(|&end| clock.now() < end);
                reading.respite.is_some()
            }
            _ => false,
        };
        hold.with(|driver, _| match asks {
            Asks::Write => driver.writable(),
            _ if respite => driver.readable(),
            _ => driver.turn(),
        });
        Self {
            has_waited: false,
            is_refused: false,
            is_blocked: respite,
            quiet,
        }
    }

    fn note(&mut self, blocked: Blocked) {
        self.has_waited |= blocked.has_waited;
        self.is_refused |= !blocked.has_waited;
    }

    fn note_write<H: Hold>(&mut self, hold: &mut H, asks: &Asks<'_>, wrote: &Wrote) {
        let Wrote::Blocked(blocked) = *wrote else {
            if asks.waits_to_write() {
                self.quiet = None;
            }
            return;
        };
        self.note(blocked);
        self.is_blocked = true;
        if asks.waits_to_write() {
            self.quiet = self.quiet.or(blocked.began);
        } else if let Some((_, reading)) = hold.reading() {
            reading.respite = blocked.began.map(|began| began + RESPITE);
        }
    }

    fn note_read(&mut self, asks: &Asks<'_>, received: &Received) {
        let began = match *received {
            Received::Bytes(_) => None,
            Received::Blocked(blocked) => {
                self.note(blocked);
                self.quiet.or(blocked.began)
            }
            _ => return,
        };
        if !asks.waits_to_write() {
            self.quiet = began;
        }
    }

    /// Whether the caller waits no longer: its time is up, or the application's limit for the direction that it waits for.
    fn is_up<H: Hold>(&self, hold: &mut H, asks: &Asks<'_>, until: Option<Time>, now: Time) -> bool {
        let own = if asks.waits_to_write() {
            hold.write_limit()
        } else {
            hold.reading().and_then(|(_, reading)| reading.reader.limit.own())
        };
        let own = self.quiet.zip(own).map(|(quiet, own)| quiet + own);
        earlier(until, own).is_some_and(|end| now + SHORTEST >= end)
    }
}

/// An event that has arrived. Messages are found without the driver.
fn find<H: Hold>(hold: &mut H, asks: &mut Asks<'_>) -> Option<Found> {
    let Asks::Event(inbound) = asks else { return None };
    match inbound.parse() {
        Ok(Some(found)) if !found.is_control() => Some(found),
        // A failure comes back as the outcome.
        parsed => hold
            .with(|driver, _| inbound.settle_all(parsed, driver.outbound()))
            .unwrap_or(None),
    }
}

fn read<H: Hold>(hold: &mut H, asks: &mut Asks<'_>, step: Step, wait: Wait, turn: &mut Turn) {
    let clock = hold.clock();
    let Some((stream, Reading { reader, respite })) = hold.reading() else {
        return;
    };
    let ahead = asks.waits_to_write();
    let received = match asks {
        Asks::Event(inbound) | Asks::Flush(inbound) if step == Step::Read => {
            reader.read(stream, inbound, wait, ahead, clock)
        }
        _ => reader.discard(stream, wait, clock),
    };
    if let Received::Blocked(_) = received {
        *respite = None;
    }
    turn.note_read(asks, &received);
    hold.with(|driver, failure| match received {
        Received::Bytes(n) => driver.read(n),
        Received::End => driver.read_ended(),
        Received::Blocked(_) => driver.read_blocked(),
        Received::Full => driver.read_paused(),
        Received::Interrupted => {}
        Received::Failed(error) => {
            failure.note(error);
            driver.read_failed();
        }
    });
}
