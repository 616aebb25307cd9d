//! SEC-03, SEC-04, SEC-05, SEC-09, SEC-10: bounds on what a peer can make an endpoint hold.

use websocket_proto::{Buf, Config, Connection, Fragment, Limits, Outgoing, ProtocolError, Role, SendError};

use crate::{
    raw::{Got, Scenario, receive, take_events, take_frames, take_output},
    rng::Rng,
    wire::{self, BINARY, CLOSE, CONTINUATION, FIN, KEY, PONG, ROLES, TEXT, sample},
};

/// SEC-03: the default limits are on: 16 MiB for a frame, from its header, and for a message.
#[test]
fn the_limits_hold_by_default() {
    for role in ROLES {
        let key = (role == Role::Server).then_some(KEY);
        let most = 16 << 20;
        let error = receive(role, wire::header(FIN | BINARY, most + 1, key)).assert_failed(&[], 1009);
        assert_eq!(error, ProtocolError::FrameTooBig);
        receive(role, wire::header(FIN | BINARY, most, key)).assert_open(&[]);
        let bytes = [wire::frame(role.peer(), BINARY, b"x"), wire::header(FIN, most, key)].concat();
        assert_eq!(
            receive(role, bytes).assert_failed(&[], 1009),
            ProtocolError::MessageTooBig
        );
    }
}

/// SEC-03: a limit applies to frames and messages of every length, including short ones that arrive in parts.
#[test]
fn limits_of_every_size_hold() {
    for role in ROLES {
        for most in [0, 1, 2, 124, 125, 126, 127, 300, 65_536] {
            for limits in [Limits::new().max_frame_size(most), Limits::new().max_message_size(most)] {
                let config = Config::new().limits(limits);
                for opcode in [TEXT, BINARY] {
                    let payload = vec![b'a'; most as usize];
                    let event = match opcode {
                        TEXT => Got::Text("a".repeat(payload.len())),
                        _ => Got::Binary(payload.clone()),
                    };
                    let fits = wire::frame(role.peer(), FIN | opcode, &payload);
                    let header = wire::header(FIN | opcode, most + 1, (role == Role::Server).then_some(KEY));
                    let scenario = Scenario::new(role, [fits, header].concat()).config(&config);
                    scenario.run().assert_failed(&[event], 1009);
                }
            }
        }
    }
}

/// SEC-03: control frames are not data: no data limit rejects them.
#[test]
fn control_frames_do_not_count() {
    let config = Config::new().limits(Limits::new().max_frame_size(0).max_message_size(0).max_fragments(1));
    for role in ROLES {
        let bytes = [
            wire::frame(role.peer(), TEXT, b""),
            wire::ping(role.peer(), &[1; 125]),
            wire::close(role.peer(), 1000, "a reason"),
        ];
        let outcome = Scenario::new(role, bytes.concat()).config(&config).run();
        assert_eq!(outcome.events, [Got::ping(&[1; 125]), Got::close(1000, "a reason")]);
        assert_eq!(outcome.error, None);
    }
}

/// SEC-04: the sum of small fragments fails on the frame that crosses the limit, from its header.
#[test]
fn the_message_limit_covers_streams_of_fragments() {
    let config = Config::new().limits(Limits::new().max_message_size(1000));
    for role in ROLES {
        for opcode in [TEXT, BINARY] {
            let mut bytes = wire::frame(role.peer(), opcode, &[b'a'; 100]);
            for _ in 0..9 {
                bytes.extend(wire::frame(role.peer(), CONTINUATION, &[b'a'; 100]));
            }
            let scenario = Scenario::new(role, bytes.clone()).config(&config);
            scenario.run().assert_open(&[]);
            bytes.extend(wire::header(CONTINUATION, 1, (role == Role::Server).then_some(KEY)));
            let outcome = Scenario::new(role, bytes).config(&config).run();
            assert_eq!(outcome.assert_failed(&[], 1009), ProtocolError::MessageTooBig);
        }
    }
}

/// SEC-04: the limit applies to each message, not to the connection.
#[test]
fn the_message_limit_begins_anew_with_each_message() {
    let config = Config::new().limits(Limits::new().max_message_size(10).max_fragments(2));
    for role in ROLES {
        let bytes = wire::fragments(role.peer(), BINARY, &[b"12345", b"67890"]).repeat(20);
        let outcome = Scenario::new(role, bytes).config(&config).run();
        outcome.assert_open(&vec![Got::binary(b"1234567890"); 20]);
    }
}

