//! How a connection that one thread has for itself is driven.

use std::net::Shutdown;

use super::{
    Stream, WebSocket,
    drive::{self, Asks, Failure, Hold, Next, Stop},
    limit::{Calls, Limit},
    transport::{Clock, Reader},
};
use crate::{
    connection::{Driver, Event, Found, Inbound, Outbound, SendError, Time},
    error::Error,
};

/// What is known of the stream.
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

/// A connection that one thread has for itself.
struct Whole<'a, S> {
    stream: &'a mut S,
    driver: &'a mut Driver,
    sides: &'a mut Sides,
}

impl<S: Stream> Hold for Whole<'_, S> {
    type Stream = S;

    fn clock(&self) -> Clock {
        self.sides.clock
    }

    #[inline]
    fn with<T>(&mut self, act: impl FnOnce(&mut Driver, &mut Failure) -> T) -> T {
        act(self.driver, &mut self.sides.failure)
    }

    fn next(&mut self, asks: &mut Asks<'_>) -> Next {
        let mut writing = match asks.begin(self.driver) {
            Ok(writing) => writing,
            Err(next) => return next,
        };
        let wrote = writing.perform(self.stream, &mut self.sides.writes, self.sides.clock);
        writing.report(self.driver, &wrote);
        Next::Wrote(self.sides.failure.noted(wrote))
    }

    fn reading(&mut self) -> Option<(&mut S, &mut Reader)> {
        Some((self.stream, &mut self.sides.reader))
    }
}

impl<S: Stream> WebSocket<S> {
    /// Queues something, and writes what is queued before if that is too much.
    pub(super) fn with_room<T>(
        &mut self,
        data: T,
        feed: impl Fn(&mut Outbound, T) -> Result<(), SendError<T>>,
    ) -> Result<(), Error> {
        let driver = self.connection.drive().1;
        if driver.drops_output() {
            return self.write_end();
        }
        let fed = match feed(driver.outbound(), data) {
            Err(SendError::Full(unsent)) => {
                self.flush()?;
                feed(self.connection.drive().1.outbound(), unsent)
            }
            fed => fed,
        };
        fed.map_err(|refused| Error::Send(refused.without_unsent()))
    }

    /// Goes on until an event is found. `None` is the end of a connection that was closed cleanly.
    #[inline]
    pub(super) fn wait(&mut self, until: Option<Time>) -> Result<Option<Found>, Error> {
        // Most messages are found in few steps.
        match self.connection.split_mut().0.parse_short() {
            Some(found) => Ok(Some(found)),
            None => self.wait_in_full(until),
        }
    }

    fn wait_in_full(&mut self, until: Option<Time>) -> Result<Option<Found>, Error> {
        if let Stop::Found(found) = self.drive_to_event(until)? {
            return Ok(Some(found));
        }
        // The peer is not made to wait until the stream is dropped.
        let _ = self.stream.shutdown(Shutdown::Both);
        let outcome = self.connection.drive().1.outcome();
        self.sides.failure.tell(outcome).map(|()| None)
    }

    pub(super) fn drive_to_event(&mut self, until: Option<Time>) -> Result<Stop, Error> {
        let (inbound, mut whole) = self.whole();
        drive::drive(&mut whole, Asks::Event(inbound), until)
    }

    pub(super) fn drive_to_write(&mut self, until: Option<Time>) -> Result<Stop, Error> {
        let (inbound, mut whole) = self.whole();
        drive::drive(&mut whole, Asks::Flush(inbound), until)
    }

    #[inline]
    fn whole(&mut self) -> (&mut Inbound, Whole<'_, S>) {
        let (inbound, driver) = self.connection.drive();
        let whole = Whole {
            stream: &mut self.stream,
            driver,
            sides: &mut self.sides,
        };
        (inbound, whole)
    }

    /// How the sending direction ended.
    pub(super) fn write_end(&mut self) -> Result<(), Error> {
        let outcome = self.connection.drive().1.write_outcome();
        self.sides.failure.tell(outcome)
    }

    /// Lends what was found, and the sending half with it.
    #[inline]
    pub(super) fn lend(&mut self, found: Found) -> Result<(Event<'_>, &mut Outbound), Error> {
        let (inbound, mut whole) = self.whole();
        match inbound.lend(found) {
            Ok(event) => Ok((event, whole.driver.outbound())),
            Err(error) => {
                let error = whole.driver.outbound().fail(error);
                drive::drive(&mut whole, Asks::End, None)?;
                let _ = whole.stream.shutdown(Shutdown::Both);
                Err(error.into())
            }
        }
    }
}
