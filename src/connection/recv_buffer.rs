//! The receive buffer: an initialised buffer with two cursors.

use alloc::{vec, vec::Vec};
use core::{fmt, ops::Range};

/// A buffer that received bytes are read into.
///
/// Between reads, a connection needs it only for the few bytes of an incomplete frame header or control frame. So an
/// event loop can own one buffer and lend it to the connection that is readable:
/// [`Inbound::give_buffer`](crate::Inbound::give_buffer) before the read,
/// [`Inbound::take_buffer`](crate::Inbound::take_buffer) after the events.
///
/// ```text
///     0        start        end        len
///     +----------+-----------+----------+
///     | consumed |  unread   |  spare   |   always initialised, so no read has to fill it first
///     +----------+-----------+----------+
/// ```
#[derive(Default)]
pub struct RecvBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

/// Omits the bytes: the first message of a client is often a token.
impl fmt::Debug for RecvBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvBuffer")
            .field("capacity", &self.bytes.len())
            .field("start", &self.start)
            .field("end", &self.end)
            .finish()
    }
}

impl RecvBuffer {
    /// The [default](crate::Limits::recv_buffer_size) size of the buffer that a connection allocates if it is lent
    /// none, in bytes.
    pub const DEFAULT_CAPACITY: usize = 16 << 10;

    /// The size of the smallest buffer: any header or control frame fits, so parsing never stalls for lack of room.
    pub(super) const MIN_CAPACITY: usize = 256;

    /// The size of the first read into a buffer that a connection has allocated.
    const FIRST: usize = 1 << 10;

    /// Returns the size of the buffer that a connection allocates with this setting.
    pub(crate) const fn rounded(size: usize) -> usize {
        1 << Self::size_bits(size)
    }

    /// Returns the base-two logarithm of that size.
    pub(super) const fn size_bits(size: usize) -> u8 {
        const MOST: u32 = 30;
        let bits = match size.checked_next_power_of_two() {
            Some(size) => size.trailing_zeros(),
            None => MOST,
        };
        let least = Self::MIN_CAPACITY.trailing_zeros();
        #[expect(clippy::cast_possible_truncation, reason = "at most 30")]
        if bits < least {
            least as u8
        } else if bits > MOST {
            MOST as u8
        } else {
            bits as u8
        }
    }

