//! Data frames whose payload is decompressed as it arrives ([RFC 7692 §7.2.2]).
//!
//! [RFC 7692 §7.2.2]: https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2

use alloc::boxed::Box;

use super::{
    Inbound,
    payload::{OpenFrame, Progress},
};
use crate::{
    config::Delivery,
    connection::{error::ProtocolError, found::Found},
    deflate::{CodecStep, Decompressor, InvalidData, Settings},
    frame::Rsv,
    message::MessageKind,
    utf8,
};

/// The bytes of payload unmasked for one fragment. Those that do not fit into the fragment are masked again.
const PIECE: usize = 4 << 10;

impl Inbound {
    /// Decompresses messages with RSV1 from now on.
    pub(in crate::connection) fn set_deflate(&mut self, settings: Settings) {
        self.deflate = Decompressor::new(settings).map(Box::new);
    }

    /// Starts a message whose first frame has these reserved bits, which were checked. Returns whether it is
    /// compressed.
    pub(super) fn begin_inflate(&mut self, rsv: Rsv) -> bool {
        let Some(deflate) = self.deflate.as_mut().filter(|_| rsv.contains(Rsv::RSV1)) else {
            return false;
        };
        deflate.begin();
        true
    }

    /// Processes the available payload of the open frame, which belongs to a compressed message.
    pub(super) fn continue_compressed(&mut self) -> Result<Progress, ProtocolError> {
        let (Some(mut frame), Some(message)) = (self.frame, self.message) else {
            return Ok(Progress::FrameDone);
        };
        let progress = match self.delivery {
            _ if message.raw => self.inflate_all(&mut frame, MessageKind::Binary),
            Delivery::Messages => self.inflate_all(&mut frame, message.kind),
            Delivery::Fragments => self.inflate_fragment(&mut frame, message.kind),
        }?;
        let frame_done = frame.remaining == 0 && !self.is_inflating();
        let message_done = frame_done && frame.fin;
        if frame_done || self.frame.is_some_and(|before| before.remaining > frame.remaining) {
            self.progress = self.progress.wrapping_add(1);
        }
        self.frame = (!frame_done).then_some(frame);
        self.message = (!message_done).then_some(message);
        Ok(progress)
    }

    /// Adds the available payload to the message buffer.
    fn inflate_all(&mut self, frame: &mut OpenFrame, kind: MessageKind) -> Result<Progress, ProtocolError> {
        let n = frame.remaining_or_less(self.buffer.unread().len());
        if n == 0 && frame.remaining > 0 {
            return Ok(Progress::NeedsBytes);
        }
        let key = frame.key;
        frame.advance(n);
        let range = self.buffer.consume_behind(0, n);
        let Self {
            buffer,
            assembly,
            deflate: Some(deflate),
            ..
        } = self
        else {
            return Ok(Progress::FrameDone);
        };
        let mut piece = buffer.slice_mut(range);
        if let Some(key) = key {
            key.apply(piece);
        }
        loop {
            // One byte more than allowed shows that there is more.
            let most = room_left(deflate, self.max_message_size).saturating_add(1);
            let step = match kind {
                MessageKind::Binary => {
                    let room = assembly.inflate_space(most).unwrap_or_default();
                    let step = deflate.step(piece, room)?;
                    assembly.inflate_fill(step.produced);
                    step
                }
                MessageKind::Text => {
                    let (step, text) = deflate.step_in_block(piece, most)?;
                    assembly.push(text, None, 0, self.max_message_size)?;
                    step
                }
            };
            check_size(&step, self.max_message_size)?;
            piece = &mut piece[step.consumed..];
            if !step.pending {
                break;
            }
        }
        if frame.remaining > 0 {
            return Ok(Progress::NeedsBytes);
        }
        if !frame.fin {
            return Ok(Progress::FrameDone);
        }
        deflate.finish()?;
        deflate.release();
        assembly.finish()?;
        Ok(Progress::Found(Found::Assembled))
    }

    /// Decompresses enough for one fragment, and no more than fits into it.
    fn inflate_fragment(&mut self, frame: &mut OpenFrame, kind: MessageKind) -> Result<Progress, ProtocolError> {
        let Self {
            buffer,
            assembly,
            deflate: Some(deflate),
            ..
        } = self
        else {
            return Ok(Progress::FrameDone);
        };
        loop {
            let n = frame.remaining_or_less(buffer.unread().len()).min(PIECE);
            if n == 0 && frame.remaining > 0 && !deflate.is_pending() {
                return Ok(Progress::NeedsBytes);
            }
            let range = buffer.consume_behind(0, n);
            let piece = buffer.slice_mut(range);
            if let Some(key) = frame.key {
                key.apply(piece);
            }
            // First what is allowed, and only then the byte too many: text before it may have a fault of its own.
            let mut most = room_left(deflate, self.max_message_size).max(1);
            if assembly.missing() > 0 {
                // The cut code point first: it is not adjacent to the bytes that follow, so it is a separate event.
                most = most.min(assembly.missing());
            }
            let (step, block) = deflate.step_in_block(piece, most)?;
            check_size(&step, self.max_message_size)?;
            let left = &mut piece[step.consumed..];
            if let Some(key) = frame.key {
                key.rotated(step.consumed).apply(left);
            }
            let left = left.len();
            frame.advance(step.consumed);

            let frame_done = frame.remaining == 0 && !step.pending;
            let is_last = frame_done && frame.fin;
            let found = assembly.cut_fragment(kind, block, None, 0, is_last)?;
            buffer.put_back(left);
            if is_last {
                if let Err(error) = deflate.finish() {
                    // If what was decompressed before is invalid text, that fault comes first. Otherwise it is checked
                    // when it is lent.
                    if let Some(Found::Fragment(MessageKind::Text, text, _)) = found {
                        utf8::check(inflated(Some(deflate), text.len())).map_err(|_| ProtocolError::InvalidUtf8)?;
                    }
                    return Err(error.into());
                }
            }
            match found {
                Some(Found::Fragment(kind, range, is_last)) => {
                    return Ok(Progress::Found(Found::Inflated(kind, range.len(), is_last)));
                }
                Some(found) => return Ok(Progress::Found(found)),
                None if frame_done => return Ok(Progress::FrameDone),
                None => {}
            }
        }
    }

    fn is_inflating(&self) -> bool {
        self.deflate.as_ref().is_some_and(|deflate| deflate.is_pending())
    }
}

/// Returns the fragment that was decompressed last.
pub(super) fn inflated(deflate: Option<&Decompressor>, len: usize) -> &[u8] {
    deflate
        .and_then(|deflate| deflate.block().get(..len))
        .unwrap_or_default()
}

/// Returns how many more bytes a message may decompress to.
fn room_left(deflate: &Decompressor, max: u64) -> usize {
    let left = max.saturating_sub(deflate.inflated());
    usize::try_from(left).unwrap_or(usize::MAX)
}

/// SEC-03, PMD-43: the limit applies to the decompressed size.
fn check_size(step: &CodecStep, max: u64) -> Result<(), ProtocolError> {
    if step.inflated > max {
        return Err(ProtocolError::MessageTooBig);
    }
    Ok(())
}

impl From<InvalidData> for ProtocolError {
    fn from(InvalidData: InvalidData) -> Self {
        Self::InvalidCompression
    }
}
