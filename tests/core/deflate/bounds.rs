//! Limits on what is decompressed.

use websocket_proto::{Config, Delivery, Event, Limits, ProtocolError, Role};

use super::{NO_CONTEXT, PLAIN, RSV1, Reference, compressed, connection, everything, json};
use crate::{
    raw::{Got, Scenario},
    wire::{self, BINARY, CONTINUATION, FIN, ROLES, TEXT},
};

const LIMIT: u64 = 10_000;

fn limited(delivery: Delivery) -> Config {
    Config::new()
        .limits(Limits::new().max_message_size(LIMIT))
        .delivery(delivery)
}

/// PMD-43, SEC-01: the limit applies to the decompressed size, over all fragments, exact to the byte.
#[test]
fn the_limit_applies_to_the_decompressed_size() {
    for role in ROLES {
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            for opcode in [TEXT, BINARY] {
                let text = json(LIMIT as usize + 1, 0);
                for (len, fits) in [(LIMIT, true), (LIMIT + 1, false)] {
                    let text = &text[..len as usize];
                    let payload = Reference::new().message(text.as_bytes());
                    let pieces: Vec<&[u8]> = payload.chunks(payload.len() / 3 + 1).collect();
                    let mut fragmented = wire::fragments(role.peer(), opcode, &pieces);
                    fragmented[0] |= RSV1;
                    for bytes in [compressed(role.peer(), opcode, &payload), fragmented] {
                        let scenario = Scenario::new(role, bytes)
                            .config(&limited(delivery))
                            .deflate(NO_CONTEXT);
                        let outcome = scenario.run();
                        if fits {
                            outcome.assert_open(&[match opcode {
                                TEXT => Got::text(text),
                                _ => Got::binary(text.as_bytes()),
                            }]);
                        } else {
                            assert_eq!(outcome.error, Some(ProtocolError::MessageTooBig));
                            assert_eq!(outcome.close_sent(), Some(1009));
                        }
                    }
                }
            }
        }
    }
}

/// PMD-43: the compressed size is limited as well, whatever it would decompress to.
#[test]
fn the_compressed_size_is_limited() {
    for role in ROLES {
        let nothing = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(3000);
        let bytes = compressed(role.peer(), BINARY, &nothing);
        let scenario = Scenario::new(role, bytes).config(&limited(Delivery::Messages));
        scenario.deflate(PLAIN).run().assert_failed(&[], 1009);
    }
}

/// A message of zeros that is many times larger than its compressed form: one block that keeps referring to itself.
fn bomb(role: Role, megabytes: usize) -> Vec<u8> {
    let mut reference = Reference::new();
    let megabyte = vec![0; 1 << 20];
    let mut bytes = wire::frame(role, RSV1 | BINARY, &reference.flushed(&megabyte));
    let repeated = wire::frame(role, CONTINUATION, &reference.flushed(&megabyte));
    for _ in 1..megabytes {
        bytes.extend_from_slice(&repeated);
    }
    bytes.extend(wire::frame(role, FIN | CONTINUATION, &[0]));
    bytes
}

/// SEC-01, PMD-43: a few bytes that would become a gigabyte are cut off at the limit, and use little memory.
#[test]
fn a_bomb_is_cut_off() {
    for role in ROLES {
        let bytes = bomb(role.peer(), 1024);
        assert!(bytes.len() < 2 << 20, "{} bytes for a gigabyte", bytes.len());
        let mut connection = connection(role, PLAIN, everything());
        let mut most = 0;
        let mut failed = None;
        for chunk in bytes.chunks(1000) {
            connection.receive(chunk);
            if let Err(error) = connection.next_event() {
                failed = Some(error);
                break;
            }
            most = most.max(connection.allocated());
        }
        assert_eq!(failed, Some(ProtocolError::MessageTooBig));
        assert!(most < (16 << 20) + (1 << 20), "{most} bytes");
        connection.release();
        assert!(connection.allocated() < 2000, "{} bytes", connection.allocated());
    }
}

/// SEC-01: a streamed message of any size passes in constant memory.
#[test]
fn a_bomb_can_be_streamed() {
    let config = Config::new()
        .delivery(Delivery::Fragments)
        .limits(Limits::new().max_message_size(u64::MAX))
        .deflate(everything());
    let negotiated = websocket_proto::Negotiated::new(Role::Server).with_deflate(PLAIN);
    let mut connection = websocket_proto::Connection::from_negotiated(&negotiated, &config);
    let (mut most, mut total) = (0, 0);
    for chunk in bomb(Role::Client, 200).chunks(1000) {
        connection.receive(chunk);
        loop {
            most = most.max(connection.allocated());
            match connection.next_event().unwrap() {
                Some(Event::Fragment(fragment)) => total += fragment.data.len(),
                Some(event) => panic!("{event:?}"),
                None => break,
            }
        }
    }
    assert_eq!(total, 200 << 20);
    assert!(most < 150 << 10, "{most} bytes");
    connection.release();
    assert!(connection.allocated() < 33 << 10, "the history of 32 KiB");
}

/// PMD-42, PMD-43: text that is invalid before it is too long is reported as invalid, wherever the data is cut.
#[test]
fn text_that_is_invalid_before_it_is_too_long() {
    let text = [&b"\xff"[..], &[b'x'; LIMIT as usize]].concat();
    for role in ROLES {
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            let bytes = compressed(role.peer(), TEXT, &Reference::new().message(&text));
            let scenario = Scenario::new(role, bytes).config(&limited(delivery));
            let outcome = scenario.deflate(PLAIN).run();
            assert_eq!(outcome.assert_failed(&[], 1007), ProtocolError::InvalidUtf8);
        }
    }
}
