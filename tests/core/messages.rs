//! MSG: messages, fragmentation, Ping and Pong.

use websocket_proto::{CloseCode, Config, Connection, Fragment, Outgoing, PingPolicy, ProtocolError, Role, SendError};

use crate::{
    pair::Pair,
    raw::{Got, Scenario, receive, take_events, take_frames},
    wire::{self, BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, ROLES, TEXT, sample},
};

/// MSG-01, MSG-03, MSG-09: one frame is one message of its kind, even if it is empty.
#[test]
fn unfragmented_messages_are_delivered() {
    for role in ROLES {
        let from = role.peer();
        let bytes = [
            wire::text(from, "text"),
            wire::binary(from, b"\xff\xfe"),
            wire::text(from, ""),
            wire::binary(from, b""),
        ];
        receive(role, bytes.concat()).assert_open(&[
            Got::text("text"),
            Got::binary(b"\xff\xfe"),
            Got::text(""),
            Got::binary(b""),
        ]);
    }
}

/// MSG-02, MSG-03, MSG-07, MSG-10: every fragmentation of a message gives the same message, of the kind of its first frame.
#[test]
fn every_fragmentation_gives_the_same_message() {
    let message = "fragments: é水🦀";
    let bytes = message.as_bytes();
    for role in ROLES {
        for first in 0..=bytes.len() {
            for second in [first, (first + 1).min(bytes.len()), bytes.len()] {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let stream = [
                    wire::fragments(role.peer(), TEXT, &pieces),
                    wire::fragments(role.peer(), BINARY, &pieces),
                    wire::fragments(role.peer(), TEXT, &[bytes]),
                ];
                let expected = [Got::text(message), Got::binary(bytes), Got::text(message)];
                receive(role, stream.concat()).assert_open(&expected);
            }
        }
    }
}

/// MSG-04: a continuation with nothing to continue fails the connection: as the first frame, and after each kind of message.
#[test]
fn continuations_need_a_message() {
    for role in ROLES {
        let from = role.peer();
        let before = [
            (vec![], None),
            (wire::text(from, "done"), Some(Got::text("done"))),
            (
                wire::fragments(from, BINARY, &[b"do", b"ne"]),
                Some(Got::binary(b"done")),
            ),
            (wire::pong(from, b"done"), Some(Got::pong(b"done"))),
        ];
        for (bytes, event) in before {
            for fin in [0, FIN] {
                let stray = wire::frame(from, fin | CONTINUATION, b"stray");
                let outcome = receive(role, [bytes.clone(), stray].concat());
                let error = outcome.assert_failed(event.as_slice(), 1002);
                assert_eq!(error, ProtocolError::UnexpectedContinuation);
            }
        }
    }
}

/// MSG-05: a new message inside a fragmented one fails the connection, whatever the kinds, and neither is delivered.
#[test]
fn messages_are_not_interleaved() {
    for role in ROLES {
        for open in [TEXT, BINARY] {
            for new in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
                let bytes = [
                    wire::frame(role.peer(), open, b"open"),
                    wire::frame(role.peer(), CONTINUATION, b""),
                    wire::frame(role.peer(), new, b"new"),
                ];
                let error = receive(role, bytes.concat()).assert_failed(&[], 1002);
                assert_eq!(error, ProtocolError::InterleavedMessage);
            }
        }
    }
}

/// MSG-06, MSG-26: control frames between fragments are handled at once, in order, and do not affect the message.
#[test]
fn control_frames_between_fragments_are_handled_at_once() {
    for role in ROLES {
        let from = role.peer();
        let bytes = [
            wire::frame(from, TEXT, "水".as_bytes().split_at(1).0),
            wire::ping(from, b"one"),
            wire::frame(from, CONTINUATION, "水".as_bytes().split_at(1).1),
            wire::pong(from, b"two"),
            wire::ping(from, b"three"),
            wire::frame(from, FIN | CONTINUATION, b"!"),
        ];
        let outcome = receive(role, bytes.concat());
        outcome.assert_open(&[
            Got::ping(b"one"),
            Got::pong(b"two"),
            Got::ping(b"three"),
            Got::text("水!"),
        ]);
        assert_eq!(outcome.sent(), [(FIN | PONG, &b"one"[..]), (FIN | PONG, b"three")]);

        // The Pong does not wait for the end of the message.
        let outcome = receive(role, bytes[..2].concat());
        outcome.assert_open(&[Got::ping(b"one")]);
        assert_eq!(outcome.sent(), [(FIN | PONG, &b"one"[..])]);
    }
}

