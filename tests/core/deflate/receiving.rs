//! Which messages are decompressed, and how they arrive.

use websocket_proto::{Config, Delivery, MessageKind, ProtocolError};

use super::{HELLO, NO_CONTEXT, PLAIN, RSV1, Reference, compressed, json, receive};
use crate::{
    raw::{Cuts, Feed, Got, Scenario},
    rng::Rng,
    wire::{self, BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, ROLES, TEXT},
};

/// PMD-23, PMD-38: RSV1 alone marks what is compressed; other messages and control frames do not affect the window.
#[test]
fn compressed_and_plain_messages_can_be_mixed() {
    for role in ROLES {
        let peer = role.peer();
        let bytes = [
            compressed(peer, TEXT, &HELLO),
            wire::text(peer, "plain"),
            wire::ping(peer, b"ping"),
            wire::fragments(peer, BINARY, &[b"pl", b"ain"]),
            compressed(peer, BINARY, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
            wire::text(peer, "plain again"),
            wire::pong(peer, b"Hello"),
            compressed(peer, TEXT, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
        ];
        receive(role, PLAIN, bytes.concat()).assert_open(&[
            Got::text("Hello"),
            Got::text("plain"),
            Got::ping(b"ping"),
            Got::binary(b"plain"),
            Got::binary(b"Hello"),
            Got::text("plain again"),
            Got::pong(b"Hello"),
            Got::text("Hello"),
        ]);
    }
}

/// PMD-24: RSV1 on a continuation fails the connection, whether its message is compressed or not.
#[test]
fn rsv1_on_a_continuation() {
    for role in ROLES {
        for first in [BINARY, BINARY | RSV1] {
            let bytes = [
                wire::frame(role.peer(), first, &HELLO[..3]),
                wire::frame(role.peer(), FIN | RSV1 | CONTINUATION, &HELLO[3..]),
            ];
            receive(role, PLAIN, bytes.concat()).assert_failed(&[], 1002);
        }
    }
}

/// PMD-25: RSV1 on a control frame fails the connection, also between the fragments of a compressed message.
#[test]
fn rsv1_on_a_control_frame() {
    for role in ROLES {
        for opcode in [CLOSE, PING, PONG] {
            let frame = wire::frame(role.peer(), FIN | RSV1 | opcode, b"");
            receive(role, PLAIN, frame.clone()).assert_failed(&[], 1002);
            let open = wire::frame(role.peer(), RSV1 | TEXT, &HELLO[..3]);
            receive(role, PLAIN, [open, frame].concat()).assert_failed(&[], 1002);
        }
    }
}

/// PMD-26: RSV1 without permessage-deflate fails the connection, and so do RSV2 and RSV3 with it.
#[test]
fn reserved_bits() {
    for role in ROLES {
        let outcome = wire::frame(role.peer(), FIN | RSV1 | TEXT, &HELLO);
        crate::raw::receive(role, outcome).assert_failed(&[], 1002);
        for bits in [0x10, 0x20, 0x30, 0x50, 0x60, 0x70] {
            let bytes = wire::frame(role.peer(), FIN | bits | TEXT, &HELLO);
            receive(role, PLAIN, bytes).assert_failed(&[], 1002);
        }
    }
}

/// PMD-28: a compressed message may be cut anywhere into fragments, with empty fragments and control frames between them.
#[test]
fn fragments_of_a_compressed_message() {
    let text = json(700, 0);
    let whole = Reference::new().message(text.as_bytes());
    for role in ROLES {
        let peer = role.peer();
        let mut cuts: Vec<Vec<&[u8]>> = (0..=whole.len())
            .step_by(7)
            .map(|at| vec![&whole[..at], &whole[at..]])
            .collect();
        cuts.push(whole.chunks(1).collect());
        cuts.push(vec![&[], &whole, &[]]);
        for pieces in cuts {
            let mut bytes = Vec::new();
            for (i, piece) in pieces.iter().enumerate() {
                let opcode = if i == 0 { TEXT | RSV1 } else { CONTINUATION };
                let fin = if i + 1 == pieces.len() { FIN } else { 0 };
                bytes.extend(wire::frame(peer, fin | opcode, piece));
                if i == 0 {
                    bytes.extend(wire::ping(peer, b"between"));
                }
            }
            let scenario = Scenario::new(role, bytes).deflate(NO_CONTEXT);
            for feed in [Feed::Space, Feed::Receive, Feed::LentBuffer] {
                for cuts in [Cuts::Whole, Cuts::Bytes] {
                    scenario
                        .run_once(feed, cuts)
                        .assert_open(&[Got::ping(b"between"), Got::text(&text)]);
                }
            }
        }
        // The example of §7.2.3.1, under every segmentation.
        let bytes = [
            wire::frame(peer, RSV1 | TEXT, &HELLO[..3]),
            wire::frame(peer, FIN | CONTINUATION, &HELLO[3..]),
        ];
        receive(role, PLAIN, bytes.concat()).assert_open(&[Got::text("Hello")]);
    }
}

/// PMD-42: text must be UTF-8 after decompression; invalid text fails the connection as soon as it appears.
#[test]
fn text_is_utf8_after_decompression() {
    let text = "κόσμε 水 \u{10ffff}".repeat(50);
    let valid = Reference::new().message(text.as_bytes());
    for role in ROLES {
        let peer = role.peer();
        let pieces: Vec<&[u8]> = valid.chunks(11).collect();
        receive(role, PLAIN, compressed_fragments(peer, TEXT, &pieces)).assert_open(&[Got::text(&text)]);
        for invalid in [&b"caf\xe9"[..], b"\xed\xa0\x80", b"abc\xe6\xb0", b"\xff"] {
            let payload = Reference::new().message(invalid);
            receive(role, PLAIN, compressed(peer, TEXT, &payload)).assert_failed(&[], 1007);
            receive(role, PLAIN, compressed(peer, BINARY, &payload)).assert_open(&[Got::binary(invalid)]);
            // What could still become a code point is not invalid before the end.
            if matches!(invalid.last(), Some(&(0xb0 | 0xe9))) {
                continue;
            }
            // Before the message is complete: as soon as the bytes have arrived.
            let payload = Reference::new().flushed(invalid);
            let bytes = wire::frame(peer, RSV1 | TEXT, &payload);
            receive(role, PLAIN, bytes).assert_failed(&[], 1007);
        }
        // Bytes that are invalid as they are may be valid once decompressed, and the other way round.
        receive(role, PLAIN, compressed(peer, TEXT, &HELLO)).assert_open(&[Got::text("Hello")]);
    }
}

fn compressed_fragments(from: websocket_proto::Role, opcode: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let mut bytes = wire::fragments(from, opcode, pieces);
    bytes[0] |= RSV1;
    bytes
}

/// PMD-28, PMD-42: a streamed message has the same content, in pieces.
#[test]
fn streamed_messages() {
    let config = Config::new().delivery(Delivery::Fragments);
    let mut reference = Reference::new();
    let texts = [
        String::new(),
        "é".repeat(9),
        json(200, 0),
        "水".repeat(30_000),
        "\u{10ffff}x".repeat(50),
        json(100_000, 7),
    ];
    for role in ROLES {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            let payload = reference.message(text.as_bytes());
            let pieces: Vec<&[u8]> = payload.chunks(1 + payload.len() / (i + 1)).collect();
            bytes.extend(compressed_fragments(role.peer(), TEXT, &pieces));
            bytes.extend(wire::fragments(role.peer(), TEXT, &[b"pl", b"ain"]));
            bytes.extend(wire::ping(role.peer(), b"?"));
            expected.extend([Got::text(text), Got::text("plain"), Got::ping(b"?")]);
        }
        let outcome = Scenario::new(role, bytes).config(&config).deflate(PLAIN).run();
        outcome.assert_open(&expected);
        reference = Reference::new();
    }
    // Short messages, cut everywhere.
    for role in ROLES {
        for kind in [TEXT, BINARY] {
            let bytes = [
                compressed(role.peer(), kind, &HELLO),
                compressed(role.peer(), kind, &[0]),
                compressed(role.peer(), kind, &Reference::new().message("\u{6c34}é".as_bytes())),
            ];
            let got = |text: &str| match kind {
                TEXT => Got::text(text),
                _ => Got::binary(text.as_bytes()),
            };
            Scenario::new(role, bytes.concat())
                .config(&config)
                .deflate(NO_CONTEXT)
                .run()
                .assert_open(&[got("Hello"), got(""), got("水é")]);
        }
        for payload in [&[0x06][..], &[0xf2, 0x48, 0xcd], &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48]] {
            let bytes = compressed(role.peer(), BINARY, payload);
            let outcome = Scenario::new(role, bytes).config(&config).deflate(PLAIN).run();
            assert_eq!(outcome.close_sent(), Some(1007), "{payload:02x?}");
            assert!(
                !outcome
                    .events
                    .iter()
                    .any(|event| matches!(event, Got::Piece(MessageKind::Binary, _, true))),
                "{outcome:?}"
            );
        }
    }
}

