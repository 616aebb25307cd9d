//! What is sent: masking keys, the source of entropy, and nothing but the caller's bytes.

use std::{collections::HashSet, sync::Arc};

use websocket_proto::{
    Buf, Bytes, Config, Connection, Entropy, EntropyError, Fragment, Message, ProtocolError, ReadyState, Role,
    SendError,
};

use crate::{
    pair::Pair,
    raw::{Got, take_events, take_frames, take_output},
    rng::{Rng, SeededEntropy},
    wire::{self, BINARY, FIN, ROLES, TEXT, sample},
};

/// Keys of the frames that a client sends.
fn keys(connection: &mut Connection) -> Vec<[u8; 4]> {
    let frames = take_frames(Role::Client, connection).into_iter();
    frames.map(|frame| frame.key.expect("a client masks")).collect()
}

/// SEC-01: every frame of every kind has its own key, taken from the entropy source in order and never used again.
#[test]
fn each_frame_has_a_fresh_key() {
    let entropy = Arc::new(SeededEntropy::new(1));
    let mut client = Connection::new(Role::Client, &Config::new().entropy(entropy.clone()));
    assert_eq!(entropy.draws(), [], "nothing is drawn before it is needed");
    let mut found = Vec::new();
    for i in 0..2000 {
        match i % 5 {
            0 => client.feed("text").unwrap(),
            1 => client.ping(b"ping").unwrap(),
            2 => client.feed(vec![0; 5000]).unwrap(),
            3 => client.feed(Fragment::last("")).unwrap(),
            _ => {
                client.receive(&wire::ping(Role::Server, b""));
                take_events(&mut client, &mut Vec::new()).unwrap();
            }
        }
        found.extend(keys(&mut client));
    }
    assert_eq!(found.len(), 2000);
    let drawn: usize = entropy.draws().iter().sum();
    let stream = {
        let again = SeededEntropy::new(1);
        let mut bytes = Vec::new();
        for len in entropy.draws() {
            let mut draw = vec![0; len];
            again.fill(&mut draw).unwrap();
            bytes.extend(draw);
        }
        bytes
    };
    assert!(drawn >= 8000);
    assert!(
        found.iter().flatten().eq(&stream[..8000]),
        "each key is the next four bytes of the source"
    );
}

/// SEC-01: entropy is drawn in batches, and only by clients.
#[test]
fn entropy_is_drawn_in_batches() {
    let entropy = Arc::new(SeededEntropy::new(2));
    let config = Config::new().entropy(entropy.clone());
    let mut client = Connection::new(Role::Client, &config);
    for _ in 0..10_000 {
        client.feed("x").unwrap();
        keys(&mut client);
    }
    let draws = entropy.draws().len();
    assert!(draws <= 10_000 / 64, "{draws} draws for 10,000 frames");
    // The rest of a batch is kept when the connection becomes idle.
    client.release();
    client.feed("x").unwrap();
    assert_eq!(entropy.draws().len(), draws);

    let mut server = Connection::new(Role::Server, &config);
    server.feed("x").unwrap();
    assert_eq!(entropy.draws().len(), draws, "a server masks nothing");
}

/// SEC-01: keys from the system's source repeat only by chance, over frames and over connections, and look random.
#[test]
fn keys_of_the_system_do_not_repeat() {
    let mut found = Vec::new();
    for _ in 0..4 {
        let mut client = Connection::new(Role::Client, &Config::new());
        for _ in 0..1500 {
            client.feed("x").unwrap();
        }
        found.extend(keys(&mut client));
    }
    let different: HashSet<_> = found.iter().collect();
    // Of 6000 keys of 32 bits, 0.004 repetitions are expected; three mean a fault.
    assert!(different.len() >= found.len() - 2);
    for bit in 0..32 {
        let ones = found
            .iter()
            .filter(|key| u32::from_be_bytes(**key) >> bit & 1 == 1)
            .count();
        assert!((2500..=3500).contains(&ones), "bit {bit} is set in {ones} of 6000 keys");
    }
}

/// A source that fails after this number of draws.
struct Failing(std::sync::atomic::AtomicUsize);

impl Failing {
    fn config(after: usize) -> Config {
        Config::new().entropy(Arc::new(Self(after.into())))
    }
}

impl Entropy for Failing {
    fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError> {
        use std::sync::atomic::Ordering::Relaxed;
        // A source may write some bytes before it fails.
        dest[0] = 0x55;
        let left = self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        left.map(|_| dest.fill(0xab)).map_err(|_| EntropyError::new())
    }
}

