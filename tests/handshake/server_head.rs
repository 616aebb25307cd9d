//! How a server reads the head of a request.

use websocket_proto::{
    Config,
    handshake::{Accept, HandshakeError, HandshakeField, ServerHandshake},
};

use crate::support::{Head, serve, status};

/// HS-S-05: a violation of the HTTP grammar ends the handshake.
#[test]
fn malformed_heads() {
    for line in [
        "X",
        "X y",
        ": y",
        "X[]: y",
        "X\u{e4}: y",
        "\u{1}: y",
        "X\0: y",
        "X:y\u{7f}",
        "=: y",
        "X;Y: z",
    ] {
        let error = serve(Head::request().add(line)).expect_err(line);
        assert!(matches!(error, HandshakeError::MalformedHead), "{line:?}: {error:?}");
        assert_eq!(error.status(), Some(400));
    }
    for start_line in [
        "GET",
        "GET ",
        "GET  /chat HTTP/1.1",
        "GET /chat  HTTP/1.1",
        "GET /chat HTTP/1.1 ",
        "G(T / HTTP/1.1",
    ] {
        let status = status(Head::request().start_line(start_line));
        assert_eq!(status, 400, "{start_line}");
    }
}

/// HS-S-06: the order of fields does not matter.
#[test]
fn field_order() {
    for turn in 0..5 {
        let turned = Head::request().map(|lines| lines[1..].rotate_left(turn));
        assert!(serve(turned).is_ok());
        let reversed = Head::request().map(|lines| {
            lines[1..].rotate_left(turn);
            lines[1..].reverse();
        });
        assert!(serve(reversed).is_ok());
    }
}

/// HS-S-07: field names are compared case-insensitively.
#[test]
fn field_names() {
    for change in [<[u8]>::make_ascii_lowercase, <[u8]>::make_ascii_uppercase] {
        let request = Head::request().map(|lines| {
            for line in &mut lines[1..] {
                let colon = line.iter().position(|&byte| byte == b':').expect("a field");
                change(&mut line[..colon]);
            }
        });
        let (request, _) = serve(request).expect("a valid request");
        assert_eq!(request.headers().get("HOST"), Some("example.com"));
        assert_eq!(
            request.headers().get("sec-websocket-KEY"),
            Some("dGhlIHNhbXBsZSBub25jZQ==")
        );
    }
}

/// HS-S-08: unknown fields are ignored by the handshake and available to the application.
#[test]
fn unknown_fields() {
    let request = Head::request()
        .add("X-Forwarded-For: 192.0.2.1")
        .add("Sec-WebSocket-Frobnicate: yes")
        .add("Empty:")
        .add("x-forwarded-for:\t192.0.2.2\t ");
    let (request, _) = serve(request).expect("a valid request");
    let headers = request.headers();
    assert!(headers.get_all("X-Forwarded-For").eq([b"192.0.2.1", b"192.0.2.2"]));
    assert_eq!(headers.get("empty"), Some(""));
    assert_eq!(headers.get("Forwarded"), None);
    assert_eq!((headers.len(), headers.is_empty()), (9, false));
    assert_eq!(headers.iter().nth(5), Some(("X-Forwarded-For", &b"192.0.2.1"[..])));
}

/// HS-S-43: bytes after the request belong to the connection.
#[test]
fn bytes_after_the_head() {
    let frame = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    let (_, leftover) = serve([Head::request().bytes(), frame.to_vec()].concat()).expect("a valid request");
    assert_eq!(leftover, frame);
    let second_request = Head::request().bytes();
    let (_, leftover) = serve([Head::request().bytes(), second_request.clone()].concat()).expect("a valid request");
    assert_eq!(leftover, second_request);
}

/// HS-S-46: whitespace between name and colon is refused.
#[test]
fn space_before_colon() {
    for line in ["X : y", "X\t: y", "Host : example.com", " : y"] {
        assert_eq!(status(Head::request().add(line)), 400, "{line:?}");
    }
    assert_eq!(
        status(Head::request().without("Upgrade").add("Upgrade : websocket")),
        400
    );
}

/// HS-S-47: folded lines are refused.
#[test]
fn folded_lines() {
    for line in [" folded", "\tfolded", " Upgrade: websocket", " ", "\t"] {
        assert_eq!(status(Head::request().add("X: y").add(line)), 400, "{line:?}");
        assert_eq!(
            status(Head::request().map(|lines| lines.insert(1, line.into()))),
            400,
            "{line:?}"
        );
    }
}

