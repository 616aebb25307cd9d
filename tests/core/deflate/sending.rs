//! What a compressing endpoint puts on the wire.

use websocket_proto::{
    Buf, Config, ContextTakeover, DeflateConfig, DeflateParams, Fragment, Limits, Negotiated, Outgoing, Role, SendError,
};

use super::{HELLO, NO_CONTEXT, PLAIN, RSV1, connection, everything, inflate::Inflater, joined, json, sent_by};
use crate::{
    raw::take_frames,
    rng::Rng,
    wire::{BINARY, CONTINUATION, FIN, PING, ROLES, TEXT},
};

/// PMD-29, PMD-30: a message is compressed as a whole, ends with an empty stored block, and loses its tail once.
#[test]
fn a_message_as_the_rfc_shows_it() {
    for role in ROLES {
        for params in [
            PLAIN,
            NO_CONTEXT,
            PLAIN.server_max_window_bits(10).client_max_window_bits(10),
        ] {
            let mut connection = connection(role, params, everything().threshold(0));
            let frames = sent_by(role, &mut connection, |connection| {
                connection.feed("Hello, Hello, Hello, Hello").unwrap();
            });
            assert_eq!((frames.len(), frames[0].first), (1, FIN | RSV1 | TEXT));
            let mut inflater = Inflater::default();
            let text = inflater.message(&frames[0].payload).expect("valid");
            assert_eq!(text, b"Hello, Hello, Hello, Hello");
            assert_eq!(inflater.blocks.last(), Some(&0), "a stored block at the end");
            assert_eq!(frames[0].payload.last(), Some(&0), "only its first octet");
        }
    }
}

/// PMD-28, PMD-30: fragments can be decompressed as they arrive, RSV1 is on the first, and only the last loses the tail.
#[test]
fn a_message_in_fragments() {
    for role in ROLES {
        for params in [
            PLAIN,
            NO_CONTEXT,
            PLAIN.server_max_window_bits(9).client_max_window_bits(9),
        ] {
            let mut connection = connection(role, params, everything());
            let mut inflater = Inflater::default();
            for pieces in [
                vec!["Hel", "lo"],
                vec!["Hello", ""],
                vec!["", "", ""],
                vec!["Hello", "Hello", "", "Hello"],
            ] {
                let frames = sent_by(role, &mut connection, |connection| {
                    for (i, piece) in pieces.iter().enumerate() {
                        let is_last = i + 1 == pieces.len();
                        connection.feed(Fragment::new(*piece, is_last)).unwrap();
                        if !is_last {
                            connection.ping(b"between").unwrap();
                        }
                    }
                });
                let firsts: Vec<u8> = frames.iter().map(|frame| frame.first).collect();
                let mut expected = vec![RSV1 | TEXT];
                for i in 1..pieces.len() {
                    let fin = if i + 1 == pieces.len() { FIN } else { 0 };
                    expected.extend([FIN | PING, fin | CONTINUATION]);
                }
                assert_eq!(firsts, expected);
                let data: Vec<_> = frames.into_iter().filter(|frame| frame.opcode() != PING).collect();
                if params == NO_CONTEXT {
                    inflater.reset();
                }
                assert_eq!(
                    inflater.message(&joined(&data)).as_deref(),
                    Some(pieces.concat().as_bytes()),
                    "{pieces:?}"
                );
                for frame in &data[..data.len() - 1] {
                    assert!(frame.payload.is_empty() || frame.payload.ends_with(&[0, 0, 0xff, 0xff]));
                }
            }
        }
    }
}

/// PMD-27: control frames are not compressed, not even inside a compressed message.
#[test]
fn control_frames_stay_as_they_are() {
    for role in ROLES {
        let mut connection = connection(role, PLAIN, everything());
        let frames = sent_by(role, &mut connection, |connection| {
            connection.feed(Fragment::more("a")).unwrap();
            connection.ping(&[b'x'; 125]).unwrap();
            connection.pong(&[b'y'; 125]).unwrap();
            connection.feed(Fragment::last("b")).unwrap();
            connection.close(websocket_proto::CloseCode::NORMAL).unwrap();
        });
        assert_eq!((frames[1].first, &*frames[1].payload), (0x89, &[b'x'; 125][..]));
        assert_eq!((frames[2].first, &*frames[2].payload), (0x8a, &[b'y'; 125][..]));
        assert_eq!((frames[4].first, &*frames[4].payload), (0x88, &[3, 0xe8][..]));
    }
}

