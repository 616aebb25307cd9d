//! Whether another attempt makes sense: the table in the documentation of the module, as code.
//!
//! Every variant of this crate's own errors is named, so that a new one cannot be forgotten here.

#[cfg(feature = "std")]
use std::io;

use super::Wait;
#[cfg(feature = "rustls")]
use crate::error::TlsError;
#[cfg(feature = "std")]
use crate::error::{Error, ProxyError, RedirectError};
use crate::{
    connection::{CloseInfo, ProtocolError, Side},
    frame::CloseCode,
    handshake::HandshakeError,
};

/// What the end of a connection, or a failed attempt, means for the next attempt.
///
/// Everything that can end a connection converts into it with `From`, after the [table](super#verdicts) of the module.
///
/// An application that knows better, for example what its codes above 4000 mean or how to get new credentials, decides
/// first and leaves the rest to this type:
///
/// ```
/// use websocket_proto::{
///     CloseInfo, Error,
///     handshake::HandshakeError,
///     reconnect::{Verdict, Wait},
/// };
///
/// fn of_end(info: &CloseInfo) -> Verdict {
///     match info.code.value() {
///         4001 => Verdict::Retry(Wait::Backoff), // sent by our servers when a session has moved
///         _ => Verdict::from(info),
///     }
/// }
///
/// fn of_failure(error: &Error) -> Verdict {
///     match error {
///         Error::Handshake(HandshakeError::Refused(refusal)) if refusal.status() == 401 => {
///             // The function that connects gets a new token for each attempt.
///             Verdict::Retry(Wait::Backoff)
///         }
///         error => Verdict::from(error),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The connection was closed on purpose: no further connection is needed.
    Finished,
    /// Another attempt would fail in the same way.
    Fatal,
    /// Another attempt will probably fail in the same way, unless something between the two sides is to blame: a
    /// captive portal, a gateway that does not know its server yet, a wrong clock. So it is worth some attempts, for
    /// [`Policy::give_up_unlikely_after`](super::Policy::give_up_unlikely_after).
    Unlikely(Wait),
    /// Another attempt may succeed.
    Retry(Wait),
}

impl Verdict {
    const RETRY: Self = Self::Retry(Wait::Backoff);
    const UNLIKELY: Self = Self::Unlikely(Wait::Backoff);

    /// Returns whether another attempt is made: the verdict is `Retry`, or `Unlikely` and the [`Policy`](super::Policy)
    /// allows it.
    #[must_use]
    pub const fn is_retry(self) -> bool {
        matches!(self, Self::Retry(_) | Self::Unlikely(_))
    }

    /// Returns the verdict on a response with this status, which asks for this wait.
    const fn of_status(status: u16, wait: Wait) -> Self {
        match status {
            // RFC 9110 §15: a status of no class counts as 5xx.
            408 | 425 | 429 | 500 | 502..=504 | 506.. => Self::Retry(wait),
            0..=399 | 403 | 404 | 409 | 421 | 501 | 505 => Self::Unlikely(wait),
            400..=499 => Self::Fatal,
        }
    }
}

impl From<CloseCode> for Verdict {
    /// Judges a Close that the peer sent first.
    fn from(code: CloseCode) -> Self {
        match code.value() {
            // Normal closure; no code.
            1000 | 1005 => Self::Finished,
            // Protocol error; unsupported data; invalid payload; policy; message too big; extension required.
            1002 | 1003 | 1007..=1010 => Self::UNLIKELY,
            // Service restart.
            1012 => Self::Retry(Wait::Restart),
            // Try again later.
            1013 => Self::Retry(Wait::Longest),
            // Going away; abnormal closure; internal error; bad gateway; TLS handshake.
            1001 | 1006 | 1011 | 1014 | 1015 => Self::RETRY,
            // Registered with IANA: a timeout.
            3008 => Self::RETRY,
            3000..=4999 => Self::Fatal,
            // Reserved or not assigned.
            0..=999 | 1004 | 1016..=2999 | 5000.. => Self::RETRY,
        }
    }
}

impl From<&CloseInfo> for Verdict {
    /// Judges a connection that was open. It is enough to know this, however the connection ended.
    fn from(info: &CloseInfo) -> Self {
        match (info.initiator, info.failure) {
            // The application wanted to close, whether the peer cooperated or not.
            (Side::Local, None) => Self::Finished,
            (Side::Local, Some(failure)) if info.sent.is_some_and(|sent| sent != failure.close_code()) => {
                Self::Finished
            }
            (Side::Local, Some(failure)) => failure.into(),
            (Side::Peer, Some(failure)) if info.code == CloseCode::ABNORMAL => failure.into(),
            (Side::Peer, _) => info.code.into(),
        }
    }
}

impl From<Option<CloseInfo>> for Verdict {
    /// Judges the value of a connection's `close_info` method. `None` means that the connection was given up while it
    /// was open, which is worth a retry.
    fn from(info: Option<CloseInfo>) -> Self {
        info.as_ref().map_or(Self::RETRY, Self::from)
    }
}

impl From<ProtocolError> for Verdict {
    /// Judges a connection that was lost, or that this side has failed.
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::ConnectionLost | ProtocolError::TimedOut(_) => Self::RETRY,
            // The peer may send the same again, or may not.
            ProtocolError::Frame(_)
            | ProtocolError::ReservedBits(_)
            | ProtocolError::UnmaskedFrame
            | ProtocolError::MaskedFrame
            | ProtocolError::UnexpectedContinuation
            | ProtocolError::InterleavedMessage
            | ProtocolError::FrameTooBig
            | ProtocolError::MessageTooBig
            | ProtocolError::TooManyFragments
            | ProtocolError::InvalidUtf8
            | ProtocolError::InvalidCompression
            | ProtocolError::ClosePayload(_) => Self::UNLIKELY,
        }
    }
}

