//! Data frames whose payload is processed in pieces, as it arrives.

#[cfg(feature = "async")]
use alloc::vec::Vec;

#[cfg(feature = "async")]
use bytes::buf::Limit;

use super::Inbound;
use crate::{
    config::Delivery,
    connection::{error::ProtocolError, found::Found},
    frame::{FrameHeader, MaskingKey, Opcode},
    message::MessageKind,
};

/// A data frame whose payload is arriving.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFrame {
    pub(super) fin: bool,
    pub(super) remaining: u64,
    pub(super) key: Option<MaskingKey>,
}

/// A message with frames still to come, or whose only frame is arriving.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenMessage {
    pub(super) kind: MessageKind,
    fragments: u32,
    len: u64,
    pub(super) compressed: bool,
    /// Whether its frames are delivered unchanged, for an extension.
    pub(super) raw: bool,
}

impl OpenFrame {
    pub(super) fn remaining_or_less(&self, n: usize) -> usize {
        usize::try_from(self.remaining).map_or(n, |remaining| remaining.min(n))
    }

    pub(super) fn advance(&mut self, n: usize) {
        self.remaining -= n as u64;
        self.key = self.key.map(|key| key.rotated(n));
    }
}

/// How much of a long message's buffer is lent to one read (DRV-06): twice what reads have filled before. A stream that
/// first zeros what it is lent then costs in proportion to what arrives.
#[cfg(feature = "async")]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lent(
    /// How often the minimum was doubled.
    u8,
);

#[cfg(feature = "async")]
impl Lent {
    const LEAST: usize = 4 << 10;

    /// A read of 1 MiB takes so long that the cost of the call itself does not matter.
    const MOST: u8 = 8;

    fn limit(self) -> usize {
        Self::LEAST << self.0
    }

    /// Learns from a read that was lent `lent` bytes and returned `n`. A read that returned nothing is ignored.
    fn adapt(&mut self, lent: usize, n: usize) {
        if n >= self.limit() {
            self.0 = Self::MOST.min(self.0 + 1);
        } else if n > 0 && n < lent / 4 {
            self.0 = self.0.saturating_sub(2);
        }
    }
}

/// The result of processing the frame whose payload is arriving.
pub(super) enum Progress {
    Found(Found),
    FrameDone,
    NeedsBytes,
}

impl Inbound {
    /// Starts a data frame whose payload is processed in pieces, within the limits of its message.
    pub(super) fn open_frame(&mut self, header: &FrameHeader) -> Result<(), ProtocolError> {
        let mut message = match self.message {
            Some(message) => message,
            None => {
                let kind = match header.opcode {
                    Opcode::Text => MessageKind::Text,
                    _ => MessageKind::Binary,
                };
                let compressed = self.begin_inflate(header.rsv);
                let raw = self.is_for_extension(header, compressed);
                if !raw {
                    self.assembly.begin(kind);
                    self.assembly.frame = None;
                }
                OpenMessage {
                    kind,
                    fragments: 0,
                    len: 0,
                    compressed,
                    raw,
                }
            }
        };
        // Both are below 2^63, so the sum cannot overflow.
        message.len += header.payload_len;
        if message.len > self.max_message_size {
            return Err(ProtocolError::MessageTooBig);
        }
        message.fragments = message.fragments.saturating_add(1);
        if message.fragments > self.max_fragments {
            return Err(ProtocolError::TooManyFragments);
        }
        if message.raw {
            self.begin_extension(header, &message);
        }
        self.progress = self.progress.wrapping_add(1);
        self.message = Some(message);
        self.frame = Some(OpenFrame {
            fin: header.fin,
            remaining: header.payload_len,
            key: header.masking_key,
        });
        Ok(())
    }

    /// Processes the available payload of the open frame.
    pub(super) fn continue_frame(&mut self) -> Result<Progress, ProtocolError> {
        let (Some(frame), Some(message)) = (&mut self.frame, self.message) else {
            return Ok(Progress::FrameDone);
        };
        if message.compressed {
            return self.continue_compressed();
        }
        let mut n = frame.remaining_or_less(self.buffer.unread().len());
        if n == 0 && frame.remaining > 0 {
            return Ok(Progress::NeedsBytes);
        }
        let in_pieces = self.delivery == Delivery::Fragments && !message.raw;
        let missing = self.assembly.missing();
        if in_pieces && missing > 0 {
            // The cut code point first: it is not adjacent to the bytes that follow, so it is a separate event.
            n = n.min(missing);
        }
        let key = frame.key;
        frame.advance(n);
        self.progress = self.progress.wrapping_add(1);
        let rest = frame.remaining_or_less(usize::MAX);
        let frame_done = frame.remaining == 0;
        let message_done = frame_done && frame.fin;
        if frame_done {
            self.frame = None;
        }
        if message_done {
            self.message = None;
        }

        let range = self.buffer.consume_behind(0, n);
        let piece = self.buffer.slice_mut(range.clone());
        if in_pieces {
            if let Some(found) = self
                .assembly
                .cut_fragment(message.kind, piece, key, range.start, message_done)?
            {
                return Ok(Progress::Found(found));
            }
        } else {
            self.assembly.push(piece, key, rest, self.max_message_size)?;
            if message_done || (frame_done && message.raw) {
                self.assembly.finish()?;
                return Ok(Progress::Found(Found::Assembled));
            }
        }
        Ok(if frame_done {
            Progress::FrameDone
        } else {
            Progress::NeedsBytes
        })
    }

