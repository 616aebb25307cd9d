//! MSG-11 to MSG-16: UTF-8.

use websocket_proto::{Config, Connection, Delivery, ProtocolError, Role};

use crate::{
    raw::{Got, Outcome, Scenario, take_events},
    wire::{self, CONTINUATION, FIN, KEY, ROLES, TEXT},
};

const DELIVERIES: [Delivery; 2] = [Delivery::Messages, Delivery::Fragments];

/// Runs under both kinds of delivery.
#[track_caller]
fn receive(role: Role, bytes: &[u8]) -> [Outcome; 2] {
    DELIVERIES.map(|delivery| {
        let config = Config::new().delivery(delivery);
        Scenario::new(role, bytes).config(&config).run()
    })
}

#[track_caller]
fn assert_invalid(role: Role, bytes: &[u8]) {
    for outcome in receive(role, bytes) {
        assert_eq!(outcome.assert_failed(&[], 1007), ProtocolError::InvalidUtf8);
    }
}

/// Byte sequences that are not UTF-8, in any context.
const INVALID: [&[u8]; 26] = [
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xc2\x41",
    b"\xc3\xa9\xa9",
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xe6\xb0\x41",
    b"\xe6\x41",
    b"\xed\xa0\x80",
    b"\xed\xad\xbf",
    b"\xed\xae\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xf0\x80\x80\xaf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x9f\xa6\x41",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfe",
    b"\xff",
    b"\xff\xff\xff\xff",
];

/// MSG-11, MSG-14: text that is not UTF-8 fails the connection with 1007, wherever the fault is.
#[test]
fn invalid_text_fails_the_connection() {
    for role in ROLES {
        for bad in INVALID {
            for (before, after) in [
                ("", ""),
                ("valid é", ""),
                ("", "é valid"),
                ("水", "🦀 and much more after it"),
            ] {
                let payload = [before.as_bytes(), bad, after.as_bytes()].concat();
                assert_invalid(role, &wire::frame(role.peer(), FIN | TEXT, &payload));
            }
        }
    }
}

/// MSG-11, MSG-14: the same in fragments, cut before, inside and after the fault.
#[test]
fn invalid_text_in_fragments_fails_the_connection() {
    for bad in INVALID {
        let payload = [b"ab", bad, b"cd"].concat();
        for cut in 0..=payload.len() {
            let (one, two) = payload.split_at(cut);
            assert_invalid(Role::Server, &wire::fragments(Role::Client, TEXT, &[one, two]));
            assert_invalid(Role::Client, &wire::fragments(Role::Server, TEXT, &[one, b"", two]));
        }
    }
}

/// MSG-12, MSG-15: code points may be cut anywhere, and every code point is delivered unchanged.
#[test]
fn code_points_may_be_cut_across_fragments_and_reads() {
    let text = "\u{feff}\0é\u{7ff}\u{800}水\u{d7ff}\u{e000}\u{fffe}\u{ffff}🦀\u{10ffff}\u{378}";
    let bytes = text.as_bytes();
    for role in ROLES {
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        for outcome in receive(role, &wire::fragments(role.peer(), TEXT, &pieces)) {
            outcome.assert_open(&[Got::text(text)]);
        }
        for outcome in receive(role, &wire::text(role.peer(), text)) {
            outcome.assert_open(&[Got::text(text)]);
        }
    }
    for cut in 0..=bytes.len() {
        let (one, two) = bytes.split_at(cut);
        for outcome in receive(Role::Client, &wire::fragments(Role::Server, TEXT, &[one, b"", two])) {
            outcome.assert_open(&[Got::text(text)]);
        }
    }
}

/// MSG-13: a text that ends inside a code point is invalid, even if its last fragment is empty.
#[test]
fn text_does_not_end_inside_a_code_point() {
    for role in ROLES {
        for end in ["é", "水", "🦀"] {
            for cut in 1..end.len() {
                let payload = [b"text ", &end.as_bytes()[..cut]].concat();
                assert_invalid(role, &wire::frame(role.peer(), FIN | TEXT, &payload));
                assert_invalid(role, &wire::fragments(role.peer(), TEXT, &[&payload, b""]));
                assert_invalid(
                    role,
                    &wire::fragments(role.peer(), TEXT, &[b"text", &payload[4..], b"", b""]),
                );
                assert_invalid(role, &wire::fragments(role.peer(), TEXT, &[&payload, b"more"]));
            }
        }
    }
}

/// MSG-13: an incomplete code point does not affect the next message, nor a message that has ended.
#[test]
fn messages_do_not_share_code_points() {
    for role in ROLES {
        let whole = "水".as_bytes();
        let bytes = [
            wire::fragments(role.peer(), TEXT, &[&whole[..1], &whole[1..]]),
            wire::frame(role.peer(), FIN | TEXT, &whole[1..]),
        ];
        for outcome in receive(role, &bytes.concat()) {
            outcome.assert_failed(&[Got::text("水")], 1007);
        }
    }
}

/// The number of payload bytes of an endless text frame that a connection takes before it fails.
fn bytes_until_failure(role: Role, delivery: Delivery, payload: &[u8]) -> Option<usize> {
    let key = (role == Role::Server).then_some(KEY);
    let mut connection = Connection::new(role, &Config::new().delivery(delivery));
    connection.receive(&wire::header(TEXT, 1_000_000, key));
    let payload = wire::masked(payload, key);
    (0..payload.len()).find_map(|i| {
        connection.receive(&payload[i..=i]);
        take_events(&mut connection, &mut Vec::new()).err().map(|error| {
            assert_eq!(error, ProtocolError::InvalidUtf8);
            i + 1
        })
    })
}

/// MSG-16: inside a frame that is still arriving, text is refused at the first byte that reveals the fault.
#[test]
fn invalid_text_is_refused_early() {
    for role in ROLES {
        for delivery in DELIVERIES {
            for bad in INVALID {
                let payload = ["κόσμε".as_bytes(), bad, b"aaaa"].concat();
                let expected = (0..=payload.len())
                    .find(|&n| std::str::from_utf8(&payload[..n]).is_err_and(|error| error.error_len().is_some()));
                assert_eq!(bytes_until_failure(role, delivery, &payload), expected, "{bad:x?}");
            }
        }
    }
}

/// MSG-16: text in fragments is refused at the fragment that reveals the fault, not at the end of the message.
#[test]
fn invalid_fragments_are_refused_before_the_last() {
    for role in ROLES {
        let bytes = [
            wire::frame(role.peer(), TEXT, b"ab\xf0\x9f"),
            wire::frame(role.peer(), CONTINUATION, b"\x41"),
        ];
        assert_invalid(role, &bytes.concat());
        // A surrogate is recognised at its second byte.
        assert_invalid(role, &wire::frame(role.peer(), TEXT, b"\xed\xa0"));
    }
}

/// MSG-11, MSG-12: long texts, which are assembled from many reads, are checked correctly.
#[test]
fn long_texts_are_checked_across_reads() {
    let text = "é水🦀a".repeat(10_000);
    let bytes = wire::text(Role::Client, &text);
    for outcome in receive(Role::Server, &bytes) {
        outcome.assert_open(&[Got::text(&text)]);
    }
    for at in [0, 16 << 10, 40_000, text.len() - 1] {
        let mut payload = text.clone().into_bytes();
        payload[at] = 0xff;
        assert_invalid(Role::Server, &wire::frame(Role::Client, FIN | TEXT, &payload));
    }
}
