//! What a server requires of the protocol's fields: key, version, subprotocols.

use websocket_proto::handshake::{Accept, HandshakeError, HandshakeField};

use crate::support::{ACCEPT, Head, answer, serve, status};

/// HS-S-15: the key is required.
#[test]
fn missing_key() {
    let error = serve(Head::request().without("Sec-WebSocket-Key")).expect_err("no key");
    assert!(matches!(error, HandshakeError::MissingField(HandshakeField::Key)));
    assert_eq!(error.status(), Some(400));
}

/// HS-S-16: there is one key; even a repetition of the same key is refused.
#[test]
fn repeated_key() {
    let request = Head::request().add("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
    let error = serve(request).expect_err("two keys");
    assert!(matches!(error, HandshakeError::RepeatedField(HandshakeField::Key)));
    assert_eq!(error.status(), Some(400));
}

/// HS-S-17: the key is base64 of 16 bytes.
#[test]
fn invalid_key() {
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZWU=",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBs ZSBub25jQ==",
        "dGhlIHNhbXBsZSBub25j-_==",
        "dGhlIHNhbXBsZSBub25jZQ==x",
        "====================================",
        "\"GhlIHNhbXBsZSBub25jZQ==",
    ] {
        let error = serve(Head::request().with("Sec-WebSocket-Key", key)).expect_err(key);
        assert!(
            matches!(error, HandshakeError::InvalidField(HandshakeField::Key)),
            "{key}"
        );
        assert_eq!(error.status(), Some(400));
    }
}

/// HS-S-18: the unused bits of the last character may be set, as in the RFC's own example.
#[test]
fn key_with_unused_bits() {
    let request = Head::request().with("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC==");
    assert!(answer(request, Accept::new()).contains("\r\nSec-WebSocket-Accept: OfS0wDaT5NoxF2gqm7Zj2YtetzM=\r\n"));
}

/// HS-S-19: whitespace around the key is ignored.
#[test]
fn key_is_trimmed() {
    let request = Head::request().without("Sec-WebSocket-Key");
    let request = request.add("Sec-WebSocket-Key:\t  dGhlIHNhbXBsZSBub25jZQ== \t ");
    assert!(answer(request, Accept::new()).contains(&format!("\r\nSec-WebSocket-Accept: {ACCEPT}\r\n")));
}

/// HS-S-20, HS-S-21: the version is present, and is 13. The answer to another version names 13.
#[test]
fn version() {
    let missing = serve(Head::request().without("Sec-WebSocket-Version")).expect_err("no version");
    assert!(matches!(missing, HandshakeError::MissingField(HandshakeField::Version)));
    let old = Head::request()
        .with("Sec-WebSocket-Version", "8")
        .without("Sec-WebSocket-Key");
    let old = serve(old).expect_err("version 8");
    assert!(matches!(old, HandshakeError::InvalidField(HandshakeField::Version)));
    for error in [missing, old] {
        assert_eq!(error.status(), Some(426));
        let response = String::from_utf8(error.response().expect("a response")).expect("text");
        assert!(response.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    }
}

/// HS-S-22: 13 can be written in only one way.
#[test]
fn malformed_version() {
    for version in [
        "",
        "013",
        "+13",
        "13, 8",
        "13,13",
        "13.0",
        "256",
        "0x0d",
        "-13",
        "1 3",
        "\"13\"",
        "thirteen",
        "\u{ff11}3",
    ] {
        let status = status(Head::request().with("Sec-WebSocket-Version", version));
        assert!(matches!(status, 400 | 426), "{version}: {status}");
    }
}

/// HS-S-23: the version occurs once.
#[test]
fn repeated_version() {
    let error = serve(Head::request().add("sec-websocket-version: 13")).expect_err("two versions");
    assert!(matches!(error, HandshakeError::RepeatedField(HandshakeField::Version)));
    assert_eq!(error.status(), Some(400));
}

/// HS-S-24: several lines of subprotocols are one list in the client's order.
#[test]
fn subprotocols() {
    let request = Head::request()
        .add("Sec-WebSocket-Protocol: chat , superchat")
        .add("X: y")
        .add("sec-websocket-protocol:v1.json,\tv2.json");
    let (request, _) = serve(request).expect("a valid request");
    assert!(request.subprotocols().eq(["chat", "superchat", "v1.json", "v2.json"]));
    // The client's order decides, not the server's.
    assert_eq!(
        request.select_subprotocol(&["v2.json", "x", "superchat"]),
        Some("superchat")
    );
    assert_eq!(request.select_subprotocol(&["Chat"]), None);
    assert_eq!(request.select_subprotocol(&[]), None);

    let (request, _) = serve(Head::request()).expect("a valid request");
    assert_eq!(request.subprotocols().count(), 0);
    assert_eq!(request.select_subprotocol(&["chat"]), None);
}

/// HS-S-25: empty elements of a list of subprotocols are ignored, and a list of empty elements offers nothing.
#[test]
fn empty_subprotocols() {
    for (value, offered) in [
        ("", &[][..]),
        (",", &[]),
        (" , ,\t", &[]),
        (",chat,,superchat ,", &["chat", "superchat"]),
    ] {
        let (request, _) = serve(Head::request().with("Sec-WebSocket-Protocol", value)).expect(value);
        assert!(request.subprotocols().eq(offered.iter().copied()), "{value}");
        let accepted = request.accept(Accept::new()).expect("nothing is selected");
        assert!(!accepted.response().windows(9).any(|part| part == b"-Protocol"));
    }
}

/// HS-S-14, HS-S-16: empty elements of the other two lists are ignored as well.
#[test]
fn empty_elements() {
    for (name, value) in [
        ("Upgrade", ", websocket,"),
        ("Upgrade", ",,h2c, ,websocket"),
        ("Connection", ",Upgrade,"),
        ("Connection", "keep-alive,, ,Upgrade"),
    ] {
        assert!(serve(Head::request().with(name, value)).is_ok(), "{name}: {value}");
        assert!(
            serve(Head::request().with(name, value).add(format!("{name}:"))).is_ok(),
            "{name}: {value}"
        );
    }
}

/// HS-S-25: subprotocols are non-empty tokens.
#[test]
fn invalid_subprotocols() {
    for value in ["a b", "a/b", "\"chat\"", "a;b", "a@b", "a(b)", "ch\u{e4}t", "a, b c"] {
        let error = serve(Head::request().with("Sec-WebSocket-Protocol", value)).expect_err(value);
        assert!(
            matches!(error, HandshakeError::InvalidField(HandshakeField::Protocol)),
            "{value}"
        );
        assert_eq!(error.status(), Some(400));
    }
    assert!(serve(Head::request().with("Sec-WebSocket-Protocol", "!#$%&'*+-.^_`|~09azAZ")).is_ok());
}

/// HS-S-26: subprotocols are unique, even across several lines.
#[test]
fn repeated_subprotocols() {
    for request in [
        Head::request().add("Sec-WebSocket-Protocol: chat, superchat, chat"),
        Head::request()
            .add("Sec-WebSocket-Protocol: chat")
            .add("Sec-WebSocket-Protocol: x, chat"),
    ] {
        let error = serve(request).expect_err("a repeated subprotocol");
        assert!(matches!(error, HandshakeError::RepeatedSubprotocol));
        assert_eq!(error.status(), Some(400));
    }
    assert!(serve(Head::request().add("Sec-WebSocket-Protocol: chat, Chat")).is_ok());
}
