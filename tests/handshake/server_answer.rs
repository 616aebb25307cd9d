//! What a server sends.

use websocket_proto::{
    Role,
    handshake::{Accept, AcceptError, Extension, FieldName, HeaderError, RejectError, Rejection, UpgradeRequest},
};

use crate::support::{ACCEPT, Head, answer, serve};

fn request(head: Head) -> UpgradeRequest {
    serve(head).expect("a valid request").0
}

fn count(response: &str, name: &str) -> usize {
    let start = format!("{}:", name.to_ascii_lowercase());
    response
        .split("\r\n")
        .filter(|line| line.to_ascii_lowercase().starts_with(&start))
        .count()
}

/// HS-S-32, HS-S-33, HS-S-34, HS-S-35: status line, Upgrade, Connection and one accept value.
#[test]
fn acceptance() {
    let response = answer(Head::request(), Accept::new());
    assert!(response.starts_with("HTTP/1.1 101 "));
    assert!(response.contains("\r\nUpgrade: websocket\r\n"));
    assert!(response.contains("\r\nConnection: Upgrade\r\n"));
    assert!(response.contains(&format!("\r\nSec-WebSocket-Accept: {ACCEPT}\r\n")));
    for name in ["Upgrade", "Connection", "Sec-WebSocket-Accept"] {
        assert_eq!(count(&response, name), 1, "{name}");
    }
}

/// HS-S-36: only a subprotocol that the client offers can be selected, exactly as offered.
#[test]
fn unoffered_subprotocol() {
    let offering = request(Head::request().add("Sec-WebSocket-Protocol: chat, superchat"));
    for subprotocol in ["Chat", "chat2", "cha", "chat, superchat", "", "chat\r\nX: y"] {
        let result = offering.accept(Accept::new().subprotocol(subprotocol));
        assert_eq!(result.err(), Some(AcceptError::UnofferedSubprotocol), "{subprotocol}");
    }
    // The request can still be answered.
    assert!(offering.reject(&Rejection::new(400)).is_ok());
    assert!(offering.accept(Accept::new().subprotocol("superchat")).is_ok());
    let result = request(Head::request()).accept(Accept::new().subprotocol("chat"));
    assert_eq!(result.err(), Some(AcceptError::UnofferedSubprotocol));
}

/// HS-S-37, HS-S-38: there is one line with one subprotocol, or no line without a subprotocol.
#[test]
fn subprotocol() {
    let head = Head::request().add("Sec-WebSocket-Protocol: chat, superchat");
    let response = answer(head.clone(), Accept::new().subprotocol("superchat"));
    assert_eq!(count(&response, "Sec-WebSocket-Protocol"), 1);
    assert!(response.contains("\r\nSec-WebSocket-Protocol: superchat\r\n"));
    let accept = Accept::new().subprotocol("chat").subprotocol("superchat");
    assert_eq!(answer(head.clone(), accept), response);
    let response = answer(head, Accept::new());
    assert_eq!(count(&response, "Sec-WebSocket-Protocol"), 0);
}

/// HS-S-39: only extensions that the client offers can be accepted, each once.
#[test]
fn unoffered_extension() {
    let offering = request(Head::request().add("Sec-WebSocket-Extensions: foo, bar; x=1, bar"));
    for (extensions, expected) in [
        (vec![Extension::new("baz")], AcceptError::UnofferedExtension),
        (vec![Extension::new("Foo")], AcceptError::UnofferedExtension),
        (
            vec![Extension::new("foo"), Extension::new("foo").flag("x")],
            AcceptError::RepeatedExtension,
        ),
        (vec![Extension::new("foo, bar")], AcceptError::InvalidExtension),
        (vec![Extension::new("")], AcceptError::InvalidExtension),
        (vec![Extension::new("foo").flag("a b")], AcceptError::InvalidExtension),
        (
            vec![Extension::new("foo").param("a", "")],
            AcceptError::InvalidExtension,
        ),
        (
            vec![Extension::new("foo").param("a", "1\r\nX: y")],
            AcceptError::InvalidExtension,
        ),
    ] {
        let accept = extensions.into_iter().fold(Accept::new(), Accept::extension);
        assert_eq!(offering.accept(accept).err(), Some(expected));
    }
    let result = request(Head::request()).accept(Accept::new().extension(Extension::new("foo")));
    assert_eq!(result.err(), Some(AcceptError::UnofferedExtension));
}

