//! The opening handshake with the types of the `http` crate, for servers and clients that use another HTTP stack.

use alloc::string::ToString;

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{ALLOW, CONNECTION, UPGRADE},
    request::Parts,
};
use bytes::Bytes;

use super::{
    error::{AcceptError, HandshakeError, RejectError, RequestError},
    headers::HandshakeField,
    key::parse_key,
    request::ClientRequest,
    respond::{Accepted, Rejection, Via, error_head},
    server::{UpgradeRequest, log_refused},
    shown::is_harmless,
    target::Authority,
    uri::Uri,
};
use crate::{deflate::params::DeflateOffer, fields};

impl UpgradeRequest {
    /// Checks an upgrade request that another HTTP stack has read (feature `http`).
    ///
    /// The rules are the same as for a request that [`ServerHandshake`](super::ServerHandshake) receives. The stack
    /// that has read the bytes of the head is responsible for its grammar, its limits and its deadline. If the stack
    /// passes bytes after the head into the upgraded stream, as hyper does, there are no leftover bytes.
    ///
    /// A server answers with [`Accepted::response_http`], [`Rejection::response_http`],
    /// [`HandshakeError::response_http`] or [`AcceptError::response_http`], and takes over the stream after the first.
    /// All return the same type: a response with the body type of the HTTP stack, which must be convertible from
    /// [`Bytes`].
    ///
    /// ```
    /// use websocket_proto::handshake::{Accept, UpgradeRequest};
    ///
    /// let request = http::Request::get("/chat")
    ///     .header("Host", "example.com")
    ///     .header("Upgrade", "websocket")
    ///     .header("Connection", "Upgrade")
    ///     .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    ///     .header("Sec-WebSocket-Version", "13")
    ///     .body(())?;
    /// let accepted = UpgradeRequest::from_http(&request)?.accept(Accept::new())?;
    /// let response: http::Response<websocket_proto::Bytes> = accepted.response_http();
    /// assert_eq!(response.status(), 101);
    /// assert_eq!(response.headers()["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// let negotiated = accepted.into_negotiated();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Any [`HandshakeError`] with a [status](HandshakeError::status); [`HandshakeError::HttpVersion`] for an HTTP/2
    /// request, which [`from_connect`](Self::from_connect) checks. An ordinary request fails with
    /// [`HandshakeError::MissingField`] for [`HandshakeField::Upgrade`], unless it breaks another rule first: a server
    /// that also serves other requests should look for that field first.
    pub fn from_http<B>(request: &Request<B>) -> Result<Self, HandshakeError> {
        Self::from_http_head(request.method(), request.uri(), request.version(), request.headers())
    }

    fn from_http_head(
        method: &Method,
        uri: &::http::Uri,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Self, HandshakeError> {
        let minor_version = u8::from(version == Version::HTTP_11);
        Self::from_parts(
            method.as_str(),
            &uri.to_string(),
            minor_version,
            received_fields(headers),
        )
        .inspect_err(log_refused)
    }
}

/// Checks an upgrade request whose head another HTTP stack has read (feature `http`), as axum's extractors receive it;
/// see [`from_http`](UpgradeRequest::from_http).
///
/// For the head of an extended CONNECT, use [`from_connect_parts`](UpgradeRequest::from_connect_parts).
impl TryFrom<&Parts> for UpgradeRequest {
    type Error = HandshakeError;

    /// # Errors
    ///
    /// The errors of [`from_http`](UpgradeRequest::from_http).
    fn try_from(head: &Parts) -> Result<Self, HandshakeError> {
        Self::from_http_head(&head.method, &head.uri, head.version, &head.headers)
    }
}

impl Accepted {
    /// Returns the response as a type of the `http` crate (feature `http`): 101, or 200 for an extended CONNECT. The
    /// body is empty.
    ///
    /// It has the fields of [`response`](Self::response). For an extended CONNECT, it has only those that HTTP/2 and
    /// HTTP/3 allow: the subprotocol, the extensions, and what the application added ([RFC 8441 §5]). It is the same
    /// for both, so the [`version`](Response::version) is not set: the HTTP stack writes that of its connection.
    ///
    /// [RFC 8441 §5]: https://www.rfc-editor.org/rfc/rfc8441#section-5
    #[must_use]
    pub fn response_http<B: From<Bytes>>(&self) -> Response<B> {
        self.bare_response().map(|()| Bytes::new().into())
    }

