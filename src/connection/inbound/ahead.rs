//! An event that is looked at before it is asked for.
//!
//! A caller that waits to write must learn of the peer's Close, answer Pings and take in a message that the peer must get rid of
//! before it reads. So it looks at what has arrived, up to the first event, which is kept for whoever asks for the next one.

use alloc::boxed::Box;
use core::ops::Range;

use super::{Found, Inbound};
use crate::connection::Outbound;

/// An event that waits to be asked for.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Its payload, if that lies in the receive buffer, is unread there, so that it may be moved. The range begins with 0 then.
    found: Found,
    /// Bytes of the receive buffer that are consumed with it.
    consumed: usize,
    /// What [`Inbound::short_end`] is otherwise: the unread payload is no frame.
    short_end: u32,
}

impl Inbound {
    /// Looks for the next event, and keeps it. Its automatic reply is queued. A fault is in `outbound` afterwards.
    pub(in crate::connection) fn look_ahead(&mut self, outbound: &mut Outbound) {
        if self.ahead.is_some() {
            return;
        }
        if let Ok(Some(found)) = self.find(outbound) {
            self.keep(found);
        }
    }

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
        self.ahead = Some(Box::new(Ahead {
            found,
            consumed,
            short_end: core::mem::take(&mut self.short_end),
        }));
    }

    /// The event that was kept. If it is a control frame, it is settled.
    pub(super) fn take_ahead(&mut self) -> Option<Found> {
        let Ahead {
            mut found,
            consumed,
            short_end,
        } = *self.ahead.take()?;
        self.short_end = short_end;
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
