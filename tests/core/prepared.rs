//! Messages that are encoded once and sent through many connections.

use std::sync::Arc;

use websocket_proto::{
    Buf, Bytes, CloseCode, Config, Connection, Entropy, EntropyError, Fragment, Limits, Message, MessageKind,
    PreparedMessage, Role, SendError,
};

use crate::{
    pair::Pair,
    raw::{Got, take_frames, take_output},
    rng::Rng,
    wire::{BINARY, FIN, PING, ROLES, TEXT, sample},
};

/// FR-07, FR-08: each length form, from both roles; the frame is that of an ordinary message.
#[test]
fn the_frame_is_that_of_an_ordinary_message() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 4096, 4097, 0xffff, 0x1_0000, 300_000] {
            let (mut prepared, mut ordinary) = (
                Connection::new(role, &Config::new()),
                Connection::new(role, &Config::new()),
            );
            let (binary, text) = (sample(len), "é".repeat(len / 2));
            prepared.feed(&PreparedMessage::binary(&binary)).unwrap();
            prepared.feed(&PreparedMessage::text(&text)).unwrap();
            ordinary.feed(&binary).unwrap();
            ordinary.feed(&text).unwrap();
            let unkeyed = |connection: &mut Connection| {
                let frames = take_frames(role, connection).into_iter();
                frames
                    .map(|frame| (frame.first, frame.form, frame.payload))
                    .collect::<Vec<_>>()
            };
            assert_eq!(unkeyed(&mut prepared), unkeyed(&mut ordinary), "{role:?}, {len}");
        }
    }
}

/// Prepared and ordinary messages, control frames and fragments arrive in the order in which they were sent.
#[test]
fn everything_is_sent_in_order() {
    Pair::run(&Config::new(), |pair| {
        let mut rng = Rng::new(11);
        let shared = [0, 100, 5000, 70_000].map(|len| PreparedMessage::binary(sample(len)));
        let texts = ["", "short", "水 and 🦀"].map(PreparedMessage::text);
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        for round in 0..60 {
            for (end, sent) in [(&mut pair.client, &mut to_server), (&mut pair.server, &mut to_client)] {
                let connection = &mut end.connection;
                match rng.below(6) {
                    0 => {
                        let text = rng.text(20);
                        connection.feed(&text).unwrap();
                        sent.push(Got::text(&text));
                    }
                    1 => {
                        let bytes = rng.bytes(6000);
                        sent.push(Got::binary(&bytes));
                        connection.feed(bytes).unwrap();
                    }
                    2 => {
                        connection.feed(Fragment::more("in ")).unwrap();
                        connection.feed(Fragment::last("two")).unwrap();
                        sent.push(Got::text("in two"));
                    }
                    3 => connection.ping(b"").unwrap(),
                    n => {
                        for _ in 3..n {
                            let message = &shared[rng.below(shared.len())];
                            connection.feed(message).unwrap();
                            sent.push(Got::binary(message.as_bytes()));
                        }
                        let message = &texts[rng.below(texts.len())];
                        connection.feed(message).unwrap();
                        sent.push(Got::Text(String::from_utf8(message.as_bytes().into()).unwrap()));
                    }
                }
            }
            if round % 7 == 0 {
                pair.pump();
            }
        }
        pair.pump();
        let data = |events: &[Got]| -> Vec<Got> {
            let is_data = |event: &&Got| matches!(event, Got::Text(_) | Got::Binary(_));
            events.iter().filter(is_data).cloned().collect()
        };
        assert_eq!(data(&pair.server.events), to_server);
        assert_eq!(data(&pair.client.events), to_client);
    });
}

/// A server writes a long payload without copying it, on every connection, however the write is cut.
#[test]
fn a_server_copies_no_long_payload() {
    for len in [4093, 10_000, 100_000] {
        let message = PreparedMessage::binary(sample(len));
        let frame_end = message.as_bytes().as_ptr_range().end;
        for _ in 0..3 {
            let mut connection = Connection::new(Role::Server, &Config::new());
            connection.ping(b"before").unwrap();
            connection.feed(&message).unwrap();
            connection.feed("after").unwrap();
            take_output(&mut connection, 8, &mut Vec::new());
            assert_eq!(connection.output().chunk().as_ptr_range().end, frame_end, "{len}");
            connection.output().advance(2);
            assert_eq!(connection.output().chunk().as_ptr_range().end, frame_end, "{len}");
        }
    }
}

