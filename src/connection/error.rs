//! Faults of the peer and the transport, and refused calls of this side.

use crate::{
    connection::time::Timer,
    frame::{CloseCode, ClosePayloadError, FrameError, Rsv},
    outgoing::Outgoing,
};

/// Why a connection failed ([RFC 6455 §7.1.7]). No input is processed after it.
///
/// If the transport still works, a Close frame with [`close_code`](Self::close_code) is already queued when this is
/// returned, after all other output.
///
/// [RFC 6455 §7.1.7]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame header that no endpoint may send.
    #[error("invalid frame header: {0}")]
    Frame(FrameError),
    /// A reserved bit that no negotiated extension uses ([RFC 6455 §5.2]).
    ///
    /// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    #[error("reserved bits {:#05b} set without a negotiated extension", .0.bits())]
    ReservedBits(Rsv),
    /// A client sent an unmasked frame ([RFC 6455 §5.1](https://www.rfc-editor.org/rfc/rfc6455#section-5.1)).
    #[error("unmasked frame from a client")]
    UnmaskedFrame,
    /// A server sent a masked frame ([RFC 6455 §5.1](https://www.rfc-editor.org/rfc/rfc6455#section-5.1)).
    #[error("masked frame from a server")]
    MaskedFrame,
    /// A continuation frame with no message to continue ([RFC 6455 §5.4]).
    ///
    /// [RFC 6455 §5.4]: https://www.rfc-editor.org/rfc/rfc6455#section-5.4
    #[error("continuation frame outside a fragmented message")]
    UnexpectedContinuation,
    /// A new message began before the fragmented one was finished ([RFC 6455 §5.4]).
    ///
    /// [RFC 6455 §5.4]: https://www.rfc-editor.org/rfc/rfc6455#section-5.4
    #[error("new message inside a fragmented message")]
    InterleavedMessage,
    /// A frame is larger than [`Limits::max_frame_size`](crate::Limits::max_frame_size).
    #[error("frame exceeds `Limits::max_frame_size`")]
    FrameTooBig,
    /// A message is larger than [`Limits::max_message_size`](crate::Limits::max_message_size).
    #[error("message exceeds `Limits::max_message_size`")]
    MessageTooBig,
    /// A message has more fragments than [`Limits::max_fragments`](crate::Limits::max_fragments).
    #[error("message has more fragments than `Limits::max_fragments`")]
    TooManyFragments,
    /// A text message is not valid UTF-8 ([RFC 6455 §8.1](https://www.rfc-editor.org/rfc/rfc6455#section-8.1)).
    #[error("text message is not valid UTF-8")]
    InvalidUtf8,
    /// The payload of a compressed message is not valid DEFLATE data, or ends inside a block ([RFC 7692 §7.2.2]).
    ///
    /// [RFC 7692 §7.2.2]: https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2
    #[error("invalid compressed data")]
    InvalidCompression,
    /// A Close frame has an invalid payload.
    #[error("invalid close payload: {0}")]
    ClosePayload(ClosePayloadError),
    /// The transport ended without a closing handshake ([RFC 6455 §7.1.5]): code 1006.
    ///
    /// [RFC 6455 §7.1.5]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5
    #[error("connection lost without a closing handshake")]
    ConnectionLost,
    /// A deadline of [`Timers`](crate::Timers) passed.
    #[error("timed out: {0}")]
    TimedOut(Timer),
}

impl From<FrameError> for ProtocolError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<ClosePayloadError> for ProtocolError {
    fn from(error: ClosePayloadError) -> Self {
        Self::ClosePayload(error)
    }
}

impl ProtocolError {
    /// Returns whether the peer violated the protocol, as opposed to a limit or a deadline of this side.
    pub(super) const fn is_violation(&self) -> bool {
        match self {
            Self::Frame(_)
            | Self::ReservedBits(_)
            | Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::UnexpectedContinuation
            | Self::InterleavedMessage
            | Self::InvalidUtf8
            | Self::InvalidCompression
            | Self::ClosePayload(_) => true,
            Self::FrameTooBig
            | Self::MessageTooBig
            | Self::TooManyFragments
            | Self::ConnectionLost
            | Self::TimedOut(_) => false,
        }
    }

    /// Returns the code of the Close frame queued for the peer, or 1006 if no frame can reach it any more.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Frame(_)
            | Self::ReservedBits(_)
            | Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::UnexpectedContinuation
            | Self::InterleavedMessage
            | Self::ClosePayload(ClosePayloadError::Truncated | ClosePayloadError::InvalidCode(_)) => {
                CloseCode::PROTOCOL_ERROR
            }
            Self::FrameTooBig | Self::MessageTooBig => CloseCode::TOO_BIG,
            Self::TooManyFragments | Self::TimedOut(Timer::Message) => CloseCode::POLICY,
            Self::InvalidUtf8 | Self::InvalidCompression | Self::ClosePayload(ClosePayloadError::InvalidUtf8) => {
                CloseCode::INVALID_PAYLOAD
            }
            Self::TimedOut(Timer::Idle) => CloseCode::GOING_AWAY,
            Self::ConnectionLost | Self::TimedOut(_) => CloseCode::ABNORMAL,
        }
    }
}

