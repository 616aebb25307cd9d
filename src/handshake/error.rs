//! Why an opening handshake fails, and what a server answers then.

use alloc::boxed::Box;

use super::{headers::HandshakeField, refusal::Refusal, uri::UriError};
use crate::{deflate::params::DeflateError, frame::Rsv};

/// Why an opening handshake failed.
///
/// Nothing but [`response`](Self::response) may be sent on the connection afterwards: it never became a WebSocket
/// connection, so there is no closing handshake ([RFC 6455 §7.1.7]).
///
/// [RFC 6455 §7.1.7]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The first byte cannot start an HTTP head. Often the peer speaks TLS to an endpoint that does not.
    #[error("the peer does not speak HTTP/1.1")]
    NotHttp,
    /// The head breaks the grammar of HTTP.
    #[error("malformed HTTP head")]
    MalformedHead,
    /// The head is larger than [`Limits::max_head_size`](crate::Limits::max_head_size).
    #[error("the HTTP head is too large")]
    HeadTooLarge,
    /// The head has more fields than [`Limits::max_head_fields`](crate::Limits::max_head_fields).
    #[error("the HTTP head has too many fields")]
    TooManyFields,
    /// The request line alone is larger than [`Limits::max_head_size`](crate::Limits::max_head_size).
    #[error("the request target is too long")]
    TargetTooLong,
    /// The version of HTTP is not one for this way to open a connection: 1.1 for an upgrade, 2 or 3 for an extended
    /// CONNECT.
    #[error("the HTTP version is not supported")]
    HttpVersion,
    /// The method of the request is not `GET`, or, with HTTP/2, not `CONNECT`.
    #[error("the request method does not open a connection")]
    Method,
    /// An extended CONNECT asks for another protocol than `websocket` ([RFC 8441 §4]).
    ///
    /// [RFC 8441 §4]: https://www.rfc-editor.org/rfc/rfc8441#section-4
    #[error("the request is for another protocol")]
    Protocol,
    /// The request target is neither a path nor an absolute `http` or `https` URI. With HTTP/2, a part of it is missing.
    #[error("invalid request target")]
    Target,
    /// The request announces a body.
    #[error("the request announces a body")]
    Body,
    /// A field that must be there is missing.
    #[error("{0} is missing")]
    MissingField(HandshakeField),
    /// A field that must occur once occurs several times.
    #[error("{0} is repeated")]
    RepeatedField(HandshakeField),
    /// A field is there that HTTP/2 does not have.
    #[error("{0} is not a field of HTTP/2")]
    ForbiddenField(HandshakeField),
    /// A field has a value that it must not have.
    #[error("{0} is invalid")]
    InvalidField(HandshakeField),
    /// The client offers the same subprotocol twice.
    #[error("a subprotocol is offered twice")]
    RepeatedSubprotocol,
    /// The [`OriginPolicy`](super::OriginPolicy) does not allow the origin of the request.
    #[error("the origin is not allowed")]
    Origin,
    /// The server answered with a status other than 101 (with HTTP/2, none of 2xx). The response says more.
    #[error("the server refused with status {}", .0.status())]
    Refused(Box<Refusal>),
    /// The server sent too many interim responses before the final one.
    #[error("too many interim responses")]
    TooManyInterimResponses,
    /// The accept value of the server does not belong to the key of the client.
    #[error("Sec-WebSocket-Accept does not match the key")]
    AcceptMismatch,
    /// The server selected a subprotocol that the client did not offer.
    #[error("the server selected a subprotocol that was not offered")]
    UnofferedSubprotocol,
    /// The server selected no subprotocol, though [the client requires one](super::ClientRequest::require_subprotocol).
    #[error("the server selected no subprotocol")]
    NoSubprotocol,
    /// The server accepted an extension that the client did not offer.
    #[error("the server accepted an extension that was not offered")]
    UnofferedExtension,
    /// The server accepted the same extension twice.
    #[error("the server accepted an extension twice")]
    RepeatedExtension,
    /// The server accepted extensions that give the same reserved bits a meaning ([RFC 6455 §5.2]).
    ///
    /// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    #[error("the server accepted extensions that claim the same reserved bits ({:#05b})", .0.bits())]
    ReservedBits(Rsv),
    /// The server's answer about permessage-deflate breaks a rule, or is not one to what the client offered.
    #[error("invalid answer about permessage-deflate: {0}")]
    Deflate(#[from] DeflateError),
    /// The transport ended before the handshake did.
    #[error("the connection ended during the opening handshake")]
    Eof,
    /// The deadline passed before the handshake ended.
    #[error("the opening handshake took too long")]
    TimedOut,
    /// The handshake has already ended, with a result or with an error.
    #[error("the opening handshake has already ended")]
    Ended,
}

