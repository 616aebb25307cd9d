//! The sending half.

use alloc::sync::Arc;
use core::time::Duration;

use super::{Sending, Shared};
use crate::{
    connection::{Closure, Driver, Fin, Outbound, SendError, Time},
    error::Error,
    frame::CloseFrame,
    io::blocking::{
        Stream,
        drive::{self, Asks, Failure, Hold, Next, Reading, Stop},
        transport::Clock,
    },
    message::Message,
    prepared::PreparedMessage,
};

/// The sending half of a [`WebSocket`](crate::blocking::WebSocket); see [`WebSocket::split`](crate::blocking::WebSocket::split).
///
/// Clones send through the same connection, each message as a whole.
#[derive(Debug)]
pub struct SendHalf<S> {
    pub(super) shared: Arc<Shared<S>>,
}

impl<S: Stream> SendHalf<S> {
    /// Sends a message: queues it and writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it was refused; [`Error::Protocol`] if the peer took nothing for too long, or the stream has failed
    /// before; [`Error::Io`] when the stream failed, or with `WouldBlock` took only a part: the rest goes out with the next
    /// call. After a failure of the stream, the receiving half still returns what the peer has sent.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.feed(message)?;
        self.flush()
    }

    /// Queues a message. If too much is queued already, waits until that is written.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The message is not queued then.
    pub fn feed<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.with_room(message.into(), Outbound::send)
    }

    /// Queues a message that is not to be compressed; see [`Outbound::send_uncompressed`].
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed).
    pub fn feed_uncompressed<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.with_room(message.into(), Outbound::send_uncompressed)
    }

    /// Sends a message that was encoded beforehand, to be sent through many connections; see
    /// [`Outbound::send_prepared`].
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.feed_prepared(message)?;
        self.flush()
    }

    /// Queues a message that was encoded beforehand. If too much is queued already, waits until that is written.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The message is not queued then.
    pub fn feed_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.with_room((), |outbound, ()| outbound.send_prepared(message))
    }

    /// Queues a fragment of a message. If too much is queued already, waits until that is written.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The fragment is not queued then.
    pub fn feed_fragment<'m>(&self, data: impl Into<Message<'m>>, fin: Fin) -> Result<(), Error> {
        self.with_room(data.into(), |outbound, data| outbound.send_fragment(data, fin))
    }

    /// Sends a Ping with up to 125 bytes of payload.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.with_room((), |outbound, ()| outbound.ping(payload))?;
        self.flush()
    }

    /// Sends a Pong with up to 125 bytes of payload. Pings are answered without it.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.with_room((), |outbound, ()| outbound.pong(payload))?;
        self.flush()
    }

    /// Writes everything that is queued.
    ///
    /// The deadline of stalled output is kept also if the receiving half is dropped or not used.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn flush(&self) -> Result<(), Error> {
        match drive::drive(&mut Writing(&self.shared), Asks::Write, None)? {
            Stop::Ended => self.write_end(),
            _ => Ok(()),
        }
    }

    /// Begins the closing handshake. The receiving half finishes it, and then ends with `None`. If the connection is closing
    /// already, this only writes what is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a frame that may not be sent; otherwise as for [`send`](Self::send).
    pub fn close<'c>(&self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        match self.shared.lock().driver.outbound().close(frame) {
            Ok(()) | Err(SendError::Closing(())) => {}
            Err(error) => return Err(error.into()),
        }
        self.flush()?;
        // The time that the peer has begins now, and not when the receiving half looks next.
        let now = self.shared.clock.now();
        let driver = &mut self.shared.lock().driver;
        driver.at_write(now);
        let _ = driver.next_write();
        Ok(())
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.shared.lock().driver.outbound().closure()
    }

    /// Queues something, and waits until what is queued before is written if that is too much.
    fn with_room<T>(
        &self,
        mut data: T,
        feed: impl Fn(&mut Outbound, T) -> Result<(), SendError<T>>,
    ) -> Result<(), Error> {
        loop {
            let mut sending = self.shared.lock();
            if sending.driver.drops_output() {
                drop(sending);
                return self.write_end();
            }
            let fed = feed(sending.driver.outbound(), data);
            drop(sending);
            match fed {
                Err(SendError::Full(unsent)) => data = unsent,
                fed => return fed.map_err(|refused| Error::Send(refused.without_unsent())),
            }
            self.flush()?;
        }
    }

    /// How the sending direction ended.
    fn write_end(&self) -> Result<(), Error> {
        let Sending { driver, failure, .. } = &mut *self.shared.lock();
        failure.tell(driver.write_outcome())
    }
}

/// Somebody who only writes.
struct Writing<'a, S>(&'a Shared<S>);

impl<S: Stream> Hold for Writing<'_, S> {
    type Stream = S;

    fn clock(&self) -> Clock {
        self.0.clock
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Driver, &mut Failure) -> T) -> T {
        let Sending { driver, failure, .. } = &mut *self.0.lock();
        act(driver, failure)
    }

    fn next(&mut self, asks: &mut Asks<'_>) -> Next {
        self.0.next(asks, false)
    }

    fn reading(&mut self) -> Option<(&mut S, &mut Reading)> {
        None
    }

    fn write_limit(&self) -> Option<Duration> {
        let sending = self.0.lock();
        sending.writer.as_ref().and_then(|writer| writer.limit.own())
    }

    fn wait(&mut self, until: Option<Time>) {
        self.0.wait(until);
    }
}

impl<S> Clone for SendHalf<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}
