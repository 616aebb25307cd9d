//! An endpoint: an application over a connection of some kind, in one task or two, and the memory that it uses.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use allocation_counter::{measure, opt_out};
use websocket_proto::{CloseInfo, Config, Delivery, Error, Role, SendError};

use crate::{
    application::{Application, Op},
    clock::{self, Alarm},
    core_halves, core_loop, driver_loops,
    network::{Network, Pipe},
    observer::Observer,
    raw::Got,
    shells::{self, Shell},
};

/// How a connection of an async shell is used.
#[cfg(all(feature = "tokio", feature = "futures-io"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Whole,
    Halves,
    /// As a stream in one task and as a sink in another.
    Sink,
}

/// How a connection is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The core, which is asked for its deadlines.
    Core,
    /// The driver, polled.
    Polled,
    /// The driver, whose operations complete later.
    Completing,
    /// The driver, in two tasks.
    CoreHalves,
    Blocking,
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Tokio(Use),
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Futures(Use),
}

pub const KINDS: &[Kind] = &[
    Kind::Core,
    Kind::Polled,
    Kind::Completing,
    Kind::CoreHalves,
    Kind::Blocking,
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Kind::Tokio(Use::Whole),
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Kind::Tokio(Use::Halves),
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Kind::Tokio(Use::Sink),
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Kind::Futures(Use::Whole),
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Kind::Futures(Use::Halves),
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Kind::Futures(Use::Sink),
];

impl Kind {
    /// Whether its connection has deadlines on the virtual clock.
    pub fn has_virtual_time(self) -> bool {
        self != Self::Blocking
    }

    /// Whether it is an async shell.
    pub fn is_async(self) -> bool {
        #[cfg(all(feature = "tokio", feature = "futures-io"))]
        return matches!(self, Self::Tokio(_) | Self::Futures(_));
        #[cfg(not(all(feature = "tokio", feature = "futures-io")))]
        return false;
    }

    /// Whether it is a stream and a sink, which only have messages.
    pub fn is_sink(self) -> bool {
        #[cfg(all(feature = "tokio", feature = "futures-io"))]
        return matches!(self, Self::Tokio(Use::Sink) | Self::Futures(Use::Sink));
        #[cfg(not(all(feature = "tokio", feature = "futures-io")))]
        return false;
    }

    /// Whether closing is a call that discards received data.
    pub fn discards(self) -> bool {
        #[cfg(all(feature = "tokio", feature = "futures-io"))]
        if matches!(self, Self::Tokio(Use::Whole) | Self::Futures(Use::Whole)) {
            return true;
        }
        self == Self::Blocking
    }

