//! The extensions field, in requests and in responses.

use core::time::Duration;
use std::time::Instant;

use websocket_proto::{
    Config, Limits,
    frame::Rsv,
    handshake::{
        Accept, AcceptError, ClientHandshake, ClientRequest, Extension, HandshakeError, HandshakeField, RequestError,
        ServerHandshake,
    },
};

use crate::support::{Head, NONCE, connect_with, plain_request, serve};
#[cfg(feature = "deflate")]
use crate::{
    deflate::{config, open},
    support::serve_with,
};

const MALFORMED: [&str; 23] = [
    "foo;",
    "foo;=1",
    "foo;a=",
    "foo;a=\"b",
    "foo;a=\"b\\",
    "foo bar",
    "foo;a=b c",
    "foo;a=\"a b\"",
    "foo;a=\"\"",
    "foo;a=\"b\"c",
    "foo;;a",
    "foo; a b",
    "foo;a==b",
    "foo;a=b=c",
    "f(oo)",
    "=",
    ";",
    "foo=1",
    "\"foo\"",
    "foo;\"a\"=1",
    "f\u{f6}o",
    "foo;a=\"\u{f6}\"",
    "foo;a='b,c;",
];

/// The offers as a server sees them.
fn offered(head: Head) -> Result<Vec<String>, HandshakeError> {
    serve(head).map(|(request, _)| request.extensions().map(|extension| extension.to_string()).collect())
}

/// The answer as a client that offers foo and bar sees it.
fn accepted(head: Head) -> Result<Vec<String>, HandshakeError> {
    connect_with(&Config::new(), &offering(), head)
        .map(|(response, _)| response.extensions().map(|extension| extension.to_string()).collect())
}

fn offering() -> ClientRequest {
    plain_request()
        .extension(Extension::new("foo"))
        .extension(Extension::new("bar").flag("x"))
}

fn request(value: &str) -> Head {
    Head::request().with("Sec-WebSocket-Extensions", value)
}

fn response(value: &str) -> Head {
    Head::response().with("Sec-WebSocket-Extensions", value)
}

/// EXT-01: elements with parameters, with whitespace around every separator.
#[test]
fn grammar() {
    for (value, expected) in [
        ("foo", vec!["foo"]),
        ("foo;a;b=1", vec!["foo; a; b=1"]),
        ("\tfoo ; a = 1\t, bar;b ", vec!["foo; a=1", "bar; b"]),
        ("foo;a;a;a=1", vec!["foo; a; a; a=1"]),
    ] {
        assert_eq!(offered(request(value)).expect(value), expected);
        assert_eq!(accepted(response(value)).expect(value), expected);
    }
}

/// EXT-02: a quoted value is equal to the bare one.
#[test]
fn quoted_values() {
    for value in ["foo;a=10", "foo;a=\"10\"", "foo;a=\"1\\0\"", "foo;a=\"\\1\\0\""] {
        let (request, _) = serve(request(value)).expect(value);
        let extension = request.extensions().next().expect("one extension");
        assert_eq!(extension.name(), "foo");
        let params: Vec<_> = extension
            .params()
            .iter()
            .map(|param| (param.name(), param.value()))
            .collect();
        assert_eq!(params, [("a", Some("10"))], "{value}");
        assert_eq!(extension, Extension::new("foo").param("a", "10"));
    }
}

/// EXT-03, HS-S-28, HS-C-29: a violation of the grammar fails the handshake on both sides.
#[test]
fn malformed() {
    for value in MALFORMED {
        for result in [offered(request(value)), accepted(response(value))] {
            let error = result.expect_err(value);
            assert!(
                matches!(error, HandshakeError::InvalidField(HandshakeField::Extensions)),
                "{value}: {error:?}"
            );
            assert_eq!(error.status(), Some(400));
        }
        // Also after a well-formed line.
        let line = format!("Sec-WebSocket-Extensions: {value}");
        assert!(offered(request("foo").add(&line)).is_err(), "{value}");
        assert!(accepted(response("foo").add(&line)).is_err(), "{value}");
    }
}

/// EXT-04: empty elements of a list are ignored, and a list of empty elements offers or accepts nothing.
#[test]
fn empty_elements() {
    for value in ["", ",", " , ,\t"] {
        let nothing: [&str; 0] = [];
        assert_eq!(offered(request(value)).expect(value), nothing);
        assert_eq!(accepted(response(value)).expect(value), nothing);
        let line = format!("Sec-WebSocket-Extensions: {value}");
        assert_eq!(offered(request("foo").add(&line)).expect(value), ["foo"]);
        assert_eq!(accepted(response("foo").add(&line)).expect(value), ["foo"]);
    }
    for value in [",foo", "foo,", "foo,,bar", ", ,foo\t,, bar,"] {
        assert_eq!(offered(request(value)).expect(value)[0], "foo");
        assert_eq!(accepted(response(value)).expect(value)[0], "foo");
    }
}

