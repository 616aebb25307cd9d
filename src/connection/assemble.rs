//! Assembly of a message that is not in the receive buffer in one piece: large, fragmented, or cut by a read.

use alloc::{string::String, vec::Vec};
use core::mem;

#[cfg(feature = "async")]
use bytes::{BufMut, buf::Limit};

use crate::{
    connection::{error::ProtocolError, found::Found},
    frame::{MaskingKey, Rsv},
    message::{Message, MessageKind, Payload, Text},
    utf8::CutCodePoint,
};

/// The number of bytes that must have arrived before the rest of a frame is read directly into the message buffer.
///
/// Until then, reads go through the receive buffer, so that an announced length alone never costs memory.
const DIRECT: usize = 16 << 10;

/// Bytes zeroed at a time for callers that can only read into initialised memory: they are overwritten while they are
/// still in the cache.
const ZEROED: usize = 256 << 10;

/// The initial space for a compressed message, in bytes.
const INFLATE: usize = 4 << 10;

/// The buffer of the message being assembled. It is kept for the next one until [`release`](Self::release).
#[derive(Debug)]
pub(super) struct Assembly {
    store: Store,
    /// The length of the longest message so far. When a message is announced to be that long, this much is reserved at
    /// once: a buffer that grows in steps is copied again and again.
    longest: u32,
    /// The number of bytes received of a binary message; the vector may be initialised further.
    filled: usize,
    /// Text: the code point that the end of the last piece has cut.
    cut: CutCodePoint,
    /// The reserved bits of the application's extensions. They are kept here because frames with them are assembled
    /// here, and because they occupy no extra space here.
    pub(super) claimed: Rsv,
    /// The frame for an extension that is being assembled, if it is one.
    pub(super) frame: Option<ExtensionHeader>,
    /// Whether the receive buffer was handed over with what it contains, so that a message may take it.
    pub(super) handed_over: bool,
    /// Whether the message is not here but in such a buffer, where the `filled` bytes that were consumed last are its
    /// payload.
    pub(super) in_buffer: bool,
}

/// The header of a frame for an extension.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExtensionHeader {
    pub(super) rsv: Rsv,
    pub(super) kind: MessageKind,
    pub(super) is_last: bool,
}

/// One allocation serves both kinds. Text is a `String` from its first byte, so that it is never checked twice.
#[derive(Debug)]
enum Store {
    Text(String),
    Binary(Vec<u8>),
}

impl Assembly {
    pub(super) const fn new() -> Self {
        Self {
            store: Store::Binary(Vec::new()),
            longest: 0,
            filled: 0,
            cut: CutCodePoint::EMPTY,
            claimed: Rsv::NONE,
            frame: None,
            handed_over: false,
            in_buffer: false,
        }
    }

    /// Notes that the next event is a message of this length in a receive buffer that was handed over.
    pub(super) const fn set_in_buffer(&mut self, len: usize) {
        self.in_buffer = true;
        self.filled = len;
    }

    /// Returns the length of such a message, once.
    pub(super) fn take_in_buffer(&mut self) -> Option<usize> {
        mem::take(&mut self.in_buffer).then(|| mem::take(&mut self.filled))
    }

    /// Starts an empty message.
    pub(super) fn begin(&mut self, kind: MessageKind) {
        self.filled = 0;
        self.cut = CutCodePoint::EMPTY;
        match (&mut self.store, kind) {
            (Store::Text(text), MessageKind::Text) => text.clear(),
            (Store::Text(text), MessageKind::Binary) => self.store = Store::Binary(mem::take(text).into_bytes()),
            (Store::Binary(bytes), MessageKind::Text) => {
                bytes.clear();
                self.store = Store::Text(String::from_utf8(mem::take(bytes)).unwrap_or_default());
            }
            (Store::Binary(_), MessageKind::Binary) => {}
        }
    }