/// SEC-05: the number of fragments is limited, and empty ones count.
#[test]
fn the_number_of_fragments_is_limited() {
    for role in ROLES {
        for most in [1, 2, 5] {
            let config = Config::new().limits(Limits::new().max_fragments(most));
            let pieces = vec![&b""[..]; most as usize];
            let fits = wire::fragments(role.peer(), TEXT, &pieces);
            let more = wire::fragments(role.peer(), TEXT, &[&pieces[..], &[b""]].concat());
            let outcome = Scenario::new(role, [fits, more].concat()).config(&config).run();
            assert_eq!(
                outcome.assert_failed(&[Got::text("")], 1008),
                ProtocolError::TooManyFragments
            );
        }
    }
}

/// SEC-05: by default a message of endless empty fragments fails soon enough, and costs no memory until then.
#[test]
fn endless_empty_fragments_fail() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.receive(&wire::frame(role.peer(), BINARY, b""));
        let more = wire::frame(role.peer(), CONTINUATION, b"").repeat(1000);
        let mut fragments = 1;
        let error = loop {
            connection.receive(&more);
            if let Err(error) = take_events(&mut connection, &mut Vec::new()) {
                break error;
            }
            fragments += 1000;
            assert!(fragments <= 1 << 17);
            assert!(connection.allocated() <= 32 << 10);
        };
        assert_eq!(error, ProtocolError::TooManyFragments);
        assert!(fragments > (1 << 17) - 1001, "{fragments}");
    }
}

/// SEC-05: memory stays in proportion to the payload, for tiny fragments and for tiny reads.
#[test]
fn tiny_fragments_and_reads_cost_no_more_than_their_payload() {
    for opcode in [TEXT, BINARY] {
        let mut connection = Connection::new(Role::Client, &Config::new());
        connection.receive(&wire::frame(Role::Server, opcode, b"a"));
        for _ in 1..50_000 {
            connection.receive(&wire::frame(Role::Server, CONTINUATION, b"a"));
            assert_eq!(connection.next_event(), Ok(None));
        }
        assert!(
            connection.allocated() <= 2 * 50_000 + (1 << 10),
            "{}",
            connection.allocated()
        );

        let mut connection = Connection::new(Role::Client, &Config::new());
        connection.receive(&wire::header(FIN | opcode, 100_000, None));
        for _ in 1..50_000 {
            connection.receive(b"a");
            assert_eq!(connection.next_event(), Ok(None));
        }
        assert!(
            connection.allocated() <= 2 * 50_000 + (1 << 10),
            "{}",
            connection.allocated()
        );
    }
}

/// SEC-09: a flood of Pings while the peer does not read costs bounded memory, and the latest Ping is answered.
#[test]
fn a_flood_of_pings_is_answered_in_bounded_memory() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        for i in 0..50_000u32 {
            let payload = [&i.to_be_bytes()[..], &[0; 121]].concat();
            connection.receive(&wire::ping(role.peer(), &payload));
            take_events(&mut connection, &mut Vec::new()).unwrap();
            assert!(connection.split_mut().1.queued() <= 17 * 139);
        }
        assert!(connection.allocated() <= 8 << 10, "{} bytes", connection.allocated());
        let frames = take_frames(role, &mut connection);
        let numbers: Vec<u32> = frames.iter().map(number).collect();
        let first = (0..16).chain([49_999]);
        assert!(
            numbers.into_iter().eq(first),
            "the first 16 and the latest are answered"
        );
        assert!(!connection.wants_write());
    }
}

