//! Requests of the `http` crate that a client sends.

use http::Request;
use websocket_proto::{
    Config,
    handshake::{ClientHandshake, ClientRequest, Extension, HandshakeField, HeaderError, RequestError, UriError},
};

/// The bytes that a client sends.
fn sent(request: ClientRequest) -> String {
    let handshake = ClientHandshake::new(request, *b"the sample nonce", &Config::new()).expect("a valid request");
    String::from_utf8(handshake.request().to_vec()).expect("an ASCII request")
}

fn convert(fields: &[(&str, &str)]) -> Result<ClientRequest, RequestError> {
    let request = Request::get("ws://example.com:8080/chat");
    let request = fields
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).expect("a request").try_into()
}

/// HS-C-11, HS-C-12, HS-C-13, HS-C-14, HS-C-15: a URI and some fields of the application are enough.
#[test]
fn additional_fields_are_added() {
    let request = convert(&[
        ("Authorization", "Bearer x"),
        ("Cookie", "a=1"),
        ("x-many", "1"),
        ("x-many", "2"),
    ]);
    assert_eq!(
        sent(request.expect("a valid request")),
        "GET /chat HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         authorization: Bearer x\r\ncookie: a=1\r\nx-many: 1\r\nx-many: 2\r\n\r\n"
    );
}

/// HS-C-16, HS-C-17, HS-C-18: fields with offers and the origin are treated as such.
#[test]
fn offers() {
    let converted = convert(&[
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Sec-WebSocket-Protocol", "third"),
        ("Sec-WebSocket-Extensions", "foo; a=\"1\"; b, bar"),
        ("Origin", "https://example.com"),
    ]);
    let built = "ws://example.com:8080/chat".parse::<ClientRequest>().expect("a URI");
    let built = ["chat", "superchat", "third"]
        .into_iter()
        .fold(built, ClientRequest::subprotocol);
    let built = built
        .extension(Extension::new("foo").param("a", "1").flag("b"))
        .extension(Extension::new("bar"))
        .origin("https://example.com");
    assert_eq!(sent(converted.expect("a valid request")), sent(built));
}

/// HS-C-14, HS-C-19: a field of the handshake is ignored if its value is what is sent anyway; it is neither repeated nor
/// replaced. A key set by the application is not used: each handshake has its own.
#[test]
fn fields_of_the_handshake() {
    let plain = sent(convert(&[]).expect("a valid request"));
    for same in [
        ("Host", "example.com:8080"),
        ("Host", "EXAMPLE.com:8080"),
        ("Upgrade", "WebSocket"),
        ("Connection", "upgrade"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEA=="),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Sec-WebSocket-Version", " 13"),
        ("Content-Length", "0"),
    ] {
        assert_eq!(sent(convert(&[same]).expect(same.0)), plain, "{same:?}");
    }
    for (name, value, field) in [
        ("Host", "", HandshakeField::Host),
        ("Host", "a b", HandshakeField::Host),
        ("Host", "a/b", HandshakeField::Host),
        ("Host", "user@example.com", HandshakeField::Host),
        ("Upgrade", "h2c", HandshakeField::Upgrade),
        ("Connection", "close", HandshakeField::Connection),
        ("Sec-WebSocket-Version", "8", HandshakeField::Version),
        ("Connection", "keep-alive", HandshakeField::Connection),
        ("Sec-WebSocket-Key", "x", HandshakeField::Key),
        ("Sec-WebSocket-Key", "", HandshakeField::Key),
        ("Sec-WebSocket-Accept", "x", HandshakeField::Accept),
        ("Content-Length", "1", HandshakeField::ContentLength),
        ("Transfer-Encoding", "chunked", HandshakeField::TransferEncoding),
    ] {
        let error = convert(&[(name, value)]).expect_err(name);
        assert_eq!(error, RequestError::Field(field), "{name}: {value}");
    }
    let error = convert(&[("Origin", "https://a.example"), ("Origin", "https://a.example")]);
    assert_eq!(
        error.expect_err("repeated"),
        RequestError::Field(HandshakeField::Origin)
    );
    assert_eq!(
        convert(&[("Host", "a"), ("Host", "b")]).expect_err("repeated"),
        RequestError::Field(HandshakeField::Host)
    );
    assert_eq!(
        convert(&[("Sec-WebSocket-Other", "x")]).expect_err("reserved"),
        RequestError::Header(HeaderError::Reserved("sec-websocket-other".into()))
    );
}