/// Why a call to send was refused. Nothing was queued.
///
/// `T` is the refused message. It is handed back where trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SendError<T = ()> {
    /// The output is above [`Limits::output_high_water`](crate::Limits::output_high_water): the peer reads too slowly.
    /// Write some of it, then try again.
    #[error("output queue is full")]
    Full(T),
    /// A Close was sent or received, or the connection failed: nothing more may be sent ([RFC 6455 §5.5.1]).
    ///
    /// [RFC 6455 §5.5.1]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1
    #[error("connection is closing")]
    Closing(T),
    /// A fragmented message is unfinished and must be finished first ([RFC 6455 §5.4]).
    ///
    /// [RFC 6455 §5.4]: https://www.rfc-editor.org/rfc/rfc6455#section-5.4
    #[error("a fragmented message must be finished first")]
    MessageOpen(T),
    /// A Ping or Pong payload is longer than 125 bytes ([RFC 6455 §5.5]).
    ///
    /// [RFC 6455 §5.5]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5
    #[error("control payload is longer than 125 bytes")]
    ControlTooLong,
    /// A close reason is longer than 123 bytes ([RFC 6455 §5.5](https://www.rfc-editor.org/rfc/rfc6455#section-5.5)).
    #[error("close reason is longer than 123 bytes")]
    ReasonTooLong,
    /// A close code that may not be sent, or not by this role ([RFC 6455 §7.4]).
    ///
    /// [RFC 6455 §7.4]: https://www.rfc-editor.org/rfc/rfc6455#section-7.4
    #[error("close code {0} may not be sent")]
    InvalidCloseCode(CloseCode),
    /// A frame for an [extension](crate::ExtensionFrame) has reserved bits that no negotiated extension claims ([RFC
    /// 6455 §5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
    #[error("reserved bits {:#05b} were not claimed in the handshake", .0.bits())]
    ReservedBits(Rsv),
    /// No masking key is available ([`EntropyError`](crate::EntropyError)).
    #[cfg_attr(feature = "os-entropy", error("no entropy is available for a masking key"))]
    #[cfg_attr(
        not(feature = "os-entropy"),
        error(
            "no entropy is available for a masking key: \
             this requires the `os-entropy` feature or a source of entropy set with `Config::entropy`"
        )
    )]
    NoEntropy(T),
}

impl<T> SendError<T> {
    /// Returns the refused message, if it is handed back.
    #[must_use]
    pub fn into_unsent(self) -> Option<T> {
        match self {
            Self::Full(unsent) | Self::Closing(unsent) | Self::MessageOpen(unsent) | Self::NoEntropy(unsent) => {
                Some(unsent)
            }
            Self::ControlTooLong | Self::ReasonTooLong | Self::InvalidCloseCode(_) | Self::ReservedBits(_) => None,
        }
    }

    /// Returns the error without the refused message.
    #[must_use]
    pub fn without_unsent(&self) -> SendError {
        match *self {
            Self::Full(_) => SendError::Full(()),
            Self::Closing(_) => SendError::Closing(()),
            Self::MessageOpen(_) => SendError::MessageOpen(()),
            Self::ControlTooLong => SendError::ControlTooLong,
            Self::ReasonTooLong => SendError::ReasonTooLong,
            Self::InvalidCloseCode(code) => SendError::InvalidCloseCode(code),
            Self::ReservedBits(bits) => SendError::ReservedBits(bits),
            Self::NoEntropy(_) => SendError::NoEntropy(()),
        }
    }
}

impl From<SendError<Outgoing<'_>>> for SendError {
    fn from(refused: SendError<Outgoing<'_>>) -> Self {
        refused.without_unsent()
    }
}

impl SendError {
    /// Returns the error with the refused message.
    pub(super) fn with_unsent<T>(self, unsent: T) -> SendError<T> {
        match self {
            Self::Full(()) => SendError::Full(unsent),
            Self::Closing(()) => SendError::Closing(unsent),
            Self::MessageOpen(()) => SendError::MessageOpen(unsent),
            Self::ControlTooLong => SendError::ControlTooLong,
            Self::ReasonTooLong => SendError::ReasonTooLong,
            Self::InvalidCloseCode(code) => SendError::InvalidCloseCode(code),
            Self::ReservedBits(bits) => SendError::ReservedBits(bits),
            Self::NoEntropy(()) => SendError::NoEntropy(unsent),
        }
    }
}
