//! Proxies, and connecting through an HTTP proxy.

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    config::Limits,
    error::ProxyError,
    handshake::{HeadReader, Kind, ResponseHead, Uri},
};

/// A proxy to connect through: HTTP with `CONNECT` ([RFC 9110 §9.3.6], [RFC 6455 §4.1]), or SOCKS5 ([RFC 1928]).
///
/// The URL has the form `http://[USER:PASSWORD@]HOST[:PORT]`, or with `socks5` or `socks5h` for SOCKS. The default
/// ports are 80 and 1080. User name and password may be percent-encoded. In either case the proxy looks up the server's
/// host. The connection to the proxy itself is plain TCP; with `wss`, TLS runs through it.
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
    is_socks: bool,
    host: Box<str>,
    port: u16,
    credentials: Option<(Box<str>, Box<str>)>,
}

impl Proxy {
    /// Sets the credentials: Basic for HTTP ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)), user name and
    /// password for SOCKS ([RFC 1929](https://www.rfc-editor.org/rfc/rfc1929)). Anyone on the path to the proxy can
    /// read them.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<Box<str>>, password: impl Into<Box<str>>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// Returns the proxy that the environment names for a URI, if any.
    ///
    /// `https_proxy` applies to `wss`, `http_proxy` to `ws`, and `all_proxy` to both. The names in capitals apply as
    /// well, except `HTTP_PROXY`, which a client of a CGI program can set. `no_proxy` lists the hosts to connect to
    /// directly, including their subdomains; `*` means all. The environment is read only by this function.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Url`] if the variable does not contain a valid proxy URL.
    pub fn from_env(uri: &Uri) -> Result<Option<Self>, ProxyError> {
        Self::from_variables(uri, |name| std::env::var(name).ok())
    }

    fn from_variables(uri: &Uri, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ProxyError> {
        let first = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        };
        let exceptions = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        let is_exception = |listed: &str| {
            let listed = listed.trim().trim_start_matches('.').to_ascii_lowercase();
            !listed.is_empty() && (listed == "*" || uri.host() == listed || uri.host().ends_with(&format!(".{listed}")))
        };
        if exceptions.split(',').any(is_exception) {
            return Ok(None);
        }
        let url = if uri.is_secure() {
            first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
        } else {
            first(&["http_proxy", "all_proxy", "ALL_PROXY"])
        };
        url.map(|url| url.parse()).transpose()
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) const fn is_socks(&self) -> bool {
        self.is_socks
    }

    #[cfg(feature = "socks")]
    pub(crate) fn user_and_password(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|(user, password)| (&**user, &**password))
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(url: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = url.split_once(':').ok_or(ProxyError::Url)?;
        let rest = rest.strip_prefix("//").ok_or(ProxyError::Url)?;
        let (is_socks, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (false, 80),
            "socks5" | "socks5h" => (true, 1080),
            _ => return Err(ProxyError::Url),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, rest),
        };
        // The rest has the grammar of a URI's host, with nothing after it.
        if authority.bytes().any(|byte| matches!(byte, b'/' | b'?')) {
            return Err(ProxyError::Url);
        }
        let uri: Uri = format!("ws://{authority}").parse().map_err(|_| ProxyError::Url)?;
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        let proxy = Self {
            is_socks,
            host: uri.host().into(),
            port: if has_port { uri.port() } else { default_port },
            credentials: None,
        };
        match credentials {
            None => Ok(proxy),
            Some(credentials) => {
                let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
                Ok(proxy.credentials(decoded(user)?, decoded(password)?))
            }
        }
    }
}

impl TryFrom<&str> for Proxy {
    type Error = ProxyError;

    fn try_from(url: &str) -> Result<Self, ProxyError> {
        url.parse()
    }
}

/// Omits the password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("is_socks", &self.is_socks)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .finish_non_exhaustive()
    }
}

/// Decodes percent-encoded text.
fn decoded(text: &str) -> Result<Box<str>, ProxyError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first == b'%' {
            let [high, low, behind @ ..] = rest else {
                return Err(ProxyError::Url);
            };
            bytes.push(digit(*high)? << 4 | digit(*low)?);
            rest = behind;
        } else {
            bytes.push(*first);
        }
    }
    Ok(String::from_utf8(bytes).map_err(|_| ProxyError::Url)?.into())
}

/// Returns the value of a hexadecimal digit.
fn digit(digit: u8) -> Result<u8, ProxyError> {
    let value = char::from(digit).to_digit(16).ok_or(ProxyError::Url)?;
    Ok(value.to_le_bytes()[0])
}