/// HS-S-40, EXT-06, EXT-07: accepted extensions are in one line in the given order, and without extensions there is no line.
#[test]
fn extensions() {
    let head = Head::request().add("Sec-WebSocket-Extensions: foo; x=1, bar");
    let accept = Accept::new()
        .extension(Extension::new("bar"))
        .extension(Extension::new("foo").param("x", "1").flag("y"));
    let response = answer(head.clone(), accept);
    assert!(response.contains("\r\nSec-WebSocket-Extensions: bar, foo; x=1; y\r\n"));
    assert_eq!(count(&response, "Sec-WebSocket-Extensions"), 1);
    assert_eq!(count(&answer(head, Accept::new()), "Sec-WebSocket-Extensions"), 0);
}

/// HS-S-41, HS-S-42: the response has no body and ends with its empty line, so that frames can follow.
#[test]
fn end_of_acceptance() {
    let response = answer(Head::request(), Accept::new().header("Server", "test"));
    assert_eq!(
        count(&response, "Content-Length") + count(&response, "Transfer-Encoding"),
        0
    );
    assert!(response.ends_with("\r\nServer: test\r\n\r\n"));
    assert_eq!(response.matches("\r\n\r\n").count(), 1);
}

/// HS-S-42, HS-S-43: the outcome contains the role, the subprotocol and the bytes after the request.
#[test]
fn outcome() {
    let head = Head::request().add("Sec-WebSocket-Protocol: chat").bytes();
    let mut handshake = websocket_proto::handshake::ServerHandshake::new(&websocket_proto::Config::new());
    let received = handshake
        .receive(&[&head[..], b"frame"].concat())
        .expect("a valid request");
    let accepted = received
        .expect("a whole request")
        .accept(Accept::new().subprotocol("chat"))
        .expect("offered");
    let (response, negotiated) = accepted.clone().into_parts();
    assert_eq!(response, accepted.response());
    assert_eq!(negotiated.role(), Role::Server);
    assert_eq!(
        (negotiated.subprotocol(), negotiated.leftover()),
        (Some("chat"), &b"frame"[..])
    );
    assert_eq!(accepted.into_negotiated(), negotiated);
}

