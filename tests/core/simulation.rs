//! Two ends under random operations, cuts, delays and losses, against a simple model. Every seed is a run of its own;
//! one that fails prints itself.

use core::time::Duration;
use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Delivery, Fin, Limits, Message, MessageKind, ProtocolError, ReadyState,
    Role, SendError, Side, Time, Timer, Timers,
};

use crate::{
    raw::{Ended, Got, joined, take_events, take_output},
    rng::Rng,
    wire::{self, CLOSE, PING, PONG, ROLES},
};

const SEEDS: u64 = 400;

/// CL-11, CL-17, MSG-26, SEC-11: messages arrive in order and whole, nothing comes behind a Close, each end sends one
/// Close at most, two clean ends agree on the codes, and every run comes to an end.
#[test]
fn random_operations_follow_the_model() {
    for seed in 0..SEEDS {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| Simulation::new(seed).run())) {
            eprintln!("the seed that failed is {seed}");
            resume_unwind(panic);
        }
    }
}

/// One end, what it did, and its half of the transport.
struct End {
    role: Role,
    connection: Connection,
    events: Vec<Got>,
    error: Option<ProtocolError>,
    /// Whole messages that were accepted for sending, in order.
    sent: Vec<Got>,
    /// The message that is being sent in fragments.
    open: Option<Got>,
    /// Pongs of the application, in order.
    pongs: Vec<Vec<u8>>,
    /// Everything that was written to the transport.
    written: Vec<u8>,
    /// What was written and has not arrived at the peer.
    under_way: VecDeque<u8>,
    /// The write side is shut down, or the transport was given up.
    shut: bool,
    /// The peer knows about that.
    shut_arrived: bool,
    counter: u32,
}

impl End {
    fn new(role: Role, config: &Config) -> Self {
        Self {
            role,
            connection: Connection::new(role, config),
            events: Vec::new(),
            error: None,
            sent: Vec::new(),
            open: None,
            pongs: Vec::new(),
            written: Vec::new(),
            under_way: VecDeque::new(),
            shut: false,
            shut_arrived: false,
            counter: 0,
        }
    }

    fn is_closed(&self) -> bool {
        self.connection.ready_state() == ReadyState::Closed
    }

    fn poll(&mut self) {
        let before = self.events.len();
        let result = take_events(&mut self.connection, &mut self.events);
        if let Some(error) = self.error {
            assert_eq!(result, Err(error), "a terminal error repeats");
            assert_eq!(self.events.len(), before, "no event behind a terminal error");
        }
        self.error = result.err();
        let close = self.events.iter().position(|event| matches!(event, Got::Close(_)));
        assert!(
            close.is_none_or(|at| at + 1 == self.events.len()),
            "an event behind the Close"
        );
    }

    fn operate(&mut self, rng: &mut Rng) {
        let open = self.connection.ready_state() == ReadyState::Open;
        match rng.below(12) {
            0..=3 => self.send_message(rng),
            4..=6 => self.send_fragment(rng),
            7 => {
                self.counter += 1;
                let refused = self.connection.ping(format!("ping {}", self.counter).as_bytes());
                assert!(refused.is_ok() || !open || refused == Err(SendError::Full(())));
            }
            8 => {
                self.counter += 1;
                let payload = format!("user {}", self.counter).into_bytes();
                if self.connection.pong(&payload).is_ok() {
                    self.pongs.push(payload);
                }
            }
            9 => self.connection.measure_latency(),
            10 => self.connection.release(),
            _ if rng.below(6) == 0 => {
                let code = [1000, 1001, 1011, 3000, 4999][rng.below(5)];
                let frame = CloseFrame::new(CloseCode::new(code), "done");
                let frame = (rng.below(4) > 0).then_some(frame);
                assert_eq!(self.connection.close(frame).is_ok(), open);
            }
            _ => {}
        }
    }

