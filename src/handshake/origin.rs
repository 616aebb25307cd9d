//! Which pages may open a connection through the browser of a visitor.

use alloc::{boxed::Box, vec::Vec};

use super::target::{Authority, split_scheme};

/// Which origins a server accepts ([RFC 6455 §10.2]).
///
/// Browsers let any page open a WebSocket connection to any server, with the visitor's cookies, and tell the server the
/// origin of the page. A server that relies on cookies or on the network it is in must check it.
///
/// A request without an origin comes from a program that is no browser. It could send any origin it likes, so it is
/// allowed unless the policy [requires](Self::require_origin) one.
///
/// ```
/// use websocket_proto::handshake::OriginPolicy;
///
/// let policy = OriginPolicy::allow_list(["https://example.com", "http://localhost:8080"]);
/// assert!(policy.allows(Some("https://example.com"), "api.example.com"));
/// assert!(!policy.allows(Some("https://evil.example"), "api.example.com"));
/// ```
///
/// [RFC 6455 §10.2]: https://www.rfc-editor.org/rfc/rfc6455#section-10.2
#[derive(Clone, Debug)]
pub struct OriginPolicy {
    rule: Rule,
    required: bool,
}

#[derive(Clone, Debug)]
enum Rule {
    Any,
    SameOrigin,
    AllowList(Vec<Box<str>>),
}

impl OriginPolicy {
    /// Allows every origin.
    #[must_use]
    pub const fn any() -> Self {
        Self::new(Rule::Any)
    }

    /// Allows pages of the host and port that the connection is opened to.
    ///
    /// The scheme is not compared, since a server behind a proxy does not know its own. Do not rely on this policy where
    /// an attacker can choose the `Host` that a browser sends, by pointing a name of their own at the server.
    #[must_use]
    pub const fn same_origin() -> Self {
        Self::new(Rule::SameOrigin)
    }

    /// Allows the origins listed, each written as browsers do: scheme, host, and the port unless it is the default.
    ///
    /// The origin `null`, which pages without an origin of their own have, is allowed if it is listed.
    #[must_use]
    pub fn allow_list<I>(origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Box<str>>,
    {
        Self::new(Rule::AllowList(origins.into_iter().map(Into::into).collect()))
    }

    /// Refuses requests without an origin as well, and so all clients that are no browsers and do not send one.
    #[must_use]
    pub const fn require_origin(mut self) -> Self {
        self.required = true;
        self
    }

    /// Whether a page of this origin may connect to this host, or, with no origin, a program.
    #[must_use]
    pub fn allows(&self, origin: Option<&str>, host: &str) -> bool {
        let Some(origin) = origin else {
            return !self.required;
        };
        match &self.rule {
            Rule::Any => true,
            Rule::SameOrigin => is_same_host(origin, host),
            Rule::AllowList(origins) => origins.iter().any(|allowed| is_same_origin(allowed, origin)),
        }
    }

    const fn new(rule: Rule) -> Self {
        Self { rule, required: false }
    }
}

/// Whether an origin is at this host and port. A missing port is the default one of the origin's scheme.
fn is_same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = split(origin) else {
        return false;
    };
    Authority::parse(host).is_ok_and(|host| authority.matches(&host, default_port(scheme)))
}

fn is_same_origin(a: &str, b: &str) -> bool {
    match (split(a), split(b)) {
        (Some((a_scheme, a)), Some((b_scheme, b))) => {
            a_scheme.eq_ignore_ascii_case(b_scheme) && a.matches(&b, default_port(a_scheme))
        }
        _ => a == b,
    }
}

fn split(origin: &str) -> Option<(&str, Authority<'_>)> {
    let (scheme, authority) = split_scheme(origin)?;
    Some((scheme, Authority::parse(authority).ok()?))
}

fn default_port(scheme: &str) -> Option<u16> {
    if scheme.eq_ignore_ascii_case("http") {
        Some(80)
    } else if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else {
        None
    }
}
