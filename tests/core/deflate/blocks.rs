//! What a compressed payload may contain, and what it may not.

use websocket_proto::{Config, Delivery};

use super::{HELLO, NO_CONTEXT, PLAIN, Reference, assert_reads, compressed, json, receive};
use crate::{
    raw::{Got, Scenario},
    wire::{BINARY, ROLES, TEXT},
};

/// PMD-32: the tail that the sender removed is restored.
#[test]
fn the_tail_is_restored() {
    assert_reads(&HELLO, "Hello");
}

/// PMD-33: every kind of block, any number of them.
#[test]
fn kinds_of_blocks() {
    assert_reads(
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        "Hello",
    );
    assert_reads(
        &[
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ],
        "Hello",
    );
    assert_reads(&[0x00], "");
    assert_reads(&[0x02, 0x00], "");
    let text = json(5000, 0);
    let dynamic = Reference::new().message(text.as_bytes());
    assert_eq!(dynamic[0] >> 1 & 3, 2, "dynamic codes");
    assert_reads(&dynamic, &text);
}

/// PMD-33: blocks without content produce nothing, however many of them are in one frame and in one read.
#[test]
fn blocks_without_content() {
    let empty = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(2000);
    assert_reads(&[&empty[..], &HELLO].concat(), "Hello");
    assert_reads(&[&empty[..], &[0x00]].concat(), "");
    let hello = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff];
    let payload = [&hello[..], &empty, &HELLO].concat();
    assert_reads(&payload, "HelloHello");
    for role in ROLES {
        let streamed = Config::new().delivery(Delivery::Fragments);
        let scenario = Scenario::new(role, compressed(role.peer(), TEXT, &payload)).config(&streamed);
        let outcome = scenario.deflate(PLAIN).run();
        outcome.assert_open(&[Got::text("HelloHello")]);
    }
}

/// PMD-34: a final block ends its stream, and the connection continues.
#[test]
fn final_blocks() {
    assert_reads(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], "Hello");
    // Also with nothing after it, although a conforming sender does not end that way.
    assert_reads(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], "Hello");
    for role in ROLES {
        let bytes = [
            compressed(role.peer(), TEXT, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]),
            // It refers back to the message before, because the context is kept.
            compressed(role.peer(), TEXT, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
            compressed(role.peer(), TEXT, &HELLO),
        ];
        receive(role, PLAIN, bytes.concat()).assert_open(&[Got::text("Hello"), Got::text("Hello"), Got::text("Hello")]);
    }
}

/// PMD-35: what follows a final block belongs to the same message.
#[test]
fn data_after_a_final_block() {
    let hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_reads(&[&hello[..], &hello, &[0]].concat(), "HelloHello");
    assert_reads(&[&hello[..], &HELLO].concat(), "HelloHello");
    assert_reads(
        &[&hello[..], &[0x03, 0x00], &hello, &[0x03, 0x00, 0x02, 0x00]].concat(),
        "HelloHello",
    );
}

/// SEC-10: an endless sequence of final blocks costs a bounded amount of work.
#[test]
fn many_final_blocks() {
    for role in ROLES {
        let few = [0x03, 0x00].repeat(1000);
        receive(role, PLAIN, compressed(role.peer(), BINARY, &few)).assert_open(&[Got::binary(b"")]);
        let many = [0x03, 0x00].repeat(2000);
        receive(role, PLAIN, compressed(role.peer(), BINARY, &many)).assert_failed(&[], 1007);
    }
}

/// PMD-36: with context takeover, a message refers back to earlier ones.
#[test]
fn context_takeover() {
    for role in ROLES {
        let bytes = [
            compressed(role.peer(), TEXT, &HELLO),
            compressed(role.peer(), TEXT, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
        ];
        receive(role, PLAIN, bytes.concat()).assert_open(&[Got::text("Hello"), Got::text("Hello")]);
        // Long messages push earlier ones out of the window, and nothing else.
        let mut reference = Reference::new();
        let texts: Vec<String> = [10_000, 40_000, 100, 33_000, 5, 20_000]
            .iter()
            .enumerate()
            .map(|(i, &len)| json(len, i * 20))
            .collect();
        let bytes: Vec<u8> = texts
            .iter()
            .flat_map(|text| compressed(role.peer(), TEXT, &reference.message(text.as_bytes())))
            .collect();
        let expected: Vec<Got> = texts.iter().map(|text| Got::text(text)).collect();
        receive(role, PLAIN, bytes).assert_open(&expected);
    }
}

/// PMD-37: without context takeover, a message that refers back to an earlier one fails the connection.
#[test]
fn no_context_takeover() {
    for role in ROLES {
        let bytes = [
            compressed(role.peer(), TEXT, &HELLO),
            compressed(role.peer(), TEXT, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
        ];
        receive(role, NO_CONTEXT, bytes.concat()).assert_failed(&[Got::text("Hello")], 1007);
    }
}

/// PMD-40: corrupt data fails the connection, and nothing of the message is delivered.
#[test]
fn broken_data() {
    let text = json(3000, 0);
    let whole = Reference::new().message(text.as_bytes());
    let mut payloads: Vec<Vec<u8>> = vec![
        vec![0x06],                                           // reserved block type
        vec![0x07, 0x00],                                     // the same, in a final block
        vec![0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48, 0x65],       // length and complement do not match
        vec![0x00, 0x05, 0x00, 0xfa, 0xff, 0x48],             // stored block that the tail would complete
        vec![0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c], // stored block that continues after the tail
        vec![0x00, 0x00],                                     // inside a length
        vec![0xf2, 0x00, 0x11, 0x00, 0x00],                   // distance beyond the start
        vec![0x04, 0x00],                                     // truncated tables
        vec![0xfc, 0xff, 0xff, 0xff, 0xff],                   // invalid tables
        vec![0xf2, 0x48, 0xcd],                               // inside a block
        vec![0xff; 100],
        vec![0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff], // the tail was not removed
    ];
    payloads.extend([1, 2, 10, 100, whole.len() / 2, whole.len() - 1].map(|cut| whole[..cut].to_vec()));
    for role in ROLES {
        for payload in &payloads {
            let bytes = compressed(role.peer(), BINARY, payload);
            let outcome = receive(role, PLAIN, bytes);
            outcome.assert_failed(&[], 1007);
        }
    }
}

/// PMD-41: a compressed message without a single octet is an empty message.
#[test]
fn an_empty_payload_is_an_empty_message() {
    assert_reads(&[], "");
    for role in ROLES {
        let bytes = [
            compressed(role.peer(), TEXT, &HELLO),
            compressed(role.peer(), TEXT, &[]),
            compressed(role.peer(), TEXT, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
        ];
        receive(role, PLAIN, bytes.concat()).assert_open(&[Got::text("Hello"), Got::text(""), Got::text("Hello")]);
    }
}
