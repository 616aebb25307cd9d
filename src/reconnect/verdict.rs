//! Whether another attempt makes sense.
//!
//! The rule that the tables follow: an error made by the client, or a refusal by the server, would recur, so it is fatal.
//! Anything that may be temporary is worth a retry, and so is anything not listed yet.

use core::time::Duration;
#[cfg(feature = "std")]
use std::io;

#[cfg(feature = "rustls")]
use crate::error::TlsError;
#[cfg(feature = "std")]
use crate::error::{Error, ProxyError};
use crate::{
    connection::{CloseInfo, ProtocolError, Side, Timer},
    frame::CloseCode,
    handshake::{HandshakeError, Refusal},
};

/// What the end of a connection, or a failed attempt, means for the next attempt.
///
/// Everything that can end a connection converts into it with `From`:
///
/// | end | verdict |
/// |---|---|
/// | closed by this side | `Finished` |
/// | closed by the peer with 1000 or without a code | `Finished` |
/// | closed with 1001 (going away), 1011 (internal error), 1014 (bad gateway), 3008 (timeout) | `Retry` |
/// | closed with 1012 (service restart) | `Retry` after 5 to 30 s |
/// | closed with 1013 (try again later) | `Retry` after the longest delay |
/// | closed with 1002, 1003, 1007, 1009, 1010: this side made an error | `Fatal` |
/// | closed with 1008 (policy), or 3000 to 4999, the application's own codes | `Fatal` |
/// | lost without a Close (1006), timed out, failed because the peer violated the protocol | `Retry` |
/// | refused with 408, 425, 429 or 5xx | `Retry`, not before `Retry-After` |
/// | refused with any other status, among them 3xx, 401, 403, 404, 410 and 426 | `Fatal` |
/// | a response that is not that of a WebSocket server, or selects what was not offered | `Fatal` |
/// | an I/O error of kind `InvalidInput`, `Unsupported` or `InvalidData` | `Fatal` |
/// | any other I/O error, such as a refused connection or a name that cannot be looked up; a deadline that passed | `Retry` |
/// | no TLS feature, provider or root certificates, a certificate that is not trusted, a server that does not speak TLS | `Fatal` |
/// | any other failure of TLS | `Retry` |
/// | a proxy that answers with 408, 425, 429 or 5xx, cannot reach the server, or ends the connection | `Retry` |
/// | any other failure of a proxy, among them 407, an invalid URL and a missing feature | `Fatal` |
/// | a redirect that is not followed | `Fatal` |
/// | an invalid URI or request, no entropy | `Fatal` |
///
/// An application that knows better, for example what its codes above 4000 mean, decides first and leaves the rest to
/// this type:
///
/// ```
/// use websocket_proto::{CloseInfo, reconnect::{Verdict, Wait}};
///
/// fn verdict(info: &CloseInfo) -> Verdict {
///     match info.code.value() {
///         4001 => Verdict::Retry(Wait::Backoff), // sent by our servers when a session has moved
///         _ => Verdict::from(info),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The connection was closed on purpose: no further connection is needed.
    Finished,
    /// Another attempt would fail in the same way.
    Fatal,
    /// Another attempt may succeed.
    Retry(Wait),
}

/// How long to wait before another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wait {
    /// The next delay of the sequence.
    #[default]
    Backoff,
    /// The next delay of the sequence, added to this duration, as `Retry-After` requests ([RFC 9110 §10.2.3]).
    ///
    /// [RFC 9110 §10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    AtLeast(Duration),
    /// A random delay from 5 s to 30 s, or the next delay of the sequence if that is longer, as close code 1012
    /// (service restart) requests.
    Restart,
    /// The longest delay of the sequence, at once. Close code 1013 (try again later) asks clients to leave an
    /// overloaded service alone until a user wants to connect, or to use another address of it.
    Longest,
}

impl Verdict {
    const RETRY: Self = Self::Retry(Wait::Backoff);

    /// Returns whether another attempt may succeed.
    #[must_use]
    pub const fn is_retry(self) -> bool {
        matches!(self, Self::Retry(_))
    }

    /// Returns the verdict on a response with this status. `retry_after` is the delay that its `Retry-After` field
    /// requests.
    const fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match (status, retry_after) {
            (408 | 425 | 429 | 500..=599, Some(asked)) => Self::Retry(Wait::AtLeast(asked)),
            (408 | 425 | 429 | 500..=599, None) => Self::RETRY,
            _ => Self::Fatal,
        }
    }
}

