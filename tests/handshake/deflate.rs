//! The negotiation of permessage-deflate, on both sides.

use websocket_proto::{
    Config, ContextTakeover, DeflateConfig, DeflateError, DeflateParams, OfferPolicy, Role,
    handshake::{Accept, ClientHandshake, HandshakeError},
};

use crate::support::{Head, NONCE, connect_with, plain_request, serve_with};

const FORBID: ContextTakeover = ContextTakeover::Forbid;
const ALLOW: ContextTakeover = ContextTakeover::Allow;

/// Settings that request nothing.
pub(crate) fn open() -> DeflateConfig {
    DeflateConfig::new()
        .server_context_takeover(ALLOW)
        .client_context_takeover(ALLOW)
}

pub(crate) fn config(deflate: DeflateConfig) -> Config {
    Config::new().deflate(deflate)
}

/// The answer of a server with these settings to these offers, and the parameters that it negotiated.
pub(crate) fn answer_with(deflate: DeflateConfig, offers: &str) -> Option<(String, DeflateParams)> {
    let head = Head::request().with("Sec-WebSocket-Extensions", offers);
    let (request, _) = serve_with(&config(deflate), head).expect(offers);
    let accepted = request.accept(Accept::new()).expect(offers);
    let response = String::from_utf8(accepted.response().to_vec()).expect("ASCII");
    let lines: Vec<&str> = response
        .lines()
        .filter_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "))
        .collect();
    let negotiated = accepted.into_negotiated();
    assert_eq!(negotiated.role(), Role::Server);
    match (&lines[..], negotiated.deflate()) {
        ([], None) => None,
        (&[line], Some(params)) => Some((line.to_owned(), params)),
        (lines, params) => panic!("{lines:?} with {params:?}"),
    }
}

fn answer(offers: &str) -> Option<String> {
    answer_with(open(), offers).map(|(line, _)| line)
}

/// The same settings, for a client that insists on them.
fn strict(deflate: DeflateConfig) -> DeflateConfig {
    deflate.offer_policy(OfferPolicy::Strict)
}

/// The result of an answer for a client with these settings.
pub(crate) fn check_with(deflate: DeflateConfig, answer: &str) -> Result<Option<DeflateParams>, HandshakeError> {
    let head = Head::response().with("Sec-WebSocket-Extensions", answer);
    connect_with(&config(deflate), &plain_request(), head).map(|(response, _)| {
        let params = response.deflate();
        assert_eq!(response.into_negotiated().deflate(), params);
        params
    })
}

#[track_caller]
fn assert_fails(deflate: DeflateConfig, answer: &str, expected: DeflateError) {
    match check_with(deflate, answer) {
        Err(HandshakeError::Deflate(error)) => assert_eq!(error, expected, "{answer}"),
        other => panic!("{answer}: {other:?}"),
    }
}

/// The offers of a client with these settings.
pub(crate) fn offer(deflate: DeflateConfig) -> String {
    let handshake = ClientHandshake::new(plain_request(), NONCE, &config(deflate)).expect("a valid request");
    let request = String::from_utf8(handshake.request().to_vec()).expect("ASCII");
    let line = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    line.expect("an offer").to_owned()
}

#[track_caller]
fn assert_declined(offers: &[&str]) {
    for offer in offers {
        assert_eq!(answer(offer), None, "{offer}");
        // The next offer is not affected.
        let both = format!("{offer}, permessage-deflate");
        assert_eq!(answer(&both).as_deref(), Some("permessage-deflate"), "{both}");
    }
}

/// PMD-01: an offer with a parameter that is not one of the four is declined.
#[test]
fn unknown_parameters_decline_an_offer() {
    assert_declined(&[
        "permessage-deflate; x",
        "permessage-deflate; server_max_window_bit=10",
        "permessage-deflate; client_max_window_bits; foo=1",
        "permessage-deflate; SERVER_NO_CONTEXT_TAKEOVER",
    ]);
    // The name itself is also compared case-sensitively.
    assert_eq!(answer("Permessage-Deflate, x-webkit-deflate-frame"), None);
}

/// PMD-02: an offer with a repeated parameter is declined.
#[test]
fn repeated_parameters_decline_an_offer() {
    assert_declined(&[
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
    ]);
}

/// PMD-03: a parameter that takes no value declines an offer in which it has one.
#[test]
fn flags_with_a_value_decline_an_offer() {
    assert_declined(&[
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover=true",
        "permessage-deflate; client_no_context_takeover=\"x\"",
    ]);
}

