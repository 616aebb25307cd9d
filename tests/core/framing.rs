//! FR: frames on the wire.

mod lengths;
mod masks;

use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Event, Limits, Message, ProtocolError, ReadyState, Role, SendError,
    frame::{FrameError, FrameHeader, MaskingKey, Opcode, Rsv},
};

use crate::{
    raw::{Got, Scenario, receive, take_events, take_frames},
    wire::{self, BINARY, CLOSE, CONTINUATION, FIN, KEY, PING, PONG, ROLES, TEXT, sample},
};

/// FR-01, FR-04, FR-13: the examples of §5.7, as they are printed there.
#[test]
fn the_examples_of_the_rfc_are_understood() {
    let hello = [Got::text("Hello")];
    receive(Role::Client, b"\x81\x05\x48\x65\x6c\x6c\x6f").assert_open(&hello);
    receive(Role::Server, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").assert_open(&hello);
    receive(Role::Client, b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f").assert_open(&hello);

    let ping = receive(Role::Client, b"\x89\x05\x48\x65\x6c\x6c\x6f");
    ping.assert_open(&[Got::ping(b"Hello")]);
    assert_eq!(ping.sent(), [(FIN | PONG, &b"Hello"[..])]);
    receive(Role::Server, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").assert_open(&[Got::pong(b"Hello")]);

    let short = [b"\x82\x7e\x01\x00".to_vec(), sample(256)].concat();
    receive(Role::Client, short).assert_open(&[Got::Binary(sample(256))]);
    let long = [b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00".to_vec(), sample(65_536)].concat();
    receive(Role::Client, long).assert_open(&[Got::Binary(sample(65_536))]);
}

/// FR-02: each reserved bit fails the connection, on frames of every opcode.
#[test]
fn reserved_bits_fail_the_connection() {
    for role in ROLES {
        for bits in 1..8 {
            for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
                let bad = wire::frame(role.peer(), FIN | bits << 4 | opcode, b"");
                let error = receive(role, bad).assert_failed(&[], 1002);
                assert_eq!(error, ProtocolError::ReservedBits(Rsv::from_bits(bits)));
            }
            let first = wire::frame(role.peer(), TEXT, b"a");
            let bad = wire::frame(role.peer(), FIN | bits << 4 | CONTINUATION, b"b");
            receive(role, [first, bad].concat()).assert_failed(&[], 1002);
        }
    }
}

/// FR-03: each reserved opcode fails the connection, with or without FIN.
#[test]
fn reserved_opcodes_fail_the_connection() {
    for role in ROLES {
        for opcode in (0x3..=0x7).chain(0xb..=0xf) {
            for fin in [FIN, 0] {
                let error = receive(role, wire::frame(role.peer(), fin | opcode, b"")).assert_failed(&[], 1002);
                assert_eq!(error, ProtocolError::Frame(FrameError::ReservedOpcode(opcode)));
            }
        }
    }
}

/// FR-15, FR-20: a control frame of over 125 bytes fails the connection from its first two bytes.
#[test]
fn long_control_frames_fail_the_connection() {
    for role in ROLES {
        let mask = if role == Role::Server { 0x80 } else { 0 };
        for opcode in [CLOSE, PING, PONG] {
            for len in [126, 127] {
                let error = receive(role, [FIN | opcode, mask | len]).assert_failed(&[], 1002);
                assert_eq!(error, ProtocolError::Frame(FrameError::LongControl));
            }
            let longest = wire::frame(role.peer(), FIN | PONG, &[7; 125]);
            receive(role, longest).assert_open(&[Got::pong(&[7; 125])]);
        }
    }
}

/// FR-16: a control frame without FIN fails the connection, also inside a fragmented message.
#[test]
fn fragmented_control_frames_fail_the_connection() {
    for role in ROLES {
        for opcode in [CLOSE, PING, PONG] {
            let bad = wire::frame(role.peer(), opcode, b"");
            let error = receive(role, bad.clone()).assert_failed(&[], 1002);
            assert_eq!(error, ProtocolError::Frame(FrameError::FragmentedControl));
            let first = wire::frame(role.peer(), TEXT, b"a");
            receive(role, [first, bad].concat()).assert_failed(&[], 1002);
        }
    }
}

/// FR-19: complete frames before a bad frame in the same read are delivered first.
#[test]
fn frames_before_a_bad_one_are_delivered() {
    for role in ROLES {
        let from = role.peer();
        let bad = [
            wire::frame(from, FIN | 0x3, b"bad"),
            wire::frame(from, FIN | TEXT, b"bad \xff"),
            wire::frame(from, FIN | CONTINUATION, b"bad"),
            wire::frame(from, FIN | CLOSE, b"\x01"),
            wire::frame(role, FIN | TEXT, b"bad"),
        ];
        for bad in bad {
            let bytes = [
                wire::text(from, "one"),
                wire::ping(from, b"two"),
                wire::frame(from, BINARY, b"th"),
                wire::frame(from, FIN | CONTINUATION, b"ree"),
                bad,
            ];
            let outcome = receive(role, bytes.concat());
            let code = outcome.error.expect("a failure").close_code().value();
            outcome.assert_failed(&[Got::text("one"), Got::ping(b"two"), Got::binary(b"three")], code);
            // The Pong for the Ping before the bad frame is sent, and the Close is last.
            assert_eq!(outcome.sent()[0], (FIN | PONG, &b"two"[..]));
            assert_eq!(outcome.sent().len(), 2);
        }
    }
}

/// FR-20: a fault that the first two bytes show fails the connection without waiting for the rest of the header.
#[test]
fn faults_in_a_header_do_not_wait_for_more() {
    let faults: [(Role, &[u8]); 7] = [
        (Role::Client, &[0xc2, 127]),        // reserved bit
        (Role::Client, &[0x83, 127]),        // reserved opcode
        (Role::Client, &[0x82, 0x80 | 127]), // masked
        (Role::Server, &[0x82, 127]),        // unmasked
        (Role::Server, &[0x80, 0x80 | 127]), // nothing to continue
        (Role::Server, &[0x89, 0x80 | 126]), // long control frame
        (Role::Server, &[0x09, 0x80 | 4]),   // fragmented control frame
    ];
    for (role, bytes) in faults {
        receive(role, bytes).assert_failed(&[], 1002);
    }
    // Also a complete header whose payload is missing.
    receive(Role::Client, [0x82, 126, 0, 125]).assert_failed(&[], 1002);
    let config = Config::new().limits(Limits::new().max_frame_size(100));
    let header = wire::header(FIN | BINARY, 101, Some(KEY));
    Scenario::new(Role::Server, header)
        .config(&config)
        .run()
        .assert_failed(&[], 1009);
}

/// FR-02, FR-05, FR-06, FR-20: of two faults in one header, the one in the first two bytes counts, even if the whole header has
/// arrived.
#[test]
fn the_first_of_two_faults_counts() {
    for (len, form) in [(5, 2), (5, 8), (1 << 63, 8)] {
        let cases = [
            (
                Role::Client,
                FIN | 0x40 | BINARY,
                None,
                ProtocolError::ReservedBits(Rsv::RSV1),
            ),
            (Role::Client, FIN | BINARY, Some(KEY), ProtocolError::MaskedFrame),
            (Role::Server, FIN | BINARY, None, ProtocolError::UnmaskedFrame),
            (
                Role::Server,
                FIN | CONTINUATION,
                Some(KEY),
                ProtocolError::UnexpectedContinuation,
            ),
        ];
        for (role, first, key, expected) in cases {
            let header = wire::header_in_form(first, len, form, key);
            assert_eq!(receive(role, header).assert_failed(&[], 1002), expected);
        }
    }
}

/// FR-21: after a failure nothing is interpreted, neither in the same read nor later.
#[test]
fn nothing_is_interpreted_after_a_failure() {
    for role in ROLES {
        let from = role.peer();
        let bytes = [
            wire::frame(from, FIN | 0xb, b""),
            wire::text(from, "late"),
            wire::ping(from, b"late"),
            wire::close(from, 1000, ""),
        ];
        // `Scenario::run` feeds more frames later.
        let outcome = receive(role, bytes.concat());
        outcome.assert_failed(&[], 1002);
        assert_eq!(outcome.output.len(), 1, "only the Close");
        assert_eq!(
            outcome.closure.expect("failed").code,
            1006,
            "the peer's Close does not count"
        );
    }
}

/// FR-22: when the transport ends inside a frame, no part of it is delivered and the end is not clean.
#[test]
fn a_partial_frame_is_not_delivered_at_the_end() {
    for role in ROLES {
        let whole = wire::text(role.peer(), "whole");
        for frame in [
            wire::binary(role.peer(), &sample(200)),
            wire::ping(role.peer(), b"ping"),
            wire::close(role.peer(), 1000, "bye"),
        ] {
            for cut in 1..frame.len() {
                let bytes = [&whole, &frame[..cut]].concat();
                let mut connection = Connection::new(role, &Config::new());
                connection.receive(&bytes);
                connection.receive_eof();
                let mut events = Vec::new();
                let result = take_events(&mut connection, &mut events);
                assert_eq!(result, Err(ProtocolError::ConnectionLost));
                assert_eq!(events, [Got::text("whole")], "cut at {cut}");
                let closure = connection.close_info().expect("closed");
                assert_eq!((closure.code.value(), closure.clean), (1006, false));
                assert_eq!(connection.ready_state(), ReadyState::Closed);
                assert!(!connection.wants_write());
            }
        }
    }
}

/// FR-25: a sender may cut a message as it likes, down to empty fragments and single bytes.
#[test]
fn fragments_may_have_any_size() {
    for role in ROLES {
        for size in [0, 1, 2, 126, 5000] {
            let mut bytes = wire::frame(role.peer(), BINARY, &sample(size));
            for _ in 0..20 {
                bytes.extend(wire::frame(role.peer(), CONTINUATION, &sample(size)));
            }
            bytes.extend(wire::frame(role.peer(), FIN | CONTINUATION, b"end"));
            let expected = [sample(size).repeat(21), b"end".to_vec()].concat();
            receive(role, bytes).assert_open(&[Got::Binary(expected)]);
        }
    }
}

/// FR-17: a control payload of over 125 bytes, or a reason of over 123, is refused and leaves nothing in the output.
#[test]
fn long_control_payloads_are_refused_locally() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        assert_eq!(connection.ping(&[0; 126]), Err(SendError::ControlTooLong));
        assert_eq!(connection.pong(&[0; 126]), Err(SendError::ControlTooLong));
        assert_eq!(connection.ping(&[0; 1 << 20]), Err(SendError::ControlTooLong));
        let reason = "r".repeat(124);
        let close = CloseFrame::new(CloseCode::NORMAL, &reason);
        assert_eq!(connection.close(close), Err(SendError::ReasonTooLong));
        assert!(!connection.wants_write());
        assert_eq!(connection.ready_state(), ReadyState::Open);

        connection.ping(&[1; 125]).unwrap();
        connection.pong(&[2; 125]).unwrap();
        connection
            .close(CloseFrame::new(CloseCode::NORMAL, &reason[..123]))
            .unwrap();
        let lengths: Vec<usize> = take_frames(role, &mut connection)
            .iter()
            .map(|frame| frame.payload.len())
            .collect();
        assert_eq!(lengths, [125; 3]);
    }
}

/// FR-01, FR-06, FR-07: the codec alone: every header that can be encoded is decoded to the same header, and every prefix of it
/// is incomplete.
#[test]
fn headers_survive_a_round_trip() {
    let opcodes = [
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
        Opcode::Pong,
    ];
    for opcode in opcodes {
        for fin in [true, false] {
            for rsv in 0..8 {
                for masking_key in [None, Some(MaskingKey::new(KEY))] {
                    for payload_len in [0, 1, 125, 126, 65_535, 65_536, (1 << 63) - 1] {
                        let header = FrameHeader {
                            fin,
                            rsv: Rsv::from_bits(rsv),
                            opcode,
                            masking_key,
                            payload_len,
                        };
                        if opcode.is_control() && !(fin && payload_len <= 125) {
                            continue;
                        }
                        let mut bytes = [0; FrameHeader::MAX_LEN];
                        let len = header.encode(&mut bytes);
                        let first = if fin { FIN } else { 0 } | rsv << 4 | opcode.bits();
                        let key = masking_key.map(MaskingKey::to_bytes);
                        assert_eq!(bytes[..len], wire::header(first, payload_len, key));
                        for cut in 0..len {
                            assert_eq!(FrameHeader::decode(&bytes[..cut]), Ok(None));
                        }
                        assert_eq!(FrameHeader::decode(&bytes), Ok(Some((header, len))));
                    }
                }
            }
        }
    }
}

/// The reserved bits as a set.
#[test]
fn reserved_bits_are_a_set() {
    let bits = |a: u8| Rsv::from_bits(a);
    for (a, b) in (0..8).flat_map(|a| (0..8).map(move |b| (a, b))) {
        assert_eq!(bits(a) | bits(b), bits(a | b));
        assert_eq!((bits(a) | bits(b)).bits(), a | b);
        assert_eq!(
            bits(a).contains(bits(b)),
            (0..3).all(|bit| a >> bit & 1 >= b >> bit & 1),
            "{a:b} {b:b}"
        );
    }
    assert_eq!(Rsv::RSV1 | Rsv::RSV2 | Rsv::RSV3, bits(0xff));
}

/// FR-20, FR-21: whatever the first two bytes are, the connection gives the same result under every segmentation.
#[test]
fn every_pair_of_first_bytes_is_judged_alike() {
    for role in ROLES {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                // One run with all bytes at once and one byte by byte; the full harness would take too long here.
                let [whole, bytewise] = [3, 1].map(|step| {
                    let mut connection = Connection::new(role, &Config::new());
                    let mut events = Vec::new();
                    for chunk in [first, second, 0].chunks(step) {
                        connection.receive(chunk);
                        let _ = take_events(&mut connection, &mut events);
                    }
                    (
                        events,
                        connection.next_event().err(),
                        take_frames(role, &mut connection).len(),
                    )
                });
                assert_eq!(whole, bytewise, "{first:#x} {second:#x}");
            }
        }
    }
}

/// FR-19: many frames in one read come out one by one, in order.
#[test]
fn many_frames_in_one_read_come_in_order() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        let bytes: Vec<u8> = (0..1000u32)
            .flat_map(|i| wire::binary(role.peer(), &i.to_be_bytes()))
            .collect();
        connection.receive(&bytes);
        for i in 0..1000u32 {
            let event = connection.next_event().unwrap().expect("a message");
            assert_eq!(event, Event::Message(Message::from(&i.to_be_bytes())));
        }
        assert_eq!(connection.next_event(), Ok(None));
    }
}
