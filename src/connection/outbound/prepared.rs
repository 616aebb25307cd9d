//! Prepared messages.

use super::{Outbound, push::opcode};
use crate::{
    connection::output::MAX_INLINE,
    frame::MaskingKey,
    prepared::{Form, PreparedMessage},
};

impl Outbound {
    /// The common case in few steps: a server that sends it unchanged, and that nothing prevents. Returns whether it
    /// was queued.
    pub(super) fn push_prepared_plain(&mut self, message: &PreparedMessage) -> bool {
        let is_plain = self.message.is_none() && self.deflate.is_none() && self.keys.is_none();
        if !is_plain || !self.closing.is_open() || self.is_full() {
            return false;
        }
        self.push_frame_of(message.plain());
        true
    }

    /// Queues a server's frame.
    fn push_frame_of(&mut self, form: &Form) {
        // DRV-15: if others are queued, a copy of a short one costs less memory than a reference. If it is alone, a
        // reference costs none.
        if form.frame().len() <= MAX_INLINE && !self.output.is_empty() {
            self.output.push_raw(form.frame());
        } else {
            self.output.push_shared(form.frame().clone());
        }
    }

    pub(super) fn push_prepared(&mut self, message: &PreparedMessage, masking_key: Option<MaskingKey>, compress: bool) {
        let mut form = message.plain();
        if let Some(deflate) = self.deflate.as_mut().filter(|_| compress) {
            if message.has_deflated() && deflate.wants(message.len()) {
                if let Some(deflated) = message.deflated_for(deflate.window_bits()) {
                    deflate.forget();
                    form = deflated;
                } else if self.push_compressed(opcode(message.kind()), masking_key, message.as_bytes()) {
                    return;
                }
            }
        }
        match masking_key {
            None => self.push_frame_of(form),
            Some(key) => {
                let header = form.masked_header(message.kind(), key);
                self.output.push_frame(&header, form.payload());
            }
        }
    }
}