/// PMD-40, PMD-42: of several faults in a compressed text, the first one counts, wherever the data is cut.
#[test]
fn text_that_is_invalid_before_its_compression_is() {
    // A stored block with invalid text, then a block of a type that does not exist, or that has no end.
    let payloads: [&[u8]; 2] = [
        &[0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x07],
        &[0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x00, 0x02, 0x00],
    ];
    for (role, payload) in ROLES
        .into_iter()
        .flat_map(|role| payloads.map(|payload| (role, payload)))
    {
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            let bytes = compressed(role.peer(), TEXT, payload);
            let config = Config::new().delivery(delivery);
            let outcome = Scenario::new(role, bytes).config(&config).deflate(PLAIN).run();
            assert_eq!(outcome.assert_failed(&[], 1007), ProtocolError::InvalidUtf8);
        }
    }
}

/// Incompressible data stays as long when compressed: its payload is decompressed all the same, and never mistaken for the
/// result.
#[test]
fn long_payloads_are_decompressed() {
    let payload = Rng::new(11).bytes(100_000);
    let deflated = Reference::new().message(&payload);
    assert!(deflated.len() >= payload.len());
    for role in ROLES {
        let (first, last) = deflated.split_at(40_000);
        let bytes = [
            compressed(role.peer(), BINARY, &deflated),
            compressed_fragments(role.peer(), BINARY, &[first, last]),
        ];
        receive(role, NO_CONTEXT, bytes.concat()).assert_open(&[Got::binary(&payload), Got::binary(&payload)]);
    }
}
