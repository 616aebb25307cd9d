//! Random conversations against a model, and random faults against each other.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{RngSeed, TestCaseResult},
};
use websocket_proto::{Config, Connection, Delivery, Limits, ReadyState, Role, Time};

use crate::{
    raw::{Cuts, Feed, Got, Scenario, take_events, take_output},
    rng::Rng,
    wire::{self, BINARY, CONTINUATION, FIN, TEXT},
};

/// Repeatable, and does not write regression files.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(6455),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// One thing that the peer sends.
#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

impl Step {
    fn event(&self) -> Got {
        match self {
            Self::Text(text) => Got::text(text),
            Self::Binary(payload) => Got::binary(payload),
            Self::Ping(payload) => Got::ping(payload),
            Self::Pong(payload) => Got::pong(payload),
        }
    }
}

fn payload(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..20),
        2 => vec(any::<u8>(), 120..=130.min(most)),
        1 => vec(any::<u8>(), 0..=most),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let text = prop_oneof![
        vec(any::<char>(), 0..40).prop_map(|chars| chars.into_iter().collect::<String>()),
        (0..9000_usize, any::<u64>()).prop_map(|(len, seed)| Rng::new(seed).text(len)),
    ];
    let step = prop_oneof![
        3 => text.prop_map(Step::Text),
        3 => payload(40_000).prop_map(Step::Binary),
        1 => payload(125).prop_map(Step::Ping),
        1 => payload(125).prop_map(Step::Pong),
    ];
    vec(step, 0..8)
}

