//! The async shell over a scripted stream: futures that are dropped after any number of polls, and created again, give the same
//! results and write the same bytes as futures that are never dropped.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::Future,
    io::{self, IoSlice},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use arbitrary::{Arbitrary, Unstructured};
use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Delivery, Error, Fragment, Limits, Message, Negotiated, PingPolicy,
    ReadyState, Role, Time,
    asynchronous::{RuntimeTimer, Transport, WebSocket},
};

use super::{plan, raw::Ended, rng::SeededEntropy};

/// The most operations of a run, and the most polls that one of them may need.
const MAX_OPS: usize = 60;
const MAX_POLLS: usize = 200_000;

#[derive(Clone, Debug, Arbitrary)]
struct Plan<'a> {
    is_client: bool,
    in_pieces: bool,
    small_queue: bool,
    vectored: bool,
    reads: Vec<Step>,
    writes: Vec<Step>,
    ops: Vec<(Op<'a>, u8)>,
    frames: &'a [u8],
}

/// The effect of one read or write. The list is repeated, and each error occurs once.
#[derive(Clone, Copy, Debug, Arbitrary)]
enum Step {
    Bytes(u8),
    Many(u16),
    Pending,
    Error,
}

#[derive(Clone, Debug, Arbitrary)]
enum Op<'a> {
    Recv,
    Echo,
    RecvEvent,
    Feed(Data<'a>),
    Send(Data<'a>),
    FeedFragment(Data<'a>, bool),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    Flush,
    Ready,
    Close(u16, &'a str),
}

#[derive(Clone, Debug, Arbitrary)]
enum Data<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Long(u16),
}

impl Data<'_> {
    fn message(&self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::from((*text).to_owned()),
            Self::Bytes(bytes) => Message::from(bytes.to_vec()),
            Self::Long(len) => Message::from(vec![b'l'; usize::from(*len) % 9000]),
        }
    }
}

pub fn run(data: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let undisturbed = conversation(&plan, false);
    let dropped = conversation(&plan, true);
    assert_eq!(dropped.log, undisturbed.log);
    assert_eq!(dropped.ended, undisturbed.ended);
    assert!(
        dropped.written == undisturbed.written,
        "{:x?}\n{:x?}",
        dropped.written,
        undisturbed.written
    );
}

/// The outcome of a run.
struct Outcome {
    log: Vec<String>,
    written: Vec<u8>,
    ended: Option<Ended>,
}

fn conversation(plan: &Plan<'_>, drops: bool) -> Outcome {
    let role = if plan.is_client { Role::Client } else { Role::Server };
    let mut input = plan::bytes(role, None, plan.frames);
    input.truncate(40_000);
    // Which Pings of a flood are answered depends on the time at which the Pongs are written.
    let pings = input.iter().filter(|byte| **byte == 0x89).count();
    let config = Config::new()
        .entropy(Arc::new(SeededEntropy::new(1)))
        .pings(if pings > 16 {
            PingPolicy::Report
        } else {
            PingPolicy::Answer
        })
        .delivery(if plan.in_pieces {
            Delivery::Fragments
        } else {
            Delivery::Messages
        })
        .limits(Limits::new().output_high_water(if plan.small_queue { 1 } else { 1 << 20 }));
    let pipe = Pipe::new(plan, input);
    let state = Rc::clone(&pipe.0);
    let mut run = Run {
        websocket: WebSocket::from_parts(pipe, Connection::from_negotiated(&Negotiated::new(role), &config)),
        state,
        log: Vec::new(),
    };
    for (op, polls) in plan.ops.iter().take(MAX_OPS) {
        let polls = if drops { 1 + usize::from(polls % 8) } else { MAX_POLLS };
        let result = run.operate(op, polls);
        run.log.push(result);
    }
    let polls = if drops { 1 } else { MAX_POLLS };
    let end = run.repeat(polls, async |websocket| {
        websocket.close(CloseFrame::from(CloseCode::NORMAL)).await
    });
    run.log.push(describe(end));
    assert!(run.websocket.close_info().is_some());
    let ended = run.websocket.close_info().map(Ended::from);
    let written = std::mem::take(&mut run.state.borrow_mut().written);
    let (_, connection) = run.websocket.into_parts();
    assert_ne!(connection.ready_state(), ReadyState::Open);
    Outcome {
        log: run.log,
        written,
        ended,
    }
}

