//! The receiving half.

use alloc::sync::Arc;
use core::time::Duration;

use super::{Half, SharedDriver};
use crate::{
    connection::{CloseInfo, Event, Found, Inbound, Outbound, Time},
    deflate::params::DeflateParams,
    error::Error,
    io::{
        blocking::{Stream, drive, transport::Reader},
        verbs::{Wanted, recv_verbs, state_verbs},
    },
    message::Message,
    negotiated::Agreed,
};

/// The receiving half of a [`WebSocket`](crate::blocking::WebSocket); see
/// [`WebSocket::split`](crate::blocking::WebSocket::split).
///
/// Keep receiving: that answers Pings, enforces deadlines and finishes the closing handshake.
#[derive(Debug)]
pub struct RecvHalf<S> {
    pub(super) stream: S,
    pub(super) inbound: Inbound,
    pub(super) reader: Reader,
    pub(super) shared: Arc<SharedDriver<S>>,
    pub(super) agreed: Option<Arc<Agreed>>,
}

impl<S: Stream> RecvHalf<S> {
    recv_verbs!();
    state_verbs!();

    /// Receives the next message like [`recv`](Self::recv), but waits for at most `timeout`; see
    /// [`WebSocket::recv_timeout`](crate::blocking::WebSocket::recv_timeout).
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv_timeout`](crate::blocking::WebSocket::recv_timeout).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message<'static>>, Error> {
        let until = self.shared.clock.now() + timeout;
        let Some(found) = self.find_until(Wanted::Data, Some(until))? else {
            return Ok(None);
        };
        match self.lend(found)? {
            Event::Message(message) => Ok(Some(message.into_owned())),
            event => Err(Error::no_message(&event)),
        }
    }

    fn state<R>(&self, read: impl FnOnce(&Outbound) -> R) -> R {
        self.shared.state(read)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Outbound) -> R) -> R {
        self.shared.change(change)
    }

    const fn agreed(&self) -> Option<&Arc<Agreed>> {
        self.agreed.as_ref()
    }

    fn recv_owned(&mut self) -> Result<Option<Message<'static>>, Error> {
        Ok(self.recv_ref()?.map(Message::into_owned))
    }

    #[inline]
    fn find(&mut self, wanted: Wanted) -> Result<Option<Found>, Error> {
        self.find_until(wanted, None)
    }

    #[inline]
    fn find_short(&mut self) -> Option<Found> {
        self.inbound.parse_short()
    }

    fn find_until(&mut self, wanted: Wanted, until: Option<Time>) -> Result<Option<Found>, Error> {
        let mut half = Half {
            shared: &self.shared,
            reading: Some((&mut self.stream, &mut self.reader)),
        };
        drive::find(&mut half, &mut self.inbound, wanted, until)
    }

    #[inline]
    fn lend(&mut self, found: Found) -> Result<Event<'_>, Error> {
        self.inbound.lend(found).map_err(|fault| {
            let mut half = Half {
                shared: &self.shared,
                reading: Some((&mut self.stream, &mut self.reader)),
            };
            drive::fail(&mut half, fault)
        })
    }
}
