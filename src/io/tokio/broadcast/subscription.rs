//! The receiving side of a broadcast.

use alloc::sync::Arc;
use core::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, ready},
};

use super::{
    Subscribers,
    receiver::{Receiver, SubscriptionEnd},
};
use crate::{
    connection::SendError,
    error::Error,
    io::asynchronous::{SendHalf, Transport},
    prepared::PreparedMessage,
};

/// A receiver of a [`Broadcast`](super::Broadcast). Dropping it leaves the group.
///
/// Either use [`forward`](Self::forward) to send its messages to the sending half of a connection, or call
/// [`recv`](Self::recv) alongside the connection:
///
/// ```no_run
/// use tokio::net::TcpStream;
/// use websocket_proto::{
///     CloseCode, Error,
///     tokio::{Subscription, SubscriptionEnd, WebSocket},
/// };
///
/// async fn serve(mut websocket: WebSocket<TcpStream>, mut subscription: Subscription) -> Result<(), Error> {
///     loop {
///         tokio::select! {
///             received = websocket.recv_split() => match received? {
///                 Some((message, outbound)) => outbound.feed(message)?,
///                 None => return Ok(()),
///             },
///             next = subscription.recv() => {
///                 let end = match next {
///                     // Queued output is written in the next iteration.
///                     Ok(message) => match subscription.unless_too_slow(websocket.feed(&message)).await {
///                         Some(fed) => {
///                             fed?;
///                             continue;
///                         }
///                         None => SubscriptionEnd::TooSlow,
///                     },
///                     Err(end) => end,
///                 };
///                 return websocket.close(end.close_code()).await;
///             }
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Subscription {
    receiver: Arc<Receiver>,
    shared: Arc<Subscribers>,
    /// A message that was taken to be forwarded, but that the connection has not accepted yet.
    taken: Option<PreparedMessage>,
}

impl Subscription {
    pub(super) fn new(receiver: Arc<Receiver>, shared: Arc<Subscribers>) -> Self {
        Self {
            receiver,
            shared,
            taken: None,
        }
    }

    /// Receives the next message.
    ///
    /// # Errors
    ///
    /// [`SubscriptionEnd`] once there are no more messages, and from then on.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses no message.
    pub async fn recv(&mut self) -> Result<PreparedMessage, SubscriptionEnd> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Returns the next message if one is queued.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Option<PreparedMessage>, SubscriptionEnd> {
        if let Some(message) = self.retake() {
            return Ok(Some(message));
        }
        Ok(self.receiver.pop()?.map(|popped| self.note_room(popped)))
    }

    /// Sends the messages to a connection until the subscription ends. Messages that are queued together are written
    /// together.
    ///
    /// A peer that reads nothing does not delay the end. To close the connection afterwards, use
    /// [`SendHalf::feed_close`] with the matching [code](SubscriptionEnd::close_code), and keep receiving until the
    /// end: [`SendHalf::close`] would wait for the peer.
    ///
    /// # Errors
    ///
    /// The errors of the connection, as for [`SendHalf::send`]. Unless there is something to send, this method does not
    /// notice that the peer has closed the connection: run it alongside the receiving half.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is either queued in the connection, and written by the next call of either half, or
    /// returned by the next call.
    pub async fn forward<T: Transport>(&mut self, send: &mut SendHalf<T>) -> Result<SubscriptionEnd, Error> {
        loop {
            match self.unless_too_slow(send.flush()).await {
                Some(flushed) => flushed?,
                None => return Ok(SubscriptionEnd::TooSlow),
            }
            let mut next = match self.recv().await {
                Ok(message) => Some(message),
                Err(end) => return Ok(end),
            };
            // Nothing is awaited until `next` is handed over or put back.
            while let Some(message) = next.take() {
                let fed = send.try_feed(&message);
                match fed.map_err(|refused| refused.without_unsent()) {
                    // If the subscription has ended by now, that is returned after the flush.
                    Ok(()) => next = self.try_recv().unwrap_or(None),
                    Err(SendError::Full(())) => self.taken = Some(message),
                    Err(refused) => return Err(refused.into()),
                }
            }
        }
    }

    /// Runs a future, such as sending a message, unless the subscription is disconnected for being too slow first. In
    /// that case drops the future and returns `None`.
    ///
    /// While the future waits, the connection counts as not accepting output, by which a receiver is judged.
    ///
    /// # Cancel safety
    ///
    /// As for `future`.
    pub async fn unless_too_slow<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if self.receiver.poll_too_slow(cx).is_ready() {
                return Poll::Ready(None);
            }
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() {
                self.receiver.set_blocked();
            }
            polled.map(Some)
        })
        .await
    }

    /// Returns the number of messages waiting to be received.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.receiver.queued() + usize::from(self.taken.is_some())
    }

    /// Returns the number of messages this receiver has missed so far because it was too slow.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.receiver.missed()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<PreparedMessage, SubscriptionEnd>> {
        if let Some(message) = self.retake() {
            return Poll::Ready(Ok(message));
        }
        let popped = ready!(self.receiver.poll_pop(cx))?;
        Poll::Ready(Ok(self.note_room(popped)))
    }

    /// Returns the message taken before, unless it must be dropped with those in the queue.
    fn retake(&mut self) -> Option<PreparedMessage> {
        self.taken.take().filter(|_| !self.receiver.is_too_slow())
    }

    /// Notifies senders of the room that a message has left.
    fn note_room(&self, (message, unblocks): (PreparedMessage, bool)) -> PreparedMessage {
        if unblocks {
            self.shared.unblock();
        }
        message
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.leave(&self.receiver);
    }
}
