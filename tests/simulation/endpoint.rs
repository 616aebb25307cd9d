//! An endpoint: an application over a connection of some kind, in one task or two, and the memory that it takes.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use allocation_counter::{measure, opt_out};
use websocket_proto::{Closure, Config, Delivery, Error, Role, SendError};

use crate::{
    application::{Application, Op},
    network::Pipe,
    shells::{self, Shell},
};

/// How a connection is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Core,
    Blocking,
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Tokio {
        splits: bool,
    },
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Futures {
        splits: bool,
    },
}

pub const KINDS: &[Kind] = &[
    Kind::Core,
    Kind::Blocking,
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Kind::Tokio { splits: false },
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Kind::Tokio { splits: true },
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Kind::Futures { splits: false },
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    Kind::Futures { splits: true },
];

type Opening = Pin<Box<dyn Future<Output = Result<Box<dyn Shell>, Error>>>>;

fn open(kind: Kind, pipe: Pipe, role: Role, config: Config) -> Opening {
    match kind {
        Kind::Core => Box::pin(shells::open_core(pipe, role, config)),
        Kind::Blocking => Box::pin(shells::open_blocking(pipe, role, config)),
        #[cfg(all(feature = "tokio", feature = "futures-io"))]
        Kind::Tokio { splits } => {
            let transport = crate::streams::Virtual(websocket_proto::tokio::Io::new(pipe));
            Box::pin(crate::async_shells::open(transport, role, config, splits))
        }
        #[cfg(all(feature = "tokio", feature = "futures-io"))]
        Kind::Futures { splits } => {
            let transport = crate::streams::Virtual(websocket_proto::futures::Io::new(pipe));
            Box::pin(crate::async_shells::open(transport, role, config, splits))
        }
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
    /// One for each task; of two, the first receives.
    bells: [Arc<Bell>; 2],
    pub closure: Option<Closure>,
    /// Bytes of heap that are held, and that were held at most.
    held: i64,
    pub peak: i64,
}

/// Steps of one poll, after which the other tasks get their turn.
const STEPS: usize = 20;

impl Endpoint {
    pub fn new(kind: Kind, pipe: Pipe, config: Config, application: Application) -> Self {
        let streams = config.delivery == Delivery::Fragments;
        let mut opening = None;
        let made = measure(|| opening = Some(open(kind, pipe, application.role, config)));
        let bells = [(); 2].map(|()| Arc::new(Bell(AtomicBool::new(true))));
        Self {
            kind,
            application,
            state: State::Opening(opening.expect("made")),
            streams,
            bells,
            closure: None,
            held: made.bytes_current,
            peak: made.bytes_current,
        }
    }

    /// Whether its connection has deadlines on the virtual clock.
    pub fn has_virtual_time(&self) -> bool {
        self.kind != Kind::Blocking
    }

    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// The tasks that were woken.
    pub fn woken(&self) -> impl Iterator<Item = usize> {
        (0..2).filter(|&task| !self.is_gone() && self.bells[task].0.load(Ordering::Relaxed))
    }

    pub fn wake(&self) {
        self.bells.iter().for_each(|bell| bell.0.store(true, Ordering::Relaxed));
    }

    /// Polls a task, and counts what that costs.
    pub fn poll(&mut self, task: usize) {
        let bell = Arc::clone(&self.bells[task]);
        bell.0.store(false, Ordering::Relaxed);
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
                for step in 0.. {
                    let sent = sends && send(&mut **shell, application, cx);
                    let received =
                        receives && !application.ended && receive(&mut **shell, application, self.streams, cx);
                    if !sent && !received {
                        break;
                    }
                    if step == STEPS {
                        cx.waker().wake_by_ref();
                        return;
                    }
                }
                // Of two tasks, the one that sends finds out by itself if it waits for something.
                if application.ended && (!splits || application.is_idle()) {
                    self.finish();
                }
            }
        }
    }

    /// Checks what is left of a connection that ended, and drops it with its stream.
    fn finish(&mut self) {
        if let State::Open(shell) = &mut self.state {
            let closure = shell.closure();
            check_the_end(&mut **shell, &self.application);
            assert_eq!(shell.closure(), closure, "the end has changed");
            // The application's copy.
            opt_out(|| self.closure = closure.clone());
        }
        self.state = State::Gone;
    }
}

/// Does the next thing, if it is time. Returns whether it was done.
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
    let way = match (streams, application.flips(), application.flips()) {
        (true, ..) | (_, true, _) => 0,
        (_, _, true) => 1,
        _ => 2,
    };
    match shell.receive(way, cx) {
        Poll::Pending => false,
        Poll::Ready(Ok(Some(got))) => {
            opt_out(|| application.events.push(got));
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

/// Behind the end, every call returns at once and brings nothing new.
fn check_the_end(shell: &mut dyn Shell, application: &Application) {
    let mut cx = Context::from_waker(Waker::noop());
    let clean = application.error.is_none();
    for way in [0, 1, 2] {
        match shell.receive(way, &mut cx) {
            Poll::Ready(Ok(None)) => {}
            Poll::Ready(Err(Error::Protocol(_))) => assert!(!clean, "a proper end has become a failure"),
            other => panic!(
                "{other:?} behind the end, way {way}: {:?}, {:?}",
                shell.closure(),
                application.error
            ),
        }
    }
    let sent = shell.operate(&Op::Ping(Vec::new()), false, &mut cx);
    assert!(
        matches!(sent, Poll::Ready(Err(Error::Send(SendError::Closing(()))))),
        "{sent:?} behind the end"
    );
    assert!(
        shell.flush(&mut cx).is_ready(),
        "{:?} still has to write",
        shell.closure()
    );
}
