//! Messages that are sent in fragments.

use super::{Outbound, opcode};
use crate::{
    connection::{Fin, error::SendError},
    frame::Opcode,
    message::Message,
};

impl Outbound {
    /// Queues a fragment of a message ([RFC 6455 §5.4]), for one that is not known as a whole yet or too large for it.
    ///
    /// The first call begins a message, further ones go on with it, and the one with [`Fin::Last`] ends it. Text must
    /// be cut between code points, which `&str` sees to.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send); [`SendError::MessageOpen`] here means that the kind is not that of the message
    /// which is open.
    ///
    /// [RFC 6455 §5.4]: https://www.rfc-editor.org/rfc/rfc6455#section-5.4
    pub fn send_fragment<'m>(&mut self, data: impl Into<Message<'m>>, fin: Fin) -> Result<(), SendError<Message<'m>>> {
        self.push_fragment(data.into(), fin, self.deflate.is_some())
    }

    pub(super) fn push_fragment<'m>(
        &mut self,
        data: Message<'m>,
        fin: Fin,
        compress: bool,
    ) -> Result<(), SendError<Message<'m>>> {
        let kind = data.kind();
        let opcode = match self.message {
            None => opcode(kind),
            Some(open) if open == kind || !self.is_inside_message() => Opcode::Continuation,
            Some(_) => return Err(SendError::MessageOpen(data)),
        };
        let compressing = if opcode == Opcode::Continuation {
            self.compressing
        } else {
            compress
        };
        if !compressing {
            self.push_data(opcode, fin, data)?;
        } else if opcode != Opcode::Continuation && fin == Fin::Last {
            self.push_message(data)?;
        } else {
            self.push_compressed_fragment(opcode, fin, data)?;
        }
        self.compressing = compressing;
        self.message = (fin == Fin::More).then_some(kind);
        Ok(())
    }
}
