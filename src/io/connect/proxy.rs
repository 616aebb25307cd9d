//! Proxies.

use alloc::boxed::Box;
use core::{fmt, str::FromStr};

use super::destination::{Destination, host_and_port};
use crate::{error::ProxyError, handshake::user_and_password};

/// A proxy to connect through: HTTP with `CONNECT` ([RFC 9110 §9.3.6], [RFC 6455 §4.1]), or SOCKS5 ([RFC 1928]).
///
/// Its URL has the form `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`:
///
/// | scheme | what it is | default port |
/// |---|---|---|
/// | `http`, or none | an HTTP proxy | 80 |
/// | `https` | an HTTP proxy that is reached with TLS (with the features that `wss` requires) | 443 |
/// | `socks5h` | a SOCKS5 proxy, which looks up the server's host | 1080 |
/// | `socks5` | a SOCKS5 proxy, which is told an address: the client looks up the host | 1080 |
///
/// This is the form that curl uses, but there the default port of `http` is 1080. User name and password may be
/// percent-encoded; a `:` in the user name must be, and a `%` before two hexadecimal digits. Whatever follows the port is
/// ignored. With `wss`, TLS with the server runs through the proxy.
///
/// ```
/// use websocket_proto::Proxy;
///
/// let proxy: Proxy = "http://proxy.example:3128".parse()?;
/// let proxy = proxy.credentials("me", "secret");
/// # Ok::<(), websocket_proto::ProxyError>(())
/// ```
///
/// [RFC 9110 §9.3.6]: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
/// [RFC 1928]: https://www.rfc-editor.org/rfc/rfc1928
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(super) scheme: Scheme,
    pub(super) host: Box<str>,
    port: u16,
    pub(super) credentials: Option<Credentials>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    /// With addresses.
    Socks5,
    /// With names.
    Socks5h,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Box<[u8]>,
    pub(super) password: Box<[u8]>,
}

impl Proxy {
    /// Sets the credentials: Basic for HTTP ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)), user name and
    /// password for SOCKS ([RFC 1929](https://www.rfc-editor.org/rfc/rfc1929)). Anyone on the path to the proxy can
    /// read them, except with `https`.
    #[must_use]
    pub fn credentials(mut self, user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        self.credentials = Some(Credentials {
            user: user.as_ref().into(),
            password: password.as_ref().into(),
        });
        self
    }

    /// Returns where the proxy is.
    pub(super) fn destination(&self) -> Destination {
        Destination::new(&self.host, self.port)
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(url: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Scheme::Http, 80),
            "https" => (Scheme::Https, 443),
            "socks5" => (Scheme::Socks5, 1080),
            "socks5h" => (Scheme::Socks5h, 1080),
            _ => return Err(ProxyError::Scheme),
        };
        let (user_info, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = host_and_port(authority).map_err(|_| ProxyError::Url)?;
        let proxy = Self {
            scheme,
            host,
            port: port.unwrap_or(default_port),
            credentials: None,
        };
        if user_info.is_empty() {
            return Ok(proxy);
        }
        let (user, password) = user_and_password(user_info);
        Ok(proxy.credentials(user, password))
    }
}

impl TryFrom<&str> for Proxy {
    type Error = ProxyError;

    fn try_from(url: &str) -> Result<Self, ProxyError> {
        url.parse()
    }
}

/// Omits the credentials: user names may be tokens.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("scheme", &self.scheme)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("has_credentials", &self.credentials.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Credentials may contain anything if they are escaped, and nothing in a URL panics.
        #[test]
        fn any_credentials(user: Vec<u8>, password: Vec<u8>, url in ".{0,40}") {
            let _ = url.parse::<Proxy>();
            let escaped = |text: &[u8]| text.iter().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let proxy = proxy(&format!("http://{}:{}@h", escaped(&user), escaped(&password)));
            let credentials = proxy.credentials.expect("credentials");
            prop_assert_eq!((&*credentials.user, &*credentials.password), (&*user, &*password));
        }
    }

    fn proxy(url: &str) -> Proxy {
        url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn urls_are_parsed() {
        use Scheme::{Http, Https, Socks5, Socks5h};
        for (url, scheme, host, port) in [
            ("http://proxy.example", Http, "proxy.example", 80),
            ("HTTP://Proxy.Example:3128/", Http, "proxy.example", 3128),
            ("proxy.test:3128", Http, "proxy.test", 3128),
            ("proxy.test", Http, "proxy.test", 80),
            ("127.0.0.1:8080", Http, "127.0.0.1", 8080),
            ("[::1]:3128", Http, "::1", 3128),
            ("http://[2001:DB8::80]", Http, "2001:db8::80", 80),
            ("http://proxy:3128/path?query#fragment", Http, "proxy", 3128),
            ("http://proxy:", Http, "proxy", 80),
            ("https://proxy", Https, "proxy", 443),
            ("socks5://proxy", Socks5, "proxy", 1080),
            ("socks5h://[::1]", Socks5h, "::1", 1080),
            ("socks5h://u@[::1]:80", Socks5h, "::1", 80),
        ] {
            let proxy = proxy(url);
            assert_eq!((proxy.scheme, &*proxy.host, proxy.port), (scheme, host, port), "{url}");
        }
        for url in [
            "",
            "http://",
            "http://h:x",
            "http://h:0",
            "http://h:70000",
            "http://a b",
            "http://[fe80::1%25eth0]:3128",
            "http://a\r\nb",
            "::1",
        ] {
            assert!(matches!(url.parse::<Proxy>(), Err(ProxyError::Url)), "{url}");
        }
        for url in ["ftp://h", "socks4://h", "socks://h", "://h"] {
            assert!(matches!(url.parse::<Proxy>(), Err(ProxyError::Scheme)), "{url}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        for (url, user, password) in [
            ("http://me%40home:a%3Ab@h", &b"me@home"[..], &b"a:b"[..]),
            ("me:secret@h:1", b"me", b"secret"),
            ("http://me@h", b"me", b""),
            ("http://:secret@h", b"", b"secret"),
            ("http://me:a@b/c?d#e@h", b"me", b"a@b/c?d#e"),
            ("http://me:%FF%00@h", b"me", b"\xff\0"),
            ("http://me:100%@h", b"me", b"100%"),
            ("http://me:a%2fb%zz@h", b"me", b"a/b%zz"),
            ("http://m\u{e9}:\u{20ac}@h", "m\u{e9}".as_bytes(), "\u{20ac}".as_bytes()),
        ] {
            let proxy = proxy(url);
            let credentials = proxy.credentials.as_ref().expect("credentials");
            assert_eq!((&*credentials.user, &*credentials.password), (user, password), "{url}");
            let shown = format!("{proxy:?}");
            assert!(!shown.contains("\"me") && !shown.contains("secret"), "{shown}");
        }
        assert!(proxy("http://@h").credentials.is_none());
    }
}
