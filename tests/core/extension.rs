//! Extensions that the application implements: reserved bits that the handshake has negotiated.

use websocket_proto::{
    Config, Connection, Delivery, ExtensionFrame, Limits, MessageKind, Negotiated, Outbound, ProtocolError, Role,
    SendError, frame::Rsv,
};

use crate::{
    pair::{End, Pair},
    raw::{Got, Scenario, take_output},
    wire::{self, BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, ROLES, TEXT},
};

const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;

/// A toy extension: RSV2 means that every bit of the frame's payload is inverted.
struct Flip;

impl Flip {
    fn flip(payload: &[u8]) -> Vec<u8> {
        payload.iter().map(|byte| !byte).collect()
    }

    /// Sends a message in frames of these payloads; those at odd indexes stay as they are.
    fn send(end: &mut End, kind: MessageKind, pieces: &[&[u8]]) {
        for (index, piece) in pieces.iter().enumerate() {
            let flipped = Self::flip(piece);
            let is_flipped = index % 2 == 0;
            let frame = ExtensionFrame {
                rsv: if is_flipped { Rsv::RSV2 } else { Rsv::NONE },
                kind,
                is_last: index + 1 == pieces.len(),
                payload: if is_flipped { &flipped } else { piece },
            };
            end.connection.feed(frame).expect("room");
        }
    }

    /// What was received, with messages put together. Text is checked here, once it is decoded.
    fn received(end: &End) -> Vec<Got> {
        let (mut got, mut message) = (Vec::new(), Vec::new());
        for event in &end.events {
            let Got::Extension(bits, kind, last, payload) = event else {
                got.push(event.clone());
                continue;
            };
            match Rsv::from_bits(*bits) {
                Rsv::RSV2 => message.extend(Self::flip(payload)),
                _ => message.extend(payload),
            }
            if *last {
                let payload = std::mem::take(&mut message);
                got.push(match kind {
                    MessageKind::Text => Got::Text(String::from_utf8(payload).expect("text again")),
                    MessageKind::Binary => Got::Binary(payload),
                });
            }
        }
        assert!(message.is_empty(), "an unfinished message");
        got
    }
}

/// The outcome of sending this.
fn fed(outbound: &mut Outbound, frame: ExtensionFrame<'_>) -> Result<(), SendError> {
    outbound.feed(frame).map_err(|refused| refused.without_unsent())
}

fn fragments() -> Config {
    Config::new().delivery(Delivery::Fragments)
}

/// EXT-10: two applications with an extension understand each other, whole and in fragments, under both kinds of delivery; what
/// needs no extension arrives as usual.
#[test]
fn a_toy_extension_works() {
    let long = wire::sample(70_000);
    for receiver in [Config::new(), fragments()] {
        let pair = Pair::run_claiming(&Config::new(), &receiver, Rsv::RSV2, |pair| {
            let client = &mut pair.client;
            Flip::send(client, MessageKind::Text, &["whole \u{e4}\u{1f600}".as_bytes()]);
            Flip::send(client, MessageKind::Binary, &[&long]);
            Flip::send(client, MessageKind::Binary, &[b""]);
            // A code point that is cut between frames; the second frame has no bit.
            Flip::send(client, MessageKind::Text, &[b"cut \xc3", b"\xa4, ", b"", b"", b"end"]);
            client.connection.ping(b"between").unwrap();
            Flip::send(client, MessageKind::Binary, &[&long, &long[..50_000], b"\xff"]);
            pair.pump();
        });
        let expected = [
            Got::text("whole \u{e4}\u{1f600}"),
            Got::binary(&long),
            Got::binary(b""),
            Got::text("cut \u{e4}, end"),
            Got::ping(b"between"),
            Got::binary(&[&long[..], &long[..50_000], b"\xff"].concat()),
        ];
        assert_eq!(Flip::received(&pair.server), expected);
    }
    // The other direction, and a message that is sent without the extension.
    let pair = Pair::run_claiming(&Config::new(), &Config::new(), Rsv::RSV2, |pair| {
        Flip::send(&mut pair.server, MessageKind::Text, &[b"a", b"b", b"c"]);
        pair.server.connection.feed("plain").unwrap();
        pair.pump();
    });
    let payload = |bits, last, payload: &[u8]| Got::Extension(bits, MessageKind::Text, last, payload.to_vec());
    let expected = [
        payload(2, false, &Flip::flip(b"a")),
        payload(0, false, b"b"),
        payload(2, true, &Flip::flip(b"c")),
        Got::text("plain"),
    ];
    assert_eq!(pair.client.events, expected);
    let first: Vec<u8> = pair.server.frames().iter().map(|frame| frame.first).collect();
    assert_eq!(
        first,
        [RSV2 | TEXT, CONTINUATION, FIN | RSV2 | CONTINUATION, FIN | TEXT]
    );
}

