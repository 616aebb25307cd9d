//! Driving a connection that one thread owns.

use alloc::sync::Arc;

use super::{
    Stream, WebSocket,
    clock::Clock,
    drive::{self, Asks, Failure, Hold, Next, Sides},
    transport::Reader,
};
use crate::{
    connection::{Driver, Event, Found, Inbound, Outbound, Time},
    error::Error,
    io::verbs::Wanted,
    message::Message,
    negotiated::Agreed,
};

/// A connection that one thread owns.
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
        Next::WriteOutcome(self.sides.failure.noted(wrote))
    }

    fn reading(&mut self) -> Option<(&mut S, &mut Reader)> {
        Some((self.stream, &mut self.sides.reader))
    }
}

impl<S: Stream> WebSocket<S> {
    pub(super) fn state<R>(&self, read: impl FnOnce(&Outbound) -> R) -> R {
        read(self.connection.outbound())
    }

    #[inline]
    pub(super) fn change<R>(&mut self, change: impl FnOnce(&mut Outbound) -> R) -> R {
        change(self.connection.split_mut().1)
    }

    pub(super) fn agreed(&self) -> Option<&Arc<Agreed>> {
        self.connection.outbound().agreed()
    }

    pub(super) fn recv_owned(&mut self) -> Result<Option<Message<'static>>, Error> {
        Ok(self.recv_ref()?.map(Message::into_owned))
    }

    #[inline]
    pub(super) fn find(&mut self, wanted: Wanted) -> Result<Option<Found>, Error> {
        self.find_until(wanted, None)
    }

    #[inline]
    pub(super) fn find_short(&mut self) -> Option<Found> {
        self.connection.split_mut().0.parse_short()
    }

    pub(super) fn find_until(&mut self, wanted: Wanted, until: Option<Time>) -> Result<Option<Found>, Error> {
        let (inbound, mut whole) = self.whole();
        drive::find(&mut whole, inbound, wanted, until)
    }

    pub(super) fn write_all(&mut self) -> Result<(), Error> {
        let (inbound, mut whole) = self.whole();
        drive::write(&mut whole, Asks::Flush(inbound))
    }

    /// Writes all queued output, or drops it if the stream accepts no more.
    pub(super) fn write_or_give_up(&mut self) -> Result<(), Error> {
        let (inbound, mut whole) = self.whole();
        drive::drive(&mut whole, Asks::Flush(inbound), None).map(drop)
    }

    pub(super) fn write_some(&mut self) -> Result<(), Error> {
        while self.state(Outbound::is_full) {
            self.write_all()?;
        }
        Ok(())
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

    #[inline]
    pub(super) fn lend(&mut self, found: Found) -> Result<Event<'_>, Error> {
        self.lend_split(found).map(|(event, _)| event)
    }

    /// Lends an event that was found, together with the sending side.
    #[inline]
    pub(super) fn lend_split(&mut self, found: Found) -> Result<(Event<'_>, &mut Outbound), Error> {
        let (inbound, mut whole) = self.whole();
        match inbound.lend(found) {
            Ok(event) => Ok((event, whole.driver.outbound())),
            Err(fault) => Err(drive::fail(&mut whole, fault)),
        }
    }
}
