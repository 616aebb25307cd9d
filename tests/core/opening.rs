//! What a connection takes over from the opening handshake.

use websocket_proto::{Config, Connection, Negotiated};

use crate::{
    raw::{Got, take_events, take_output},
    wire::{self, ROLES},
};

/// Bytes that arrived after the head are received like any others, and so is what follows them.
#[test]
fn bytes_after_the_head_come_first() {
    for role in ROLES {
        let bytes = [wire::text(role.peer(), "early"), wire::text(role.peer(), "later")].concat();
        for at in 0..=bytes.len() {
            let negotiated = Negotiated::new(role).with_leftover(&bytes[..at]);
            let mut connection = Connection::from_negotiated(&negotiated, &Config::new());
            let mut events = Vec::new();
            take_events(&mut connection, &mut events).unwrap();
            connection.receive(&bytes[at..]);
            take_events(&mut connection, &mut events).unwrap();
            assert_eq!(events, [Got::text("early"), Got::text("later")], "{at} bytes");
        }
    }
}

/// A response that was not sent yet is written before all frames, including the answers to bytes after the head.
#[test]
fn the_prelude_is_written_first() {
    for role in ROLES {
        let negotiated = Negotiated::new(role)
            .with_leftover(wire::ping(role.peer(), b"?"))
            .with_unsent_response(b"HTTP/1.1 101 \r\n\r\n");
        let mut connection = Connection::from_negotiated(&negotiated, &Config::new());
        assert!(connection.wants_write());
        take_events(&mut connection, &mut Vec::new()).unwrap();
        connection.feed("first").unwrap();
        let mut written = Vec::new();
        take_output(&mut connection, usize::MAX, &mut written);
        let frames = written.strip_prefix(b"HTTP/1.1 101 \r\n\r\n").expect("the prelude");
        let payloads: Vec<_> = wire::parse_from(role, frames)
            .into_iter()
            .map(|frame| frame.payload)
            .collect();
        assert_eq!(payloads, [b"?".to_vec(), b"first".to_vec()]);
    }
}

/// The connection reports the negotiated compression parameters.
#[cfg(feature = "deflate")]
#[test]
fn the_negotiated_compression_is_reported() {
    use websocket_proto::DeflateParams;

    for role in ROLES {
        let plain = Connection::from_negotiated(&Negotiated::new(role), &Config::new());
        assert_eq!(plain.deflate(), None);
        let params = DeflateParams::new()
            .server_max_window_bits(11)
            .client_max_window_bits(12);
        let negotiated = Negotiated::new(role).with_deflate(params);
        let mut connection = Connection::from_negotiated(&negotiated, &Config::new());
        assert_eq!(connection.deflate(), Some(params));
        assert_eq!(connection.split_mut().1.deflate(), Some(params));
    }
}
