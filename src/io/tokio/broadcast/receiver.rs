//! The queue of a receiver.

use alloc::{collections::VecDeque, vec::Vec};
use core::{
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
};
use std::sync::Mutex;

use ::tokio::time::Instant;

use super::{WhenSlow, lock};
use crate::{frame::CloseCode, prepared::PreparedMessage};

/// The number of messages that an empty queue keeps room for.
const KEPT: usize = 16;

/// The bytes that may wait for a receiver beyond its capacity, as long as its connection accepts output.
const BURST: usize = 1 << 20;

/// The bytes that a message counts in addition to its payload.
const OVERHEAD: usize = 64;

/// The place of a receiver that is not in a group.
const NOWHERE: usize = usize::MAX;

/// Why a subscription has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// The group was closed, or all its sending handles were dropped. All messages were received.
    #[error("broadcast closed")]
    Closed,
    /// The queue was full, and the policy was to disconnect the receiver at once or after waiting.
    #[error("receiver is too slow for the broadcast")]
    TooSlow,
}

impl SubscriptionEnd {
    /// Returns the code to close the connection with: 1000, or 1013 (try again later) if the receiver was too slow.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Closed => CloseCode::NORMAL,
            Self::TooSlow => CloseCode::TRY_AGAIN_LATER,
        }
    }
}

#[derive(Debug)]
pub(super) struct Receiver {
    state: Mutex<State>,
    capacity: usize,
    when_slow: WhenSlow,
    /// Its index in the group. Written under the group's lock.
    place: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<PreparedMessage>,
    /// The bytes of the messages in the queue.
    bytes: usize,
    /// Whether its connection does not accept output at the moment.
    blocked: bool,
    task: Option<Waker>,
    /// Whether the task waits for the end only.
    only_end: bool,
    missed: u64,
    ended: Option<SubscriptionEnd>,
    /// Since when a sender is waiting for it.
    blocks_since: Option<Instant>,
}

/// What happened to a message for one receiver.
pub(super) enum Pushed {
    Queued,
    InPlaceOfOldest,
    Missed,
    TooSlow,
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Message,
    /// Disconnection.
    End,
}

impl Receiver {
    pub(super) fn new(capacity: usize, when_slow: WhenSlow) -> Self {
        Self {
            state: Mutex::default(),
            capacity: capacity.max(1),
            when_slow,
            place: AtomicUsize::new(NOWHERE),
        }
    }

    /// Returns its index in the group. Must be read and written under the group's lock.
    pub(super) fn place(&self) -> Option<usize> {
        let place = self.place.load(Ordering::Relaxed);
        (place != NOWHERE).then_some(place)
    }

    pub(super) fn set_place(&self, place: Option<usize>) {
        self.place.store(place.unwrap_or(NOWHERE), Ordering::Relaxed);
    }

    /// Returns whether senders wait for it.
    pub(super) fn is_patient(&self) -> bool {
        matches!(self.when_slow, WhenSlow::Wait { .. })
    }

    pub(super) fn push(&self, message: &PreparedMessage, tasks: &mut Vec<Waker>) -> Pushed {
        let mut state = lock(&self.state);
        let mut pushed = Pushed::Queued;
        if state.queue.len() >= self.capacity {
            match self.when_slow {
                // DRV-13: its task has simply not run yet, which is not the receiver's fault.
                WhenSlow::Disconnect if !state.blocked && state.bytes <= BURST => {}
                WhenSlow::DropMessage => {
                    state.missed += 1;
                    return Pushed::Missed;
                }
                WhenSlow::DropOldest => {
                    state.missed += 1;
                    state.take_first();
                    pushed = Pushed::InPlaceOfOldest;
                }
                WhenSlow::Disconnect => {
                    tasks.extend(state.end(SubscriptionEnd::TooSlow));
                    return Pushed::TooSlow;
                }
                // It had room when that was checked, and nothing else pushes.
                WhenSlow::Wait { .. } => {}
            }
        }
        state.bytes += cost(message);
        state.queue.push_back(message.clone());
        if !state.only_end {
            tasks.extend(state.task.take());
        }
        pushed
    }

