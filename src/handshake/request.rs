//! The upgrade request of a client.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt, str::FromStr};

use super::{
    added::ExtraFields,
    error::RequestError,
    headers::{HandshakeField, write_extensions, write_field},
    key::KEY_LEN,
    respond::takes_rsv1,
    target::Authority,
    uri::{Uri, UriError},
};
use crate::{
    config::Config,
    deflate::params::DeflateConfig,
    fields::{self, Extension},
    frame::Rsv,
};

/// The upgrade request that a client sends ([RFC 6455 §4.1]).
///
/// The handshake writes all fields that the protocol requires; fields added here come in addition.
///
/// A client must not have more than one connection to the same address in its opening handshake at a time ([RFC 6455
/// §4.1]). This crate does not know of other connections, so an application that opens several to one server must open
/// them one after another.
///
/// ```
/// use websocket_proto::handshake::ClientRequest;
///
/// let request: ClientRequest = "ws://example.com/chat".parse()?;
/// let request = request.subprotocol("chat").header("Authorization", "Bearer c2VjcmV0");
/// # Ok::<(), websocket_proto::handshake::UriError>(())
/// ```
///
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
#[derive(Clone, Debug)]
pub struct ClientRequest {
    pub(super) uri: Uri,
    pub(super) host: Option<Box<str>>,
    pub(super) origin: Option<Box<str>>,
    pub(super) fields: ExtraFields,
    pub(super) offers: Offers,
}

/// The offers from which the server may choose.
#[derive(Clone, Default)]
pub(super) struct Offers {
    pub(super) subprotocols: Vec<Box<str>>,
    pub(super) requires_subprotocol: bool,
    pub(super) extensions: Vec<Extension<'static>>,
    /// The reserved bits that each of them claims.
    pub(super) claims: Vec<Rsv>,
    /// The configuration with which permessage-deflate was offered, unless the application itself offered it.
    pub(super) deflate: Option<DeflateConfig>,
}

