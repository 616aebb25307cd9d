//! Sending a message to many connections, some of which may be slow.
//!
//! ```text
//!   Broadcast --+--> queue of a receiver --> Subscription --> SendHalf --> stream
//!   (cloneable) +--> queue of a receiver --> Subscription --> ...
//!               `--> ...
//! ```
//!
//! Each receiver has its own queue. `tokio::sync::broadcast` does not fit: there, the sender never waits, the slowest
//! receiver's limit applies to all, and a receiver that is blocked in a write does not learn that it has fallen behind.
//! A `tokio::sync::mpsc` for each receiver does not fit either: it allocates blocks as messages pass, and cannot drop
//! messages that are waiting.
//!
//! Locks are held only to push and pop: the group's lock while a message is added to all queues, so that all receivers
//! see all messages in the same order, and within it a queue's lock. Under either, nothing is woken or dropped that
//! could run foreign code.

mod receiver;
mod subscription;

use alloc::{sync::Arc, vec::Vec};
use core::{
    mem,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::Waker,
    time::Duration,
};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use self::receiver::{Pushed, Receiver};
pub use self::{receiver::SubscriptionEnd, subscription::Subscription};
use crate::{
    connection::{SendError, earlier},
    prepared::PreparedMessage,
};

/// Sends messages to all subscribed connections.
///
/// Each [`Subscription`] has its own queue of bounded length, and its own [policy](WhenSlow) for a full queue. A
/// message is queued by reference: its payload exists once. A clone is another handle to the same group; when all
/// handles are dropped, the subscriptions end after the messages already queued.
///
/// All receivers see the messages in the same order. Sending does not allocate per receiver once the queues have grown
/// to their usual size. A subscription costs about 200 bytes while its queue is empty, and 8 bytes for each message in
/// it.
///
/// ```no_run
/// use tokio::net::TcpStream;
/// use websocket_proto::{
///     Error, PreparedMessage,
///     tokio::{Broadcast, WebSocket, WhenSlow},
/// };
///
/// /// Sends every client's messages to all clients.
/// async fn serve(stream: TcpStream, room: Broadcast) -> Result<(), Error> {
///     let (mut send, mut recv) = WebSocket::accept(stream).await?.split();
///     let mut subscription = room.subscribe(64, WhenSlow::Disconnect);
///     tokio::select! {
///         ended = subscription.forward(&mut send) => {
///             send.feed_close(ended?.close_code())?;
///             // The receiving half writes the Close and finishes the closing handshake in time.
///             while recv.recv().await?.is_some() {}
///         }
///         received = async {
///             while let Some(message) = recv.recv_ref().await? {
///                 room.send(&PreparedMessage::from(message)).await;
///             }
///             Ok::<_, Error>(())
///         } => received?,
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Broadcast {
    handle: Arc<Handle>,
}

/// What happens when a receiver's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenSlow {
    /// The receiver misses the message; see [`Subscription::missed`].
    DropMessage,
    /// The receiver misses the oldest message in its queue, so that it gets recent ones; see [`Subscription::missed`].
    DropOldest,
    /// The subscription ends with [`SubscriptionEnd::TooSlow`], and its queued messages are dropped.
    ///
    /// A receiver counts as slow only if its connection does not accept output. As long as neither
    /// [`forward`](Subscription::forward) nor a future in [`unless_too_slow`](Subscription::unless_too_slow) is waiting
    /// for the connection, messages wait for other reasons. Then up to 1 MiB of them may wait beyond the capacity; each
    /// counts its payload plus 64 bytes.
    Disconnect,
    /// The sender waits for room, and with it all other receivers.
    Wait {
        /// How long a sender waits for this receiver to take a message before it is disconnected.
        at_most: Duration,
    },
}

/// What happened to a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastOutcome {
    /// The number of receivers it was queued for.
    pub queued: usize,
    /// The number of receivers that missed a message: this one, or their oldest.
    pub missed: usize,
    /// The number of receivers that were disconnected.
    pub disconnected: usize,
}

