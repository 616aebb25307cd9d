//! Messages that are compressed before they are queued ([RFC 7692 §7.2.1]).
//!
//! [RFC 7692 §7.2.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1

use alloc::boxed::Box;

use super::Outbound;
use crate::{
    deflate::{Compressor, Settings},
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
};

impl Outbound {
    /// Compresses messages from now on.
    pub(in crate::connection) fn set_deflate(&mut self, settings: Settings) {
        self.deflate = Compressor::new(settings).map(Box::new);
    }

    /// Queues an admitted message compressed. Returns whether it was worth it; if not, nothing has happened.
    #[inline]
    pub(super) fn push_compressed(&mut self, opcode: Opcode, masking_key: Option<MaskingKey>, payload: &[u8]) -> bool {
        let Self { deflate, output, .. } = self;
        let Some(deflate) = deflate.as_mut().filter(|deflate| deflate.wants(payload.len())) else {
            return false;
        };
        let compressed = deflate.compress(payload);
        let is_compressed = compressed.is_some();
        if let Some(compressed) = compressed {
            let header = header(opcode, true, masking_key, compressed);
            output.push_frame(&header, compressed);
        }
        deflate.settle();
        is_compressed
    }

    /// Queues one of several fragments of a message, compressed so that the peer can decompress all of it.
    pub(super) fn push_compressed_fragment(
        &mut self,
        opcode: Opcode,
        is_last: bool,
        masking_key: Option<MaskingKey>,
        payload: &[u8],
    ) {
        if let Some(deflate) = &mut self.deflate {
            let compressed = deflate.compress_fragment(payload, is_last);
            let header = header(opcode, is_last, masking_key, compressed);
            self.output.push_frame(&header, compressed);
            deflate.settle();
        }
    }
}

fn header(opcode: Opcode, fin: bool, masking_key: Option<MaskingKey>, compressed: &[u8]) -> FrameHeader {
    FrameHeader {
        fin,
        // §6.1: the first frame of a message indicates that it is compressed.
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
