//! Properties that hold for all inputs. The runs of `support` compare the results under all segmentations.

use proptest::{collection::vec, prelude::*};
use websocket_proto::{
    Config,
    handshake::{Accept, ClientHandshake, ClientRequest, Extension, ServerHandshake},
};

use crate::support::{Head, connect_with, plain_request, serve};

/// A change to the bytes of a head, at a position given as a fraction of its length.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(u16, u8),
    Insert(u16, Vec<u8>),
    Remove(u16, u8),
    Repeat(u16, u8),
    Cut(u16),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(&b"\r\n:,;= \t\"\\\0\x80"[..])];
    let piece = prop_oneof![
        vec(byte.clone(), 1..4),
        prop::sample::select(vec![
            "\r\n",
            "\r\n\r\n",
            "\r\n ",
            "Host: x\r\n",
            "Upgrade: websocket",
            "Content-Length: 1\r\n",
            "HTTP/1.1 "
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        (any::<u16>(), byte).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<u16>(), piece).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, len)| Mutation::Remove(at, len)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, len)| Mutation::Repeat(at, len)),
        any::<u16>().prop_map(Mutation::Cut),
    ]
}

fn mutate(mut bytes: Vec<u8>, mutations: Vec<Mutation>) -> Vec<u8> {
    for mutation in mutations {
        let place = |at: u16| usize::from(at) * bytes.len() / (usize::from(u16::MAX) + 1);
        let range = |at: u16, len: u8| place(at)..(place(at) + usize::from(len % 32)).min(bytes.len());
        match mutation {
            Mutation::Replace(at, byte) => {
                let at = place(at);
                bytes
                    .get_mut(at..)
                    .and_then(<[u8]>::first_mut)
                    .into_iter()
                    .for_each(|old| *old = byte);
            }
            Mutation::Insert(at, piece) => drop(bytes.splice(place(at)..place(at), piece)),
            Mutation::Remove(at, len) => drop(bytes.drain(range(at, len))),
            Mutation::Repeat(at, len) => bytes.extend_from_within(range(at, len)),
            Mutation::Cut(at) => bytes.truncate(place(at)),
        }
    }
    bytes
}

fn token() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}"
}