impl ClientRequest {
    /// Creates a request without origin, subprotocols, extensions or additional header fields.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self {
            uri,
            host: None,
            origin: None,
            fields: ExtraFields::default(),
            offers: Offers::default(),
        }
    }

    /// Sends this `Host`, with an optional port, instead of the one that the URI names: that of a virtual host, for
    /// example. It does not change which server is connected to, nor the name that the server's certificate must
    /// contain; [`ConnectOptions::to`](crate::ConnectOptions::to) does the opposite.
    #[must_use]
    pub fn host(mut self, host: impl Into<Box<str>>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Sets the origin, as sent by browsers.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<Box<str>>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Offers a subprotocol. Earlier offers are preferred.
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: impl Into<Box<str>>) -> Self {
        self.offers.subprotocols.push(subprotocol.into());
        self
    }

    /// Fails the handshake if the server selects none of the offered subprotocols.
    ///
    /// By default, the connection then opens without a subprotocol, as the protocol allows.
    #[must_use]
    pub const fn require_subprotocol(mut self) -> Self {
        self.offers.requires_subprotocol = true;
        self
    }

    /// Offers an extension. Earlier offers are preferred.
    ///
    /// If the server accepts it, the application must implement it: the connection does not know it. An extension that
    /// uses reserved bits requires [`extension_claiming`](Self::extension_claiming).
    #[must_use]
    pub fn extension(self, extension: Extension<'_>) -> Self {
        self.extension_claiming(extension, Rsv::NONE)
    }

    /// Offers an extension that uses these reserved bits ([RFC 6455 §5.2]).
    ///
    /// If the server accepts it, frames with these bits reach the application as
    /// [`Event::Extension`](crate::Event::Extension), and it can send such frames; see
    /// [`ExtensionFrame`](crate::ExtensionFrame). Several extensions that claim the same bits may be offered; the
    /// server must then choose one. RSV1 cannot be claimed together with the configured permessage-deflate.
    ///
    /// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    #[must_use]
    pub fn extension_claiming(mut self, extension: Extension<'_>, bits: Rsv) -> Self {
        self.offers.claims.push(bits);
        self.offers.extensions.push(extension.into_owned());
        self
    }

    /// Adds a header field. The fields of the handshake itself cannot be added.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push(name, value.as_ref());
        self
    }

    /// Returns the URI of the request.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the value of `Host`.
    pub(super) fn authority(&self) -> Result<&str, RequestError> {
        match &self.host {
            Some(host) if Authority::parse(host).is_err() => Err(RequestError::Host),
            Some(host) => Ok(host),
            None => Ok(self.uri.authority()),
        }
    }

    /// Changes the target of the request, for a redirect.
    ///
    /// Credentials are sent to their origin only: the same scheme, host and port. Any field of the application may be
    /// one, and so may a subprotocol, in which browsers send tokens since their API has no other place for them.
    #[cfg(feature = "std")]
    pub(crate) fn redirect(&mut self, mut uri: Uri, with_subprotocols: bool) {
        if uri.is_same_origin(&self.uri) {
            uri.set_credentials_of(&self.uri);
        } else {
            self.host = None;
            self.origin = None;
            self.fields.retain(|name| {
                const HARMLESS: [&str; 2] = ["User-Agent", "Accept-Language"];
                HARMLESS.iter().any(|harmless| name.eq_ignore_ascii_case(harmless))
            });
            if !with_subprotocols {
                self.offers.subprotocols.clear();
            }
        }
        self.uri = uri;
    }

    /// Writes the request with a key, and returns it with the offers that the response is compared with.
    pub(super) fn into_bytes(
        mut self,
        key: &[u8; KEY_LEN],
        config: &Config,
    ) -> Result<(Vec<u8>, Offers), RequestError> {
        self.offers.add_configured(config)?;
        let mut request = Vec::with_capacity(256 + self.uri.resource_name().len() + self.fields.lines()?.len());
        // §4.1, request items 1 to 10.
        for part in ["GET ", self.uri.resource_name(), " HTTP/1.1\r\n"] {
            request.extend_from_slice(part.as_bytes());
        }
        write_field(&mut request, "Host", self.authority()?.as_bytes());
        write_field(&mut request, "Upgrade", b"websocket");
        write_field(&mut request, "Connection", b"Upgrade");
        write_field(&mut request, "Sec-WebSocket-Key", key);
        self.write_fields(&mut request)?;
        request.extend_from_slice(b"\r\n");
        Ok((request, self.offers))
    }

    /// Writes the fields that are the same in all HTTP versions.
    pub(super) fn write_fields(&self, request: &mut Vec<u8>) -> Result<(), RequestError> {
        let fields = self.fields.lines()?;
        if let Some(origin) = &self.origin {
            // RFC 6454 §7.1: an origin contains no spaces, unless it is a list of origins, which no client sends.
            if origin.is_empty() || !origin.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(RequestError::Origin);
            }
            write_field(request, "Origin", origin.as_bytes());
        }
        self.offers.write(request)?;
        // The application's own credentials come before those in the URI.
        if let Some(authorization) = self
            .uri
            .authorization()
            .filter(|_| !self.fields.contains("Authorization"))
        {
            write_field(request, "Authorization", authorization.as_bytes());
        }
        request.extend_from_slice(fields);
        Ok(())
    }
}

impl FromStr for ClientRequest {
    type Err = UriError;

    fn from_str(uri: &str) -> Result<Self, UriError> {
        uri.parse().map(Self::new)
    }
}

impl TryFrom<&str> for ClientRequest {
    type Error = UriError;

    fn try_from(uri: &str) -> Result<Self, UriError> {
        uri.parse()
    }
}

/// Omits the subprotocols, which may be tokens.
impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offers")
            .field("subprotocols", &self.subprotocols.len())
            .field("requires_subprotocol", &self.requires_subprotocol)
            .field("extensions", &self.extensions)
            .field("claims", &self.claims)
            .field("deflate", &self.deflate)
            .finish()
    }
}

impl Offers {
    /// Offers permessage-deflate, if it is configured.
    pub(super) fn add_configured(&mut self, config: &Config) -> Result<(), RequestError> {
        let Some(deflate) = config.deflate_config() else {
            return Ok(());
        };
        // RFC 7692 §5.2: two extensions cannot both use RSV1.
        let is_claimed = self.claims.iter().any(|bits| bits.contains(Rsv::RSV1));
        if is_claimed || self.extensions.iter().any(takes_rsv1) {
            return Err(RequestError::ConflictingExtension);
        }
        let offers = deflate.offers();
        self.claims.resize(self.claims.len() + offers.len(), Rsv::NONE);
        self.extensions.extend(offers);
        self.deflate = Some(deflate);
        Ok(())
    }

