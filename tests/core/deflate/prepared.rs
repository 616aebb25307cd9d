//! Messages that are compressed once and sent through many connections, whatever each connection negotiated.

use proptest::prelude::*;
use websocket_proto::{
    Buf, Config, Connection, ContextTakeover, DeflateConfig, Fragment, Outgoing, PreparedMessage, Role, SendError,
};

use super::{NO_CONTEXT, PLAIN, RSV1, connection, everything, inflate::Inflater, json};
use crate::{
    pair::Pair,
    raw::{Got, take_frames},
    rng::Rng,
    wire::{BINARY, FIN, ROLES, TEXT},
};

fn text_of(message: &PreparedMessage) -> Got {
    Got::Text(String::from_utf8(message.as_bytes().into()).unwrap())
}

/// PMD-29: the compressed form is made once, and every connection that can use it sends it without a copy.
#[test]
fn one_compressed_form_serves_all_connections() {
    let message = PreparedMessage::text(json(3000, 0)).deflated(everything());
    let mut places = Vec::new();
    for (params, bits) in [PLAIN, NO_CONTEXT]
        .into_iter()
        .flat_map(|params| [12, 15].map(|bits| (params, bits)))
    {
        let mut server = connection(Role::Server, params.server_max_window_bits(bits), everything());
        server.feed(&message).unwrap();
        places.push(server.output().chunk().as_ptr());
        let frames = take_frames(Role::Server, &mut server);
        assert_eq!((frames.len(), frames[0].first), (1, FIN | RSV1 | TEXT));
        assert_eq!(Some(frames[0].payload.len()), message.deflated_len());
        assert_eq!(
            Inflater::default().message(&frames[0].payload).as_deref(),
            Some(message.as_bytes())
        );
    }
    assert!(places.iter().all(|place| *place == places[0]));
}

/// PMD-39: no distance reaches beyond the negotiated window, in this message or in any that follow.
#[test]
fn every_window_is_respected() {
    for role in ROLES {
        for bits in 9..=15 {
            for own_bits in [9, 12, 15] {
                for len in [200, 511, 512, 513, 4096, 4097, 40_000] {
                    let config = everything().server_max_window_bits(own_bits).client_max_window_bits(15);
                    let params = PLAIN.server_max_window_bits(bits).client_max_window_bits(bits);
                    let mut sender = connection(role, params, everything());
                    let message = PreparedMessage::text(json(len, 1)).deflated(config);
                    let mut inflater = Inflater::default();
                    for i in 0..3 {
                        sender.feed(&message).unwrap();
                        let ordinary = json(len, i);
                        sender.feed(&ordinary).unwrap();
                        let frames = take_frames(role, &mut sender);
                        let texts = [message.as_bytes(), ordinary.as_bytes()];
                        for (frame, text) in frames.iter().zip(texts) {
                            assert_eq!(frame.first, FIN | RSV1 | TEXT);
                            assert_eq!(
                                inflater.message(&frame.payload).as_deref(),
                                Some(text),
                                "{bits} {own_bits} {len}"
                            );
                        }
                    }
                    assert!(
                        inflater.farthest <= 1 << bits,
                        "{} for {bits} {own_bits} {len}",
                        inflater.farthest
                    );
                }
            }
        }
    }
}

/// Where the window is too small for the compressed form, the message is compressed for that connection alone.
#[test]
fn a_window_that_is_too_small() {
    let message = PreparedMessage::text(json(3000, 0)).deflated(everything());
    let mut server = connection(Role::Server, PLAIN.server_max_window_bits(10), everything());
    for _ in 0..2 {
        server.feed(&message).unwrap();
    }
    let frames = take_frames(Role::Server, &mut server);
    assert!(frames.iter().all(|frame| frame.first == FIN | RSV1 | TEXT));
    assert_ne!(Some(frames[0].payload.len()), message.deflated_len());
    // A form made for that window serves it, and all larger ones.
    let message = message.deflated(everything().server_max_window_bits(10));
    for bits in [10, 11, 15] {
        let mut server = connection(Role::Server, PLAIN.server_max_window_bits(bits), everything());
        server.feed(&message).unwrap();
        let frames = take_frames(Role::Server, &mut server);
        assert_eq!(Some(frames[0].payload.len()), message.deflated_len(), "{bits}");
    }
}

