//! The application of an endpoint: what it does at which time, and what it has received.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use websocket_proto::{CloseCode, CloseFrame, Error, Message, Role, SendError};

use crate::{
    clock::{self, Alarm},
    raw::Got,
    rng::Rng,
};

/// Something that an application does.
#[derive(Clone, Debug)]
pub enum Op {
    Message(Got),
    Fragment(Got, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    MeasureLatency,
    Release,
    Close(Option<u16>),
}

impl Op {
    pub fn close_frame(code: Option<u16>) -> Option<CloseFrame<'static>> {
        code.map(|code| CloseFrame::new(CloseCode::new(code), "done"))
    }
}

/// A message to send: owned, which a connection may keep, or lent.
pub fn message(data: &Got, owned: bool) -> Message<'_> {
    match (data, owned) {
        (Got::Text(text), true) => text.clone().into(),
        (Got::Text(text), false) => text.into(),
        (Got::Binary(payload), true) => payload.clone().into(),
        (Got::Binary(payload), false) => payload.into(),
        (other, _) => panic!("{other:?} is not a message"),
    }
}

/// How an application behaves.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// The number of actions before it closes, or only waits for the end.
    pub ops: usize,
    pub closes: bool,
    /// The longest pause between two actions.
    pub pause: Duration,
    pub longest: usize,
    /// Whether it may send its own Pongs. A refused call may have queued one, which the model cannot know.
    pub pongs: bool,
    /// Whether it measures the latency, which uses Pings that look like those of the keepalive.
    pub measures: bool,
    /// The time at which it stops receiving, and for how long.
    pub deaf: Option<(Duration, Duration)>,
}

pub struct Application {
    pub role: Role,
    rng: Rng,
    habits: Habits,
    next_at: Duration,
    alarm: Alarm,
    deaf_alarm: Alarm,
    /// The current action, until it is accepted.
    op: Option<Op>,
    /// Whole messages that were accepted, in order.
    pub sent: Vec<Got>,
    /// The accepted parts of the message that is being sent in fragments.
    pub open: Option<Got>,
    /// Its own Pongs, in order.
    pub pongs: Vec<Vec<u8>>,
    pub events: Vec<Got>,
    /// The first error. It is reported once.
    pub error: Option<Error>,
    pub ended: bool,
    /// Whether it has asked for the end.
    pub has_closed: bool,
    /// Whether its last request was to answer a message while it is lent, which waits for room for the answer.
    pub asks_for_room: bool,
    /// The time of its last action.
    pub last_op: Duration,
    counter: u32,
    /// How it receives the next event.
    way: Option<usize>,
}

impl Application {
    pub fn new(role: Role, mut rng: Rng, habits: Habits) -> Self {
        Self {
            role,
            next_at: Duration::from_micros(rng.next() % 3000),
            rng,
            habits,
            alarm: Alarm::new(),
            deaf_alarm: Alarm::new(),
            op: None,
            sent: Vec::new(),
            open: None,
            pongs: Vec::new(),
            events: Vec::new(),
            error: None,
            ended: false,
            has_closed: false,
            asks_for_room: false,
            last_op: Duration::ZERO,
            counter: 0,
            way: None,
        }
    }

    /// Tosses a coin.
    pub fn flips(&mut self) -> bool {
        self.rng.below(2) == 0
    }

    /// Waits until it receives again.
    pub fn poll_hears(&self, cx: &Context<'_>) -> Poll<()> {
        match self.habits.deaf {
            Some((from, length)) if clock::now() >= from => self.deaf_alarm.poll_until(from + length, cx),
            _ => Poll::Ready(()),
        }
    }

    /// Whether nothing is left to do.
    pub fn is_idle(&self) -> bool {
        self.op.is_none() && self.habits.ops == 0 && !self.habits.closes
    }

    /// Makes it close, whatever its current action was.
    pub fn ask_to_close(&mut self) {
        self.habits.ops = 0;
        self.habits.closes = false;
        self.has_closed = true;
        self.last_op = clock::now();
        self.op = Some(Op::Close(Some(1001)));
    }

    /// The current action. It stays the same until it is accepted or refused.
    pub fn poll_op(&mut self, cx: &Context<'_>) -> Poll<Op> {
        if self.op.is_none() {
            if self.is_idle() {
                return Poll::Pending;
            }
            std::task::ready!(self.alarm.poll_until(self.next_at, cx));
            let micros = u64::try_from(self.habits.pause.as_micros()).expect("a short pause");
            self.next_at = clock::now() + Duration::from_micros(self.rng.next() % (micros + 1));
            self.op = Some(self.pick());
        }
        Poll::Ready(self.op.clone().expect("picked"))
    }

