//! Errors of the opening handshake, and the status with which a server answers them.

use alloc::boxed::Box;
use core::{fmt, ops::Deref};

use super::{headers::HandshakeField, refusal::Refusal, uri::UriError};
use crate::{deflate::params::DeflateError, frame::Rsv};

/// Why an opening handshake failed.
///
/// After it, only the [`response`](Self::response) may be sent: this never became a WebSocket connection, so there is
/// no closing handshake ([RFC 6455 §7.1.7]).
///
/// [RFC 6455 §7.1.7]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The first byte cannot start an HTTP head. Often, the peer speaks TLS to an endpoint without TLS.
    #[error("the peer does not speak HTTP/1.1")]
    NotHttp,
    /// The head violates the grammar of HTTP.
    #[error("malformed HTTP head")]
    MalformedHead,
    /// The head is larger than [`Limits::max_head_size`](crate::Limits::max_head_size).
    #[error("HTTP head is too large")]
    HeadTooLarge,
    /// The head has more fields than [`Limits::max_head_fields`](crate::Limits::max_head_fields).
    #[error("HTTP head has too many fields")]
    TooManyFields,
    /// The request line alone is larger than [`Limits::max_head_size`](crate::Limits::max_head_size).
    #[error("request target is too long")]
    TargetTooLong,
    /// The HTTP version does not match the way of opening a connection: 1.1 for an upgrade, 2 or 3 for an extended
    /// CONNECT.
    #[error("unsupported HTTP version")]
    HttpVersion,
    /// The request method is not `GET`, or with HTTP/2 not `CONNECT`.
    #[error("request method cannot open a WebSocket connection")]
    Method,
    /// An extended CONNECT asks for a protocol other than `websocket` ([RFC 8441 §4]).
    ///
    /// [RFC 8441 §4]: https://www.rfc-editor.org/rfc/rfc8441#section-4
    #[error("request asks for a protocol other than websocket")]
    Protocol,
    /// The request target is neither a path nor an absolute `http` or `https` URI, or with HTTP/2, part of it is
    /// missing.
    #[error("invalid request target")]
    Target,
    /// The request announces a body.
    #[error("request announces a body")]
    Body,
    /// A required field is missing.
    #[error("header field {0} is missing")]
    MissingField(HandshakeField),
    /// A field that must occur only once is repeated.
    #[error("header field {0} is repeated")]
    RepeatedField(HandshakeField),
    /// A field that an extended CONNECT of HTTP/2 or HTTP/3 must not have.
    #[error("header field {0} is not allowed in an extended CONNECT request")]
    ForbiddenField(HandshakeField),
    /// A field has an invalid value.
    #[error("header field {0} is invalid")]
    InvalidField(HandshakeField),
    /// The client offers the same subprotocol twice.
    #[error("subprotocol is offered twice")]
    RepeatedSubprotocol,
    /// The [`OriginPolicy`](super::OriginPolicy) does not allow the request's origin.
    #[error("origin is not allowed")]
    Origin,
    /// The server answered with a status other than 101 (with HTTP/2, other than 2xx). The [`Refusal`] has the details.
    #[error("server refused with status {}", .0.status())]
    Refused(Box<Refusal>),
    /// The server sent too many interim responses before the final one.
    #[error("too many interim responses")]
    TooManyInterimResponses,
    /// The server's accept value does not belong to the client's key.
    #[error("Sec-WebSocket-Accept does not match the key")]
    AcceptMismatch,
    /// The server selected a subprotocol that the client did not offer.
    #[error("server selected a subprotocol that was not offered")]
    UnofferedSubprotocol,
    /// The server selected no subprotocol, although [the client requires
    /// one](super::ClientRequest::require_subprotocol).
    #[error("server selected no subprotocol")]
    NoSubprotocol,
    /// The server accepted an extension that the client did not offer.
    #[error("server accepted an extension that was not offered")]
    UnofferedExtension,
    /// The server accepted the same extension twice.
    #[error("server accepted an extension twice")]
    RepeatedExtension,
    /// The server accepted several extensions that use the same reserved bits ([RFC 6455 §5.2]).
    ///
    /// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    #[error("server accepted extensions that claim the same reserved bits ({:#05b})", .0.bits())]
    ReservedBits(Rsv),
    /// The server's permessage-deflate response violates a rule, or does not match the client's offer.
    #[error("invalid permessage-deflate response: {0}")]
    Deflate(DeflateError),
    /// The transport ended before the handshake did.
    #[error("connection ended during the opening handshake")]
    Eof,
    /// The deadline passed before the handshake had ended.
    #[error("opening handshake timed out")]
    TimedOut,
    /// The handshake has already ended, with a result or with an error.
    #[error("opening handshake has already ended")]
    Ended,
}

impl From<DeflateError> for HandshakeError {
    fn from(error: DeflateError) -> Self {
        Self::Deflate(error)
    }
}