/// PMD-31: an empty message is one octet or uncompressed, whether it is the first or a later one, and so is a last fragment with
/// no content left.
#[test]
fn empty_messages() {
    for role in ROLES {
        for params in [
            PLAIN,
            NO_CONTEXT,
            PLAIN.server_max_window_bits(10).client_max_window_bits(10),
        ] {
            let mut connection = connection(role, params, everything());
            let mut inflater = Inflater::default();
            for text in ["", "", "Hello Hello Hello", "", "", "Hello Hello Hello"] {
                let frames = sent_by(role, &mut connection, |connection| connection.feed(text).unwrap());
                let frame = &frames[0];
                if params == NO_CONTEXT {
                    inflater.reset();
                }
                if frame.first & RSV1 != 0 {
                    assert_eq!(inflater.message(&frame.payload).as_deref(), Some(text.as_bytes()));
                } else {
                    assert_eq!(frame.payload, text.as_bytes());
                }
                assert!(!text.is_empty() || frame.payload.len() <= 1, "{frame:?}");
            }
            let frames = sent_by(role, &mut connection, |connection| {
                connection.feed(Fragment::more("Hello")).unwrap();
                connection.feed(Fragment::last("")).unwrap();
            });
            assert_eq!(frames[1].payload, [0]);
        }
    }
}

/// PMD-37: without context takeover, each message can be read by itself.
#[test]
fn no_context_takeover() {
    for role in ROLES {
        let mut connection = connection(role, NO_CONTEXT, everything());
        let text = json(400, 0);
        let send = |connection: &mut websocket_proto::Connection| connection.feed(&text).unwrap();
        let first = sent_by(role, &mut connection, send);
        for _ in 0..3 {
            let next = sent_by(role, &mut connection, send);
            assert_eq!(next[0].payload, first[0].payload);
            let alone = Inflater::default().message(&next[0].payload);
            assert_eq!(alone.as_deref(), Some(text.as_bytes()));
        }
    }
    // A sender may do so without having negotiated it.
    let mut connection = connection(Role::Client, PLAIN, DeflateConfig::new());
    let text = json(400, 0);
    for _ in 0..2 {
        let frames = sent_by(Role::Client, &mut connection, |connection| {
            connection.feed(&text).unwrap();
        });
        let alone = Inflater::default().message(&frames[0].payload);
        assert_eq!(alone.as_deref(), Some(text.as_bytes()));
    }
}

/// PMD-11, PMD-20, PMD-39: no distance is larger than the agreed window, within a message and across messages.
#[test]
fn distances_stay_in_the_window() {
    let mut rng = Rng::new(7692);
    let noise = rng.bytes(700);
    for role in ROLES {
        for bits in 9..=15 {
            for own in [bits, 15] {
                let params = PLAIN.server_max_window_bits(bits).client_max_window_bits(bits);
                let config = everything().server_max_window_bits(own).client_max_window_bits(own);
                let mut connection = connection(role, params, config);
                let mut inflater = Inflater::default();
                for i in 0..60 {
                    // Noise that repeats at all distances, up to beyond the window.
                    let len = [10, 100, 700][i % 3];
                    let mut message = noise[..len].to_vec();
                    message.extend_from_slice(json(rng.below(900 << (bits - 9)), i).as_bytes());
                    let frames = sent_by(role, &mut connection, |connection| {
                        connection.feed(&message).unwrap();
                    });
                    if frames[0].first & RSV1 == 0 {
                        assert_eq!(frames[0].payload, message);
                        continue;
                    }
                    assert_eq!(inflater.message(&frames[0].payload), Some(message));
                }
                assert!(inflater.farthest <= 1 << bits, "{} with {bits} bits", inflater.farthest);
                assert!(inflater.farthest > 200, "the window is used: {}", inflater.farthest);
            }
        }
    }
}

/// PMD-20: a window of 8 bits is never used to compress, though a peer may request one.
#[test]
fn no_window_of_8() {
    for role in ROLES {
        let params = PLAIN.server_max_window_bits(8).client_max_window_bits(8);
        let mut connection = connection(role, params, everything());
        let text = json(2000, 0);
        let frames = sent_by(role, &mut connection, |connection| {
            connection.feed(&text).unwrap();
            connection.feed(Fragment::more(&text)).unwrap();
            connection.feed(Fragment::last(&text)).unwrap();
        });
        assert!(frames.iter().all(|frame| frame.first & RSV1 == 0));
    }
}

/// PMD-44: short and incompressible messages are sent as they are, and do not affect how later ones are compressed.
#[test]
fn messages_that_are_not_worth_compressing() {
    let mut rng = Rng::new(44);
    for role in ROLES {
        for params in [
            PLAIN,
            NO_CONTEXT,
            PLAIN.server_max_window_bits(11).client_max_window_bits(11),
        ] {
            let mut connection = connection(role, params, everything().threshold(100));
            let mut inflater = Inflater::default();
            for i in 0..50 {
                let message = match i % 4 {
                    0 => json(99, i).into_bytes(),
                    1 => rng.bytes([100, 5000, 70_000, 200_000][i / 4 % 4]),
                    _ => json(100 + 100 * i, i).into_bytes(),
                };
                let frames = sent_by(role, &mut connection, |connection| {
                    connection.feed(&message).unwrap();
                });
                let frame = &frames[0];
                let is_plain = frame.first & RSV1 == 0;
                assert!(is_plain || i % 4 != 0, "short");
                assert!(!is_plain || i % 4 < 2, "worth it");
                // Incompressible: at most the headers of stored blocks.
                assert!(frame.payload.len() <= message.len() + 10 + message.len() / 2000);
                if is_plain {
                    assert_eq!(frame.payload, message);
                } else {
                    if params == NO_CONTEXT {
                        inflater.reset();
                    }
                    assert_eq!(inflater.message(&frame.payload), Some(message));
                }
            }
        }
    }
}

