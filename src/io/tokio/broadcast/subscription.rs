//! The receiving side.

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

/// One receiver of a [`Broadcast`](super::Broadcast). It leaves the group when it is dropped.
///
/// Either let it [`forward`](Self::forward) to the sending half of a connection, or [`recv`](Self::recv) from it beside the
/// connection:
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
///                     // What is fed is written with the next turn of the loop.
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
    /// A message that was taken to be forwarded, but was not accepted by the connection yet.
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

    /// The next message.
    ///
    /// # Errors
    ///
    /// [`SubscriptionEnd`], from then on, when no more come.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is either returned or still there for the next call.
    pub async fn recv(&mut self) -> Result<PreparedMessage, SubscriptionEnd> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next message, if one is there.
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

    /// Sends the messages to a connection until the subscription ends. What is queued together is written together.
    ///
    /// A peer that takes nothing does not hold the end up. To close the connection then, use [`SendHalf::feed_close`] with
    /// the fitting [code](SubscriptionEnd::close_code), and go on receiving until the end: [`SendHalf::close`] would wait for
    /// the peer.
    ///
    /// # Errors
    ///
    /// Those of the connection, as for [`SendHalf::send`]. It does not notice by itself that the peer has closed
    /// the connection, unless there is something to send: let it run beside the receiving half.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is either queued by the connection, to be written by the next call of either half, or still
    /// there for the next call.
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
            // Nothing is awaited until `next` is handed over, or is back in its place.
            while let Some(message) = next.take() {
                let fed = send.try_feed(&message);
                match fed.map_err(|refused| refused.without_unsent()) {
                    // A subscription that has ended now tells so behind the flush.
                    Ok(()) => next = self.try_recv().unwrap_or(None),
                    Err(SendError::Full(())) => self.taken = Some(message),
                    Err(refused) => return Err(refused.into()),
                }
            }
        }
    }

    /// Waits for something, such as a connection to take a message, unless the subscription is disconnected for being too
    /// slow before it is done. Returns `None`, and drops it, in that case.
    ///
    /// While it waits, the connection counts as one that takes no more, which is what a receiver is judged by.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
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

    /// Messages that wait to be received.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.receiver.queued() + usize::from(self.taken.is_some())
    }

    /// Messages that this receiver has missed so far, for having been slow.
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

    /// The message that was taken before, unless it is to be dropped with those in the queue.
    fn retake(&mut self) -> Option<PreparedMessage> {
        self.taken.take().filter(|_| !self.receiver.is_too_slow())
    }

    /// Lets senders know of the room that a message has left.
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
