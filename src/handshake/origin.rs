//! Which pages may open a connection through a visitor's browser.

use alloc::{boxed::Box, vec::Vec};

use super::target::{Authority, split_scheme};

/// Which origins a server accepts ([RFC 6455 §10.2]).
///
/// Browsers let any page open a WebSocket connection to any server, with the visitor's cookies, and send the page's
/// origin to the server. A server that relies on cookies, or on the network it is in, must check the origin.
///
/// A request without an origin comes from a program other than a browser. Such a program could send any origin, so it
/// is allowed unless the policy [requires](Self::require_origin) an origin.
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

    /// Allows pages from the host and port that the connection is opened to.
    ///
    /// The scheme is not compared, since a server behind a proxy does not know its own. Do not rely on this policy if
    /// an attacker can choose the `Host` that a browser sends, by pointing their own name at the server.
    #[must_use]
    pub const fn same_origin() -> Self {
        Self::new(Rule::SameOrigin)
    }

    /// Allows the listed origins, each written as browsers do: scheme, host, and the port unless it is the default.
    ///
    /// The origin `null`, sent by pages without an origin, is allowed if it is listed.
    #[must_use]
    pub fn allow_list<I>(origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Box<str>>,
    {
        Self::new(Rule::AllowList(origins.into_iter().map(Into::into).collect()))
    }

    /// Also refuses requests without an origin, and so all clients other than browsers that do not send one.
    #[must_use]
    pub const fn require_origin(mut self) -> Self {
        self.required = true;
        self
    }

    /// Returns whether a page with this origin, or a program if there is no origin, may connect to this host.
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

/// Returns whether an origin is at this host and port. A missing port means the default of the origin's scheme.
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