/// EXT-10, FR-02: the peer's frames reach the application unchanged, one by one, with control frames in between.
#[test]
fn frames_are_delivered_as_they_are() {
    for role in ROLES {
        let frame = |first, payload: &[u8]| wire::frame(role.peer(), first, payload);
        let bytes = [
            frame(FIN | TEXT, b"plain"),
            frame(FIN | RSV2 | TEXT, b"\xff\x00"),
            frame(RSV3 | BINARY, b"one"),
            frame(FIN | PING, b"?"),
            frame(RSV2 | RSV3 | CONTINUATION, b""),
            frame(FIN | CONTINUATION, b"three"),
            // Without any bit, but the next frame could have had one.
            frame(TEXT, b"\xc3"),
            frame(FIN | CONTINUATION, b"\xa4"),
            frame(FIN | BINARY, b"plain"),
        ];
        let frame = |bits, kind, last, payload: &[u8]| Got::Extension(bits, kind, last, payload.to_vec());
        let expected = [
            Got::text("plain"),
            frame(2, MessageKind::Text, true, b"\xff\x00"),
            frame(1, MessageKind::Binary, false, b"one"),
            Got::ping(b"?"),
            frame(3, MessageKind::Binary, false, b""),
            frame(0, MessageKind::Binary, true, b"three"),
            frame(0, MessageKind::Text, false, b"\xc3"),
            frame(0, MessageKind::Text, true, b"\xa4"),
            Got::binary(b"plain"),
        ];
        let claimed = Scenario::new(role, bytes.concat()).claim(Rsv::RSV2 | Rsv::RSV3);
        claimed.run().assert_open(&expected);
    }
}

/// EXT-11, FR-02: a bit that no extension claims fails the connection, and so does any bit on a control frame.
#[test]
fn other_reserved_bits_fail_the_connection() {
    for role in ROLES {
        for (claimed, first) in [
            (Rsv::RSV2, FIN | RSV3 | TEXT),
            (Rsv::RSV2, FIN | RSV2 | RSV1 | BINARY),
            (Rsv::RSV2 | Rsv::RSV3, FIN | RSV1 | TEXT),
            (Rsv::RSV2, FIN | RSV2 | PING),
            (Rsv::RSV2, FIN | RSV2 | PONG),
            (Rsv::RSV2, FIN | RSV2 | CLOSE),
        ] {
            let bytes = wire::frame(role.peer(), first, b"");
            let error = Scenario::new(role, bytes).claim(claimed).run().assert_failed(&[], 1002);
            assert_eq!(error, ProtocolError::ReservedBits(Rsv::from_bits(first >> 4)));
        }
        let begun = wire::frame(role.peer(), RSV2 | TEXT, b"a");
        let bad = wire::frame(role.peer(), FIN | RSV3 | CONTINUATION, b"b");
        let event = Got::Extension(2, MessageKind::Text, false, b"a".to_vec());
        let outcome = Scenario::new(role, [begun, bad].concat()).claim(Rsv::RSV2).run();
        outcome.assert_failed(&[event], 1002);
    }
}

/// EXT-12: the message limits apply to frames of extensions, and memory is that of one frame.
#[test]
fn the_limits_hold() {
    let limits = |limits| Config::new().limits(limits);
    for role in ROLES {
        let frame = |first, len| wire::frame(role.peer(), first, &vec![b'x'; len]);
        let event = |last, len| Got::Extension(2, MessageKind::Binary, last, vec![b'x'; len]);
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            let run = |limits: Config, bytes: Vec<u8>| {
                let scenario = Scenario::new(role, bytes).config(&limits.delivery(delivery));
                scenario.claim(Rsv::RSV2).run()
            };
            let config = limits(Limits::new().max_frame_size(99));
            run(config, frame(FIN | RSV2 | BINARY, 100)).assert_failed(&[], 1009);

            let config = limits(Limits::new().max_message_size(199));
            let bytes = [frame(RSV2 | BINARY, 100), frame(RSV2 | CONTINUATION, 100)];
            run(config, bytes.concat()).assert_failed(&[event(false, 100)], 1009);

            let config = limits(Limits::new().max_fragments(2));
            let bytes = [
                frame(RSV2 | BINARY, 1),
                frame(RSV2 | CONTINUATION, 1),
                frame(RSV2 | CONTINUATION, 1),
            ];
            run(config, bytes.concat()).assert_failed(&[event(false, 1), event(false, 1)], 1008);
        }
    }
    // A frame that was delivered holds no memory, though its message continues.
    let negotiated = Negotiated::new(Role::Client).with_reserved_bits(Rsv::RSV2);
    let mut connection = Connection::from_negotiated(&negotiated, &Config::new());
    let before = connection.allocated();
    connection.receive(&wire::frame(Role::Server, RSV2 | BINARY, &wire::sample(100_000)));
    assert!(matches!(connection.next_event(), Ok(Some(_))));
    assert_eq!(connection.next_event(), Ok(None));
    connection.release();
    assert_eq!(connection.allocated(), before);
}