impl From<&HandshakeError> for Verdict {
    /// Judges an opening handshake that failed.
    fn from(error: &HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(refusal) => {
                Self::of_status(refusal.status(), Wait::requested_by(refusal.headers()))
            }
            HandshakeError::Eof | HandshakeError::TimedOut => Self::RETRY,
            // This is not a WebSocket server, or does not speak for it.
            HandshakeError::NotHttp
            | HandshakeError::MalformedHead
            | HandshakeError::HeadTooLarge
            | HandshakeError::TooManyFields
            | HandshakeError::HttpVersion
            | HandshakeError::MissingField(_)
            | HandshakeError::RepeatedField(_)
            | HandshakeError::InvalidField(_)
            | HandshakeError::TooManyInterimResponses
            | HandshakeError::AcceptMismatch => Self::UNLIKELY,
            // The server selects something that this client does not offer, or nothing that it requires.
            HandshakeError::UnofferedSubprotocol
            | HandshakeError::NoSubprotocol
            | HandshakeError::UnofferedExtension
            | HandshakeError::RepeatedExtension
            | HandshakeError::ReservedBits(_)
            | HandshakeError::Deflate(_) => Self::Fatal,
            // Errors of a server, and of the program.
            HandshakeError::TargetTooLong
            | HandshakeError::Method
            | HandshakeError::Protocol
            | HandshakeError::Target
            | HandshakeError::Body
            | HandshakeError::ForbiddenField(_)
            | HandshakeError::RepeatedSubprotocol
            | HandshakeError::Origin
            | HandshakeError::Ended => Self::Fatal,
        }
    }
}

#[cfg(feature = "std")]
impl From<&Error> for Verdict {
    /// Judges any error of the shells.
    fn from(error: &Error) -> Self {
        match error {
            Error::Handshake(error) => error.into(),
            Error::Protocol(error) => (*error).into(),
            Error::Io(error) | Error::Lookup(error) | Error::Connect(error) => Self::of_io(error.kind()),
            Error::Proxy(error) => Self::of_proxy(error),
            Error::Redirect(RedirectError::TooMany | RedirectError::Location(_) | RedirectError::Insecure) => {
                Self::Fatal
            }
            #[cfg(feature = "rustls")]
            Error::Tls(error) => Self::of_tls(error),
            Error::Request(_)
            | Error::Uri(_)
            | Error::Accept(_)
            | Error::Reject(_)
            | Error::Rejected(_)
            | Error::Entropy(_)
            | Error::TlsUnavailable
            | Error::FragmentDelivery
            | Error::ExtensionFrame => Self::Fatal,
            Error::TimedOut(_) => Self::RETRY,
            // A call was refused. That says nothing about the connection, whose close information would.
            Error::Send(_) => Self::RETRY,
        }
    }
}

#[cfg(feature = "std")]
impl Verdict {
    const fn of_io(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => Self::Fatal,
            // TLS libraries report what is wrong with a certificate, among others, as invalid data.
            io::ErrorKind::InvalidData => Self::UNLIKELY,
            _ => Self::RETRY,
        }
    }

    /// Returns the verdict on a proxy that does not lead to the server.
    fn of_proxy(error: &ProxyError) -> Self {
        match error {
            ProxyError::Refused(refusal) => Self::of_status(refusal.status(), Wait::requested_by(refusal.headers())),
            #[cfg(feature = "rustls")]
            ProxyError::Tls(error) => Self::of_tls(error),
            ProxyError::Head(error) => error.into(),
            ProxyError::SocksRefused(reply) => match reply {
                // RFC 1928 §6: forbidden by the rules of the proxy.
                2 => Self::UNLIKELY,
                // The command or the type of address is not supported.
                7 | 8 => Self::Fatal,
                // General failure; network unreachable; host unreachable; connection refused; TTL expired; not
                // assigned.
                0 | 1 | 3..=6 | 9.. => Self::RETRY,
            },
            ProxyError::Eof => Self::RETRY,
            ProxyError::Malformed => Self::UNLIKELY,
            ProxyError::Url
            | ProxyError::Scheme
            | ProxyError::InvalidCredentials
            | ProxyError::HostTooLong
            | ProxyError::SocksCredentials => Self::Fatal,
        }
    }

    /// Returns the verdict on TLS that was not established.
    #[cfg(feature = "rustls")]
    const fn of_tls(error: &TlsError) -> Self {
        match error {
            TlsError::NoCryptoProvider | TlsError::NoRoots | TlsError::InvalidRoot(_) | TlsError::ServerName => {
                Self::Fatal
            }
            TlsError::HostName(_) | TlsError::Certificate(_) => Self::UNLIKELY,
            TlsError::Failed(error) => Self::of_rustls(error),
        }
    }

    #[cfg(feature = "rustls")]
    const fn of_rustls(error: &rustls::Error) -> Self {
        use rustls::{AlertDescription as Alert, Error};
        match error {
            // This is not a TLS server, or not one that this client can use.
            Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerIncompatible(_)
            | Error::PeerMisbehaved(_)
            | Error::PeerSentOversizedRecord
            | Error::NoCertificatesPresented
            | Error::NoApplicationProtocol => Self::UNLIKELY,
            // The server refuses this client.
            Error::AlertReceived(
                Alert::HandshakeFailure
                | Alert::ProtocolVersion
                | Alert::InsufficientSecurity
                | Alert::UnrecognisedName
                | Alert::NoApplicationProtocol
                | Alert::AccessDenied
                | Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA,
            ) => Self::UNLIKELY,
            _ => Self::RETRY,
        }
    }
}