    fn send_message(&mut self, rng: &mut Rng) {
        let len = rng.length(30_000);
        let (message, model) = match rng.below(2) {
            0 => {
                let text = rng.text(len / 2);
                (Message::from(text.clone()), Got::Text(text))
            }
            _ => {
                let payload = rng.bytes(len);
                (Message::from(payload.clone()), Got::Binary(payload))
            }
        };
        match self.connection.send(message.clone()) {
            Ok(()) => self.sent.push(model),
            Err(SendError::MessageOpen(back)) => {
                assert!(self.open.is_some());
                assert_eq!(back, message);
            }
            Err(SendError::Full(back) | SendError::Closing(back)) => assert_eq!(back, message),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn send_fragment(&mut self, rng: &mut Rng) {
        let fin = if rng.below(3) == 0 { Fin::Last } else { Fin::More };
        let mut open = self.open.clone().unwrap_or_else(|| match rng.below(2) {
            0 => Got::text(""),
            _ => Got::binary(b""),
        });
        let len = rng.length(5000);
        let data = match &mut open {
            Got::Text(whole) => {
                let text = rng.text(len / 2);
                whole.push_str(&text);
                Message::from(text)
            }
            Got::Binary(whole) => {
                let payload = rng.bytes(len);
                whole.extend_from_slice(&payload);
                Message::from(payload)
            }
            model => panic!("{model:?}"),
        };
        if self.connection.send_fragment(data, fin).is_ok() {
            self.open = Some(open);
            if fin == Fin::Last {
                self.sent.extend(self.open.take());
            }
        }
    }

    /// Writes up to `most` bytes to the transport.
    fn write(&mut self, most: usize) -> bool {
        let mut bytes = Vec::new();
        if !self.shut {
            take_output(&mut self.connection, most, &mut bytes);
        }
        self.written.extend_from_slice(&bytes);
        self.under_way.extend(&bytes);
        let shut = self.connection.wants_shutdown() || self.is_closed();
        let moved = !bytes.is_empty() || (shut && !self.shut);
        self.shut |= shut;
        moved
    }

    fn read(&mut self, bytes: &[u8], by_space: bool) {
        if self.is_closed() {
            return;
        }
        let mut rest = bytes;
        while by_space && !rest.is_empty() {
            let space = self.connection.space();
            let n = space.len().min(rest.len());
            space[..n].copy_from_slice(&rest[..n]);
            self.connection.advance(n);
            rest = &rest[n..];
            self.poll();
        }
        self.connection.receive(rest);
        self.poll();
    }
}

struct Simulation {
    rng: Rng,
    ends: [End; 2],
    now: Time,
    /// Nothing was lost, and no end was kept waiting: both must end clean.
    fair: bool,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let ends = ROLES.map(|role| {
            let timers = match rng.below(3) {
                0 => Timers::new(),
                1 => Timers::new().keepalive(Duration::from_secs(7)),
                _ => Timers::new()
                    .keepalive(Duration::from_secs(4))
                    .idle(Duration::from_secs(60)),
            };
            let delivery = [Delivery::Messages, Delivery::Fragments][rng.below(2)];
            let limits = Limits::new().output_high_water([1 << 20, 3000][rng.below(2)]);
            End::new(role, &Config::new().timers(timers).delivery(delivery).limits(limits))
        });
        Self {
            rng,
            ends,
            now: Time::ZERO,
            fair: true,
        }
    }

    fn run(mut self) {
        let (steps, lossy) = (50 + self.rng.below(300), self.rng.below(3) == 0);
        for _ in 0..steps {
            let end = self.rng.below(2);
            match self.rng.below(20) {
                0..=6 => self.ends[end].operate(&mut self.rng),
                7..=10 => {
                    let most = self.most();
                    self.ends[end].write(most);
                }
                11..=16 => {
                    let most = self.most();
                    self.deliver(end, most);
                }
                17 | 18 => {
                    let millis = self.rng.next() % 400;
                    self.pass(Duration::from_millis(millis));
                }
                _ if lossy && self.rng.below(15) == 0 => self.lose(end),
                _ => {}
            }
        }
        self.finish();
        self.check();
    }

    fn most(&mut self) -> usize {
        [1, 7, 500, 50_000][self.rng.below(4)]
    }

    /// Lets up to `most` bytes that `from` wrote arrive at the other end, and the end of the stream behind them.
    fn deliver(&mut self, from: usize, most: usize) -> bool {
        let by_space = self.rng.below(2) == 0;
        let (from, to) = match &mut self.ends {
            [client, server] if from == 0 => (client, server),
            [client, server] => (server, client),
        };
        let n = most.min(from.under_way.len());
        let bytes: Vec<u8> = from.under_way.drain(..n).collect();
        to.read(&bytes, by_space);
        let ends = from.shut && from.under_way.is_empty() && !from.shut_arrived;
        if ends {
            from.shut_arrived = true;
            to.connection.receive_eof();
            to.poll();
        }
        n > 0 || ends
    }

    /// Time passes; deadlines are handled at both ends, now and then late.
    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for end in &mut self.ends {
            if end.connection.poll_timeout().is_some_and(|due| due <= self.now) {
                end.connection.handle_timeout(self.now);
                end.poll();
                self.fair &= !matches!(end.error, Some(ProtocolError::TimedOut(_)));
            }
        }
    }