    fn pick(&mut self) -> Op {
        if self.habits.ops == 0 {
            self.habits.closes = false;
            self.has_closed = true;
            let code = [1000, 1001, 1011, 3000, 4999][self.rng.below(5)];
            return Op::Close((self.rng.below(4) > 0).then_some(code));
        }
        self.habits.ops -= 1;
        self.counter += 1;
        match self.rng.below(12) {
            0..=4 => {
                let data = self.data(None);
                Op::Message(data)
            }
            5..=7 => {
                let data = self.data(self.open.clone().as_ref());
                let is_last = self.rng.below(3) == 0;
                Op::Fragment(data, is_last)
            }
            8 => Op::Ping(format!("ping {}", self.counter).into_bytes()),
            9 if self.habits.pongs => Op::Pong(format!("user {}", self.counter).into_bytes()),
            11 if self.habits.measures => Op::MeasureLatency,
            _ => Op::Release,
        }
    }

    /// Text or binary, of the same kind as `like`.
    fn data(&mut self, like: Option<&Got>) -> Got {
        let len = self.rng.length(self.habits.longest);
        let is_text = match like {
            Some(like) => matches!(like, Got::Text(_)),
            None => self.flips(),
        };
        if is_text {
            Got::Text(self.rng.text(len / 2))
        } else if self.flips() {
            Got::Binary(self.rng.bytes(len))
        } else {
            // Something compressible.
            let pattern = self.rng.bytes(7);
            Got::Binary(pattern.into_iter().cycle().take(len).collect())
        }
    }

    /// The current action was accepted.
    pub fn on_accepted(&mut self) {
        self.last_op = clock::now();
        match self.op.take() {
            Some(Op::Message(data)) => self.sent.push(data),
            Some(Op::Fragment(piece, is_last)) => {
                let whole = match (self.open.take(), piece) {
                    (None, piece) => piece,
                    (Some(Got::Text(text)), Got::Text(more)) => Got::Text(text + &more),
                    (Some(Got::Binary(payload)), Got::Binary(more)) => Got::Binary([payload, more].concat()),
                    other => panic!("a fragment of another kind was accepted: {other:?}"),
                };
                match is_last {
                    false => self.open = Some(whole),
                    true => self.sent.push(whole),
                }
            }
            Some(Op::Pong(payload)) => self.pongs.push(payload),
            _ => {}
        }
    }

    /// A call to send was refused. Returns whether it must be repeated once there is room.
    pub fn on_refused(&mut self, error: SendError) -> bool {
        match error {
            SendError::Full(()) => return true,
            SendError::MessageOpen(()) => {
                assert!(self.open.is_some() && matches!(self.op, Some(Op::Message(_))));
            }
            // Nothing more can be sent.
            SendError::Closing(()) => (self.habits.ops, self.habits.closes) = (0, false),
            error => panic!("{error} of {:?}", self.op),
        }
        self.op = None;
        false
    }

    /// One of the ways to receive: the same one until something arrives.
    pub fn way(&mut self, streams: bool) -> usize {
        let way = match (streams, self.flips(), self.flips()) {
            (true, ..) | (_, true, _) => 0,
            (_, _, true) => 1,
            _ => 2,
        };
        *self.way.get_or_insert(way)
    }

    /// Something has arrived.
    pub fn on_event(&mut self, got: Got) {
        self.way = None;
        self.events.push(got);
    }

    /// Whether something was not accepted yet.
    pub fn is_kept_waiting(&self) -> bool {
        self.op.is_some()
    }

    /// What it has received, as far as that can grow. Whether there is room to send depends on the call that asks.
    pub fn progress(&self) -> (usize, bool) {
        (self.events.len(), self.ended)
    }

    /// Another error. Only the first can be an error of the stream, because that is reported once.
    pub fn on_error(&mut self, error: Error) {
        (self.habits.ops, self.habits.closes) = (0, false);
        // A Pong is queued before the stream fails, and may have been sent.
        if let Some(Op::Pong(payload)) = self.op.take() {
            self.pongs.push(payload);
        }
        match &self.error {
            None => self.error = Some(error),
            Some(first) => assert!(
                matches!(error, Error::Protocol(_)),
                "{:?}: {error:?} after {first:?}",
                self.role
            ),
        }
    }
}