    /// Reads with `read` directly into the message buffer, after its contents, if it is a long binary message that is
    /// arriving.
    #[cfg(feature = "async")]
    pub(crate) fn read_direct<R>(&mut self, read: impl FnOnce(&mut Limit<&mut Vec<u8>>) -> R) -> Option<R> {
        let remaining = self.direct_remaining()?;
        let mut buffer = self.assembly.direct_buffer(remaining)?;
        let lent = self.lent.limit().min(buffer.limit());
        buffer.set_limit(lent);
        let read = read(&mut buffer);
        if let Some(frame) = &mut self.frame {
            let n = self.assembly.direct_appended(frame.key);
            self.lent.adapt(lent, n);
            frame.advance(n);
            self.progress = self.progress.wrapping_add(1);
            self.note_received(n);
        }
        Some(read)
    }

    /// Returns how much of the open frame may be read directly into the message buffer.
    pub(super) fn direct_remaining(&self) -> Option<usize> {
        let frame = self.frame.as_ref()?;
        let is_plain = self.message.is_some_and(|message| !message.compressed);
        let direct = self.delivery == Delivery::Messages && self.buffer.is_empty() && is_plain;
        direct.then(|| frame.remaining_or_less(usize::MAX))
    }
}

#[cfg(all(test, feature = "async"))]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        connection::{Event, Outbound},
        message::Message,
        role::Role,
    };
    use alloc::vec;
    use bytes::BufMut;

    /// A long binary message, and nothing else, is read into the buffer from which it is delivered, and no byte beyond
    /// its end.
    #[test]
    fn a_long_message_is_read_where_it_lies() {
        let config = Config::new();
        for (opcode, is_binary) in [(0x82, true), (0x81, false)] {
            let (mut inbound, mut outbound) = (
                Inbound::new(Role::Client, &config),
                Outbound::new(Role::Client, &config),
            );
            assert!(inbound.read_direct(|_| ()).is_none(), "no message is arriving");
            inbound.receive(&[opcode, 127, 0, 0, 0, 0, 0, 3, 0, 0]);
            inbound.receive(&[b'x'; 60_000]);
            assert_eq!(inbound.next_event(&mut outbound), Ok(None));
            let (mut left, before) = (0x3_0000 - 60_000, inbound.received().bytes);
            while left > 0 {
                inbound.lent = Lent(Lent::MOST);
                let read = inbound.read_direct(|room| {
                    let n = room.remaining_mut().min(50_000);
                    room.put_bytes(b'y', n);
                    n
                });
                assert_eq!(read.is_some(), is_binary);
                let Some(n) = read else { break };
                left -= n;
                assert_eq!(inbound.received().bytes, before + 0x3_0000 - 60_000 - left as u32);
                assert_eq!(inbound.received().message.is_some(), left > 0);
            }
            if is_binary {
                let payload = [vec![b'x'; 60_000], vec![b'y'; 0x3_0000 - 60_000]].concat();
                assert!(inbound.read_direct(|_| ()).is_none(), "all of it is there");
                let event = inbound.next_event(&mut outbound);
                assert!(event == Ok(Some(Event::Message(Message::from(&payload)))));
            }
        }
    }

    /// DRV-06: the space lent follows what arrives.
    #[test]
    fn what_is_lent_is_in_proportion_to_what_arrives() {
        let config = Config::new();
        let (mut inbound, mut outbound) = (
            Inbound::new(Role::Client, &config),
            Outbound::new(Role::Client, &config),
        );
        inbound.receive(&[0x82, 127, 0, 0, 0, 0, 0, 0xFF, 0, 0]);
        inbound.receive(&[b'x'; 60_000]);
        assert_eq!(inbound.next_event(&mut outbound), Ok(None));
        let mut read = |most: usize| {
            let mut lent = 0;
            inbound.read_direct(|room| {
                lent = room.remaining_mut();
                room.put_bytes(b'y', lent.min(most));
            });
            lent
        };
        let full: Vec<usize> = (0..14).map(|_| read(usize::MAX)).collect();
        assert_eq!(full[..3], [4 << 10, 8 << 10, 16 << 10]);
        // In between, the limit is the buffer, which is no longer than what has arrived.
        assert_eq!(full[13], 1 << 20);
        let before = read(0);
        assert!(before >= 512 << 10);
        assert_eq!(read(0), before, "a stream that is not ready says nothing");
        let dripped: Vec<usize> = (0..8).map(|_| read(1)).collect();
        assert_eq!(dripped[..3], [before, 256 << 10, 64 << 10]);
        assert_eq!(dripped[5..], [4 << 10; 3]);
    }
}
