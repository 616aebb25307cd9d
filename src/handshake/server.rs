//! The server side of the opening handshake.

use alloc::{borrow::Cow, vec::Vec};
use core::fmt;

use super::{
    error::{AcceptError, HandshakeError, RejectError},
    head::RequestHead,
    headers::{HandshakeField, Headers},
    key::{KEY_LEN, accept_value},
    origin::OriginPolicy,
    pairs::{Cookies, QueryPairs},
    read_head::{HeadReader, Kind, RawHead},
    respond::{Accept, Accepted, Rejection, Via},
    rules,
    shown::Count,
    target::Target,
};
use crate::{
    config::Config, deflate::params::DeflateConfig, fields::Extension, log, negotiated::Negotiated, role::Role,
};

/// The server side of an opening handshake, which waits for the upgrade request ([RFC 6455 §4.2]).
///
/// ```
/// use websocket_proto::{
///     Config,
///     handshake::{Accept, ServerHandshake},
/// };
///
/// let mut handshake = ServerHandshake::new(&Config::new());
/// let received = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Protocol: chat, superchat\r\n\r\n";
/// // Real requests may arrive in pieces; `None` means that more is needed.
/// let request = handshake.receive(received)?.expect("the whole request");
/// assert_eq!(request.path(), "/chat");
///
/// let mut accept = Accept::new();
/// if let Some(subprotocol) = request.select_subprotocol(&["superchat", "chat"]) {
///     accept = accept.subprotocol(subprotocol);
/// }
/// let accepted = request.accept(accept)?;
/// assert!(accepted.response().starts_with(b"HTTP/1.1 101 "));
/// // Send the response, and then:
/// let negotiated = accepted.into_negotiated();
/// assert_eq!(negotiated.subprotocol(), Some("chat"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [RFC 6455 §4.2]: https://www.rfc-editor.org/rfc/rfc6455#section-4.2
#[derive(Debug)]
pub struct ServerHandshake {
    /// `None` once the handshake has ended.
    reader: Option<HeadReader>,
    deflate: Option<DeflateConfig>,
}

impl ServerHandshake {
    /// Creates a handshake that has received nothing. It holds no buffer yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            reader: Some(HeadReader::new(Kind::Request, &config.limits)),
            deflate: config.deflate_config(),
        }
    }

    /// Receives bytes from the client. Returns the request once it is complete and valid.
    ///
    /// Bytes after the request are kept for the connection, however many there are.
    ///
    /// # Errors
    ///
    /// Any [`HandshakeError`] with a [status](HandshakeError::status): send its [response](HandshakeError::response)
    /// and close. [`HandshakeError::Ended`] after the request or an error was returned.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<UpgradeRequest>, HandshakeError> {
        let reader = self.reader.as_mut().ok_or(HandshakeError::Ended)?;
        let mut rest = bytes;
        let raw = match reader.receive(&mut rest) {
            Ok(None) => return Ok(None),
            Ok(Some(raw)) => Ok(raw),
            Err(error) => Err(error),
        };
        self.reader = None;
        let request = raw.and_then(|raw| self.check(raw, rest));
        request.map(Some).inspect_err(log_refused)
    }

    fn check(&self, raw: RawHead, rest: &[u8]) -> Result<UpgradeRequest, HandshakeError> {
        let mut request = UpgradeRequest::from_head(RequestHead::parse(raw)?, rest.to_vec())?;
        request.deflate = self.deflate;
        Ok(request)
    }

    /// Notes the end of the transport, which ends the handshake. There is no peer left to answer.
    pub fn receive_eof(&mut self) -> HandshakeError {
        self.end(HandshakeError::Eof)
    }

    /// Notes that [`Timers::handshake`](crate::Timers::handshake) has expired, which ends the handshake.
    pub fn handle_timeout(&mut self) -> HandshakeError {
        if self.reader.is_some() {
            log::handshake_deadline(Role::Server);
        }
        self.end(HandshakeError::TimedOut)
    }

    fn end(&mut self, error: HandshakeError) -> HandshakeError {
        if self.reader.take().is_none() {
            return HandshakeError::Ended;
        }
        log_refused(&error);
        error
    }
}

/// Logs that a request is refused because it violates a rule.
pub(super) fn log_refused(error: &HandshakeError) {
    log::refused(Role::Server, error.status(), error);
}

/// A valid upgrade request, for the application to [accept](Self::accept) or [reject](Self::reject).
#[derive(Clone)]
pub struct UpgradeRequest {
    head: RequestHead,
    /// `None` for an extended CONNECT, which has no key.
    key: Option<[u8; KEY_LEN]>,
    leftover: Vec<u8>,
    /// What the server allows of permessage-deflate.
    deflate: Option<DeflateConfig>,
}

