//! A server's answer is the same in both forms.

use bytes::Bytes;
use http::{Response, StatusCode, Version};
use websocket_proto::handshake::{
    Accept, AcceptError, Extension, HandshakeError, HandshakeField, RejectError, Rejection, UpgradeRequest,
};

use crate::support::{ACCEPT, Draft, Field, http_fields, parts_of};

fn request() -> UpgradeRequest {
    let draft = Draft::upgrade()
        .add("Sec-WebSocket-Protocol", "chat, superchat")
        .add("Sec-WebSocket-Extensions", "foo; a, bar");
    UpgradeRequest::from_http(&draft.http().expect("a request")).expect("a valid request")
}

/// HS-S-19, HS-S-32, HS-S-33, HS-S-34, HS-S-35, HS-S-38, HS-S-40, HS-S-41: an acceptance has the fields of the raw one.
#[test]
fn accepted() {
    let full = Accept::new()
        .subprotocol("superchat")
        .extension(Extension::new("foo").param("a", "1"))
        .extension(Extension::new("bar"))
        .header("Set-Cookie", "a=1")
        .header("set-cookie", "b: 2")
        .header("X-Empty", "")
        .header("X-Obs", b"\xff: \xe9");
    for accept in [Accept::new(), full] {
        let accepted = request().accept(accept).expect("a valid answer");
        let response: Response<Bytes> = accepted.response_http();
        assert!(response.body().is_empty());
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(response.headers()["sec-websocket-accept"], ACCEPT);
        let raw = accepted.response();
        let fields = raw.split(|&byte| byte == b'\n').skip(1).filter_map(|line| {
            let line = line.strip_suffix(b"\r")?;
            let colon = line.iter().position(|&byte| byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).expect("a name");
            Some((name, line[colon + 1..].trim_ascii_start()))
        });
        assert_eq!(http_fields(response.headers()), crate::support::sorted(fields));
    }
}

/// HS-S-44: a rejection has the status, the fields and the body of the raw one.
#[test]
fn rejections() {
    for rejection in [
        Rejection::new(403),
        Rejection::new(401)
            .header("WWW-Authenticate", "Basic")
            .body("Who are you?"),
        Rejection::new(307).header("Location", "https://example.com/: x"),
        Rejection::new(426).body("a: b\r\nc: d\r\n"),
        Rejection::new(204),
        Rejection::new(304),
        Rejection::new(999),
    ] {
        let (status, fields, body) = parts_of(&rejection.to_bytes().expect("a valid rejection"));
        let response: Response<Bytes> = rejection.response_http(Version::HTTP_11);
        assert_eq!(response.status(), status);
        assert_eq!(http_fields(response.headers()), fields);
        assert_eq!(response.body(), &body);

        let response: Response<Vec<u8>> = rejection.response_http(Version::HTTP_2);
        assert_eq!(response.status(), if status == 426 { 400 } else { status });
        assert_eq!(http_fields(response.headers()), of_http2(fields));
        assert_eq!(response.body(), &body);
    }
}

/// The server's own fault: a bare 500.
fn assert_server_error(response: &Response<Bytes>, version: Version) {
    assert_eq!(
        (response.status(), response.version()),
        (StatusCode::INTERNAL_SERVER_ERROR, version)
    );
    assert!(response.body().is_empty());
    let mut expected = vec![("content-length".to_owned(), b"0".to_vec())];
    if version == Version::HTTP_11 {
        expected.push(("connection".to_owned(), b"close".to_vec()));
        expected.sort();
    }
    assert_eq!(http_fields(response.headers()), expected);
}

/// HS-S-54: an invalid answer is not sent in this form either.
#[test]
fn invalid_rejections() {
    for (rejection, error) in [
        (Rejection::new(101), RejectError::Status),
        (Rejection::new(1000), RejectError::Status),
        (Rejection::new(304).body("x"), RejectError::Body),
    ] {
        assert_eq!(rejection.to_bytes().expect_err("invalid"), error);
        for version in [Version::HTTP_11, Version::HTTP_2] {
            assert_server_error(&rejection.response_http(version), version);
        }
    }
    let long_name = "x".repeat(65_536);
    let many = (0..4097).fold(Rejection::new(400), |rejection, _| rejection.header("x", ""));
    for rejection in [
        Rejection::new(400).header("x y", ""),
        Rejection::new(400).header("x", "a\r\nb: c"),
        Rejection::new(400).header("Connection", "close"),
        Rejection::new(400).header(&long_name, ""),
        many,
    ] {
        let error = rejection.to_bytes().expect_err("invalid");
        assert!(matches!(error, RejectError::Header(_)), "{error:?}");
        assert_server_error(&rejection.response_http(Version::HTTP_11), Version::HTTP_11);
    }
    // At the limits, the http crate can still hold the fields.
    let name = "x".repeat(65_535);
    let rejection = (1..4096).fold(Rejection::new(400).header(&name, "1"), |rejection, index| {
        rejection.header(&format!("x-{index}"), "")
    });
    let response: Response<Bytes> = rejection.response_http(Version::HTTP_2);
    assert_eq!(response.headers().len(), 4097);
}

/// HS-S-01, HS-S-21, HS-S-30: an error gives the status and the fields of its raw response.
#[test]
fn errors() {
    for error in [
        HandshakeError::MalformedHead,
        HandshakeError::Target,
        HandshakeError::Body,
        HandshakeError::MissingField(HandshakeField::Upgrade),
        HandshakeError::InvalidField(HandshakeField::Version),
        HandshakeError::ForbiddenField(HandshakeField::Upgrade),
        HandshakeError::InvalidField(HandshakeField::Key),
        HandshakeError::Origin,
        HandshakeError::Method,
        HandshakeError::TimedOut,
        HandshakeError::HeadTooLarge,
        HandshakeError::Protocol,
        HandshakeError::HttpVersion,
    ] {
        let (status, mut fields, _) = parts_of(&error.response().expect("an answer"));
        let response: Response<Bytes> = error.response_http(Version::HTTP_11);
        assert_eq!(response.status(), status);
        assert_eq!(http_fields(response.headers()), fields);

        for version in [Version::HTTP_2, Version::HTTP_3] {
            let response: Response<Bytes> = error.response_http(version);
            assert_eq!(response.version(), version);
            assert_eq!(response.status(), if status == 426 { 400 } else { status });
            for (name, value) in &mut fields {
                if name == "allow" {
                    *value = b"CONNECT".to_vec();
                }
            }
            assert_eq!(http_fields(response.headers()), of_http2(fields.clone()));
        }
    }
    // Errors without an answer to a request.
    for error in [
        HandshakeError::Eof,
        HandshakeError::Ended,
        HandshakeError::AcceptMismatch,
    ] {
        assert_server_error(&error.response_http(Version::HTTP_2), Version::HTTP_2);
    }
    assert_server_error(
        &AcceptError::UnofferedSubprotocol.response_http(Version::HTTP_11),
        Version::HTTP_11,
    );
}

/// The fields without those that do not exist in HTTP/2.
fn of_http2(mut fields: Vec<Field>) -> Vec<Field> {
    fields.retain(|(name, _)| name != "connection" && name != "upgrade");
    fields
}