/// PMD-23: the plain form is sent below the threshold, when compression would not shorten it, and without compression.
#[test]
fn when_the_plain_form_is_sent() {
    let plain = |message: &PreparedMessage, server: &mut Connection| {
        server.feed(message).unwrap();
        let frames = take_frames(Role::Server, server);
        assert_eq!((frames.len(), frames[0].first), (1, FIN | BINARY));
        assert_eq!(frames[0].payload, message.as_bytes());
    };
    let compressible = json(1000, 0).into_bytes();
    let prepared = || PreparedMessage::binary(&compressible);
    let mut server = connection(Role::Server, PLAIN, everything());
    plain(&prepared(), &mut server);
    let mut without = Connection::new(Role::Server, &Config::new());
    plain(&prepared().deflated(everything()), &mut without);
    let mut picky = connection(Role::Server, PLAIN, everything().threshold(1001));
    plain(&prepared().deflated(everything()), &mut picky);
    // A window of 256 bytes, for which there is no compressor.
    let mut tiny = connection(Role::Server, PLAIN.server_max_window_bits(8), everything());
    plain(&prepared().deflated(everything()), &mut tiny);

    let below = prepared().deflated(everything().threshold(1001));
    assert_eq!(below.deflated_len(), None);
    plain(&below, &mut server);
    for len in [0, 1, 2000] {
        let noise = PreparedMessage::binary(Rng::new(1).bytes(len)).deflated(everything());
        assert_eq!(noise.deflated_len(), None, "{len}");
        plain(&noise, &mut server);
    }
}

/// A plain form leaves the window alone: later messages still refer to what came before it.
#[test]
fn an_uncompressed_message_is_no_part_of_the_window() {
    for bits in [12, 15] {
        let mut server = connection(Role::Server, PLAIN.server_max_window_bits(bits), everything());
        let text = json(1000, 3);
        server.feed(&text).unwrap();
        server.feed(&PreparedMessage::text(json(2000, 4))).unwrap();
        server.feed(&text).unwrap();
        let frames = take_frames(Role::Server, &mut server);
        assert!(frames[2].payload.len() < 40, "{} bytes", frames[2].payload.len());
        let mut inflater = Inflater::default();
        inflater.message(&frames[0].payload).unwrap();
        assert_eq!(inflater.message(&frames[2].payload).as_deref(), Some(text.as_bytes()));
    }
}

/// The connection's own compressor state is dropped, because the peer's window has moved on without it: a connection that sends
/// only prepared messages holds no such state.
#[test]
fn a_connection_holds_no_state_for_what_it_did_not_compress() {
    let message = PreparedMessage::text(json(3000, 0)).deflated(everything());
    let mut server = connection(Role::Server, PLAIN, everything());
    let idle = server.allocated();
    for i in 0..3 {
        server.feed(&json(3000, i)).unwrap();
        assert!(server.allocated() > 300_000);
        server.feed(&message).unwrap();
        take_frames(Role::Server, &mut server);
        server.release();
        assert_eq!(server.allocated(), idle);
    }
}

/// MSG-20: inside a fragmented message nothing happens, not even to the window.
#[test]
fn refused_inside_a_fragmented_message() {
    let message = PreparedMessage::text(json(3000, 0)).deflated(everything());
    for bits in [12, 15] {
        let mut server = connection(Role::Server, PLAIN.server_max_window_bits(bits), everything());
        let text = json(1000, 7);
        server.feed(Fragment::more(&text)).unwrap();
        assert_eq!(server.feed(&message), Err(SendError::MessageOpen((&message).into())));
        server.feed(Fragment::last(&text)).unwrap();
        let frames = take_frames(Role::Server, &mut server);
        let payload = super::joined(&frames);
        let whole = [text.as_bytes(), text.as_bytes()].concat();
        assert_eq!(Inflater::default().message(&payload), Some(whole));
    }
}

fn settings(bits: u8, takeover: bool) -> Config {
    let takeover = if takeover {
        ContextTakeover::Allow
    } else {
        ContextTakeover::Forbid
    };
    let deflate = DeflateConfig::new()
        .server_context_takeover(takeover)
        .client_context_takeover(takeover)
        .server_max_window_bits(bits)
        .client_max_window_bits(bits)
        .threshold(100);
    Config::new().deflate(deflate)
}

