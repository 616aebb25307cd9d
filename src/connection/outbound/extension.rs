//! Frames for extensions implemented by the application ([RFC 6455 §9]).
//!
//! [RFC 6455 §9]: https://www.rfc-editor.org/rfc/rfc6455#section-9

use super::{Outbound, push::opcode};
use crate::{
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
    message::ExtensionFrame,
};

impl Outbound {
    /// Returns the reserved bits of the application's extensions. RSV1 belongs to permessage-deflate, if that was
    /// negotiated.
    pub(super) fn claimed(&self) -> Rsv {
        self.agreed.as_ref().map_or(Rsv::NONE, |agreed| match agreed.deflate {
            Some(_) => agreed.reserved_bits.without(Rsv::RSV1),
            None => agreed.reserved_bits,
        })
    }

    /// Returns whether the frame begins a message, or continues the open one.
    pub(super) fn continues(&self, frame: &ExtensionFrame<'_>) -> bool {
        let is_compressed = self.deflate.as_ref().is_some_and(|deflate| deflate.is_open());
        self.message.is_none_or(|open| open == frame.kind && !is_compressed)
    }

    /// Queues an admitted frame unchanged.
    pub(super) fn push_extension(&mut self, frame: ExtensionFrame<'_>, masking_key: Option<MaskingKey>) {
        let ExtensionFrame {
            rsv,
            kind,
            is_last,
            payload,
        } = frame;
        let header = FrameHeader {
            fin: is_last,
            rsv,
            opcode: match self.message {
                None => opcode(kind),
                Some(_) => Opcode::Continuation,
            },
            masking_key,
            payload_len: payload.len() as u64,
        };
        self.output.push_frame(&header, payload);
        self.message = (!is_last).then_some(kind);
    }
}
