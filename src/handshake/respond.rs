//! The server's response to an upgrade request.

use alloc::{boxed::Box, format, string::ToString, vec::Vec};
use core::fmt;

use super::{
    added::ExtraFields,
    error::{AcceptError, HandshakeError, RejectError},
    headers::{Extensions, HandshakeField, Headers, write_extensions, write_field},
    key::ACCEPT_LEN,
    shown::Count,
};
use crate::{
    deflate::params::{DeflateConfig, DeflateParams},
    fields::Extension,
    frame::Rsv,
    log,
    negotiated::Negotiated,
    role::Role,
};

/// How to accept an upgrade request.
///
/// ```
/// use websocket_proto::handshake::Accept;
///
/// let accept = Accept::new().subprotocol("chat").header("Set-Cookie", "session=1");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Accept {
    subprotocol: Option<Box<str>>,
    extensions: Vec<Extension<'static>>,
    claims: Claims,
    uncompressed: bool,
    fields: ExtraFields,
}

impl Accept {
    /// Accepts without a subprotocol, extensions or additional header fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects a subprotocol, which the client must have offered.
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: impl Into<Box<str>>) -> Self {
        self.subprotocol = Some(subprotocol.into());
        self
    }

    /// Accepts an extension, which the client must have offered. Several extensions are applied in this order.
    ///
    /// The application must implement it: the connection does not know it. An extension that uses reserved bits
    /// requires [`extension_claiming`](Self::extension_claiming).
    #[must_use]
    pub fn extension(self, extension: Extension<'_>) -> Self {
        self.extension_claiming(extension, Rsv::NONE)
    }

    /// Accepts an extension that uses these reserved bits ([RFC 6455 §5.2]).
    ///
    /// Frames with these bits reach the application as [`Event::Extension`](crate::Event::Extension), and it can send
    /// such frames; see [`ExtensionFrame`](crate::ExtensionFrame). Any other reserved bit fails the connection. A bit
    /// can be claimed by one extension only.
    ///
    /// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    #[must_use]
    pub fn extension_claiming(mut self, extension: Extension<'_>, bits: Rsv) -> Self {
        self.claims.add(bits);
        self.extensions.push(extension.into_owned());
        self
    }

    /// Declines permessage-deflate on this connection, whatever the configuration allows.
    ///
    /// Use it for clients whose messages must not be compressed ([RFC 7692 §8]); single messages can be exempted with
    /// [`uncompressed`](crate::Outgoing::uncompressed).
    ///
    /// [RFC 7692 §8]: https://www.rfc-editor.org/rfc/rfc7692#section-8
    #[must_use]
    pub const fn uncompressed(mut self) -> Self {
        self.uncompressed = true;
        self
    }

    /// Adds a header field to the response. The fields of the handshake itself cannot be added.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push(name, value.as_ref());
        self
    }

    /// Builds the response to the client's offers. Without an accept value, it has no status line and no field that
    /// only HTTP/1.1 has.
    pub(super) fn into_response(
        mut self,
        accept_value: Option<&[u8; ACCEPT_LEN]>,
        offered: &Headers,
        deflate: Option<&DeflateConfig>,
    ) -> Result<Response, AcceptError> {
        let fields = self.fields.lines()?;
        let mut response = Vec::with_capacity(192 + fields.len());
        if let Some(accept_value) = accept_value {
            // §4.2.2 item 5: status line, Upgrade, Connection and the accept value.
            response.extend_from_slice(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
            );
            response.extend_from_slice(accept_value);
            response.extend_from_slice(b"\r\n");
        }
        if let Some(subprotocol) = &self.subprotocol {
            // §4.2.2 item 4: the client must have offered the subprotocol. Without one, there is no field.
            if !offered
                .list(HandshakeField::Protocol)
                .any(|offered| offered == subprotocol.as_bytes())
            {
                return Err(AcceptError::UnofferedSubprotocol);
            }
            write_field(&mut response, "Sec-WebSocket-Protocol", subprotocol.as_bytes());
        }
        for (index, extension) in self.extensions.iter().enumerate() {
            check_extension(extension, &self.extensions[..index], offered.extensions())?;
        }
        if self.claims.repeated != Rsv::NONE {
            return Err(AcceptError::ReservedBits(self.claims.repeated));
        }
        let deflate = match deflate.filter(|_| !self.uncompressed) {
            Some(config) => config.answer(offered.extensions()),
            None => None,
        };
        let deflate = match deflate {
            Some((params, answer)) => {
                // §5.2: two extensions cannot both use RSV1.
                if self.claims.bits.contains(Rsv::RSV1) || self.extensions.iter().any(takes_rsv1) {
                    return Err(AcceptError::ConflictingExtension);
                }
                self.extensions.push(answer);
                Some(params)
            }
            None => None,
        };
        write_extensions(&mut response, &self.extensions);
        response.extend_from_slice(fields);
        response.extend_from_slice(b"\r\n");
        let status = if accept_value.is_some() { 101 } else { 200 };
        log::accepted(
            Role::Server,
            status,
            self.subprotocol.as_deref(),
            self.extensions.iter(),
        );
        Ok(Response {
            bytes: response,
            subprotocol: self.subprotocol,
            deflate,
            reserved_bits: self.claims.bits,
        })
    }
}

