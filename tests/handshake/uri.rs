//! URIs that a client connects to.

use websocket_proto::handshake::{ClientRequest, Uri, UriError};

use crate::support::sent;

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> UriError {
    match text.parse::<Uri>() {
        Ok(uri) => panic!("{text} is {uri:?}"),
        Err(error) => error,
    }
}

/// HS-C-01: the scheme is ws or wss, or http or https in their place, and a host is required.
#[test]
fn scheme_and_host() {
    assert!(!uri("ws://example.com").is_secure());
    assert!(uri("WSS://example.com").is_secure());
    assert_eq!(
        Uri::try_from("Ws://EXAMPLE.com").map(|uri| uri.host().to_owned()),
        Ok("example.com".to_owned())
    );
    for (text, meaning) in [
        ("http://example.com/x?y", "ws://example.com/x?y"),
        ("HTTPS://example.com", "wss://example.com/"),
        ("http://example.com:443", "ws://example.com:443/"),
        ("https://example.com:443", "wss://example.com/"),
    ] {
        assert_eq!(uri(text), uri(meaning));
        assert_eq!(uri(text).to_string(), meaning);
    }
    for text in [
        "",
        "ftp://example.com",
        "httpx://example.com",
        "wsx://example.com",
        "//example.com",
        "example.com",
    ] {
        assert_eq!(error(text), UriError::Scheme, "{text}");
    }
    for text in [
        "ws:",
        "ws:/",
        "ws://",
        "ws:example.com",
        "ws:///chat",
        "ws://?x",
        "wss://:80/",
        "ws://a<b/",
        "ws://a%41/",
        "ws://a\\b",
    ] {
        assert_eq!(error(text), UriError::Host, "{text}");
    }
}

/// HS-C-02: the default port is 80, or 443 with TLS.
#[test]
fn port() {
    for (text, port) in [
        ("ws://h", 80),
        ("wss://h", 443),
        ("ws://h:", 80),
        ("ws://h:443", 443),
        ("wss://h:8443/x", 8443),
        ("ws://[::1]:9001/", 9001),
        ("ws://h:65535", 65535),
    ] {
        assert_eq!(uri(text).port(), port, "{text}");
    }
    for text in [
        "ws://h:0",
        "ws://h:65536",
        "ws://h:x",
        "ws://h:-1",
        "ws://h:+1",
        "ws://h:1x",
        "ws://[::1]:99999",
    ] {
        assert_eq!(error(text), UriError::Port, "{text}");
    }
}

/// HS-C-03: the resource name is the path, `/` by default, and the query unless it is empty.
#[test]
fn resource_name() {
    for (text, name) in [
        ("ws://h", "/"),
        ("ws://h/", "/"),
        ("ws://h?x=1", "/?x=1"),
        ("ws://h/?x=1", "/?x=1"),
        ("ws://h?", "/"),
        ("ws://h/chat?", "/chat"),
        ("ws://h/chat/room?a=b&c=d?e/f", "/chat/room?a=b&c=d?e/f"),
        ("ws://h//x/../y", "//x/../y"),
        ("ws://h/a:b@c;d=(e)!$&'*+,~", "/a:b@c;d=(e)!$&'*+,~"),
    ] {
        assert_eq!(uri(text).resource_name(), name, "{text}");
    }
}

/// HS-C-04: a fragment is not allowed.
#[test]
fn fragment() {
    for text in ["ws://h/#", "ws://h#x", "ws://h/chat?x#y", "ws://h/a#/b"] {
        assert_eq!(error(text), UriError::Fragment, "{text}");
    }
    assert_eq!(uri("ws://h/%23").resource_name(), "/%23");
}

/// HS-C-05: characters that a URI must not contain are sent percent-encoded, and a non-ASCII host is left for the caller to
/// convert.
#[test]
fn escapes() {
    for (text, name) in [
        ("ws://h/\u{e4}\u{20ac}?\u{1f600}", "/%C3%A4%E2%82%AC?%F0%9F%98%80"),
        ("ws://h/<\"{|}\\^`>[]", "/%3C%22%7B%7C%7D%5C%5E%60%3E%5B%5D"),
        ("ws://h/%41%c3", "/%41%c3"),
    ] {
        assert_eq!(uri(text).resource_name(), name, "{text}");
    }
    for text in ["ws://h/%", "ws://h/%4", "ws://h/?%4x", "ws://h/%%41", "ws://h/%\u{e4}a"] {
        assert_eq!(error(text), UriError::Escape, "{text}");
    }
    assert_eq!(error("ws://b\u{fc}cher.example/"), UriError::InternationalHost);
    assert_eq!(uri("ws://xn--bcher-kva.example/").host(), "xn--bcher-kva.example");
}