/// The frames of these steps: messages in random fragments, with the control frames that follow them placed between the
/// fragments. Returns the bytes, and the expected events.
fn encode(from: Role, steps: &[Step], rng: &mut Rng) -> (Vec<u8>, Vec<Got>) {
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    let mut push = |first: u8, payload: &[u8], rng: &mut Rng| {
        let key = (from == Role::Client).then(|| *rng.bytes(4).first_chunk().unwrap());
        bytes.extend(wire::header(first, payload.len() as u64, key));
        bytes.extend(wire::masked(payload, key));
    };
    let mut steps = steps.iter().peekable();
    while let Some(step) = steps.next() {
        let (opcode, payload) = match step {
            Step::Text(text) => (TEXT, text.as_bytes()),
            Step::Binary(payload) => (BINARY, &payload[..]),
            Step::Ping(payload) | Step::Pong(payload) => {
                let opcode = if matches!(step, Step::Ping(_)) {
                    wire::PING
                } else {
                    wire::PONG
                };
                push(FIN | opcode, payload, rng);
                events.push(step.event());
                continue;
            }
        };
        let (mut opcode, mut rest) = (opcode, payload);
        while rng.below(3) > 0 {
            let (piece, after) = rest.split_at(rng.below(rest.len() + 1));
            push(opcode, piece, rng);
            (opcode, rest) = (CONTINUATION, after);
            while let Some(control) = steps.next_if(|step| matches!(step, Step::Ping(_) | Step::Pong(_))) {
                let (first, payload) = match control {
                    Step::Ping(payload) => (FIN | wire::PING, payload),
                    Step::Pong(payload) => (FIN | wire::PONG, payload),
                    _ => unreachable!("just asked"),
                };
                push(first, payload, rng);
                events.push(control.event());
            }
        }
        push(FIN | opcode, rest, rng);
        events.push(step.event());
    }
    (bytes, events)
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

fn settings() -> impl Strategy<Value = Config> {
    let delivery = prop_oneof![Just(Delivery::Messages), Just(Delivery::Fragments)];
    delivery.prop_map(|delivery| Config::new().delivery(delivery))
}

/// A few segmentations: those of [`Scenario::run`] would take too long for every case.
fn segmentations(seed: u64) -> [(Feed, Cuts); 4] {
    [
        (Feed::Receive, Cuts::Bytes),
        (Feed::Space, Cuts::Random(Rng::new(seed))),
        (Feed::LentBuffer, Cuts::Random(Rng::new(seed + 1))),
        (Feed::Receive, Cuts::Random(Rng::new(seed + 2))),
    ]
}

/// Whatever the bytes did, time ends the connection when the peer is silent.
fn assert_time_ends_it(role: Role, config: &Config, bytes: &[u8]) {
    let mut connection = Connection::new(role, config);
    connection.receive(bytes);
    let _ = take_events(&mut connection, &mut Vec::new());
    let _ = connection.close(None);
    take_output(&mut connection, 1, &mut Vec::new());
    for _ in 0..10 {
        if let Some(due) = connection.poll_timeout() {
            connection.handle_timeout(due.max(Time::from_origin(core::time::Duration::from_secs(1))));
        }
        let _ = take_events(&mut connection, &mut Vec::new());
    }
    assert_eq!(connection.ready_state(), ReadyState::Closed);
}

fn same_under_every_segmentation(role: Role, config: &Config, bytes: &[u8], seed: u64) -> TestCaseResult {
    let scenario = Scenario::new(role, bytes).config(config);
    let whole = scenario.run_once(Feed::Space, Cuts::Whole);
    for (feed, cuts) in segmentations(seed) {
        prop_assert_eq!(&scenario.run_once(feed, cuts.clone()), &whole, "{:?} {:?}", feed, cuts);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(96))]

    /// MSG-10, MSG-26, FR-12: valid conversations give the messages of the model, however they are fragmented, masked and cut,
    /// and every Ping is answered in order.
    #[test]
    fn valid_conversations_give_what_was_sent(
        role in role(), config in settings(), steps in steps(), seed in any::<u32>(),
    ) {
        let (bytes, expected) = encode(role.peer(), &steps, &mut Rng::new(seed.into()));
        let scenario = Scenario::new(role, &bytes[..]).config(&config);
        let pings: Vec<_> = steps.iter().filter_map(|step| match step {
            Step::Ping(payload) => Some((FIN | wire::PONG, &payload[..])),
            _ => None,
        }).collect();
        for (feed, cuts) in segmentations(seed.into()) {
            let outcome = scenario.run_once(feed, cuts);
            prop_assert_eq!(outcome.error, None);
            prop_assert_eq!(&outcome.events, &expected);
            prop_assert_eq!(outcome.sent(), pings.clone());
        }
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// SEC-12, FR-21: a valid conversation with injected faults gives the same result under every segmentation, never a panic,
    /// and what was complete before the first fault is delivered.
    #[test]
    fn mutated_conversations_are_judged_alike(
        role in role(),
        config in settings(),
        steps in steps(),
        faults in vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..4),
        seed in any::<u32>(),
    ) {
        let (mut bytes, events) = encode(role.peer(), &steps, &mut Rng::new(seed.into()));
        let mut first = bytes.len();
        for (at, kind, byte) in faults {
            let at = at.index(bytes.len() + 1);
            first = first.min(at);
            match kind {
                0 if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
                1 if at < bytes.len() => bytes[at] = byte,
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        same_under_every_segmentation(role, &config, &bytes, seed.into())?;
        assert_time_ends_it(role, &config, &bytes);

        let before = Scenario::new(role, &bytes[..first]).config(&config).run_once(Feed::Space, Cuts::Whole);
        prop_assert_eq!(before.error, None);
        prop_assert!(events.starts_with(&before.events));
        let all = Scenario::new(role, &bytes[..]).config(&config).run_once(Feed::Space, Cuts::Whole);
        prop_assert!(all.events.starts_with(&before.events));
    }

    /// SEC-12: noise, and frames with random headers, are judged alike under every segmentation and limit.
    #[test]
    fn random_frames_are_judged_alike(
        role in role(),
        delivery in settings(),
        frames in vec((any::<u8>(), any::<bool>(), 0..300_u64, payload(200)), 0..6),
        most in 0..400_u64,
        seed in any::<u32>(),
    ) {
        let limits = Limits::new().max_frame_size(most).max_message_size(most + 50).max_fragments(3);
        let config = delivery.limits(limits);
        let mut bytes = Vec::new();
        for (i, (first, odd, len, payload)) in frames.into_iter().enumerate() {
            // Mostly frames that could be valid, so that later ones matter.
            let first = if odd { first } else { [FIN | TEXT, BINARY, CONTINUATION, FIN | 9][usize::from(first) % 4] };
            let len = if odd && i % 2 == 0 { len } else { payload.len() as u64 };
            let key = ((role == Role::Server) ^ (odd && i % 3 == 2)).then_some([1, 0, 0x80, 7]);
            bytes.extend(wire::header(first, len, key));
            bytes.extend(wire::masked(&payload, key));
        }
        same_under_every_segmentation(role, &config, &bytes, seed.into())?;
        assert_time_ends_it(role, &config, &bytes);
    }
}
