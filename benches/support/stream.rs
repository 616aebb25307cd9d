//! Streams of frames as a peer writes them, and a source that delivers them in reads.

use websocket_proto::{
    Role,
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
};

use super::{Content, KIB, PASS, READ, keys};

/// Whole messages of one shape, one after another.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    pub(crate) receiver: Role,
    pub(crate) content: Content,
    /// Payload bytes of a message.
    pub(crate) len: usize,
    pub(crate) messages: usize,
    /// The most bytes of one read.
    pub(crate) read: usize,
}

impl Stream {
    /// Unfragmented messages, masked if a server receives them.
    pub(crate) fn new(receiver: Role, content: Content, len: usize) -> Self {
        Self::fragmented(receiver, content, len, len)
    }

    /// Messages in frames with payloads of `frame_len`.
    pub(crate) fn fragmented(receiver: Role, content: Content, len: usize, frame_len: usize) -> Self {
        let payload = content.payload(len);
        let messages = (PASS / len).clamp(1, 16 * KIB);
        let frames = messages * len.div_ceil(frame_len);
        let mut bytes = Vec::with_capacity(messages * len + frames * FrameHeader::MAX_LEN);
        let mut keys = keys(frames).into_iter();
        for _ in 0..messages {
            for (i, piece) in payload.chunks(frame_len).enumerate() {
                let key = keys.next().map(MaskingKey::new);
                let header = FrameHeader {
                    fin: (i + 1) * frame_len >= len,
                    rsv: Rsv::NONE,
                    opcode: match content {
                        _ if i > 0 => Opcode::Continuation,
                        Content::Binary => Opcode::Binary,
                        Content::Ascii | Content::Mixed => Opcode::Text,
                    },
                    masking_key: key.filter(|_| receiver == Role::Server),
                    payload_len: piece.len() as u64,
                };
                let mut head = [0; FrameHeader::MAX_LEN];
                let head_len = header.encode(&mut head);
                bytes.extend_from_slice(&head[..head_len]);
                match header.masking_key {
                    Some(key) => key.apply_into(piece, &mut bytes),
                    None => bytes.extend_from_slice(piece),
                }
            }
        }
        Self {
            bytes,
            receiver,
            content,
            len,
            messages,
            read: READ,
        }
    }

    /// The same, but a read never returns more than one message.
    pub(crate) fn one_per_read(mut self) -> Self {
        // All messages have one length, so reads of that length end with them.
        self.read = self.bytes.len() / self.messages;
        self
    }

    /// Payload bytes of all messages.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.len * self.messages
    }

    pub(crate) fn source(&self) -> Source<'_> {
        self.source_at(0)
    }

    /// The rest of the stream, after `read` bytes were read.
    #[inline]
    pub(crate) fn source_at(&self, read: usize) -> Source<'_> {
        Source {
            rest: &self.bytes[read..],
            read: self.read,
        }
    }
}

/// Stands in for a transport: a read is a copy.
pub(crate) struct Source<'a> {
    rest: &'a [u8],
    read: usize,
}

impl Source<'_> {
    /// Reads into initialised memory, and returns the number of bytes; 0 at the end.
    #[inline]
    pub(crate) fn read(&mut self, room: &mut [u8]) -> usize {
        let n = self.rest.len().min(self.read).min(room.len());
        let (piece, rest) = self.rest.split_at(n);
        room[..n].copy_from_slice(piece);
        self.rest = rest;
        n
    }

    /// Reads after the contents of a vector, up to `most` bytes in all, like reading into spare capacity.
    #[inline]
    pub(crate) fn read_behind(&mut self, dest: &mut Vec<u8>, most: usize) -> usize {
        let n = self.rest.len().min(self.read).min(most - dest.len());
        let (piece, rest) = self.rest.split_at(n);
        dest.extend_from_slice(piece);
        self.rest = rest;
        n
    }
}
