//! The position of each frame in the bytes of one direction, without its contents.

use crate::wire::{CLOSE, FIN};

/// A frame whose header, at least, has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub first: u8,
    /// Where it begins, and where it ends, as far as its bytes have arrived.
    pub start: usize,
    pub end: usize,
    pub is_whole: bool,
}

impl Frame {
    pub fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    fn is_data(&self) -> bool {
        self.opcode() < CLOSE
    }
}

/// The frames that follow the head of an opening handshake.
pub struct Frames(pub Vec<Frame>);

impl Frames {
    /// `None` without a complete head.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mut start = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let mut frames = Vec::new();
        while let Some((_, len)) = length(&bytes[start..]).filter(|(header, _)| start + header <= bytes.len()) {
            let end = (start + len).min(bytes.len());
            frames.push(Frame {
                first: bytes[start],
                start,
                end,
                is_whole: start + len <= bytes.len(),
            });
            start = end;
        }
        Some(Self(frames))
    }

    /// The number of whole messages.
    pub fn messages(&self) -> usize {
        let ends = |frame: &&Frame| frame.is_whole && frame.is_data() && frame.first & FIN != 0;
        self.0.iter().filter(ends).count()
    }

    pub fn has_close(&self) -> bool {
        self.0.iter().any(|frame| frame.is_whole && frame.opcode() == CLOSE)
    }

    /// The position of the last byte of an incomplete message.
    pub fn unfinished(&self) -> Option<usize> {
        let last = self.0.iter().rfind(|frame| frame.is_data())?;
        let is_over = last.is_whole && last.first & FIN != 0;
        (!is_over).then_some(last.end - 1)
    }
}

/// The length of a header, and of the whole frame.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let second = *bytes.get(1)?;
    let form = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let payload = match form {
        0 => usize::from(second & 0x7f),
        _ => bytes
            .get(2..2 + form)?
            .iter()
            .fold(0, |len, &byte| len << 8 | usize::from(byte)),
    };
    let header = 2 + form + usize::from(second >> 7) * 4;
    Some((header, header + payload))
}