    fn write(&self, request: &mut Vec<u8>) -> Result<(), RequestError> {
        // §4.1 item 10: subprotocols are unique tokens.
        let mut list = String::new();
        for (index, subprotocol) in self.subprotocols.iter().enumerate() {
            if !fields::is_token(subprotocol.as_bytes()) {
                return Err(RequestError::InvalidSubprotocol);
            }
            if self.subprotocols[..index].contains(subprotocol) {
                return Err(RequestError::RepeatedSubprotocol);
            }
            if index > 0 {
                list.push_str(", ");
            }
            list.push_str(subprotocol);
        }
        if !list.is_empty() {
            write_field(request, HandshakeField::Protocol.name(), list.as_bytes());
        }
        write_field(request, "Sec-WebSocket-Version", b"13");
        // §9.1: names and values of extensions are tokens.
        if !self.extensions.iter().all(Extension::is_valid) {
            return Err(RequestError::InvalidExtension);
        }
        // A response names an extension, and the name must identify the bits that it claims.
        let mut claims = self.claims();
        if !claims.all(|(name, bits)| self.claimed_by(name) == bits) {
            return Err(RequestError::ReservedBits);
        }
        write_extensions(request, &self.extensions);
        Ok(())
    }

    /// Returns the offered extensions, each with the bits that it claims.
    fn claims(&self) -> impl Iterator<Item = (&str, Rsv)> {
        let names = self.extensions.iter().map(Extension::name);
        names.zip(self.claims.iter().copied())
    }

    /// Returns the reserved bits that an offered extension claims.
    pub(super) fn claimed_by(&self, name: &str) -> Rsv {
        let mut claims = self.claims();
        claims
            .find(|&(offered, _)| offered == name)
            .map_or(Rsv::NONE, |(_, bits)| bits)
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    /// HS-C-43: what may be a credential is only sent to the origin that it is meant for.
    #[test]
    fn a_redirect_takes_along_what_is_harmless() {
        let redirected = |uri: &str, with_subprotocols| {
            let request: ClientRequest = "ws://me:pass@example.com/from".parse().expect("a URI");
            let mut request = request
                .host("virtual.example")
                .origin("http://example.com")
                .subprotocol("chat")
                .subprotocol("bearer.c2VjcmV0")
                .header("User-Agent", "Test/1.0: beta")
                .header("Authorization", "Bearer c2VjcmV0")
                .header("accept-language", "de")
                .header("Cookie", "a=User-Agent:");
            request.redirect(uri.parse().expect("a URI"), with_subprotocols);
            let (bytes, _) = request
                .into_bytes(&[b'k'; KEY_LEN], &Config::new())
                .expect("a valid request");
            String::from_utf8(bytes).expect("text")
        };
        for elsewhere in ["ws://example.net/to", "ws://example.com:81/to", "wss://example.com/to"] {
            for (with_subprotocols, offer) in [(false, ""), (true, "Sec-WebSocket-Protocol: chat, bearer.c2VjcmV0\r\n")]
            {
                let request = redirected(elsewhere, with_subprotocols);
                assert!(request.starts_with("GET /to HTTP/1.1\r\nHost: example."), "{request}");
                let harmless = "Sec-WebSocket-Version: 13\r\n\
                    User-Agent: Test/1.0: beta\r\naccept-language: de\r\n\r\n";
                assert!(request.ends_with(&["k\r\n", offer, harmless].concat()), "{request}");
            }
        }
        let request = redirected("ws://example.com/to", false);
        assert!(
            request.starts_with("GET /to HTTP/1.1\r\nHost: virtual.example\r\n"),
            "{request}"
        );
        assert!(
            request.contains("Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, bearer.c2VjcmV0\r\n"),
            "{request}"
        );
        let all = "User-Agent: Test/1.0: beta\r\nAuthorization: Bearer c2VjcmV0\r\naccept-language: de\r\n\
            Cookie: a=User-Agent:\r\n\r\n";
        assert!(request.ends_with(all), "{request}");
    }

    /// HS-C-06, HS-C-43: the credentials of the URI stay with its origin as well.
    #[test]
    fn a_redirect_keeps_user_information_within_the_origin() {
        for (uri, is_kept) in [("ws://h/to", true), ("wss://h/to", false), ("ws://g/to", false)] {
            let mut request: ClientRequest = "ws://me:pass@h/from".parse().expect("a URI");
            request.redirect(uri.parse().expect("a URI"), true);
            let (bytes, _) = request
                .into_bytes(&[b'k'; KEY_LEN], &Config::new())
                .expect("a valid request");
            let sent = String::from_utf8(bytes).expect("text");
            assert_eq!(
                sent.contains("\r\nAuthorization: Basic bWU6cGFzcw==\r\n"),
                is_kept,
                "{sent}"
            );
        }
    }
}
