//! An executor that polls nothing but what was woken, and counts.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use super::Script;

/// Polls in a row, all of them woken, that no test needs: a task that goes on wakes itself for nothing.
const BUSY: usize = 10_000;

#[derive(Debug, Default)]
struct Alarm {
    woken: AtomicBool,
    wakes: AtomicUsize,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.woken.store(true, Ordering::Relaxed);
    }
}

/// A future, the polls that it took and the wakes that it was given.
pub(crate) struct Task<'a, O> {
    future: Pin<Box<dyn Future<Output = O> + 'a>>,
    alarm: Arc<Alarm>,
    pub(crate) polls: usize,
}

impl<'a, O> Task<'a, O> {
    pub(crate) fn new(future: impl Future<Output = O> + 'a) -> Self {
        let alarm = Arc::new(Alarm::default());
        alarm.woken.store(true, Ordering::Relaxed);
        Self {
            future: Box::pin(future),
            alarm,
            polls: 0,
        }
    }

    /// Whether it was woken since it was polled.
    pub(crate) fn is_woken(&self) -> bool {
        self.alarm.woken.load(Ordering::Relaxed)
    }

    pub(crate) fn wakes(&self) -> usize {
        self.alarm.wakes.load(Ordering::Relaxed)
    }

    /// Polls once, woken or not.
    pub(crate) fn poll(&mut self) -> Poll<O> {
        self.alarm.woken.store(false, Ordering::Relaxed);
        self.polls += 1;
        let waker = Waker::from(Arc::clone(&self.alarm));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls for as long as it is woken.
    pub(crate) fn settle(&mut self) -> Poll<O> {
        for _ in 0..BUSY {
            if !self.is_woken() {
                return Poll::Pending;
            }
            if let ready @ Poll::Ready(_) = self.poll() {
                return ready;
            }
        }
        panic!("a busy loop: the task is woken for nothing");
    }
}

/// Runs a future to its end. When it waits, the script goes on; when that has nothing to wake it with, it hangs.
#[track_caller]
pub(crate) fn block_on<O>(script: &Script, future: impl Future<Output = O>) -> O {
    let mut task = Task::new(future);
    loop {
        if let Poll::Ready(output) = task.settle() {
            return output;
        }
        while !task.is_woken() {
            assert!(script.tick(), "a hang: nothing is there to wake the task");
        }
    }
}

/// When futures are dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Never,
    /// At this poll of all.
    At(usize),
    /// Each after so many polls.
    Every(usize),
}

/// Runs futures that may be dropped before they are ready.
#[derive(Debug)]
pub(crate) struct Driver {
    script: Script,
    cut: Cut,
    pub(crate) polls: usize,
}

impl Driver {
    pub(crate) fn new(script: &Script, cut: Cut) -> Self {
        Self {
            script: script.clone(),
            cut,
            polls: 0,
        }
    }

    /// Runs a future to its end, or drops it and returns `None`. A task that is not woken is a hang in any case.
    #[track_caller]
    pub(crate) fn run<O>(&mut self, future: impl Future<Output = O>) -> Option<O> {
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        let mut future = pin!(future);
        let mut polls = 0;
        loop {
            alarm.woken.store(false, Ordering::Relaxed);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(output);
            }
            self.polls += 1;
            polls += 1;
            assert!(self.polls < BUSY, "it comes to no end");
            match self.cut {
                Cut::At(poll) if poll == self.polls => return None,
                Cut::Every(most) if polls == most => return None,
                _ => {}
            }
            while !alarm.woken.load(Ordering::Relaxed) {
                assert!(self.script.tick(), "a hang: nothing is there to wake the task");
            }
        }
    }

    /// Runs the same call, again and again, until one is not dropped.
    #[track_caller]
    pub(crate) fn repeat<O>(&mut self, mut call: impl FnMut(&mut Self) -> Option<O>) -> O {
        loop {
            if let Some(output) = call(self) {
                return output;
            }
        }
    }
}