/// SEC-01: without entropy nothing is sent, and the caller gets the reason and the message back.
#[test]
fn without_entropy_nothing_is_sent() {
    let mut client = Connection::new(Role::Client, &Failing::config(0));
    for _ in 0..2 {
        assert_eq!(client.feed("text"), Err(SendError::NoEntropy("text".into())));
        let big = vec![7; 10_000];
        assert_eq!(client.feed(big.clone()), Err(SendError::NoEntropy(big.into())));
        let refused = client.feed(Fragment::more("text"));
        assert_eq!(refused, Err(SendError::NoEntropy(Fragment::more("text").into())));
        assert_eq!(client.ping(b""), Err(SendError::NoEntropy(())));
        assert_eq!(client.pong(b""), Err(SendError::NoEntropy(())));
        assert_eq!(client.close(None), Err(SendError::NoEntropy(())));
        client.measure_latency();
        assert!(!client.wants_write());
        assert_eq!(client.ready_state(), ReadyState::Open);
    }
    // Replies are omitted; the connection continues and ends.
    let bytes = [
        wire::ping(Role::Server, b"?"),
        wire::text(Role::Server, "data"),
        wire::close(Role::Server, 1000, ""),
    ];
    client.receive(&bytes.concat());
    let mut events = Vec::new();
    take_events(&mut client, &mut events).unwrap();
    assert_eq!(events, [Got::ping(b"?"), Got::text("data"), Got::close(1000, "")]);
    assert_eq!(take_frames(Role::Client, &mut client), []);
    client.receive_eof();
    assert_eq!(client.next_event(), Ok(None));
    assert_eq!(client.ready_state(), ReadyState::Closed);
    let closure = client.close_info().expect("closed");
    assert_eq!((closure.code.value(), closure.sent, closure.clean), (1000, None, false));
}

/// SEC-01: a failure without entropy is reported, and ends the connection without a Close.
#[test]
fn without_entropy_a_failure_has_no_close() {
    let mut client = Connection::new(Role::Client, &Failing::config(0));
    client.receive(&wire::frame(Role::Server, FIN | 0x3, b""));
    take_events(&mut client, &mut Vec::new()).unwrap_err();
    assert_eq!(take_frames(Role::Client, &mut client), []);
    assert!(client.wants_shutdown());
    assert_eq!(client.close_info().expect("failed").sent, None);
}

/// SEC-01: if a source fails later, sending ends with its last batch, and its partial output is never used as a key.
#[test]
fn entropy_may_fail_later() {
    let mut client = Connection::new(Role::Client, &Failing::config(1));
    let mut sent = 0;
    while client.feed("x").is_ok() {
        sent += 1;
    }
    assert!(sent >= 64);
    assert_eq!(client.feed("x"), Err(SendError::NoEntropy("x".into())));
    let keys = keys(&mut client);
    assert_eq!(keys.len(), sent);
    assert!(keys.iter().all(|key| *key == [0xab; 4]));
}

/// SEC-02: queued data does not change any more: lent payloads are copied, and shared payloads are not masked in place.
#[test]
fn queued_payloads_are_fixed() {
    for role in [Role::Client, Role::Server] {
        let mut connection = Connection::new(role, &Config::new());
        let mut own = sample(10_000);
        connection.feed(&own).unwrap();
        own.fill(0);
        let shared = Bytes::from(sample(10_000));
        let kept = shared.clone();
        connection.feed(shared).unwrap();
        connection.feed(Bytes::from_static(&[9; 6000])).unwrap();
        let part = kept.slice(100..9000);
        connection.feed(part.clone()).unwrap();
        connection.feed(Bytes::from(sample(8000)).slice(1..)).unwrap();
        let payloads: Vec<Vec<u8>> = take_frames(role, &mut connection)
            .into_iter()
            .map(|frame| frame.payload)
            .collect();
        assert_eq!(
            payloads,
            [
                sample(10_000),
                sample(10_000),
                vec![9; 6000],
                part.to_vec(),
                sample(8000)[1..].to_vec()
            ]
        );
        assert_eq!(
            (&kept[..], &part[..]),
            (&sample(10_000)[..], &sample(10_000)[100..9000])
        );
    }
}

/// SEC-13: the output is exactly what was given, byte for byte, even when buffers are reused and lengths shrink.
#[test]
fn the_output_has_no_bytes_of_earlier_messages() {
    for role in [Role::Client, Role::Server] {
        let mut connection = Connection::new(role, &Config::new());
        let mut rng = Rng::new(3);
        for round in 0..300u32 {
            let payload = vec![round as u8; rng.length(9000)];
            connection.feed(&payload).unwrap();
            connection.feed(payload.clone()).unwrap();
            connection.ping(&payload[..payload.len().min(3)]).unwrap();
            let mut written = Vec::new();
            while connection.wants_write() {
                let n = 1 + rng.below(5000);
                take_output(&mut connection, n, &mut written);
            }
            let frames = wire::parse_from(role, &written);
            let sent: Vec<(u8, &[u8])> = frames.iter().map(|frame| (frame.first, &*frame.payload)).collect();
            let ping = &payload[..payload.len().min(3)];
            assert_eq!(
                sent,
                [
                    (FIN | BINARY, &*payload),
                    (FIN | BINARY, &payload),
                    (FIN | wire::PING, ping)
                ]
            );
        }
    }
}