impl HandshakeError {
    /// The status with which a server answers this error. `None` where there is nothing to answer.
    ///
    /// A client answers nothing, whatever the error.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        Some(match self {
            Self::NotHttp | Self::MalformedHead | Self::Target | Self::Body | Self::RepeatedSubprotocol => 400,
            // §4.4: the answer to an unsupported version lists the supported ones, and 426 says what to upgrade to.
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

/// Why a header field of the application cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is not a token, or longer than 65,535 bytes.
    #[error("invalid header field name")]
    Name,
    /// The value has a control character.
    #[error("invalid header field value")]
    Value,
    /// The handshake itself writes this field. What may be chosen about it has a method of its own.
    #[error("the header field belongs to the handshake")]
    Reserved,
    /// There are more than 4,096 fields.
    #[error("too many header fields")]
    TooMany,
}

/// Why a request cannot be accepted in the way the application asks for. The request can still be rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// A header field cannot be sent.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The client did not offer the subprotocol.
    #[error("the client did not offer the subprotocol")]
    UnofferedSubprotocol,
    /// The client did not offer the extension.
    #[error("the client did not offer the extension")]
    UnofferedExtension,
    /// The same extension is accepted twice.
    #[error("the extension is accepted twice")]
    RepeatedExtension,
    /// Two extensions claim the same reserved bits.
    #[error("two extensions claim the same reserved bits ({:#05b})", .0.bits())]
    ReservedBits(Rsv),
    /// An extension of the application's would take the reserved bit that permessage-deflate, which is in the
    /// configuration, has a use for.
    #[error("the extension conflicts with permessage-deflate of the configuration")]
    ConflictingExtension,
    /// A name or a value in an extension is not a token.
    #[error("an extension has a name or a value that is not a token")]
    InvalidExtension,
}

/// Why a rejection is no valid HTTP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RejectError {
    /// A header field cannot be sent.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The status is not between 200 and 999, or does not reject.
    #[error("the status does not reject a request")]
    Status,
    /// A response with this status has no body.
    #[error("a response with this status has no body")]
    Body,
}

/// Why an upgrade request cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A header field cannot be sent.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A field of the handshake is given with another value than the handshake sends.
    #[error("{0} is written by the handshake, with another value")]
    Field(HandshakeField),
    /// The method is not `GET`.
    #[error("the method is not GET")]
    Method,
    /// The URI is not one of a WebSocket.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The origin is empty or has characters that no origin has.
    #[error("invalid origin")]
    Origin,
    /// A subprotocol is not a token.
    #[error("a subprotocol is not a token")]
    InvalidSubprotocol,
    /// A subprotocol is offered twice.
    #[error("a subprotocol is offered twice")]
    RepeatedSubprotocol,
    /// An extension is offered several times, and claims other reserved bits each time.
    #[error("an extension is offered with different reserved bits")]
    ReservedBits,
    /// An extension of the application's would take the reserved bit that permessage-deflate, which is in the
    /// configuration, has a use for.
    #[error("the extension conflicts with permessage-deflate of the configuration")]
    ConflictingExtension,
    /// A name or a value in an extension is not a token.
    #[error("an extension has a name or a value that is not a token")]
    InvalidExtension,
}