impl From<CloseCode> for Verdict {
    /// Judges a Close that the peer sent first.
    fn from(code: CloseCode) -> Self {
        match code {
            CloseCode::NORMAL | CloseCode::NO_STATUS => Self::Finished,
            CloseCode::SERVICE_RESTART => Self::Retry(Wait::Restart),
            CloseCode::TRY_AGAIN_LATER => Self::Retry(Wait::Longest),
            CloseCode::PROTOCOL_ERROR
            | CloseCode::UNSUPPORTED
            | CloseCode::INVALID_PAYLOAD
            | CloseCode::POLICY
            | CloseCode::TOO_BIG
            | CloseCode::EXTENSION_REQUIRED => Self::Fatal,
            code => match code.value() {
                // Registered with IANA: a timeout.
                3008 => Self::RETRY,
                3000..=4999 => Self::Fatal,
                _ => Self::RETRY,
            },
        }
    }
}

impl From<&CloseInfo> for Verdict {
    /// Judges a connection that was open. It is enough to know this, however the connection ended.
    fn from(info: &CloseInfo) -> Self {
        match (info.initiator, info.failure) {
            // This side wanted to close, whether the peer cooperated or not.
            (Side::Local, None | Some(ProtocolError::ConnectionLost | ProtocolError::TimedOut(Timer::Close))) => {
                Self::Finished
            }
            (_, Some(failure)) if info.code == CloseCode::ABNORMAL => failure.into(),
            _ => info.code.into(),
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
    /// The connection was lost, timed out, or was failed by this side. All of these may be temporary.
    fn from(_: ProtocolError) -> Self {
        Self::RETRY
    }
}

impl From<&HandshakeError> for Verdict {
    /// Judges an opening handshake that failed.
    fn from(error: &HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(refusal) => Self::of_status(refusal.status(), retry_after(refusal)),
            HandshakeError::Eof | HandshakeError::TimedOut => Self::RETRY,
            // The server is not a WebSocket server, or requires something else than this client offers.
            _ => Self::Fatal,
        }
    }
}

#[cfg(feature = "std")]
impl From<&Error> for Verdict {
    /// Judges any error of the shells.
    fn from(error: &Error) -> Self {
        // Every kind of error is named, so that a new one cannot be forgotten here.
        match error {
            Error::Handshake(error) => error.into(),
            Error::Protocol(error) => (*error).into(),
            Error::Io(error) | Error::Lookup(error) | Error::Connect(error) => match error.kind() {
                // TLS libraries report what is wrong with a certificate, among others, as invalid data.
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Unsupported => Self::Fatal,
                _ => Self::RETRY,
            },
            Error::Proxy(error) => Self::of_proxy(error),
            #[cfg(feature = "rustls")]
            Error::Tls(error) => Self::of_tls(error),
            Error::Request(_)
            | Error::Uri(_)
            | Error::Accept(_)
            | Error::Reject(_)
            | Error::Rejected(_)
            | Error::Entropy(_)
            | Error::Redirect(_)
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
    /// The verdict on a proxy that does not lead to the server.
    fn of_proxy(error: &ProxyError) -> Self {
        match error {
            ProxyError::Refused(refusal) => Self::of_status(refusal.status(), retry_after(refusal)),
            #[cfg(feature = "rustls")]
            ProxyError::Tls(error) => Self::of_tls(error),
            ProxyError::Head(error) => error.into(),
            // By the rules of the proxy, or a command or address that it does not know (RFC 1928 §6).
            ProxyError::SocksRefused(2 | 7 | 8) => Self::Fatal,
            ProxyError::SocksRefused(_) | ProxyError::Eof => Self::RETRY,
            ProxyError::Url
            | ProxyError::Scheme
            | ProxyError::InvalidCredentials
            | ProxyError::HostTooLong
            | ProxyError::SocksCredentials
            | ProxyError::Malformed => Self::Fatal,
        }
    }

    /// The verdict on TLS that was not established.
    #[cfg(feature = "rustls")]
    const fn of_tls(error: &TlsError) -> Self {
        match error {
            TlsError::Failed(rustls::Error::InvalidMessage(_) | rustls::Error::PeerIncompatible(_))
            | TlsError::NoCryptoProvider
            | TlsError::NoRoots
            | TlsError::InvalidRoot(_)
            | TlsError::ServerName
            | TlsError::HostName(_)
            | TlsError::Certificate(_) => Self::Fatal,
            TlsError::Failed(_) => Self::RETRY,
        }
    }
}

/// Returns the seconds that `Retry-After` requests. A date cannot be compared with anything, since there is no clock
/// here; it counts as no field.
fn retry_after(refusal: &Refusal) -> Option<Duration> {
    let digits = refusal.headers().get("retry-after")?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The only invalid number is one that is too large; it is shortened to the longest wait allowed.
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}
