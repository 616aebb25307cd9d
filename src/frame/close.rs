//! Close codes and the payload of a Close frame.

use alloc::vec::Vec;
use core::fmt;

use crate::frame::FrameHeader;

/// Why a connection is closed: the number in the payload of a Close frame ([RFC 6455 §7.4]).
///
/// The codes that have a name are constants; create any other with [`CloseCode::new`].
///
/// ```
/// use websocket_proto::frame::CloseCode;
///
/// assert_eq!(CloseCode::NORMAL.value(), 1000);
/// assert!(CloseCode::new(4000).is_sendable()); // for private use
/// assert!(!CloseCode::ABNORMAL.is_sendable()); // only ever reported
/// ```
///
/// [RFC 6455 §7.4]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint is going away, such as a server that shuts down or a browser that leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer violated the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the peer sent a type of data that this endpoint does not accept.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the Close frame had no code. Only reported, never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the transport ended without a Close frame. Only reported, never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: a message is not consistent with its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a message violates a policy of this endpoint.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message is too big to be processed.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: the server did not accept an extension that the client needs. Sent only by clients.
    pub const EXTENSION_REQUIRED: Self = Self(1010);
    /// 1011: an unexpected condition prevents this endpoint from continuing.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service is restarting; the client may reconnect.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; the client should use another address or try later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid response from upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Only reported, never sent.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Creates the code with this number, whether it may be sent or not.
    #[must_use]
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// Returns the number.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }

    /// Returns whether the code may appear in a Close frame ([RFC 6455 §7.4], and the registry of §11.7).
    ///
    /// These are 1000–1003, 1007–1014 and 3000–4999. All others are reserved, unassigned or outside every range.
    ///
    /// [RFC 6455 §7.4]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u16> for CloseCode {
    fn from(value: u16) -> Self {
        Self(value)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

/// The payload of a Close frame, if it is not empty ([RFC 6455 §5.5.1]).
///
/// The reason is meant for logs and debugging, not for people, and comes from the peer: it has at most 123 bytes, but
/// do not show it to users.
///
/// [RFC 6455 §5.5.1]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseFrame<'a> {
    /// Why the connection is closed.
    pub code: CloseCode,
    /// Further details, at most 123 bytes; often empty.
    pub reason: &'a str,
}

impl<'a> CloseFrame<'a> {
    /// The length of the longest reason in bytes: a control payload of 125 bytes minus the code.
    pub const MAX_REASON_LEN: usize = FrameHeader::MAX_CONTROL_LEN - 2;

    /// Creates a close payload, which borrows the reason.
    ///
    /// ```
    /// use websocket_proto::{CloseCode, CloseFrame};
    ///
    /// let seconds = 30;
    /// let reason = format!("come back in {seconds} s");
    /// let frame = CloseFrame::new(CloseCode::TRY_AGAIN_LATER, &reason);
    /// # assert_eq!(frame.reason, "come back in 30 s");
    /// ```
    #[must_use]
    pub const fn new(code: CloseCode, reason: &'a str) -> Self {
        Self { code, reason }
    }

    /// Reads the payload of a Close frame. An empty payload has no code: `Ok(None)`.
    ///
    /// # Errors
    ///
    /// [`ClosePayloadError`] for a payload of one byte, a code that may not be sent, or a reason that is not valid
    /// UTF-8.
    pub fn decode(payload: &'a [u8]) -> Result<Option<Self>, ClosePayloadError> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            // §5.5.1: if there is a body, its first two bytes are the code.
            [_] => return Err(ClosePayloadError::Truncated),
            &[high, low, ref reason @ ..] => (CloseCode(u16::from_be_bytes([high, low])), reason),
        };
        // §7.4.1, §7.4.2: reserved and unassigned codes must not be used.
        if !code.is_sendable() {
            return Err(ClosePayloadError::InvalidCode(code));
        }
        let reason = core::str::from_utf8(reason).map_err(|_| ClosePayloadError::InvalidUtf8)?;
        Ok(Some(Self { code, reason }))
    }

    /// Appends the payload to `dest`: the code, then the reason.
    pub fn encode(&self, dest: &mut Vec<u8>) {
        dest.extend_from_slice(&self.code.value().to_be_bytes());
        dest.extend_from_slice(self.reason.as_bytes());
    }
}

impl From<CloseCode> for CloseFrame<'_> {
    fn from(code: CloseCode) -> Self {
        Self::new(code, "")
    }
}

impl From<CloseCode> for Option<CloseFrame<'_>> {
    fn from(code: CloseCode) -> Self {
        Some(code.into())
    }
}

/// Why the payload of a Close frame is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ClosePayloadError {
    /// The payload is a single byte, too short for a code ([RFC 6455 §5.5.1]); the connection fails with 1002.
    ///
    /// [RFC 6455 §5.5.1]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
    #[error("close payload is a single byte")]
    Truncated,
    /// The code may not be sent ([RFC 6455 §7.4]); the connection fails with 1002.
    ///
    /// [RFC 6455 §7.4]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4
    #[error("close code {0} may not be sent")]
    InvalidCode(CloseCode),
    /// The reason is not valid UTF-8 ([RFC 6455 §5.5.1]); the connection fails with 1007.
    ///
    /// [RFC 6455 §5.5.1]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
    #[error("close reason is not valid UTF-8")]
    InvalidUtf8,
}
