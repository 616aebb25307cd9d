//! The two tasks that may use one connection.
//!
//! A transport remembers one task for each of its sides, and a timer one. Where two tasks wait, the transport is polled with a
//! waker that wakes both: whoever comes first does what is to be done, also for the other one.

use alloc::{sync::Arc, task::Wake};
use core::task::{Context, Waker};
use std::sync::{Mutex, PoisonError};

/// The task that sends and the one that receives, as far as they wait.
#[derive(Debug)]
pub(super) struct Tasks {
    waiting: Arc<Waiting>,
    /// Wakes both.
    waker: Waker,
}

impl Default for Tasks {
    fn default() -> Self {
        let waiting = Arc::<Waiting>::default();
        Self {
            waker: Arc::clone(&waiting).into(),
            waiting,
        }
    }
}

impl Tasks {
    /// A waker of both tasks.
    pub(super) const fn both(&self) -> &Waker {
        &self.waker
    }

    pub(super) fn send(&self) -> &Task {
        &self.waiting.send
    }

    pub(super) fn recv(&self) -> &Task {
        &self.waiting.recv
    }
}

#[derive(Debug, Default)]
struct Waiting {
    send: Task,
    recv: Task,
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.send.wake();
        self.recv.wake();
    }
}

/// One task, if it waits.
#[derive(Debug, Default)]
pub(super) struct Task(Mutex<Option<Waker>>);

impl Task {
    /// Notes that the task of this context waits, from before it looks for what it waits for.
    pub(super) fn register(&self, cx: &Context<'_>) {
        let mut waker = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    pub(super) fn wake(&self) {
        // Not under the lock: a waker may run the task at once.
        let waker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
