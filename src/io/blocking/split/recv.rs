//! The receiving half.

use alloc::sync::Arc;
use core::time::Duration;
use std::net::Shutdown;

use super::{Half, Sending, Shared};
use crate::{
    connection::{Closure, Event, Found, Inbound, Time},
    error::Error,
    io::blocking::{
        Stream,
        drive::{self, Asks, Stop},
        transport::Reader,
    },
    message::Message,
};

/// The receiving half of a [`WebSocket`](crate::blocking::WebSocket); see [`WebSocket::split`](crate::blocking::WebSocket::split).
///
/// It must go on receiving for Pings to be answered, deadlines to be kept and the closing handshake to be finished.
#[derive(Debug)]
pub struct RecvHalf<S> {
    pub(super) stream: S,
    pub(super) inbound: Inbound,
    pub(super) reader: Reader,
    pub(super) shared: Arc<Shared<S>>,
    pub(super) subprotocol: Option<Box<str>>,
}

impl<S: Stream> RecvHalf<S> {
    /// The next message, or `None` once the connection was closed cleanly.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv`](crate::blocking::WebSocket::recv).
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.recv_until(None)
    }

    /// The same, but it waits no longer than `timeout`. When the time is up, nothing is lost: the next call goes on.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv_timeout`](crate::blocking::WebSocket::recv_timeout).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message<'_>>, Error> {
        let until = self.shared.clock.now() + timeout;
        self.recv_until(Some(until))
    }

    fn recv_until(&mut self, until: Option<Time>) -> Result<Option<Message<'_>>, Error> {
        let found = loop {
            match self.wait(until)? {
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

    /// The next event of any kind, or `None` once the connection was closed cleanly.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv_event`](crate::blocking::WebSocket::recv_event).
    pub fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        match self.wait(None)? {
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
        self.shared.lock().driver.outbound().closure()
    }

    /// Goes on until an event is found. `None` is the end of a connection that was closed cleanly.
    #[inline]
    fn wait(&mut self, until: Option<Time>) -> Result<Option<Found>, Error> {
        // Most messages are found in few steps.
        match self.inbound.parse_short() {
            Some(found) => Ok(Some(found)),
            None => self.wait_in_full(until),
        }
    }

    fn wait_in_full(&mut self, until: Option<Time>) -> Result<Option<Found>, Error> {
        let mut half = Half {
            shared: &self.shared,
            reading: Some((&mut self.stream, &mut self.reader)),
        };
        if let Stop::Found(found) = drive::drive(&mut half, Asks::Event(&mut self.inbound), until)? {
            return Ok(Some(found));
        }
        // Whoever is still blocked in a write is released by this.
        let _ = self.stream.shutdown(Shutdown::Both);
        let Sending { driver, failure, .. } = &mut *self.shared.lock();
        failure.tell(driver.outcome()).map(|()| None)
    }

    #[inline]
    fn lend(&mut self, found: Found) -> Result<Event<'_>, Error> {
        match self.inbound.lend(found) {
            Ok(event) => Ok(event),
            Err(error) => {
                let error = self.shared.lock().driver.outbound().fail(error);
                let mut half = Half {
                    shared: &self.shared,
                    reading: Some((&mut self.stream, &mut self.reader)),
                };
                drive::drive(&mut half, Asks::End, None)?;
                let _ = self.stream.shutdown(Shutdown::Both);
                Err(error.into())
            }
        }
    }
}