    /// Adds a piece of payload to a message that may have `max` bytes, and unmasks it on the way. `rest` further bytes
    /// are announced.
    pub(super) fn push(
        &mut self,
        piece: &mut [u8],
        key: Option<MaskingKey>,
        rest: usize,
        max: u64,
    ) -> Result<(), ProtocolError> {
        let expected = rest.min(self.longest as usize);
        match &mut self.store {
            Store::Text(text) => {
                // Only the missing bytes of the cut code point are counted; it has three others at most.
                let needed = text.len() + piece.len() + 3;
                text.reserve_exact(growth(text.capacity(), needed, expected, max) - text.len());
                if let Some(key) = key {
                    key.apply(piece);
                }
                let (head, rest) = piece.split_at(self.cut.missing().min(piece.len()));
                if let Some(code_point) = self.cut.complete(head).map_err(|_| ProtocolError::InvalidUtf8)? {
                    text.push_str(code_point);
                }
                if !rest.is_empty() {
                    text.push_str(self.cut.check_piece(rest).map_err(|_| ProtocolError::InvalidUtf8)?);
                }
            }
            Store::Binary(bytes) => {
                let end = self.filled + piece.len();
                if let Some(room) = bytes.get_mut(self.filled..end) {
                    room.copy_from_slice(piece);
                    if let Some(key) = key {
                        key.apply(room);
                    }
                } else {
                    bytes.truncate(self.filled);
                    bytes.reserve_exact(growth(bytes.capacity(), end, expected, max) - self.filled);
                    match key {
                        Some(key) => key.apply_into(piece, bytes),
                        None => bytes.extend_from_slice(piece),
                    }
                }
                self.filled = end;
            }
        }
        Ok(())
    }

    /// Returns space to decompress a binary message into: at most `n` bytes, and at least one if `n` is not 0.
    pub(super) fn inflate_space(&mut self, n: usize) -> Option<&mut [u8]> {
        let Store::Binary(bytes) = &mut self.store else {
            return None;
        };
        let end = self.filled.saturating_add(n);
        if self.filled == bytes.len() {
            // The buffer at most doubles, whatever the data promises.
            let end = end.min((2 * self.filled).max(INFLATE));
            bytes.reserve_exact(end - bytes.len());
            bytes.resize(end, 0);
        }
        let end = end.min(bytes.len());
        Some(&mut bytes[self.filled..end])
    }

    /// Receives `n` bytes that were decompressed into [`inflate_space`](Self::inflate_space).
    pub(super) fn inflate_fill(&mut self, n: usize) {
        self.filled += n;
    }

    /// Returns space to read up to `remaining` bytes of payload into, for a binary message that is already long.
    ///
    /// It is hardly longer than what has arrived, so the buffer at most doubles.
    pub(super) fn direct_space(&mut self, remaining: usize) -> Option<&mut [u8]> {
        let Store::Binary(bytes) = &mut self.store else {
            return None;
        };
        let room = direct_room(self.filled, bytes.capacity(), self.longest, remaining)?;
        let mut end = self.filled + room;
        if end > bytes.len() {
            bytes.reserve_exact(end - bytes.len());
            end = end.min(bytes.len().max(self.filled + ZEROED));
            bytes.resize(end, 0);
        }
        Some(&mut bytes[self.filled..end])
    }

    /// Returns the message buffer, to append up to `remaining` bytes of payload to, as far as it has room. Like
    /// [`direct_space`](Self::direct_space), but for callers that can fill uninitialised memory.
    #[cfg(feature = "async")]
    pub(super) fn direct_buffer(&mut self, remaining: usize) -> Option<Limit<&mut Vec<u8>>> {
        let Store::Binary(bytes) = &mut self.store else {
            return None;
        };
        let room = direct_room(self.filled, bytes.capacity(), self.longest, remaining)?;
        bytes.truncate(self.filled);
        bytes.reserve_exact(room);
        Some(bytes.limit(room))
    }

    /// Receives and unmasks what was appended to [`direct_buffer`](Self::direct_buffer). Returns the number of bytes.
    #[cfg(feature = "async")]
    pub(super) fn direct_appended(&mut self, key: Option<MaskingKey>) -> usize {
        // Everything after the rest of the message was appended.
        self.direct_fill(usize::MAX, key)
    }

    /// Receives and unmasks `n` bytes that were read into [`direct_space`](Self::direct_space).
    ///
    /// Returns the number of bytes. As for [`RecvBuffer::fill`](super::RecvBuffer), if `n` is larger than the space, it
    /// counts as all of it.
    pub(super) fn direct_fill(&mut self, n: usize, key: Option<MaskingKey>) -> usize {
        let Store::Binary(bytes) = &mut self.store else {
            return 0;
        };
        let n = n.min(bytes.len() - self.filled);
        let end = self.filled + n;
        if let Some(key) = key {
            key.apply(&mut bytes[self.filled..end]);
        }
        self.filled = end;
        n
    }