/// SEC-09, MSG-22: while both directions are busy, Pongs are neither starved nor reordered, and each repeats a Ping.
#[test]
fn continuous_feeding_does_not_starve_pongs() {
    for role in ROLES {
        // The number of bytes that the peer takes after each Ping; one Pong has 6 or 10.
        for step in [1, 5, 10, 100] {
            let mut connection = Connection::new(role, &Config::new());
            let (mut written, mut events) = (Vec::new(), Vec::new());
            for i in 0..3000u32 {
                let bytes = [
                    wire::ping(role.peer(), &i.to_be_bytes()),
                    wire::text(role.peer(), "data"),
                ];
                connection.receive(&bytes.concat());
                take_events(&mut connection, &mut events).unwrap();
                let before = written.len();
                take_output(&mut connection, step, &mut written);
                assert!(written.len() > before, "there is always a Pong to write");
                assert!(connection.output().len() <= 17 * 10, "however slowly it is written");
            }
            take_output(&mut connection, usize::MAX, &mut written);
            let numbers: Vec<u32> = wire::parse_from(role, &written).iter().map(number).collect();
            assert!(numbers.is_sorted_by(|a, b| a < b), "in order, each once");
            assert_eq!(numbers.last(), Some(&2999), "the latest is answered");
            assert!(
                step < 10 || numbers.len() == 3000,
                "a peer that reads fast enough gets every Pong"
            );
        }
    }
}

/// The number in the body of a Pong.
fn number(pong: &wire::Sent) -> u32 {
    assert_eq!(pong.first, FIN | PONG);
    u32::from_be_bytes(*pong.payload.first_chunk().expect("a number"))
}

/// SEC-10: data is refused once the queue is past its mark, is handed back, and is accepted again once some output was written.
#[test]
fn a_full_queue_hands_the_message_back() {
    for role in ROLES {
        let config = Config::new().limits(Limits::new().output_high_water(1000));
        let mut connection = Connection::new(role, &config);
        let mut sent = 0;
        let message = sample(99);
        while connection.feed(message.clone()).is_ok() {
            sent += 1;
            assert!(sent < 20);
        }
        assert!((9..=10).contains(&sent));
        assert!(connection.split_mut().1.is_full());
        assert_eq!(
            connection.feed(&message),
            Err(SendError::Full(Outgoing::from(&message)))
        );
        assert_eq!(connection.feed("text").unwrap_err().into_unsent(), Some("text".into()));
        let refused = connection.feed(Fragment::more("text"));
        assert_eq!(refused, Err(SendError::Full(Fragment::more("text").into())));
        assert_eq!(connection.ping(b""), Err(SendError::Full(())));
        assert_eq!(connection.pong(b""), Err(SendError::Full(())));
        let queued = connection.output().len();
        assert!(queued < 1000 + 99 + 14);

        // The refused message left no trace: neither bytes nor an open message.
        take_output(&mut connection, queued - 999, &mut Vec::new());
        connection.feed("text").unwrap();
        let mut rest = Vec::new();
        take_output(&mut connection, usize::MAX, &mut rest);
        let last = wire::text(role, "text");
        assert_eq!(rest.len(), 999 + last.len());
    }
}

/// SEC-10: a full queue accepts one message of any size beyond the mark, and automatic replies and the Close are still sent.
#[test]
fn a_full_queue_still_accepts_what_the_protocol_requires() {
    for role in ROLES {
        let config = Config::new().limits(Limits::new().output_high_water(10));
        let mut connection = Connection::new(role, &config);
        connection.feed(&[0; 100_000]).unwrap();
        assert_eq!(connection.feed(""), Err(SendError::Full("".into())));
        connection.receive(&wire::ping(role.peer(), b"?"));
        take_events(&mut connection, &mut Vec::new()).unwrap();
        connection.close(None).unwrap();
        let opcodes: Vec<u8> = take_frames(role, &mut connection)
            .iter()
            .map(|frame| frame.opcode())
            .collect();
        assert_eq!(opcodes, [BINARY, PONG, CLOSE]);
    }
}

/// SEC-10: a writer that respects `Full` holds bounded memory, whatever the message sizes.
#[test]
fn queued_output_is_bounded() {
    let mut rng = Rng::new(7);
    for role in ROLES {
        let config = Config::new().limits(Limits::new().output_high_water(64 << 10));
        let mut connection = Connection::new(role, &config);
        for _ in 0..2000 {
            let message = vec![1; rng.length(20_000)];
            let _ = match rng.below(3) {
                0 => connection.feed(&message).map_err(|_| ()),
                1 => connection.feed(message).map_err(|_| ()),
                _ => connection.ping(&message[..message.len().min(125)]).map_err(|_| ()),
            };
            let n = rng.below(8000);
            take_output(&mut connection, n, &mut Vec::new());
            assert!(connection.output().remaining() <= (64 << 10) + 20_000 + 14);
            assert!(connection.allocated() <= 300 << 10, "{}", connection.allocated());
        }
    }
}
