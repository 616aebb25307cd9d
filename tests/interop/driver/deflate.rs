//! The tested parameter sets of permessage-deflate (RFC 7692, section 7.1).

use websocket_proto::{ContextTakeover, DeflateConfig, DeflateParams};

/// The tested windows of either direction: the smallest and the largest.
const WINDOWS: [u8; 2] = [DeflateConfig::MIN_WINDOW_BITS, DeflateConfig::MAX_WINDOW_BITS];

/// Context takeover, and its letter in names.
const TAKEOVER: [(ContextTakeover, char); 2] = [(ContextTakeover::Allow, 't'), (ContextTakeover::Forbid, 'n')];

/// The presets, the extremes of effort, and each combination of takeover and window for the two directions.
///
/// A name such as `deflate-s9t-c15n` means: the server's window has 9 bits, with takeover; the client's has 15, without.
pub(crate) fn sets() -> Vec<(String, DeflateConfig)> {
    let takeover = DeflateConfig::context_takeover();
    let mut sets = vec![
        ("deflate-new".into(), DeflateConfig::new()),
        ("deflate-takeover".into(), takeover),
        ("deflate-pings-between-fragments".into(), takeover),
        ("deflate-empty-messages".into(), takeover.threshold(0)),
        // Stored blocks (RFC 1951, section 3.2.4).
        ("deflate-level-0".into(), takeover.threshold(0).level(0)),
        ("deflate-level-9".into(), takeover.threshold(0).level(9).memory_level(9)),
    ];
    for (server_bits, client_bits) in pairs(WINDOWS) {
        for ((server, s), (client, c)) in pairs(TAKEOVER) {
            let config = DeflateConfig::new()
                .threshold(0)
                .server_max_window_bits(server_bits)
                .client_max_window_bits(client_bits)
                .server_context_takeover(server)
                .client_context_takeover(client);
            sets.push((format!("deflate-s{server_bits}{s}-c{client_bits}{c}"), config));
        }
    }
    sets
}

fn pairs<T: Copy>(values: [T; 2]) -> [(T, T); 4] {
    let [a, b] = values;
    [(a, a), (a, b), (b, a), (b, b)]
}

/// The settings of a scenario, if it uses compression.
pub(crate) fn settings(name: &str) -> Option<DeflateConfig> {
    sets()
        .into_iter()
        .find(|(set, _)| set == name)
        .map(|(_, config)| config)
}

/// What was negotiated, in the form of a response.
pub(crate) fn describe(params: Option<DeflateParams>) -> String {
    let Some(params) = params else {
        return "no compression".into();
    };
    let mut text = String::from("permessage-deflate");
    for (side, takeover, bits) in [
        ("server", params.server_context_takeover, params.server_max_window_bits),
        ("client", params.client_context_takeover, params.client_max_window_bits),
    ] {
        if takeover == ContextTakeover::Forbid {
            text += &format!("; {side}_no_context_takeover");
        }
        if bits != DeflateConfig::MAX_WINDOW_BITS {
            text += &format!("; {side}_max_window_bits={bits}");
        }
    }
    text
}