/// PMD-44, PMD-45: single messages, whole or in fragments, can be excluded from compression.
#[test]
fn exempted_messages() {
    let text = json(1000, 0);
    for role in ROLES {
        let mut connection = connection(role, PLAIN, everything());
        let mut inflater = Inflater::default();
        for _ in 0..3 {
            let frames = sent_by(role, &mut connection, |connection| {
                connection.feed(&text).unwrap();
                connection.feed(Outgoing::from(&text).uncompressed()).unwrap();
                let (_, outbound) = connection.split_mut();
                outbound
                    .feed(Outgoing::from(Fragment::more(&text)).uncompressed())
                    .unwrap();
                outbound.feed(Fragment::more(&text)).unwrap();
                assert!(matches!(
                    outbound.feed(Outgoing::from("x").uncompressed()),
                    Err(SendError::MessageOpen(_))
                ));
                outbound.feed(Fragment::last("")).unwrap();
                outbound.feed(Fragment::more(&text)).unwrap();
                // The first fragment decided.
                outbound
                    .feed(Outgoing::from(Fragment::last(&text)).uncompressed())
                    .unwrap();
                connection.feed(&text).unwrap();
            });
            let firsts: Vec<u8> = frames.iter().map(|frame| frame.first).collect();
            assert_eq!(firsts, [0xc1, 0x81, 0x01, 0x00, 0x80, 0x41, 0x80, 0xc1]);
            assert_eq!(inflater.message(&frames[0].payload).unwrap(), text.as_bytes());
            assert_eq!(frames[1].payload, text.as_bytes());
            assert_eq!(frames[2].payload, text.as_bytes());
            assert_eq!(
                inflater.message(&joined(&frames[5..7])).unwrap(),
                [text.as_bytes(), text.as_bytes()].concat()
            );
            assert_eq!(inflater.message(&frames[7].payload).unwrap(), text.as_bytes());
        }
    }
}

/// A refused message was not compressed either: the next message does not refer to it.
#[test]
fn refused_messages_leave_no_trace() {
    for role in ROLES {
        for bits in [10, 15] {
            let params = PLAIN.server_max_window_bits(bits).client_max_window_bits(bits);
            let negotiated = Negotiated::new(role).with_deflate(params);
            let config = Config::new()
                .deflate(everything())
                .limits(Limits::new().output_high_water(100));
            let mut connection = websocket_proto::Connection::from_negotiated(&negotiated, &config);
            let mut inflater = Inflater::default();
            let mut rng = Rng::new(3);
            for i in 0..40 {
                let text = [json(300, i), rng.text(100)].concat();
                let full = connection.output().remaining() >= 100;
                match connection.feed(&text) {
                    Ok(()) => assert!(!full),
                    Err(SendError::Full(refused)) => {
                        assert!(full && refused.as_bytes() == text.as_bytes());
                        assert!(matches!(
                            connection.feed(Fragment::more("refused")),
                            Err(SendError::Full(_))
                        ));
                        for frame in take_frames(role, &mut connection) {
                            assert_eq!(frame.first, FIN | RSV1 | TEXT);
                            assert!(inflater.message(&frame.payload).is_some());
                        }
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(!inflater.output.windows(7).any(|window| window == b"refused"));
        }
    }
}

/// PMD-29: the examples of §7.2.3, as this endpoint would send them.
#[test]
fn hello() {
    for role in ROLES {
        let mut connection = connection(role, PLAIN, everything());
        let frames = sent_by(role, &mut connection, |connection| {
            connection.feed(Fragment::more(b"Hello")).unwrap();
            connection.feed(Fragment::last(b"")).unwrap();
        });
        assert_eq!(frames[0].first, RSV1 | BINARY);
        assert_eq!(joined(&frames), [&HELLO[..], &[0, 0, 0xff, 0xff, 0]].concat());
    }
}

/// PMD-19: a client that must not keep its context sends messages that can be read on their own.
#[test]
fn a_client_respects_no_context_takeover() {
    let params = DeflateParams::new().client_context_takeover(ContextTakeover::Forbid);
    let mut connection = connection(Role::Client, params, everything());
    for i in 0..3 {
        let text = json(500, i);
        let frames = sent_by(Role::Client, &mut connection, |connection| {
            connection.feed(&text).unwrap();
        });
        let alone = Inflater::default().message(&frames[0].payload);
        assert_eq!(alone.as_deref(), Some(text.as_bytes()));
    }
}