/// Shared only by the handles of the sending side, and dropped with the last of them.
#[derive(Debug)]
struct Handle {
    shared: Arc<Subscribers>,
}

#[derive(Debug, Default)]
struct Subscribers {
    group: Mutex<Group>,
    /// The number of receivers that a sender is waiting for.
    blockers: AtomicUsize,
    /// Notified when there are none left.
    room: Notify,
}

#[derive(Debug, Default)]
struct Group {
    receivers: Vec<Arc<Receiver>>,
    /// How many of them senders have to wait for.
    patient: usize,
    closed: bool,
    /// Space for the tasks to wake, kept between messages. It is empty in between.
    tasks: Vec<Waker>,
}

impl Broadcast {
    /// Creates a group without receivers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            handle: Arc::new(Handle { shared: Arc::default() }),
        }
    }

    /// Adds a receiver, which gets the messages sent from now on. Dropping the subscription removes it.
    ///
    /// Up to `capacity` messages (at least 1) are queued for it, in addition to what its connection has queued.
    #[must_use]
    pub fn subscribe(&self, capacity: usize, when_slow: WhenSlow) -> Subscription {
        let receiver = Arc::new(Receiver::new(capacity, when_slow));
        let mut group = self.handle.shared.lock();
        if group.closed {
            receiver.end(SubscriptionEnd::Closed);
        } else {
            group.add(Arc::clone(&receiver));
        }
        drop(group);
        Subscription::new(receiver, Arc::clone(&self.handle.shared))
    }

    /// Returns the number of receivers.
    #[must_use]
    pub fn receivers(&self) -> usize {
        self.handle.shared.lock().receivers.len()
    }

    /// Sends a message to all receivers. Waits only for receivers with [`WhenSlow::Wait`].
    ///
    /// If there are none, it never waits. A task that sends many messages in a row and awaits nothing else should let
    /// the receivers run now and then (`tokio::task::yield_now`).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, no receiver gets the message.
    pub async fn send(&self, message: &PreparedMessage) -> BroadcastOutcome {
        let shared = &self.handle.shared;
        let mut outcome = BroadcastOutcome::default();
        loop {
            let mut room = pin!(shared.room.notified());
            // From here on no notification is missed.
            room.as_mut().enable();
            match shared.send(message, &mut outcome) {
                Ok(()) => return outcome,
                Err(Blocked { until: None }) => room.await,
                Err(Blocked { until: Some(until) }) => {
                    let _ = timeout_at(until, room).await;
                }
            }
        }
    }

    /// Sends a message to all receivers, without waiting.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if a receiver with [`WhenSlow::Wait`] has no room. Then no receiver gets the message.
    pub fn try_send(&self, message: &PreparedMessage) -> Result<BroadcastOutcome, SendError> {
        let mut outcome = BroadcastOutcome::default();
        match self.handle.shared.send(message, &mut outcome) {
            Ok(()) => Ok(outcome),
            Err(Blocked { .. }) => Err(SendError::Full(())),
        }
    }

    /// Ends all subscriptions after their queued messages, with [`SubscriptionEnd::Closed`]. Later ones end at once.
    pub fn close(&self) {
        self.handle.shared.close();
    }
}

impl Default for Broadcast {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Nothing can be sent until then, because of receivers that must be waited for.
struct Blocked {
    until: Option<Instant>,
}

impl Subscribers {
    fn send(&self, message: &PreparedMessage, outcome: &mut BroadcastOutcome) -> Result<(), Blocked> {
        let mut news = News::default();
        let mut group = self.lock();
        mem::swap(&mut news.tasks, &mut group.tasks);
        let sent = self.check_room(&mut group, outcome, &mut news);
        if sent.is_ok() {
            group.push(message, outcome, &mut news);
        }
        drop(group);
        self.tell(news);
        sent
    }

