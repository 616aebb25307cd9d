//! permessage-deflate on the command line: what to offer or accept, and what came of it.

use websocket_proto::{ContextTakeover, DeflateConfig, DeflateParams};

/// Reads the parameters of `--deflate=…`, with the names of RFC 7692 §7.1. None stands for context takeover with windows of 4 KiB.
///
/// # Errors
///
/// A sentence that names the parameter that is wrong.
pub(crate) fn parse(text: &str) -> Result<DeflateConfig, String> {
    let mut config = DeflateConfig::context_takeover();
    for parameter in text
        .split([';', ','])
        .map(str::trim)
        .filter(|parameter| !parameter.is_empty())
    {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim())),
            None => (parameter, None),
        };
        let number = |least: usize, most: usize| {
            let number = value.and_then(|value| value.parse().ok());
            number
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(|| format!("{name} is a number from {least} to {most}"))
        };
        let bits = || number(9, 15).map(|bits| u8::try_from(bits).unwrap_or(DeflateConfig::MAX_WINDOW_BITS));
        config = match (name, value) {
            ("server_no_context_takeover", None) => config.server_context_takeover(ContextTakeover::Forbid),
            ("client_no_context_takeover", None) => config.client_context_takeover(ContextTakeover::Forbid),
            ("server_max_window_bits", _) => config.server_max_window_bits(bits()?),
            ("client_max_window_bits", _) => config.client_max_window_bits(bits()?),
            ("level", _) => config.level(u8::try_from(number(0, 9)?).unwrap_or(9)),
            ("threshold", _) => config.threshold(number(0, usize::MAX)?),
            _ => {
                return Err(
                    "the parameters are server_no_context_takeover, client_no_context_takeover, \
                            server_max_window_bits=BITS, client_max_window_bits=BITS, level=LEVEL and threshold=BYTES"
                        .into(),
                );
            }
        };
    }
    Ok(config)
}

/// Describes what was negotiated, as a response would state it.
pub(crate) fn describe(params: Option<DeflateParams>) -> String {
    let Some(params) = params else {
        return "no compression".into();
    };
    let mut described = String::from("permessage-deflate");
    for (side, takeover, bits) in [
        ("server", params.server_context_takeover, params.server_max_window_bits),
        ("client", params.client_context_takeover, params.client_max_window_bits),
    ] {
        if takeover == ContextTakeover::Forbid {
            described += &format!("; {side}_no_context_takeover");
        }
        if bits < DeflateConfig::MAX_WINDOW_BITS {
            described += &format!("; {side}_max_window_bits={bits}");
        }
    }
    described
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_the_names_of_the_rfc() {
        let config = parse("server_no_context_takeover; client_max_window_bits=10, level=9").expect("valid");
        assert_eq!(config.server_context_takeover, ContextTakeover::Forbid);
        assert_eq!(config.client_context_takeover, ContextTakeover::Allow);
        assert_eq!((config.client_max_window_bits, config.server_max_window_bits), (10, 12));
        assert_eq!(config.level, 9);
        assert_eq!(parse(""), Ok(DeflateConfig::context_takeover()));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("client_max_window_bits=8", "from 9 to 15"),
            ("client_max_window_bits", "from 9 to 15"),
            ("level=10", "from 0 to 9"),
            ("server_no_context_takeover=1", "the parameters are"),
            ("brotli", "the parameters are"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_was_negotiated_is_described() {
        assert_eq!(describe(None), "no compression");
        assert_eq!(describe(Some(DeflateParams::new())), "permessage-deflate");
        let params = DeflateParams::new()
            .server_max_window_bits(12)
            .client_context_takeover(ContextTakeover::Forbid);
        assert_eq!(
            describe(Some(params)),
            "permessage-deflate; server_max_window_bits=12; client_no_context_takeover"
        );
    }
}
