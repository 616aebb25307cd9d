//! The virtual clock: it stands still while any task has something to do, and then jumps to the next alarm.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::opt_out;

#[derive(Default)]
struct Clock {
    now: Duration,
    alarms: BTreeMap<u64, (Duration, Waker)>,
    next_id: u64,
}

thread_local! {
    /// One clock per thread, because a shell creates its timer without arguments.
    static CLOCK: RefCell<Clock> = RefCell::default();
}

fn with<T>(act: impl FnOnce(&mut Clock) -> T) -> T {
    let mut done = None;
    opt_out(|| done = Some(CLOCK.with(|clock| act(&mut clock.borrow_mut()))));
    done.expect("acted")
}

/// Resets the clock to its origin, without alarms.
pub fn restart() {
    with(|clock| *clock = Clock::default());
}

/// The time since the origin.
pub fn now() -> Duration {
    with(|clock| clock.now)
}

/// Jumps to the next alarm, or past it as on a machine that was suspended, and fires all alarms that are due then. Returns
/// `false` if there is no alarm.
pub fn advance(past: Duration) -> bool {
    let due = with(|clock| {
        let next = clock.alarms.values().map(|(at, _)| *at).min()?;
        clock.now = clock.now.max(next) + past;
        let ids: Vec<u64> = clock
            .alarms
            .iter()
            .filter(|(_, (at, _))| *at <= clock.now)
            .map(|(id, _)| *id)
            .collect();
        Some(ids.iter().filter_map(|id| clock.alarms.remove(id)).collect::<Vec<_>>())
    });
    let any = due.is_some();
    opt_out(|| due.into_iter().flatten().for_each(|(_, waker)| waker.wake()));
    any
}

/// Whether an alarm is pending.
pub fn is_due() -> bool {
    with(|clock| clock.alarms.values().any(|(at, _)| *at <= clock.now))
}

/// Wakes a task at a given time, unless it is dropped.
#[derive(Debug)]
pub struct Alarm(u64);

impl Alarm {
    pub fn new() -> Self {
        Self(with(|clock| {
            clock.next_id += 1;
            clock.next_id
        }))
    }

    /// Sets the alarm, in place of the previous setting. The longest time never comes.
    pub fn set(&self, at: Duration, waker: &Waker) {
        if at == Duration::MAX {
            return self.clear();
        }
        with(|clock| clock.alarms.insert(self.0, (at, waker.clone())));
    }

    pub fn clear(&self) {
        with(|clock| clock.alarms.remove(&self.0));
    }

    /// Waits until this time.
    pub fn poll_until(&self, at: Duration, cx: &Context<'_>) -> Poll<()> {
        if now() >= at {
            self.clear();
            return Poll::Ready(());
        }
        self.set(at, cx.waker());
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The timer of a shell's connection, with its own origin.
#[cfg(all(feature = "tokio", feature = "futures-io"))]
#[derive(Debug)]
pub struct VirtualTimer {
    origin: Duration,
    alarm: Alarm,
}

#[cfg(all(feature = "tokio", feature = "futures-io"))]
impl websocket_proto::asynchronous::RuntimeTimer for VirtualTimer {
    fn new() -> Self {
        Self {
            origin: now(),
            alarm: Alarm::new(),
        }
    }

    fn now(&self) -> websocket_proto::Time {
        websocket_proto::Time::from_origin(now() - self.origin)
    }

    fn poll_until(&mut self, due: websocket_proto::Time, cx: &mut Context<'_>) -> Poll<()> {
        match self.origin.checked_add(due.since_origin()) {
            Some(at) => self.alarm.poll_until(at, cx),
            None => Poll::Pending,
        }
    }
}