impl HandshakeError {
    /// Returns the status with which a server answers this error, or `None` if there is nothing to answer.
    ///
    /// A client never answers an error.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        Some(match self {
            Self::NotHttp | Self::MalformedHead | Self::Target | Self::Body | Self::RepeatedSubprotocol => 400,
            // §4.4: the answer to an unsupported version lists the supported ones, and 426 names the protocol to
            // upgrade to.
            Self::MissingField(HandshakeField::Upgrade | HandshakeField::Version)
            | Self::InvalidField(HandshakeField::Upgrade | HandshakeField::Version) => 426,
            Self::MissingField(_) | Self::RepeatedField(_) | Self::InvalidField(_) | Self::ForbiddenField(_) => 400,
            Self::Origin => 403,
            Self::Method => 405,
            Self::TimedOut => 408,
            Self::TargetTooLong => 414,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::Protocol => 501,
            Self::HttpVersion => 505,
            Self::Refused(_)
            | Self::TooManyInterimResponses
            | Self::AcceptMismatch
            | Self::UnofferedSubprotocol
            | Self::NoSubprotocol
            | Self::UnofferedExtension
            | Self::RepeatedExtension
            | Self::ReservedBits(_)
            | Self::Deflate(_)
            | Self::Eof
            | Self::Ended => return None,
        })
    }
}

/// Why one of the application's header fields cannot be sent. It has the name of the field, but not the value, which may
/// be a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is not a token, or longer than 65,535 bytes.
    #[error("invalid header field name {0:?}")]
    Name(FieldName),
    /// The value contains a control character.
    #[error("invalid value of the header field {0}")]
    Value(FieldName),
    /// The handshake itself writes this field. Use the methods for what can be chosen about it.
    #[error("header field {0} is written by the handshake: host, origin, subprotocols and extensions have methods")]
    Reserved(FieldName),
    /// There are more than 4,096 fields.
    #[error("too many header fields")]
    TooMany,
}

/// The name of a header field, as the application wrote it.
///
/// It derefs to a [`str`]. What is printed ends at a colon: a whole line in the place of a name may contain a credential.
#[derive(Clone, PartialEq, Eq)]
// Boxed twice, since an error with the length beside the pointer would be larger than a `Result` should be.
pub struct FieldName(Box<Box<str>>);

impl From<&str> for FieldName {
    fn from(name: &str) -> Self {
        Self(Box::new(name.into()))
    }
}

impl Deref for FieldName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl FieldName {
    fn shown(&self) -> &str {
        self.split_inclusive(':').next().unwrap_or_default()
    }
}

impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.shown(), f)
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.shown(), f)
    }
}

/// Why a request cannot be accepted as the application asked. The request can still be rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// A header field cannot be sent.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The client did not offer the subprotocol.
    #[error("client did not offer the subprotocol")]
    UnofferedSubprotocol,
    /// The client did not offer the extension.
    #[error("client did not offer the extension")]
    UnofferedExtension,
    /// The same extension is accepted twice.
    #[error("extension is accepted twice")]
    RepeatedExtension,
    /// Two extensions claim the same reserved bits.
    #[error("two extensions claim the same reserved bits ({:#05b})", .0.bits())]
    ReservedBits(Rsv),
    /// An extension of the application would use the reserved bit of permessage-deflate, which the configuration
    /// enables.
    #[error("extension conflicts with the configured permessage-deflate")]
    ConflictingExtension,
    /// A name or value in an extension is not a token.
    #[error("extension name or value is not a token")]
    InvalidExtension,
}

/// Why a rejection is not a valid HTTP response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectError {
    /// A header field cannot be sent.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The status is not between 200 and 999, or does not reject.
    #[error("status does not reject a request")]
    Status,
    /// A response with this status cannot have a body.
    #[error("response with this status cannot have a body")]
    Body,
}

/// Why an upgrade request cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A header field cannot be sent.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A field of an `http::Request` that belongs to the handshake has a value that the handshake cannot send.
    #[error("header field {0} has a value that the handshake cannot send")]
    Field(HandshakeField),
    /// The `Host` is not a host with an optional port.
    #[error("invalid host")]
    Host,
    /// The method is not `GET`.
    #[error("method is not GET")]
    Method,
    /// The URI is not a valid WebSocket URI.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The origin is empty or contains invalid characters.
    #[error("invalid origin")]
    Origin,
    /// A subprotocol is not a token.
    #[error("subprotocol is not a token")]
    InvalidSubprotocol,
    /// A subprotocol is offered twice.
    #[error("subprotocol is offered twice")]
    RepeatedSubprotocol,
    /// An extension is offered several times, claiming different reserved bits.
    #[error("extension is offered with different reserved bits")]
    ReservedBits,
    /// An extension of the application would use the reserved bit of permessage-deflate, which the configuration
    /// enables.
    #[error("extension conflicts with the configured permessage-deflate")]
    ConflictingExtension,
    /// A name or value in an extension is not a token.
    #[error("extension name or value is not a token")]
    InvalidExtension,
}