    /// Returns how many bytes the cut code point of a text lacks, 0 to 3.
    pub(super) fn missing(&self) -> usize {
        self.cut.missing()
    }

    /// Prepares a piece of payload for delivery as a fragment, without adding it.
    ///
    /// The piece, at `start` of the receive buffer, is unmasked. Of text, it is at most as long as what the cut code
    /// point lacks, if there is one. Returns `None` if there is nothing to deliver yet.
    pub(super) fn cut_fragment(
        &mut self,
        kind: MessageKind,
        piece: &mut [u8],
        key: Option<MaskingKey>,
        start: usize,
        is_last: bool,
    ) -> Result<Option<Found>, ProtocolError> {
        if let Some(key) = key {
            key.apply(piece);
        }
        let mut len = piece.len();
        if kind == MessageKind::Text {
            if self.cut.missing() > 0 {
                if let Some(code_point) = self.cut.complete(piece).map_err(|_| ProtocolError::InvalidUtf8)? {
                    return Ok(Some(Found::CodePoint(code_point.len(), is_last)));
                }
                len = 0;
            } else {
                len = self.cut.split_piece(piece).map_err(|_| ProtocolError::InvalidUtf8)?;
            }
            // §8.1: a text must not end inside a code point.
            if is_last && !self.cut.is_empty() {
                return Err(ProtocolError::InvalidUtf8);
            }
        }
        let nothing = len == 0 && !is_last;
        Ok((!nothing).then_some(Found::Fragment(kind, start..start + len, is_last)))
    }

    /// Returns the code point, `len` bytes long, that [`cut_fragment`](Self::cut_fragment) has completed.
    pub(super) fn code_point(&self, len: usize) -> Result<&str, ProtocolError> {
        self.cut.last(len).map_err(|_| ProtocolError::InvalidUtf8)
    }

    /// Ends the message: all of it was pushed.
    pub(super) fn finish(&mut self) -> Result<(), ProtocolError> {
        match &mut self.store {
            // §8.1: a text must not end inside a code point.
            Store::Text(_) if !self.cut.is_empty() => return Err(ProtocolError::InvalidUtf8),
            Store::Text(text) => self.filled = text.len(),
            Store::Binary(bytes) => bytes.truncate(self.filled),
        }
        self.longest = self.longest.max(u32::try_from(self.filled).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Returns the bytes of a binary message.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.store {
            Store::Text(_) => &[],
            Store::Binary(bytes) => &bytes[..self.filled],
        }
    }

    /// Lends the finished message.
    pub(super) fn lend(&mut self) -> Message<'_> {
        match &mut self.store {
            Store::Text(text) => Message::Text(Text::assembled(text)),
            Store::Binary(bytes) => Message::Binary(Payload::assembled(bytes)),
        }
    }

    /// Frees the buffer.
    pub(super) fn release(&mut self) {
        *self = Self {
            longest: self.longest,
            claimed: self.claimed,
            handed_over: self.handed_over,
            ..Self::new()
        };
    }

    /// Returns the size of the buffer in bytes.
    pub(super) fn capacity(&self) -> usize {
        match &self.store {
            Store::Text(text) => text.capacity(),
            Store::Binary(bytes) => bytes.capacity(),
        }
    }
}

/// Returns how much may be read directly after the `filled` bytes of a message whose buffer has room for `capacity`.
///
/// If the buffer is full, this doubles it, or makes it as long as the longest message so far.
fn direct_room(filled: usize, capacity: usize, longest: u32, remaining: usize) -> Option<usize> {
    if filled < DIRECT || remaining < DIRECT {
        return None;
    }
    let mut room = capacity.max(longest as usize).saturating_sub(filled);
    if room < DIRECT {
        room = filled;
    }
    // A short rest is included: later it would be too short for this, and would double the buffer when it is pushed.
    Some(if remaining < room.saturating_add(DIRECT) {
        remaining
    } else {
        room
    })
}

