//! What was found in the received bytes, before it is lent; and what must happen before that.

use core::ops::Range;

use crate::{connection::error::ProtocolError, message::MessageKind};

/// What was parsed without the sending half. A message can be lent as it is; everything else concerns the sending half, and
/// must be [settled](super::Inbound::settle) with it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Parsed(pub(super) Result<Option<Found>, ProtocolError>);

impl Parsed {
    /// The message or fragment that was found, or back what must be settled.
    #[inline]
    pub(crate) fn into_data(self) -> Result<Found, Self> {
        match self.0 {
            Ok(Some(found)) if !found.is_control() => Ok(found),
            parsed => Err(Self(parsed)),
        }
    }
}

/// A fault of the peer that the sending half does not know yet: [`Outbound::tell`](super::Outbound::tell) makes the failure of
/// the connection of it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Fault(pub(super) ProtocolError);

/// What [`Inbound::parse`](super::Inbound::parse) found, and its place in the buffers. It borrows nothing, so it can be kept
/// while the buffers are not lent yet.
#[derive(Debug)]
pub(crate) enum Found {
    Text(Range<usize>),
    Binary(Range<usize>),
    Assembled,
    /// A fragment, and whether it is the last of its message.
    Fragment(MessageKind, Range<usize>, bool),
    /// A fragment that was decompressed, with its length.
    Inflated(MessageKind, usize, bool),
    /// A fragment of text that is only the code point that earlier pieces had cut.
    CodePoint(usize, bool),
    Ping(Range<usize>),
    Pong(Range<usize>),
    Close(Range<usize>),
}

impl Found {
    /// Whether it concerns the sending half as well.
    pub(crate) fn is_control(&self) -> bool {
        matches!(self, Self::Ping(_) | Self::Pong(_) | Self::Close(_))
    }
}