/// An accepting response, and what was negotiated.
pub(super) struct Response {
    pub(super) bytes: Vec<u8>,
    pub(super) subprotocol: Option<Box<str>>,
    pub(super) deflate: Option<DeflateParams>,
    pub(super) reserved_bits: Rsv,
}

/// The reserved bits that extensions use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claims {
    pub(super) bits: Rsv,
    /// Those claimed by more than one extension.
    pub(super) repeated: Rsv,
}

impl Claims {
    pub(super) fn add(&mut self, bits: Rsv) {
        self.repeated = self.repeated | (self.bits & bits);
        self.bits = self.bits | bits;
    }
}

/// Returns whether this extension uses RSV1, judging by its name: those that transform messages (RFC 7692 §4), and
/// older ones that transform frames.
pub(super) fn takes_rsv1(extension: &Extension<'_>) -> bool {
    let name = extension.name();
    name.starts_with("permessage-") || name.ends_with("deflate-frame")
}

fn check_extension(
    extension: &Extension<'_>,
    accepted: &[Extension<'_>],
    mut offers: Extensions<'_>,
) -> Result<(), AcceptError> {
    if !extension.is_valid() {
        Err(AcceptError::InvalidExtension)
    } else if accepted.iter().any(|earlier| earlier.name() == extension.name()) {
        Err(AcceptError::RepeatedExtension)
    } else if !offers.any(|offer| offer.name() == extension.name()) {
        // §9.1: a server accepts only what the client offered.
        Err(AcceptError::UnofferedExtension)
    } else {
        Ok(())
    }
}

/// An accepted upgrade request: the response to send, and the outcome that starts the connection.
#[derive(Clone)]
pub struct Accepted {
    via: Via,
    response: Vec<u8>,
    negotiated: Negotiated,
}

/// The two ways to open a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// With HTTP/1.1.
    Upgrade,
    /// With HTTP/2 and HTTP/3.
    Connect,
}

impl Accepted {
    pub(super) const fn new(via: Via, response: Vec<u8>, negotiated: Negotiated) -> Self {
        Self {
            via,
            response,
            negotiated,
        }
    }

    /// Returns the bytes of the response. Frames may follow directly after them, but not precede them.
    ///
    /// The HTTP stack writes the response to an extended CONNECT, so in that case there are no bytes.
    #[must_use]
    pub fn response(&self) -> &[u8] {
        match self.via {
            Via::Upgrade => &self.response,
            Via::Connect => &[],
        }
    }

    /// Returns the outcome that starts the connection.
    #[must_use]
    pub fn into_negotiated(self) -> Negotiated {
        self.negotiated
    }

    /// Returns the bytes of the response and the outcome.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Negotiated) {
        let response = match self.via {
            Via::Upgrade => self.response,
            Via::Connect => Vec::new(),
        };
        (response, self.negotiated)
    }

    /// Returns the way in which the request came, and bytes that contain the fields of the response.
    #[cfg(feature = "http")]
    pub(super) fn head(&self) -> (Via, &[u8]) {
        (self.via, &self.response)
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("via", &self.via)
            .field("response", &Count(&self.response))
            .field("negotiated", &self.negotiated)
            .finish()
    }
}