/// HS-C-06: user information is sent as Basic credentials, and is part of neither the target nor Host.
#[test]
fn user_info() {
    for (text, credentials) in [
        // The examples of RFC 7617 §2 and §2.1.
        ("ws://Aladdin:open%20sesame@h/", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("ws://test:123\u{a3}@h/", "dGVzdDoxMjPCow=="),
        ("ws://user@h/", "dXNlcjo="),
        ("ws://:secret@h/", "OnNlY3JldA=="),
        ("wss://user:a:b@h/", "dXNlcjphOmI="),
        ("ws://us%40er:%3a%2F@h/", "dXNAZXI6Oi8="),
        ("ws://us@er:@h/", "dXNAZXI6"),
        ("ws://user:100%@h/", "dXNlcjoxMDAl"),
        ("http://user:%ff@h/", "dXNlcjr/"),
    ] {
        let uri = uri(text);
        assert_eq!(
            (uri.host(), uri.authority(), uri.resource_name()),
            ("h", "h", "/"),
            "{text}"
        );
        let request = sent(ClientRequest::new(uri));
        let field = format!("\r\nAuthorization: Basic {credentials}\r\n");
        assert!(request.contains(&field), "{text}: {request}");
        assert!(request.starts_with("GET / HTTP/1.1\r\nHost: h\r\n"), "{request}");
    }
    for text in ["ws://us%3Aer:secret@h/", "ws://us%0Aer@h/", "ws://user:%00@h/"] {
        assert_eq!(error(text), UriError::UserInfo, "{text}");
    }
    for text in ["ws://@h/", "ws://:@h/"] {
        assert_eq!(uri(text), uri("ws://h/"), "{text}");
    }
    assert_eq!(uri("ws://h/@x").resource_name(), "/@x");
    assert_ne!(uri("ws://user@h/"), uri("ws://h/"));
    // The application's own field comes first.
    let own = ClientRequest::new(uri("ws://user:secret@h/"));
    let request = sent(own.header("authorization", "Bearer x"));
    assert!(
        request.contains("authorization: Bearer x\r\n") && !request.contains("Basic"),
        "{request}"
    );
}

/// HS-C-06: neither `Display` nor `Debug` shows it, and `Debug` omits the query as well.
#[test]
fn credentials_are_not_shown() {
    let uri = uri("wss://user:secret@h:1/chat?token=secret");
    assert_eq!(uri.to_string(), "wss://h:1/chat?token=secret");
    assert_eq!(format!("{uri:?}"), "Uri(wss://h:1/chat?…)");
}

/// HS-C-07: spaces and control characters are refused everywhere.
#[test]
fn control_characters() {
    for text in [
        "ws://h /",
        "ws://h/a b",
        " ws://h",
        "ws://h\r\nX: y/",
        "ws://h/\r\nX: y",
        "ws://h/\0",
        "ws://h/?\u{7f}",
        "ws://h/\u{85}",
        "ws://h\t",
    ] {
        assert_eq!(error(text), UriError::Character, "{text:?}");
    }
}

/// HS-C-12: Host contains the port unless it is the default, and brackets around an IPv6 address.
#[test]
fn authority() {
    for (text, authority, host) in [
        ("ws://example.com:80/", "example.com", "example.com"),
        ("wss://example.com:443/", "example.com", "example.com"),
        ("ws://example.com:443/", "example.com:443", "example.com"),
        ("ws://Example.COM:9001", "example.com:9001", "example.com"),
        ("ws://127.0.0.1:80", "127.0.0.1", "127.0.0.1"),
        ("ws://[::1]/", "[::1]", "::1"),
        ("wss://[2001:DB8::1]:8443/", "[2001:db8::1]:8443", "2001:db8::1"),
    ] {
        let uri = uri(text);
        assert_eq!((uri.authority(), uri.host()), (authority, host), "{text}");
        let request = sent(ClientRequest::new(uri));
        assert_eq!(request.matches("Host: ").count(), 1);
        assert!(request.contains(&format!("\r\nHost: {authority}\r\n")), "{request}");
    }
    for text in ["ws://[::1", "ws://::1/", "ws://[::1]x/", "ws://[v1.x]/", "ws://[]/"] {
        assert!(matches!(error(text), UriError::Host | UriError::Port), "{text}");
    }
    for text in [
        "ws://[fe80::1%25eth0]/",
        "ws://[fe80::1%eth0]:80",
        "wss://[fe80::1%251]/",
        "ws://[::1%2]",
    ] {
        assert_eq!(error(text), UriError::Zone, "{text}");
    }
}

/// HS-C-03, HS-C-12: `Display` shows a URI as it is used.
#[test]
fn display() {
    for (text, shown) in [
        ("WS://Example.com:80", "ws://example.com/"),
        ("wss://[::1]:1/x?y", "wss://[::1]:1/x?y"),
        ("ws://h/\u{e4}", "ws://h/%C3%A4"),
    ] {
        assert_eq!(uri(text).to_string(), shown);
        assert_eq!(uri(shown).to_string(), shown);
        assert_eq!(uri(shown), uri(text));
    }
}