    /// Creates a buffer of this many bytes (at least 256), which are zeroed once, here.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: vec![0; capacity.max(Self::MIN_CAPACITY)],
            start: 0,
            end: 0,
        }
    }

    /// Creates a buffer from bytes that were [taken](Self::bytes_mut) before.
    #[cfg(feature = "async")]
    pub(crate) const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            start: 0,
            end: 0,
        }
    }

    /// Returns the whole buffer, which may be taken if nothing is unread.
    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.is_empty());
        (self.start, self.end) = (0, 0);
        &mut self.bytes
    }

    /// Returns how many bytes the buffer can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the number of heap bytes.
    pub(super) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }

    /// Returns whether it contains no unread bytes.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Returns whether there is room for more bytes.
    pub(super) fn has_room(&self) -> bool {
        self.start > 0 || self.end < self.bytes.len() || self.can_grow()
    }

    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Consumes a header and the payload after it, and returns the range of the payload. The payload stays there until
    /// [`spare`](Self::spare) or [`push`](Self::push) is called.
    #[inline]
    pub(super) fn consume_behind(&mut self, header_len: usize, len: usize) -> Range<usize> {
        debug_assert!(header_len + len <= self.end - self.start);
        let start = self.start + header_len;
        self.start = start + len;
        start..self.start
    }

    /// Returns the range of the `n` bytes that were consumed last.
    pub(super) const fn last_consumed(&self, n: usize) -> Range<usize> {
        self.start - n..self.start
    }

    /// Makes the last `n` consumed bytes unread again.
    pub(super) fn put_back(&mut self, n: usize) {
        debug_assert!(n <= self.start);
        self.start -= n;
    }

    /// Drops all unread bytes.
    pub(super) fn clear(&mut self) {
        self.start = self.end;
    }

    #[inline]
    pub(super) fn slice(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    #[inline]
    pub(super) fn slice_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        &mut self.bytes[range]
    }

    /// Returns the part that can be read into, which is empty only if unread bytes fill the buffer. If there is no
    /// buffer, allocates one with that capacity.
    #[inline]
    pub(super) fn spare(&mut self, capacity: usize) -> &mut [u8] {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        } else {
            self.make_room();
        }
        if self.bytes.len() <= Self::FIRST {
            self.grow(capacity);
        }
        &mut self.bytes[self.end..]
    }

    /// Allocates a buffer, of which the first read uses only a part, and the second all. A buffer that is freed after
    /// each short read then costs no more than in proportion to what was read.
    #[cold]
    fn grow(&mut self, capacity: usize) {
        if self.bytes.len() < Self::MIN_CAPACITY {
            self.bytes.reserve_exact(capacity - self.bytes.len());
            self.bytes.resize(capacity.min(Self::FIRST), 0);
        } else {
            self.bytes.resize(self.bytes.capacity(), 0);
        }
    }

    /// Returns whether some of the memory is not in use yet.
    fn can_grow(&self) -> bool {
        self.bytes.len() < Self::MIN_CAPACITY
            || (self.bytes.len() <= Self::FIRST && self.bytes.len() < self.bytes.capacity())
    }

    /// Receives `n` bytes that were read into the spare part.
    ///
    /// If `n` is larger than the spare part, it counts as all of it: a caller's mistake must not panic in its server.
    #[inline]
    pub(super) fn fill(&mut self, n: usize) {
        debug_assert!(n <= self.bytes.len() - self.end, "advance() by more than space() had");
        self.end += n.min(self.bytes.len() - self.end);
    }

    /// Appends received bytes, and grows if necessary.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.make_room();
        let needed = self.end + bytes.len();
        if needed > self.bytes.len() {
            self.bytes.resize(needed, 0);
        }
        self.bytes[self.end..needed].copy_from_slice(bytes);
        self.end = needed;
    }

    /// Moves the unread bytes to the front, if that is cheap or necessary.
    ///
    /// When all events were taken, the unread bytes are fewer than a header or a control frame, so moving them costs
    /// almost nothing.
    fn make_room(&mut self) {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        } else if self.start > self.bytes.len() / 2 || (self.start > 0 && self.end == self.bytes.len()) {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }

    /// Takes the buffer and leaves the unread bytes, if they are few, in one of exactly their size.
    ///
    /// Returns `None` if there is nothing to take, or if more than `most` bytes are unread.
    #[inline]
    pub(super) fn take(&mut self, most: usize) -> Option<Self> {
        if self.is_empty() && !self.bytes.is_empty() {
            (self.start, self.end) = (0, 0);
            return Some(core::mem::take(self));
        }
        self.take_all_but_unread(most)
    }

    fn take_all_but_unread(&mut self, most: usize) -> Option<Self> {
        let unread = self.unread();
        if self.bytes.len() == unread.len() || unread.len() > most {
            return None;
        }
        let rest = Self {
            bytes: unread.to_vec(),
            start: 0,
            end: unread.len(),
        };
        let mut taken = core::mem::replace(self, rest);
        (taken.start, taken.end) = (0, 0);
        Some(taken)
    }

    /// Frees the memory, except for the unread bytes; does nothing if more than `most` bytes are unread.
    pub(super) fn release(&mut self, most: usize) {
        if self.is_empty() {
            *self = Self::default();
        } else {
            drop(self.take(most));
        }
    }

    /// Replaces this buffer with a larger one. Returns the buffer that is not needed.
    #[inline]
    pub(super) fn give(&mut self, buffer: Self) -> Self {
        if self.bytes.is_empty() {
            return core::mem::replace(self, buffer);
        }
        self.give_in_place(buffer)
    }

    fn give_in_place(&mut self, mut buffer: Self) -> Self {
        let unread = self.end - self.start;
        if buffer.bytes.len() <= self.bytes.len().max(unread) {
            return buffer;
        }
        buffer.bytes[..unread].copy_from_slice(self.unread());
        (buffer.start, buffer.end) = (0, unread);
        let mut former = core::mem::replace(self, buffer);
        // The unread bytes are in the new buffer now.
        (former.start, former.end) = (0, 0);
        former
    }

    /// Replaces this buffer with one whose first `n` bytes were received, if this one contains nothing unread; otherwise
    /// copies them. Returns the buffer that is not needed.
    pub(super) fn take_over(&mut self, mut filled: Self, n: usize) -> Self {
        if !self.is_empty() {
            self.push(&filled.bytes[..n]);
            return filled;
        }
        (filled.start, filled.end) = (0, n);
        let mut spare = core::mem::replace(self, filled);
        (spare.start, spare.end) = (0, 0);
        spare
    }
}

