//! An event that was found, and is kept for the caller that asks for the next one.

use alloc::boxed::Box;
use core::ops::Range;

use super::{Found, Inbound};

/// An event that waits to be asked for.
#[derive(Debug)]
pub(super) struct Kept {
    /// Its payload, if that lies in the receive buffer, is unread there, so that it may be moved. The range begins with 0 then.
    found: Found,
    /// Bytes of the receive buffer that are consumed with it.
    consumed: usize,
}

impl Inbound {
    /// Keeps an event for the caller that asks for the next one.
    pub(crate) fn keep(&mut self, mut found: Found) {
        let consumed = match found.range_mut() {
            None => 0,
            Some(range) => {
                let consumed = self.buffer.put_back_from(range.start);
                *range = 0..range.len();
                consumed
            }
        };
        // The unread payload is no frame.
        self.short_end = 0;
        self.kept = Some(Box::new(Kept { found, consumed }));
    }

    /// The event that was kept. If it is a control frame, it is settled.
    pub(super) fn take_kept(&mut self) -> Option<Found> {
        let Kept { mut found, consumed } = *self.kept.take()?;
        self.allow_short();
        self.settled = found.is_control();
        if let Some(range) = found.range_mut() {
            let start = self.buffer.consume_behind(0, consumed).start;
            *range = start..start + range.len();
        }
        Some(found)
    }
}

impl Found {
    /// Where it lies in the receive buffer, if it does.
    fn range_mut(&mut self) -> Option<&mut Range<usize>> {
        match self {
            Self::Text(range)
            | Self::Binary(range)
            | Self::Fragment(_, range, _)
            | Self::Ping(range)
            | Self::Pong(range)
            | Self::Close(range) => Some(range),
            Self::Assembled | Self::Inflated(..) | Self::CodePoint(..) => None,
        }
    }
}
