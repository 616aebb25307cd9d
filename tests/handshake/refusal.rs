//! Responses of servers that do not upgrade.

use websocket_proto::{
    Config, Limits,
    handshake::{ClientHandshake, HandshakeError, Refusal},
};

use crate::support::{Head, NONCE, connect, connect_with, plain_request};

fn refusal(input: impl Into<Vec<u8>>) -> Refusal {
    refusal_with(8 << 10, input)
}

fn refusal_with(max_body: usize, input: impl Into<Vec<u8>>) -> Refusal {
    let config = Config::new().limits(Limits::new().max_error_body(max_body));
    match connect_with(&config, &plain_request(), input) {
        Err(HandshakeError::Refused(refusal)) => *refusal,
        other => panic!("{other:?} is not a refusal"),
    }
}

fn with_body(head: Head, body: &[u8]) -> Vec<u8> {
    [&head.bytes()[..], body].concat()
}

/// HS-C-21: a status other than 101 reaches the caller with everything that the server sent.
#[test]
fn status_and_fields() {
    let head = Head::new("HTTP/1.1 401 Who are you")
        .add("WWW-Authenticate: Basic realm=\"x\"")
        .add("www-authenticate: Bearer")
        .add("Content-Length: 6");
    let refusal = refusal(with_body(head, b"hello\nmore"));
    assert_eq!((refusal.status(), refusal.reason()), (401, "Who are you"));
    assert_eq!(refusal.headers().get_all("WWW-Authenticate").count(), 2);
    assert_eq!((refusal.body(), refusal.is_truncated()), (&b"hello\n"[..], false));
    assert_eq!((refusal.headers().len(), refusal.headers().is_empty()), (3, false));

    let refusal = refusal_with(0, "HTTP/1.1 404 \r\n\r\n");
    assert_eq!((refusal.headers().len(), refusal.headers().is_empty()), (0, true));
}

/// What `main` prints when it returns the error: everything that the server sent, as text.
#[test]
fn debug_output_is_readable() {
    let head = Head::new("HTTP/1.1 401 Who are you")
        .add("WWW-Authenticate: Bearer")
        .add("Content-Length: 9");
    assert_eq!(
        format!("{:?}", refusal(with_body(head, b"no \"token"))),
        r#"Refusal { status: 401, reason: "Who are you", headers: {"WWW-Authenticate": "Bearer", "Content-Length": "9"}, "#
            .to_owned()
            + r#"body: "no \"token", truncated: false }"#
    );
}

/// HS-C-21: every final status except 101 is a refusal, even with an older version of HTTP.
#[test]
fn every_status() {
    for status in [200, 204, 301, 304, 400, 403, 404, 426, 500, 503, 599, 999] {
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            let head = Head::new(format!("{version} {status} x"))
                .add("Location: /elsewhere")
                .add("Content-Length: 0");
            let refusal = refusal(head);
            assert_eq!(
                (refusal.status(), refusal.body(), refusal.is_truncated()),
                (status, &b""[..], false)
            );
            assert_eq!(refusal.headers().get("location"), Some("/elsewhere"));
        }
    }
    // The fields that a 101 would need do not matter.
    assert_eq!(refusal(Head::response().start_line("HTTP/1.1 200 OK")).status(), 200);
}

/// HS-C-42: the versions that a server supports are available.
#[test]
fn supported_versions() {
    let head = Head::new("HTTP/1.1 426 Upgrade Required")
        .add("Sec-WebSocket-Version: 8, 7")
        .add("Content-Length: 0");
    assert_eq!(refusal(head).headers().get("Sec-WebSocket-Version"), Some("8, 7"));
}

/// HS-C-21: the refusal is reported as soon as its body is complete, without waiting for the end of the transport.
#[test]
fn no_waiting() {
    for (head, body) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n", "ab"),
        (
            "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n",
            "2\r\nab\r\n0\r\n",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ""),
    ] {
        let mut handshake = ClientHandshake::new(plain_request(), NONCE, &Config::new()).expect("a valid request");
        let input = [head, body].concat();
        let (last, others) = input.as_bytes().split_last().expect("some bytes");
        assert!(matches!(handshake.receive(others), Ok(None)), "{head}");
        assert!(
            matches!(handshake.receive(&[*last]), Err(HandshakeError::Refused(_))),
            "{head}"
        );
    }
}

