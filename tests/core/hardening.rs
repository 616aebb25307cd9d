//! SEC-12: no argument and no order of calls makes the public API panic or hang.

use std::panic::{AssertUnwindSafe, catch_unwind};

use websocket_proto::{
    Buf, CloseCode, CloseFrame, Config, Connection, Delivery, Fragment, Limits, Message, PingPolicy, ReadyState, Role,
    Time, Timers,
};

use crate::{
    rng::Rng,
    wire::{self, BINARY, FIN, ROLES, sample},
};

/// Space in the receive buffer, with and without bytes in it, and space in a message that is read straight into its buffer.
fn kinds_of_room(role: Role) -> [Connection; 3] {
    [0, 5, 40_000].map(|received| {
        let mut connection = Connection::new(role, &Config::new());
        if received > 0 {
            let bytes = wire::binary(role.peer(), &sample(100_000));
            connection.receive(&bytes[..received]);
            assert_eq!(connection.next_event(), Ok(None));
        }
        connection
    })
}

/// SEC-12: advancing by more than the available space is a bug that debug builds report; in release builds it counts as all of
/// the space.
#[test]
fn advancing_too_far_is_no_panic_in_a_release_build() {
    for role in ROLES {
        for n in [1, 100_000, usize::MAX / 2, usize::MAX] {
            for mut connection in kinds_of_room(role) {
                let room = connection.space().len();
                let result = catch_unwind(AssertUnwindSafe(|| {
                    connection.advance(room.saturating_add(n));
                    while let Ok(Some(_)) = connection.next_event() {}
                    connection.receive(&[0; 1000]);
                    while let Ok(Some(_)) = connection.next_event() {}
                }));
                assert_eq!(result.is_err(), cfg!(debug_assertions), "{room} + {n}");
            }
        }
    }
}

/// SEC-12: advancing by zero, or without a call to `space`, and receiving nothing are harmless.
#[test]
fn advancing_by_nothing_is_harmless() {
    for role in ROLES {
        for mut connection in kinds_of_room(role) {
            connection.advance(0);
            connection.space();
            connection.advance(0);
            connection.receive(&[]);
            assert_eq!(connection.next_event(), Ok(None));
            assert_eq!(connection.ready_state(), ReadyState::Open);
        }
    }
}

/// SEC-12: no read is wanted while pending events fill the buffer, which is exactly when there is no space.
#[test]
fn reads_are_wanted_where_there_is_room() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        let pings = wire::ping(role.peer(), b"payload").repeat(2000);
        let mut bytes = pings.iter();
        while connection.wants_read() {
            let space = connection.space();
            let room = space.len().min(1000);
            assert!(room > 0);
            space
                .iter_mut()
                .zip(&mut bytes)
                .take(room)
                .for_each(|(place, byte)| *place = *byte);
            connection.advance(room);
        }
        assert!(connection.space().is_empty());
        assert!(matches!(connection.next_event(), Ok(Some(_))));
        assert!(connection.wants_read());
        assert!(!connection.space().is_empty());
    }
}

/// SEC-12: space that was handed out may be left unused, while the same bytes arrive through `receive`.
#[test]
fn space_and_receive_may_be_mixed() {
    let payload = sample(100_000);
    for role in ROLES {
        let bytes = wire::binary(role.peer(), &payload);
        let mut connection = Connection::new(role, &Config::new());
        let mut rng = Rng::new(4);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let n = rest.len().min(1 + rng.below(9000));
            if rng.below(2) == 0 {
                connection.space().fill(0xee);
                connection.receive(&rest[..n]);
                rest = &rest[n..];
            } else {
                let space = connection.space();
                let n = n.min(space.len());
                space[..n].copy_from_slice(&rest[..n]);
                connection.advance(n);
                rest = &rest[n..];
            }
            match connection.next_event().unwrap() {
                None => assert!(!rest.is_empty()),
                Some(event) => {
                    assert_eq!(event, websocket_proto::Event::Message(Message::from(&payload)));
                    assert!(rest.is_empty());
                }
            }
        }
    }
}

/// SEC-12: a connection that ended takes every call without effect.
#[test]
fn an_ended_connection_takes_every_call() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.feed("never written").unwrap();
        connection.abort();
        for _ in 0..2 {
            assert_eq!(connection.ready_state(), ReadyState::Closed);
            assert_eq!((connection.wants_read(), connection.wants_write()), (false, false));
            assert!(!connection.wants_shutdown());
            assert_eq!(connection.poll_timeout(), None);
            connection.receive(&wire::text(role.peer(), "late"));
            assert!(!connection.space().is_empty());
            connection.advance(1);
            assert!(connection.next_event().is_err());
            connection.receive_eof();
            connection.handle_timeout(Time::ZERO);
            connection.measure_latency();
            assert!(connection.feed("late").is_err());
            assert!(connection.close(None).is_ok());
            assert!(!connection.output().has_remaining());
            connection.abort();
            connection.release();
        }
    }
}

