//! Which origins a server accepts.

use websocket_proto::handshake::{HandshakeError, HandshakeField, OriginPolicy};

use crate::support::{Head, serve};

fn check(policy: &OriginPolicy, head: Head) -> Result<(), Option<u16>> {
    let (request, _) = serve(head).expect("a valid request");
    request.check_origin(policy).map_err(|error| {
        assert!(matches!(error, HandshakeError::Origin));
        error.status()
    })
}

/// HS-S-30: the origin is optional, but a policy can require it.
#[test]
fn missing_origin() {
    let (request, _) = serve(Head::request()).expect("a valid request");
    assert_eq!(request.origin(), None);
    for policy in [
        OriginPolicy::any(),
        OriginPolicy::same_origin(),
        OriginPolicy::allow_list(["https://example.com"]),
    ] {
        assert_eq!(check(&policy, Head::request()), Ok(()));
        assert_eq!(check(&policy.require_origin(), Head::request()), Err(Some(403)));
    }
}

/// HS-S-30, SEC-08: an origin that the policy does not allow is refused with 403.
#[test]
fn refused_origin() {
    let (request, _) = serve(Head::request().with("Origin", "https://evil.example")).expect("a valid request");
    assert_eq!(request.origin(), Some("https://evil.example"));
    let error = request
        .check_origin(&OriginPolicy::same_origin())
        .expect_err("another origin");
    assert_eq!(
        error.response().expect("a response"),
        b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(
        check(&OriginPolicy::any(), Head::request().with("Origin", "anything")),
        Ok(())
    );
}

/// SEC-08: the same origin means the same host and port; the default port may be omitted.
#[test]
fn same_origin() {
    let policy = OriginPolicy::same_origin();
    for (origin, host, allowed) in [
        ("https://example.com", "example.com", true),
        ("http://example.com", "EXAMPLE.com", true),
        ("https://example.com", "example.com:443", true),
        ("http://example.com:80", "example.com", true),
        ("http://example.com:8080", "example.com:8080", true),
        ("http://[::1]:8080", "[::1]:8080", true),
        ("https://example.com", "example.com:80", false),
        ("http://example.com:8080", "example.com", false),
        ("http://example.com", "example.com:8080", false),
        ("https://example.com.evil.example", "example.com", false),
        ("https://evil.example", "example.com", false),
        ("https://sub.example.com", "example.com", false),
        ("https://user@example.com", "example.com", false),
        ("https://example.com/", "example.com", false),
        ("example.com", "example.com", false),
        ("null", "null", false),
        ("", "example.com", false),
    ] {
        let expected = if allowed { Ok(()) } else { Err(Some(403)) };
        let head = Head::request().with("Host", host).with("Origin", origin);
        assert_eq!(check(&policy, head), expected, "{origin} to {host}");
    }
}

/// SEC-08: a list of origins compares scheme, host and port.
#[test]
fn allow_list() {
    let policy = OriginPolicy::allow_list([
        "https://example.com",
        "http://localhost:8080",
        "https://a.example:443",
        "null",
    ]);
    for (origin, allowed) in [
        ("https://example.com", true),
        ("https://EXAMPLE.com:443", true),
        ("http://localhost:8080", true),
        ("https://a.example", true),
        ("null", true),
        ("http://example.com", false),
        ("https://example.com:8443", false),
        ("http://localhost", false),
        ("https://evil.example", false),
        ("https://example.com.evil.example", false),
        ("https://example.com https://evil.example", false),
        ("", false),
    ] {
        let expected = if allowed { Ok(()) } else { Err(Some(403)) };
        assert_eq!(
            check(&policy, Head::request().with("Origin", origin)),
            expected,
            "{origin}"
        );
    }
}

/// HS-S-31: a request with more than one origin is invalid.
#[test]
fn repeated_origin() {
    let head = Head::request()
        .add("Origin: https://example.com")
        .add("Origin: https://example.com");
    let error = serve(head).expect_err("two origins");
    assert!(matches!(error, HandshakeError::RepeatedField(HandshakeField::Origin)));
    assert_eq!(error.status(), Some(400));
}