    fn bare_response(&self) -> Response<()> {
        let (via, head) = self.head();
        let mut response = Response::new(());
        *response.headers_mut() = written_fields(head);
        *response.status_mut() = match via {
            Via::Upgrade => StatusCode::SWITCHING_PROTOCOLS,
            // RFC 9113 §8.5: any 2xx accepts a CONNECT. HTTP/2 and HTTP/3 have no 101.
            Via::Connect => StatusCode::OK,
        };
        response
    }
}

impl Rejection {
    /// Returns the response as a type of the `http` crate (feature `http`), for a request with this HTTP version.
    ///
    /// With HTTP/1.1 it has the fields of [`to_bytes`](Self::to_bytes). HTTP/2 and HTTP/3 allow neither `Connection`
    /// nor `Upgrade` ([RFC 9113 §8.2.2]), so these are omitted, and status 426, which requires them, becomes 400.
    ///
    /// ```
    /// use websocket_proto::handshake::Rejection;
    ///
    /// let rejection = Rejection::new(403).body("Not you.");
    /// let response: http::Response<Vec<u8>> = rejection.response_http(http::Version::HTTP_2);
    /// assert_eq!((response.status().as_u16(), &response.body()[..]), (403, &b"Not you."[..]));
    /// assert_eq!(response.headers()["Content-Length"], "8");
    /// ```
    ///
    /// A rejection that cannot be sent becomes status 500 without a body, as in the shells.
    /// [`to_bytes`](Self::to_bytes) returns the reason.
    ///
    /// [RFC 9113 §8.2.2]: https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2
    #[must_use]
    pub fn response_http<B: From<Bytes>>(&self, version: Version) -> Response<B> {
        let response = self
            .head()
            .and_then(|head| refusal(self.status(), &head, version).ok_or(RejectError::Status));
        self.log(&response);
        match response {
            Ok(response) => response.map(|()| Bytes::copy_from_slice(self.body_bytes()).into()),
            Err(_) => server_error(version).map(|()| Bytes::new().into()),
        }
    }
}

impl HandshakeError {
    /// Returns the response with which a server answers this error, as a type of the `http` crate (feature `http`), for
    /// a request with this HTTP version.
    ///
    /// With HTTP/1.1 it is [`response`](Self::response). HTTP/2 and HTTP/3 allow neither `Connection` nor `Upgrade`
    /// ([RFC 9113 §8.2.2]), so these are omitted, and status 426, which requires them, becomes 400. The body is empty.
    ///
    /// An error without a [status](Self::status), which requests of another stack cannot cause, becomes 500.
    ///
    /// [RFC 9113 §8.2.2]: https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2
    #[must_use]
    pub fn response_http<B: From<Bytes>>(&self, version: Version) -> Response<B> {
        self.bare_response(version).map(|()| Bytes::new().into())
    }

    fn bare_response(&self, version: Version) -> Response<()> {
        let status = self.status().unwrap_or(500);
        let Some(mut response) = refusal(status, &error_head(status), version) else {
            return server_error(version);
        };
        if matches!(self, Self::Method) && is_multiplexed(version) {
            // RFC 8441 §4: with HTTP/2 the method is CONNECT.
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("CONNECT"));
        }
        response
    }
}

impl AcceptError {
    /// Returns the response to a request that the server could not accept as the application asked, as a type of the
    /// `http` crate (feature `http`): 500 with an empty body, as the shells send it. The fault is the server's own, and
    /// clients should not see details.
    #[must_use]
    pub fn response_http<B: From<Bytes>>(&self, version: Version) -> Response<B> {
        server_error(version).map(|()| Bytes::new().into())
    }
}

/// Converts a request of the `http` crate (feature `http`), which needs only a URI and optional additional header
/// fields.
///
/// The handshake writes the fields that the protocol requires. For fields that belong to the handshake:
///
/// - `Sec-WebSocket-Protocol`, `Sec-WebSocket-Extensions`, `Origin` and `Host` are used as if set with
///   [`subprotocol`](ClientRequest::subprotocol), [`extension`](ClientRequest::extension),
///   [`origin`](ClientRequest::origin) and [`host`](ClientRequest::host). Offers of permessage-deflate, which browsers
///   make, are ignored: [`Config`](crate::Config) says whether this client compresses;
/// - `Sec-WebSocket-Key` is ignored if it is valid: each handshake generates its own key, as [RFC 6455 §4.1] requires;
/// - `Upgrade`, `Connection`, `Sec-WebSocket-Version` and `Content-Length` are ignored if they say what the handshake
///   sends, and refused otherwise. `Connection` may name other things beside `Upgrade`, as in `keep-alive, Upgrade`;
/// - `Sec-WebSocket-Accept`, `Transfer-Encoding` and other fields whose names start with `Sec-WebSocket-` are refused.
///
/// All other fields are added. The version and the extensions of the request are ignored.
///
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
///
/// ```
/// use websocket_proto::handshake::ClientRequest;
///
/// let request = http::Request::get("wss://example.com/chat")
///     .header("Authorization", "Bearer c2VjcmV0")
///     .header("Sec-WebSocket-Protocol", "chat, superchat")
///     .body(())?;
/// let request = ClientRequest::try_from(request)?;
/// assert_eq!(request.uri().resource_name(), "/chat");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl TryFrom<Request<()>> for ClientRequest {
    type Error = RequestError;

    /// # Errors
    ///
    /// [`RequestError::Method`] for a method other than `GET`, [`RequestError::Uri`] for a URI that is not `ws` or
    /// `wss`, [`RequestError::Field`] and [`RequestError::Header`] for a field that is refused, and the others for
    /// offers that violate the grammar. The remaining checks are made when the request is written.
    fn try_from(request: Request<()>) -> Result<Self, RequestError> {
        if request.method() != Method::GET {
            return Err(RequestError::Method);
        }
        let uri: Uri = request.uri().to_string().parse()?;
        let mut result = Self::new(uri);
        for (name, value) in received_fields(request.headers()) {
            result = match HandshakeField::from_name(name) {
                None => result.header(name, value),
                Some(field) => result.take_field(field, value)?,
            };
        }
        result.fields.lines()?;
        Ok(result)
    }
}