/// A response that rejects an upgrade request ([RFC 6455 §4.2.2](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2)).
///
/// ```
/// use websocket_proto::handshake::Rejection;
///
/// let rejection = Rejection::new(401).header("WWW-Authenticate", "Basic").body("Who are you?");
/// assert_eq!(
///     rejection.to_bytes().unwrap(),
///     b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWWW-Authenticate: Basic\r\n\
///       Content-Length: 12\r\n\r\nWho are you?"
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Rejection {
    status: u16,
    fields: ExtraFields,
    body: Vec<u8>,
}

impl Rejection {
    /// Creates a rejection with a status from 200 to 999 and no body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self {
            status,
            fields: ExtraFields::default(),
            body: Vec::new(),
        }
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Adds a header field. `Connection` and `Content-Length` are written automatically.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push(name, value.as_ref());
        self
    }

    /// Sets the body. Add a `Content-Type` with [`header`](Self::header) if needed.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns the complete HTTP/1.1 response, after which the server closes the connection.
    ///
    /// # Errors
    ///
    /// - [`RejectError::Status`] for a status below 200, including 101, or above 999;
    /// - [`RejectError::Body`] for a body with 204, 205 or 304, which cannot have one;
    /// - [`RejectError::Header`] for a header field that cannot be sent.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RejectError> {
        let mut response = self.head()?;
        response.extend_from_slice(&self.body);
        Ok(response)
    }

    /// Returns everything before the body.
    pub(super) fn head(&self) -> Result<Vec<u8>, RejectError> {
        let fields = self.fields.lines()?;
        if !(200..=999).contains(&self.status) {
            return Err(RejectError::Status);
        }
        if matches!(self.status, 204 | 205 | 304) && !self.body.is_empty() {
            return Err(RejectError::Body);
        }
        Ok(response_head(self.status, fields, self.body.len()))
    }

    /// Logs that a request was rejected with this, or that it could not be.
    pub(super) fn log<T>(&self, outcome: &Result<T, RejectError>) {
        match outcome {
            Ok(_) => log::refused(Role::Server, Some(self.status), &"rejected by the application"),
            Err(error) => log::refused_for_mistake(500, error),
        }
    }

    #[cfg(feature = "http")]
    pub(super) fn body_bytes(&self) -> &[u8] {
        &self.body
    }
}

/// Returns the response to a request that violates a rule. It has no body.
pub(super) fn error_head(status: u16) -> Vec<u8> {
    // RFC 9110 §15.5.6: the response to a wrong method names the right ones.
    response_head(status, if status == 405 { b"Allow: GET\r\n" } else { b"" }, 0)
}

fn response_head(status: u16, fields: &[u8], body_len: usize) -> Vec<u8> {
    let mut response = Vec::with_capacity(192 + fields.len() + body_len);
    response.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", reason(status)).as_bytes());
    if status == 426 {
        // RFC 9110 §15.5.22, §7.8: the response names the protocol to upgrade to, and Connection names that field.
        write_field(&mut response, "Connection", b"Upgrade, close");
        write_field(&mut response, "Upgrade", b"websocket");
        // §4.4: the versions that the server supports.
        write_field(&mut response, "Sec-WebSocket-Version", b"13");
    } else {
        write_field(&mut response, "Connection", b"close");
    }
    response.extend_from_slice(fields);
    // RFC 9110 §8.6: no Content-Length with 204; with 304 it would be that of the response to another request.
    if !matches!(status, 204 | 304) {
        write_field(&mut response, "Content-Length", body_len.to_string().as_bytes());
    }
    response.extend_from_slice(b"\r\n");
    response
}

/// Returns the reason phrase of a status. It is for humans, so other statuses are sent without one.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        414 => "URI Too Long",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

impl HandshakeError {
    /// Returns the complete HTTP response with which a server answers this error, after which it closes the connection.
    ///
    /// A client never answers an error.
    ///
    /// ```
    /// use websocket_proto::{Config, handshake::ServerHandshake};
    ///
    /// let mut handshake = ServerHandshake::new(&Config::new());
    /// let error = handshake.receive(b"POST / HTTP/1.1\r\nHost: example.com\r\n\r\n").unwrap_err();
    /// assert_eq!(
    ///     error.response().unwrap(),
    ///     b"HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nAllow: GET\r\nContent-Length: 0\r\n\r\n"
    /// );
    /// ```
    #[must_use]
    pub fn response(&self) -> Option<Vec<u8>> {
        self.status().map(error_head)
    }
}
