//! Two endpoints that compress, tested against each other and against a reference.

use proptest::prelude::*;
use websocket_proto::{Config, ContextTakeover, DeflateConfig, Delivery, Fragment, Outgoing, Role};

use super::{RSV1, Reference, compressed, connection, everything, inflate::Inflater, json};
use crate::{
    pair::Pair,
    raw::{Cuts, Feed, Got, Scenario, joined, take_frames},
    rng::Rng,
    wire::{self, BINARY, ROLES, TEXT},
};

fn settings() -> Vec<DeflateConfig> {
    let forbid = ContextTakeover::Forbid;
    vec![
        everything(),
        everything().server_context_takeover(forbid),
        everything().client_context_takeover(forbid),
        everything().server_max_window_bits(9).client_max_window_bits(12),
        everything()
            .server_max_window_bits(13)
            .client_max_window_bits(10)
            .level(1),
        DeflateConfig::new(),
        DeflateConfig::context_takeover().memory_level(1),
        everything().level(0),
    ]
}

/// PMD-23, PMD-36, PMD-38: whatever was negotiated, messages of all kinds arrive as they were sent.
#[test]
fn two_ends_understand_each_other() {
    for client in settings() {
        for server in settings() {
            let (client, server) = (Config::new().deflate(client), Config::new().deflate(server));
            let mut pair = Pair::new(&client, &server, Cuts::Random(Rng::new(1)));
            talk(&mut pair);
        }
    }
}

/// The same under every segmentation.
#[test]
fn segmentation_does_not_show() {
    for deflate in [everything(), DeflateConfig::context_takeover()] {
        let config = Config::new().deflate(deflate);
        Pair::run(&config, talk);
        let streaming = config.clone().delivery(Delivery::Fragments);
        for cuts in [Cuts::Whole, Cuts::Bytes, Cuts::Random(Rng::new(2))] {
            talk(&mut Pair::new(&streaming, &streaming, cuts));
        }
    }
}

fn talk(pair: &mut Pair) {
    let mut rng = Rng::new(5);
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    for i in 0..24 {
        let text = json([0, 5, 130, 700, 3000, 9000][i % 6], i);
        let noise = rng.bytes([3, 200, 5000][i % 3]);
        for (end, sent) in [(&mut pair.client, &mut to_server), (&mut pair.server, &mut to_client)] {
            let connection = &mut end.connection;
            match i % 4 {
                0 => connection.feed(Outgoing::from(&text).uncompressed()).unwrap(),
                1 => {
                    let at = text.len() / 3;
                    connection.feed(Fragment::more(&text[..at])).unwrap();
                    connection.feed(Fragment::last(&text[at..])).unwrap();
                }
                _ => connection.feed(&text).unwrap(),
            }
            connection.feed(&noise).unwrap();
            sent.extend([Got::text(&text), Got::binary(&noise)]);
            connection.release();
        }
        if i % 5 == 0 {
            pair.pump();
        }
    }
    pair.pump();
    assert_eq!(joined(&pair.server.events), to_server);
    assert_eq!(joined(&pair.client.events), to_client);
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => (0..3000_usize, 0..500_usize).prop_map(|(len, seed)| json(len, seed).into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..3000),
        1 => (any::<u8>(), 0..50_000_usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (0..60_000_usize, 0..9_usize).prop_map(|(len, seed)| json(len, seed).into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7692),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// PMD-29, PMD-32, PMD-39: others can read what this crate compresses, within the window, and the other way round.
    #[test]
    fn others_agree(messages in proptest::collection::vec(message(), 1..8), bits in 9..=15_u8, seed in any::<u64>()) {
        for role in ROLES {
            let config = everything().server_max_window_bits(bits).client_max_window_bits(bits);
            let params = super::PLAIN.server_max_window_bits(bits).client_max_window_bits(bits);
            let mut own = connection(role, params, config);
            let mut inflater = Inflater::default();
            let mut other = flate2::Decompress::new(false);
            for message in &messages {
                own.feed(message).unwrap();
                let frame = take_frames(role, &mut own).remove(0);
                if frame.first & RSV1 == 0 {
                    prop_assert_eq!(&frame.payload, message);
                    continue;
                }
                let by_other = inflate_with(&mut other, &frame.payload, message.len());
                prop_assert_eq!(by_other.as_ref(), Some(message));
                let by_inflater = inflater.message(&frame.payload);
                prop_assert_eq!(by_inflater.as_ref(), Some(message));
            }
            prop_assert!(inflater.farthest <= 1 << bits);
        }
        let mut reference = Reference::new();
        let bytes: Vec<u8> = messages
            .iter()
            .flat_map(|message| compressed(Role::Client, BINARY, &reference.message(message)))
            .collect();
        let expected: Vec<Got> = messages.iter().map(|message| Got::binary(message)).collect();
        let scenario = Scenario::new(Role::Server, bytes).deflate(super::PLAIN);
        scenario.run_once(Feed::Space, Cuts::Random(Rng::new(seed))).assert_open(&expected);
        let streamed = scenario.config(&Config::new().delivery(Delivery::Fragments));
        streamed.run_once(Feed::LentBuffer, Cuts::Random(Rng::new(seed))).assert_open(&expected);
    }

    /// PMD-40: any payload either decompresses to what the reference gives, or fails the connection, under every segmentation.
    #[test]
    fn random_payloads(
        payload in proptest::collection::vec(any::<u8>(), 0..40),
        cut in 0..40_usize,
        text in any::<bool>(),
    ) {
        // Half of them begin like valid data.
        let valid = Reference::new().message(json(60, cut).as_bytes());
        let payload = [&valid[..cut.min(valid.len())], &payload].concat();
        let opcode = if text { TEXT } else { BINARY };
        let bytes = wire::frame(Role::Client, 0xc0 | opcode, &payload);
        let outcome = Scenario::new(Role::Server, bytes).deflate(super::PLAIN).run();
        if let (None, Some(event)) = (outcome.error, outcome.events.first()) {
            let got = match event {
                Got::Text(text) => text.as_bytes(),
                Got::Binary(bytes) => bytes,
                event => panic!("{event:?}"),
            };
            let inflated = Inflater::default().message(&payload);
            prop_assert!(payload.is_empty() || inflated.is_none() || inflated.as_deref() == Some(got));
        } else {
            prop_assert_eq!(outcome.close_sent(), Some(1007));
        }
    }
}

fn inflate_with(other: &mut flate2::Decompress, payload: &[u8], len: usize) -> Option<Vec<u8>> {
    let bytes = [payload, &[0, 0, 0xff, 0xff]].concat();
    let mut output = Vec::with_capacity(len + 1);
    other
        .decompress_vec(&bytes, &mut output, flate2::FlushDecompress::Sync)
        .ok()?;
    Some(output)
}
