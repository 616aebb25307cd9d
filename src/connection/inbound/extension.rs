//! Reserved bits used by the application's extensions ([RFC 6455 §5.2, §9]).
//!
//! [RFC 6455 §5.2, §9]: https://www.rfc-editor.org/rfc/rfc6455#section-9

use super::{Inbound, payload::OpenMessage};
use crate::{
    connection::{Event, assemble::ExtensionHeader},
    frame::{FrameHeader, Opcode, Rsv},
    message::{ExtensionFrame, MessageKind},
};

impl Inbound {
    /// Delivers frames with these reserved bits from now on. RSV1 belongs to permessage-deflate, if that was
    /// negotiated.
    pub(in crate::connection) fn claim(&mut self, bits: Rsv) {
        self.assembly.claimed = match self.deflate {
            Some(_) => bits.without(Rsv::RSV1),
            None => bits,
        };
    }

    /// Returns whether extensions use all of these reserved bits on a frame with this opcode.
    #[cold]
    pub(super) fn may_have(&self, opcode: Opcode, rsv: Rsv) -> bool {
        // RFC 7692 §6: RSV1 is set on the first frame of a data message only.
        let is_first = matches!(opcode, Opcode::Text | Opcode::Binary);
        let compression = if self.deflate.is_some() && is_first {
            Rsv::RSV1
        } else {
            Rsv::NONE
        };
        let is_compressed = self.message.is_some_and(|message| message.compressed);
        let claimed = if opcode.is_control() || is_compressed {
            Rsv::NONE
        } else {
            self.assembly.claimed
        };
        (claimed | compression).contains(rsv)
    }

    /// Returns whether the frames of a message that begins with this one are for an extension.
    pub(super) fn is_for_extension(&self, header: &FrameHeader, is_compressed: bool) -> bool {
        let may_follow = !header.fin && !is_compressed;
        let claimed = self.assembly.claimed;
        claimed != Rsv::NONE && (header.rsv & claimed != Rsv::NONE || may_follow)
    }

    /// Begins to assemble a frame of such a message, or the whole message if it is compressed.
    pub(super) fn begin_extension(&mut self, header: &FrameHeader, message: &OpenMessage) {
        if message.compressed && header.opcode == Opcode::Continuation {
            return;
        }
        self.assembly.begin(MessageKind::Binary);
        self.assembly.frame = Some(ExtensionHeader {
            rsv: header.rsv & self.assembly.claimed,
            kind: message.kind,
            is_last: header.fin || message.compressed,
        });
    }

    /// Lends what was assembled.
    pub(super) fn lend_assembled(&mut self) -> Event<'_> {
        if let Some(len) = self.assembly.take_in_buffer() {
            return Event::Message(self.lend_handed_over(len));
        }
        match self.assembly.frame.take() {
            None => Event::Message(self.assembly.lend()),
            Some(ExtensionHeader { rsv, kind, is_last }) => Event::Extension(ExtensionFrame {
                rsv,
                kind,
                is_last,
                payload: self.assembly.bytes(),
            }),
        }
    }
}
