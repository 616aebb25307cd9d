//! Extended CONNECT without an HTTP/2 connection.

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use websocket_proto::{
    Config, Role,
    handshake::{
        Accept, AcceptError, ClientRequest, ConnectHandshake, Extension, HandshakeError, HandshakeField, Rejection,
        RequestError, UpgradeRequest, UpgradeResponse, UriError,
    },
};

use crate::support::{Draft, http_fields};

fn from(draft: &Draft) -> Result<UpgradeRequest, HandshakeError> {
    let request = draft.http().expect("a request");
    let from_request = UpgradeRequest::from_connect(&request, "websocket");
    // The head alone gives the same result.
    let from_head = UpgradeRequest::from_connect_parts(&request.into_parts().0, "websocket");
    assert_eq!(format!("{from_request:?}"), format!("{from_head:?}"));
    from_request
}

fn client(uri: &str) -> ClientRequest {
    uri.parse().expect("a valid URI")
}

/// H2-02, H2-05: scheme, authority and path make up the request; a key is not needed.
#[test]
fn valid_request() {
    for version in ["HTTP/2.0", "HTTP/3.0"] {
        let draft = Draft::connect().version(version);
        let request = from(&draft).expect("a valid request");
        assert_eq!((request.method(), request.host()), ("CONNECT", "example.com"));
        assert_eq!((request.path(), request.query()), ("/chat", Some("x=1")));
        from(&draft.add("sec-websocket-key", "nonsense")).expect("a key is not checked");
    }
}

/// H2-02: a request that lacks one of them, or has another method or version, is refused.
#[test]
fn incomplete_requests() {
    let error = |draft: Draft| from(&draft).expect_err("an invalid request");
    for target in [
        "/chat",
        "example.com:443",
        "*",
        "ftp://example.com/",
        "https://u@example.com/",
    ] {
        let error = error(Draft::connect().target(target));
        assert!(matches!(error, HandshakeError::Target), "{target}: {error:?}");
        assert_eq!(error.status(), Some(400));
    }
    assert!(matches!(error(Draft::connect().method("GET")), HandshakeError::Method));
    assert!(matches!(
        error(Draft::connect().version("HTTP/1.1")),
        HandshakeError::HttpVersion
    ));
}

/// H2-04: fields that do not exist in HTTP/2 are not sent, and are refused.
#[test]
fn fields_of_http1() {
    for (name, field) in [
        ("connection", HandshakeField::Connection),
        ("upgrade", HandshakeField::Upgrade),
        ("host", HandshakeField::Host),
    ] {
        let error = from(&Draft::connect().add(name, "example.com")).expect_err(name);
        assert!(
            matches!(error, HandshakeError::ForbiddenField(f) if f == field),
            "{error:?}"
        );
        assert_eq!(error.status(), Some(400));
    }
    for (name, value) in [("content-length", "5"), ("transfer-encoding", "chunked")] {
        let error = from(&Draft::connect().add(name, value)).expect_err(name);
        assert!(matches!(error, HandshakeError::Body), "{error:?}");
    }
    let (request, _) = client("ws://example.com")
        .into_connect(&Config::new())
        .expect("a valid request");
    assert_eq!(
        http_fields(request.headers()),
        [("sec-websocket-version".into(), b"13".to_vec())]
    );
}

/// H2-06, HS-S-20, HS-S-25, HS-S-26, HS-S-28, HS-S-31: the other fields have the same meaning as in an upgrade.
#[test]
fn fields_of_the_handshake() {
    let request = Draft::connect()
        .add("sec-websocket-protocol", "chat, superchat")
        .add("sec-websocket-extensions", "foo; a=1, bar")
        .add("origin", "https://example.com");
    let request = from(&request).expect("a valid request");
    assert!(request.subprotocols().eq(["chat", "superchat"]));
    assert_eq!(request.extensions().count(), 2);
    assert_eq!(request.origin(), Some("https://example.com"));
    assert_eq!(request.select_subprotocol(&["superchat"]), Some("superchat"));
    // Empty lists offer nothing.
    let empty = Draft::connect()
        .add("sec-websocket-protocol", "")
        .add("sec-websocket-extensions", ",");
    let empty = from(&empty).expect("a valid request");
    assert_eq!((empty.subprotocols().count(), empty.extensions().count()), (0, 0));

    for (name, value) in [
        ("sec-websocket-version", "8"),
        ("sec-websocket-protocol", "a, a"),
        ("sec-websocket-protocol", "a b"),
        ("sec-websocket-extensions", "foo;"),
        ("origin", "\u{e9}"),
    ] {
        let over_2 = from(&Draft::connect().with(name, value)).expect_err(name);
        let upgrade = Draft::upgrade().with(name, value).http().expect("a request");
        let over_1 = UpgradeRequest::from_http(&upgrade).expect_err(name);
        assert_eq!(format!("{over_2:?}"), format!("{over_1:?}"));
    }
    let error = from(&Draft::connect().without("sec-websocket-version")).expect_err("no version");
    let response: Response<Bytes> = error.response_http(Version::HTTP_2);
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
}

