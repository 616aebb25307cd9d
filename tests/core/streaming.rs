//! `Delivery::Fragments`: messages in pieces as they arrive.

use websocket_proto::{Config, Connection, Delivery, Fragment, Limits, MessageKind, ProtocolError, Role};

use crate::{
    pair::Pair,
    raw::{Got, Scenario, joined, take_events},
    wire::{self, BINARY, CONTINUATION, FIN, KEY, ROLES, TEXT, sample},
};

fn config() -> Config {
    Config::new().delivery(Delivery::Fragments)
}

fn piece(text: &str, is_last: bool) -> Got {
    Got::Piece(MessageKind::Text, text.into(), is_last)
}

/// MSG-02, MSG-09: no message is delivered whole, not even a short or an empty one.
#[test]
fn every_message_is_delivered_in_pieces() {
    for role in ROLES {
        let from = role.peer();
        let bytes = [
            wire::text(from, ""),
            wire::binary(from, b""),
            wire::text(from, "short"),
            wire::fragments(from, TEXT, &[b"", b""]),
            wire::text(from, &"long".repeat(100)),
        ];
        let mut connection = Connection::new(role, &config());
        connection.receive(&bytes.concat());
        let mut events = Vec::new();
        take_events(&mut connection, &mut events).unwrap();
        assert_eq!(
            events,
            [
                piece("", true),
                Got::Piece(MessageKind::Binary, vec![], true),
                piece("short", true),
                piece("", true),
                piece(&"long".repeat(100), true),
            ]
        );
    }
}

/// MSG-06, MSG-08, MSG-10: the harness joins the pieces: the same messages under every segmentation.
#[test]
fn pieces_join_to_the_same_messages() {
    for role in ROLES {
        let from = role.peer();
        let bytes = [
            wire::text(from, ""),
            wire::fragments(from, TEXT, &["é水".as_bytes(), b"", "🦀".as_bytes(), b""]),
            wire::frame(from, BINARY, &sample(50)),
            wire::ping(from, b"between"),
            wire::frame(from, FIN | CONTINUATION, &sample(60)),
            wire::binary(from, b""),
        ];
        let outcome = Scenario::new(role, bytes.concat()).config(&config()).run();
        outcome.assert_open(&[
            Got::text(""),
            Got::text("é水🦀"),
            Got::ping(b"between"),
            Got::Binary([sample(50), sample(60)].concat()),
            Got::binary(b""),
        ]);
    }
}

/// MSG-12: pieces of text are whole code points, wherever reads and fragments cut them, and only an incomplete code point is held
/// back.
#[test]
fn text_is_delivered_in_whole_code_points_at_once() {
    let text = "aé水🦀z";
    for role in ROLES {
        let mut connection = Connection::new(role, &config());
        let (mut events, mut sent) = (Vec::new(), 0);
        for (i, byte) in text.bytes().enumerate() {
            let first = match i {
                0 => TEXT,
                _ if i + 1 == text.len() => FIN | CONTINUATION,
                _ => CONTINUATION,
            };
            connection.receive(&wire::frame(role.peer(), first, &[byte]));
            take_events(&mut connection, &mut events).unwrap();
            sent += 1;
            let whole = (0..=sent).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0);
            let come: usize = events
                .iter()
                .map(|event| match event {
                    Got::Piece(_, piece, _) => std::str::from_utf8(piece).expect("whole code points").len(),
                    _ => panic!("{event:?}"),
                })
                .sum();
            assert_eq!(come, whole);
        }
        assert_eq!(joined(&events), [Got::text(text)]);
    }
}

/// MSG-13: an empty last fragment does not save a text that ends inside a code point.
#[test]
fn an_empty_last_fragment_ends_the_message() {
    for role in ROLES {
        let from = role.peer();
        let mut connection = Connection::new(role, &config());
        connection.receive(&wire::fragments(from, TEXT, &["é".as_bytes(), b""]));
        let mut events = Vec::new();
        take_events(&mut connection, &mut events).unwrap();
        assert_eq!(events, [piece("é", false), piece("", true)]);

        let outcome = Scenario::new(role, wire::fragments(from, TEXT, &[b"\xc3", b""]))
            .config(&config())
            .run();
        outcome.assert_failed(&[], 1007);
    }
}

/// MSG-16: the text delivered before a fault is a prefix of what was sent.
#[test]
fn pieces_before_a_fault_are_a_prefix() {
    let payload = ["é水🦀 and more ".repeat(20).as_bytes(), b"\xff"].concat();
    let bytes = wire::frame(Role::Server, FIN | TEXT, &payload);
    for step in [1, 7, 50, bytes.len()] {
        let mut connection = Connection::new(Role::Client, &config());
        let (mut events, mut error) = (Vec::new(), None);
        for chunk in bytes.chunks(step) {
            connection.receive(chunk);
            error = take_events(&mut connection, &mut events).err();
        }
        assert_eq!(error, Some(ProtocolError::InvalidUtf8));
        let mut come = Vec::new();
        for event in events {
            match event {
                Got::Piece(MessageKind::Text, piece, false) => come.extend(piece),
                event => panic!("{event:?}"),
            }
        }
        assert!(payload.starts_with(&come));
        assert!(
            come.len() + step + 4 > payload.len(),
            "{} of {} with {step}",
            come.len(),
            payload.len()
        );
    }
}