/// Uses all of the vector's capacity, at least 256 bytes. Bytes beyond its length are zeroed, once.
impl From<Vec<u8>> for RecvBuffer {
    fn from(mut bytes: Vec<u8>) -> Self {
        bytes.resize(bytes.capacity().max(Self::MIN_CAPACITY), 0);
        Self {
            bytes,
            start: 0,
            end: 0,
        }
    }
}

/// Returns the whole buffer, for an operation that fills it: its length is the [capacity](RecvBuffer::capacity).
/// Converting it back copies nothing if that is still so.
impl From<RecvBuffer> for Vec<u8> {
    fn from(buffer: RecvBuffer) -> Self {
        buffer.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unread_survives_every_move() {
        let mut buffer = RecvBuffer::with_capacity(256);
        buffer.push(&[1; 250]);
        let _ = buffer.consume_behind(0, 247);
        assert!(buffer.spare(256).len() >= 128, "compacted");
        assert_eq!(buffer.unread(), [1; 3]);

        let taken = buffer.take(14).expect("three bytes are few");
        assert_eq!((taken.capacity(), taken.is_empty()), (256, true));
        assert_eq!((buffer.capacity(), buffer.unread()), (3, &[1; 3][..]));

        let small = buffer.give(taken);
        assert_eq!((small.capacity(), buffer.capacity()), (3, 256));
        assert_eq!(buffer.unread(), [1; 3]);

        let _ = buffer.consume_behind(0, 2);
        let larger = buffer.give(RecvBuffer::with_capacity(257));
        assert_eq!((larger.capacity(), buffer.capacity()), (256, 257));
        assert_eq!(buffer.unread(), [1]);
        assert!(buffer.take(0).is_none(), "one byte is more than none");
        assert!(buffer.take(1).is_some());
    }

    /// Unread bytes are moved when that costs no more than consuming the others did, or when there is no other room.
    #[test]
    fn unread_bytes_are_moved_where_that_pays() {
        for (filled, consumed, spare) in [
            (200, 128, 56),
            (200, 129, 185),
            (256, 1, 1),
            (256, 128, 128),
            (256, 0, 0),
        ] {
            let mut buffer = RecvBuffer::with_capacity(256);
            buffer.push(&[1; 256][..filled]);
            let _ = buffer.consume_behind(0, consumed);
            assert_eq!(buffer.has_room(), spare > 0);
            assert_eq!(buffer.spare(256).len(), spare, "{consumed} of {filled} consumed");
            assert_eq!(buffer.unread(), &[1; 256][..filled - consumed]);
        }
    }

    /// A buffer that is given back contains no unread bytes.
    #[test]
    fn a_former_buffer_is_empty() {
        let mut buffer = RecvBuffer::with_capacity(256);
        buffer.push(b"unread");
        let former = buffer.give(RecvBuffer::with_capacity(1000));
        assert_eq!((former.capacity(), former.is_empty()), (256, true));
        let mut other = RecvBuffer::default();
        assert_eq!(other.give(former).capacity(), 0);
        assert_eq!((other.unread(), buffer.unread()), (&b""[..], &b"unread"[..]));
    }

    #[cfg(feature = "async")]
    #[test]
    fn what_was_taken_is_of_use_again() {
        let mut buffer = RecvBuffer::with_capacity(300);
        buffer.push(&[1; 10]);
        let _ = buffer.consume_behind(0, 10);
        let bytes = core::mem::take(buffer.bytes_mut());
        assert_eq!((buffer.capacity(), buffer.is_empty()), (0, true));
        let buffer = RecvBuffer::from_bytes(bytes);
        assert_eq!((buffer.capacity(), buffer.is_empty()), (300, true));
    }

    #[test]
    fn a_full_buffer_has_no_spare_part_but_takes_pushed_bytes() {
        let mut buffer = RecvBuffer::with_capacity(256);
        buffer.push(&[7; 256]);
        assert!(buffer.spare(256).is_empty());
        assert!(buffer.take(139).is_none());
        buffer.push(&[8; 8]);
        assert_eq!(buffer.unread().len(), 264);
    }
}