/// MSG-08, MSG-09: empty fragments are valid anywhere, and a message may consist of them only.
#[test]
fn empty_fragments_are_valid_anywhere() {
    let cases: [&[&[u8]]; 6] = [
        &[b"", b"a", b"b"],
        &[b"a", b"", b"b"],
        &[b"a", b"b", b""],
        &[b"", b"", b"ab", b"", b""],
        &[b"", b""],
        &[b"", b"", b""],
    ];
    for role in ROLES {
        for pieces in cases {
            let whole = pieces.concat();
            let bytes = [
                wire::fragments(role.peer(), TEXT, pieces),
                wire::fragments(role.peer(), BINARY, pieces),
            ];
            let expected = [Got::Text(String::from_utf8(whole.clone()).unwrap()), Got::Binary(whole)];
            receive(role, bytes.concat()).assert_open(&expected);
        }
    }
}

/// MSG-26: events are delivered in the order of arrival.
#[test]
fn events_keep_the_order_of_arrival() {
    for role in ROLES {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for i in 0..40 {
            let payload = format!("number {i}");
            let (frame, event) = match i % 5 {
                0 => (wire::text(role.peer(), &payload), Got::text(&payload)),
                1 => (
                    wire::ping(role.peer(), payload.as_bytes()),
                    Got::ping(payload.as_bytes()),
                ),
                2 => (
                    wire::pong(role.peer(), payload.as_bytes()),
                    Got::pong(payload.as_bytes()),
                ),
                3 => (
                    wire::fragments(role.peer(), TEXT, &[payload.as_bytes(), b"", b"!"]),
                    Got::Text(payload + "!"),
                ),
                _ => (wire::binary(role.peer(), &sample(i * 10)), Got::Binary(sample(i * 10))),
            };
            bytes.extend(frame);
            expected.push(event);
        }
        receive(role, bytes).assert_open(&expected);
    }
}

/// MSG-17: bodies of Ping and Pong, and binary messages, may be any bytes.
#[test]
fn only_text_is_checked() {
    for role in ROLES {
        let payload: Vec<u8> = (131..=255).collect();
        let bytes = [
            wire::ping(role.peer(), &payload),
            wire::pong(role.peer(), &payload),
            wire::binary(role.peer(), &payload),
            wire::fragments(role.peer(), BINARY, &[b"\xe6", b"\xff\xc0", b"\xf0"]),
        ];
        receive(role, bytes.concat()).assert_open(&[
            Got::ping(&payload),
            Got::pong(&payload),
            Got::binary(&payload),
            Got::binary(b"\xe6\xff\xc0\xf0"),
        ]);
    }
}

/// MSG-19, CL-10: data is sent only while the connection is open, and is handed back otherwise.
#[test]
fn data_is_refused_unless_open() {
    type Act = fn(&mut Connection, Role);
    let ways: [(&str, Act); 4] = [
        ("closed here", |connection, _| connection.close(None).unwrap()),
        ("closed by the peer", |connection, role| {
            connection.receive(&wire::close(role.peer(), 1000, ""));
            take_events(connection, &mut Vec::new()).unwrap();
        }),
        ("failed", |connection, role| {
            connection.receive(&wire::frame(role.peer(), FIN | 0x3, b""));
            take_events(connection, &mut Vec::new()).unwrap_err();
        }),
        ("aborted", |connection, _| connection.abort()),
    ];
    for role in ROLES {
        for (way, act) in ways {
            for message_open in [false, true] {
                let mut connection = Connection::new(role, &Config::new());
                if message_open {
                    connection.feed(Fragment::more("open")).unwrap();
                }
                act(&mut connection, role);
                let queued = connection.output().len();
                let late = [
                    Outgoing::from("late"),
                    Fragment::last("late").into(),
                    Fragment::more(b"late").into(),
                ];
                for late in late {
                    assert_eq!(connection.feed(late.clone()), Err(SendError::Closing(late)), "{way}");
                }
                assert_eq!(connection.ping(b""), Err(SendError::Closing(())), "{way}");
                assert_eq!(connection.pong(b""), Err(SendError::Closing(())), "{way}");
                assert_eq!(connection.close(None), Ok(()), "{way}");
                assert_eq!(connection.output().len(), queued, "{way}");
            }
        }
    }
}

