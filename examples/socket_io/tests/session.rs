//! Every interleaving of polls, posts, frames, losses and time in the life of a session, against a model of what a client
//! may see. Short ones are tried exhaustively, long ones at random.

use std::time::Duration;

#[cfg(feature = "proptest")]
use proptest::prelude::*;
use socket_io_server::{
    engine::{
        Data, Reason, Settings, Unit, WebSocketId,
        packet::Packet,
        session::{Next, Session},
    },
    timers::Time,
};

/// What happens to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Poll,
    /// The task of the poll takes its answer.
    Answer,
    PollLost,
    Post,
    PostLost,
    /// A WebSocket connects.
    Connect,
    Probe,
    Upgrade,
    Frame,
    BadFrame,
    /// The task of the WebSocket takes all that it can.
    Drain,
    /// It takes one frame, and then its connection is full.
    Block,
    WebSocketLost,
    Send,
    Close,
    /// The next deadline passes.
    Time,
}

const STEPS: [Step; 16] = [
    Step::Poll,
    Step::Answer,
    Step::PollLost,
    Step::Post,
    Step::PostLost,
    Step::Connect,
    Step::Probe,
    Step::Upgrade,
    Step::Frame,
    Step::BadFrame,
    Step::Drain,
    Step::Block,
    Step::WebSocketLost,
    Step::Send,
    Step::Close,
    Step::Time,
];

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.ping_interval = Duration::from_secs(25);
    settings.ping_timeout = Duration::from_secs(20);
    settings.upgrade_timeout = Duration::from_secs(10);
    settings
}

/// A session, and what a client and a server know of it.
struct World {
    session: Session,
    settings: Settings,
    now: Time,
    websocket: Option<WebSocketId>,
    is_polling: bool,
    is_probed: bool,
    is_upgraded: bool,
    /// Whether the connection of the WebSocket was full.
    is_blocked: bool,
    /// Numbers of messages that were sent to the client, and of those that it has received.
    sent: u32,
    seen: u32,
    reason: Option<Reason>,
    log: Vec<Step>,
}

impl World {
    fn new(is_websocket: bool) -> Self {
        let settings = settings();
        let (session, websocket) = Session::new(Unit::text("0{}"), is_websocket, &settings, Time::ZERO);
        let mut world = Self {
            session,
            settings,
            now: Time::ZERO,
            websocket,
            is_polling: !is_websocket,
            is_probed: false,
            is_upgraded: is_websocket,
            is_blocked: false,
            sent: 0,
            seen: 0,
            reason: None,
            log: Vec::new(),
        };
        if is_websocket {
            assert_eq!(world.drain(usize::MAX), ["0{}"]);
        } else {
            assert_eq!(world.session.answer().as_deref(), Some("0{}"));
            world.is_polling = false;
        }
        world
    }