/// MSG-01: a server's frames are exactly these bytes.
#[test]
fn the_output_of_a_server_is_literal() {
    let mut server = Connection::new(Role::Server, &Config::new());
    server.feed("Hello").unwrap();
    server.feed(Fragment::more("Hel")).unwrap();
    server.feed(Fragment::last("lo")).unwrap();
    server.ping(b"Hello").unwrap();
    server.feed(&[0; 256]).unwrap();
    server.close(None).unwrap();
    let mut written = Vec::new();
    take_output(&mut server, usize::MAX, &mut written);
    let expected = [
        &b"\x81\x05Hello"[..],
        b"\x01\x03Hel",
        b"\x80\x02lo",
        b"\x89\x05Hello",
        b"\x82\x7e\x01\x00",
        &[0; 256],
        b"\x88\x00",
    ];
    assert_eq!(written, expected.concat());
}

/// MSG-10: every kind of payload arrives unchanged, whether lent, owned, shared or in fragments.
#[test]
fn messages_of_every_origin_and_length_arrive() {
    for len in [0, 1, 125, 126, 4096, 4097, 65_535, 65_536, 100_000] {
        let text: String = "é水a".chars().cycle().take(len / 2).collect();
        let pair = Pair::run(&Config::new(), |pair| {
            for end in [&mut pair.client, &mut pair.server] {
                end.connection.feed(&sample(len)).unwrap();
                end.connection.feed(Bytes::from(sample(len))).unwrap();
                end.connection.feed(text.clone()).unwrap();
                end.connection.feed(Fragment::more(&sample(len))).unwrap();
                end.connection.feed(Fragment::last(sample(len))).unwrap();
            }
            pair.pump();
        });
        for end in [&pair.client, &pair.server] {
            let binary = Got::Binary(sample(len));
            let expected = [
                binary.clone(),
                binary,
                Got::text(&text),
                Got::Binary(sample(len).repeat(2)),
            ];
            assert_eq!(end.events, expected);
        }
    }
}

/// MSG-10: a lent message is echoed through `split_mut` without a copy kept by the caller, in one write for a whole batch.
#[test]
fn lent_messages_are_echoed() {
    let mut server = Connection::new(Role::Server, &Config::new());
    let bytes = [
        wire::text(Role::Client, "one"),
        wire::fragments(Role::Client, BINARY, &[&sample(3000), &sample(3000)]),
        wire::fragments(Role::Client, TEXT, &["é".as_bytes(), b"!"]),
    ];
    server.receive(&bytes.concat());
    let (inbound, outbound) = server.split_mut();
    while let Some(event) = inbound.next_event(outbound).unwrap() {
        match event {
            websocket_proto::Event::Message(message) => outbound.feed(message).unwrap(),
            event => panic!("{event:?}"),
        }
    }
    let payloads: Vec<Vec<u8>> = take_frames(Role::Server, &mut server)
        .into_iter()
        .map(|frame| frame.payload)
        .collect();
    assert_eq!(payloads, [b"one".to_vec(), sample(3000).repeat(2), "é!".into()]);
}

/// The queue's length is reported exact to the byte, whether payloads were copied or not.
#[test]
fn the_queued_length_is_reported() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        let mut expected = 0;
        for payload in [sample(0), sample(100), sample(4096), sample(4097), sample(70_000)] {
            expected += wire::binary(role, &payload).len();
            connection.feed(payload).unwrap();
            assert_eq!(connection.split_mut().1.queued(), expected);
            take_output(&mut connection, 10, &mut Vec::new());
            expected = expected.saturating_sub(10);
            assert_eq!(connection.split_mut().1.queued(), expected);
        }
    }
}

/// SEC-12: after a failure of one connection, another one with the same settings continues.
#[test]
fn connections_do_not_affect_each_other() {
    let config = Config::new().entropy(Arc::new(SeededEntropy::new(5)));
    let (mut bad, mut good) = (
        Connection::new(Role::Client, &config),
        Connection::new(Role::Client, &config),
    );
    bad.receive(&[0xff; 100]);
    assert!(matches!(bad.next_event(), Err(ProtocolError::Frame(_))));
    good.receive(&wire::text(Role::Server, "fine"));
    assert_eq!(
        good.next_event(),
        Ok(Some(websocket_proto::Event::Message(Message::from("fine"))))
    );
    good.feed("fine").unwrap();
    assert!(good.output().has_remaining());
}