/// MSG-20, MSG-24: fragments get the right opcodes and FIN on the last only; control frames may come between them.
#[test]
fn fragments_are_sent_in_order() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.feed(Fragment::more("one")).unwrap();
        connection.ping(b"ping").unwrap();
        connection.feed(Fragment::more("")).unwrap();
        connection.pong(b"pong").unwrap();
        connection.receive(&wire::ping(role.peer(), b"asked"));
        take_events(&mut connection, &mut Vec::new()).unwrap();
        connection.feed(Fragment::last("two")).unwrap();
        connection.feed(Fragment::last(b"only")).unwrap();
        connection.feed("whole").unwrap();
        let frames = take_frames(role, &mut connection);
        let sent: Vec<(u8, &[u8])> = frames.iter().map(|frame| (frame.first, &*frame.payload)).collect();
        assert_eq!(
            sent,
            [
                (TEXT, &b"one"[..]),
                (FIN | PING, b"ping"),
                (CONTINUATION, b""),
                (FIN | PONG, b"pong"),
                (FIN | PONG, b"asked"),
                (FIN | CONTINUATION, b"two"),
                (FIN | BINARY, b"only"),
                (FIN | TEXT, b"whole"),
            ]
        );
    }
}

/// MSG-20: neither a whole message nor a fragment of the other kind can be sent inside a fragmented message.
#[test]
fn messages_are_not_interleaved_when_sent() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.feed(Fragment::more("text")).unwrap();
        let queued = connection.output().len();
        assert_eq!(connection.feed("other"), Err(SendError::MessageOpen("other".into())));
        assert_eq!(connection.feed(b"other"), Err(SendError::MessageOpen(b"other".into())));
        let refused = connection.feed(Fragment::last(b"other"));
        assert_eq!(refused, Err(SendError::MessageOpen(Fragment::last(b"other").into())));
        assert_eq!(connection.output().len(), queued, "a refused message leaves nothing");

        connection.feed(Fragment::last("")).unwrap();
        connection.feed(b"other").unwrap();
        assert_eq!(take_frames(role, &mut connection).len(), 3);
    }
}

/// MSG-18: text is `&str` or `String`, so it is always valid UTF-8; it is sent unchanged.
#[test]
fn text_is_sent_unchanged() {
    let text = "\u{feff}a\0é水🦀\u{10ffff}";
    let pair = Pair::run(&Config::new(), |pair| {
        for end in [&mut pair.client, &mut pair.server] {
            end.connection.feed(text).unwrap();
            end.connection.feed(String::from(text)).unwrap();
            for (i, c) in text.char_indices() {
                let is_last = i + c.len_utf8() == text.len();
                end.connection
                    .feed(Fragment::new(&text[i..i + c.len_utf8()], is_last))
                    .unwrap();
            }
        }
        pair.pump();
    });
    for end in [&pair.client, &pair.server] {
        assert_eq!(end.events, [Got::text(text), Got::text(text), Got::text(text)]);
    }
}

/// MSG-21: a Ping of any length is answered with a Pong of the same payload.
#[test]
fn pings_are_answered() {
    for role in ROLES {
        for len in [0, 1, 4, 124, 125] {
            let outcome = receive(role, wire::ping(role.peer(), &sample(len)));
            outcome.assert_open(&[Got::Ping(sample(len))]);
            assert_eq!(outcome.sent(), [(FIN | PONG, &*sample(len))]);
        }
    }
}

/// MSG-21: a Ping before the Close in the same read is answered first; one after it is not answered at all.
#[test]
fn pings_after_a_close_are_not_answered() {
    for role in ROLES {
        let from = role.peer();
        let bytes = [
            wire::ping(from, b"before"),
            wire::close(from, 1000, ""),
            wire::ping(from, b"after"),
        ];
        let outcome = receive(role, bytes.concat());
        assert_eq!(outcome.events, [Got::ping(b"before"), Got::close(1000, "")]);
        assert_eq!(
            outcome.sent(),
            [(FIN | PONG, &b"before"[..]), (FIN | CLOSE, b"\x03\xe8")]
        );
    }
}

