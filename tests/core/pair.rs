//! A client and a server that talk to each other, on a virtual clock.

use core::time::Duration;

use websocket_proto::{Config, Connection, Negotiated, ProtocolError, ReadyState, Role, Time, frame::Rsv};

use crate::{
    raw::{Cuts, Ended, Got, take_events, take_output},
    rng::Rng,
    wire::{self, Sent},
};

/// One end, and everything that happened there.
pub struct End {
    pub role: Role,
    pub connection: Connection,
    pub events: Vec<Got>,
    pub error: Option<ProtocolError>,
    /// All bytes that were written to the transport.
    pub written: Vec<u8>,
    /// Whether the write side of the transport was shut down.
    pub shut: bool,
    cuts: Cuts,
    claimed: Rsv,
}

impl End {
    fn new(negotiated: &Negotiated, config: &Config, cuts: Cuts) -> Self {
        Self {
            role: negotiated.role(),
            connection: Connection::from_negotiated(negotiated, config),
            events: Vec::new(),
            error: None,
            written: Vec::new(),
            shut: false,
            cuts,
            claimed: negotiated.reserved_bits(),
        }
    }

    /// The frames that were written, checked against the rules for all frames of that role.
    pub fn frames(&self) -> Vec<Sent> {
        wire::parse_claiming(self.role, &self.written, self.claimed)
    }

    pub fn close_info(&self) -> Option<Ended> {
        self.connection.close_info().map(Ended::from)
    }

    pub fn is_closed(&self) -> bool {
        self.connection.ready_state() == ReadyState::Closed
    }

    /// Takes all events, as an application does after every read and every deadline.
    pub fn poll(&mut self) {
        let before = self.events.len();
        let result = take_events(&mut self.connection, &mut self.events);
        if let Some(error) = self.error {
            assert_eq!(result, Err(error), "a terminal error repeats");
            assert_eq!(self.events.len(), before, "no event after a terminal error");
        }
        self.error = result.err();
    }

    /// Writes the pending output, cut as configured, and returns the pieces; shuts the write side down if requested.
    fn write(&mut self) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        while !self.shut && self.connection.wants_write() {
            let n = self.cuts.next(0, self.connection.output().len());
            let mut piece = Vec::new();
            take_output(&mut self.connection, n, &mut piece);
            self.written.extend_from_slice(&piece);
            pieces.push(piece);
        }
        if self.connection.wants_shutdown() || self.is_closed() {
            self.shut = true;
        }
        pieces
    }
}

/// Both ends.
pub struct Pair {
    pub client: End,
    pub server: End,
    pub now: Time,
    /// Whether what one end writes reaches the other.
    pub linked: bool,
}

impl Pair {
    pub fn new(client: &Config, server: &Config, cuts: Cuts) -> Self {
        Self::claiming(client, server, Rsv::NONE, cuts)
    }

    /// A pair whose applications have an extension with these reserved bits.
    fn claiming(client: &Config, server: &Config, bits: Rsv, cuts: Cuts) -> Self {
        let (for_client, for_server) = negotiate(client, server);
        let [for_client, for_server] = [for_client, for_server].map(|negotiated| negotiated.with_reserved_bits(bits));
        Self {
            client: End::new(&for_client, client, cuts.clone()),
            server: End::new(&for_server, server, cuts),
            now: Time::ZERO,
            linked: true,
        }
    }

    /// Runs a scenario whole, one byte at a time and cut at random, and asserts that the events, the sent bytes and the end are
    /// the same.
    #[track_caller]
    pub fn run(config: &Config, scenario: impl Fn(&mut Pair)) -> Pair {
        Self::run_with(config, config, scenario)
    }

    /// Like [`run`](Self::run), with settings for each end.
    #[track_caller]
    pub fn run_with(client: &Config, server: &Config, scenario: impl Fn(&mut Pair)) -> Pair {
        Self::run_claiming(client, server, Rsv::NONE, scenario)
    }

