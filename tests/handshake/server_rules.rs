//! What a server requires of an upgrade request.

use websocket_proto::handshake::{HandshakeError, HandshakeField};

use crate::support::{Head, serve, status};

/// HS-S-01: the method is exactly GET.
#[test]
fn method() {
    for method in ["POST", "HEAD", "get", "Get", "CONNECT", "GETT", "PRI"] {
        let request = Head::request().start_line(format!("{method} /chat HTTP/1.1"));
        let error = serve(request).expect_err(method);
        assert!(matches!(error, HandshakeError::Method), "{method}");
        assert_eq!(error.status(), Some(405));
        let response = String::from_utf8(error.response().expect("a response")).expect("text");
        assert!(response.contains("\r\nAllow: GET\r\n"));
    }
}

/// HS-S-02: the version of HTTP is 1.1. Another version gets 505, and an invalid version gets 400.
#[test]
fn http_version() {
    for (version, expected) in [
        ("HTTP/1.0", 505),
        ("HTTP/0.9", 505),
        ("HTTP/1.2", 505),
        ("HTTP/2.0", 505),
        ("HTTP/1", 400),
        ("HTTP/2", 400),
        ("http/1.1", 400),
        ("HTTP/1.1x", 400),
        ("HTTP/2.0x", 400),
        ("HTTQ/1.1", 400),
        ("HTTP/01.1", 400),
        ("HTTP/10.1", 400),
        ("HTTP/x.1", 400),
        ("", 400),
    ] {
        let status = status(Head::request().start_line(format!("GET /chat {version}")));
        assert_eq!(status, expected, "{version}");
    }
    assert_eq!(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    assert_eq!(status("GET /\r\n\r\n"), 400);
}

/// HS-S-03: origin form and absolute form of the target give the resource name.
#[test]
fn target() {
    for (target, path, query, host) in [
        ("/", "/", None, "example.com"),
        ("/chat?room=1&x=%20?", "/chat", Some("room=1&x=%20?"), "example.com"),
        ("//chat", "//chat", None, "example.com"),
        ("/a|b^{c}\"\\`", "/a|b^{c}\"\\`", None, "example.com"),
        (
            "http://other.example:8080/chat?x",
            "/chat",
            Some("x"),
            "other.example:8080",
        ),
        ("https://other.example", "/", None, "other.example"),
        ("HTTPS://other.example?x=/", "/", Some("x=/"), "other.example"),
        ("http://[::1]/", "/", None, "[::1]"),
    ] {
        let (request, _) = serve(Head::request().start_line(format!("GET {target} HTTP/1.1"))).expect(target);
        assert_eq!(request.target(), target);
        assert_eq!((request.path(), request.query(), request.host()), (path, query, host));
    }
    for target in [
        "*",
        "chat",
        "example.com:80",
        "ftp://example.com/",
        "ws://example.com/",
        "http:///chat",
        "http://",
        "http:/chat",
        "http://user@example.com/",
        "http://exa mple.com/",
        "/chat#top",
        "/ch\u{e4}t",
        "/ch\tat",
        "/ch\u{1}at",
        "/ch\u{7f}at",
        "?x",
        "http://example.com:99999/",
        "",
    ] {
        let status = status(Head::request().start_line(format!("GET {target} HTTP/1.1")));
        assert_eq!(status, 400, "{target}");
    }
    // A space in the target is malformed, whatever the version after it.
    for line in [
        "GET /a b HTTP/1.1",
        "GET /a b HTTP/2.0",
        "GET /a HTTP/2.0 HTTP/1.1",
        "GET /a HTTP/2.0 b",
        "GET /a HTTP/1.1 HTTP/2.0",
    ] {
        assert_eq!(status(Head::request().start_line(line)), 400, "{line}");
    }
    assert_eq!(status(Head::request().start_line("GET * HTTP/1.1")), 400);
    assert_eq!(status(Head::request().start_line(b"GET /\xff HTTP/1.1")), 400);
}

/// HS-S-09: there is one Host with a valid authority.
#[test]
fn host() {
    for host in [
        "example.com",
        "example.com:8080",
        "example.com:",
        "[::1]",
        "[::1]:80",
        "127.0.0.1",
        "x_y",
        "a%20b",
    ] {
        let (request, _) = serve(Head::request().with("Host", host)).expect(host);
        assert_eq!(request.host(), host);
    }
    for host in [
        "",
        "a b",
        "a,b",
        "user@example.com",
        "example.com:x",
        "example.com:80:80",
        "example.com:65536",
        "[::1",
        "::1]",
        "[::g]",
        "http://example.com",
        "example.com/",
        "a\u{e4}.example",
        ":80",
        "a%2",
        "a\tb",
        "[::1]x",
        "[]",
    ] {
        // The comma is valid in a name.
        let expected = if host == "a,b" { Ok(()) } else { Err(400) };
        let result = serve(Head::request().with("Host", host)).map(drop);
        assert_eq!(result.map_err(|error| error.status().unwrap_or(0)), expected, "{host}");
    }
    assert!(matches!(
        serve(Head::request().without("Host")),
        Err(HandshakeError::MissingField(HandshakeField::Host))
    ));
    assert!(matches!(
        serve(Head::request().add("host: example.com")),
        Err(HandshakeError::RepeatedField(HandshakeField::Host))
    ));
    // Also with a target in absolute form.
    let request = Head::request().start_line("GET http://example.com/ HTTP/1.1");
    assert_eq!(status(request.without("Host")), 400);
}

/// HS-S-10: Upgrade contains the value `websocket`, in any case.
#[test]
fn upgrade() {
    for value in [
        "websocket",
        "WebSocket",
        "WEBSOCKET",
        "h2c, websocket",
        "websocket,foo/1",
        ",\twebsocket ,",
    ] {
        assert!(serve(Head::request().with("Upgrade", value)).is_ok(), "{value}");
    }
    for value in ["", "h2c", "web socket", "websocket/13", "\"websocket\"", "websocket;x"] {
        assert_eq!(status(Head::request().with("Upgrade", value)), 426, "{value}");
    }
    assert_eq!(status(Head::request().without("Upgrade")), 426);
}

/// HS-S-10, HS-S-21: the answer to a request without an upgrade names the required upgrade.
#[test]
fn plain_request() {
    let error = serve("GET / HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n").expect_err("no upgrade");
    assert!(matches!(error, HandshakeError::MissingField(HandshakeField::Upgrade)));
    assert_eq!(
        error.response().expect("a response"),
        b"HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n"
    );
}

/// HS-S-11: Connection contains the token `upgrade` anywhere in its list, in any case.
#[test]
fn connection() {
    for value in [
        "Upgrade",
        "upgrade",
        "keep-alive, Upgrade",
        "Upgrade,keep-alive",
        "a \t,\tUPGRADE\t, b",
        ",,upgrade",
    ] {
        assert!(serve(Head::request().with("Connection", value)).is_ok(), "{value}");
    }
    for value in ["", "keep-alive", "close, te"] {
        assert_eq!(status(Head::request().with("Connection", value)), 400, "{value}");
    }
    assert_eq!(status(Head::request().without("Connection")), 400);
}

/// HS-S-12: several lines of Connection or Upgrade are one list.
#[test]
fn repeated_lists() {
    let request = Head::request()
        .with("Connection", "keep-alive")
        .add("Connection: Upgrade");
    assert!(serve(request).is_ok());
    let request = Head::request().with("Upgrade", "h2c").add("upgrade: websocket");
    assert!(serve(request).is_ok());
}

/// HS-S-13: only whole tokens match.
#[test]
fn no_substrings() {
    for value in ["websockets", "x websocket", "websocket x", "xwebsocket", "web,socket"] {
        assert_eq!(status(Head::request().with("Upgrade", value)), 426, "{value}");
    }
    for value in [
        "Upgraded",
        "not-upgrade",
        "x upgrade",
        "upgrade x",
        "upgrade; x",
        "up,grade",
    ] {
        assert_eq!(status(Head::request().with("Connection", value)), 400, "{value}");
    }
}

/// HS-S-14: only the case of ASCII letters is ignored.
#[test]
fn no_unicode_folding() {
    // U+212A KELVIN SIGN, U+017F LATIN SMALL LETTER LONG S
    for value in ["websoc\u{212a}et", "web\u{17f}ocket"] {
        let status = status(Head::request().with("Upgrade", value));
        assert!(matches!(status, 400 | 426), "{value}: {status}");
    }
    assert_eq!(
        status(Head::request().with("Connection", "keep-alive\u{212a}, upgrad\u{435}")),
        400
    );
}

/// HS-S-51: a request with a body is refused.
#[test]
fn body() {
    for field in [
        "Content-Length: 1",
        "Content-Length: 18446744073709551616",
        "Content-Length: x",
        "Content-Length:",
        "Content-Length: -0",
        "Content-Length: 0, 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "transfer-encoding:",
    ] {
        let error = serve(Head::request().add(field)).expect_err(field);
        assert!(matches!(error, HandshakeError::Body), "{field}");
        assert_eq!(error.status(), Some(400));
    }
    assert!(matches!(
        serve(Head::request().add("Content-Length: 0").add("Content-Length: 5")),
        Err(HandshakeError::Body)
    ));
    assert!(serve(Head::request().add("Content-Length: 0")).is_ok());
}

/// Errors name the field that they concern, as it is sent.
#[test]
fn errors_name_the_field() {
    for (request, expected) in [
        (Head::request().without("Upgrade"), "header field Upgrade is missing"),
        (Head::request().add("Host: b"), "header field Host is repeated"),
        (
            Head::request().with("Sec-WebSocket-Key", "?"),
            "header field Sec-WebSocket-Key is invalid",
        ),
    ] {
        assert_eq!(serve(request).expect_err(expected).to_string(), expected);
    }
}

/// SEC-07: input that violates a rule is answered with a suitable status.
#[test]
fn every_answer_is_complete() {
    for (request, status_line) in [
        (
            Head::request().start_line("POST / HTTP/1.1"),
            "HTTP/1.1 405 Method Not Allowed",
        ),
        (
            Head::request().start_line("GET / HTTP/1.0"),
            "HTTP/1.1 505 HTTP Version Not Supported",
        ),
        (Head::request().without("Upgrade"), "HTTP/1.1 426 Upgrade Required"),
        (Head::request().without("Host"), "HTTP/1.1 400 Bad Request"),
        (Head::request().add("X : y"), "HTTP/1.1 400 Bad Request"),
        (
            Head::request().add(format!("X: {}", "y".repeat(20_000))),
            "HTTP/1.1 431 Request Header Fields Too Large",
        ),
        (
            Head::request().start_line(format!("GET /{} HTTP/1.1", "y".repeat(20_000))),
            "HTTP/1.1 414 URI Too Long",
        ),
    ] {
        let error = serve(request).expect_err(status_line);
        let response = String::from_utf8(error.response().expect("a response")).expect("text");
        assert!(
            response.starts_with(&format!("{status_line}\r\nConnection: ")),
            "{response}"
        );
        assert!(
            response.contains("close\r\n") && response.ends_with("\r\nContent-Length: 0\r\n\r\n"),
            "{response}"
        );
    }
}
