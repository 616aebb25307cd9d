//! The negotiation of permessage-deflate, by the rules of RFC 7692 §7.1: the first acceptable offer is accepted, each answer fits
//! its offer, and a client accepts exactly the answers that it can follow.

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use websocket_proto::{ContextTakeover, DeflateConfig, DeflateOffer, DeflateParams, OfferPolicy, handshake::Extension};

const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

#[derive(Clone, Debug, Arbitrary)]
pub struct Settings {
    server_takeover: bool,
    client_takeover: bool,
    server_bits: u8,
    client_bits: u8,
    level: u8,
    memory_level: u8,
    threshold: u8,
}

impl Settings {
    pub fn config(&self) -> DeflateConfig {
        let takeover = |allow| {
            if allow {
                ContextTakeover::Allow
            } else {
                ContextTakeover::Forbid
            }
        };
        let mut config = DeflateConfig::new()
            .server_context_takeover(takeover(self.server_takeover))
            .client_context_takeover(takeover(self.client_takeover))
            .level(self.level % 11)
            .memory_level(self.memory_level % 11)
            .threshold(usize::from(self.threshold))
            .offer_policy(match self.memory_level / 11 % 3 {
                0 => OfferPolicy::Lenient,
                1 => OfferPolicy::Strict,
                _ => OfferPolicy::Bare,
            });
        // Fields can be set past the setters, to anything.
        config.server_max_window_bits = self.server_bits % 20;
        config.client_max_window_bits = self.client_bits % 20;
        config
    }
}

#[derive(Clone, Debug, Arbitrary)]
enum Param<'a> {
    Flag(u8),
    Bits(u8, u8),
    Other(&'a str, Option<&'a str>),
}

#[derive(Clone, Debug, Arbitrary)]
struct Plan<'a> {
    client: Settings,
    server: Settings,
    offers: Vec<(bool, Vec<Param<'a>>)>,
    answer: Vec<Param<'a>>,
}

pub fn run(data: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let (client, server) = (plan.client.config(), plan.server.config());

    // Two ends of this crate understand each other: the server can always accept the first offer.
    let own = client.offers();
    let (params, answer) = server.answer(own.clone()).expect("our own offer is acceptable");
    assert_eq!(client.check_answer(&answer), Ok(params), "{answer} to {own:?}");
    check_accepted(&server, &own[0], params, &answer);

    let offers: Vec<Extension<'_>> = plan
        .offers
        .iter()
        .map(|(named, params)| extension(if *named { DeflateOffer::NAME } else { "x-other" }, params))
        .collect();
    for offer in &offers {
        assert_eq!(DeflateOffer::parse(offer).is_ok(), read(offer).is_some(), "{offer}");
    }
    // §7.1.2.1: a server window of 8 bits is not available.
    let honoured = offers.iter().find(|offer| {
        offer.name() == DeflateOffer::NAME
            && read(offer).is_some_and(|params| params.get(SERVER_BITS) != Some(&Some(8)))
    });
    match (server.answer(offers.iter().cloned()), honoured) {
        (None, None) => {}
        (Some((params, answer)), Some(offer)) => check_accepted(&server, offer, params, &answer),
        (answer, honoured) => panic!("{answer:?} instead of one to {honoured:?}"),
    }

    let answer = extension(DeflateOffer::NAME, &plan.answer);
    assert_eq!(
        client.check_answer(&answer).ok(),
        kept(&client, &answer),
        "{answer} to {own:?}"
    );
}

fn extension(name: &'static str, params: &[Param<'_>]) -> Extension<'static> {
    let known = |which: &u8| [SERVER_NO_TAKEOVER, CLIENT_NO_TAKEOVER, SERVER_BITS, CLIENT_BITS][usize::from(which % 4)];
    params
        .iter()
        .take(8)
        .fold(Extension::new(name), |extension, param| match param {
            Param::Flag(which) => extension.flag(known(which)),
            Param::Bits(which, bits) => extension.param(known(which), (bits % 20).to_string()),
            Param::Other(name, None) => extension.flag((*name).to_owned()),
            Param::Other(name, Some(value)) => {
                let name = if name.is_empty() { CLIENT_BITS } else { name };
                extension.param(name.to_owned(), (*value).to_owned())
            }
        })
}