const BAD_BITS: [&str; 14] = [
    "7", "16", "08", "015", "1000", "-9", "9.0", "x", "0", "1", "1e1", "+9", "10x", "0x9",
];

/// PMD-04: the server's window in an offer is a number from 8 to 15 without leading zeros.
#[test]
fn server_window_of_an_offer() {
    assert_declined(&["permessage-deflate; server_max_window_bits"]);
    for bits in BAD_BITS {
        assert_declined(&[&format!("permessage-deflate; server_max_window_bits={bits}")]);
    }
    for bits in 9..=15 {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        let (line, params) = answer_with(open(), &offer).expect("an acceptable window");
        assert_eq!((line, params.server_max_window_bits), (offer, bits));
    }
}

/// PMD-05: the client's window in an offer has no value, or is a number from 8 to 15 without leading zeros.
#[test]
fn client_window_of_an_offer() {
    for bits in BAD_BITS {
        assert_declined(&[&format!("permessage-deflate; client_max_window_bits={bits}")]);
    }
    for bits in 8..=15 {
        let (line, params) =
            answer_with(open(), &format!("permessage-deflate; client_max_window_bits={bits}")).expect("valid");
        assert_eq!(params.client_max_window_bits, bits);
        let expected = match bits {
            15 => "permessage-deflate".to_owned(),
            bits => format!("permessage-deflate; client_max_window_bits={bits}"),
        };
        assert_eq!(line, expected);
    }
    assert_eq!(
        answer("permessage-deflate; client_max_window_bits").as_deref(),
        Some("permessage-deflate")
    );
}

/// PMD-06: a quoted value is equal to the bare one.
#[test]
fn quoted_values() {
    for value in ["10", "\"10\"", "\"1\\0\""] {
        assert_eq!(
            answer(&format!("permessage-deflate; server_max_window_bits={value}")).as_deref(),
            Some("permessage-deflate; server_max_window_bits=10")
        );
        let params = check_with(open(), &format!("permessage-deflate; client_max_window_bits={value}"));
        assert_eq!(
            params.expect("valid").map(|params| params.client_max_window_bits),
            Some(10)
        );
    }
}

/// PMD-07, PMD-09: of several offers, the first acceptable one is accepted, and only that one.
#[test]
fn the_first_usable_offer_counts() {
    for (offers, expected) in [
        (
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            "permessage-deflate, permessage-deflate; server_max_window_bits=10",
            "permessage-deflate",
        ),
        (
            "foo, permessage-deflate; x, permessage-deflate; server_max_window_bits=8, \
             permessage-deflate; server_no_context_takeover, permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
        ),
    ] {
        assert_eq!(answer(offers).as_deref(), Some(expected), "{offers}");
    }
}

/// PMD-08: without an acceptable offer the connection opens uncompressed.
#[test]
fn no_usable_offer() {
    for offers in [
        "foo",
        "permessage-deflate; x",
        "permessage-deflate; server_max_window_bits=8, permessage-deflate; y",
    ] {
        assert_eq!(answer_with(open(), offers), None, "{offers}");
    }
    let (request, _) = serve_with(&config(open()), Head::request()).expect("valid");
    let accepted = request.accept(Accept::new()).expect("valid");
    assert!(accepted.response().starts_with(b"HTTP/1.1 101 "));
    assert_eq!(accepted.into_negotiated().deflate(), None);
}

/// PMD-10: a client's requirement for the server's context is confirmed.
#[test]
fn server_context_takeover_is_confirmed() {
    let (line, params) = answer_with(open(), "permessage-deflate; server_no_context_takeover").expect("usable");
    assert_eq!(line, "permessage-deflate; server_no_context_takeover");
    assert_eq!(params.server_context_takeover, FORBID);
    assert_eq!(params.client_context_takeover, ALLOW);
}

/// PMD-11: a client's requirement for the server's window is confirmed with a window that is no larger; 8 is declined.
#[test]
fn server_window_is_confirmed() {
    for (own, offered, expected) in [(15, 10, 10), (12, 15, 12), (9, 9, 9), (15, 15, 15)] {
        let offer = format!("permessage-deflate; server_max_window_bits={offered}");
        let (line, params) = answer_with(open().server_max_window_bits(own), &offer).expect("usable");
        assert_eq!(line, format!("permessage-deflate; server_max_window_bits={expected}"));
        assert_eq!(params.server_max_window_bits, expected);
    }
    assert_declined(&["permessage-deflate; server_max_window_bits=8"]);
}