/// MSG-23: an unsolicited Pong is reported and not answered.
#[test]
fn unsolicited_pongs_are_not_answered() {
    for role in ROLES {
        let outcome = receive(role, wire::pong(role.peer(), b"unasked"));
        outcome.assert_open(&[Got::pong(b"unasked")]);
        assert_eq!(outcome.output, []);
    }
}

/// MSG-21, MSG-24: with `PingPolicy::Report` only the application answers.
#[test]
fn reported_pings_are_left_to_the_application() {
    for role in ROLES {
        let config = Config::new().pings(PingPolicy::Report);
        let bytes = wire::ping(role.peer(), b"yours").repeat(40);
        let outcome = Scenario::new(role, bytes).config(&config).run();
        outcome.assert_open(&vec![Got::ping(b"yours"); 40]);
        assert_eq!(outcome.output, []);

        let mut connection = Connection::new(role, &config);
        connection.receive(&wire::ping(role.peer(), b"yours"));
        take_events(&mut connection, &mut Vec::new()).unwrap();
        connection.pong(b"yours").unwrap();
        assert_eq!(take_frames(role, &mut connection)[0].payload, b"yours");
    }
}

/// MSG-22, MSG-24: a Pong of the application and the automatic one are both sent, in the order in which they were queued.
#[test]
fn pongs_of_the_application_do_not_replace_answers() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.pong(b"user 1").unwrap();
        connection.receive(&wire::ping(role.peer(), b"auto 1"));
        take_events(&mut connection, &mut Vec::new()).unwrap();
        connection.pong(b"user 2").unwrap();
        connection.receive(&wire::ping(role.peer(), b"auto 2"));
        take_events(&mut connection, &mut Vec::new()).unwrap();
        let frames = take_frames(role, &mut connection);
        let payloads: Vec<&[u8]> = frames.iter().map(|frame| &*frame.payload).collect();
        assert_eq!(payloads, [b"user 1", b"auto 1", b"user 2", b"auto 2"]);
    }
}

/// MSG-24: both ends send Pings and Pongs inside fragmented messages, and all of them arrive.
#[test]
fn control_frames_inside_fragmented_messages_reach_the_peer() {
    let pair = Pair::run(&Config::new(), |pair| {
        for end in [&mut pair.client, &mut pair.server] {
            end.connection.feed(Fragment::more(b"one")).unwrap();
            end.connection.ping(b"ping").unwrap();
        }
        pair.pump();
        for end in [&mut pair.client, &mut pair.server] {
            end.connection.feed(Fragment::last(b"two")).unwrap();
        }
        pair.pump();
    });
    for end in [&pair.client, &pair.server] {
        assert_eq!(
            end.events,
            [Got::ping(b"ping"), Got::pong(b"ping"), Got::binary(b"onetwo")]
        );
    }
}

/// MSG-25: Ping and Pong bodies of over 125 bytes are refused, even while a message is open or the queue is full.
#[test]
fn long_pings_are_refused() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.feed(Fragment::more("open")).unwrap();
        connection.feed(Fragment::more("x".repeat(2 << 20))).unwrap();
        for len in [126, 127, 65_536] {
            assert_eq!(connection.ping(&vec![0; len]), Err(SendError::ControlTooLong));
            assert_eq!(connection.pong(&vec![0; len]), Err(SendError::ControlTooLong));
        }
    }
}

/// MSG-27, MSG-28, CL-26: the application closes with 1003, 1008 or any other valid code, and the peer receives it.
#[test]
fn applications_close_for_reasons_of_their_own() {
    let codes = [
        CloseCode::UNSUPPORTED,
        CloseCode::POLICY,
        CloseCode::GOING_AWAY,
        CloseCode::TOO_BIG,
        CloseCode::INTERNAL_ERROR,
    ];
    for code in codes {
        let pair = Pair::run(&Config::new(), |pair| {
            pair.client.connection.feed(b"no binary, please").unwrap();
            pair.pump();
            pair.server
                .connection
                .close(websocket_proto::CloseFrame::from(code))
                .unwrap();
            pair.run_to_end();
        });
        assert_eq!(pair.client.events, [Got::close(code.value(), "")]);
        assert_eq!(
            pair.client.close_info().map(|closure| (closure.code, closure.clean)),
            Some((code.value(), true))
        );
    }
}