/// HS-S-48: no NUL, CR or LF inside a value, and no line that ends with LF alone.
#[test]
fn control_characters() {
    for line in [
        "X: a\0b",
        "X: a\rb",
        "X: a\nb",
        "X: a\r",
        "X: a\n",
        "X: \u{1}",
        "X: a\u{7f}",
        "X: a\u{b}",
        "X: a\nY: b",
        "\n",
    ] {
        let error = serve(Head::request().add(line)).expect_err(line);
        assert!(matches!(error, HandshakeError::MalformedHead), "{line:?}");
        assert_eq!(error.status(), Some(400));
    }
    let bare = String::from_utf8(Head::request().bytes())
        .expect("text")
        .replace("\r\n", "\n");
    assert_eq!(status(bare), 400);
    assert!(serve(Head::request().add("X: a\tb")).is_ok());
}

/// HS-S-49: non-ASCII bytes are accepted in fields that are not interpreted, and nowhere else.
#[test]
fn non_ascii_bytes() {
    let (request, _) =
        serve(Head::request().add(b"X: \x80\xff\xe4").add("Cookie: caf\u{e9}")).expect("a valid request");
    assert_eq!(request.headers().get_bytes("x"), Some(&b"\x80\xff\xe4"[..]));
    for name in [
        "Upgrade",
        "Connection",
        "Host",
        "Origin",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Accept",
        "sec-websocket-anything",
    ] {
        let line = [name.as_bytes(), b": x\x80"].concat();
        let status = status(Head::request().without(name).add(line));
        assert!(matches!(status, 400 | 426), "{name}: {status}");
    }
    // Also in a second element next to a valid one.
    let error = serve(Head::request().with("Upgrade", b"websocket, \xff")).expect_err("not ASCII");
    assert!(matches!(error, HandshakeError::InvalidField(HandshakeField::Upgrade)));
}

/// HS-S-50: empty lines before the request are skipped, within the limit.
#[test]
fn empty_lines_first() {
    let (request, leftover) =
        serve([b"\r\n\r\n\r\n", &Head::request().bytes()[..], b"x"].concat()).expect("a valid request");
    assert_eq!((request.target(), &leftover[..]), ("/chat", &b"x"[..]));
    assert_eq!(request.headers().get("Host"), Some("example.com"));
    assert_eq!(status("\r\n".repeat(10_000)), 414);
    assert_eq!(status([b"\n", &Head::request().bytes()[..]].concat()), 400);
    assert_eq!(status([b"\r\r\n", &Head::request().bytes()[..]].concat()), 400);
}

/// HS-S-55: the end of the transport ends the handshake, and no answer is sent.
#[test]
fn end_of_transport() {
    let request = Head::request().bytes();
    for len in [0, 1, 10, request.len() - 1] {
        let error = serve(&request[..len]).expect_err("the end");
        assert!(matches!(error, HandshakeError::Eof));
        assert_eq!((error.status(), error.response()), (None, None));
    }
}

/// SEC-12: input that is not HTTP is refused at its first byte.
#[test]
fn other_protocols() {
    for first_flight in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\0",
        b" GET / HTTP/1.1",
        b"\xef\xbb\xbfGET",
        b"{\"jsonrpc\"",
        b"\x80",
    ] {
        let mut handshake = ServerHandshake::new(&Config::new());
        let error = handshake.receive(&first_flight[..1]).expect_err("no HTTP");
        assert!(matches!(error, HandshakeError::NotHttp));
        assert_eq!(error.status(), Some(400));
        assert!(matches!(serve(first_flight), Err(HandshakeError::NotHttp)));
    }
}

/// HS-S-32, HS-S-35: the example of the RFC's section 1.2, byte for byte.
#[test]
fn example_of_the_rfc() {
    let request = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let (request, leftover) = serve(request).expect("a valid request");
    assert_eq!(
        (request.method(), request.target(), request.host()),
        ("GET", "/chat", "server.example.com")
    );
    assert_eq!(request.origin(), Some("http://example.com"));
    assert!(request.subprotocols().eq(["chat", "superchat"]));
    assert!(leftover.is_empty());
    let accepted = request
        .accept(Accept::new().subprotocol("chat"))
        .expect("an offered subprotocol");
    assert_eq!(
        accepted.response(),
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    );
    assert_eq!(accepted.into_negotiated().subprotocol(), Some("chat"));
}

/// SEC-15: fields are shown with their values, without control characters, unless they may contain a credential.
#[test]
fn fields_are_shown() {
    let head = Head::request()
        .add("X: \"caf\u{e9}\"")
        .add("user-agent: \"caf\u{e9}\"\t");
    let (request, _) = serve(head).expect("a valid request");
    let shown = format!("{:?}", request.headers());
    assert!(shown.starts_with(r#"{"Host": "example.com", "#), "{shown}");
    assert!(
        shown.ends_with(r#""X": (hidden), "user-agent": "\"caf\xc3\xa9\""}"#),
        "{shown}"
    );
}