/// MSG-20: refused inside a fragmented message, after a Close, and when the queue is full, like any message.
#[test]
fn refusals() {
    let message = PreparedMessage::binary(sample(3000));
    for role in ROLES {
        let limits = Limits::new().output_high_water(6000);
        let mut connection = Connection::new(role, &Config::new().limits(limits));
        connection.feed(Fragment::more("open")).unwrap();
        assert_eq!(
            connection.feed(&message),
            Err(SendError::MessageOpen((&message).into()))
        );
        connection.feed(Fragment::last("")).unwrap();
        assert_eq!(take_frames(role, &mut connection).len(), 2);

        connection.feed(&message).unwrap();
        connection.feed(&message).unwrap();
        assert!(connection.output().len() > 6000, "shared bytes count, too");
        assert_eq!(connection.feed(&message), Err(SendError::Full((&message).into())));
        assert_eq!(connection.ping(b""), Err(SendError::Full(())));
        take_output(&mut connection, 100, &mut Vec::new());
        connection.feed(&message).unwrap();
        take_output(&mut connection, usize::MAX, &mut Vec::new());

        connection.close(CloseCode::NORMAL).unwrap();
        assert_eq!(connection.feed(&message), Err(SendError::Closing((&message).into())));
        assert_eq!(take_frames(role, &mut connection).len(), 1);
    }
}

/// A client without entropy sends nothing; a server needs no entropy.
#[test]
fn without_entropy() {
    struct Never;
    impl Entropy for Never {
        fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError::new())
        }
    }
    let config = Config::new().entropy(Arc::new(Never));
    let message = PreparedMessage::text("hello");
    let mut client = Connection::new(Role::Client, &config);
    assert_eq!(client.feed(&message), Err(SendError::NoEntropy((&message).into())));
    assert!(client.output().is_empty());
    let mut server = Connection::new(Role::Server, &config);
    server.feed(&message).unwrap();
    assert_eq!(take_frames(Role::Server, &mut server).len(), 1);
}

/// SEC-01: a client masks each copy with a key of its own.
#[test]
fn a_client_takes_a_new_key_each_time() {
    let message = PreparedMessage::text("hello");
    let mut client = Connection::new(Role::Client, &Config::new());
    for _ in 0..3 {
        client.feed(&message).unwrap();
    }
    let frames = take_frames(Role::Client, &mut client);
    assert!(
        frames
            .iter()
            .all(|frame| (frame.first, &*frame.payload) == (FIN | TEXT, b"hello"))
    );
    assert!(frames[0].key != frames[1].key && frames[1].key != frames[2].key);
}

/// A queued message is still sent after a release, and before the Close of a failure, like any other frame.
#[test]
fn a_connection_that_is_released_or_fails_keeps_what_is_queued() {
    let message = PreparedMessage::binary(sample(10_000));
    let mut server = Connection::new(Role::Server, &Config::new());
    server.feed(&message).unwrap();
    server.release();
    drop(message);
    server.receive(&[0xff; 20]);
    server.next_event().unwrap_err();
    let frames = take_frames(Role::Server, &mut server);
    assert_eq!((frames[0].first, &*frames[0].payload), (FIN | BINARY, &*sample(10_000)));
    assert_eq!(frames.len(), 2);
}

#[test]
fn its_properties_and_debug_output() {
    let message = PreparedMessage::from(Message::text("héllo"));
    assert_eq!(
        (message.kind(), message.len(), message.is_empty()),
        (MessageKind::Text, 6, false)
    );
    assert_eq!(message.as_bytes(), "héllo".as_bytes());
    assert_eq!(message.deflated_len(), None);
    let clone = message.clone();
    assert_eq!(clone.as_bytes().as_ptr(), message.as_bytes().as_ptr(), "shared");
    let empty = PreparedMessage::binary(b"");
    assert!(empty.is_empty());
    assert_eq!(empty.kind(), MessageKind::Binary);
    assert_eq!(
        format!("{message:?}"),
        "PreparedMessage { kind: Text, len: 6, deflated_len: None }"
    );
}

#[test]
fn is_made_from_every_kind_of_message() {
    for text in [
        PreparedMessage::from("text"),
        "text".to_owned().into(),
        Message::text("text").into(),
        (&Message::text("text")).into(),
    ] {
        assert_eq!(text, PreparedMessage::text("text"));
    }
    for binary in [
        PreparedMessage::from(b"binary"),
        (&b"binary"[..]).into(),
        b"binary".to_vec().into(),
        Bytes::from_static(b"binary").into(),
    ] {
        assert_eq!(binary, PreparedMessage::binary(b"binary"));
    }
}

/// A Ping that is answered while shared frames are queued: the Pong keeps its place after them.
#[test]
fn pongs_between_shared_frames() {
    let message = PreparedMessage::binary(sample(500));
    let mut server = Connection::new(Role::Server, &Config::new());
    for i in 0..5 {
        server.feed(&message).unwrap();
        server.ping(&[i]).unwrap();
    }
    let firsts: Vec<u8> = take_frames(Role::Server, &mut server)
        .iter()
        .map(|frame| frame.first)
        .collect();
    assert_eq!(firsts, [FIN | BINARY, FIN | PING].repeat(5));
}
