//! A server whose requests are read by another HTTP stack gets the same result as one that reads the bytes itself.

use proptest::{collection::vec, prelude::*, sample::select};
use websocket_proto::{
    Config,
    handshake::{HandshakeError, ServerHandshake, UpgradeRequest},
};

use crate::support::{Draft, Field, received_fields};

/// The relevant parts of a request, or of the error.
fn describe(result: Result<UpgradeRequest, HandshakeError>) -> Result<(String, Vec<Field>), (String, Option<u16>)> {
    match result {
        Ok(request) => Ok((
            format!(
                "{} {} {:?} {} {:?} {:?} {:?}",
                request.method(),
                request.path(),
                request.query(),
                request.host(),
                request.origin(),
                request.subprotocols().collect::<Vec<_>>(),
                request.extensions().collect::<Vec<_>>(),
            ),
            received_fields(request.headers()),
        )),
        Err(error) => Err((format!("{error:?}"), error.status())),
    }
}

fn raw(draft: &Draft) -> Result<UpgradeRequest, HandshakeError> {
    let received = ServerHandshake::new(&Config::new()).receive(&draft.bytes());
    received.map(|request| request.expect("a whole request"))
}

/// Compares both ways. Returns whether the request is valid.
#[track_caller]
fn check(draft: &Draft) -> bool {
    let request = draft.http().expect("a request that the http crate can hold");
    let result = UpgradeRequest::from_http(&request);
    let is_valid = result.is_ok();
    assert_eq!(describe(result), describe(raw(draft)), "{draft:?}");
    // The head alone gives the same result.
    let (head, ()) = request.into_parts();
    assert_eq!(
        describe(UpgradeRequest::try_from(&head)),
        describe(raw(draft)),
        "{draft:?}"
    );
    is_valid
}

/// The permessage-deflate settings of the configuration apply here as well, once the configuration is set.
#[cfg(feature = "deflate")]
#[test]
fn configured_for_compression() {
    use websocket_proto::{DeflateConfig, handshake::Accept};

    let draft = Draft::upgrade().add("Sec-WebSocket-Extensions", "permessage-deflate");
    let request = || {
        let request = draft.http().expect("a request that the http crate can hold");
        UpgradeRequest::from_http(&request).expect("it is valid")
    };
    let config = Config::new().deflate(DeflateConfig::new());
    for (request, is_agreed) in [
        (request(), false),
        (request().config(&Config::new()), false),
        (request().config(&config), true),
    ] {
        let accepted = request.accept(Accept::new()).expect("it can be accepted");
        assert_eq!(accepted.into_negotiated().deflate().is_some(), is_agreed);
    }
}

/// HS-S-03, HS-S-06, HS-S-07, HS-S-08, HS-S-11, HS-S-12, HS-S-18, HS-S-24, HS-S-27, HS-S-29, HS-S-49: valid requests.
#[test]
fn valid_requests() {
    let valid = Draft::upgrade();
    for draft in [
        valid.clone(),
        valid.clone().target("/"),
        valid.clone().target("//chat"),
        valid.clone().target("/a|b{c}\"?q=%20?"),
        valid.clone().target("http://other.example:8080/chat?x"),
        valid.clone().target("https://other.example"),
        valid.clone().target("HTTPS://[::1]?x=/"),
        valid.clone().with("Host", "[::1]:9001"),
        valid.clone().with("Upgrade", "foo, WebSocket"),
        valid.clone().with("Connection", "keep-alive ,\tUPGRADE"),
        valid
            .clone()
            .with("Connection", "keep-alive")
            .add("Connection", "Upgrade"),
        valid.clone().with("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC=="),
        valid.clone().with("Sec-WebSocket-Key", "  dGhlIHNhbXBsZSBub25jZQ==\t"),
        valid
            .clone()
            .add("Sec-WebSocket-Protocol", "b, a")
            .add("SEC-WEBSOCKET-PROTOCOL", "c"),
        valid
            .clone()
            .add("Sec-WebSocket-Extensions", "foo; a=\"1\", bar")
            .add("Sec-WebSocket-Extensions", "baz"),
        valid.clone().add("Origin", "https://example.com"),
        valid.clone().add("Content-Length", "0"),
        valid.clone().add("X-Name", b"\xe9 \xff"),
        valid.clone().add("X-Empty", ""),
        valid.clone().add("Sec-WebSocket-Protocol", ""),
        valid.clone().add("Sec-WebSocket-Extensions", " ,"),
    ] {
        assert!(check(&draft), "{draft:?}");
    }
}