/// EXT-13: only claimed bits are sent, and only where a message may begin or continue.
#[test]
fn what_is_sent_is_checked() {
    let frame = |rsv, kind, last| ExtensionFrame {
        rsv,
        kind,
        is_last: last,
        payload: b"x",
    };
    for role in ROLES {
        let negotiated = Negotiated::new(role).with_reserved_bits(Rsv::RSV2);
        let mut connection = Connection::from_negotiated(&negotiated, &Config::new());
        let outbound = connection.split_mut().1;
        for bits in [Rsv::RSV1, Rsv::RSV3] {
            let sent = fed(outbound, frame(bits | Rsv::RSV2, MessageKind::Text, true));
            assert_eq!(sent, Err(SendError::ReservedBits(bits)));
        }
        let (text, binary) = (MessageKind::Text, MessageKind::Binary);
        assert_eq!(fed(outbound, frame(Rsv::RSV2, text, false)), Ok(()));
        assert_eq!(
            fed(outbound, frame(Rsv::RSV2, binary, false)),
            Err(SendError::MessageOpen(()))
        );
        assert!(outbound.feed("whole").is_err());
        assert_eq!(fed(outbound, frame(Rsv::NONE, text, true)), Ok(()));
        assert_eq!(fed(outbound, frame(Rsv::RSV2, binary, true)), Ok(()));
        outbound.close(None).unwrap();
        assert_eq!(
            fed(outbound, frame(Rsv::RSV2, binary, true)),
            Err(SendError::Closing(()))
        );
        let mut written = Vec::new();
        take_output(&mut connection, usize::MAX, &mut written);
        let frames = wire::parse_claiming(role, &written, Rsv::RSV2);
        let first: Vec<u8> = frames.iter().map(|frame| frame.first).collect();
        assert_eq!(
            first,
            [RSV2 | TEXT, FIN | CONTINUATION, FIN | RSV2 | BINARY, FIN | CLOSE]
        );
    }
    let mut connection = Connection::new(Role::Client, &Config::new());
    let sent = connection.feed(frame(Rsv::RSV2, MessageKind::Text, true));
    assert_eq!(sent, Err(SendError::ReservedBits(Rsv::RSV2)));
}

/// EXT-14: a message that permessage-deflate has compressed is decompressed first, whatever other bits its first frame has.
#[cfg(feature = "deflate")]
#[test]
fn compression_is_undone_first() {
    use crate::deflate::{HELLO, PLAIN, compressed};

    let config = |delivery| Config::new().delivery(delivery);
    let hello = |rsv| Got::Extension(rsv, MessageKind::Text, true, b"Hello".to_vec());
    for role in ROLES {
        let frame = |first, payload: &[u8]| wire::frame(role.peer(), first, payload);
        for delivery in [Delivery::Messages, Delivery::Fragments] {
            let run = |bytes: Vec<u8>| {
                let scenario = Scenario::new(role, bytes).config(&config(delivery));
                scenario.deflate(PLAIN).claim(Rsv::RSV1 | Rsv::RSV2).run()
            };
            let bytes = [
                frame(FIN | RSV1 | RSV2 | TEXT, &HELLO),
                frame(RSV1 | RSV2 | TEXT, &HELLO[..3]),
                frame(CONTINUATION, b""),
                frame(FIN | CONTINUATION, &HELLO[3..]),
                compressed(role.peer(), TEXT, &HELLO),
                frame(RSV1 | TEXT, &HELLO[..3]),
                frame(FIN | CONTINUATION, &HELLO[3..]),
                frame(FIN | RSV2 | TEXT, b"Hello"),
            ];
            let plain = Got::text("Hello");
            run(bytes.concat()).assert_open(&[hello(2), hello(2), plain.clone(), plain, hello(2)]);

            for first in [RSV1 | TEXT, RSV1 | RSV2 | TEXT] {
                let bytes = [frame(first, &HELLO), frame(FIN | RSV2 | CONTINUATION, b"")];
                let error = run(bytes.concat()).error;
                assert_eq!(error, Some(ProtocolError::ReservedBits(Rsv::RSV2)));
            }
        }
    }
    // Data that the application has encoded is not compressed, and the compression bit is not available to the application.
    let negotiated = Negotiated::new(Role::Server).with_deflate(PLAIN);
    let negotiated = negotiated.with_reserved_bits(Rsv::RSV1 | Rsv::RSV2);
    let config = Config::new().deflate(crate::deflate::everything());
    let mut connection = Connection::from_negotiated(&negotiated, &config);
    let outbound = connection.split_mut().1;
    let mut frame = ExtensionFrame {
        rsv: Rsv::RSV2,
        kind: MessageKind::Text,
        is_last: true,
        payload: b"Hello",
    };
    outbound.feed(frame).unwrap();
    frame.rsv = Rsv::RSV1;
    assert_eq!(fed(outbound, frame), Err(SendError::ReservedBits(Rsv::RSV1)));
    assert_eq!(websocket_proto::Buf::chunk(connection.output()), b"\xa1\x05Hello");
}
