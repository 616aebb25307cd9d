//! Sending messages that were encoded beforehand.

use super::{SendHalf, Transport, WebSocket};
use crate::{connection::SendError, error::Error, prepared::PreparedMessage};

impl<T: Transport> WebSocket<T> {
    /// Sends a message that was encoded beforehand, to be sent through many connections: queues a reference to it and
    /// writes everything that is queued. See [`Outbound::send_prepared`](crate::Outbound::send_prepared).
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    pub async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.feed_prepared(message).await?;
        self.flush().await
    }

    /// Queues a message that was encoded beforehand. If too much is queued already, that is written first.
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the message was not queued.
    pub async fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.with_room((), |outbound, ()| outbound.send_prepared(message)).await
    }

    /// Queues a message that was encoded beforehand if there is room, without waiting.
    ///
    /// # Errors
    ///
    /// Any [`SendError`].
    pub fn try_feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), SendError> {
        self.outbound().send_prepared(message)
    }
}

impl<T: Transport> SendHalf<T> {
    /// Sends a message that was encoded beforehand, to be sent through many connections: queues a reference to it and
    /// writes everything that is queued. See [`Outbound::send_prepared`](crate::Outbound::send_prepared).
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    pub async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.feed_prepared(message).await?;
        self.flush().await
    }

    /// Queues a message that was encoded beforehand. If too much is queued already, waits until that is written.
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the message was not queued.
    pub async fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.with_room((), |outbound, ()| outbound.send_prepared(message)).await
    }

    /// Queues a message that was encoded beforehand if there is room, without waiting. It is written with the next
    /// flush of either half.
    ///
    /// # Errors
    ///
    /// Any [`SendError`].
    pub fn try_feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), SendError> {
        self.shared.queue(|outbound| outbound.send_prepared(message))
    }
}