struct Run {
    websocket: WebSocket<Pipe>,
    state: Rc<RefCell<State>>,
    log: Vec<String>,
}

impl Run {
    fn operate(&mut self, op: &Op<'_>, polls: usize) -> String {
        match op {
            Op::Recv => describe(self.repeat(polls, async |websocket| {
                websocket.recv().await.map(|message| format!("{message:?}"))
            })),
            Op::Echo => describe(self.repeat(polls, async |websocket| {
                let Some((message, outbound)) = websocket.recv_split().await? else {
                    return Ok("the end".to_owned());
                };
                let described = format!("{message:?}");
                Ok(format!(
                    "{described} {:?}",
                    outbound.feed(message).map_err(|error| error.without_unsent())
                ))
            })),
            Op::RecvEvent => describe(self.repeat(polls, async |websocket| {
                let event = websocket.recv_event().await?;
                Ok(format!("{event:?}"))
            })),
            Op::Feed(data) => describe(self.repeat(polls, async |websocket| websocket.feed(data.message()).await)),
            Op::FeedFragment(data, last) => describe(self.repeat(polls, async |websocket| {
                websocket.feed(Fragment::new(data.message(), *last)).await
            })),
            Op::Send(data) => self.send(data, polls),
            Op::Flush => describe(self.repeat(polls, async |websocket| websocket.flush().await)),
            Op::Ready => describe(self.repeat(polls, async |websocket| websocket.ready().await)),
            Op::Ping(payload) => self.control(polls, async |websocket| websocket.ping(payload).await),
            Op::Pong(payload) => self.control(polls, async |websocket| websocket.pong(payload).await),
            Op::Close(code, reason) => {
                let frame = CloseFrame::new(CloseCode::new(*code), reason);
                describe(self.repeat(polls, async |websocket| websocket.close(frame).await))
            }
        }
    }

    /// A dropped `send` has queued its message either completely or not at all.
    fn send(&mut self, data: &Data<'_>, polls: usize) -> String {
        let message = data.message();
        let before = self.passed();
        loop {
            let sent = self.attempt(polls, async |websocket| websocket.send(message.clone()).await);
            // Queued output is dropped when the stream fails.
            let queued = self.passed().saturating_sub(before);
            if sent.is_some() || queued > 0 {
                assert!(!matches!(sent, Some(Ok(()))) || queued > message.len());
                assert!(sent.is_some() || queued > message.len(), "part of a message was queued");
                return self.flushed(sent, polls);
            }
        }
    }

    /// If there is room, these are queued by the first poll.
    fn control(&mut self, polls: usize, future: impl AsyncFn(&mut WebSocket<Pipe>) -> Result<(), Error>) -> String {
        let room = self.repeat(polls, async |websocket| websocket.ready().await);
        if room.is_err() {
            return describe(room);
        }
        let sent = self.attempt(polls, future);
        self.flushed(sent, polls)
    }

    /// Bytes that were queued since the beginning, as long as the stream does not fail.
    fn passed(&self) -> usize {
        self.state.borrow().written.len() + self.websocket.queued()
    }

    /// Continues with the output that a dropped future has queued.
    fn flushed(&mut self, sent: Option<Result<(), Error>>, polls: usize) -> String {
        match sent {
            Some(sent) => describe(sent),
            None => describe(self.repeat(polls, async |websocket| websocket.flush().await)),
        }
    }

    /// Creates the same future again and again, until it is ready within the given number of polls.
    fn repeat<O>(&mut self, polls: usize, future: impl AsyncFn(&mut WebSocket<Pipe>) -> O) -> O {
        for _ in 0..MAX_POLLS {
            if let Some(output) = self.attempt(polls, &future) {
                return output;
            }
        }
        panic!("it never ends");
    }