fn extension() -> impl Strategy<Value = Extension<'static>> {
    (token(), vec((token(), prop::option::of(token())), 0..4)).prop_map(|(name, params)| {
        params
            .into_iter()
            .fold(Extension::new(name), |extension, (name, value)| match value {
                Some(value) => extension.param(name, value),
                None => extension.flag(name),
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// HS-S-05, HS-S-53, SEC-12: no change to a request causes a panic, or a result that depends on the cuts.
    #[test]
    fn changed_requests(mutations in vec(mutation(), 1..5)) {
        let request = Head::request()
            .add("Sec-WebSocket-Protocol: chat, superchat")
            .add("Sec-WebSocket-Extensions: foo; a=\"1\", bar")
            .add("Origin: https://example.com");
        match serve(mutate(request.bytes(), mutations)) {
            Ok((request, _)) => {
                prop_assert_eq!(request.method(), "GET");
                prop_assert!(request.path().starts_with('/'));
                prop_assert!(!request.host().is_empty());
            }
            Err(error) => prop_assert_eq!(error.status().is_some(), error.response().is_some()),
        }
    }

    /// HS-C-37, SEC-12: no change to a response causes a panic, or a result that depends on the cuts.
    #[test]
    fn changed_responses(mutations in vec(mutation(), 1..5), status in prop::sample::select(vec![100, 101, 200, 404])) {
        let response = Head::response()
            .start_line(format!("HTTP/1.1 {status} x"))
            .add("Sec-WebSocket-Protocol: chat")
            .add("Sec-WebSocket-Extensions: foo; a=\"1\"")
            .add("Transfer-Encoding: chunked");
        let request = plain_request().subprotocol("chat").extension(Extension::new("foo"));
        let bytes = [&response.bytes()[..], b"5\r\nhello\r\n0\r\n\r\n"].concat();
        if let Ok((response, _)) = connect_with(&Config::new(), &request, mutate(bytes, mutations)) {
            prop_assert!(matches!(response.subprotocol(), None | Some("chat")));
            prop_assert!(response.extensions().all(|extension| extension.name() == "foo"));
        }
    }

    /// SEC-12: arbitrary bytes also give a result.
    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..300)) {
        let _ = serve(bytes.clone());
        let _ = connect_with(&Config::new(), &plain_request(), bytes);
    }

    /// EXT-01, EXT-02: extensions are read as they were written, in every notation.
    #[test]
    fn extensions_round_trip(extensions in vec(extension(), 1..5), quote in any::<u64>()) {
        let mut written = extensions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if quote % 2 == 0 {
            written = written.replace("; ", "\t;  ").replace('=', " = ");
        }
        let head = Head::request().with("Sec-WebSocket-Extensions", written);
        let (request, _) = serve(head).expect("a valid request");
        prop_assert!(request.extensions().eq(extensions));
    }

    /// HS-C-11, HS-S-24, HS-S-36, HS-C-32: each side understands what the other sends.
    #[test]
    fn both_sides(
        path in "/[a-z0-9/._~%-]{0,20}",
        subprotocols in prop::collection::btree_set(token(), 0..4),
        extensions in vec(extension(), 0..4),
        fields in vec(("x-[a-z0-9-]{1,10}", "([!-~]([ -~]{0,20}[!-~])?)?"), 0..6),
        nonce in any::<[u8; 16]>(),
        select in any::<prop::sample::Index>(),
        leftover in vec(any::<u8>(), 0..20),
    ) {
        let path = path.replace('%', "%25");
        let mut request: ClientRequest = format!("ws://example.com{path}").parse().expect("a valid URI");
        for subprotocol in &subprotocols {
            request = request.subprotocol(&**subprotocol);
        }
        for extension in &extensions {
            request = request.extension(extension.clone());
        }
        for (name, value) in &fields {
            request = request.header(name, value);
        }
        let mut client = ClientHandshake::new(request, nonce, &Config::new()).expect("a valid request");
        let (received, rest) = serve(client.request()).expect("a valid request");
        prop_assert!(rest.is_empty());
        prop_assert_eq!(received.path(), &path);
        prop_assert!(received.subprotocols().eq(&subprotocols));
        prop_assert!(received.extensions().eq(extensions.iter().cloned()));
        for (name, value) in &fields {
            prop_assert!(received.headers().get_all(name).any(|received| received == value.as_bytes()));
        }

        let mut accept = Accept::new();
        let subprotocol = subprotocols.iter().nth(select.index(subprotocols.len() + 1)).map(String::as_str);
        if let Some(subprotocol) = subprotocol {
            accept = accept.subprotocol(subprotocol);
        }
        if let Some(extension) = extensions.first() {
            accept = accept.extension(extension.clone());
        }
        for (name, value) in &fields {
            accept = accept.header(name, value);
        }
        let accepted = received.accept(accept).expect("a valid answer");
        let answer = [accepted.response(), &leftover].concat();
        let response = client.receive(&answer).expect("a valid response").expect("a whole response");
        prop_assert_eq!(response.subprotocol(), subprotocol);
        prop_assert!(response.extensions().eq(extensions.first().cloned()));
        let negotiated = response.into_negotiated();
        prop_assert_eq!(negotiated.subprotocol(), subprotocol);
        let accepted = accepted.into_negotiated();
        prop_assert_eq!(accepted.subprotocol(), subprotocol);
        prop_assert_eq!(negotiated.leftover(), &leftover);
    }
}

/// SEC-12: the failure of one handshake does not affect another one.
#[test]
fn independent_handshakes() {
    let config = Config::new();
    let (mut bad, mut good) = (ServerHandshake::new(&config), ServerHandshake::new(&config));
    let request = Head::request().bytes();
    assert!(matches!(good.receive(&request[..50]), Ok(None)));
    assert!(bad.receive(b"\0").is_err());
    assert!(matches!(good.receive(&request[50..]), Ok(Some(_))));
}
