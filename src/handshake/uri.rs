//! `ws` and `wss` URIs.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
};
use core::{fmt, ops::Range, str::FromStr};

use super::{
    credentials::{basic, user_and_password},
    target::{Authority, InvalidAuthority, has_valid_escapes, split_authority},
};

/// A `ws` or `wss` URI: where a client connects to, and the resource it asks for ([RFC 6455 §3]).
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
/// As in browsers ([WHATWG WebSockets §3.1]), `http` and `https` mean `ws` and `wss`, and user information
/// (`ws://USER:PASSWORD@HOST`, percent-encoded) is sent as Basic credentials ([RFC 7617]), unless the request has an
/// `Authorization` field of its own. Credentials are part of comparisons, but never shown; `Debug` omits the query too,
/// which may contain a token.
///
/// [RFC 6455 §3]: https://www.rfc-editor.org/rfc/rfc6455#section-3
/// [RFC 7617]: https://www.rfc-editor.org/rfc/rfc7617
/// [WHATWG WebSockets §3.1]: https://websockets.spec.whatwg.org/#the-websocket-interface
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    secure: bool,
    port: u16,
    /// The value of `Authorization` that the user information stands for.
    authorization: Option<Box<str>>,
    /// Host and port, as in the `Host` field.
    authority: String,
    /// The host in `authority`, without brackets.
    host: Range<usize>,
    resource_name: String,
}

/// Why text is not a URI that a client can connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// The scheme is neither `ws` nor `wss`, nor `http` or `https` in their place.
    #[error("URI scheme is neither ws nor wss")]
    Scheme,
    /// The user information before the host cannot be sent as Basic credentials: the user name contains a colon, or one
    /// of both a control character. In the target of a redirect, any user information.
    #[error("URI contains user information that cannot be sent")]
    UserInfo,
    /// The host is missing or contains invalid characters.
    #[error("URI host is missing or invalid")]
    Host,
    /// The host is an IPv6 address with a zone, which has a meaning on this machine only. Leave the zone out, and connect
    /// to the address with `ConnectOptions::to`.
    #[error("URI contains an IPv6 zone: connect to the address with `ConnectOptions::to` instead")]
    Zone,
    /// The host contains non-ASCII characters. Use its Punycode form, `xn--…`.
    #[error("URI host is not ASCII: use its Punycode form")]
    InternationalHost,
    /// The port is not a number from 1 to 65535.
    #[error("URI port is not a number from 1 to 65535")]
    Port,
    /// A fragment, which WebSocket URIs must not have. Write a `#` in the path or query as `%23`.
    #[error("URI contains a fragment")]
    Fragment,
    /// A space or a control character.
    #[error("URI contains a space or a control character")]
    Character,
    /// The URI is longer than 65,534 bytes, which is too long for the `http` crate.
    #[error("URI is too long")]
    TooLong,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("URI contains a % that is not followed by two hexadecimal digits")]
    Escape,
}

impl Uri {
    /// Returns whether the scheme is `wss`, so that the connection uses TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the host in lower case: a name, an IPv4 address, or an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.authority[self.host.clone()]
    }

    /// Returns the port, by default 80 for `ws` and 443 for `wss`.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the value of the `Host` field: the host, in brackets if it is an IPv6 address, and the port unless it is
    /// the default.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the resource that the client asks for: the path, which starts with `/`, and the query.
    #[must_use]
    pub fn resource_name(&self) -> &str {
        &self.resource_name
    }

    /// Returns the value of `Authorization` that the user information stands for.
    pub(super) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// Returns whether there is user information.
    #[cfg(feature = "std")]
    pub(crate) const fn has_credentials(&self) -> bool {
        self.authorization.is_some()
    }

    /// Returns whether both have the same scheme, host and port.
    #[cfg(feature = "std")]
    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        (self.secure, self.host(), self.port) == (other.secure, other.host(), other.port)
    }

    /// Sends the credentials of the other URI.
    #[cfg(feature = "std")]
    pub(super) fn set_credentials_of(&mut self, other: &Self) {
        self.authorization.clone_from(&other.authorization);
    }

    const fn scheme(&self) -> &'static str {
        if self.secure { "wss" } else { "ws" }
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.chars().any(|char| char == ' ' || char.is_control()) {
            return Err(UriError::Character);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        let (secure, default_port) = if is("ws") || is("http") {
            (false, 80)
        } else if is("wss") || is("https") {
            (true, 443)
        } else {
            return Err(UriError::Scheme);
        };
        // §3: there is no fragment, and `#` is always escaped.
        if rest.as_bytes().contains(&b'#') {
            return Err(UriError::Fragment);
        }
        let rest = rest.strip_prefix("//").ok_or(UriError::Host)?;
        let (authority, resource) = split_authority(rest);
        let (user_info, authority) = authority.rsplit_once('@').unwrap_or(("", authority));
        let authorization = match user_and_password(user_info) {
            (user, password) if user.is_empty() && password.is_empty() => None,
            (user, password) => Some(basic(&user, &password).ok_or(UriError::UserInfo)?),
        };
        // §11.1.1: a host is sent in ASCII. The conversion needs tables that do not belong in this crate.
        if !authority.is_ascii() {
            return Err(UriError::InternationalHost);
        }
        // RFC 6874: `[fe80::1%25eth0]`; some write `[fe80::1%eth0]`.
        if authority.starts_with('[') && authority.as_bytes().contains(&b'%') {
            return Err(UriError::Zone);
        }
        let Authority { host, port } = Authority::parse(authority)?;
        // An escaped name cannot be looked up.
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
            authorization,
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

/// The whole URI except the user information.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.resource_name)
    }
}

/// Omits the user information and the query, which may be credentials.
impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = match self.resource_name.split_once('?') {
            Some((path, _)) => (path, "?…"),
            None => (&*self.resource_name, ""),
        };
        write!(f, "Uri({}://{}{path}{query})", self.scheme(), self.authority)
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

/// Returns the path, or `/` if there is none, and the query unless it is empty (§3).
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
            // §11.1.1: characters that a URI must not contain are sent escaped.
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(name)
}

/// Returns whether this is a character of paths and queries (RFC 3986 §3.3, §3.4), or `%`, which starts an escape.
const fn is_sent_as_is(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?' | b'%'
        )
}
