//! FR: masking of what is sent and received.

use websocket_proto::{Config, Connection, Delivery, ProtocolError, Role};

use crate::{
    raw::{Got, Scenario, receive, take_events, take_frames},
    wire::{self, BINARY, CLOSE, CONTINUATION, FIN, KEY, PING, PONG, ROLES, TEXT, sample},
};

/// FR-08, FR-10: control frames and empty frames are masked like all others.
#[test]
fn control_frames_and_empty_frames_are_masked_like_others() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.feed("").unwrap();
        connection.ping(b"").unwrap();
        connection.pong(b"").unwrap();
        connection.receive(&wire::ping(role.peer(), b""));
        take_events(&mut connection, &mut Vec::new()).unwrap();
        connection.close(None).unwrap();
        let frames = take_frames(role, &mut connection);
        let opcodes: Vec<u8> = frames.iter().map(|frame| frame.opcode()).collect();
        assert_eq!(opcodes, [TEXT, PING, PONG, PONG, CLOSE]);
        assert!(frames.iter().all(|frame| frame.key.is_some() == (role == Role::Client)));
    }
}

/// FR-09: an unmasked frame of any opcode from a client fails the connection.
#[test]
fn a_server_refuses_unmasked_frames() {
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        for payload in [&b""[..], b"\x03\xe8"] {
            let error =
                receive(Role::Server, wire::frame(Role::Server, FIN | opcode, payload)).assert_failed(&[], 1002);
            assert_eq!(error, ProtocolError::UnmaskedFrame);
        }
    }
    let first = wire::frame(Role::Client, TEXT, b"a");
    let bad = wire::frame(Role::Server, FIN | CONTINUATION, b"b");
    receive(Role::Server, [first, bad].concat()).assert_failed(&[], 1002);
}

/// FR-11: a masked frame of any opcode from a server fails the connection.
#[test]
fn a_client_refuses_masked_frames() {
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        for payload in [&b""[..], b"\x03\xe8"] {
            let error =
                receive(Role::Client, wire::frame(Role::Client, FIN | opcode, payload)).assert_failed(&[], 1002);
            assert_eq!(error, ProtocolError::MaskedFrame);
        }
    }
    let first = wire::frame(Role::Server, TEXT, b"a");
    let bad = wire::frame(Role::Client, FIN | CONTINUATION, b"b");
    receive(Role::Client, [first, bad].concat()).assert_failed(&[], 1002);
}

/// FR-12: a payload is unmasked correctly wherever the reads and the fragments cut it, under both kinds of delivery.
#[test]
fn unmasking_does_not_depend_on_cuts() {
    for delivery in [Delivery::Messages, Delivery::Fragments] {
        let config = Config::new().delivery(delivery);
        for len in [1, 5, 64, 131, 300] {
            let bytes = wire::binary(Role::Client, &sample(len));
            let outcome = Scenario::new(Role::Server, bytes).config(&config).run();
            outcome.assert_open(&[Got::Binary(sample(len))]);
        }
        // Fragments of all lengths modulo 4: the key starts again in each.
        let payload = sample(28);
        let (mut bytes, mut at) = (Vec::new(), 0);
        for (i, len) in [1, 2, 3, 4, 5, 6, 7].into_iter().enumerate() {
            let first = if i == 0 { BINARY } else { CONTINUATION } | if i == 6 { FIN } else { 0 };
            bytes.extend(wire::frame(Role::Client, first, &payload[at..at + len]));
            at += len;
        }
        let outcome = Scenario::new(Role::Server, bytes).config(&config).run();
        outcome.assert_open(&[Got::Binary(payload)]);
    }
}

/// FR-12: a long payload, which is read straight into its message, is unmasked correctly wherever the reads cut it.
#[test]
fn long_payloads_are_unmasked_at_every_alignment() {
    let payload = sample(200_000);
    let outcome = receive(Role::Server, wire::binary(Role::Client, &payload));
    outcome.assert_open(&[Got::Binary(payload)]);
}

/// FR-13, FR-14, FR-18: an empty frame has a key, any key is accepted, and every opcode may be empty.
#[test]
fn empty_frames_of_every_opcode_and_any_key_are_accepted() {
    for key in [[0; 4], [0xff; 4], KEY] {
        let frame = |first, payload: &[u8]| {
            [
                wire::header(first, payload.len() as u64, Some(key)),
                wire::masked(payload, Some(key)),
            ]
            .concat()
        };
        let bytes = [
            frame(FIN | TEXT, b""),
            frame(FIN | BINARY, b""),
            frame(TEXT, b""),
            frame(FIN | PING, b""),
            frame(CONTINUATION, b""),
            frame(FIN | PONG, b""),
            frame(FIN | CONTINUATION, b""),
            frame(FIN | TEXT, b"key"),
            frame(FIN | CLOSE, b""),
        ];
        let outcome = receive(Role::Server, bytes.concat());
        let expected = [
            Got::text(""),
            Got::binary(b""),
            Got::ping(b""),
            Got::pong(b""),
            Got::text(""),
            Got::text("key"),
            Got::Close(None),
        ];
        assert_eq!((outcome.events.as_slice(), outcome.error), (&expected[..], None));
    }
}
