//! Messages that are compressed on their way into the output, and those that are not to be ([RFC 7692 §7.2.1]).
//!
//! [RFC 7692 §7.2.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1

use alloc::boxed::Box;

use super::{Outbound, opcode};
use crate::{
    connection::{Fin, error::SendError},
    deflate::{Compressor, Settings, params::DeflateParams},
    entropy::EntropyError,
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
    message::Message,
};

impl Outbound {
    /// Queues a message that is not to be compressed, whatever was negotiated: one with secrets, which its length could
    /// give away ([RFC 7692 §8]), or one that is compressed already.
    ///
    /// Compressed and uncompressed messages may follow each other in any order ([RFC 7692 §6]).
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    ///
    /// [RFC 7692 §6]: https://www.rfc-editor.org/rfc/rfc7692#section-6
    /// [RFC 7692 §8]: https://www.rfc-editor.org/rfc/rfc7692#section-8
    pub fn send_uncompressed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError<Message<'m>>> {
        let message = message.into();
        if self.is_inside_message() {
            return Err(SendError::MessageOpen(message));
        }
        self.push_data(opcode(message.kind()), Fin::Last, message)
    }

    /// Queues a fragment of a message that is not to be compressed, as for
    /// [`send_uncompressed`](Self::send_uncompressed). What the first fragment is sent with holds for the whole message.
    ///
    /// # Errors
    ///
    /// As for [`send_fragment`](Self::send_fragment).
    pub fn send_fragment_uncompressed<'m>(
        &mut self,
        data: impl Into<Message<'m>>,
        fin: Fin,
    ) -> Result<(), SendError<Message<'m>>> {
        self.push_fragment(data.into(), fin, false)
    }

    /// What both sides agreed on about permessage-deflate; `None` if messages are not compressed.
    #[must_use]
    pub const fn deflate(&self) -> Option<DeflateParams> {
        self.params
    }

    /// Compresses messages from here on.
    pub(in crate::connection) fn set_deflate(&mut self, params: DeflateParams, settings: Settings) {
        self.params = Some(params);
        self.deflate = Compressor::new(settings).map(Box::new);
    }

    /// Queues a whole message, compressed if that is worth it.
    #[inline(never)]
    pub(super) fn push_message<'m>(&mut self, message: Message<'m>) -> Result<(), SendError<Message<'m>>> {
        let (masking_key, message) = match self.admit(message) {
            Ok(admitted) => admitted,
            Err(refused) => return self.drop_if_deaf(refused),
        };
        let opcode = opcode(message.kind());
        if !self.push_compressed(opcode, masking_key, message.as_bytes()) {
            self.push_admitted(opcode, Fin::Last, masking_key, message);
        }
        Ok(())
    }

    /// Queues an admitted message compressed. Returns whether it was worth it; otherwise nothing has happened.
    #[inline]
    pub(super) fn push_compressed(&mut self, opcode: Opcode, masking_key: Option<MaskingKey>, payload: &[u8]) -> bool {
        let Self { deflate, output, .. } = self;
        let Some(deflate) = deflate.as_mut().filter(|deflate| deflate.wants(payload.len())) else {
            return false;
        };
        let compressed = deflate.compress(payload);
        let is_compressed = compressed.is_some();
        if let Some(compressed) = compressed {
            let header = header(opcode, Fin::Last, masking_key, compressed);
            output.push_frame(&header, compressed);
        }
        deflate.settle();
        is_compressed
    }

    /// Whether data may be queued now, with the key to mask it with: what follows cannot fail, since nothing may be
    /// compressed that is not sent. The window must hold what the peer's holds.
    pub(super) fn admit<T>(&mut self, data: T) -> Result<(Option<MaskingKey>, T), SendError<T>> {
        // §5.5.1: no data after a Close.
        if !self.closing.is_open() {
            return Err(SendError::Closing(data));
        }
        if self.is_full() {
            return Err(SendError::Full(data));
        }
        match self.next_key() {
            Ok(masking_key) => Ok((masking_key, data)),
            Err(EntropyError { .. }) => Err(SendError::NoEntropy(data)),
        }
    }

    /// Queues a fragment of a message of several, compressed so that the peer can decompress all of it.
    pub(super) fn push_compressed_fragment<'m>(
        &mut self,
        opcode: Opcode,
        fin: Fin,
        data: Message<'m>,
    ) -> Result<(), SendError<Message<'m>>> {
        let (masking_key, data) = match self.admit(data) {
            Ok(admitted) => admitted,
            Err(refused) => return self.drop_if_deaf(refused),
        };
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
