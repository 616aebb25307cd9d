//! Credentials are planted wherever a request or a response may contain them: no `Debug` or `Display` output shows them.

use std::fmt::Debug;

use proptest::prelude::*;
use websocket_proto::{
    Config, Connection, Role, Time,
    handshake::{Accept, ClientHandshake, ClientRequest, HandshakeError, Opening, Rejection, ServerHandshake, Uri},
};

use crate::support::{ACCEPT, NONCE};

/// A secret, and the forms in which it may be printed.
struct Secret {
    text: String,
    forms: Vec<String>,
}

impl Secret {
    fn new(text: &str) -> Self {
        let bytes = format!("{:?}", text.as_bytes());
        Self {
            text: text.into(),
            // As text; as a list of bytes, on one line or with line breaks.
            forms: vec![
                text.into(),
                bytes[1..bytes.len() - 1].into(),
                bytes[1..bytes.len() - 1].replace(", ", ",\n"),
            ],
        }
    }

    /// Fails if the output of the value contains the secret.
    fn check(&self, value: &impl Debug) {
        for shown in [format!("{value:?}"), format!("{value:#?}")] {
            let without_indent: String = shown.split('\n').map(str::trim_start).collect::<Vec<_>>().join("\n");
            for form in &self.forms {
                assert!(!without_indent.contains(form), "{form} is in {shown}");
            }
        }
    }

    fn check_text(&self, text: &str) {
        assert!(!self.forms.iter().any(|form| text.contains(form)), "{text}");
    }

    /// A request with the secret in every possible place. Also adds the Basic form of the credentials to the forms to look for.
    fn request(&mut self) -> ClientRequest {
        let text = &self.text;
        let uri: Uri = format!("ws://{text}:{text}@example.com/chat?token={text}")
            .parse()
            .expect("a URI");
        let only_uri = ClientHandshake::new(ClientRequest::new(uri.clone()), NONCE, &Config::new()).expect("valid");
        let sent = String::from_utf8(only_uri.request().to_vec()).expect("ASCII");
        let (_, basic) = sent.split_once("Authorization: Basic ").expect("credentials");
        self.forms.push(basic.lines().next().expect("a value").into());
        let text = &self.text;
        ClientRequest::new(uri)
            .subprotocol("chat")
            .subprotocol(format!("bearer.{text}"))
            .header("Cookie", format!("session={text}"))
            .header("Proxy-Authorization", format!("Bearer {text}"))
            .header("X-Api-Key", text)
            .header("x-anything", format!("a {text} b"))
            .header("Referer", format!("https://example.com/?token={text}"))
    }
}

fn check_client(secret: &mut Secret) {
    let request = secret.request();
    secret.check(&request);
    secret.check(request.uri());
    secret.check(&Opening::client(request.clone(), NONCE, &Config::new(), Time::ZERO));
    let mut handshake = ClientHandshake::new(request.clone(), NONCE, &Config::new()).expect("valid");
    secret.check(&handshake);
    // The response, cut inside the line with a secret, and then complete, with bytes of the first message.
    let text = &secret.text;
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Set-Cookie: session={text}\r\nLocation: /?code={text}\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    let frame = [&[0x82, u8::try_from(text.len()).expect("short")][..], text.as_bytes()].concat();
    assert!(
        handshake
            .receive(&response.as_bytes()[..response.len() - 4])
            .is_ok_and(|response| response.is_none())
    );
    secret.check(&handshake);
    let response = handshake.receive(&[b"\r\n\r\n", &frame[..]].concat());
    let response = response.expect("valid").expect("complete");
    secret.check(&response);
    secret.check(response.headers());
    secret.check(&response.into_negotiated());

    // A refusal, whose body is the server's text.
    for answer in [
        format!("HTTP/1.1 401 Unauthorized\r\nSet-Cookie: {text}\r\nX-Token: {text}\r\nContent-Length: 0\r\n\r\n"),
        format!("HTTP/1.1 302 Found\r\nLocation: ws://{text}:{text}@h/?{text}\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let mut handshake = ClientHandshake::new(request.clone(), NONCE, &Config::new()).expect("valid");
        let error = handshake.receive(answer.as_bytes()).expect_err("refused");
        secret.check(&error);
        secret.check_text(&error.to_string());
        assert!(matches!(error, HandshakeError::Refused(_)));
    }
    // Requests that cannot be sent.
    for request in [
        request.clone().header("Bad name", text),
        request.clone().header(&format!("Authorization: Bearer {text}"), ""),
        request.clone().header("X", format!("{text}\n")),
        request.clone().subprotocol(format!("{text} {text}")),
    ] {
        secret.check(&request);
        let error = ClientHandshake::new(request, NONCE, &Config::new()).expect_err("invalid");
        secret.check(&error);
        secret.check_text(&error.to_string());
    }
    for uri in [
        format!("ws://{text}@h:0/"),
        format!("ftp://{text}:{text}@h/{text}"),
        format!("ws://a b/?{text}"),
    ] {
        let error = uri.parse::<Uri>().expect_err("invalid");
        secret.check(&error);
        secret.check_text(&error.to_string());
    }
}

fn check_server(secret: &mut Secret) {
    let request = secret.request();
    let client = ClientHandshake::new(request, NONCE, &Config::new()).expect("valid");
    let mut handshake = ServerHandshake::new(&Config::new());
    let (most, end) = client.request().split_at(client.request().len() - 4);
    assert!(handshake.receive(most).is_ok_and(|request| request.is_none()));
    secret.check(&handshake);
    let mut opening = Opening::server(&Config::new(), Time::ZERO);
    let _ = opening.next_step();
    opening.read(most);
    secret.check(&opening);
    let request = handshake.receive(&[end, secret.text.as_bytes()].concat());
    let request = request.expect("valid").expect("complete");
    secret.check(&request);
    secret.check(request.headers());
    let text = &secret.text;
    let accept = Accept::new()
        .header("Set-Cookie", format!("session={text}"))
        .header("X-Token", text);
    secret.check(&accept);
    let accepted = request.accept(accept).expect("valid");
    secret.check(&accepted);
    let (response, negotiated) = accepted.into_parts();
    let negotiated = negotiated.with_unsent_response(response);
    assert_eq!(negotiated.role(), Role::Server);
    secret.check(&negotiated);
    // The response and the beginning of the first message are held in it.
    assert!(negotiated.leftover().ends_with(text.as_bytes()));
    let connection = Connection::from_negotiated(&negotiated, &Config::new());
    secret.check(&connection);
    secret.check(&Rejection::new(403).header("Set-Cookie", text));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// HS-C-06, SEC-15: credentials are never shown.
    #[test]
    fn credentials_are_not_shown(text in "[a-zA-Z0-9]{12,40}") {
        let mut secret = Secret::new(&text);
        check_client(&mut secret);
        check_server(&mut secret);
    }
}

/// What helps is shown: the names of fields, and the values of fields known to be harmless.
#[test]
fn the_rest_is_shown() {
    let mut secret = Secret::new("hunter2hunter2");
    let request = secret.request().header("User-Agent", "tests");
    let shown = format!("{request:?}");
    for part in [
        "ws://example.com/chat?…",
        "\"User-Agent\": \"tests\"",
        "\"X-Api-Key\": (hidden)",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}