/// A tunnel through an HTTP proxy: the request, and the response to it.
#[derive(Debug)]
pub(crate) struct Tunnel {
    request: Vec<u8>,
    head: HeadReader,
}

impl Tunnel {
    pub(crate) fn new(proxy: &Proxy, uri: &Uri, limits: &Limits) -> Result<Self, ProxyError> {
        let host = uri.host();
        // The port is always included (RFC 9110 §9.3.6).
        let target = if host.as_bytes().contains(&b':') {
            format!("[{host}]:{}", uri.port())
        } else {
            format!("{host}:{}", uri.port())
        };
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some((user, password)) = &proxy.credentials {
            // RFC 7617 §2: the first colon ends the user name, and control characters are not allowed.
            if user.as_bytes().contains(&b':')
                || user.chars().any(char::is_control)
                || password.chars().any(char::is_control)
            {
                return Err(ProxyError::InvalidCredentials);
            }
            let credentials = STANDARD.encode(format!("{user}:{password}"));
            request.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
        }
        request.push_str("\r\n");
        Ok(Self {
            request: request.into_bytes(),
            head: HeadReader::new(Kind::Response, limits),
        })
    }

    pub(crate) fn request(&self) -> &[u8] {
        &self.request
    }

    /// Receives bytes of the response. Returns `true` once the tunnel is open.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<bool, ProxyError> {
        let mut rest = bytes;
        let Some(raw) = self.head.receive(&mut rest).map_err(ProxyError::Head)? else {
            return Ok(false);
        };
        let head = ResponseHead::parse(raw).map_err(ProxyError::Head)?;
        match head.status {
            // Neither a WebSocket server nor a TLS server sends first.
            200..=299 if rest.is_empty() => Ok(true),
            200..=299 => Err(ProxyError::Malformed),
            status => Err(ProxyError::Refused(status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn urls_are_parsed() {
        let proxy: Proxy = "http://proxy.example".parse().expect("valid");
        assert_eq!(
            (proxy.host(), proxy.port(), proxy.is_socks()),
            ("proxy.example", 80, false)
        );
        let proxy: Proxy = "socks5h://[::1]".parse().expect("valid");
        assert_eq!((proxy.host(), proxy.port(), proxy.is_socks()), ("::1", 1080, true));
        let proxy: Proxy = "http://me%40home:a%3Ab@[::1]:3128/".parse().expect("valid");
        assert_eq!((proxy.host(), proxy.port()), ("::1", 3128));
        assert_eq!(proxy.credentials, Some(("me@home".into(), "a:b".into())));
        assert!(!format!("{proxy:?}").contains("a:b"), "the password is not shown");
        for url in [
            "proxy:3128",
            "ftp://h",
            "http://",
            "http://h:x",
            "http://h/path",
            "http://%zz@h",
            "http://%@h",
        ] {
            assert!(matches!(url.parse::<Proxy>(), Err(ProxyError::Url)), "{url}");
        }
    }

    /// HS-C-10: the request contains host and port, and Basic credentials.
    #[test]
    fn the_request_names_host_and_port() {
        let proxy: Proxy = "http://Aladdin:open%20sesame@h".parse().expect("valid");
        let uri = "wss://[::1]/".parse().expect("valid");
        let tunnel = Tunnel::new(&proxy, &uri, &Limits::new()).expect("valid");
        assert_eq!(
            tunnel.request(),
            b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\
              Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
        let proxy = proxy.credentials("a\r\nb", "");
        assert!(matches!(
            Tunnel::new(&proxy, &uri, &Limits::new()),
            Err(ProxyError::InvalidCredentials)
        ));
    }

    #[test]
    fn the_environment_names_proxies_and_exceptions() {
        let variables = |name: &str| {
            let value = match name {
                "http_proxy" => "http://plain:1",
                "ALL_PROXY" => "socks5://all:2",
                "HTTP_PROXY" => "http://evil:3",
                "no_proxy" => "example.org, .internal",
                _ => return None,
            };
            Some(value.to_string())
        };
        let host = |uri: &str| {
            let proxy = Proxy::from_variables(&uri.parse().expect("valid"), variables).expect("valid");
            proxy.map(|proxy| proxy.host().to_string())
        };
        assert_eq!(host("ws://h").as_deref(), Some("plain"));
        assert_eq!(host("wss://h").as_deref(), Some("all"));
        assert_eq!(host("ws://example.org"), None);
        assert_eq!(host("ws://a.example.org"), None);
        assert_eq!(host("ws://x.internal"), None);
        assert_eq!(host("ws://an-example.org").as_deref(), Some("plain"));
    }
}
