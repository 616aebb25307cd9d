//! What a client requires of a response.

use websocket_proto::{
    Config, Limits, Role,
    handshake::{ClientHandshake, HandshakeError, HandshakeField},
};

use crate::support::{ACCEPT, Head, NONCE, connect, connect_with, plain_request};

fn error(input: impl Into<Vec<u8>>) -> HandshakeError {
    connect(input).expect_err("an invalid response")
}

/// HS-C-22: interim responses before the final one are skipped.
#[test]
fn interim_responses() {
    let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let (response, leftover) = connect([interim, &Head::response().bytes()[..], b"frame"].concat()).expect("valid");
    assert_eq!(response.headers().len(), 3);
    assert_eq!(leftover, b"frame");
}

/// HS-C-41: interim responses are bounded in number.
#[test]
fn many_interim_responses() {
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
    assert!(connect([&interim.repeat(16)[..], &Head::response().bytes()].concat()).is_ok());
    let error = error([&interim.repeat(17)[..], &Head::response().bytes()].concat());
    assert!(matches!(error, HandshakeError::TooManyInterimResponses));
}

/// HS-C-23: the status line is well formed, with version 1.1 and three digits.
#[test]
fn status_line() {
    for line in [
        "HTTP/1.1 101",
        "HTTP/1.1 101 ",
        "HTTP/1.1 101 Whatever you like",
        "HTTP/1.1 101 \u{e4}",
    ] {
        assert!(connect(Head::response().start_line(line)).is_ok(), "{line}");
    }
    for line in [
        "HTTP/1.0 101 Switching Protocols",
        "HTTP/2.0 101 x",
        "HTTP/1.1 0101 x",
        "HTTP/1.1 10 x",
        "HTTP/1.1 1O1 x",
        "HTTP/1.1",
        "HTTP/1.1  101 x",
        "HTTP/1.1 101x",
        "HTTP/1.1\t101 x",
        "HTTP 101",
        "Hello",
        "HTTP/1.1 101 a\0b",
        "HTTP/1.1 +101 x",
    ] {
        let error = error(Head::response().start_line(line));
        assert!(
            matches!(error, HandshakeError::MalformedHead | HandshakeError::HttpVersion),
            "{line}: {error:?}"
        );
    }
    for answer in [
        &b"\x15\x03\x01\x00\x02\x02\x46"[..],
        b"\r\n",
        b"SSH-2.0-x\r\n",
        b" HTTP/1.1 101 x\r\n",
        b"http/1.1 101 x\r\n",
        b"\x81",
    ] {
        let mut handshake = ClientHandshake::new(plain_request(), NONCE, &Config::new()).expect("a valid request");
        assert!(matches!(handshake.receive(&answer[..1]), Err(HandshakeError::NotHttp)));
    }
}

/// HS-C-24: Upgrade is `websocket`, in any case, and nothing else.
#[test]
fn upgrade() {
    for value in ["websocket", "WebSocket", "\tWEBSOCKET "] {
        assert!(connect(Head::response().with("Upgrade", value)).is_ok(), "{value}");
    }
    for value in [
        "",
        "h2c",
        "websockets",
        "web socket",
        "websocket, h2c",
        "websocket, websocket",
        "websoc\u{212a}et",
    ] {
        let error = error(Head::response().with("Upgrade", value));
        assert!(
            matches!(
                error,
                HandshakeError::MissingField(HandshakeField::Upgrade)
                    | HandshakeError::InvalidField(HandshakeField::Upgrade)
            ),
            "{value}: {error:?}"
        );
    }
    let missing = error(Head::response().without("Upgrade"));
    assert!(matches!(missing, HandshakeError::MissingField(HandshakeField::Upgrade)));
}

/// HS-C-25: Connection contains the token `upgrade`, in any of its lines and positions.
#[test]
fn connection() {
    for value in [
        "upgrade",
        "UPGRADE",
        "keep-alive, Upgrade",
        "Upgrade ,\tx",
        ",,Upgrade,",
    ] {
        assert!(connect(Head::response().with("Connection", value)).is_ok(), "{value}");
    }
    assert!(
        connect(
            Head::response()
                .with("Connection", "keep-alive")
                .add("connection: Upgrade")
        )
        .is_ok()
    );
    for value in ["", "close", "upgraded", "x upgrade"] {
        let error = error(Head::response().with("Connection", value));
        assert!(
            matches!(error, HandshakeError::InvalidField(HandshakeField::Connection)),
            "{value}"
        );
    }
    let missing = error(Head::response().without("Connection"));
    assert!(matches!(
        missing,
        HandshakeError::MissingField(HandshakeField::Connection)
    ));
}

