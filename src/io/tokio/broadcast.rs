//! One message to many connections, some of which may be slow.
//!
//! ```text
//!   Broadcast --+--> queue of a receiver --> Subscription --> SendHalf --> stream
//!   (cloneable) +--> queue of a receiver --> Subscription --> ...
//!               `--> ...
//! ```
//!
//! A queue of its own for each receiver, and not `tokio::sync::broadcast`: there, the sender never waits, the slowest
//! receiver's limit is everyone's, and a receiver that is stuck in a write does not learn that it has fallen behind. Nor
//! `tokio::sync::mpsc` for each: it allocates blocks as messages pass, and knows no way to drop what waits.
//!
//! Locks are held for pushing and popping only: that of the group while a message goes to all queues, so that all receivers
//! see all messages in the same order, and that of a queue within it. Nothing is woken or dropped that could run foreign
//! code under either.

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

/// Sends messages to all connections that have subscribed.
///
/// Each [`Subscription`] has a queue of its own, of bounded length, and its own [policy](WhenSlow) for when that is full.
/// A message is queued by reference: its payload exists once. A clone is another handle for the same group; when all are
/// dropped, the subscriptions end behind what is queued.
///
/// All receivers see the messages in the same order. Sending allocates nothing by the receiver, once the queues have grown
/// to what they usually hold. A subscription costs about 200 bytes while its queue is empty, and 8 bytes for each message in
/// it.
///
/// ```no_run
/// use tokio::net::TcpStream;
/// use websocket_proto::{
///     Error, PreparedMessage,
///     tokio::{Broadcast, WebSocket, WhenSlow},
/// };
///
/// /// Whatever one of the clients sends goes to all of them.
/// async fn serve(stream: TcpStream, room: Broadcast) -> Result<(), Error> {
///     let (mut send, mut recv) = WebSocket::accept(stream).await?.split();
///     let mut subscription = room.subscribe(64, WhenSlow::Disconnect);
///     tokio::select! {
///         ended = subscription.forward(&mut send) => {
///             send.feed_close(ended?.close_code())?;
///             // The receiving half writes that and finishes the closing handshake, in time.
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

/// What happens to a receiver whose queue is full when a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenSlow {
    /// It misses the message; see [`Subscription::missed`].
    DropMessage,
    /// It misses the oldest message that waits for it, so that what it gets is recent; see [`Subscription::missed`].
    DropOldest,
    /// Its subscription ends with [`SubscriptionEnd::TooSlow`], and what is queued for it is dropped.
    ///
    /// It is judged by what its connection does not take. As long as [`forward`](Subscription::forward), or a future in
    /// [`unless_too_slow`](Subscription::unless_too_slow), does not wait for the connection, it is a matter of other tasks
    /// that messages wait: then up to 1 MiB of them do (of which each counts its payload and 64 bytes), beyond the capacity.
    Disconnect,
    /// The sender, and with it all other receivers, waits until there is room.
    Wait {
        /// How long a sender waits for this receiver to take any message. Then it is disconnected.
        at_most: Duration,
    },
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastOutcome {
    /// Receivers that it was queued for.
    pub queued: usize,
    /// Receivers that missed a message: this one, or their oldest.
    pub missed: usize,
    /// Receivers that were disconnected.
    pub disconnected: usize,
}

/// Shared by the handles of the sending side alone, and dropped with the last of them.
#[derive(Debug)]
struct Handle {
    shared: Arc<Subscribers>,
}

#[derive(Debug, Default)]
struct Subscribers {
    group: Mutex<Group>,
    /// Receivers that a sender waits for.
    blockers: AtomicUsize,
    /// Told when there are none any more.
    room: Notify,
}

#[derive(Debug, Default)]
struct Group {
    receivers: Vec<Arc<Receiver>>,
    /// How many of them are to be waited for.
    patient: usize,
    closed: bool,
    /// Room for the tasks to wake, kept from one message to the next. It is empty.
    tasks: Vec<Waker>,
}

impl Broadcast {
    /// A group without receivers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            handle: Arc::new(Handle { shared: Arc::default() }),
        }
    }

    /// A new receiver, which sees the messages that are sent from now on. It leaves when it is dropped.
    ///
    /// Up to `capacity` messages (at least 1) wait for it; what its connection has queued by itself comes on top of that.
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

    /// The number of receivers.
    #[must_use]
    pub fn receivers(&self) -> usize {
        self.handle.shared.lock().receivers.len()
    }

    /// Sends a message to all receivers. It waits for those only that are [to be waited for](WhenSlow::Wait).
    ///
    /// Where there are none, it never waits. A task that sends one message after the other, and awaits nothing else, should
    /// give the receivers their turn now and then (`tokio::task::yield_now`).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the message went to nobody.
    pub async fn send(&self, message: &PreparedMessage) -> BroadcastOutcome {
        let shared = &self.handle.shared;
        let mut outcome = BroadcastOutcome::default();
        loop {
            let mut room = pin!(shared.room.notified());
            // From here on nothing is missed.
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
    /// [`SendError::Full`] if there are receivers [to be waited for](WhenSlow::Wait). The message went to nobody then.
    pub fn try_send(&self, message: &PreparedMessage) -> Result<BroadcastOutcome, SendError> {
        let mut outcome = BroadcastOutcome::default();
        match self.handle.shared.send(message, &mut outcome) {
            Ok(()) => Ok(outcome),
            Err(Blocked { .. }) => Err(SendError::Full(())),
        }
    }

    /// Ends all subscriptions behind what is queued, with [`SubscriptionEnd::Closed`], and those to come at once.
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

/// Nothing can be sent: there are receivers to be waited for, until then.
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

    /// Looks for receivers that a message must wait for, and disconnects those that it has waited for long enough.
    fn check_room(&self, group: &mut Group, outcome: &mut BroadcastOutcome, news: &mut News) -> Result<(), Blocked> {
        if group.patient == 0 {
            return Ok(());
        }
        let (mut blocked, mut until, mut place) = (false, None, 0);
        // Asked only if a queue is full.
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

    /// Takes a receiver out of the group.
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

    /// Notes that no sender needs to wait for this receiver any more. Returns whether it was the last one.
    fn release(&self, receiver: &Receiver) -> bool {
        receiver.unblock() && self.has_one_less()
    }

    fn has_one_less(&self) -> bool {
        self.blockers.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Notes that a receiver that a sender waits for has made room.
    fn unblock(&self) {
        if self.has_one_less() {
            self.room.notify_waiters();
        }
    }

    /// Wakes tasks, which is foreign code and may come back here: not to be called under a lock.
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

/// What is to be told when the locks are released.
#[derive(Default)]
struct News {
    /// To be woken.
    tasks: Vec<Waker>,
    /// Nobody has to be waited for any more.
    room: bool,
}

impl Group {
    fn add(&mut self, receiver: Arc<Receiver>) {
        receiver.set_place(Some(self.receivers.len()));
        self.patient += usize::from(receiver.is_patient());
        self.receivers.push(receiver);
    }

    /// Queues a message for all. There is room for it, where it matters.
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

/// What a panicking task leaves behind is whole: nothing under the locks can panic half way.
fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
