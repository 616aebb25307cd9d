//! Results of parsing, before anything is lent, and what must be done with them first.

use core::ops::Range;

use crate::{connection::error::ProtocolError, message::MessageKind};

/// The result of parsing without the sending half. A message can be lent as it is; anything else concerns the sending
/// half, and must be [settled](super::Inbound::settle) with it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Parsed(pub(super) Result<Option<Found>, ProtocolError>);

impl Parsed {
    /// Returns the message or fragment found, or hands back what must be settled.
    #[inline]
    pub(crate) fn into_data(self) -> Result<Found, Self> {
        match self.0 {
            Ok(Some(found)) if !found.is_control() => Ok(found),
            parsed => Err(Self(parsed)),
        }
    }
}

/// A fault of the peer that was not reported to the sending half yet: [`Outbound::tell`](super::Outbound::tell) turns
/// it into the failure of the connection.
#[derive(Debug)]
#[must_use]
pub(crate) struct Fault(pub(super) ProtocolError);

/// An event that [`Inbound::parse`](super::Inbound::parse) found, and its range in the buffers. It borrows nothing, so
/// it can be kept until the buffers are lent.
#[derive(Debug)]
pub(crate) enum Found {
    Text(Range<usize>),
    Binary(Range<usize>),
    Assembled,
    /// A fragment, and whether it is the last of its message.
    Fragment(MessageKind, Range<usize>, bool),
    /// A decompressed fragment: its length, and whether it is the last.
    Inflated(MessageKind, usize, bool),
    /// A fragment of text that consists only of the code point that earlier pieces had cut.
    CodePoint(usize, bool),
    Ping(Range<usize>),
    Pong(Range<usize>),
    Close(Range<usize>),
}

impl Found {
    /// Returns whether it also concerns the sending half.
    pub(crate) fn is_control(&self) -> bool {
        matches!(self, Self::Ping(_) | Self::Pong(_) | Self::Close(_))
    }
}
