//! The tasks that may use one connection: one that receives, and those that send.
//!
//! A transport remembers one task for each of its sides, and a timer remembers one. If several tasks wait, the
//! transport is polled with a waker that wakes all of them. The first to run does all the work, including that of the
//! others.

use alloc::{sync::Arc, task::Wake};
use core::{
    mem,
    task::{Context, Waker},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The tasks that are waiting.
#[derive(Debug)]
pub(super) struct Tasks {
    waiting: Arc<Waiting>,
    /// Wakes all of them.
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
    /// Returns a waker of all tasks.
    pub(super) const fn all(&self) -> &Waker {
        &self.waker
    }

    pub(super) fn send(&self) -> &Senders {
        &self.waiting.send
    }

    pub(super) fn recv(&self) -> &Task {
        &self.waiting.recv
    }
}

#[derive(Debug, Default)]
struct Waiting {
    send: Senders,
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

/// A single task, if it is waiting.
#[derive(Debug, Default)]
pub(super) struct Task(Mutex<Option<Waker>>);

impl Task {
    /// Registers the task of this context as waiting. Call it before checking what the task waits for.
    pub(super) fn register(&self, cx: &Context<'_>) {
        let mut waker = lock(&self.0);
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    pub(super) fn wake(&self) {
        // Not under the lock: a waker may run the task at once.
        let waker = lock(&self.0).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The waiting tasks that send. Each sending half has a number, and so at most one entry.
#[derive(Debug, Default)]
pub(super) struct Senders(Mutex<Numbered>);

#[derive(Debug, Default)]
struct Numbered {
    waiting: Vec<(u64, Waker)>,
    next: u64,
}

impl Senders {
    /// Returns a number for a new sending half.
    pub(super) fn number(&self) -> u64 {
        let mut numbered = lock(&self.0);
        numbered.next += 1;
        numbered.next
    }

    /// Registers the task of this context as waiting. Call it before checking what the task waits for.
    pub(super) fn register(&self, number: u64, cx: &Context<'_>) {
        let waiting = &mut lock(&self.0).waiting;
        match waiting.iter_mut().find(|(other, _)| *other == number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => waiting.push((number, cx.waker().clone())),
        }
    }

    /// Removes a sending half that was dropped.
    pub(super) fn forget(&self, number: u64) {
        lock(&self.0).waiting.retain(|(other, _)| *other != number);
    }

    pub(super) fn wake(&self) {
        // Not under the lock: a waker may run the task at once.
        let waiting = mem::take(&mut lock(&self.0).waiting);
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