impl UpgradeRequest {
    /// Checks a request against all rules that do not depend on the application.
    pub(super) fn from_head(head: RequestHead, leftover: Vec<u8>) -> Result<Self, HandshakeError> {
        rules::check_upgrade(&head)?;
        // The key is checked last: a client of another version, which is sent our version, may have none.
        rules::check_offers(&head.headers)?;
        let key = Some(rules::check_key(&head.headers)?);
        Ok(Self {
            head,
            key,
            leftover,
            deflate: None,
        })
    }

    /// Checks an extended CONNECT for the protocol `websocket`.
    #[cfg(feature = "http")]
    pub(super) fn from_connect_head(head: RequestHead) -> Result<Self, HandshakeError> {
        rules::check_connect(&head)?;
        // RFC 8441 §5: key and accept value are not used.
        rules::check_offers(&head.headers)?;
        Ok(Self {
            head,
            key: None,
            leftover: Vec::new(),
            deflate: None,
        })
    }

    /// Checks a request that another HTTP stack has read, so that only the rules of the upgrade remain.
    #[cfg(any(test, feature = "http"))]
    pub(super) fn from_parts<'a>(
        method: &str,
        target: &str,
        minor_version: u8,
        fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, HandshakeError> {
        let head = RequestHead::from_parts(method, target, minor_version, fields);
        Self::from_head(head.ok_or(HandshakeError::HeadTooLarge)?, Vec::new())
    }

    /// Sets what [`accept`](Self::accept) may negotiate about permessage-deflate, for a request that another HTTP stack
    /// has read. A request that a [`ServerHandshake`] received already has this configuration.
    #[must_use]
    pub fn config(mut self, config: &Config) -> Self {
        self.deflate = config.deflate_config();
        self
    }