    fn run(mut self, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            self.log.push(step);
            self.step(step);
            self.check();
        }
        self.finish();
    }

    fn is_open(&self) -> bool {
        self.session.ended().is_none()
    }

    fn step(&mut self, step: Step) {
        let was_open = self.is_open();
        match step {
            Step::Poll => {
                let polled = self.session.poll();
                if was_open && !self.is_upgraded {
                    assert_eq!(
                        polled.is_err(),
                        self.is_polling,
                        "two polls at once are refused: {:?}",
                        self.log
                    );
                    assert_eq!(polled.is_err(), !self.is_open(), "{:?}", self.log);
                    self.is_polling = true;
                } else {
                    assert!(polled.is_err(), "{:?}", self.log);
                }
            }
            Step::Answer => self.answer(),
            Step::PollLost => {
                self.session.poll_lost();
                if self.is_polling && was_open && !self.is_upgraded {
                    assert_eq!(self.session.ended(), Some(Reason::TransportError), "{:?}", self.log);
                }
                self.is_polling = false;
            }
            Step::Post => {
                if self.session.post().is_ok() {
                    assert!(!self.is_upgraded, "{:?}", self.log);
                    let again = self.session.post();
                    assert!(again.is_err(), "two posts at once are refused: {:?}", self.log);
                    self.session.posted();
                }
            }
            Step::PostLost => {
                if self.session.post().is_ok() {
                    self.session.post_lost();
                    assert!(!self.is_open(), "{:?}", self.log);
                }
            }
            Step::Connect => {
                let websocket = self.session.connect(&self.settings, self.now);
                if websocket.is_some() {
                    assert!(self.websocket.is_none() && was_open, "{:?}", self.log);
                    self.websocket = websocket;
                    self.is_probed = false;
                }
            }
            Step::Probe => {
                let is_probing = self.websocket.is_some() && !self.is_upgraded;
                self.frame("2probe");
                self.is_probed |= is_probing;
            }
            Step::Upgrade => {
                let upgrades = self.websocket.is_some() && !self.is_upgraded;
                self.frame("5");
                self.is_upgraded |= upgrades;
            }
            Step::Frame => {
                let carries = self.websocket.is_some() && self.is_upgraded;
                let delivered = self.frame("4hello");
                // Before the upgrade it is no message, and after the end nobody listens.
                assert!(!delivered || (carries && was_open), "{:?}", self.log);
            }
            Step::BadFrame => {
                let carries = self.websocket.is_some() && self.is_upgraded;
                assert!(!self.frame("x"), "{:?}", self.log);
                assert!(
                    !carries || !self.is_open() || self.log.contains(&Step::Close),
                    "{:?}",
                    self.log
                );
            }
            Step::Drain => {
                // Its task was woken if, and only if, there is something to do.
                let is_woken = self.websocket.is_some_and(|websocket| self.session.has_next(websocket));
                let frames = self.drain(usize::MAX);
                let did_something = !frames.is_empty() || (is_woken && self.websocket.is_none());
                assert!(self.is_blocked || is_woken == did_something, "{:?}", self.log);
                self.is_blocked = false;
            }
            Step::Block => {
                self.drain(1);
                self.session.blocked();
                self.is_blocked = true;
            }
            Step::WebSocketLost => {
                if let Some(websocket) = self.websocket.take() {
                    self.session
                        .websocket_lost(websocket, Reason::TransportClose, &self.settings, self.now);
                    // A probe that fails leaves polling alive.
                    assert_eq!(self.is_open(), was_open && !self.is_upgraded, "{:?}", self.log);
                    self.is_probed = false;
                }
            }
            Step::Send => {
                self.sent += 1;
                self.session.send(Unit::text(format!("4{}", self.sent)), false);
            }
            Step::Close => self.session.close(&self.settings, self.now),
            Step::Time => {
                if let Some(deadline) = self.session.deadline() {
                    self.now = self.now.max(deadline);
                    self.session.handle_timeout(&self.settings, self.now);
                    let next = self.session.deadline();
                    assert!(next.is_none_or(|next| next > self.now), "time goes on: {:?}", self.log);
                }
            }
        }
        self.notice_detached();
    }

    /// Returns whether a message was delivered.
    fn frame(&mut self, packet: &str) -> bool {
        let Some(websocket) = self.websocket else { return false };
        let data = self
            .session
            .frame(websocket, Packet::parse(packet), &self.settings, self.now);
        assert!(matches!(data, None | Some(Data::Text("hello"))));
        data.is_some()
    }

    fn answer(&mut self) {
        let has_answer = self.session.has_answer();
        let is_upgrading = self.is_probed || self.is_upgraded;
        let Some(answer) = self.session.answer() else {
            assert!(!has_answer);
            return;
        };
        assert!(has_answer && self.is_polling, "{:?}", self.log);
        assert!(!answer.is_empty(), "{:?}", self.log);
        self.is_polling = false;
        for packet in answer.split('\u{1e}') {
            // While a client upgrades, a poll gets nothing but a noop.
            assert!(!is_upgrading || packet == "6", "{packet} {:?}", self.log);
            self.receive(packet);
        }
    }

    /// Takes up to a number of frames. Returns them.
    fn drain(&mut self, most: usize) -> Vec<String> {
        let Some(websocket) = self.websocket else {
            return Vec::new();
        };
        let mut frames = Vec::new();
        while frames.len() < most {
            match self.session.next(websocket) {
                Next::Send(message) => {
                    let frame = String::from_utf8(message.as_bytes().to_vec()).expect("text");
                    self.session.sent();
                    frames.push(frame);
                }
                Next::Wait => break,
                Next::Close => {
                    self.session.detach(websocket);
                    self.websocket = None;
                    break;
                }
            }
        }
        for frame in &frames {
            assert_ne!(frame, "6", "a noop is never sent over the WebSocket: {:?}", self.log);
            assert!(self.is_upgraded || frame == "3probe", "{frame} {:?}", self.log);
            self.receive(frame);
        }
        frames
    }

    /// The messages arrive in order, and none twice.
    fn receive(&mut self, packet: &str) {
        if let Some(number) = packet.strip_prefix('4') {
            self.seen += 1;
            assert_eq!(number.parse(), Ok(self.seen), "{:?}", self.log);
            assert!(self.seen <= self.sent);
        }
    }

    /// A WebSocket that the session has let go of is told to close.
    fn notice_detached(&mut self) {
        if let Some(websocket) = self.websocket {
            if self.session.has_next(websocket) && matches!(self.session.next(websocket), Next::Close) {
                self.session.detach(websocket);
                self.websocket = None;
                self.is_probed = false;
            }
        }
    }

    fn check(&mut self) {
        match (self.session.ended(), self.reason) {
            (None, Some(_)) => panic!("a session ends once: {:?}", self.log),
            (Some(now), Some(before)) => assert_eq!(now, before, "{:?}", self.log),
            (now, None) => self.reason = now,
        }
        assert_eq!(self.session.deadline().is_some(), self.is_open(), "{:?}", self.log);
    }

    /// Whatever has happened, time ends a session whose client does nothing, and then nothing is left of it.
    fn finish(mut self) {
        for _ in 0..16 {
            self.step(Step::Time);
            self.step(Step::Answer);
            self.step(Step::Drain);
        }
        assert!(!self.is_open(), "{:?}", self.log);
        assert!(self.session.is_over(), "{:?}", self.log);
    }
}

