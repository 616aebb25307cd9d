//! The limits: bare loops without checks, limits or state, which show what the hardware allows a plain program.

use core::hint::black_box;

use super::{READ, stream::Stream};

/// Masks in place with a loop that the compiler vectorises.
#[inline]
pub(crate) fn xor(key: [u8; 4], data: &mut [u8]) {
    let mut keys = [0; 32];
    for quad in keys.chunks_exact_mut(4) {
        quad.copy_from_slice(&key);
    }
    let mut chunks = data.chunks_exact_mut(32);
    for chunk in &mut chunks {
        for (byte, key) in chunk.iter_mut().zip(&keys) {
            *byte ^= key;
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(&keys) {
        *byte ^= key;
    }
}

/// A payload that the receiving loop found.
pub(crate) enum Payload<'a> {
    /// A slice of the receive buffer.
    InPlace(&'a [u8]),
    /// Assembled in its own buffer, which may be taken.
    Apart(&'a mut Vec<u8>),
}

impl Payload<'_> {
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::InPlace(bytes) => bytes,
            Self::Apart(bytes) => bytes,
        }
    }
}

/// Receives from valid input: parses headers, unmasks in place, yields slices.
///
/// A payload that does not fit the receive buffer is read straight into a buffer of the announced length, which a careful
/// receiver does not do.
pub(crate) struct RecvLoop {
    buffer: Vec<u8>,
    message: Vec<u8>,
}

impl RecvLoop {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; READ],
            message: Vec::new(),
        }
    }

    /// One pass over the stream.
    #[inline]
    pub(crate) fn receive(&mut self, stream: &Stream, mut sink: impl FnMut(Payload<'_>)) {
        let Self { buffer, message } = self;
        let mut source = stream.source();
        let (mut start, mut end) = (0, 0);
        loop {
            let n = source.read(&mut buffer[end..]);
            if n == 0 {
                break;
            }
            end += n;
            while let Some((header, header_len)) = Header::parse(&buffer[start..end]) {
                let at = start + header_len;
                if header.payload_len <= end - at {
                    start = at + header.payload_len;
                    let piece = &mut buffer[at..start];
                    if header.fin && message.is_empty() {
                        if let Some(key) = header.key {
                            xor(key, piece);
                        }
                        sink(Payload::InPlace(piece));
                        continue;
                    }
                    let filled = message.len();
                    message.extend_from_slice(piece);
                    if let Some(key) = header.key {
                        xor(key, &mut message[filled..]);
                    }
                    if header.fin {
                        sink(Payload::Apart(message));
                        message.clear();
                    }
                } else if header.payload_len > buffer.len() {
                    message.reserve_exact(header.payload_len);
                    message.extend_from_slice(&buffer[at..end]);
                    let mut done = 0;
                    loop {
                        if let Some(mut key) = header.key {
                            key.rotate_left(done % 4);
                            xor(key, &mut message[done..]);
                        }
                        done = message.len();
                        if source.read_behind(message, header.payload_len) == 0 {
                            break;
                        }
                    }
                    sink(Payload::Apart(message));
                    message.clear();
                    (start, end) = (0, 0);
                } else {
                    break;
                }
            }
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
        }
    }
}

struct Header {
    fin: bool,
    key: Option<[u8; 4]>,
    payload_len: usize,
}

impl Header {
    #[inline]
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let &[first, second, ref rest @ ..] = bytes else {
            return None;
        };
        let (payload_len, rest, header_len) = match second & 0x7F {
            126 => {
                let (len, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*len)), rest, 4)
            }
            127 => {
                let (len, rest) = rest.split_first_chunk()?;
                (usize::try_from(u64::from_be_bytes(*len)).ok()?, rest, 10)
            }
            len => (usize::from(len), rest, 2),
        };
        let fin = first & 0x80 != 0;
        if second & 0x80 == 0 {
            let header = Self {
                fin,
                key: None,
                payload_len,
            };
            return Some((header, header_len));
        }
        let header = Self {
            fin,
            key: Some(*rest.first_chunk()?),
            payload_len,
        };
        Some((header, header_len + 4))
    }
}

/// Sends: writes headers, copies payloads, masks the copies.
pub(crate) struct SendLoop {
    arena: Vec<u8>,
    /// Masking keys that are used in turn, or none for a server.
    keys: Vec<[u8; 4]>,
    next_key: usize,
}

impl SendLoop {
    pub(crate) fn new(keys: Vec<[u8; 4]>) -> Self {
        Self {
            arena: Vec::new(),
            keys,
            next_key: 0,
        }
    }

    #[inline]
    pub(crate) fn send(&mut self, payload: &[u8]) {
        let mut header = [0x82, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let len = payload.len().to_be_bytes();
        let header_len = match payload.len() {
            0..=125 => {
                header[1] = len[7];
                2
            }
            126..=0xFFFF => {
                header[1] = 126;
                header[2..4].copy_from_slice(&len[6..]);
                4
            }
            _ => {
                header[1] = 127;
                header[2..10].copy_from_slice(&len);
                10
            }
        };
        if self.keys.is_empty() {
            self.arena.extend_from_slice(&header[..header_len]);
            self.arena.extend_from_slice(payload);
        } else {
            let key = self.keys[self.next_key];
            self.next_key = (self.next_key + 1) % self.keys.len();
            header[1] |= 0x80;
            self.arena.extend_from_slice(&header[..header_len]);
            self.arena.extend_from_slice(&key);
            let at = self.arena.len();
            self.arena.extend_from_slice(payload);
            xor(key, &mut self.arena[at..]);
        }
    }

    #[inline]
    pub(crate) fn flush(&mut self) {
        black_box(&self.arena[..]);
        self.arena.clear();
    }
}
