//! What a client sends.

use websocket_proto::{
    Config,
    handshake::{ClientHandshake, ClientRequest, Extension, FieldName, HeaderError, RequestError},
};

use crate::support::{NONCE, plain_request, sent};

fn error(request: ClientRequest) -> RequestError {
    ClientHandshake::new(request, NONCE, &Config::new()).expect_err("an invalid request")
}

fn count(request: &str, name: &str) -> usize {
    let start = format!("{}:", name.to_ascii_lowercase());
    request
        .split("\r\n")
        .filter(|line| line.to_ascii_lowercase().starts_with(&start))
        .count()
}

/// HS-C-11, HS-C-13, HS-C-14, HS-C-15, HS-C-16: the example of the RFC's section 1.2, byte for byte.
#[test]
fn example_of_the_rfc() {
    let request: ClientRequest = "ws://server.example.com/chat".parse().expect("a URI");
    let request = request
        .origin("http://example.com")
        .subprotocol("chat")
        .subprotocol("superchat");
    assert_eq!(
        sent(request),
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
}

/// HS-C-11: the request line has the resource name.
#[test]
fn request_line() {
    for (uri, line) in [
        ("ws://h", "GET / HTTP/1.1\r\n"),
        ("wss://h:1/a/b?c", "GET /a/b?c HTTP/1.1\r\n"),
        ("ws://h/\u{e4}", "GET /%C3%A4 HTTP/1.1\r\n"),
    ] {
        assert!(sent(uri.try_into().expect(uri)).starts_with(line), "{uri}");
    }
}

/// HS-C-13, HS-C-14, HS-C-15: each field of the protocol occurs once, and the caller's fields are added.
#[test]
fn fields() {
    let request = sent(
        plain_request()
            .header("Authorization", "Bearer x")
            .header("Cookie", "a")
            .header("cookie", "b"),
    );
    for name in [
        "Host",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
    ] {
        assert_eq!(count(&request, name), 1, "{name}");
    }
    assert!(request.contains("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
    assert!(request.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    assert!(request.ends_with("\r\nAuthorization: Bearer x\r\nCookie: a\r\ncookie: b\r\n\r\n"));
}

/// HS-C-14, SEC-06: the key is the base64 form of the nonce, so another nonce gives another key.
#[test]
fn key() {
    for (nonce, key) in [
        ([0; 16], "AAAAAAAAAAAAAAAAAAAAAA=="),
        ([0xff; 16], "/////////////////////w=="),
        (
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
            "AQIDBAUGBwgJCgsMDQ4PEA==",
        ),
    ] {
        let handshake = ClientHandshake::new(plain_request(), nonce, &Config::new()).expect("a valid request");
        let request = String::from_utf8_lossy(handshake.request()).into_owned();
        assert!(
            request.contains(&format!("\r\nSec-WebSocket-Key: {key}\r\n")),
            "{request}"
        );
    }
}

/// HS-C-12: Host may differ from the host of the URI, and is valid.
#[test]
fn host() {
    for host in ["virtual.example", "virtual.example:81", "[::1]:80"] {
        let request = sent(plain_request().host(host));
        assert!(request.contains(&format!("\r\nHost: {host}\r\n")), "{request}");
        assert_eq!(count(&request, "Host"), 1);
    }
    for host in ["", "a b", "a\r\nX: y", "user@h", "h:x", "h/", "\u{e4}"] {
        assert_eq!(error(plain_request().host(host)), RequestError::Host, "{host:?}");
    }
}

/// HS-C-16: an origin is sent only on request.
#[test]
fn origin() {
    assert_eq!(count(&sent(plain_request()), "Origin"), 0);
    assert!(sent(plain_request().origin("https://example.com")).contains("\r\nOrigin: https://example.com\r\n"));
    for origin in ["", "a b", "a\r\nX: y", "\u{e4}", "x\0"] {
        assert_eq!(
            error(plain_request().origin(origin)),
            RequestError::Origin,
            "{origin:?}"
        );
    }
}

/// HS-C-17: offered subprotocols are unique tokens.
#[test]
fn subprotocols() {
    assert_eq!(count(&sent(plain_request()), "Sec-WebSocket-Protocol"), 0);
    for subprotocol in ["", "a b", "a,b", "\u{e4}", "a\r\nX: y", "a/b"] {
        let request = plain_request().subprotocol("chat").subprotocol(subprotocol);
        assert_eq!(error(request), RequestError::InvalidSubprotocol, "{subprotocol:?}");
    }
    let request = plain_request().subprotocol("chat").subprotocol("x").subprotocol("chat");
    assert_eq!(error(request), RequestError::RepeatedSubprotocol);
    assert!(sent(plain_request().subprotocol("chat").subprotocol("Chat")).contains(": chat, Chat\r\n"));
}

/// HS-C-18: offered extensions follow the grammar. The same one may be offered with several sets of parameters.
#[test]
fn extensions() {
    assert_eq!(count(&sent(plain_request()), "Sec-WebSocket-Extensions"), 0);
    let request = plain_request()
        .extension(Extension::new("foo").param("bits", "10").flag("x"))
        .extension(Extension::new("foo"))
        .extension(Extension::new(String::from("bar")));
    assert!(sent(request).contains("\r\nSec-WebSocket-Extensions: foo; bits=10; x, foo, bar\r\n"));
    for extension in [
        Extension::new(""),
        Extension::new("a b"),
        Extension::new("a,b"),
        Extension::new("a").flag(""),
        Extension::new("a").flag("b;c"),
        Extension::new("a").param("b", ""),
        Extension::new("a").param("b", "\"c\""),
        Extension::new("a").param("b", "c\r\nX: y"),
        Extension::new("a").param("=", "c"),
    ] {
        assert_eq!(
            error(plain_request().extension(extension.clone())),
            RequestError::InvalidExtension,
            "{extension}"
        );
    }
}

/// HS-C-07, HS-C-19: the caller's header fields can neither inject anything nor replace what the handshake writes.
#[test]
fn caller_fields() {
    type Fault = fn(FieldName) -> HeaderError;
    let cases: &[(&str, &str, Fault)] = &[
        ("X\r\nY", "z", HeaderError::Name),
        ("X Y", "z", HeaderError::Name),
        ("", "z", HeaderError::Name),
        ("X", "y\r\n\r\nGET / HTTP/1.1", HeaderError::Value),
        ("X", "\0", HeaderError::Value),
        ("Host", "evil.example", HeaderError::Reserved),
        ("upgrade", "h2c", HeaderError::Reserved),
        ("CONNECTION", "keep-alive", HeaderError::Reserved),
        ("Origin", "null", HeaderError::Reserved),
        ("Content-Length", "1", HeaderError::Reserved),
        ("Transfer-Encoding", "chunked", HeaderError::Reserved),
        ("Sec-WebSocket-Key", "x", HeaderError::Reserved),
        ("Sec-WebSocket-Version", "8", HeaderError::Reserved),
        ("sec-websocket-protocol", "x", HeaderError::Reserved),
        ("Sec-WebSocket-Extensions", "x", HeaderError::Reserved),
        ("Sec-WebSocket-Accept", "x", HeaderError::Reserved),
    ];
    for &(name, value, expected) in cases {
        let expected = expected(name.into());
        let request = plain_request().header(name, value).header("X", "fine");
        assert_eq!(error(request), RequestError::Header(expected), "{name:?}: {value:?}");
    }
}

/// The caller's additions are bounded, so that every HTTP stack can hold them.
#[test]
fn bounds_of_caller_fields() {
    let long = |len| plain_request().header(&"x".repeat(len), "y");
    assert!(ClientHandshake::new(long(65_535), NONCE, &Config::new()).is_ok());
    for len in [65_536, 65_537] {
        assert_eq!(
            error(long(len)),
            RequestError::Header(HeaderError::Name("x".repeat(len).as_str().into()))
        );
    }
    let many = |count: usize| (0..count).fold(plain_request(), |request, index| request.header("X", index.to_string()));
    let request = sent(many(4096));
    assert_eq!(
        (count(&request, "X"), request.ends_with("X: 4095\r\n\r\n")),
        (4096, true)
    );
    assert_eq!(error(many(4097)), RequestError::Header(HeaderError::TooMany));
}

/// HS-C-20: the request ends with its empty line, and nothing follows it.
#[test]
fn end_of_request() {
    let mut handshake = ClientHandshake::new(plain_request(), NONCE, &Config::new()).expect("a valid request");
    let request = handshake.request().to_vec();
    assert!(request.ends_with(b"\r\n\r\n"));
    assert_eq!(request.windows(4).filter(|part| part == b"\r\n\r\n").count(), 1);
    assert!(matches!(handshake.receive(b"HTTP/1.1 101 "), Ok(None)));
    assert_eq!(handshake.request(), request);
}
