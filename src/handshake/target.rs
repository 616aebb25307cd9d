//! Authorities and request targets.

use core::net::Ipv6Addr;

/// A host with an optional port, as in `Host`, in an origin and in a URI
/// ([RFC 3986 §3.2](https://www.rfc-editor.org/rfc/rfc3986#section-3.2)), without user information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// The host; an IPv6 address keeps its brackets.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
}

/// Why text is not an [`Authority`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvalidAuthority {
    Host,
    Port,
}

impl<'a> Authority<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, InvalidAuthority> {
        let (host, port) = match text.rfind(':') {
            // A colon inside brackets belongs to the address.
            Some(colon) if !text.as_bytes()[colon..].contains(&b']') => (&text[..colon], &text[colon + 1..]),
            _ => (text, ""),
        };
        if !is_host(host) {
            return Err(InvalidAuthority::Host);
        }
        // RFC 3986 §3.2.3: the port may be empty, which means the default.
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| InvalidAuthority::Port)?)
            }
            _ => return Err(InvalidAuthority::Port),
        };
        Ok(Self { host, port })
    }

    /// Returns whether both name the same host and port. A missing port means `default_port`.
    pub(super) fn matches(&self, other: &Authority<'_>, default_port: Option<u16>) -> bool {
        self.host.eq_ignore_ascii_case(other.host) && self.port.or(default_port) == other.port.or(default_port)
    }
}

/// Returns whether `text` is a registered name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    !text.is_empty()
        && has_valid_escapes(text)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte))
}

/// Returns whether each `%` is followed by two hexadecimal digits.
pub(super) fn has_valid_escapes(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == b'%' && !matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()) {
            return false;
        }
    }
    true
}

/// Splits what follows `//` in a URI into the authority, and the path with the query.
pub(super) fn split_authority(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| matches!(byte, b'/' | b'?'));
    text.split_at(end.unwrap_or(text.len()))
}

/// Splits a URI into its scheme and what follows `://`.
pub(super) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    // Searching for a string compiles to far more code than searching for one character.
    let (scheme, rest) = text.split_once(':')?;
    Some((scheme, rest.strip_prefix("//")?))
}

/// The parts of a request target in origin form or absolute form ([RFC 9112
/// §3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Only in absolute form.
    pub(super) authority: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Returns `None` for a target that does not name a resource of this server.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        // `#` would start a fragment, which is never sent. Characters that browsers leave unescaped against the grammar
        // are accepted.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return None;
        }
        let (authority, resource) = if text.starts_with('/') {
            (None, text)
        } else {
            // §4.2.1 item 1: an absolute HTTP URI also contains a resource name.
            let (scheme, rest) = split_scheme(text)?;
            if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
                return None;
            }
            let (authority, resource) = split_authority(rest);
            Authority::parse(authority).ok()?;
            (Some(authority), resource)
        };
        let (path, query) = match resource.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (resource, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        Some(Self { authority, path, query })
    }
}