    /// The transport breaks: for one end or for both, with what is under way.
    fn lose(&mut self, end: usize) {
        self.fair = false;
        match self.rng.below(3) {
            0 => {
                self.ends[end].connection.abort();
                self.ends[end].poll();
            }
            1 => {
                self.ends[end].connection.receive_eof();
                self.ends[end].poll();
            }
            _ => {
                for end in &mut self.ends {
                    end.under_way.clear();
                    end.shut = true;
                }
            }
        }
    }

    /// Closes, and moves everything until both ends are closed.
    fn finish(&mut self) {
        let closer = self.rng.below(2);
        let _ = self.ends[closer].connection.close(CloseFrame::from(CloseCode::NORMAL));
        for _ in 0..2000 {
            let mut moved = false;
            for end in 0..2 {
                moved |= self.ends[end].write(usize::MAX);
                moved |= self.deliver(end, usize::MAX);
            }
            if self.ends.iter().all(End::is_closed) {
                return;
            }
            if !moved {
                self.pass(Duration::from_millis(250));
            }
        }
        panic!(
            "no end in sight: {:?}",
            self.ends.each_ref().map(|end| end.connection.closure())
        );
    }

    fn check(&self) {
        let [client, server] = &self.ends;
        for (end, peer) in [(client, server), (server, client)] {
            let frames = check_frames(end, self.fair);
            let closes = frames.iter().filter(|frame| frame.opcode() == CLOSE).count();
            assert!(closes <= 1);
            check_messages(end, peer);
            check_pongs(peer, &frames, end);
            let closure = end.connection.closure().expect("closed");
            assert_eq!(closure.failure, end.error);
            if let Some(error) = end.error {
                let lost = matches!(error, ProtocolError::ConnectionLost | ProtocolError::TimedOut(_));
                assert!(lost && !self.fair, "{:?}: {error}", end.role);
            }
            assert!(!self.fair || closure.clean, "{:?}: {closure:?}", end.role);
        }
        let [client, server] = [client, server].map(|end| Ended::from(end.connection.closure().expect("closed")));
        if client.clean && server.clean {
            assert_eq!((Some(client.code), client.sent), (server.sent, Some(server.code)));
            let both = (client.initiator, server.initiator);
            assert_ne!(both, (Side::Peer, Side::Peer), "somebody began");
        }
    }
}