/// Returns the capacity of a buffer that must hold `needed` bytes now, and `expected` more soon. It at least doubles
/// when it grows, but does not exceed what a message may have.
fn growth(capacity: usize, needed: usize, expected: usize, max: u64) -> usize {
    if needed <= capacity {
        return needed;
    }
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let wanted = needed.saturating_add(expected).max(capacity.saturating_mul(2));
    needed.max(wanted.min(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 1 << 30;

    /// A message that is not long yet, or whose rest is short, goes through the receive buffer.
    #[test]
    fn only_what_is_long_is_read_straight_into_the_message() {
        assert_eq!(direct_room(DIRECT - 1, MANY, u32::MAX, MANY), None);
        assert_eq!(direct_room(MANY, 2 * MANY, u32::MAX, DIRECT - 1), None);
        assert_eq!(direct_room(DIRECT, DIRECT, 0, DIRECT), Some(DIRECT));
    }

    /// A full buffer doubles, or becomes as long as the longest message so far; one that is not full is filled first. A
    /// short rest is read at once.
    #[test]
    fn room_follows_what_has_arrived() {
        let filled = 3 * DIRECT;
        assert_eq!(direct_room(filled, filled, 0, MANY), Some(filled));
        assert_eq!(direct_room(filled, filled + DIRECT - 1, 0, MANY), Some(filled));
        assert_eq!(direct_room(filled, filled + DIRECT, 0, MANY), Some(DIRECT));
        assert_eq!(direct_room(filled, filled + 100_000, 0, MANY), Some(100_000));
        assert_eq!(direct_room(filled, filled, 1_000_000, MANY), Some(1_000_000 - filled));
        assert_eq!(direct_room(filled, filled, 0, filled + DIRECT), Some(filled));
        assert_eq!(
            direct_room(filled, filled, 0, filled + DIRECT - 1),
            Some(filled + DIRECT - 1)
        );
    }

    #[test]
    fn buffers_grow_in_proportion_and_within_the_limit() {
        assert_eq!(growth(100, 100, 500, 1000), 100, "there is room");
        assert_eq!(growth(100, 101, 0, 1000), 200, "it doubles");
        assert_eq!(growth(100, 101, 500, 1000), 601, "so much is expected");
        assert_eq!(growth(100, 101, 500, 300), 300, "the message may have no more");
        assert_eq!(growth(100, 400, 500, 300), 400, "so much is there");
    }

    /// Decompression exactly doubles the buffer: less would copy it too often.
    #[test]
    fn the_room_to_decompress_into_doubles() {
        let mut assembly = Assembly::new();
        assembly.begin(MessageKind::Binary);
        for expected in [INFLATE, INFLATE, 2 * INFLATE, 4 * INFLATE] {
            assert_eq!(assembly.inflate_space(0).map(|room| room.len()), Some(0));
            let room = assembly.inflate_space(MANY).expect("it is a binary message");
            assert_eq!(room.len(), expected);
            room.fill(7);
            assembly.inflate_fill(expected);
        }
        assert_eq!(assembly.inflate_space(10).map(|room| room.len()), Some(10));
        assert_eq!(assembly.capacity(), 8 * INFLATE + 10);
        assembly.finish().expect("it is not text");
        assert_eq!(assembly.lend().as_bytes(), [7; 8 * INFLATE]);
    }

    /// The length of a long message is remembered when its buffer is freed, and reserved at once for the next one.
    #[test]
    fn the_longest_message_is_remembered() {
        let mut assembly = Assembly::new();
        for kind in [MessageKind::Binary, MessageKind::Text] {
            assembly.begin(kind);
            assembly
                .push(&mut [b'x'; 50_000], None, 0, u64::MAX)
                .expect("it is text");
            assembly.finish().expect("it is text");
            assembly.release();
            assert_eq!(assembly.capacity(), 0);
            assembly.begin(kind);
            assembly
                .push(&mut [b'x'; 10], None, 49_990, u64::MAX)
                .expect("it is text");
            assert!(
                (50_000..=50_003).contains(&assembly.capacity()),
                "{}",
                assembly.capacity()
            );
            assembly.release();
        }
    }

    /// Memory that must be initialised first is initialised in steps, however long the expected message is.
    #[test]
    fn room_is_zeroed_in_steps() {
        let mut assembly = Assembly::new();
        assembly.begin(MessageKind::Binary);
        let max = u64::MAX;
        assembly
            .push(&mut [1; 2 * DIRECT], None, 0, max)
            .expect("it is not text");
        assembly.longest = 16 << 20;
        for _ in 0..3 {
            let n = assembly.direct_space(MANY).map(|room| room.len());
            assert_eq!(n, Some(ZEROED));
            assert_eq!(assembly.direct_fill(ZEROED, None), ZEROED);
        }
        assert_eq!(assembly.capacity(), 16 << 20, "room for all of it was made at once");
    }
}