/// PMD-23: ordinary and prepared messages, of all lengths, both ways, under every segmentation.
#[test]
fn interleaved_under_every_segmentation() {
    for takeover in [false, true] {
        for bits in [9, 12, 15] {
            Pair::run(&settings(bits, takeover), |pair| {
                let all = everything();
                let prepared: Vec<_> = [0, 99, 400, 600, 5000, 50_000]
                    .iter()
                    .map(|len| PreparedMessage::text(json(*len, *len)).deflated(all))
                    .collect();
                let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
                for i in 0..18 {
                    for (end, sent) in [(&mut pair.client, &mut to_server), (&mut pair.server, &mut to_client)] {
                        let message = &prepared[i * 5 % prepared.len()];
                        end.connection.feed(message).unwrap();
                        let ordinary = json(i * 150, i);
                        end.connection.feed(&ordinary).unwrap();
                        sent.extend([text_of(message), Got::text(&ordinary)]);
                    }
                    if i % 4 == 0 {
                        pair.pump();
                    }
                }
                pair.pump();
                assert_eq!(pair.server.events, to_server);
                assert_eq!(pair.client.events, to_client);
            });
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Prepared(usize),
    Ordinary(usize, usize),
    Uncompressed(usize),
    Fragments(usize),
    Release,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..8_usize).prop_map(Act::Prepared),
        3 => (0..6000_usize, 0..500_usize).prop_map(|(len, seed)| Act::Ordinary(len, seed)),
        1 => (0..2000_usize).prop_map(Act::Uncompressed),
        1 => (0..2000_usize).prop_map(Act::Fragments),
        1 => Just(Act::Release),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7692),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// PMD-29, PMD-39: whatever comes before and after, the peer reads what was sent, within the window.
    #[test]
    fn at_random(
        acts in proptest::collection::vec(act(), 1..40),
        bits in 9..=15_u8,
        form_bits in 9..=15_u8,
        takeover in any::<bool>(),
        is_server in any::<bool>(),
    ) {
        let role = if is_server { Role::Server } else { Role::Client };
        let params = if takeover { PLAIN } else { NO_CONTEXT };
        let params = params.server_max_window_bits(bits).client_max_window_bits(bits);
        let form = everything().server_max_window_bits(form_bits);
        let prepared: Vec<_> = [0, 20, 300, 600, 2000, 5000, 9000, 40_000]
            .iter()
            .map(|len| PreparedMessage::binary(json(*len, *len).into_bytes()).deflated(form))
            .collect();
        let mut sender = connection(role, params, everything().threshold(50));
        let mut receiver = connection(role.peer(), params, everything());
        let (mut sent, mut got, mut inflater) = (Vec::new(), Vec::new(), Inflater::default());
        for act in acts {
            match act {
                Act::Prepared(i) => {
                    sender.feed(&prepared[i]).unwrap();
                    sent.push(prepared[i].as_bytes().to_vec());
                }
                Act::Ordinary(len, seed) => {
                    let text = json(len, seed).into_bytes();
                    sender.feed(&text).unwrap();
                    sent.push(text);
                }
                Act::Uncompressed(len) => {
                    let text = json(len, len).into_bytes();
                    sender.feed(Outgoing::from(&text).uncompressed()).unwrap();
                    sent.push(text);
                }
                Act::Fragments(len) => {
                    let text = json(len, len).into_bytes();
                    sender.feed(Fragment::more(&text[..len / 2])).unwrap();
                    sender.feed(Fragment::last(&text[len / 2..])).unwrap();
                    sent.push(text);
                }
                Act::Release => sender.release(),
            }
            let mut bytes = Vec::new();
            crate::raw::take_output(&mut sender, usize::MAX, &mut bytes);
            receiver.receive(&bytes);
            crate::raw::take_events(&mut receiver, &mut got).unwrap();
            let frames = crate::wire::parse(&bytes).0;
            if frames.first().is_some_and(|frame| frame.first & RSV1 != 0) {
                if !takeover {
                    inflater = Inflater { farthest: inflater.farthest, ..Inflater::default() };
                }
                prop_assert!(inflater.message(&super::joined(&frames)).is_some());
            }
        }
        let sent: Vec<Got> = sent.iter().map(|payload| Got::binary(payload)).collect();
        prop_assert_eq!(got, sent);
        prop_assert!(inflater.farthest <= 1 << bits);
    }
}