    /// Returns whether a sender must wait for it, and until when. From then on it counts as a blocker.
    pub(super) fn blocks(&self, blockers: &AtomicUsize, now: impl FnOnce() -> Instant) -> Option<Option<Instant>> {
        let WhenSlow::Wait { at_most } = self.when_slow else {
            return None;
        };
        let mut state = lock(&self.state);
        if state.queue.len() < self.capacity {
            return None;
        }
        let now = now();
        if state.blocks_since.is_none() {
            blockers.fetch_add(1, Ordering::AcqRel);
        }
        let since = *state.blocks_since.get_or_insert(now);
        Some(since.checked_add(at_most))
    }

    /// Stops counting it as a blocker. Returns whether it was one.
    pub(super) fn unblock(&self) -> bool {
        lock(&self.state).blocks_since.take().is_some()
    }

    /// Ends the subscription, unless it has ended. Returns the task to wake.
    pub(super) fn end(&self, end: SubscriptionEnd) -> Option<Waker> {
        lock(&self.state).end(end)
    }

    /// Returns the next message, and whether taking it made room that a sender is waiting for.
    pub(super) fn pop(&self) -> Result<Option<(PreparedMessage, bool)>, SubscriptionEnd> {
        lock(&self.state).pop()
    }

    /// Like [`pop`](Self::pop), but waits for a message.
    pub(super) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Result<(PreparedMessage, bool), SubscriptionEnd>> {
        let mut state = lock(&self.state);
        if let Some(popped) = state.pop().transpose() {
            return Poll::Ready(popped);
        }
        let replaced = state.wait(Awaited::Message, cx);
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// Waits until the receiver is disconnected for being too slow.
    pub(super) fn poll_too_slow(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.ended == Some(SubscriptionEnd::TooSlow) {
            return Poll::Ready(());
        }
        let replaced = state.wait(Awaited::End, cx);
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// Notes that its connection does not accept output, until it asks for the next message.
    pub(super) fn set_blocked(&self) {
        lock(&self.state).blocked = true;
    }

    pub(super) fn queued(&self) -> usize {
        lock(&self.state).queue.len()
    }

    pub(super) fn missed(&self) -> u64 {
        lock(&self.state).missed
    }

    pub(super) fn is_too_slow(&self) -> bool {
        lock(&self.state).ended == Some(SubscriptionEnd::TooSlow)
    }
}

fn cost(message: &PreparedMessage) -> usize {
    message.len() + OVERHEAD
}

impl State {
    fn end(&mut self, end: SubscriptionEnd) -> Option<Waker> {
        self.ended.get_or_insert(end);
        if end == SubscriptionEnd::TooSlow {
            self.queue = VecDeque::new();
            self.bytes = 0;
        }
        self.task.take()
    }

    fn pop(&mut self) -> Result<Option<(PreparedMessage, bool)>, SubscriptionEnd> {
        self.blocked = false;
        match (self.take_first(), self.ended) {
            (Some(message), _) => {
                if self.queue.is_empty() && self.queue.capacity() > KEPT {
                    self.queue.shrink_to(KEPT);
                }
                Ok(Some((message, self.blocks_since.take().is_some())))
            }
            (None, Some(end)) => Err(end),
            (None, None) => Ok(None),
        }
    }

    fn take_first(&mut self) -> Option<PreparedMessage> {
        let message = self.queue.pop_front()?;
        self.bytes -= cost(&message);
        Some(message)
    }

    /// Registers the task to be woken. Drop the returned, previous waker without the lock, since that may run foreign
    /// code.
    fn wait(&mut self, awaited: Awaited, cx: &Context<'_>) -> Option<Waker> {
        self.only_end = awaited == Awaited::End;
        match &self.task {
            Some(task) if task.will_wake(cx.waker()) => None,
            _ => self.task.replace(cx.waker().clone()),
        }
    }
}