#[test]
fn all_short_interleavings() {
    // 16 steps: about a million lives of five steps.
    for number in 0..STEPS.len().pow(5) {
        let steps = (0..5).map(|place| STEPS[number / STEPS.len().pow(place) % STEPS.len()]);
        World::new(false).run(steps);
    }
}

#[test]
fn all_short_interleavings_of_a_websocket() {
    for number in 0..STEPS.len().pow(4) {
        let steps = (0..4).map(|place| STEPS[number / STEPS.len().pow(place) % STEPS.len()]);
        World::new(true).run(steps);
    }
}

#[test]
fn all_interleavings_around_an_upgrade() {
    // A client that upgrades, with everything else between its steps.
    let upgrade = [
        Step::Poll,
        Step::Connect,
        Step::Probe,
        Step::Drain,
        Step::Upgrade,
        Step::Drain,
    ];
    for number in 0..STEPS.len().pow(4) {
        let other: Vec<_> = (0..4)
            .map(|place| STEPS[number / STEPS.len().pow(place) % STEPS.len()])
            .collect();
        let mut steps = vec![Step::Send];
        for (index, step) in upgrade.into_iter().enumerate() {
            steps.push(step);
            steps.extend((1..5).contains(&index).then(|| other[index - 1]));
        }
        World::new(false).run(steps);
    }
}

#[cfg(feature = "proptest")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn long_interleavings(is_websocket: bool, steps in prop::collection::vec(prop::sample::select(&STEPS[..]), 0..80)) {
        World::new(is_websocket).run(steps);
    }
}
