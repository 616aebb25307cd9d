//! `ws` and `wss` URIs.

use alloc::{
    format,
    string::{String, ToString},
};
use core::{fmt, ops::Range, str::FromStr};

use super::target::{Authority, InvalidAuthority, has_valid_escapes, split_authority};

/// A `ws` or `wss` URI: where a client connects to and what it asks for ([RFC 6455 §3]).
///
/// ```
/// use websocket_proto::handshake::Uri;
///
/// let uri: Uri = "wss://Example.com/chat?room=1".parse()?;
/// assert!(uri.is_secure());
/// assert_eq!((uri.host(), uri.port()), ("example.com", 443));
/// assert_eq!(uri.resource_name(), "/chat?room=1");
/// # Ok::<(), websocket_proto::handshake::UriError>(())
/// ```
///
/// [RFC 6455 §3]: https://www.rfc-editor.org/rfc/rfc6455#section-3
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    secure: bool,
    port: u16,
    /// Host and port as in the Host field.
    authority: String,
    /// The host in `authority`, without brackets.
    host: Range<usize>,
    resource_name: String,
}

/// Why a text is no URI that a client can connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// The scheme is neither `ws` nor `wss`.
    #[error("the scheme of the URI is neither ws nor wss")]
    Scheme,
    /// There is user information before the host. Send an `Authorization` header field instead.
    #[error("the URI has user information, which belongs into an Authorization header field")]
    UserInfo,
    /// The host is missing or has characters that no host has.
    #[error("the host of the URI is missing or invalid")]
    Host,
    /// The host has characters beyond ASCII. Pass its punycode form, `xn--…`.
    #[error("the host of the URI is not in ASCII, pass its punycode form")]
    InternationalHost,
    /// The port is not a number from 1 to 65535.
    #[error("the port of the URI is not a number from 1 to 65535")]
    Port,
    /// There is a fragment, which WebSocket URIs do not have. A `#` in path or query is written `%23`.
    #[error("the URI has a fragment")]
    Fragment,
    /// There is a space or a control character.
    #[error("the URI has a space or a control character")]
    Character,
    /// It is longer than 65,534 bytes, which is too long for the `http` crate.
    #[error("the URI is too long")]
    TooLong,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("the URI has a % that is not followed by two hexadecimal digits")]
    Escape,
}

impl Uri {
    /// Whether the scheme is `wss`, so that the connection runs over TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host in lower case: a name, an IPv4 address, or an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.authority[self.host.clone()]
    }

    /// The port, by default 80 for `ws` and 443 for `wss`.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The value of the `Host` field: the host, in brackets if it is an IPv6 address, and the port unless it is the
    /// default.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What the client asks for: the path, which starts with `/`, and the query.
    #[must_use]
    pub fn resource_name(&self) -> &str {
        &self.resource_name
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.chars().any(|char| char == ' ' || char.is_control()) {
            return Err(UriError::Character);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let (secure, default_port) = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => (false, 80),
            _ if scheme.eq_ignore_ascii_case("wss") => (true, 443),
            _ => return Err(UriError::Scheme),
        };
        // §3: there is no fragment, and `#` is always escaped.
        if rest.as_bytes().contains(&b'#') {
            return Err(UriError::Fragment);
        }
        let rest = rest.strip_prefix("//").ok_or(UriError::Host)?;
        let (authority, resource) = split_authority(rest);
        // §3: the syntax has no user information.
        if authority.as_bytes().contains(&b'@') {
            return Err(UriError::UserInfo);
        }
        // §11.1.1: a host goes out in ASCII. To convert it takes tables that do not belong here.
        if !authority.is_ascii() {
            return Err(UriError::InternationalHost);
        }
        let Authority { host, port } = Authority::parse(authority)?;
        // An escaped name is no name that can be looked up.
        if host.as_bytes().contains(&b'%') {
            return Err(UriError::Host);
        }
        let port = port.unwrap_or(default_port);
        if port == 0 {
            return Err(UriError::Port);
        }
        let mut authority = host.to_ascii_lowercase();
        let host = if host.starts_with('[') {
            1..host.len() - 1
        } else {
            0..host.len()
        };
        if port != default_port {
            authority.push(':');
            authority.push_str(&port.to_string());
        }
        Ok(Self {
            secure,
            port,
            authority,
            host,
            resource_name: resource_name(resource)?,
        })
    }
}

impl TryFrom<&str> for Uri {
    type Error = UriError;

    fn try_from(text: &str) -> Result<Self, UriError> {
        text.parse()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, self.resource_name)
    }
}

impl From<InvalidAuthority> for UriError {
    fn from(error: InvalidAuthority) -> Self {
        match error {
            InvalidAuthority::Host => Self::Host,
            InvalidAuthority::Port => Self::Port,
        }
    }
}

/// §3: the path, or `/` without one, and the query unless it is empty.
fn resource_name(resource: &str) -> Result<String, UriError> {
    if !has_valid_escapes(resource) {
        return Err(UriError::Escape);
    }
    let resource = match resource.split_once('?') {
        Some((path, "")) => path,
        _ => resource,
    };
    let mut name = String::with_capacity(resource.len() + 1);
    if !resource.starts_with('/') {
        name.push('/');
    }
    for byte in resource.bytes() {
        if is_sent_as_is(byte) {
            name.push(char::from(byte));
        } else {
            // §11.1.1: what a URI must not contain goes out escaped.
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(name)
}

/// The characters of paths and queries (RFC 3986 §3.3, §3.4), and `%`, which starts an escape.
const fn is_sent_as_is(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?' | b'%'
        )
}