    /// Polls at most this number of times, and then drops the future.
    fn attempt<O>(&mut self, polls: usize, future: impl AsyncFn(&mut WebSocket<Pipe>) -> O) -> Option<O> {
        let Self { websocket, state, .. } = self;
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        let mut future = pin!(future(websocket));
        for _ in 0..polls {
            alarm.0.store(false, Ordering::Relaxed);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(output);
            }
            // The task that waits for the script is woken now.
            state.borrow_mut().waiting.drain(..).for_each(Waker::wake);
            assert!(alarm.0.load(Ordering::Relaxed), "a hang: nothing will wake the task");
        }
        None
    }
}

/// Whether the task was woken since it was polled.
#[derive(Default)]
struct Alarm(AtomicBool);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn describe<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    format!("{result:?}")
}

/// A stream that follows a script.
struct Pipe(Rc<RefCell<State>>);

struct State {
    input: VecDeque<u8>,
    reads: Script,
    writes: Script,
    vectored: bool,
    written: Vec<u8>,
    /// The tasks that must wait.
    waiting: Vec<Waker>,
}

/// The list, the position in it, and whether its errors have occurred.
struct Script {
    steps: Vec<Step>,
    at: usize,
}

impl Script {
    fn next(&mut self) -> Poll<io::Result<usize>> {
        // To make it end, every other pass through the list does not wait.
        let len = self.steps.len().max(1);
        let (pass, at) = (self.at / len, self.at % len);
        self.at += 1;
        match self.steps.get(at) {
            None => Poll::Ready(Ok(usize::MAX)),
            Some(Step::Bytes(n)) => Poll::Ready(Ok(1 + usize::from(*n))),
            Some(Step::Many(n)) => Poll::Ready(Ok(1 + usize::from(*n))),
            Some(Step::Pending) if pass % 2 == 0 => Poll::Pending,
            Some(Step::Pending) => Poll::Ready(Ok(300)),
            Some(Step::Error) if pass == 3 => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Some(Step::Error) => Poll::Ready(Ok(100)),
        }
    }
}

impl Pipe {
    fn new(plan: &Plan<'_>, input: Vec<u8>) -> Self {
        let script = |steps: &[Step]| Script {
            steps: steps.to_vec(),
            at: 0,
        };
        Self(Rc::new(RefCell::new(State {
            input: input.into(),
            reads: script(&plan.reads),
            writes: script(&plan.writes),
            vectored: plan.vectored,
            written: Vec::new(),
            waiting: Vec::new(),
        })))
    }
}

impl Transport for Pipe {
    type Timer = Never;

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(!buffer.is_empty(), "a read into an empty buffer looks like the end");
        let mut state = self.0.borrow_mut();
        match state.reads.next() {
            Poll::Pending => {
                state.waiting.push(cx.waker().clone());
                Poll::Pending
            }
            Poll::Ready(Ok(n)) => {
                let n = n.min(buffer.len()).min(state.input.len());
                buffer
                    .iter_mut()
                    .zip(state.input.drain(..n))
                    .for_each(|(to, byte)| *to = byte);
                Poll::Ready(Ok(n))
            }
            error => error,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        assert!(
            slices.first().is_some_and(|slice| !slice.is_empty()),
            "the first slice is not empty"
        );
        let mut state = self.0.borrow_mut();
        let slices = if state.vectored { slices } else { &slices[..1] };
        match state.writes.next() {
            Poll::Pending => {
                state.waiting.push(cx.waker().clone());
                Poll::Pending
            }
            Poll::Ready(Ok(n)) => {
                let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(n).collect();
                state.written.extend_from_slice(&bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            error => error,
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A clock that stands still.
struct Never;

impl RuntimeTimer for Never {
    fn new() -> Self {
        Self
    }

    fn now(&self) -> Time {
        Time::ZERO
    }

    fn poll_until(&mut self, _: Time, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}
