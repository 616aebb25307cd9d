//! The receiving half.

use alloc::sync::Arc;
use core::time::Duration;
use std::{io, net::Shutdown, time::Instant};

use super::{
    Half, PATIENCE, RESPITE, Shared, Stream,
    transport::{self, Reader, Received},
};
use crate::{
    connection::{Closure, Deadlines, Event, Found, Inbound, Time},
    error::Error,
    message::Message,
};

/// The receiving half of a [`WebSocket`](crate::blocking::WebSocket); see [`WebSocket::split`](crate::blocking::WebSocket::split).
///
/// It must go on receiving for Pings to be answered, deadlines to be kept and the closing handshake to be finished.
#[derive(Debug)]
pub struct RecvHalf<S> {
    pub(super) stream: S,
    pub(super) inbound: Inbound,
    pub(super) deadlines: Deadlines,
    pub(super) reader: Reader,
    /// Whether the stream has ended.
    pub(super) at_end: bool,
    /// The end of the [`RESPITE`] of a stream that did not take all that waits.
    pub(super) respite: Option<Time>,
    pub(super) shared: Arc<Shared<S>>,
    pub(super) subprotocol: Option<Box<str>>,
    pub(super) close_timeout: Option<Duration>,
}

impl<S: Stream> RecvHalf<S> {
    /// The next message, or `None` once the connection was closed as it should be.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv`](crate::blocking::WebSocket::recv).
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        let found = loop {
            match self.wait()? {
                None => return Ok(None),
                Some(found) if found.is_control() => {}
                Some(found) => break found,
            }
        };
        match self.lend(found)? {
            Event::Message(message) => Ok(Some(message)),
            _ => Err(Error::FragmentDelivery),
        }
    }

    /// The next event of any kind, or `None` once the connection was closed as it should be.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv_event`](crate::blocking::WebSocket::recv_event).
    pub fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        match self.wait()? {
            None => Ok(None),
            Some(found) => self.lend(found).map(Some),
        }
    }

    /// The subprotocol that both sides agreed on, if any.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.shared.lock().outbound.closure()
    }

    /// Goes on until an event is found. `None` is the end of a connection that was closed as it should be.
    #[inline]
    fn wait(&mut self) -> Result<Option<Found>, Error> {
        // Most messages are found in few steps.
        match self.inbound.parse_short() {
            Some(found) => Ok(Some(found)),
            None => self.wait_in_full(),
        }
    }

    fn wait_in_full(&mut self) -> Result<Option<Found>, Error> {
        loop {
            // Messages are found without the lock; only what concerns the sending side takes it.
            let found = self.inbound.parse();
            if let Ok(Some(found)) = &found {
                if !found.is_control() {
                    return Ok(Some(found.clone()));
                }
            }
            let mut sending = self.shared.lock();
            let failure = match found {
                Ok(Some(found)) => match self.inbound.settle(&found, &mut sending.outbound) {
                    Ok(()) => return Ok(Some(found)),
                    Err(failure) => Some(failure),
                },
                Ok(None) => self.inbound.exhausted(&mut sending.outbound).err(),
                Err(failure) => Some(sending.outbound.fail(failure)),
            };
            if sending.is_closed() {
                // Whoever is still blocked in a write is released by this.
                let _ = self.stream.shutdown(Shutdown::Both);
                return failure.map_or(Ok(None), |failure| Err(failure.into()));
            }
            drop(sending);
            // A failure is told when the peer was told and has ended its side, or had the time for it.
            match self.step() {
                Err(error) if failure.is_some() && !error.is_would_block() => {}
                stepped => stepped?,
            }
        }
    }

    /// Writes what waits, unless somebody is writing; lets happen what is due; and then reads once.
    fn step(&mut self) -> Result<(), Error> {
        let (due, began) = loop {
            if self.at_end || self.respite.is_none_or(|respite| self.reader.now() >= respite) {
                self.respite = None;
                match self.shared.flush(Half::Recv) {
                    Ok(()) => {}
                    Err(error) if error.is_would_block() => self.respite = Some(self.reader.now() + RESPITE),
                    Err(Error::Io(error)) => return self.lost(error, false),
                    // The connection was given up, which is found out there where it is waited for.
                    Err(_) => return Ok(()),
                }
            }
            let mut sending = self.shared.lock();
            let now = self.reader.now();
            match self.deadlines.next_of(&self.inbound, &sending.outbound) {
                Some(due) if now >= due => self.deadlines.handle(now, &mut self.inbound, &mut sending.outbound),
                due => break (due, now),
            }
        };
        let due = match (self.respite, due) {
            (None, due) => due,
            (Some(_), Some(due)) => Some(due.min(began + PATIENCE)),
            (Some(_), None) => Some(began + PATIENCE),
        };
        let sending = self.shared.lock();
        if sending.outbound.closing.is_abandoned() {
            return Ok(());
        }
        if self.at_end {
            // There is nothing left but to wait for whoever is writing.
            if !sending.is_closed() {
                drop(self.shared.wait(sending, due.map(|due| due.since(began))));
            }
            return Ok(());
        }
        drop(sending);
        match self.reader.read(&mut self.stream, &mut self.inbound, due) {
            Ok(Received::Bytes) => Ok(()),
            Ok(Received::End) => {
                self.at_end = true;
                self.inbound.receive_eof();
                Ok(())
            }
            // The time that the read was given is up, and the next step does what is due.
            Ok(Received::NotReady(_)) if self.reader.is_up(began, due) => {
                self.respite = None;
                Ok(())
            }
            Ok(Received::NotReady(error)) => Err(error.into()),
            Err(error) => self.lost(error, true),
        }
    }

    /// Gives up on a stream that failed, in a read or in a write. Behind a completed closing handshake that is just its end.
    fn lost(&mut self, error: io::Error, in_read: bool) -> Result<(), Error> {
        self.inbound.receive_eof();
        let mut sending = self.shared.lock();
        if in_read && sending.outbound.closing.is_abandoned() {
            // The sending half has met the same fault, and told it; here it is found out there where it is waited for.
            return Ok(());
        }
        let is_over = sending.outbound.on_lost();
        sending.abandon(&mut self.stream);
        if is_over { Ok(()) } else { Err(error.into()) }
    }

    #[inline]
    fn lend(&mut self, found: Found) -> Result<Event<'_>, Error> {
        match self.inbound.lend(found) {
            Ok(event) => Ok(event),
            Err(error) => {
                let error = self.shared.lock().outbound.fail(error);
                linger(&self.shared, &mut self.stream, self.close_timeout)?;
                Err(error.into())
            }
        }
    }
}

/// Ends the transport of a connection that failed, as [`transport::linger`] does, beside whoever is writing.
fn linger<S: Stream>(shared: &Shared<S>, stream: &mut S, timeout: Option<Duration>) -> Result<(), Error> {
    let deadline = transport::deadline(timeout);
    let flushed = shared.flush(Half::Recv);
    let drained = flushed.and_then(|()| Ok(transport::drain(stream, deadline)?));
    match drained {
        Err(error) if error.is_would_block() && Instant::now() < deadline => return Err(error),
        _ => shared.lock().abandon(stream),
    }
    Ok(())
}