/// PMD-12: the server may state parameters that were not offered. It does not state its window, because some clients refuse that.
#[test]
fn what_a_server_states_without_an_offer() {
    let config = DeflateConfig::new().server_max_window_bits(11);
    let (line, params) = answer_with(config, "permessage-deflate").expect("usable");
    assert_eq!(
        line,
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    );
    let params_of_client = check_with(open(), &line).expect("valid");
    assert_eq!(params_of_client, Some(params));
    // A client accepts it from other servers.
    let stated = check_with(open(), "permessage-deflate; server_max_window_bits=11").expect("valid");
    assert_eq!(stated.map(|params| params.server_max_window_bits), Some(11));
}

/// PMD-13: the client's window is in the answer only if it was in the offer, and is no larger than there.
#[test]
fn client_window_only_if_offered() {
    let small = open().client_max_window_bits(10);
    for (offer, expected, bits, takeover) in [
        ("; client_max_window_bits", "; client_max_window_bits=10", 10, ALLOW),
        ("; client_max_window_bits=9", "; client_max_window_bits=9", 9, ALLOW),
        ("; client_max_window_bits=12", "; client_max_window_bits=10", 10, ALLOW),
        // A window that cannot be requested is not held between messages instead.
        ("", "; client_no_context_takeover", 15, FORBID),
    ] {
        let (line, params) = answer_with(small, &format!("permessage-deflate{offer}")).expect("usable");
        assert_eq!(line, format!("permessage-deflate{expected}"));
        assert_eq!(
            (params.client_max_window_bits, params.client_context_takeover),
            (bits, takeover)
        );
    }
}

/// PMD-14: the client's hint about its own context is accepted.
#[test]
fn hint_about_the_clients_context() {
    let (line, params) = answer_with(open(), "permessage-deflate; client_no_context_takeover").expect("usable");
    assert_eq!(line, "permessage-deflate; client_no_context_takeover");
    assert_eq!(params.client_context_takeover, FORBID);
}

/// PMD-15: an unknown, repeated or invalid parameter in the answer fails the handshake.
#[test]
fn bad_answers() {
    for (params, error) in [
        ("x", DeflateError::UnknownParameter),
        ("x=1", DeflateError::UnknownParameter),
        (
            "server_no_context_takeover; server_no_context_takeover",
            DeflateError::RepeatedParameter,
        ),
        (
            "client_max_window_bits=10; client_max_window_bits=10",
            DeflateError::RepeatedParameter,
        ),
        ("server_no_context_takeover=1", DeflateError::InvalidValue),
        ("client_no_context_takeover=1", DeflateError::InvalidValue),
    ] {
        assert_fails(open(), &format!("permessage-deflate; {params}"), error);
    }
    // A parameter that occurs twice is an error (RFC 6455 §9.1 allows it, RFC 7692 §5 does not).
    assert!(matches!(
        check_with(open(), "permessage-deflate, permessage-deflate"),
        Err(HandshakeError::RepeatedExtension)
    ));
    assert!(matches!(
        check_with(open(), "permessage-deflate, foo"),
        Err(HandshakeError::UnofferedExtension)
    ));
}

/// PMD-16: the client's window in the answer has a value, from 8 to what was offered.
#[test]
fn client_window_of_an_answer() {
    assert_fails(
        open(),
        "permessage-deflate; client_max_window_bits",
        DeflateError::InvalidValue,
    );
    for bits in BAD_BITS {
        let answer = format!("permessage-deflate; client_max_window_bits={bits}");
        assert_fails(open(), &answer, DeflateError::InvalidValue);
    }
    for bits in 8..=15 {
        let answer = format!("permessage-deflate; client_max_window_bits={bits}");
        let deflate = strict(open().client_max_window_bits(12));
        match bits {
            13.. => assert_fails(deflate, &answer, DeflateError::ClientWindow),
            bits => {
                let params = check_with(deflate, &answer).expect("valid").expect("accepted");
                assert_eq!(params.client_max_window_bits, bits);
            }
        }
        // Without the parameter, there is no choice.
        let bare = open().offer_policy(OfferPolicy::Bare);
        assert_fails(bare, &answer, DeflateError::ClientWindow);
    }
}