/// HS-S-01, HS-S-02, HS-S-09, HS-S-10, HS-S-13, HS-S-14, HS-S-15, HS-S-16, HS-S-17, HS-S-20, HS-S-21, HS-S-22, HS-S-23, HS-S-25,
/// HS-S-26, HS-S-28, HS-S-31, HS-S-51: invalid requests.
#[test]
fn invalid_requests() {
    let valid = Draft::upgrade();
    for draft in [
        valid.clone().method("POST"),
        valid.clone().method("get"),
        valid.clone().method("CONNECT").target("example.com:80"),
        valid.clone().version("HTTP/1.0"),
        valid.clone().version("HTTP/2.0"),
        valid.clone().target("*"),
        valid.clone().target("ftp://example.com/"),
        valid.clone().target("http://user@example.com/"),
        valid.clone().without("Host"),
        valid.clone().add("Host", "example.com"),
        valid.clone().with("Host", "exa mple.com"),
        valid.clone().with("Host", "example.com:99999"),
        valid.clone().without("Upgrade"),
        valid.clone().with("Upgrade", "websockets"),
        valid.clone().with("Upgrade", "web\u{212a}socket"),
        valid.clone().without("Connection"),
        valid.clone().with("Connection", "not-upgrade"),
        valid.clone().without("Sec-WebSocket-Key"),
        valid.clone().add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        valid.clone().with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"),
        valid.clone().without("Sec-WebSocket-Version"),
        valid.clone().with("Sec-WebSocket-Version", "8"),
        valid.clone().with("Sec-WebSocket-Version", "13, 8"),
        valid.clone().add("Sec-WebSocket-Version", "13"),
        valid.clone().add("Sec-WebSocket-Protocol", "a b"),
        valid
            .clone()
            .add("Sec-WebSocket-Protocol", "a")
            .add("Sec-WebSocket-Protocol", "a"),
        valid.clone().add("Sec-WebSocket-Extensions", "foo;"),
        valid.clone().add("Sec-WebSocket-Extensions", b"f\xf6o"),
        valid.clone().add("Sec-WebSocket-Other", b"\xff"),
        valid
            .clone()
            .add("Origin", "https://a.example")
            .add("Origin", "https://b.example"),
        valid.clone().add("Content-Length", "1"),
        valid.clone().add("Content-Length", ""),
        valid.clone().add("Transfer-Encoding", "chunked"),
    ] {
        assert!(!check(&draft), "{draft:?}");
    }
}

/// HS-S-10: a request without an upgrade is recognised by its error.
#[test]
fn ordinary_requests() {
    let request = http::Request::get("/").header("Host", "example.com").body("body");
    let error = UpgradeRequest::from_http(&request.expect("a request")).expect_err("no upgrade");
    assert!(matches!(
        error,
        HandshakeError::MissingField(websocket_proto::handshake::HandshakeField::Upgrade)
    ));
}

/// A change to a valid request.
#[derive(Clone, Debug)]
enum Change {
    Method(String),
    Target(String),
    Version(&'static str),
    Remove(prop::sample::Index),
    Repeat(prop::sample::Index),
    Replace(prop::sample::Index, Vec<u8>),
    Add(String, Vec<u8>),
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "websocket",
        "Upgrade",
        "13",
        "example.com",
        "a, b",
        "a",
        "foo; x=1",
        "0",
        "5",
        "chunked",
        "",
        ",",
        "null",
    ]);
    prop_oneof![
        3 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(prop_oneof![4 => 0x20_u8..0x7f, 1 => Just(b'\t'), 1 => 0x80_u8..=0xff], 0..12),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let names = select(vec![
        "host",
        "Upgrade",
        "Connection",
        "Origin",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Key",
        "sec-websocket-version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Accept",
        "sec-websocket-x",
        "X-Other",
        "Cookie",
    ]);
    // A '#' cannot be tested: the http crate treats it as the start of a fragment, and drops that.
    prop_oneof![
        "[A-Z]{1,7}|get|GET".prop_map(Change::Method),
        "/[!-\"$-;=?-~]{0,12}|https?://[a-z0-9.:@]{1,9}(/[a-z?]{0,4})?|\\*".prop_map(Change::Target),
        select(vec!["HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"]).prop_map(Change::Version),
        any::<prop::sample::Index>().prop_map(Change::Remove),
        any::<prop::sample::Index>().prop_map(Change::Repeat),
        (any::<prop::sample::Index>(), value()).prop_map(|(at, value)| Change::Replace(at, value)),
        (names.prop_map(str::to_owned), value()).prop_map(|(name, value)| Change::Add(name, value)),
        ("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}", value()).prop_map(|(name, value)| Change::Add(name, value)),
    ]
}

fn apply(mut draft: Draft, change: Change) -> Draft {
    let count = draft.fields.len();
    match change {
        Change::Method(method) => draft.method = method,
        Change::Target(target) => draft.target = target,
        Change::Version(version) => draft.version = version.into(),
        Change::Add(name, value) => draft.fields.push((name, value)),
        _ if count == 0 => {}
        Change::Remove(at) => drop(draft.fields.remove(at.index(count))),
        Change::Repeat(at) => draft.fields.push(draft.fields[at.index(count)].clone()),
        Change::Replace(at, value) => draft.fields[at.index(count)].1 = value,
    }
    draft
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    /// HS-S-05, SEC-12: for every request, both ways give the same result.
    #[test]
    fn same_as_the_bytes(changes in vec(change(), 0..4), shuffle in any::<u64>()) {
        let mut draft = changes.into_iter().fold(Draft::upgrade(), apply);
        let count = draft.fields.len().max(1) as u64;
        draft.fields.rotate_left(usize::try_from(shuffle % count).unwrap_or_default());
        if draft.http().is_some() {
            check(&draft);
        }
    }
}