fn random_config(rng: &mut Rng) -> Config {
    let limits = match rng.below(3) {
        0 => Limits::new(),
        1 => Limits::new()
            .max_frame_size(200)
            .max_message_size(500)
            .max_fragments(4)
            .output_high_water(300),
        _ => Limits::new().max_frame_size(u64::MAX).max_message_size(u64::MAX),
    };
    let timers = Timers::new().idle(Time::from_origin(core::time::Duration::from_secs(20)).since_origin());
    let config = Config::new()
        .limits(limits)
        .timers(timers.keepalive(core::time::Duration::from_secs(3)));
    let config = config.delivery([Delivery::Messages, Delivery::Fragments][rng.below(2)]);
    config.pings([PingPolicy::Answer, PingPolicy::Report][rng.below(2)])
}

/// Bytes that are partly frames of either role, and partly noise.
fn random_bytes(rng: &mut Rng) -> Vec<u8> {
    let from = ROLES[rng.below(2)];
    let len = rng.length(40_000);
    match rng.below(6) {
        0 => rng.bytes(len.min(200)),
        1 => {
            let first = rng.next() as u8;
            wire::frame(from, first, &sample(len))
        }
        2 => wire::header(rng.next() as u8 & 0x8f, rng.next() >> rng.below(64), Some([1, 2, 3, 4])),
        3 => wire::frame(from, FIN | BINARY, &sample(len)),
        4 => wire::frame(from, [0x01, 0x02, 0x00, 0x80][rng.below(4)], &sample(len.min(100))),
        _ => wire::ping(from, &sample(len.min(125))),
    }
}

/// SEC-12: random calls with random arguments in random order neither panic nor hang, and time ends every connection.
#[test]
fn random_calls_do_no_harm() {
    for seed in 0..600 {
        let result = catch_unwind(|| random_calls(seed));
        assert!(result.is_ok(), "seed {seed}");
    }
}

fn random_calls(seed: u64) {
    let mut rng = Rng::new(seed);
    let config = random_config(&mut rng);
    let mut connection = Connection::new(ROLES[rng.below(2)], &config);
    let mut now = Time::ZERO;
    for _ in 0..120 {
        match rng.below(24) {
            0..=3 => connection.receive(&random_bytes(&mut rng)),
            4..=6 => {
                let bytes = random_bytes(&mut rng);
                let space = connection.space();
                let n = space.len().min(bytes.len());
                space[..n].copy_from_slice(&bytes[..n]);
                connection.advance(n);
            }
            7..=10 => while let Ok(Some(_)) = connection.next_event() {},
            11 => drop(connection.next_event()),
            12 => drop(connection.feed(&sample(rng.length(70_000)))),
            13 => drop(connection.feed(sample(rng.length(70_000)))),
            14 => {
                let is_last = rng.below(2) == 1;
                drop(connection.feed(Fragment::new("text", is_last)));
            }
            15 => drop(connection.ping(&sample(rng.length(200)))),
            16 => drop(connection.pong(&sample(rng.length(200)))),
            17 => {
                let n = rng.below(100_000).min(connection.output().remaining());
                connection.output().advance(n);
            }
            18 => {
                now = now + core::time::Duration::from_millis(rng.next() % 5000);
                connection.handle_timeout(now);
            }
            19 => connection.release(),
            20 => connection.measure_latency(),
            21 => {
                let (inbound, _) = connection.split_mut();
                let buffer = inbound.take_buffer();
                if let (Some(buffer), 0) = (buffer, rng.below(2)) {
                    drop(inbound.give_buffer(buffer));
                }
            }
            22 if rng.below(4) == 0 => {
                let reason = rng.text(40);
                let _ = connection.close(CloseFrame::new(CloseCode::new(rng.next() as u16), &reason));
            }
            23 if rng.below(6) == 0 => match rng.below(3) {
                0 => connection.abort(),
                _ => connection.receive_eof(),
            },
            _ => {}
        }
        let (queued, full) = (connection.output().len(), connection.split_mut().1.is_full());
        assert!(!full || queued > 0);
        assert_eq!(
            connection.close_info().is_none(),
            connection.ready_state() == ReadyState::Open
        );
    }
    // Whatever happened: if the peer is silent, time ends the connection.
    for _ in 0..200 {
        while let Ok(Some(_)) = connection.next_event() {}
        if connection.ready_state() == ReadyState::Closed {
            connection.release();
            return;
        }
        let due = connection.poll_timeout().expect("there is a deadline until it ends");
        now = now.max(due);
        connection.handle_timeout(now);
    }
    panic!("still {:?}", connection.ready_state());
}

/// CL-21: a fault at the front of a full receive buffer leaves space to read and discard the bytes in flight.
#[test]
fn a_failure_leaves_room_to_read() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        let room = connection.space();
        room.fill(0xff);
        let n = room.len();
        connection.advance(n);
        assert!(connection.next_event().is_err());
        assert!(connection.wants_read(), "the peer has not ended its direction");
        assert!(
            !connection.space().is_empty(),
            "a read into an empty slice looks like the end"
        );
    }
}