/// SEC-03, SEC-04, SEC-05: the limits apply to streamed messages, too.
#[test]
fn limits_apply_to_streamed_messages() {
    let limits = Limits::new().max_frame_size(100).max_message_size(150).max_fragments(3);
    let config = config().limits(limits);
    for role in ROLES {
        let from = role.peer();
        let fails = |bytes: Vec<u8>, events: &[Got], code| {
            Scenario::new(role, bytes)
                .config(&config)
                .run()
                .assert_failed(events, code)
        };
        let key = (from == Role::Client).then_some(KEY);
        assert_eq!(
            fails(wire::header(FIN | BINARY, 101, key), &[], 1009),
            ProtocolError::FrameTooBig
        );
        let crossing = [wire::frame(from, BINARY, &sample(100)), wire::header(FIN, 51, key)].concat();
        assert_eq!(fails(crossing, &[], 1009), ProtocolError::MessageTooBig);
        let many = wire::fragments(from, BINARY, &[b"", b"", b"", b""]);
        assert_eq!(fails(many, &[], 1008), ProtocolError::TooManyFragments);
        // The largest permitted message passes, again and again.
        let most = wire::fragments(from, BINARY, &[&sample(100), b"", &sample(50)]).repeat(3);
        let whole = Got::Binary([sample(100), sample(50)].concat());
        Scenario::new(role, most)
            .config(&config)
            .run()
            .assert_open(&[whole.clone(), whole.clone(), whole]);
    }
}

/// SEC-03: a streamed message passes in constant memory, however large it is.
#[test]
fn streamed_messages_cost_no_memory() {
    let limits = Limits::new().max_frame_size(u64::MAX).max_message_size(u64::MAX);
    for opcode in [TEXT, BINARY] {
        let mut connection = Connection::new(Role::Client, &config().limits(limits));
        connection.receive(&wire::header(FIN | opcode, 20_000_000, None));
        let mut come = 0;
        while come < 20_000_000 {
            let space = connection.space();
            let n = space.len().min(20_000_000 - come);
            space[..n].fill(b'a');
            connection.advance(n);
            while let Some(event) = connection.next_event().unwrap() {
                match event {
                    websocket_proto::Event::Fragment(piece) => come += piece.data.len(),
                    event => panic!("{event:?}"),
                }
            }
            assert!(connection.allocated() <= 64 << 10, "{} bytes", connection.allocated());
        }
    }
}

/// MSG-20: a message that is sent in fragments arrives in pieces, both ways, with control frames in between.
#[test]
fn streams_pass_both_ways() {
    let text = "é水🦀 and some more text ".repeat(30);
    let halves = text.split_at(text.char_indices().nth(301).unwrap().0);
    let mut whole = Vec::new();
    for cuts in [crate::raw::Cuts::Whole, crate::raw::Cuts::Bytes] {
        let mut pair = Pair::new(&config(), &config(), cuts);
        for end in [&mut pair.client, &mut pair.server] {
            end.connection.feed(Fragment::more(halves.0)).unwrap();
            end.connection.ping(b"?").unwrap();
        }
        pair.pump();
        for end in [&mut pair.client, &mut pair.server] {
            end.connection.feed(Fragment::more(halves.1)).unwrap();
            end.connection.feed(Fragment::last("")).unwrap();
            end.connection.feed(&sample(1000)).unwrap();
        }
        pair.pump();
        whole.extend([joined(&pair.client.events), joined(&pair.server.events)]);
    }
    for events in whole {
        assert_eq!(
            events,
            [
                Got::ping(b"?"),
                Got::pong(b"?"),
                Got::text(&text),
                Got::Binary(sample(1000))
            ]
        );
    }
}

/// CL-19: a Close inside a streamed message ends the connection; the message never gets its last piece.
#[test]
fn a_close_ends_a_streamed_message() {
    for role in ROLES {
        let bytes = [
            wire::frame(role.peer(), TEXT, "open \u{6c34}".as_bytes()),
            wire::frame(role.peer(), CONTINUATION, b"\xe6"),
            wire::close(role.peer(), 1001, "bye"),
        ];
        let mut connection = Connection::new(role, &config());
        connection.receive(&bytes.concat());
        let mut events = Vec::new();
        take_events(&mut connection, &mut events).unwrap();
        assert_eq!(events, [piece("open 水", false), Got::close(1001, "bye")]);
        let outcome = Scenario::new(role, bytes.concat()).config(&config()).run();
        assert_eq!((outcome.error, outcome.close_sent()), (None, Some(1001)));
    }
}
