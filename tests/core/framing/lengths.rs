//! FR: payload lengths: announced, sent and limited.

use websocket_proto::{Config, Connection, Delivery, Fragment, Limits, ProtocolError, Role, frame::FrameError};

use crate::{
    raw::{Got, Scenario, receive, take_events, take_frames},
    wire::{self, BINARY, CONTINUATION, FIN, KEY, ROLES, TEXT, sample},
};

/// The longest message that is assembled in memory: on 32-bit targets shorter than the longest frame.
const LONGEST: u64 = isize::MAX as u64;

/// FR-01, FR-04: lengths at both sides of each form are read in network byte order, by both roles.
#[test]
fn every_length_form_is_read() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 127, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 70_000] {
            let payload = sample(len);
            let bytes = [wire::binary(role.peer(), &payload), wire::text(role.peer(), "next")].concat();
            receive(role, bytes).assert_open(&[Got::Binary(payload), Got::text("next")]);
        }
    }
}

/// FR-05: a length of 2^63 or more fails the connection, before the key or payload arrives.
#[test]
fn the_top_bit_of_the_length_must_be_zero() {
    for role in ROLES {
        for len in [1 << 63, 1 << 63 | 1000, u64::MAX] {
            let mut header = wire::header(FIN | BINARY, len, (role == Role::Server).then_some(KEY));
            header.truncate(10);
            let error = receive(role, header).assert_failed(&[], 1002);
            assert_eq!(error, ProtocolError::Frame(FrameError::LengthTopBit));
        }
    }
}

/// FR-06: a length that is not in its shortest form fails the connection.
#[test]
fn overlong_lengths_fail_the_connection() {
    for role in ROLES {
        let key = (role == Role::Server).then_some(KEY);
        for (len, form) in [(0, 2), (1, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65_535, 8)] {
            for opcode in [TEXT, BINARY] {
                let header = wire::header_in_form(FIN | opcode, len, form, key);
                let error = receive(role, header).assert_failed(&[], 1002);
                assert_eq!(error, ProtocolError::Frame(FrameError::OverlongLength));
            }
        }
    }
}

/// FR-07, FR-08, FR-10: what is sent has the shortest length form, and a mask only if a client sends it.
#[test]
fn what_is_sent_has_the_shortest_form() {
    for role in ROLES {
        for (len, form) in [
            (0, 0),
            (1, 0),
            (125, 0),
            (126, 2),
            (65_535, 2),
            (65_536, 8),
            (100_000, 8),
        ] {
            let mut connection = Connection::new(role, &Config::new());
            connection.feed(&sample(len)).unwrap();
            connection.feed(sample(len)).unwrap();
            connection.feed("x".repeat(len)).unwrap();
            connection.feed(Fragment::more(sample(len))).unwrap();
            connection.feed(Fragment::last(&sample(len))).unwrap();
            // `take_frames` asserts that every frame has the required mask and length form.
            let frames = take_frames(role, &mut connection);
            let firsts: Vec<u8> = frames.iter().map(|frame| frame.first).collect();
            assert_eq!(
                firsts,
                [FIN | BINARY, FIN | BINARY, FIN | TEXT, BINARY, FIN | CONTINUATION]
            );
            assert!(
                frames
                    .iter()
                    .all(|frame| frame.form == form && frame.payload.len() == len)
            );
            assert!(
                frames
                    .iter()
                    .all(|frame| frame.first == FIN | TEXT || frame.payload == sample(len))
            );
        }
    }
}

/// FR-23, FR-24: announced lengths up to 2^63 - 1 are refused from the header, or cost nothing if limits allow them.
#[test]
fn huge_announced_lengths_neither_overflow_nor_allocate() {
    let unlimited = Limits::new().max_frame_size(u64::MAX).max_message_size(u64::MAX);
    for role in ROLES {
        let key = (role == Role::Server).then_some(KEY);
        for len in [(16 << 20) + 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 62, (1 << 63) - 1] {
            let header = wire::header(FIN | BINARY, len, key);
            let error = receive(role, header).assert_failed(&[], 1009);
            assert_eq!(error, ProtocolError::FrameTooBig);

            // After a fragment, where lengths are added up.
            let fragment = wire::frame(role.peer(), TEXT, &[b'a'; 100]);
            let bytes = [fragment, wire::header(FIN | CONTINUATION, len, key)].concat();
            receive(role, bytes).assert_failed(&[], 1009);
        }
        for (delivery, len) in [(Delivery::Messages, LONGEST), (Delivery::Fragments, (1 << 63) - 1)] {
            let config = Config::new().limits(unlimited).delivery(delivery);
            for opcode in [TEXT, BINARY] {
                let mut connection = Connection::new(role, &config);
                connection.receive(&wire::header(FIN | opcode, len, key));
                connection.receive(&[b'a' ^ KEY[0]; 1]);
                let mut events = Vec::new();
                take_events(&mut connection, &mut events).unwrap();
                assert!(connection.space().len() <= 1 << 16);
                assert!(connection.allocated() <= 1 << 16, "{} bytes", connection.allocated());
            }
        }
    }
}

/// FR-23: without a limit, a message that is too long for a 32-bit address space is refused from its header.
#[test]
fn messages_past_the_address_space_are_refused() {
    let limits = Limits::new().max_frame_size(u64::MAX).max_message_size(u64::MAX);
    let config = Config::new().limits(limits);
    for role in ROLES {
        let key = (role == Role::Server).then_some(KEY);
        for len in [(1 << 31) - 1, 1 << 31, 1 << 40, (1 << 63) - 1] {
            let header = wire::header(FIN | BINARY, len, key);
            let outcome = Scenario::new(role, header).config(&config).run();
            if len <= LONGEST {
                outcome.assert_open(&[]);
            } else {
                assert_eq!(outcome.assert_failed(&[], 1009), ProtocolError::MessageTooBig, "{len}");
            }
        }
    }
}

/// FR-23: a sum of fragments that exceeds the longest message by one fails, and does not wrap.
#[test]
fn sums_of_huge_fragments_do_not_wrap() {
    let limits = Limits::new().max_frame_size(u64::MAX).max_message_size(u64::MAX >> 1);
    let config = Config::new().limits(limits);
    let bytes = [
        wire::frame(Role::Server, BINARY, b"x"),
        wire::header(FIN | CONTINUATION, (1 << 63) - 1, None),
    ];
    let outcome = Scenario::new(Role::Client, bytes.concat()).config(&config).run();
    assert_eq!(outcome.assert_failed(&[], 1009), ProtocolError::MessageTooBig);
}

/// FR-24: memory follows the received bytes, whatever was announced.
#[test]
fn memory_grows_with_received_bytes_only() {
    for opcode in [TEXT, BINARY] {
        for role in ROLES {
            let limits = Limits::new().max_frame_size(u64::MAX).max_message_size(u64::MAX);
            let mut connection = Connection::new(role, &Config::new().limits(limits));
            connection.receive(&wire::header(
                FIN | opcode,
                LONGEST.min(1 << 40),
                (role == Role::Server).then_some([0; 4]),
            ));
            let mut received = 0;
            while received < 2_000_000 {
                let space = connection.space();
                let n = space.len().min(10_000);
                space[..n].fill(b'a');
                connection.advance(n);
                received += n;
                assert_eq!(connection.next_event(), Ok(None));
                let allocated = connection.allocated();
                assert!(
                    allocated <= 2 * received + (32 << 10),
                    "{allocated} bytes for {received}"
                );
            }
        }
    }
}