/// EXT-05, HS-S-27, HS-C-31: several lines are one list.
#[test]
fn several_lines() {
    let line = "Sec-WebSocket-Extensions: bar;x";
    assert_eq!(
        offered(request("foo;a=1").add(line)).expect("valid"),
        offered(request("foo;a=1, bar;x")).expect("valid")
    );
    assert_eq!(
        accepted(response("foo;a=1").add(line)).expect("valid"),
        ["foo; a=1", "bar; x"]
    );
    let empty_line = "Sec-WebSocket-Extensions:";
    assert_eq!(offered(request("foo").add(empty_line)).expect("valid"), ["foo"]);
}

/// EXT-06: the order is kept.
#[test]
fn order() {
    assert_eq!(
        offered(request("c, a, b, a;x")).expect("valid"),
        ["c", "a", "b", "a; x"]
    );
    assert_eq!(accepted(response("bar, foo")).expect("valid"), ["bar", "foo"]);
}

/// EXT-08: the work is linear in the length of the field, for any mix of characters.
///
/// Work that grows with the square of these lengths would not finish within the time allowed.
#[test]
fn linear_work() {
    const SIZE: usize = 4 << 20;
    let config = Config::new().limits(Limits::new().max_head_size(SIZE + 1000));
    let started = Instant::now();
    for (start, unit) in [
        ("", "a,"),
        ("", ","),
        ("a", " "),
        ("a", " ;a"),
        ("a", ";a=\"b\""),
        ("a;b=\"", "\\c"),
        ("a;b=\"", "\\"),
        ("a;b=\"", "c\\d"),
        ("a;b=", "\""),
        ("", "a;b=\"c,"),
        ("", "a \t"),
        ("", "aaaaaaaa"),
        ("a", ";"),
        ("a;b", "="),
    ] {
        let value = [start, &unit.repeat(SIZE / unit.len())].concat();
        let mut handshake = ServerHandshake::new(&config);
        // Malformed or not, parsing ends.
        if let Ok(request) = handshake.receive(&request(&value).bytes()) {
            request.expect("a whole request").extensions().for_each(drop);
        }
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// EXT-09, HS-S-29: unknown extensions are ignored, whatever their names and number.
#[test]
fn unknown_names() {
    let many: Vec<String> = (0..1500).map(|index| format!("x{index}")).collect();
    let long = "y".repeat(8000);
    for value in [
        "constructor",
        "__proto__",
        "x-webkit-deflate-frame",
        "toString;valueOf=1",
        &many.join(","),
        &long,
    ] {
        let (request, _) = serve(request(value)).expect("a valid request");
        let accepted = request.accept(Default::default()).expect("nothing selected");
        assert!(
            !accepted
                .response()
                .windows(10)
                .any(|part| part.eq_ignore_ascii_case(b"extensions"))
        );
    }
}

/// HS-C-28: an extension that was not offered is an error.
#[test]
fn not_offered() {
    for value in ["baz", "foo, baz", "Foo", "permessage-deflate"] {
        assert!(
            matches!(accepted(response(value)), Err(HandshakeError::UnofferedExtension)),
            "{value}"
        );
    }
    let result = connect_with(&Config::new(), &plain_request(), response("foo"));
    assert!(matches!(result, Err(HandshakeError::UnofferedExtension)));
}

/// HS-C-30: an extension that is accepted twice is an error, even in two lines.
#[test]
fn accepted_twice() {
    assert!(matches!(
        accepted(response("foo, foo;x")),
        Err(HandshakeError::RepeatedExtension)
    ));
    let lines = response("bar, foo").add("Sec-WebSocket-Extensions: bar");
    assert!(matches!(accepted(lines), Err(HandshakeError::RepeatedExtension)));
}

/// EXT-15: a reserved bit belongs to one extension, of the application or of the configuration; and both sides know which one.
#[test]
fn reserved_bits_of_a_server() {
    let claiming = |claims: &[(&'static str, Rsv)]| {
        let (request, _) = serve(request("foo, bar")).expect("a valid request");
        let accept = claims.iter().fold(Accept::new(), |accept, &(name, bits)| {
            accept.extension_claiming(Extension::new(name), bits)
        });
        request.accept(accept)
    };
    for (claims, expected) in [
        (&[("foo", Rsv::NONE), ("bar", Rsv::NONE)][..], Ok(Rsv::NONE)),
        (&[("foo", Rsv::RSV1)], Ok(Rsv::RSV1)),
        (
            &[("foo", Rsv::RSV1 | Rsv::RSV3), ("bar", Rsv::RSV2)],
            Ok(Rsv::from_bits(7)),
        ),
        (
            &[("foo", Rsv::RSV2 | Rsv::RSV3), ("bar", Rsv::RSV2)],
            Err(AcceptError::ReservedBits(Rsv::RSV2)),
        ),
    ] {
        let bits = claiming(claims).map(|accepted| accepted.into_negotiated().reserved_bits());
        assert_eq!(bits, expected, "{claims:?}");
    }
}

/// EXT-15: offers of a client that use the same bits are alternatives: the server must not accept all of them.
#[test]
fn reserved_bits_of_a_client() {
    let offering = plain_request()
        .extension_claiming(Extension::new("foo").flag("a"), Rsv::RSV2)
        .extension_claiming(Extension::new("foo"), Rsv::RSV2)
        .extension_claiming(Extension::new("bar"), Rsv::RSV2 | Rsv::RSV3)
        .extension_claiming(Extension::new("baz"), Rsv::RSV1);
    for (answer, expected) in [
        ("foo", Some(Rsv::RSV2)),
        ("baz, bar", Some(Rsv::from_bits(7))),
        ("foo, baz", Some(Rsv::RSV1 | Rsv::RSV2)),
        ("foo, bar", None),
    ] {
        match (connect_with(&Config::new(), &offering, response(answer)), expected) {
            (Ok((response, _)), Some(bits)) => {
                assert_eq!(response.into_negotiated().reserved_bits(), bits, "{answer}");
            }
            (Err(HandshakeError::ReservedBits(bits)), None) => assert_eq!(bits, Rsv::RSV2),
            (result, _) => panic!("{answer}: {result:?}"),
        }
    }
    let (response, _) = connect_with(&Config::new(), &offering, Head::response()).expect("a valid response");
    assert_eq!(response.into_negotiated().reserved_bits(), Rsv::NONE);

    // The answer would not show which of the two it is.
    let unclear = offering.extension(Extension::new("bar"));
    let refused = ClientHandshake::new(unclear, NONCE, &Config::new());
    assert!(matches!(refused, Err(RequestError::ReservedBits)));
}

/// EXT-15: RSV1 belongs to permessage-deflate, if the configuration enables it.
#[cfg(feature = "deflate")]
#[test]
fn the_reserved_bit_of_compression() {
    let config = Config::new().deflate(websocket_proto::DeflateConfig::new());
    let (request, _) = serve_with(&config, request("foo, permessage-deflate")).expect("a valid request");
    let accept = |bits| Accept::new().extension_claiming(Extension::new("foo"), bits);
    assert!(matches!(
        request.accept(accept(Rsv::RSV1)),
        Err(AcceptError::ConflictingExtension)
    ));
    assert!(request.accept(accept(Rsv::RSV1).uncompressed()).is_ok());
    let negotiated = request
        .accept(accept(Rsv::RSV2))
        .expect("no conflict")
        .into_negotiated();
    assert_eq!(
        (negotiated.reserved_bits(), negotiated.deflate().is_some()),
        (Rsv::RSV2, true)
    );

    let offer = |bits| plain_request().extension_claiming(Extension::new("foo"), bits);
    let refused = ClientHandshake::new(offer(Rsv::RSV1), NONCE, &config);
    assert!(matches!(refused, Err(RequestError::ConflictingExtension)));
    assert!(ClientHandshake::new(offer(Rsv::RSV3), NONCE, &config).is_ok());
}

/// EXT-15: the application's extensions can be combined with compression, unless they use the same reserved bit.
#[cfg(feature = "deflate")]
#[test]
fn extensions_of_the_application_are_kept() {
    let head = || {
        Head::request().with(
            "Sec-WebSocket-Extensions",
            "permessage-deflate, foo; a, permessage-bzip2",
        )
    };
    let (request, _) = serve_with(&config(open()), head()).expect("valid");
    let accepted = request
        .accept(Accept::new().extension(Extension::new("foo").flag("a")))
        .expect("no conflict");
    let response = String::from_utf8_lossy(accepted.response()).into_owned();
    assert!(response.contains("Sec-WebSocket-Extensions: foo; a, permessage-deflate\r\n"));
    assert!(accepted.into_negotiated().deflate().is_some());

    // Two extensions that use RSV1 cannot be combined.
    for name in ["permessage-bzip2", "permessage-deflate"] {
        let accept = || Accept::new().extension(Extension::new(name));
        assert!(matches!(
            request.accept(accept()),
            Err(AcceptError::ConflictingExtension)
        ));
        assert!(request.accept(accept().uncompressed()).is_ok());
        let (request, _) = serve_with(&Config::new(), head()).expect("valid");
        assert!(request.accept(accept()).is_ok());

        let request = plain_request().extension(Extension::new(name));
        assert!(matches!(
            ClientHandshake::new(request.clone(), NONCE, &config(open())),
            Err(RequestError::ConflictingExtension)
        ));
        let answer = Head::response().with("Sec-WebSocket-Extensions", format!("{name}; x"));
        let (response, _) = connect_with(&Config::new(), &request, answer).expect("the application's own offer");
        assert_eq!(response.deflate(), None);
    }
    let request = plain_request().extension(Extension::new("foo"));
    let answer = Head::response().with("Sec-WebSocket-Extensions", "permessage-deflate, foo");
    let (response, _) = connect_with(&config(open()), &request, answer).expect("both were offered");
    assert!(response.deflate().is_some());
    // What the other extension's answer says does not concern compression.
    for answer in ["foo", "foo; server_max_window_bits=0"] {
        let answer = Head::response().with("Sec-WebSocket-Extensions", answer);
        let (response, _) = connect_with(&config(open()), &request, answer).expect("it was offered");
        assert_eq!(response.deflate(), None);
    }
}