    /// Checks for receivers that a message must wait for, and disconnects those that it has waited for long enough.
    fn check_room(&self, group: &mut Group, outcome: &mut BroadcastOutcome, news: &mut News) -> Result<(), Blocked> {
        if group.patient == 0 {
            return Ok(());
        }
        let (mut blocked, mut until, mut place) = (false, None, 0);
        // The clock is read only if a queue is full.
        let mut now = None;
        while let Some(receiver) = group.receivers.get(place) {
            if let Some(due) = receiver.blocks(&self.blockers, || *now.get_or_insert_with(Instant::now)) {
                if due.is_some_and(|due| now.is_some_and(|now| due <= now)) {
                    outcome.disconnected += 1;
                    news.tasks.extend(receiver.end(SubscriptionEnd::TooSlow));
                    news.room |= self.release(receiver);
                    group.remove(place);
                    continue;
                }
                blocked = true;
                until = earlier(until, due);
            }
            place += 1;
        }
        if blocked { Err(Blocked { until }) } else { Ok(()) }
    }

    fn close(&self) {
        let mut news = News::default();
        let mut group = self.lock();
        group.closed = true;
        while let Some(last) = group.receivers.len().checked_sub(1) {
            let receiver = group.remove(last);
            news.tasks.extend(receiver.end(SubscriptionEnd::Closed));
            news.room |= self.release(&receiver);
        }
        drop(group);
        self.tell(news);
    }

    /// Removes a receiver from the group.
    fn leave(&self, receiver: &Receiver) {
        let mut group = self.lock();
        if let Some(place) = receiver.place() {
            group.remove(place);
        }
        drop(group);
        self.tell(News {
            room: self.release(receiver),
            ..News::default()
        });
    }

    /// Notes that senders no longer wait for this receiver. Returns whether it was the last one.
    fn release(&self, receiver: &Receiver) -> bool {
        receiver.unblock() && self.has_one_less()
    }

    fn has_one_less(&self) -> bool {
        self.blockers.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Notes that a receiver that a sender is waiting for has made room.
    fn unblock(&self) {
        if self.has_one_less() {
            self.room.notify_waiters();
        }
    }

    /// Wakes tasks. That is foreign code and may call back here, so this must not be called under a lock.
    fn tell(&self, mut news: News) {
        if news.room {
            self.room.notify_waiters();
        }
        for task in news.tasks.drain(..) {
            task.wake();
        }
        if news.tasks.capacity() > 0 {
            let mut group = self.lock();
            if news.tasks.capacity() > group.tasks.capacity() {
                group.tasks = news.tasks;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Group> {
        lock(&self.group)
    }
}

/// What to notify once the locks are released.
#[derive(Default)]
struct News {
    /// The tasks to wake.
    tasks: Vec<Waker>,
    /// Whether senders no longer have to wait for any receiver.
    room: bool,
}

impl Group {
    fn add(&mut self, receiver: Arc<Receiver>) {
        receiver.set_place(Some(self.receivers.len()));
        self.patient += usize::from(receiver.is_patient());
        self.receivers.push(receiver);
    }

    /// Queues a message for all receivers. Those that must not miss it have room.
    fn push(&mut self, message: &PreparedMessage, outcome: &mut BroadcastOutcome, news: &mut News) {
        let mut place = 0;
        while let Some(receiver) = self.receivers.get(place) {
            match receiver.push(message, &mut news.tasks) {
                Pushed::Queued => outcome.queued += 1,
                Pushed::InPlaceOfOldest => {
                    outcome.queued += 1;
                    outcome.missed += 1;
                }
                Pushed::Missed => outcome.missed += 1,
                Pushed::TooSlow => {
                    outcome.disconnected += 1;
                    self.remove(place);
                    continue;
                }
            }
            place += 1;
        }
    }

    fn remove(&mut self, place: usize) -> Arc<Receiver> {
        let receiver = self.receivers.swap_remove(place);
        receiver.set_place(None);
        self.patient -= usize::from(receiver.is_patient());
        if let Some(moved) = self.receivers.get(place) {
            moved.set_place(Some(place));
        }
        receiver
    }
}

/// The state is consistent after a panic: nothing under the locks can panic half way through.
fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