/// HS-C-21: a body without a length ends with the transport, or at the deadline.
#[test]
fn body_until_the_end() {
    let head = Head::new("HTTP/1.1 500 Oops");
    let refusal = refusal(with_body(head.clone(), b"one two"));
    assert_eq!((refusal.body(), refusal.is_truncated()), (&b"one two"[..], false));

    let mut handshake = ClientHandshake::new(plain_request(), NONCE, &Config::new()).expect("a valid request");
    assert!(matches!(handshake.receive(&with_body(head, b"one")), Ok(None)));
    match handshake.handle_timeout() {
        HandshakeError::Refused(refusal) => {
            assert_eq!(
                (refusal.status(), refusal.body(), refusal.is_truncated()),
                (500, &b"one"[..], true)
            );
        }
        other => panic!("{other:?}"),
    }
}

/// HS-C-21: chunked bodies are decoded.
#[test]
fn chunked() {
    let head = Head::new("HTTP/1.1 503 Busy")
        .add("Transfer-Encoding: gzip, Chunked")
        .add("Content-Length: 3");
    for (body, expected, truncated) in [
        (
            "5\r\nhello\r\n6;x=\"y\"\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
            "hello world",
            false,
        ),
        ("A\r\n0123456789\r\n00\r\n\r\n", "0123456789", false),
        ("0\r\n\r\n", "", false),
        ("5\r\nhel", "hel", true),
        ("5\r\nhello", "hello", true),
        ("5\r\nhello\r\n", "hello", true),
        ("5\r\nhelloX", "hello", true),
        ("x\r\n", "", true),
        ("\r\n", "", true),
        ("-5\r\nhello", "", true),
        ("ffffffffffffffff\r\nab", "ab", true),
        ("10000000000000000\r\nab", "", true),
        ("00000000000000002\r\nab\r\n0\r\n\r\n", "ab", false),
    ] {
        let refusal = refusal(with_body(head.clone(), body.as_bytes()));
        assert_eq!(refusal.body(), expected.as_bytes(), "{body:?}");
        assert_eq!(refusal.is_truncated(), truncated, "{body:?}");
    }
}

/// HS-C-41: the stored body is bounded, however it is framed.
#[test]
fn long_bodies() {
    let body = [b'x'; 300];
    for (max_body, truncated) in [(0, true), (1, true), (299, true), (300, false), (301, false)] {
        let kept = max_body.min(300);
        let length = with_body(Head::new("HTTP/1.1 404 x").add("Content-Length: 300"), &body);
        let refusal = refusal_with(max_body, length);
        assert_eq!(
            (refusal.body().len(), refusal.is_truncated()),
            (kept, truncated),
            "{max_body}"
        );

        let until_eof = with_body(Head::new("HTTP/1.1 404 x"), &body);
        assert_eq!(refusal_with(max_body, until_eof).body().len(), kept, "{max_body}");

        let chunks = [b"64\r\n", &body[..100], b"\r\n"].concat().repeat(3);
        let chunked = [
            &Head::new("HTTP/1.1 404 x").add("Transfer-Encoding: chunked").bytes()[..],
            &chunks,
            b"0\r\n",
        ]
        .concat();
        let refusal = refusal_with(max_body, chunked);
        assert!(refusal.body().len() <= kept);
        assert_eq!(refusal.is_truncated(), truncated, "{max_body}");
    }
    // No memory is allocated for an announced length.
    let huge = with_body(
        Head::new("HTTP/1.1 404 x").add("Content-Length: 18446744073709551615"),
        b"ab",
    );
    assert_eq!(
        (refusal(huge.clone()).body(), refusal(huge).is_truncated()),
        (&b"ab"[..], true)
    );
}

/// HS-C-41: endless chunk framing is bounded as well.
#[test]
fn endless_framing() {
    let head = Head::new("HTTP/1.1 404 x").add("Transfer-Encoding: chunked");
    let refusal = refusal_with(1000, with_body(head.clone(), &[&b"5;"[..], &[b'x'; 5000]].concat()));
    assert!(refusal.is_truncated());
    let refusal = refusal_with(1000, with_body(head, &b"1\r\nx\r\n".repeat(1000)));
    assert!(refusal.is_truncated() && refusal.body().len() <= 1000);
}

/// HS-C-21: invalid lengths do not hide the refusal.
#[test]
fn strange_lengths() {
    for length in ["x", "-1", "", "5, 5", "18446744073709551616"] {
        let refusal = refusal(with_body(
            Head::new("HTTP/1.1 404 x").add(format!("Content-Length: {length}")),
            b"body",
        ));
        assert_eq!(refusal.body(), b"body", "{length}");
    }
}

/// HS-C-22: an interim response does not turn what follows into a refusal.
#[test]
fn after_interim_response() {
    let input = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    assert!(matches!(connect(&input[..]), Err(HandshakeError::Refused(refusal)) if refusal.status() == 404));
    assert_eq!(
        connect(&input[..]).expect_err("a refusal").to_string(),
        "server refused with status 404"
    );
}