/// HS-C-26: the accept value is present and equal byte for byte, except for whitespace around it.
#[test]
fn accept_value() {
    let trimmed = Head::response()
        .without("Sec-WebSocket-Accept")
        .add(format!("Sec-WebSocket-Accept: \t {ACCEPT}\t "));
    assert!(connect(trimmed).is_ok());
    for value in [
        String::new(),
        ACCEPT.to_ascii_lowercase(),
        ACCEPT[..27].to_owned(),
        format!("{ACCEPT}="),
        format!("{ACCEPT}, {ACCEPT}"),
        format!("\"{ACCEPT}\""),
        "OfS0wDaT5NoxF2gqm7Zj2YtetzM=".to_owned(),
        "x".repeat(10_000),
    ] {
        let error = error(Head::response().with("Sec-WebSocket-Accept", &value));
        assert!(matches!(error, HandshakeError::AcceptMismatch), "{value}");
    }
    let missing = error(Head::response().without("Sec-WebSocket-Accept"));
    assert!(matches!(missing, HandshakeError::MissingField(HandshakeField::Accept)));
}

/// HS-C-27: the accept value occurs once.
#[test]
fn repeated_accept_value() {
    let error = error(Head::response().add(format!("sec-websocket-accept: {ACCEPT}")));
    assert!(matches!(error, HandshakeError::RepeatedField(HandshakeField::Accept)));
}

/// HS-C-32: the subprotocol is one of those that were offered.
#[test]
fn unoffered_subprotocol() {
    let offering = plain_request().subprotocol("chat").subprotocol("superchat");
    let answer = |value: &str| Head::response().with("Sec-WebSocket-Protocol", value);
    let (response, _) = connect_with(&Config::new(), &offering, answer("superchat")).expect("an offered subprotocol");
    assert_eq!(response.subprotocol(), Some("superchat"));
    assert_eq!(response.into_negotiated().subprotocol(), Some("superchat"));
    for value in ["other", "cha", "chatx"] {
        let result = connect_with(&Config::new(), &offering, answer(value));
        assert!(matches!(result, Err(HandshakeError::UnofferedSubprotocol)), "{value}");
    }
    assert!(matches!(
        connect(answer("chat")),
        Err(HandshakeError::UnofferedSubprotocol)
    ));
}

/// HS-C-33: the subprotocol is one token in one field.
#[test]
fn malformed_subprotocol() {
    let offering = plain_request().subprotocol("chat").subprotocol("superchat");
    for value in [
        "",
        "chat, superchat",
        "chat,",
        "\"chat\"",
        "chat superchat",
        "ch\u{e4}t",
    ] {
        let result = connect_with(
            &Config::new(),
            &offering,
            Head::response().with("Sec-WebSocket-Protocol", value),
        );
        assert!(
            matches!(result, Err(HandshakeError::InvalidField(HandshakeField::Protocol))),
            "{value}"
        );
    }
    let twice = Head::response()
        .add("Sec-WebSocket-Protocol: chat")
        .add("Sec-WebSocket-Protocol: chat");
    let result = connect_with(&Config::new(), &offering, twice);
    assert!(matches!(
        result,
        Err(HandshakeError::RepeatedField(HandshakeField::Protocol))
    ));
}

/// HS-C-34: subprotocols are compared case-sensitively.
#[test]
fn case_of_subprotocol() {
    let answer = Head::response().add("Sec-WebSocket-Protocol: Chat");
    let result = connect_with(&Config::new(), &plain_request().subprotocol("chat"), answer);
    assert!(matches!(result, Err(HandshakeError::UnofferedSubprotocol)));
}

/// HS-C-35: a server may select no subprotocol, unless the client requires one.
#[test]
fn no_subprotocol() {
    let offering = plain_request().subprotocol("chat");
    let (response, _) = connect_with(&Config::new(), &offering, Head::response()).expect("a valid response");
    assert_eq!(response.subprotocol(), None);
    let result = connect_with(&Config::new(), &offering.require_subprotocol(), Head::response());
    assert!(matches!(result, Err(HandshakeError::NoSubprotocol)));
}