    /// Like [`run_with`](Self::run_with), with an extension of the applications that has these reserved bits.
    #[track_caller]
    pub fn run_claiming(client: &Config, server: &Config, bits: Rsv, scenario: impl Fn(&mut Pair)) -> Pair {
        let random = (1..4).map(|seed| Cuts::Random(Rng::new(seed)));
        let mut first: Option<Pair> = None;
        for cuts in [Cuts::Whole, Cuts::Bytes].into_iter().chain(random) {
            let mut pair = Pair::claiming(client, server, bits, cuts.clone());
            scenario(&mut pair);
            if let Some(first) = &first {
                for (end, first) in [(&pair.client, &first.client), (&pair.server, &first.server)] {
                    let payloads = |end: &End| -> Vec<_> {
                        let frames = end.frames().into_iter();
                        frames.map(|frame| (frame.first, frame.payload)).collect()
                    };
                    assert_eq!(end.events, first.events, "{:?} with {cuts:?}", end.role);
                    assert_eq!(payloads(end), payloads(first), "{:?} with {cuts:?}", end.role);
                    assert_eq!(end.close_info(), first.close_info(), "{:?} with {cuts:?}", end.role);
                    assert_eq!(end.error, first.error, "{:?} with {cuts:?}", end.role);
                }
            }
            first.get_or_insert(pair);
        }
        first.expect("there are segmentations")
    }

    /// Moves bytes both ways until nothing more moves.
    pub fn pump(&mut self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the two never become idle");
    }

    /// Handles the deadlines that are due and moves the pending output of each end to the other. Returns whether anything
    /// happened.
    pub fn step(&mut self) -> bool {
        let mut due = false;
        for end in [&mut self.client, &mut self.server] {
            for round in 0.. {
                if end.connection.poll_timeout().is_none_or(|due| due > self.now) {
                    break;
                }
                assert!(round < 10, "a deadline that was handled is due again");
                end.connection.handle_timeout(self.now);
                end.poll();
                due = true;
            }
        }
        let to_server = move_bytes(&mut self.client, &mut self.server, self.linked);
        let to_client = move_bytes(&mut self.server, &mut self.client, self.linked);
        due || to_server || to_client
    }

    /// Lets time pass: every deadline is handled when it is due, and bytes move at once.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..10_000 {
            self.pump();
            let due = [&self.client, &self.server].map(|end| end.connection.poll_timeout());
            let next = due.into_iter().flatten().min();
            match next {
                Some(next) if next <= end => self.now = next,
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the deadlines never end");
    }

    /// Lets time pass until both ends are closed, and returns the elapsed time.
    pub fn run_to_end(&mut self) -> Duration {
        let start = self.now;
        self.pump();
        for _ in 0..1000 {
            if self.client.is_closed() && self.server.is_closed() {
                return self.now.since(start);
            }
            self.pass(Duration::from_millis(500));
        }
        panic!(
            "still {:?} and {:?}",
            self.client.close_info(),
            self.server.close_info()
        );
    }
}

/// What an opening handshake between these two would negotiate.
#[cfg(feature = "deflate")]
pub fn negotiate(client: &Config, server: &Config) -> (Negotiated, Negotiated) {
    let (mut for_client, mut for_server) = (Negotiated::new(Role::Client), Negotiated::new(Role::Server));
    if let (Some(client), Some(server)) = (client.deflate, server.deflate) {
        if let Some((params, answer)) = server.answer(client.offers()) {
            for_client = for_client.with_deflate(client.check_answer(&answer).unwrap());
            for_server = for_server.with_deflate(params);
        }
    }
    (for_client, for_server)
}

#[cfg(not(feature = "deflate"))]
pub fn negotiate(_: &Config, _: &Config) -> (Negotiated, Negotiated) {
    (Negotiated::new(Role::Client), Negotiated::new(Role::Server))
}

/// Moves the pending output of `from` to `to`, followed by the end of the stream.
fn move_bytes(from: &mut End, to: &mut End, linked: bool) -> bool {
    let was_shut = from.shut;
    let pieces = from.write();
    let moved = !pieces.is_empty() || from.shut != was_shut;
    if linked && !to.is_closed() {
        for piece in pieces {
            to.connection.receive(&piece);
            to.poll();
        }
        if from.shut && !was_shut {
            to.connection.receive_eof();
            to.poll();
        }
    }
    moved
}

/// The settings that most scenarios use.
pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
