//! Turning admitted messages into frames in the output.

use alloc::vec::Vec;

use super::Outbound;
use crate::{
    connection::output::MAX_INLINE,
    entropy::EntropyError,
    frame::{CloseFrame, FrameHeader, MaskingKey, Opcode, Rsv},
    message::{Message, MessageKind},
    outgoing::{Content, Outgoing},
};

impl Outbound {
    /// Queues an admitted message.
    pub(super) fn push(&mut self, outgoing: Outgoing<'_>, masking_key: Option<MaskingKey>) {
        let Outgoing { content, compress } = outgoing;
        match content {
            Content::Message(message) => self.push_message(message, masking_key, compress),
            Content::Fragment(fragment) => self.push_fragment(fragment, masking_key, compress),
            Content::Prepared(message) => self.push_prepared(message, masking_key, compress),
            Content::Extension(frame) => self.push_extension(frame, masking_key),
            Content::Control(opcode, payload) => {
                self.output
                    .push_frame(&control_header(opcode, masking_key, payload), payload);
            }
        }
    }

    pub(super) fn push_message(&mut self, message: Message<'_>, masking_key: Option<MaskingKey>, compress: bool) {
        let opcode = opcode(message.kind());
        if !compress || !self.push_compressed(opcode, masking_key, message.as_bytes()) {
            self.push_data(opcode, true, masking_key, message);
        }
    }

    /// Queues a frame unchanged.
    pub(super) fn push_data(
        &mut self,
        opcode: Opcode,
        is_last: bool,
        masking_key: Option<MaskingKey>,
        data: Message<'_>,
    ) {
        let payload = data.as_bytes();
        let header = FrameHeader {
            fin: is_last,
            rsv: Rsv::NONE,
            opcode,
            masking_key,
            payload_len: payload.len() as u64,
        };
        if payload.len() <= MAX_INLINE {
            self.output.push_frame(&header, payload);
        } else {
            self.push_long(&header, data);
        }
    }

    pub(super) fn push_close(&mut self, frame: Option<CloseFrame<'_>>) -> Result<(), EntropyError> {
        if self.closing.severed().is_some() {
            return Ok(());
        }
        // A deferred Pong is queued now: nothing may follow the Close.
        self.output.push_deferred();
        let mut payload = Vec::new();
        if let Some(frame) = frame {
            frame.encode(&mut payload);
        }
        let header = control_header(Opcode::Close, self.next_key()?, &payload);
        self.output.push_frame(&header, &payload);
        self.closing.on_sent(frame);
        Ok(())
    }
}

#[inline]
pub(super) fn opcode(kind: MessageKind) -> Opcode {
    match kind {
        MessageKind::Text => Opcode::Text,
        MessageKind::Binary => Opcode::Binary,
    }
}

pub(super) fn control_header(opcode: Opcode, masking_key: Option<MaskingKey>, payload: &[u8]) -> FrameHeader {
    FrameHeader {
        fin: true,
        rsv: Rsv::NONE,
        opcode,
        masking_key,
        payload_len: payload.len() as u64,
    }
}
