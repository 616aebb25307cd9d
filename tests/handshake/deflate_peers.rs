//! What a client offers, and the answers that servers of other libraries give.
//!
//! The answers of tornado 6.6.1, websockets 17.4, aiohttp 3.14.5, uvicorn 0.54.0, wsproto 1.3.2, ws 8.23.0, faye's
//! permessage-deflate 0.1.7, Mojolicious 9.31 and libwebsockets 5.0 were recorded from them; the others follow from their
//! sources. Non-default settings of a server have a separate row.

use websocket_proto::{
    Buf, Config, Connection, ContextTakeover, DeflateConfig, DeflateParams, Event, Negotiated, OfferPolicy, Role,
};

use crate::deflate::{answer_with, check_with, offer, open};

const BOTH_FLAGS: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const SERVER_FLAG: &str = "permessage-deflate; server_no_context_takeover";
const BARE: &str = "permessage-deflate";
const BOTH_WINDOWS: &str = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12";

/// A server, and its answers to `new()`, to `context_takeover()` and to an offer without parameters. `None` means that there is
/// no answer that a client can use.
const SERVERS: [(&str, [Option<&str>; 3]); 18] = [
    // Whatever is offered.
    ("gorilla/websocket 1.5", [Some(BOTH_FLAGS); 3]),
    ("Mojolicious", [Some(BARE); 3]),
    // The first offer without a window for the server.
    (
        "coder/websocket 1.8.14, without context takeover",
        [Some("permessage-deflate; client_no_context_takeover; server_no_context_takeover"); 3],
    ),
    (
        "coder/websocket 1.8.14, with context takeover",
        [
            Some("permessage-deflate; client_no_context_takeover; server_no_context_takeover"),
            Some(SERVER_FLAG),
            Some(BARE),
        ],
    ),
    // Status 400 if the first offer contains a window for the server.
    ("nhooyr/websocket 1.8.6", [Some(BOTH_FLAGS), None, Some(BARE)]),
    // It drops parameters without a value.
    (
        "tornado",
        [
            Some(BARE),
            Some("permessage-deflate; client_max_window_bits=12; server_max_window_bits=12"),
            Some(BARE),
        ],
    ),
    (
        "websockets",
        [
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=12; client_max_window_bits=12",
            ),
            Some(BOTH_WINDOWS),
            Some("permessage-deflate; server_max_window_bits=12"),
        ],
    ),
    (
        "aiohttp",
        [
            Some(SERVER_FLAG),
            Some("permessage-deflate; server_max_window_bits=12"),
            Some(BARE),
        ],
    ),
    (
        "uvicorn with websockets",
        [Some(BOTH_FLAGS), Some(BOTH_WINDOWS), Some(BARE)],
    ),
    // It accepts the last offer, with the flags of all.
    (
        "uvicorn with wsproto",
        [
            Some(
                "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=15",
            ),
            Some("permessage-deflate; server_no_context_takeover; client_max_window_bits=12"),
            Some(BARE),
        ],
    ),
    ("ws", [Some(BOTH_FLAGS), Some(BOTH_WINDOWS), Some(BARE)]),
    // Status 400 if no offer is acceptable.
    (
        "ws with serverNoContextTakeover: false, clientMaxWindowBits: 10",
        [
            Some("permessage-deflate; client_max_window_bits=10"),
            Some("permessage-deflate; server_max_window_bits=12; client_max_window_bits=10"),
            None,
        ],
    ),
    (
        "faye-websocket with permessage-deflate",
        [Some(BOTH_FLAGS), Some(BOTH_WINDOWS), Some(BARE)],
    ),
    ("Boost.Beast", [Some(BOTH_FLAGS), Some(BOTH_WINDOWS), Some(BARE)]),
    // Without a window for the client, it accepts no offer.
    (
        "Boost.Beast with windows of 9 bits",
        [
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=9; client_max_window_bits=9",
            ),
            Some("permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"),
            None,
        ],
    ),
    // It drops parameters with a value.
    ("libwebsockets 4.3", [Some(BOTH_FLAGS), Some(BARE), Some(BARE)]),
    // With both flags, its answer is cut off with a NUL.
    ("libwebsockets 5.0", [None, Some(BARE), Some(BARE)]),
    // It decompresses with this window, but could not compress with it.
    (
        "websockets with client_max_window_bits=8",
        [
            Some(
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 client_max_window_bits=8",
            ),
            Some("permessage-deflate; server_max_window_bits=12; client_max_window_bits=8"),
            Some(BARE),
        ],
    ),
];

/// What an idle client holds whatever it has negotiated: masking keys, and the state of both directions.
const FIXED: usize = 1300;

fn presets() -> [DeflateConfig; 3] {
    [
        DeflateConfig::new(),
        DeflateConfig::context_takeover(),
        DeflateConfig::context_takeover().offer_policy(OfferPolicy::Bare),
    ]
}

/// Text whose parts are repeated at every distance up to 40,000 bytes, but not within 1,000 bytes.
fn text(index: usize) -> String {
    (0..3000)
        .map(|word| format!("{} ", (index * 500 + word) * 7919 % 4000))
        .collect()
}

/// Sends a message from one end to the other.
fn pass(from: &mut Connection, to: &mut Connection, text: &str) {
    from.feed(text).expect("room");
    while from.output().has_remaining() {
        let n = from.output().chunk().len();
        to.receive(from.output().chunk());
        from.output().advance(n);
    }
    match to.next_event() {
        Ok(Some(Event::Message(message))) => assert_eq!(message.as_text(), Some(text)),
        event => panic!("{event:?}"),
    }
}