/// H2-05, H2-06, H2-07: acceptance is 200, with what was selected and nothing else.
#[test]
fn accepted() {
    let draft = Draft::connect()
        .add("sec-websocket-protocol", "chat, superchat")
        .add("sec-websocket-extensions", "foo");
    let request = from(&draft).expect("a valid request");
    let accepted = request.accept(Accept::new()).expect("a valid answer");
    assert_eq!(accepted.response_http::<Bytes>().status(), 200);
    assert!(accepted.response_http::<Bytes>().headers().is_empty());

    let accept = Accept::new()
        .subprotocol("superchat")
        .extension(Extension::new("foo"))
        .header("Set-Cookie", "a=1");
    let accepted = request.accept(accept).expect("a valid answer");
    let response: Response<Bytes> = accepted.response_http();
    // The version is that of the connection, so it is not set.
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, Response::new(()).version())
    );
    assert_eq!(
        http_fields(response.headers()),
        [
            ("sec-websocket-extensions".into(), b"foo".to_vec()),
            ("sec-websocket-protocol".into(), b"superchat".to_vec()),
            ("set-cookie".into(), b"a=1".to_vec()),
        ]
    );
    // No bytes precede the first frame.
    assert!(accepted.response().is_empty());
    let (bytes, negotiated) = accepted.into_parts();
    assert!(bytes.is_empty());
    assert_eq!(
        (negotiated.role(), negotiated.subprotocol()),
        (Role::Server, Some("superchat"))
    );

    let error = request
        .accept(Accept::new().subprotocol("other"))
        .expect_err("not offered");
    assert_eq!(error, AcceptError::UnofferedSubprotocol);
}

/// H2-10: another protocol is answered with 501.
#[test]
fn unknown_protocols() {
    let request = Draft::connect().http().expect("a request");
    for protocol in ["", "connect-udp", "websockets", "web\u{17f}ocket"] {
        let error = UpgradeRequest::from_connect(&request, protocol).expect_err(protocol);
        assert!(matches!(error, HandshakeError::Protocol));
        let response: Response<Bytes> = error.response_http(Version::HTTP_2);
        assert_eq!(response.status(), 501);
    }
    UpgradeRequest::from_connect(&request, "WebSocket").expect("names of protocols are case-insensitive");
}

/// H2-02, H2-03, H2-05, H2-06: what a client sends, and that a server accepts it.
#[test]
fn client_request() {
    for (uri, sent) in [
        ("wss://Example.com", "https://example.com/"),
        ("ws://example.com:8080/a?b=%20", "http://example.com:8080/a?b=%20"),
        ("wss://[::1]:443/ü", "https://[::1]/%C3%BC"),
    ] {
        let request = client(uri)
            .subprotocol("chat")
            .extension(Extension::new("foo"))
            .origin("https://page.example")
            .header("Authorization", "Bearer x");
        let (mut request, _) = request.into_connect(&Config::new()).expect("a valid request");
        // The version is that of the connection, so it is not set.
        assert_eq!(
            (request.method(), request.version()),
            (&Method::CONNECT, Request::new(()).version())
        );
        assert_eq!(request.uri(), sent);
        let names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
        assert_eq!(
            names,
            [
                "origin",
                "sec-websocket-protocol",
                "sec-websocket-version",
                "sec-websocket-extensions",
                "authorization"
            ]
        );
        *request.version_mut() = Version::HTTP_2;
        let received = UpgradeRequest::from_connect(&request, "websocket").expect("a valid request");
        assert!(received.subprotocols().eq(["chat"]));
        assert_eq!(received.origin(), Some("https://page.example"));
    }
}

/// H2-05, H2-06, H2-07: the handshake is the same over HTTP/2 and HTTP/3, whose stacks set the version.
#[test]
fn the_same_in_both_versions() {
    let config = Config::new();
    #[cfg(feature = "deflate")]
    let config = config.deflate(websocket_proto::DeflateConfig::context_takeover());
    for version in [Version::HTTP_2, Version::HTTP_3] {
        let request = client("wss://example.com/chat").subprotocol("chat");
        let (mut request, handshake) = request.into_connect(&config).expect("a valid request");
        *request.version_mut() = version;
        let received = UpgradeRequest::from_connect(&request, "websocket").expect("a valid request");
        let accept = Accept::new().subprotocol("chat");
        let accepted = received.config(&config).accept(accept).expect("a valid answer");
        let mut response: Response<Bytes> = accepted.response_http();
        *response.version_mut() = version;
        let negotiated = handshake
            .receive(&response)
            .expect("a valid response")
            .into_negotiated();
        assert_eq!(negotiated.subprotocol(), Some("chat"));
        assert_eq!(negotiated.deflate(), accepted.into_negotiated().deflate());
        assert_eq!(negotiated.deflate().is_some(), cfg!(feature = "deflate"));
        // A rejection has the requested version.
        let rejection: Response<Bytes> = Rejection::new(404).response_http(version);
        assert_eq!((rejection.status().as_u16(), rejection.version()), (404, version));
    }
}

