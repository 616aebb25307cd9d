//! What a request says about its sender: header fields as text, cookies, the pairs of its query.

use proptest::prelude::*;
use websocket_proto::handshake::UpgradeRequest;

use crate::support::{Head, serve};

/// What is sent, and the pairs found in it.
type Case<'a, S> = (&'a S, &'a [(&'a str, &'a str)]);

fn request(head: Head) -> UpgradeRequest {
    serve(head).expect("a valid request").0
}

fn with_query(query: &str) -> UpgradeRequest {
    request(Head::request().start_line(format!("GET /chat?{query} HTTP/1.1")))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let request = with_query(query);
    let pairs = request.query_pairs();
    pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

#[test]
fn a_field_is_text_where_it_is_text() {
    let request = request(
        Head::request()
            .add("X-Name: caf\u{e9}")
            .add(b"X-Bytes: \xff\xfe")
            .add("x-bytes: text")
            .add("Empty:"),
    );
    let headers = request.headers();
    assert_eq!(headers.get("x-name"), Some("caf\u{e9}"));
    // The first field counts: a later one that is text does not replace it.
    assert_eq!(headers.get("X-Bytes"), None);
    assert_eq!(headers.get_bytes("X-Bytes"), Some(&b"\xff\xfe"[..]));
    assert!(headers.get_all("X-BYTES").eq([&b"\xff\xfe"[..], b"text"]));
    assert_eq!((headers.get("Empty"), headers.get("Missing")), (Some(""), None));
    assert_eq!(
        (headers.get_bytes("Missing"), headers.get_all("Missing").count()),
        (None, 0)
    );
}

#[test]
fn cookies_of_all_fields_in_order() {
    let request = request(
        Head::request()
            .add("Cookie: session=abc; theme=dark;lang=de")
            .add("cookie:\ttoken=a=b==; session=other"),
    );
    let expected = [
        ("session", "abc"),
        ("theme", "dark"),
        ("lang", "de"),
        ("token", "a=b=="),
        ("session", "other"),
    ];
    assert!(request.cookies().eq(expected));
    // Repeatable: nothing was consumed, and a clone continues from its position.
    let mut cookies = request.cookies();
    cookies.next();
    assert!(cookies.clone().eq(expected[1..].iter().copied()));
}

#[test]
fn malformed_cookies_are_skipped_and_the_others_found() {
    let cases: [Case<'_, [u8]>; 14] = [
        (b"", &[]),
        (b";", &[]),
        (b"; ; ;;", &[]),
        (b"flag", &[]),
        (b"=value", &[]),
        (b" = ", &[]),
        // Some parsers take this for a cookie named `__Host-id`.
        (b"=__Host-id=stolen; id=1", &[("id", "1")]),
        (b"a=", &[("a", "")]),
        (b"a=1;", &[("a", "1")]),
        (b"  a  =  1  ;  b=2  ", &[("a", "1"), ("b", "2")]),
        (b"a=\"quoted\"", &[("a", "\"quoted\"")]),
        (b"a=\"1; b=2\"", &[("a", "\"1"), ("b", "2\"")]),
        (b"a=1, b=2", &[("a", "1, b=2")]),
        (b"\xff=1; b=\xff; c=\xc3\xa9", &[("c", "\u{e9}")]),
    ];
    for (value, expected) in cases {
        let request = request(Head::request().with("Cookie", value));
        assert!(
            request.cookies().eq(expected.iter().copied()),
            "{}: {:?}",
            value.escape_ascii(),
            request.cookies().collect::<Vec<_>>()
        );
    }
    assert_eq!(request(Head::request()).cookies().count(), 0);
}

#[test]
fn pairs_of_a_query() {
    let cases: [Case<'_, str>; 18] = [
        ("", &[]),
        ("&", &[]),
        ("&&&", &[]),
        ("a=1", &[("a", "1")]),
        ("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]),
        ("a", &[("a", "")]),
        ("a=", &[("a", "")]),
        ("=1", &[("", "1")]),
        ("=", &[("", "")]),
        ("&a=1&&b&", &[("a", "1"), ("b", "")]),
        ("a=b=c", &[("a", "b=c")]),
        ("a+b=c+d", &[("a b", "c d")]),
        ("%61%3D=%26%2B%25", &[("a=", "&+%")]),
        ("caf%C3%A9=%e2%82%ac", &[("caf\u{e9}", "\u{20ac}")]),
        // Malformed: a `%` without two digits stands for itself.
        (
            "a=%&b=%4&c=%zz&d=%4g%41",
            &[("a", "%"), ("b", "%4"), ("c", "%zz"), ("d", "%4gA")],
        ),
        ("a=%%41", &[("a", "%A")]),
        // Malformed: invalid UTF-8.
        ("a=%ff%41%C3", &[("a", "\u{fffd}A\u{fffd}")]),
        // Other characters stand for themselves: `;` is not a separator, `?` is part of a query.
        ("a=1;b=2?c=%00", &[("a", "1;b=2?c=\0")]),
    ];
    for (query, expected) in cases {
        let found = pairs(query);
        let found: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, expected, "{query}");
    }
    assert_eq!(request(Head::request()).query_pairs().count(), 0, "no query");
    // Also in absolute form.
    let absolute = request(Head::request().start_line("GET http://example.com/?a=1 HTTP/1.1"));
    assert!(absolute.query_pairs().eq([("a".into(), "1".into())]));
}

/// The query that a form sends.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

proptest! {
    #[test]
    fn what_a_form_sends_is_read(sent in prop::collection::vec((".{0,8}", ".{0,8}"), 0..6)) {
        let query: Vec<_> = sent.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        prop_assert_eq!(pairs(&query.join("&")), sent);
    }

    /// No pair is longer than its source in the query, so the limit of the head bounds them.
    #[test]
    fn no_pair_outgrows_its_query(query in "[!-\"$-~]{0,64}") {
        for (name, value) in pairs(&query) {
            // U+FFFD has three bytes, and replaces at least the three of a percent-encoded byte.
            prop_assert!(name.len() + value.len() <= query.len());
        }
    }

    #[test]
    fn cookies_are_parts_of_their_field(value in "[ -~]{0,64}") {
        let request = request(Head::request().with("Cookie", &value));
        for (name, cookie) in request.cookies() {
            prop_assert!(!name.is_empty() && !name.contains(['=', ';']) && !cookie.contains(';'));
            prop_assert!(value.contains(name) && value.contains(cookie));
        }
    }
}
