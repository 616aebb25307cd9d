//! Properties of the parsers: no input makes them fail other than with an error, and what is written is read back.

use proptest::prelude::*;
use socket_io_server::{
    engine::{Data, packet, payload},
    socket::{Body, Decoded, Decoder, MAX_ATTACHMENTS},
};
use websocket_proto::MessageKind;

use crate::support::World;

/// Texts that are close to packets.
fn nearly_packets() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9][0-9]{0,3}-?(/[a-z]{0,3},?)?[0-9]{0,22}[\\[\\]{}\",:a-z0-9\\\\]{0,20}",
        "[25]1?-?[0-9]?\\[\"[a-z\\\\\"]{0,5}\"?(,[0-9\\[\\]{}\",: ]{0,9}){0,3}\\]?",
        ".*",
    ]
}

/// Any JSON value, as its text.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?",
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("text")),
        Just("\"\\ud83d\"".to_owned()),
    ];
    leaf.prop_recursive(8, 64, 6, |inner| {
        let pair = (any::<String>(), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|values| format!("[{}]", values.join(" ,"))),
            prop::collection::vec(pair, 0..6).prop_map(|pairs| {
                let pairs: Vec<_> = pairs
                    .into_iter()
                    .map(|(key, value)| format!("{}: {value}", serde_json::to_string(&key).expect("key")))
                    .collect();
                format!("{{{}}}", pairs.join(","))
            }),
        ]
    })
}

/// Messages of Engine.IO: `None` is text.
fn messages() -> impl Strategy<Value = Vec<Result<String, Vec<u8>>>> {
    let text = "[^\u{1e}]{0,20}".prop_map(Ok);
    let binary = prop::collection::vec(any::<u8>(), 0..40).prop_map(Err);
    prop::collection::vec(prop_oneof![text, binary], 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_payload_is_read_or_refused(bytes: Vec<u8>) {
        if let Ok(packets) = payload::parse(&bytes) {
            let packets: Vec<_> = packets.collect();
            prop_assert!(!packets.is_empty());
            prop_assert!(packets.iter().rev().skip(1).all(Result::is_ok));
        }
    }

    #[test]
    fn payloads_are_read_back(messages in messages()) {
        let mut written = String::new();
        for message in &messages {
            match message {
                Ok(text) => payload::append(&mut written, MessageKind::Text, format!("4{text}").as_bytes()),
                Err(bytes) => payload::append(&mut written, MessageKind::Binary, bytes),
            }
        }
        let read: Vec<_> = payload::parse(written.as_bytes()).expect("UTF-8").map(|packet| match packet {
            Ok(packet::Packet::Message(Data::Text(text))) => Ok(text.to_owned()),
            Ok(packet::Packet::Message(Data::Binary(bytes))) => Err(bytes.to_vec()),
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn any_packet_is_read_or_refused(texts in prop::collection::vec(prop_oneof![
        nearly_packets().prop_map(Ok), prop::collection::vec(any::<u8>(), 0..4).prop_map(Err)
    ], 1..12)) {
        let mut decoder = Decoder::default();
        for text in &texts {
            let data = match text {
                Ok(text) => Data::Text(text),
                Err(bytes) => Data::Binary(bytes.clone().into()),
            };
            match decoder.decode(data) {
                Ok(Some(Decoded::Binary(whole))) => prop_assert!(whole.packet().is_ok()),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }

    #[test]
    fn any_frame_leaves_the_server_in_order(frames in prop::collection::vec(nearly_packets(), 1..8)) {
        let mut world = World::new();
        let (client, _) = world.joined();
        let (other, _) = world.joined();
        for frame in &frames {
            world.send(client, &format!("4{frame}"));
        }
        world.send(other, "42[\"echo\",1]");
        let received = world.frames(other);
        prop_assert_eq!(received.last().map(String::as_str), Some("42[\"echo\",1]"));
    }

    #[test]
    fn events_come_back_as_they_were(args in prop::collection::vec(json(), 0..5), id in any::<u64>()) {
        let mut world = World::new();
        let (client, _) = world.joined();
        let json = args.join(",");
        let separator = if args.is_empty() { "" } else { "," };
        world.send(client, &format!("42{id}[\"echo\"{separator}{json}]"));
        prop_assert_eq!(world.frames(client), [format!("43{id}[{json}]")]);
        world.send(client, &format!("42[\"echo\"{separator}{json}]"));
        prop_assert_eq!(world.frames(client), [format!("42[\"echo\"{separator}{json}]")]);
    }

    #[test]
    fn attachments_come_back_in_order(blobs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..=MAX_ATTACHMENTS)) {
        let mut world = World::new();
        let (client, _) = world.joined();
        let holders: Vec<_> = (0..blobs.len())
            .rev()
            .map(|number| format!("[{{\"_placeholder\":true,\"num\":{number}}}]"))
            .collect();
        let packet = format!("45{}-[\"echo\",{}]", blobs.len(), holders.join(","));
        world.send(client, &packet);
        for blob in &blobs {
            world.send_binary(client, blob);
        }
        let mut expected = vec![packet];
        expected.extend(blobs.iter().map(|blob| format!("b{blob:?}")));
        prop_assert_eq!(world.frames(client), expected);
    }
}

#[test]
fn packets_are_taken_apart() {
    let mut decoder = Decoder::default();
    let mut decode = |text| match decoder.decode(Data::Text(text)) {
        Ok(Some(Decoded::Text(packet))) => Some((packet.namespace, packet.body)),
        _ => None,
    };
    assert_eq!(decode("0"), Some(("/", Body::Connect(""))));
    assert_eq!(
        decode("0/a?b=c,{\"x\":1}"),
        Some(("/a?b=c", Body::Connect("{\"x\":1}")))
    );
    assert_eq!(decode("1/a,"), Some(("/a", Body::Disconnect)));
    let Some(("/a", Body::Event(name, args, Some(12)))) = decode("2/a,12[\"e\\u0041\", 1 ]") else {
        panic!("no event")
    };
    assert_eq!((&*name, args.json()), ("eA", " 1"));
    assert!(matches!(decode("2[7,1]"), Some(("/", Body::Event(_, _, None)))));
    assert!(matches!(decode("30[]"), Some(("/", Body::Ack(0, _)))));
    for refused in [
        "",
        "4{}",
        "7",
        "9",
        "x",
        "0[]",
        "0\"x\"",
        "0{",
        "1[]",
        "2",
        "2{}",
        "2[]",
        "2[null]",
        "2[{}]",
        "2[\"connect\"]",
        "2[\"a\"]x",
        "2abc[\"a\"]",
        "299999999999999999999[\"a\"]",
        "3[]",
        "31{}",
        "5[\"a\"]",
        "50-[\"a\"]",
        "5x-[\"a\"]",
        "60-1[]",
    ] {
        assert_eq!(decode(refused), None, "{refused}");
    }
}