/// HS-C-36: the case and order of fields do not matter, and unknown ones are ignored.
#[test]
fn fields() {
    let response = Head::response().add(b"X-Any: \xff").add("Date: now").map(|lines| {
        lines[1..].reverse();
        lines[1..].iter_mut().for_each(|line| {
            let colon = line.iter().position(|&byte| byte == b':').expect("a field");
            line[..colon].make_ascii_uppercase();
        });
    });
    let (response, _) = connect(response).expect("a valid response");
    assert_eq!(response.headers().get_bytes("x-any"), Some(&b"\xff"[..]));
    assert_eq!(response.headers().get("UpGrade"), Some("websocket"));
}

/// HS-C-37: non-ASCII bytes and control characters in fields that are interpreted are errors.
#[test]
fn invalid_bytes() {
    for name in [
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Accept",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-X",
    ] {
        for bytes in [&b"\x80"[..], b"\xff, upgrade", b"websocket\x00", b"\x01", b"x\x7f"] {
            let line = [name.as_bytes(), b": ", bytes].concat();
            let error = error(Head::response().without(name).add(line));
            assert!(
                matches!(error, HandshakeError::InvalidField(_) | HandshakeError::MalformedHead),
                "{name}: {error:?}"
            );
        }
    }
    for line in ["X : y", " folded", "X: a\nY: b", "X: a\rb", "no colon"] {
        assert!(
            matches!(error(Head::response().add(line)), HandshakeError::MalformedHead),
            "{line:?}"
        );
    }
}

/// HS-C-38: bytes after the response belong to the connection.
#[test]
fn bytes_after_the_head() {
    let frame = b"\x81\x05Hello";
    let input = [Head::response().bytes(), frame.to_vec()].concat();
    let (_, leftover) = connect(input.clone()).expect("a valid response");
    assert_eq!(leftover, frame);
    let mut handshake = ClientHandshake::new(plain_request(), NONCE, &Config::new()).expect("a valid request");
    let response = handshake
        .receive(&input)
        .expect("a valid response")
        .expect("a whole response");
    let negotiated = response.into_negotiated();
    assert_eq!((negotiated.role(), negotiated.leftover()), (Role::Client, &frame[..]));
}

/// HS-C-39: after a failure the handshake is over, and there is nothing left to send.
#[test]
fn nothing_after_failure() {
    for head in [
        Head::response().without("Upgrade"),
        Head::response().start_line("HTTP/1.1 403 Forbidden"),
    ] {
        let mut handshake = ClientHandshake::new(plain_request(), NONCE, &Config::new()).expect("a valid request");
        let request = handshake.request().to_vec();
        if handshake.receive(&head.bytes()).is_ok() {
            assert!(matches!(handshake.receive_eof(), HandshakeError::Refused(_)));
        }
        assert!(matches!(
            handshake.receive(&Head::response().bytes()),
            Err(HandshakeError::Ended)
        ));
        assert!(matches!(handshake.receive_eof(), HandshakeError::Ended));
        assert_eq!(handshake.request(), request);
    }
}

/// HS-C-40: the end of the transport before the response is complete is a failure.
#[test]
fn end_of_transport() {
    let response = Head::response().bytes();
    for len in [0, 1, 20, response.len() - 1] {
        assert!(matches!(error(&response[..len]), HandshakeError::Eof));
    }
    assert!(matches!(error("HTTP/1.1 100 Continue\r\n\r\n"), HandshakeError::Eof));
}

/// HS-C-41: the head is bounded in bytes, in fields and in time.
#[test]
fn limits() {
    let response = Head::response().bytes();
    let limited = |size, fields| Config::new().limits(Limits::new().max_head_size(size).max_head_fields(fields));
    let run = |config: &Config| connect_with(config, &plain_request(), response.clone());
    assert!(run(&limited(response.len(), 3)).is_ok());
    assert!(matches!(
        run(&limited(response.len() - 1, 3)),
        Err(HandshakeError::HeadTooLarge)
    ));
    assert!(matches!(run(&limited(20, 3)), Err(HandshakeError::HeadTooLarge)));
    assert!(matches!(
        run(&limited(response.len(), 2)),
        Err(HandshakeError::TooManyFields)
    ));

    let mut handshake = ClientHandshake::new(plain_request(), NONCE, &Config::new()).expect("a valid request");
    assert!(matches!(handshake.receive(&response[..30]), Ok(None)));
    assert!(matches!(handshake.handle_timeout(), HandshakeError::TimedOut));
}