/// HS-C-17, HS-C-18: an empty list offers nothing, and nothing is written.
#[test]
fn empty_lists() {
    let plain = sent(convert(&[]).expect("a valid request"));
    for value in ["", ",", " , "] {
        for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"] {
            assert_eq!(sent(convert(&[(name, value)]).expect(name)), plain, "{name}: {value}");
        }
    }
}

/// HS-C-12, HS-C-19: a host other than the URI's is sent, as proxies and virtual hosts need it.
#[test]
fn another_host() {
    for host in ["example.com", "other.example:8080", "[::1]:1", "virtual"] {
        let converted = convert(&[("Host", host)]).expect(host);
        assert_eq!(converted.uri().authority(), "example.com:8080");
        let sent = sent(converted.clone());
        assert!(
            sent.starts_with(&format!("GET /chat HTTP/1.1\r\nHost: {host}\r\n")),
            "{sent}"
        );
        let (request, _) = converted.into_connect(&Config::new()).expect("valid");
        assert_eq!(request.uri(), format!("http://{host}/chat").as_str());
    }
}

/// A request that a browser sent, copied field by field, and the URI of the server.
#[test]
fn a_copied_request() {
    let request = Request::get("ws://127.0.0.1:9001/chat")
        .header("Host", "example.com")
        .header("Connection", "keep-alive, Upgrade")
        .header("Pragma", "no-cache")
        .header("Upgrade", "websocket")
        .header("Origin", "https://example.com")
        .header("Sec-WebSocket-Version", "13")
        .header("User-Agent", "Mozilla/5.0")
        .header("Sec-WebSocket-Key", "q4xkcO32u266gldTuKaSOw==")
        .header("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
        .body(())
        .expect("a request");
    assert_eq!(
        sent(request.try_into().expect("a valid request")),
        "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://example.com\r\nSec-WebSocket-Version: 13\r\n\
         pragma: no-cache\r\nuser-agent: Mozilla/5.0\r\n\r\n"
    );
}

/// HS-C-06: credentials are not shown, and not stored in HTTP/2's compression tables.
#[test]
fn credentials_are_sensitive() {
    let request: ClientRequest = "ws://user:secret@h/?token=x".parse().expect("a URI");
    let (request, handshake) = request
        .header("X-Api-Key", "secret")
        .header("User-Agent", "Mozilla/5.0")
        .subprotocol("secret")
        .into_connect(&Config::new())
        .expect("valid");
    for (name, is_sensitive) in [
        ("authorization", true),
        ("x-api-key", true),
        ("sec-websocket-protocol", true),
        ("user-agent", false),
    ] {
        assert_eq!(request.headers()[name].is_sensitive(), is_sensitive, "{name}");
    }
    let shown = format!("{:?} {handshake:?}", request.headers());
    assert!(
        !shown.contains("secret") && !shown.contains("dXNlcjpzZWNyZXQ="),
        "{shown}"
    );
}

/// HS-C-12: the default port may be present in the field and absent in the URI.
#[test]
fn default_ports() {
    for (uri, host) in [
        ("ws://example.com/", "example.com:80"),
        ("wss://example.com/", "example.com:443"),
        ("wss://example.com:443/", "example.com"),
    ] {
        let request = Request::get(uri).header("Host", host).body(()).expect("a request");
        let sent = sent(request.try_into().expect(uri));
        assert!(sent.contains("\r\nHost: example.com\r\n"), "{sent}");
    }
}

/// HS-C-01, HS-C-06, HS-C-17, HS-C-18: invalid requests are refused.
#[test]
fn refused() {
    let from = |request: http::request::Builder| ClientRequest::try_from(request.body(()).expect("a request"));
    let error = from(Request::post("ws://example.com/")).expect_err("POST");
    assert_eq!(error, RequestError::Method);
    for (uri, want) in [
        ("ftp://example.com/", UriError::Scheme),
        ("/chat", UriError::Scheme),
        ("ws://us%3Aer@example.com/", UriError::UserInfo),
    ] {
        assert_eq!(from(Request::get(uri)).expect_err(uri), RequestError::Uri(want));
    }
    let error = convert(&[("Sec-WebSocket-Extensions", "foo;")]).expect_err("malformed");
    assert_eq!(error, RequestError::InvalidExtension);
    // These are checked when the request is written, as if they were passed one by one.
    for (value, want) in [
        ("a b", RequestError::InvalidSubprotocol),
        ("a, a", RequestError::RepeatedSubprotocol),
    ] {
        let request = convert(&[("Sec-WebSocket-Protocol", value)]).expect("not checked yet");
        let error = ClientHandshake::new(request, [0; 16], &Config::new()).expect_err(value);
        assert_eq!(error, want);
    }
}