/// The parameters by name, with the bits as numbers; `None` if a rule is violated.
fn read<'a>(extension: &'a Extension<'_>) -> Option<BTreeMap<&'a str, Option<u8>>> {
    let mut params = BTreeMap::new();
    for param in extension.params() {
        let bits = match (param.name(), param.value()) {
            (SERVER_NO_TAKEOVER | CLIENT_NO_TAKEOVER | CLIENT_BITS, None) => None,
            (SERVER_BITS | CLIENT_BITS, Some(value)) => Some((8..=15u8).find(|bits| bits.to_string() == value)?),
            _ => return None,
        };
        if params.insert(param.name(), bits).is_some() {
            return None;
        }
    }
    Some(params)
}

/// The meaning of an answer.
fn meaning(params: &BTreeMap<&str, Option<u8>>) -> Option<DeflateParams> {
    let takeover = |name| {
        if params.contains_key(name) {
            ContextTakeover::Forbid
        } else {
            ContextTakeover::Allow
        }
    };
    let bits = |name| params.get(name).copied().unwrap_or(Some(15));
    Some(
        DeflateParams::new()
            .server_context_takeover(takeover(SERVER_NO_TAKEOVER))
            .client_context_takeover(takeover(CLIENT_NO_TAKEOVER))
            .server_max_window_bits(bits(SERVER_BITS)?)
            .client_max_window_bits(bits(CLIENT_BITS)?),
    )
}

/// §7.1: the answer fits the offer, states what was negotiated, and stays within the settings.
fn check_accepted(server: &DeflateConfig, offer: &Extension<'_>, agreed: DeflateParams, answer: &Extension<'_>) {
    let (offered, answered) = (
        read(offer).expect("a valid offer"),
        read(answer).expect("a valid answer"),
    );
    assert_eq!(answer.name(), DeflateOffer::NAME);
    assert_eq!(meaning(&answered), Some(agreed), "{answer}");
    // §7.1.1.1, §7.1.2.1: requirements are confirmed.
    assert!(!offered.contains_key(SERVER_NO_TAKEOVER) || answered.contains_key(SERVER_NO_TAKEOVER));
    if let Some(most) = offered.get(SERVER_BITS) {
        assert!(answered.get(SERVER_BITS).is_some_and(|bits| bits <= most));
    }
    // §7.1.2.2: a client window is chosen only if the client offers that, and within its limit.
    if let Some(bits) = answered.get(CLIENT_BITS) {
        let most = offered.get(CLIENT_BITS).expect("only if it was offered");
        assert!(most.is_none_or(|most| *bits <= Some(most)));
    }
    // The settings, whose numbers are replaced by the nearest valid ones.
    let bits = |bits: u8| bits.clamp(9, 15);
    if offered.contains_key(SERVER_BITS) {
        assert!(agreed.server_max_window_bits <= bits(server.server_max_window_bits));
        assert!(agreed.server_max_window_bits >= 9);
    } else {
        // The server uses a smaller one without stating it.
        assert_eq!(agreed.server_max_window_bits, 15);
    }
    let allows = |takeover| takeover == ContextTakeover::Allow;
    assert!(allows(server.server_context_takeover) || !allows(agreed.server_context_takeover));
    if allows(agreed.client_context_takeover) {
        assert!(allows(server.client_context_takeover) && !offered.contains_key(CLIENT_NO_TAKEOVER));
        assert!(agreed.client_max_window_bits <= bits(server.client_max_window_bits));
    }
}

/// What a client accepts: §7.1, and its policy.
fn kept(client: &DeflateConfig, answer: &Extension<'_>) -> Option<DeflateParams> {
    let params = read(answer)?;
    let agreed = meaning(&params)?;
    let bits = |bits: u8| bits.clamp(9, 15);
    let is_kept = match client.offer_policy {
        // The window was not offered.
        OfferPolicy::Bare => !params.contains_key(CLIENT_BITS),
        OfferPolicy::Strict => {
            let keeps_client = match params.get(CLIENT_BITS) {
                Some(Some(chosen)) => *chosen <= bits(client.client_max_window_bits),
                _ => true,
            };
            let is_limited = bits(client.server_max_window_bits) < 15;
            let keeps_window = agreed.server_max_window_bits <= bits(client.server_max_window_bits);
            let no_takeover = params.contains_key(SERVER_NO_TAKEOVER);
            let keeps_takeover = client.server_context_takeover == ContextTakeover::Allow || no_takeover;
            // Without takeover, the window does not matter.
            keeps_client && ((keeps_window && keeps_takeover) || (is_limited && no_takeover))
        }
        // The last offer requests nothing of the server, and lets it choose any window for the client.
        _ => true,
    };
    is_kept.then_some(agreed)
}
