//! Whether another attempt makes sense.
//!
//! The rule behind the tables: what the client itself does wrong, or what the server says no to, it would meet again at the
//! next attempt, so that is fatal; whatever may pass is worth a retry. What nobody has thought of yet is worth one, too.

use core::time::Duration;
#[cfg(feature = "std")]
use std::io;

#[cfg(feature = "std")]
use crate::error::Error;
use crate::{
    connection::{CloseInfo, ProtocolError, Side, Timer},
    frame::CloseCode,
    handshake::{HandshakeError, Refusal},
};

/// What the end of a connection, or the failure of an attempt, means for the next attempt.
///
/// It is made `From` whatever ended the connection:
///
/// | end | verdict |
/// |---|---|
/// | closed by this side | `Finished` |
/// | closed by the peer with 1000 or without a code | `Finished` |
/// | with 1001 (going away), 1011 (internal error), 1014 (bad gateway), 3008 (timeout) | `Retry` |
/// | with 1012 (service restart) | `Retry`, behind 5 s to 30 s |
/// | with 1013 (try again later) | `Retry`, behind the longest delay |
/// | with 1002, 1003, 1007, 1009, 1010: this side did something wrong | `Fatal` |
/// | with 1008 (policy), and 3000 to 4999: the application's own codes | `Fatal` |
/// | lost without a Close (1006), timed out, failed because the peer broke the protocol | `Retry` |
/// | refused with 408, 425, 429 or 5xx | `Retry`, not before `Retry-After` |
/// | refused with any other status, among them 3xx, 401, 403, 404, 410 and 426 | `Fatal` |
/// | a response that is not that of a WebSocket server, or selects what was not offered | `Fatal` |
/// | an I/O error of kind `InvalidInput`, `Unsupported` or `InvalidData` (TLS: a bad certificate) | `Fatal` |
/// | any other I/O error, such as a refused connection or a name that cannot be looked up | `Retry` |
/// | an invalid URI or request, no entropy, no TLS | `Fatal` |
///
/// An application that knows better, such as what its codes from 4000 on mean, decides first and leaves the rest to this:
///
/// ```
/// use websocket_proto::{CloseInfo, reconnect::{Verdict, Wait}};
///
/// fn verdict(info: &CloseInfo) -> Verdict {
///     match info.code.value() {
///         4001 => Verdict::Retry(Wait::Backoff), // our servers say so when a session has moved
///         _ => Verdict::from(info),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It was closed on purpose, and all is done: no other connection is needed.
    Finished,
    /// Another attempt would end in the same way.
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
    /// The next delay of the sequence, counted from so much later, as `Retry-After` asks for ([RFC 9110 §10.2.3]).
    ///
    /// [RFC 9110 §10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    AtLeast(Duration),
    /// A random delay from 5 s to 30 s, or the next delay of the sequence if that is longer. That is what close code 1012
    /// (service restart) asks for.
    Restart,
    /// The longest delay of the sequence, at once. Close code 1013 (try again later) asks clients to stay away from an
    /// overloaded service until a user wants them to connect, or to go to another address of it.
    Longest,
}

impl Verdict {
    const RETRY: Self = Self::Retry(Wait::Backoff);

    /// Whether another attempt may succeed.
    #[must_use]
    pub const fn is_retry(self) -> bool {
        matches!(self, Self::Retry(_))
    }

    /// The verdict on an answer with this status. `retry_after` is what its field of that name asks for.
    const fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        match (status, retry_after) {
            (408 | 425 | 429 | 500..=599, Some(asked)) => Self::Retry(Wait::AtLeast(asked)),
            (408 | 425 | 429 | 500..=599, None) => Self::RETRY,
            _ => Self::Fatal,
        }
    }
}

impl From<CloseCode> for Verdict {
    /// The verdict on a Close that the peer sent first.
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
    /// The verdict on a connection that was open. This is all that is needed, however it ended.
    fn from(info: &CloseInfo) -> Self {
        match (info.initiator, info.failure) {
            // This side wanted to close, whether the peer played its part or not.
            (Side::Local, None | Some(ProtocolError::ConnectionLost | ProtocolError::TimedOut(Timer::Close))) => {
                Self::Finished
            }
            (_, Some(failure)) if info.code == CloseCode::ABNORMAL => failure.into(),
            _ => info.code.into(),
        }
    }
}

impl From<Option<CloseInfo>> for Verdict {
    /// The verdict on what the `close_info` method of a connection returns. Without one, the connection was given up
    /// while it was open, which is worth a retry.
    fn from(info: Option<CloseInfo>) -> Self {
        info.as_ref().map_or(Self::RETRY, Self::from)
    }
}

impl From<ProtocolError> for Verdict {
    /// The connection was lost, timed out, or failed by this side. All of that may pass.
    fn from(_: ProtocolError) -> Self {
        Self::RETRY
    }
}

impl From<&HandshakeError> for Verdict {
    /// The verdict on an opening handshake that failed.
    fn from(error: &HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(refusal) => Self::of_status(refusal.status(), retry_after(refusal)),
            HandshakeError::Eof | HandshakeError::TimedOut => Self::RETRY,
            // Something else than a WebSocket server is there, or one that wants something else than this client.
            _ => Self::Fatal,
        }
    }
}

#[cfg(feature = "std")]
impl From<&Error> for Verdict {
    /// The verdict on any error of the shells.
    fn from(error: &Error) -> Self {
        // The one place for new kinds of errors: those that another attempt meets again are to be named here.
        match error {
            Error::Handshake(error) => error.into(),
            Error::Protocol(error) => (*error).into(),
            Error::Io(error) => match error.kind() {
                // TLS libraries report what is wrong with a certificate, among others, as invalid data.
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Unsupported => Self::Fatal,
                _ => Self::RETRY,
            },
            Error::Request(_)
            | Error::Uri(_)
            | Error::Accept(_)
            | Error::Reject(_)
            | Error::Rejected(_)
            | Error::Entropy(_)
            | Error::TlsUnavailable
            | Error::FragmentDelivery
            | Error::ExtensionFrame => Self::Fatal,
            // A call was refused. That says nothing about the connection, whose close information would.
            Error::Send(_) => Self::RETRY,
            // Whatever is added to the enum and not named above.
            #[allow(unreachable_patterns, reason = "at the moment, all are named")]
            _ => Self::RETRY,
        }
    }
}

/// The seconds that `Retry-After` asks for. A date cannot be compared with anything, since there is no clock here; it counts
/// as no field.
fn retry_after(refusal: &Refusal) -> Option<Duration> {
    let digits = refusal.headers().get("retry-after")?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Only a number that is too large is none; it will be cut to the longest that is allowed.
    Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}