impl ClientRequest {
    /// Uses the value that the application gave for a field of the handshake.
    fn take_field(mut self, field: HandshakeField, value: &[u8]) -> Result<Self, RequestError> {
        const REFUSED: bool = false;
        let is_same = match field {
            HandshakeField::Protocol => {
                for subprotocol in fields::elements(value) {
                    let subprotocol =
                        core::str::from_utf8(subprotocol).map_err(|_| RequestError::InvalidSubprotocol)?;
                    self = self.subprotocol(subprotocol);
                }
                true
            }
            HandshakeField::Extensions => {
                for extension in fields::extensions(value) {
                    let extension = extension.map_err(|_| RequestError::InvalidExtension)?;
                    if extension.name() != DeflateOffer::NAME {
                        self = self.extension(extension);
                    }
                }
                true
            }
            HandshakeField::Origin if self.origin.is_none() => {
                let origin = core::str::from_utf8(value).map_err(|_| RequestError::Origin)?;
                self = self.origin(origin);
                true
            }
            HandshakeField::Host if self.host.is_none() => match core::str::from_utf8(value) {
                Ok(host) if self.is_host(host) => true,
                Ok(host) if Authority::parse(host).is_ok() => {
                    self = self.host(host);
                    true
                }
                _ => REFUSED,
            },
            HandshakeField::Upgrade => value.eq_ignore_ascii_case(b"websocket"),
            HandshakeField::Connection => fields::elements(value).any(|option| option.eq_ignore_ascii_case(b"upgrade")),
            HandshakeField::Version => value == b"13",
            HandshakeField::ContentLength => value == b"0",
            HandshakeField::Key => parse_key(value).is_some(),
            HandshakeField::Host
            | HandshakeField::Origin
            | HandshakeField::TransferEncoding
            | HandshakeField::Accept => REFUSED,
        };
        if is_same {
            Ok(self)
        } else {
            Err(RequestError::Field(field))
        }
    }

    /// Returns whether a `Host` value names the host and port of the URI.
    fn is_host(&self, value: &str) -> bool {
        let default_port = Some(if self.uri.is_secure() { 443 } else { 80 });
        let parse = |text| Authority::parse(text).ok();
        match (parse(value), parse(self.uri.authority())) {
            (Some(given), Some(host)) => given.matches(&host, default_port),
            _ => false,
        }
    }
}

/// Returns the fields of a message that another stack has read, without the whitespace around their values.
pub(super) fn received_fields(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), fields::trim_ows(value.as_bytes())))
}

/// Returns the fields of a head that this crate has written.
pub(super) fn written_fields(head: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // Neither the status line nor the empty line has a colon.
    for line in head.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(fields::trim_ows(&line[colon + 1..]));
        // Fields of the application were checked when they were added; the others are this crate's own.
        debug_assert!(name.is_ok() && value.is_ok(), "{}", line.escape_ascii());
        if let (Ok(name), Ok(mut value)) = (name, value) {
            // Not shown by `Debug`, and not kept in compression tables, which other streams share (RFC 7541 §7.1.3).
            value.set_sensitive(!is_harmless(name.as_str()));
            headers.append(name, value);
        }
    }
    headers
}

/// Creates a response that does not accept. Returns `None` for an invalid status.
fn refusal(status: u16, head: &[u8], version: Version) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.headers_mut() = written_fields(head);
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    if is_multiplexed(version) {
        // RFC 9113 §8.2.2: fields that concern a single connection are not allowed.
        response.headers_mut().remove(CONNECTION);
        response.headers_mut().remove(UPGRADE);
        if status == 426 {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        *response.version_mut() = version;
    }
    Some(response)
}

/// Creates the response of a server that failed to do what it intended.
fn server_error(version: Version) -> Response<()> {
    let mut response = refusal(500, &error_head(500), version).unwrap_or_default();
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Returns whether one connection carries many requests at once, as with HTTP/2 and HTTP/3.
pub(super) fn is_multiplexed(version: Version) -> bool {
    version >= Version::HTTP_2
}