/// The frames that an end wrote; the last may be cut if the transport was lost.
fn check_frames(end: &End, fair: bool) -> Vec<wire::Sent> {
    let (frames, rest) = wire::parse(&end.written);
    assert!(rest.is_empty() || !fair, "{:?} ended inside a frame", end.role);
    wire::check_sent(end.role, &frames);
    frames
}

/// What `end` got are the messages that `peer` sent, from the first on; all of them, if the peer's Close came.
fn check_messages(end: &End, peer: &End) {
    let got: Vec<Got> = joined(&end.events)
        .into_iter()
        .filter(|event| matches!(event, Got::Text(_) | Got::Binary(_)))
        .collect();
    assert!(
        peer.sent.starts_with(&got),
        "{:?} got {got:?} of {:?}",
        end.role,
        peer.sent
    );
    if end.events.iter().any(|event| matches!(event, Got::Close(_))) {
        assert_eq!(
            got.len(),
            peer.sent.len(),
            "{:?} did not get all before the Close",
            end.role
        );
    }
    // A message that is not whole: what came of it is the beginning of it.
    let pieces = end
        .events
        .iter()
        .rev()
        .take_while(|event| !matches!(event, Got::Piece(_, _, Fin::Last)));
    let mut pieces: Vec<&Got> = pieces.collect();
    pieces.reverse();
    let mut begun = Vec::new();
    for piece in pieces {
        if let Got::Piece(kind, piece, _) = piece {
            assert!(*kind == MessageKind::Binary || std::str::from_utf8(piece).is_ok());
            begun.extend_from_slice(piece);
        }
    }
    let next = peer.sent.get(got.len()).or(peer.open.as_ref());
    let next: &[u8] = match next {
        Some(Got::Text(text)) => text.as_bytes(),
        Some(Got::Binary(payload)) => payload,
        _ => &[],
    };
    assert!(next.starts_with(&begun), "{:?} got a piece that was not sent", end.role);
}

/// The Pongs that `end` wrote: those of its application in order, and others that answer Pings in order.
fn check_pongs(peer: &End, frames: &[wire::Sent], end: &End) {
    let pongs = frames
        .iter()
        .filter(|frame| frame.opcode() == PONG)
        .map(|frame| &frame.payload);
    let (users, answers): (Vec<_>, Vec<_>) = pongs.partition(|payload| payload.starts_with(b"user"));
    assert!(end.pongs.iter().take(users.len()).eq(users), "{:?}", end.role);
    let (asked, _) = wire::parse(&peer.written);
    let mut pings = asked
        .iter()
        .filter(|frame| frame.opcode() == PING)
        .map(|frame| &frame.payload);
    for answer in answers {
        assert!(
            pings.any(|ping| ping == answer),
            "{:?}: {answer:?} was not asked, or not in this order",
            end.role
        );
    }
}

/// SEC-11: an end whose peer vanished without a word is closed by time alone, from every state.
#[test]
fn time_alone_ends_every_run() {
    for seed in 0..100 {
        let mut simulation = Simulation::new(seed);
        for _ in 0..simulation.rng.below(100) {
            let end = simulation.rng.below(2);
            simulation.ends[end].operate(&mut simulation.rng);
            let most = simulation.most();
            simulation.ends[end].write(most);
            simulation.deliver(end, most);
        }
        for end in &mut simulation.ends {
            let _ = end.connection.close(None);
            let mut now = simulation.now;
            for _ in 0..100 {
                if let Some(due) = end.connection.poll_timeout() {
                    now = now.max(due);
                    end.connection.handle_timeout(now);
                    end.poll();
                }
            }
            assert!(end.is_closed(), "seed {seed}");
            let timed_out = end.error.is_none_or(|error| {
                matches!(
                    error,
                    ProtocolError::TimedOut(Timer::Close | Timer::Write) | ProtocolError::ConnectionLost
                )
            });
            assert!(timed_out, "seed {seed}: {:?}", end.error);
            assert!(now <= simulation.now + Duration::from_secs(60));
        }
    }
}
