//! Messages that are compressed on their way into the output ([RFC 7692 §7.2.1]).
//!
//! [RFC 7692 §7.2.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1

use alloc::boxed::Box;

use super::{Outbound, opcode};
use crate::{
    connection::{Fin, error::SendError},
    deflate::{Compressor, Settings},
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
    message::Message,
};

impl Outbound {
    /// Compresses messages from here on.
    pub(in crate::connection) fn set_deflate(&mut self, settings: Settings) {
        self.deflate = Compressor::new(settings).map(Box::new);
    }

    /// Queues a whole message, compressed if that is worth it.
    pub(super) fn push_message<'m>(&mut self, message: Message<'m>) -> Result<(), SendError<Message<'m>>> {
        // Nothing is compressed that is not sent: the window must hold what the peer's holds.
        let (masking_key, message) = self.admit(message)?;
        let opcode = opcode(message.kind());
        let payload = message.as_bytes();
        let Self { deflate, output, .. } = self;
        let mut deflate = deflate.as_mut().filter(|deflate| deflate.wants(payload.len()));
        let compressed = deflate.as_mut().and_then(|deflate| deflate.compress(payload));
        let is_compressed = compressed.is_some();
        if let Some(compressed) = compressed {
            let header = header(opcode, Fin::Last, masking_key, compressed);
            output.push_frame(&header, compressed);
        }
        if let Some(deflate) = deflate {
            deflate.settle();
        }
        if !is_compressed {
            self.push_admitted(opcode, Fin::Last, masking_key, message);
        }
        Ok(())
    }

    /// Queues a fragment of a message of several, compressed so that the peer can decompress all of it.
    pub(super) fn push_compressed_fragment<'m>(
        &mut self,
        opcode: Opcode,
        fin: Fin,
        data: Message<'m>,
    ) -> Result<(), SendError<Message<'m>>> {
        let (masking_key, data) = self.admit(data)?;
        if let Some(deflate) = &mut self.deflate {
            let compressed = deflate.compress_fragment(data.as_bytes(), fin == Fin::Last);
            let header = header(opcode, fin, masking_key, compressed);
            self.output.push_frame(&header, compressed);
            deflate.settle();
        }
        Ok(())
    }
}

fn header(opcode: Opcode, fin: Fin, masking_key: Option<MaskingKey>, compressed: &[u8]) -> FrameHeader {
    FrameHeader {
        fin: fin == Fin::Last,
        // §6.1: the first frame of a message says that it is compressed.
        rsv: if opcode == Opcode::Continuation {
            Rsv::NONE
        } else {
            Rsv::RSV1
        },
        opcode,
        masking_key,
        payload_len: compressed.len() as u64,
    }
}