/// Messages in both directions between a client and a server that uses everything negotiated. Returns what the idle client holds.
fn held_by_client(deflate: DeflateConfig, params: DeflateParams) -> usize {
    let end = |role, deflate| {
        Connection::from_negotiated(
            &Negotiated::new(role).with_deflate(params),
            &Config::new().deflate(deflate),
        )
    };
    let most = DeflateConfig::context_takeover()
        .server_max_window_bits(15)
        .client_max_window_bits(15);
    let (mut client, mut server) = (end(Role::Client, deflate), end(Role::Server, most));
    for index in 0..12 {
        pass(&mut client, &mut server, &text(index));
        pass(&mut server, &mut client, &text(index));
    }
    client.release();
    client.allocated()
}

/// PMD-18, PMD-46: the presets and the bare offer open a compressed connection to every server, and hold no more than documented.
#[test]
fn every_preset_connects_to_every_server() {
    for (server, answers) in SERVERS {
        for (preset, answer) in presets().into_iter().zip(answers) {
            let Some(answer) = answer else { continue };
            let params = check_with(preset, answer).unwrap_or_else(|error| panic!("{server}: {answer}: {error}"));
            let params = params.expect("compression");
            let received = match params.server_context_takeover {
                ContextTakeover::Allow => 1 << params.server_max_window_bits,
                ContextTakeover::Forbid => 0,
            };
            let sent = match preset.client_context_takeover {
                ContextTakeover::Allow => 1 << preset.client_max_window_bits,
                ContextTakeover::Forbid => 0,
            };
            let held = held_by_client(preset, params);
            assert!(held <= received + sent + FIXED, "{server}: {answer}: {held}");
            assert!(received <= 32 << 10);
        }
        // Where a preset cannot connect, the bare offer can.
        assert!(
            answers[..2].iter().all(Option::is_some) || answers[2].is_some(),
            "{server}"
        );
    }
}

/// PMD-47: a strict client opens a connection that holds what its settings allow, or fails it.
#[test]
fn a_strict_client_holds_what_its_settings_allow() {
    let mut failed = Vec::new();
    for (server, answers) in SERVERS {
        for (preset, answer) in presets().into_iter().zip(answers).take(2) {
            let strict = preset.offer_policy(OfferPolicy::Strict);
            let Some(answer) = answer else { continue };
            match check_with(strict, answer) {
                Ok(params) => {
                    let held = held_by_client(strict, params.expect("compression"));
                    let most = match strict.server_context_takeover {
                        ContextTakeover::Allow => 8 << 10,
                        ContextTakeover::Forbid => 0,
                    };
                    assert!(held <= most + FIXED, "{server}: {answer}: {held}");
                }
                Err(_) => failed.push((server, answer)),
            }
        }
    }
    let expected = [
        ("Mojolicious", BARE),
        ("Mojolicious", BARE),
        ("tornado", BARE),
        // It gives this answer to an offer that a strict client does not make.
        (
            "ws with serverNoContextTakeover: false, clientMaxWindowBits: 10",
            "permessage-deflate; client_max_window_bits=10",
        ),
        ("libwebsockets 4.3", BARE),
        ("libwebsockets 5.0", BARE),
    ];
    assert_eq!(failed, expected);
}

/// PMD-46: the offers, from what the settings request to what every server understands.
#[test]
fn offers_in_order_of_preference() {
    let small = DeflateConfig::new()
        .server_max_window_bits(10)
        .client_max_window_bits(9);
    for (deflate, expected) in [
        // Like browsers.
        (open(), &["client_max_window_bits"][..]),
        (
            DeflateConfig::new(),
            &[
                "server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
                "client_max_window_bits",
            ],
        ),
        (
            DeflateConfig::context_takeover(),
            &[
                "server_max_window_bits=12; client_max_window_bits=12",
                "server_no_context_takeover; client_max_window_bits=12",
                "client_max_window_bits",
            ],
        ),
        (
            open().client_context_takeover(ContextTakeover::Forbid),
            &[
                "client_no_context_takeover; client_max_window_bits",
                "client_max_window_bits",
            ],
        ),
        (
            small,
            &[
                "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9",
                "server_no_context_takeover; client_no_context_takeover; client_max_window_bits=9",
                "client_max_window_bits",
            ],
        ),
    ] {
        let line = |offers: &[&str]| {
            let offers: Vec<_> = offers
                .iter()
                .map(|params| format!("permessage-deflate; {params}"))
                .collect();
            offers.join(", ")
        };
        assert_eq!(offer(deflate), line(expected));
        let demands: Vec<_> = expected
            .iter()
            .copied()
            .filter(|params| params.contains("server"))
            .collect();
        let expected = if demands.is_empty() { &expected[..1] } else { &demands };
        assert_eq!(offer(deflate.offer_policy(OfferPolicy::Strict)), line(expected));
        assert_eq!(offer(deflate.offer_policy(OfferPolicy::Bare)), "permessage-deflate");
    }
}

/// Each side understands the other, whatever the settings.
#[test]
fn both_sides_of_this_crate() {
    for preset in [open(), DeflateConfig::new(), DeflateConfig::context_takeover()] {
        for policy in [OfferPolicy::Lenient, OfferPolicy::Strict, OfferPolicy::Bare] {
            let client = preset.offer_policy(policy);
            for server in [open(), DeflateConfig::new(), DeflateConfig::context_takeover()] {
                let (line, params) = answer_with(server, &offer(client)).expect("usable");
                assert_eq!(check_with(client, &line).expect("valid"), Some(params));
            }
        }
    }
}