    /// Promise 9: whether received data is read first, whatever happens to the write side or to the clock. A loop that asks for
    /// its deadlines judges at once.
    pub fn reads_first(self) -> bool {
        !matches!(self, Self::Core | Self::Blocking)
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<Box<dyn Shell>, Error>>>>;

/// Together with the stream, returns whether long messages are read into fresh memory, where a transport can choose.
fn open(kind: Kind, stream: (Pipe, bool), role: Role, config: Config) -> Opening {
    let pipe = stream.0;
    match kind {
        Kind::Core => Box::pin(core_loop::open(pipe, role, config)),
        Kind::Polled => Box::pin(driver_loops::open(pipe, role, config, false)),
        Kind::Completing => Box::pin(driver_loops::open(pipe, role, config, true)),
        Kind::CoreHalves => Box::pin(core_halves::open(pipe, role, config)),
        Kind::Blocking => Box::pin(shells::open_blocking(pipe, role, config)),
        #[cfg(all(feature = "tokio", feature = "futures-io"))]
        Kind::Tokio(usage) => open_async(websocket_proto::tokio::Io::new(pipe), role, config, usage, stream.1),
        #[cfg(all(feature = "tokio", feature = "futures-io"))]
        Kind::Futures(usage) => open_async(websocket_proto::futures::Io::new(pipe), role, config, usage, stream.1),
    }
}

#[cfg(all(feature = "tokio", feature = "futures-io"))]
fn open_async<T>(transport: T, role: Role, config: Config, usage: Use, direct: bool) -> Opening
where
    T: websocket_proto::asynchronous::Transport + 'static,
{
    use crate::{async_shells::open, streams::Virtual};

    if direct {
        Box::pin(open(Virtual::<_, true>(transport), role, config, usage))
    } else {
        Box::pin(open(Virtual::<_, false>(transport), role, config, usage))
    }
}

/// Whether a task was woken.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

enum State {
    Opening(Opening),
    Open(Box<dyn Shell>),
    Gone,
}

pub struct Endpoint {
    pub kind: Kind,
    pub application: Application,
    state: State,
    streams: bool,
    /// One per task; of two tasks, the first receives.
    bells: [Arc<Bell>; 2],
    /// The time at which a woken task runs, and what moves the clock there.
    runs_at: [(Option<Duration>, Alarm); 2],
    pub observer: Observer,
    /// The most output that was pending.
    pub queued: usize,
    pub closure: Option<CloseInfo>,
    /// Bytes of heap that are held now, and that were held at most.
    held: i64,
    pub peak: i64,
}

/// Steps of one poll, after which the other tasks have their turn.
const STEPS: usize = 20;

impl Endpoint {
    pub fn new(
        kind: Kind,
        (network, pipe): (&Rc<RefCell<Network>>, Pipe),
        config: Config,
        application: Application,
        direct: bool,
    ) -> Self {
        let observer = Observer::new(Rc::clone(network), pipe.end(), config.timers, kind);
        let streams = config.delivery == Delivery::Fragments;
        let mut opening = None;
        let made = measure(|| opening = Some(open(kind, (pipe, direct), application.role, config)));
        let bells = [(); 2].map(|()| Arc::new(Bell(AtomicBool::new(true))));
        Self {
            kind,
            application,
            state: State::Opening(opening.expect("made")),
            streams,
            bells,
            runs_at: [(); 2].map(|()| (None, Alarm::new())),
            observer,
            queued: 0,
            closure: None,
            held: made.bytes_current,
            peak: made.bytes_current,
        }
    }

    /// Whether time ends it once it closes.
    pub fn has_deadlines(&self) -> bool {
        match self.state {
            State::Opening(_) => self.observer.opens_in_time(),
            State::Open(_) => self.observer.closes_in_time(),
            State::Gone => true,
        }
    }

    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// The woken tasks that run now. Each gets its time to run when it is woken, which may be late.
    pub fn running(&mut self, mut late: impl FnMut() -> Duration) -> Vec<usize> {
        let mut running = Vec::new();
        for task in self.tasks(true) {
            let (at, alarm) = &mut self.runs_at[task];
            let at = *at.get_or_insert_with(|| {
                let late = late();
                let at = clock::now() + late;
                if late > Duration::ZERO {
                    alarm.set(at, Waker::noop());
                    self.observer.late.push((at, late));
                }
                at
            });
            if at <= clock::now() {
                running.push(task);
            }
        }
        running
    }

    /// The tasks that were woken, or those that were not.
    pub fn tasks(&self, woken: bool) -> Vec<usize> {
        let tasks = (0..2).filter(|&task| !self.is_gone() && self.bells[task].0.load(Ordering::Relaxed) == woken);
        tasks.collect()
    }

    pub fn wake(&self) {
        self.bells.iter().for_each(|bell| bell.0.store(true, Ordering::Relaxed));
    }

    /// Polls a task, and counts the memory that this costs.
    pub fn poll(&mut self, task: usize) {
        let bell = Arc::clone(&self.bells[task]);
        bell.0.store(false, Ordering::Relaxed);
        self.runs_at[task].0 = None;
        let waker = Waker::from(bell);
        let (held, peak) = (self.held, self.peak);
        let cost = measure(|| self.poll_counted(task, &mut Context::from_waker(&waker)));
        self.peak = peak.max(held + i64::try_from(cost.bytes_max).expect("a possible size"));
        self.held = held + cost.bytes_current;
    }

    fn poll_counted(&mut self, task: usize, cx: &mut Context<'_>) {
        match &mut self.state {
            State::Gone => {}
            State::Opening(opening) if task == 0 => match opening.as_mut().poll(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(shell)) => {
                    self.state = State::Open(shell);
                    self.wake();
                }
                Poll::Ready(Err(error)) => {
                    self.state = State::Gone;
                    self.application.error = Some(error);
                    self.application.ended = true;
                }
            },
            State::Opening(_) => {}
            State::Open(shell) => {
                let splits = shell.is_split();
                if task == 1 && !splits {
                    return;
                }
                let (sends, receives) = (!splits || task == 1, task == 0);
                let application = &mut self.application;
                let mut has_drained = false;
                for step in 0.. {
                    let before = shell.queued();
                    let sent = sends && send(&mut **shell, application, cx);
                    let hears = receives && application.poll_hears(cx).is_ready();
                    let received = hears && !application.ended && receive(&mut **shell, application, self.streams, cx);
                    has_drained = hears && !received;
                    let queued = shell.queued();
                    self.queued = self.queued.max(queued.unwrap_or_default());
                    // A task that does both retries when there is room, whatever the result was.
                    let has_room = sends && receives && application.is_kept_waiting() && queued < before;
                    if !sent && !received && !has_room {
                        break;
                    }
                    if step == STEPS {
                        cx.waker().wake_by_ref();
                        break;
                    }
                }
                let observer = &mut self.observer;
                opt_out(|| observer.observe(shell.close_info().as_ref(), has_drained));
                // Of two tasks, the one that sends finds out by itself whether it waits for something.
                if application.ended && (!splits || application.is_idle()) {
                    self.finish();
                }
            }
        }
    }

    /// Checks what is left of a connection that has ended, and drops it together with its stream.
    fn finish(&mut self) {
        if let State::Open(shell) = &mut self.state {
            let closure = shell.close_info();
            check_the_end(&mut **shell, &self.application);
            assert_eq!(shell.close_info(), closure, "the end has changed");
            // The application's copy.
            opt_out(|| self.closure = closure.clone());
        }
        self.state = State::Gone;
    }
}

/// Performs the next action, if it is time. Returns whether it did.
fn send(shell: &mut dyn Shell, application: &mut Application, cx: &mut Context<'_>) -> bool {
    let mut op = None;
    opt_out(|| op = Some(application.poll_op(cx)));
    let Some(Poll::Ready(op)) = op else { return false };
    let (owned, flushes) = (application.flips(), application.flips());
    let done = shell.operate(&op, owned, cx);
    let accepted = matches!(done, Poll::Ready(Ok(())));
    let (waits, mut again) = (done.is_pending(), false);
    opt_out(|| {
        drop(op);
        match done {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => application.on_accepted(),
            Poll::Ready(Err(Error::Send(refusal))) => again = application.on_refused(refusal),
            Poll::Ready(Err(error)) => application.on_error(error),
        }
    });
    if again || (accepted && flushes) {
        let flushed = shell.flush(cx);
        let is_ready = flushed.is_ready();
        if let Poll::Ready(Err(error)) = flushed {
            opt_out(|| application.on_error(error));
        }
        return accepted || is_ready;
    }
    !waits
}

/// Takes the next event. Returns whether there was one.
fn receive(shell: &mut dyn Shell, application: &mut Application, streams: bool, cx: &mut Context<'_>) -> bool {
    let way = application.way(streams);
    application.asks_for_room = way == 2;
    match shell.receive(way, cx) {
        Poll::Pending => false,
        Poll::Ready(Ok(Some(got))) => {
            opt_out(|| application.on_event(got));
            true
        }
        Poll::Ready(end) => {
            opt_out(|| {
                application.ended = true;
                if let Err(error) = end {
                    application.on_error(error);
                }
            });
            false
        }
    }
}

/// After the end, every call returns at once and without anything new.
fn check_the_end(shell: &mut dyn Shell, application: &Application) {
    let mut cx = Context::from_waker(Waker::noop());
    let clean = application.error.is_none();
    for way in [0, 1, 2] {
        match shell.receive(way, &mut cx) {
            Poll::Ready(Ok(None)) => {}
            Poll::Ready(Err(Error::Protocol(_))) => assert!(!clean, "a clean end has become a failure"),
            other => panic!(
                "{other:?} after the end, way {way}: {:?}, {:?}",
                shell.close_info(),
                application.error
            ),
        }
    }
    let sent = shell.operate(&Op::Message(Got::Binary(Vec::new())), false, &mut cx);
    let is_refused = match &sent {
        Poll::Ready(Err(Error::Send(SendError::Closing(())))) => true,
        // A sink is first asked for room.
        Poll::Ready(Err(Error::Protocol(_))) => !clean,
        _ => false,
    };
    assert!(is_refused, "{sent:?} after the end");
    assert!(
        shell.flush(&mut cx).is_ready(),
        "{:?} still has to write",
        shell.close_info()
    );
}