/// HS-S-44: a rejection is an ordinary response with correct framing.
#[test]
fn rejection() {
    let rejected = request(Head::request());
    let bytes = |rejection: Rejection| {
        rejected
            .reject(&rejection)
            .map(|bytes| String::from_utf8(bytes).expect("text"))
    };
    assert_eq!(
        bytes(
            Rejection::new(401)
                .header("WWW-Authenticate", "Basic realm=\"x\"")
                .body("Who are you?")
        )
        .as_deref(),
        Ok(
            "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
            Content-Length: 12\r\n\r\nWho are you?"
        )
    );
    assert_eq!(
        bytes(Rejection::new(302).header("Location", "https://example.com/")).as_deref(),
        Ok("HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n")
    );
    assert_eq!(
        bytes(Rejection::new(304)).as_deref(),
        Ok("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n")
    );
    assert_eq!(
        bytes(Rejection::new(599)).as_deref(),
        Ok("HTTP/1.1 599 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    );
    for status in [0, 99, 100, 101, 103, 199, 1000, u16::MAX] {
        assert_eq!(Rejection::new(status).status(), status);
        assert_eq!(bytes(Rejection::new(status)), Err(RejectError::Status), "{status}");
    }
    for status in [204, 205, 304] {
        assert_eq!(
            bytes(Rejection::new(status).body("x")),
            Err(RejectError::Body),
            "{status}"
        );
    }
}

/// RFC 9110 §15: a status is sent with the name that the RFC gives it.
#[test]
fn names_of_statuses() {
    for line in [
        "200 OK",
        "204 No Content",
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "304 Not Modified",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
        "400 Bad Request",
        "401 Unauthorized",
        "402 Payment Required",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "406 Not Acceptable",
        "407 Proxy Authentication Required",
        "408 Request Timeout",
        "409 Conflict",
        "410 Gone",
        "414 URI Too Long",
        "418 I'm a teapot",
        "421 Misdirected Request",
        "422 Unprocessable Content",
        "426 Upgrade Required",
        "428 Precondition Required",
        "429 Too Many Requests",
        "431 Request Header Fields Too Large",
        "451 Unavailable For Legal Reasons",
        "500 Internal Server Error",
        "501 Not Implemented",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "505 HTTP Version Not Supported",
    ] {
        let status = line[..3].parse().expect("a number");
        let response = Rejection::new(status).to_bytes().expect("a valid rejection");
        let expected = format!("HTTP/1.1 {line}\r\nConnection: ");
        assert!(response.starts_with(expected.as_bytes()), "{line}");
    }
}

/// HS-S-04: a resource that the server does not have is refused.
#[test]
fn unknown_resource() {
    let request = request(Head::request().start_line("GET /nowhere HTTP/1.1"));
    assert_eq!(request.path(), "/nowhere");
    let response = request.reject(&Rejection::new(404)).expect("a valid rejection");
    assert!(response.starts_with(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n"));
}

/// HS-S-45: after an error, no more bytes are accepted.
#[test]
fn end_of_rejected_handshake() {
    // `serve` asserts that a handshake that has ended reports so.
    assert!(serve(Head::request().without("Upgrade").bytes().repeat(2)).is_err());
}

/// HS-S-54: the application's header fields can neither inject anything nor replace what the handshake writes.
#[test]
fn application_fields() {
    let accepted = request(Head::request());
    type Fault = fn(FieldName) -> HeaderError;
    let cases: &[(&str, &str, Fault)] = &[
        ("X\r\nY", "z", HeaderError::Name),
        ("X: y", "z", HeaderError::Name),
        ("", "z", HeaderError::Name),
        ("X ", "z", HeaderError::Name),
        ("\u{e4}", "z", HeaderError::Name),
        ("X", "y\r\nZ: 1", HeaderError::Value),
        ("X", "y\n", HeaderError::Value),
        ("X", "\r", HeaderError::Value),
        ("X", "y\0", HeaderError::Value),
        ("X", "\u{7f}", HeaderError::Value),
        ("Upgrade", "h2c", HeaderError::Reserved),
        ("connection", "close", HeaderError::Reserved),
        ("Content-Length", "5", HeaderError::Reserved),
        ("Transfer-Encoding", "chunked", HeaderError::Reserved),
        ("SEC-WEBSOCKET-ACCEPT", "x", HeaderError::Reserved),
        ("Sec-WebSocket-Protocol", "chat", HeaderError::Reserved),
        ("Sec-WebSocket-Extensions", "foo", HeaderError::Reserved),
        ("Sec-WebSocket-Whatever", "x", HeaderError::Reserved),
    ];
    for &(name, value, expected) in cases {
        let expected = expected(name.into());
        let accept = Accept::new()
            .header("First", "fine")
            .header(name, value)
            .header("Last", "fine");
        assert_eq!(
            accepted.accept(accept).err(),
            Some(AcceptError::Header(expected.clone())),
            "{name:?}: {value:?}"
        );
        let rejection = Rejection::new(400).header(name, value);
        assert_eq!(
            rejection.to_bytes(),
            Err(RejectError::Header(expected)),
            "{name:?}: {value:?}"
        );
    }
    let accept = Accept::new()
        .header("Set-Cookie", "a=1")
        .header("set-cookie", "b=2")
        .header("X", b"\xe4\t \xff");
    let response = accepted.accept(accept).expect("valid fields");
    assert!(
        response
            .response()
            .ends_with(b"\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX: \xe4\t \xff\r\n\r\n")
    );
}