/// PMD-17: the server's window in the answer has a value, from 8 to what was offered.
#[test]
fn server_window_of_an_answer() {
    assert_fails(
        open(),
        "permessage-deflate; server_max_window_bits",
        DeflateError::InvalidValue,
    );
    for bits in BAD_BITS {
        let answer = format!("permessage-deflate; server_max_window_bits={bits}");
        assert_fails(open(), &answer, DeflateError::InvalidValue);
    }
    for bits in 8..=15 {
        let answer = format!("permessage-deflate; server_max_window_bits={bits}");
        let deflate = strict(open().server_max_window_bits(12));
        if bits > 12 {
            assert_fails(deflate, &answer, DeflateError::ServerWindow);
        } else {
            let params = check_with(deflate, &answer).expect("valid").expect("accepted");
            assert_eq!(params.server_max_window_bits, bits);
        }
    }
}

/// PMD-18: what every offer required of the server must be confirmed.
#[test]
fn requirements_are_confirmed() {
    let no_takeover = strict(open().server_context_takeover(FORBID));
    assert_fails(no_takeover, "permessage-deflate", DeflateError::ServerContextTakeover);
    let small = strict(open().server_max_window_bits(10));
    assert_fails(small, "permessage-deflate", DeflateError::ServerWindow);
    assert!(check_with(small, "permessage-deflate; server_max_window_bits=10").is_ok());
    // Without a limit on the window, nothing is held.
    assert!(check_with(small, "permessage-deflate; server_no_context_takeover").is_ok());
    let both = small.server_context_takeover(FORBID);
    assert_fails(
        both,
        "permessage-deflate; server_max_window_bits=10",
        DeflateError::ServerContextTakeover,
    );
}

/// PMD-19: the server may forbid the client's context, offered or not.
#[test]
fn client_context_takeover_forbidden() {
    let params = check_with(open(), "permessage-deflate; client_no_context_takeover").expect("valid");
    assert_eq!(params.map(|params| params.client_context_takeover), Some(FORBID));
}

/// PMD-21: without a parameter, the largest window and context takeover apply.
#[test]
fn defaults_without_parameters() {
    assert_eq!(
        check_with(open(), "permessage-deflate").expect("valid"),
        Some(DeflateParams::new())
    );
    let (line, params) = answer_with(open(), "permessage-deflate").expect("usable");
    assert_eq!((&*line, params), ("permessage-deflate", DeflateParams::new()));
    assert_eq!(params.server_max_window_bits, 15);
    assert_eq!(params.client_max_window_bits, 15);
}

/// Settings out of range count as the nearest valid value.
#[test]
fn nearest_settings() {
    for (bits, expected) in [(0, 8), (7, 8), (8, 8), (15, 15), (16, 15), (255, 15)] {
        let params = DeflateParams::new()
            .server_max_window_bits(bits)
            .client_max_window_bits(bits);
        assert_eq!(
            (params.server_max_window_bits, params.client_max_window_bits),
            (expected, expected)
        );
    }
    for (bits, expected) in [(0, 9), (8, 9), (9, 9), (15, 15), (16, 15), (255, 15)] {
        let config = DeflateConfig::new()
            .server_max_window_bits(bits)
            .client_max_window_bits(bits);
        assert_eq!(
            (config.server_max_window_bits, config.client_max_window_bits),
            (expected, expected)
        );
    }
}

/// PMD-22: no permessage-deflate in the response means uncompressed.
#[test]
fn no_answer() {
    let (response, _) = connect_with(&config(open()), &plain_request(), Head::response()).expect("valid");
    assert_eq!(response.deflate(), None);
    assert_eq!(response.into_negotiated().deflate(), None);
}

/// PMD-45: compression is off unless configured, and can be disabled for a single connection.
#[test]
fn compression_is_up_to_the_server() {
    let head = || Head::request().with("Sec-WebSocket-Extensions", "permessage-deflate");
    for (config, accept) in [
        (Config::new(), Accept::new()),
        (config(open()).deflate(None), Accept::new()),
        (config(open()), Accept::new().uncompressed()),
    ] {
        let (request, _) = serve_with(&config, head()).expect("valid");
        let accepted = request.accept(accept).expect("valid");
        assert!(!String::from_utf8_lossy(accepted.response()).contains("deflate"));
        assert_eq!(accepted.into_negotiated().deflate(), None);
    }
}