/// HS-C-17, HS-C-19: a request that cannot be sent over HTTP/1.1 cannot be sent over HTTP/2.
#[test]
fn invalid_client_requests() {
    let error = |request: ClientRequest| request.into_connect(&Config::new()).expect_err("an invalid request");
    let request = || client("ws://example.com");
    assert_eq!(error(request().origin("")), RequestError::Origin);
    assert_eq!(error(request().subprotocol("")), RequestError::InvalidSubprotocol);
    assert!(matches!(error(request().header("Host", "x")), RequestError::Header(_)));
    let long = client(&format!("ws://example.com/{}", "x".repeat(70_000)));
    assert_eq!(error(long), RequestError::Uri(UriError::TooLong));
}

/// A client that offers something, and its result for a response.
fn receive(response: http::response::Builder) -> Result<UpgradeResponse, HandshakeError> {
    let request = client("wss://example.com")
        .subprotocol("chat")
        .extension(Extension::new("foo"));
    let (_, handshake) = request.into_connect(&Config::new()).expect("a valid request");
    ConnectHandshake::receive(handshake, &response.body("body").expect("a response"))
}

/// H2-05, H2-06, H2-07: a client opens the connection after any 2xx.
#[test]
fn client_response() {
    for status in [200, 201, 299] {
        let response = Response::builder()
            .status(status)
            .header("sec-websocket-protocol", "chat")
            .header("sec-websocket-extensions", "foo")
            .header("sec-websocket-accept", "nonsense")
            .header("x-more", "1");
        let response = receive(response).expect("a valid response");
        assert_eq!(response.subprotocol(), Some("chat"));
        assert_eq!(response.extensions().count(), 1);
        assert_eq!(response.headers().get("X-More"), Some("1"));
        let negotiated = response.into_negotiated();
        assert_eq!(
            (negotiated.role(), negotiated.subprotocol()),
            (Role::Client, Some("chat"))
        );
    }
    assert_eq!(
        receive(Response::builder()).expect("nothing is selected").subprotocol(),
        None
    );
}

/// H2-07, HS-C-21: any other status is a refusal, which the caller receives.
#[test]
fn client_refused() {
    for status in [101, 307, 400, 401, 403, 501] {
        let response = Response::builder().status(status).header("WWW-Authenticate", "Basic");
        match receive(response) {
            Err(HandshakeError::Refused(refusal)) => {
                assert_eq!((refusal.status(), refusal.reason()), (status, ""));
                assert_eq!(refusal.headers().get("www-authenticate"), Some("Basic"));
                assert!(refusal.body().is_empty() && refusal.is_truncated());
            }
            other => panic!("{status}: {other:?}"),
        }
    }
}

/// H2-06, HS-C-28, HS-C-29, HS-C-30, HS-C-32, HS-C-33, HS-C-34, HS-C-37: an answer that was not offered or is invalid is an
/// error.
#[test]
fn invalid_client_responses() {
    let error = |name: &str, value: &[u8]| receive(Response::builder().header(name, value)).expect_err(name);
    let protocol = |value: &str| error("sec-websocket-protocol", value.as_bytes());
    assert!(matches!(protocol("Chat"), HandshakeError::UnofferedSubprotocol));
    assert!(matches!(protocol("chat, chat"), HandshakeError::InvalidField(_)));
    assert!(matches!(protocol(""), HandshakeError::InvalidField(_)));
    let extensions = |value: &str| error("sec-websocket-extensions", value.as_bytes());
    assert!(matches!(extensions("bar"), HandshakeError::UnofferedExtension));
    assert!(matches!(extensions("foo, foo"), HandshakeError::RepeatedExtension));
    assert!(matches!(extensions("foo;"), HandshakeError::InvalidField(_)));
    assert!(matches!(
        error("sec-websocket-protocol", b"\xff"),
        HandshakeError::InvalidField(_)
    ));

    let required = client("ws://example.com").subprotocol("chat").require_subprotocol();
    let (_, handshake) = required.into_connect(&Config::new()).expect("a valid request");
    let error = handshake.receive(&Response::new(())).expect_err("none is selected");
    assert!(matches!(error, HandshakeError::NoSubprotocol));
}

/// HS-S-44, H2-04: a rejection has no field that concerns the connection.
#[test]
fn rejected() {
    let response: Response<Bytes> = Rejection::new(403).body("no").response_http(Version::HTTP_2);
    assert_eq!(
        http_fields(response.headers()),
        [("content-length".into(), b"2".to_vec())]
    );
}
