//! The sending half.

use alloc::sync::Arc;

use super::{Half, Shared, Stream};
use crate::{
    connection::{Closure, Fin, Outbound, SendError},
    error::Error,
    frame::CloseFrame,
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
    /// [`Error::Send`] if it was refused; [`Error::Protocol`] if the peer took nothing for too long; [`Error::Io`].
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
    /// # Errors
    ///
    /// [`Error::Protocol`] if the peer took nothing for too long; [`Error::Io`] when the stream failed.
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.flush(Half::Send)
    }

    /// Begins the closing handshake. The receiving half finishes it, and then ends with `None`.
    ///
    /// A receiving half that is blocked already notices that a deadline runs within
    /// [`Timers::close`](crate::Timers::close), so that a peer which does not answer may take up to twice this time.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn close<'c>(&self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        self.shared.lock().outbound.close(frame)?;
        self.flush()
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.shared.lock().outbound.closure()
    }

    /// Queues something, and waits until what is queued before is written if that is too much.
    fn with_room<T>(
        &self,
        mut data: T,
        feed: impl Fn(&mut Outbound, T) -> Result<(), SendError<T>>,
    ) -> Result<(), Error> {
        loop {
            let fed = feed(&mut self.shared.lock().outbound, data);
            match fed {
                Err(SendError::Full(unsent)) => data = unsent,
                fed => return fed.map_err(|refused| Error::Send(refused.without_unsent())),
            }
            self.flush()?;
        }
    }
}

impl<S> Clone for SendHalf<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}
