//! Receive buffers that are handed over with what they contain, so that a long message can take its buffer along.

use super::Inbound;
use crate::{
    connection::output::MAX_INLINE,
    message::{Message, Payload, fits_its_buffer},
};

impl Inbound {
    /// Notes whether the receive buffer was handed over with what it contains.
    #[cold]
    pub(super) fn set_handed_over(&mut self, handed_over: bool) {
        self.assembly.handed_over = handed_over;
        if !self.assembled {
            self.allow_short();
        }
    }

    /// Returns whether a message of this length, which was consumed, is lent together with its buffer, like one that was
    /// assembled.
    pub(super) fn is_in_place(&mut self, len: usize) -> bool {
        let is_in_place = self.assembly.handed_over && len > MAX_INLINE;
        if is_in_place {
            self.assembly.set_in_buffer(len);
        }
        is_in_place
    }

    /// Lends the message of this length that was consumed last, in a buffer that was handed over: together with the buffer,
    /// if there is nothing else in it.
    pub(super) fn lend_handed_over(&mut self, len: usize) -> Message<'_> {
        let payload = self.buffer.last_consumed(len);
        if self.buffer.is_empty() && fits_its_buffer(payload.len(), self.buffer.allocated()) {
            Message::Binary(Payload::handed_over(self.buffer.bytes_mut(), payload))
        } else {
            self.buffer.slice(payload).into()
        }
    }
}
