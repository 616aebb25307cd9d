//! Messages that were encoded beforehand.

use super::{Outbound, opcode};
use crate::{
    connection::{error::SendError, output::MAX_INLINE},
    prepared::PreparedMessage,
};

impl Outbound {
    /// Queues a message that was encoded beforehand, to be sent through many connections.
    ///
    /// A server queues the frame as it is: nothing is compressed, unless the peer's window is too small for the compressed
    /// form. A frame of more than 4 KiB, or one that is queued alone, is not copied, but counts in full against
    /// [`output_high_water`](crate::Limits::output_high_water). A client masks a copy.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), but there is nothing to hand back.
    pub fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), SendError> {
        if self.is_inside_message() {
            return Err(SendError::MessageOpen(()));
        }
        let (masking_key, ()) = match self.admit(()) {
            Ok(admitted) => admitted,
            Err(refused) => return self.drop_if_deaf(refused),
        };
        let mut form = message.plain();
        if let Some(deflate) = &mut self.deflate {
            if message.has_deflated() && deflate.wants(message.len()) {
                if let Some(deflated) = message.deflated_for(deflate.window_bits()) {
                    deflate.forget();
                    form = deflated;
                } else if self.push_compressed(opcode(message.kind()), masking_key, message.as_bytes()) {
                    return Ok(());
                }
            }
        }
        match masking_key {
            // DRV-15: among others, a short one costs less memory as a copy than as a reference. Alone it needs no memory.
            None if form.frame().len() <= MAX_INLINE && !self.output.is_empty() => {
                self.output.push_raw(form.frame());
            }
            None => self.output.push_shared(form.frame().clone()),
            Some(key) => {
                let header = form.masked_header(message.kind(), key);
                self.output.push_frame(&header, form.payload());
            }
        }
        Ok(())
    }
}
