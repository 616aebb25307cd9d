//! A runtime for one thread: tasks of `async-executor`, woken by mio.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    io::{self, ErrorKind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use async_executor::LocalExecutor;
use mio::{Events, Interest, Token, event::Source};
use slab::Slab;

thread_local! {
    static REACTOR: RefCell<Option<Reactor>> = const { RefCell::new(None) };
}

/// What the tasks of a thread wait for.
struct Reactor {
    poll: mio::Poll,
    waiting: Slab<Waiting>,
    /// Timers by the time at which they wake, and by their number.
    timers: BTreeMap<(Instant, u64), Waker>,
    timers_made: u64,
}

/// The tasks that wait for a source, one for each direction.
#[derive(Default)]
struct Waiting {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A direction of a source.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    /// Reading, and accepting.
    Read,
    /// Writing.
    Write,
}

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a future, and the tasks of an executor, until the future is done.
///
/// # Errors
///
/// The errors of the system's poll.
pub(crate) fn run<T>(executor: &LocalExecutor<'_>, main: impl Future<Output = T>) -> io::Result<T> {
    let mut main = pin!(executor.run(main));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut events = Events::with_capacity(1024);
    loop {
        if let Poll::Ready(output) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Ok(output);
        }
        // A task that has woken itself goes on after the others.
        let is_woken = woken.0.swap(false, Ordering::Relaxed);
        let due = with(|reactor| reactor.wait(&mut events, is_woken))?;
        due.into_iter().for_each(Waker::wake);
    }
}

/// Calls `f` with the reactor of this thread, which begins with its first use.
fn with<T>(f: impl FnOnce(&mut Reactor) -> io::Result<T>) -> io::Result<T> {
    REACTOR.with_borrow_mut(|reactor| {
        let reactor = match reactor {
            Some(reactor) => reactor,
            None => reactor.insert(Reactor {
                poll: mio::Poll::new()?,
                waiting: Slab::new(),
                timers: BTreeMap::new(),
                timers_made: 0,
            }),
        };
        f(reactor)
    })
}

impl Reactor {
    /// Waits for events and timers. Returns the tasks to wake.
    fn wait(&mut self, events: &mut Events, is_woken: bool) -> io::Result<Vec<Waker>> {
        let next = self.timers.first_key_value().map(|(&(due, _), _)| due);
        let patience = match next {
            _ if is_woken => Some(Duration::ZERO),
            next => next.map(|due| due.saturating_duration_since(Instant::now())),
        };
        match self.poll.poll(events, patience) {
            Err(error) if error.kind() == ErrorKind::Interrupted => events.clear(),
            polled => polled?,
        }
        let mut due = Vec::new();
        for event in &*events {
            let Some(waiting) = self.waiting.get_mut(event.token().0) else {
                continue;
            };
            // An error concerns both directions.
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                due.extend(waiting.reader.take());
            }
            if event.is_writable() || event.is_write_closed() || event.is_error() {
                due.extend(waiting.writer.take());
            }
        }
        if next.is_some() {
            let later = self.timers.split_off(&(Instant::now(), u64::MAX));
            due.extend(std::mem::replace(&mut self.timers, later).into_values());
        }
        Ok(due)
    }
}

/// A source of mio that tasks can wait for.
#[derive(Debug)]
pub(crate) struct Registered<S: Source> {
    source: S,
    token: usize,
}

impl<S: Source> Registered<S> {
    /// Registers a source with the reactor of this thread.
    ///
    /// # Errors
    ///
    /// The errors of the system's poll.
    pub(crate) fn new(mut source: S, interest: Interest) -> io::Result<Self> {
        let token = with(|reactor| {
            let token = reactor.waiting.insert(Waiting::default());
            reactor.poll.registry().register(&mut source, Token(token), interest)?;
            Ok(token)
        })?;
        Ok(Self { source, token })
    }

    /// Returns the source.
    pub(crate) const fn get(&self) -> &S {
        &self.source
    }

    /// Tries an operation. If the source is not ready, the task is woken when it may be.
    ///
    /// # Errors
    ///
    /// The errors of the operation, except `WouldBlock` and `Interrupted`.
    pub(crate) fn poll_io<T>(
        &mut self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&mut S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match operation(&mut self.source) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The poll is edge-triggered: readiness from now on is an event.
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                done => return Poll::Ready(done),
            }
        }
        let registered = with(|reactor| {
            let waiting = &mut reactor.waiting[self.token];
            let waker = match direction {
                Direction::Read => &mut waiting.reader,
                Direction::Write => &mut waiting.writer,
            };
            *waker = Some(cx.waker().clone());
            Ok(())
        });
        match registered {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: Source> Drop for Registered<S> {
    fn drop(&mut self) {
        let _ = with(|reactor| {
            reactor.waiting.remove(self.token);
            reactor.poll.registry().deregister(&mut self.source)
        });
    }
}

/// A timer that wakes one task.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    set: Option<(Instant, u64)>,
}

impl Alarm {
    /// Waits until `due`. A call with another `due` replaces the previous one.
    pub(crate) fn poll_until(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= due {
            self.clear();
            return Poll::Ready(());
        }
        let set = self.set.filter(|&(at, _)| at == due);
        if set.is_none() {
            self.clear();
        }
        let _ = with(|reactor| {
            let key = set.unwrap_or_else(|| {
                reactor.timers_made += 1;
                (due, reactor.timers_made)
            });
            reactor.timers.insert(key, cx.waker().clone());
            self.set = Some(key);
            Ok(())
        });
        Poll::Pending
    }

    fn clear(&mut self) {
        if let Some(key) = self.set.take() {
            let _ = with(|reactor| Ok(reactor.timers.remove(&key)));
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}