    /// Returns the method: `GET`, or `CONNECT` with HTTP/2.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.method()
    }

    /// Returns the request target as received: a path with an optional query, or an absolute URI.
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.target()
    }

    /// Returns the path of the resource, which starts with `/` and is still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.resource().map_or("/", |resource| resource.path)
    }

    /// Returns the query of the resource, without the `?` and still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.resource().and_then(|resource| resource.query)
    }

    /// Returns the decoded names and values of the query, in order.
    ///
    /// They are parsed like submitted forms, as the [URL Standard](https://url.spec.whatwg.org/#urlencoded-parsing)
    /// defines: `&` separates pairs, `=` separates a name from its value, `+` stands for a space, and percent-encoding
    /// is decoded. No query is malformed: a `%` without two hexadecimal digits is kept, a name without `=` has an empty
    /// value, and invalid UTF-8 becomes U+FFFD. A name may be repeated.
    ///
    /// ```
    /// # fn room(request: &websocket_proto::handshake::UpgradeRequest) -> Option<String> {
    /// // For the target `/chat?room=caf%C3%A9+bar`: `café bar`.
    /// let (_, room) = request.query_pairs().find(|(name, _)| name == "room")?;
    /// # Some(room.into_owned())
    /// # }
    /// ```
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> + Clone {
        QueryPairs::new(self.query().unwrap_or_default())
    }

    /// Returns the host, with an optional port, that the client wants to reach.
    ///
    /// It comes from the target if that is an absolute URI, and otherwise from `Host` ([RFC 9112 §3.2.2]).
    ///
    /// [RFC 9112 §3.2.2]: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    #[must_use]
    pub fn host(&self) -> &str {
        let target = self.resource().and_then(|resource| resource.authority);
        target.or_else(|| self.text(HandshakeField::Host)).unwrap_or_default()
    }

    /// Returns the origin of the page that opens the connection, which browsers always send ([RFC 6455 §10.2]).
    ///
    /// [RFC 6455 §10.2]: https://www.rfc-editor.org/rfc/rfc6455#section-10.2
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.text(HandshakeField::Origin)
    }

    /// Returns all header fields.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.head.headers
    }

    /// Returns the names and values of the client's cookies ([RFC 6265 §4.2.1]), from all `Cookie` fields, in order.
    ///
    /// Values are as received, including quotes. Cookies without a name, without `=`, or with invalid UTF-8 are
    /// skipped. If several cookies have the same name, browsers send the one with the longest path first. Any page can
    /// make a browser send its cookies here: [check the origin](Self::check_origin) before you trust one.
    ///
    /// ```
    /// # fn session(request: &websocket_proto::handshake::UpgradeRequest) -> Option<&str> {
    /// let (_, session) = request.cookies().find(|(name, _)| *name == "session")?;
    /// # Some(session)
    /// # }
    /// ```
    ///
    /// [RFC 6265 §4.2.1]: https://www.rfc-editor.org/rfc/rfc6265#section-4.2.1
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        Cookies::new(self.head.headers.values("Cookie"))
    }

    /// Returns the subprotocols that the client offers, in order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.head
            .headers
            .list(HandshakeField::Protocol)
            .filter_map(|token| core::str::from_utf8(token).ok())
    }

    /// Returns the first subprotocol in the client's order that is also in `supported`.
    #[must_use]
    pub fn select_subprotocol<'s>(&self, supported: &[&'s str]) -> Option<&'s str> {
        for offered in self.head.headers.list(HandshakeField::Protocol) {
            for &subprotocol in supported {
                if subprotocol.as_bytes() == offered {
                    return Some(subprotocol);
                }
            }
        }
        None
    }

    /// Returns the extensions that the client offers, in order of preference.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> + Clone {
        self.head.headers.extensions()
    }

    /// Checks the origin, so that pages of other sites cannot use a visitor's browser to connect ([RFC 6455 §10.2]).
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Origin`], whose [response](HandshakeError::response) has status 403.
    ///
    /// [RFC 6455 §10.2]: https://www.rfc-editor.org/rfc/rfc6455#section-10.2
    pub fn check_origin(&self, policy: &OriginPolicy) -> Result<(), HandshakeError> {
        if policy.allows(self.origin(), self.host()) {
            Ok(())
        } else {
            Err(HandshakeError::Origin)
        }
    }

    /// Accepts the request, with the first permessage-deflate offer that the configuration allows and that can be
    /// honoured.
    ///
    /// # Errors
    ///
    /// Any [`AcceptError`]. Nothing has been decided then, and the request can still be rejected.
    pub fn accept(&self, accept: Accept) -> Result<Accepted, AcceptError> {
        let accept_value = self.key.as_ref().map(accept_value);
        let response = accept.into_response(accept_value.as_ref(), &self.head.headers, self.deflate.as_ref())?;
        let mut negotiated = Negotiated::new(Role::Server).with_leftover(&self.leftover[..]);
        if let Some(subprotocol) = response.subprotocol {
            negotiated = negotiated.with_subprotocol(subprotocol);
        }
        negotiated = negotiated.with_reserved_bits(response.reserved_bits);
        negotiated.set_deflate(response.deflate);
        let via = self.key.map_or(Via::Connect, |_| Via::Upgrade);
        Ok(Accepted::new(via, response.bytes, negotiated))
    }

    /// Rejects the request. Returns the complete HTTP/1.1 response, after which the server closes the connection.
    ///
    /// If another HTTP stack writes the response, use `Rejection::response_http` (feature `http`) instead.
    ///
    /// # Errors
    ///
    /// The errors of [`Rejection::to_bytes`].
    pub fn reject(&self, rejection: &Rejection) -> Result<Vec<u8>, RejectError> {
        let response = rejection.to_bytes();
        rejection.log(&response);
        response
    }

    /// Returns the parts of the target, which is valid since the request is.
    fn resource(&self) -> Option<Target<'_>> {
        Target::parse(self.target())
    }

    fn text(&self, field: HandshakeField) -> Option<&str> {
        let value = self.head.headers.known(field).next()?;
        core::str::from_utf8(value).ok()
    }
}

/// Omits the query and values of fields that may be credentials.
impl fmt::Debug for UpgradeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeRequest")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("headers", self.headers())
            .field("leftover", &Count(&self.leftover))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_checked_like_a_head() {
        let fields = [
            ("host", &b"example.com"[..]),
            ("connection", b"keep-alive"),
            ("connection", b"Upgrade"),
            ("upgrade", b"websocket"),
            ("sec-websocket-version", b"13"),
            ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", b"a, b"),
        ];
        let request = UpgradeRequest::from_parts("GET", "/chat?x=1", 1, fields).expect("a valid request");
        assert_eq!((request.method(), request.target()), ("GET", "/chat?x=1"));
        assert_eq!(
            (request.path(), request.query(), request.host()),
            ("/chat", Some("x=1"), "example.com")
        );
        assert!(request.subprotocols().eq(["a", "b"]));
        assert!(request.headers().iter().eq(fields));

        for (index, (name, _)) in fields
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| *name != "sec-websocket-protocol")
        {
            let others = fields
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index)
                .map(|(_, field)| *field);
            let result = UpgradeRequest::from_parts("GET", "/", 1, others);
            assert_eq!(result.is_ok(), index == 1, "without {name}");
        }
        assert!(matches!(
            UpgradeRequest::from_parts("POST", "/", 1, fields),
            Err(HandshakeError::Method)
        ));
        assert!(matches!(
            UpgradeRequest::from_parts("GET", "/", 0, fields),
            Err(HandshakeError::HttpVersion)
        ));
    }
}
