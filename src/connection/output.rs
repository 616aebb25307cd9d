//! The bytes that wait to be written, in order.

mod owned;
mod queue;
mod segments;
#[cfg(test)]
mod tests;

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use bytes::{Buf, Bytes};

pub use self::owned::OwnedOutput;
use self::{
    queue::{Queue, RECLAIM, copied},
    segments::Backing,
};
use crate::frame::FrameHeader;

/// Bytes of one write.
pub(super) const MAX_WRITE: usize = 128 << 10;

/// Payloads up to this many bytes are copied behind their header; longer ones that are owned are queued as they are.
///
/// Copying so few bytes costs less than one more slice in a vectored write.
pub(super) const MAX_INLINE: usize = 4 << 10;

/// Bytes queued for the peer ([`bytes::Buf`]): write what [`chunk`](Buf::chunk) or
/// `chunks_vectored` (with `std`) gives, then tell with [`advance`](Buf::advance) how many were taken.
///
/// All frames queued between two writes are here together, so one write sends them all. A write that takes only a part,
/// or is cancelled, moves nothing but a cursor.
///
/// ```text
///   arena     | written | headers, control frames, small payloads ...        |
///                  read ^                ^ at           ^ at
///   segments                             [large payload] [large payload]
/// ```
#[derive(Debug)]
pub struct Output {
    queue: Queue,
    /// Bytes that are not known to be written: those in the queue, and those that were taken away.
    queued: usize,
    /// Bytes that were taken away, to be written elsewhere.
    taken: usize,
    /// Bytes that were written since the connection began.
    written: u64,
    /// A receive buffer that a frame went out from.
    written_buffer: Option<Box<[u8]>>,
    /// A frame that is not queued before enough is written. There is none unless something waits.
    deferred: Option<Box<Deferred>>,
}

/// A control frame that waits until `after` bytes are written since the connection began.
#[derive(Debug)]
struct Deferred {
    after: u64,
    frame: Vec<u8>,
}

impl Output {
    // No `Default`: it would be the way to lose what is queued by `core::mem::take`, with all that keeps count of it.
    pub(super) fn new() -> Self {
        Self {
            queue: Queue::default(),
            queued: 0,
            taken: 0,
            written: 0,
            written_buffer: None,
            deferred: None,
        }
    }

    /// Bytes that wait to be written. A payload counts in full, also one that is shared with other connections. What was
    /// [taken](crate::Driver::take_output) does not.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.queued - self.taken
    }

    /// Whether nothing waits to be written.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queued == self.taken
    }

    /// Bytes that are not known to be written: those that wait, and those that were taken.
    #[inline]
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// Bytes that were written since the connection began.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Where the end of what is queued lies in the stream of all bytes.
    pub(super) fn end(&self) -> u64 {
        self.written + self.queued as u64
    }

    /// Queues a frame, whose payload is copied, and masked on the way if the header has a key.
    #[inline]
    pub(super) fn push_frame(&mut self, header: &FrameHeader, payload: &[u8]) {
        self.push_header(header, payload.len());
        match header.masking_key {
            Some(key) => key.apply_into(payload, &mut self.queue.arena),
            None => self.queue.arena.extend_from_slice(payload),
        }
        self.queued += payload.len();
    }

    /// Queues a frame whose payload, already masked if need be, goes out from where it lies.
    #[inline]
    pub(super) fn push_frame_shared(&mut self, header: &FrameHeader, payload: Bytes) {
        self.push_header(header, 0);
        self.push_shared(payload);
    }

    /// Queues bytes, such as a whole frame, that go out from where they lie.
    #[inline]
    pub(super) fn push_shared(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queued += bytes.len();
            self.queue.push_segment(Backing::Shared(bytes));
        }
    }

    /// Queues a frame whose payload lies in a receive buffer, from there.
    pub(super) fn push_frame_received(&mut self, header: &FrameHeader, mut buffer: Vec<u8>, payload: Range<usize>) {
        if let Some(key) = header.masking_key {
            key.apply(&mut buffer[payload.clone()]);
        }
        let mut bytes = [0; FrameHeader::MAX_LEN];
        let len = header.encode(&mut bytes);
        // The header that it came with has left room before it: always for that of a server, which is shorter.
        let start = match payload.start.checked_sub(len) {
            Some(start) => {
                buffer[start..payload.start].copy_from_slice(&bytes[..len]);
                start
            }
            None => {
                self.push_raw(&bytes[..len]);
                payload.start
            }
        };
        self.queued += payload.end - start;
        self.queue
            .push_segment(Backing::Received(buffer.into(), start..payload.end));
    }

    /// Takes the receive buffer away that was written last.
    #[cfg(feature = "async")]
    pub(super) fn take_written(&mut self) -> Option<Vec<u8>> {
        self.written_buffer.take().map(Vec::from)
    }

    /// Keeps a frame back until `after` bytes are written, which is not yet so. It takes the place of the one before.
    #[cold]
    pub(super) fn defer_frame(&mut self, header: &FrameHeader, payload: &[u8], after: u64) {
        let deferred = self.deferred.get_or_insert_with(|| {
            let frame = Vec::with_capacity(FrameHeader::MAX_LEN + FrameHeader::MAX_CONTROL_LEN);
            Box::new(Deferred { after, frame })
        });
        let mut bytes = [0; FrameHeader::MAX_LEN];
        let len = header.encode(&mut bytes);
        deferred.frame.clear();
        deferred.frame.extend_from_slice(&bytes[..len]);
        deferred.frame.extend_from_slice(payload);
        if let Some(key) = header.masking_key {
            key.apply(&mut deferred.frame[len..]);
        }
    }

    /// Queues the frame that was kept back, if there is one.
    #[cold]
    pub(super) fn push_deferred(&mut self) {
        if let Some(deferred) = self.deferred.take() {
            self.push_raw(&deferred.frame);
        }
    }

    /// Queues bytes as they are, by copying them.
    pub(super) fn push_raw(&mut self, bytes: &[u8]) {
        if self.queue.read >= RECLAIM {
            self.queue.reclaim(bytes.len());
        }
        self.queue.arena.extend_from_slice(bytes);
        self.queued += bytes.len();
    }

    /// Queues a header. The payload that is to be copied behind it has this many bytes.
    #[inline]
    fn push_header(&mut self, header: &FrameHeader, copied: usize) {
        // A fixed number of bytes is cheaper to append than a computed one.
        let (bytes, len) = header.to_bytes();
        let needed = bytes.len() + copied;
        if self.queue.read >= RECLAIM {
            self.queue.reclaim(needed);
        }
        // At once, so that a new arena does not grow twice for its first frame.
        self.queue.arena.reserve(needed);
        let end = self.queue.arena.len() + len;
        self.queue.arena.extend_from_slice(&bytes);
        self.queue.arena.truncate(end);
        self.queued += len;
    }

    /// Drops all that waits: the transport is gone.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.deferred = None;
        (self.queued, self.taken) = (0, 0);
    }

    /// Puts a larger buffer in place of the arena, if nothing lies in that. Returns the buffer that is not needed.
    #[inline]
    pub(super) fn give_buffer(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        if !self.queue.arena.is_empty() || buffer.capacity() <= self.queue.arena.capacity() {
            return buffer;
        }
        buffer.clear();
        core::mem::replace(&mut self.queue.arena, buffer)
    }

    /// Takes the arena away, if there is one and nothing waits.
    #[inline]
    pub(super) fn take_buffer(&mut self) -> Option<Vec<u8>> {
        let is_free = self.is_empty() && self.queue.arena.capacity() > 0;
        is_free.then(|| core::mem::take(&mut self.queue.arena))
    }

    /// Frees the memory of an output in which nothing waits.
    #[inline]
    pub(super) fn release(&mut self) {
        debug_assert!(self.is_empty());
        if self.queue.arena.capacity() > 0 {
            self.queue.arena = Vec::new();
        }
        self.queue.segments.release();
        self.written_buffer = None;
    }

    /// Bytes of heap.
    pub(super) fn allocated(&self) -> usize {
        let deferred = self
            .deferred
            .as_ref()
            .map_or(0, |deferred| size_of::<Deferred>() + deferred.frame.capacity());
        self.queue.allocated() + self.written_buffer.as_ref().map_or(0, |buffer| buffer.len()) + deferred
    }

    /// What to write next, as slices with `most` bytes in all. Returns how many slices it were.
    #[cfg(feature = "std")]
    pub(super) fn slices<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>], most: usize) -> usize {
        self.queue.slices(slices, most)
    }

    /// Bytes at the front of all that is queued are known to be written.
    #[inline]
    fn confirm(&mut self, n: usize) {
        self.queued -= n;
        self.written += n as u64;
        if self
            .deferred
            .as_ref()
            .is_some_and(|deferred| self.written >= deferred.after)
        {
            self.push_deferred();
        }
    }
}

impl Buf for Output {
    #[inline]
    fn remaining(&self) -> usize {
        self.len()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.queue.chunk()
    }

    #[inline]
    fn advance(&mut self, n: usize) {
        // The common case in few steps: a write took all there was, and that was copied.
        if n == self.queued && self.taken == 0 && self.deferred.is_none() && self.queue.clear_copied() {
            self.queued = 0;
            self.written += n as u64;
            return;
        }
        self.advance_in_full(n);
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        self.slices(slices, usize::MAX)
    }

    /// A payload that goes out from where it lies is shared, not copied.
    fn copy_to_bytes(&mut self, n: usize) -> Bytes {
        assert!(n <= self.len(), "more bytes were asked for than waited");
        let Some(shared) = self.queue.shared(n) else {
            return copied(self, n);
        };
        self.advance(n);
        shared
    }
}

impl Output {
    #[inline(never)]
    fn advance_in_full(&mut self, n: usize) {
        let waiting = self.len();
        // As the contract of `Buf` allows. The count is that of the caller's own write, so no peer can cause this.
        assert!(n <= waiting, "more bytes were written than waited");
        if let Some(buffer) = self.queue.advance(n, waiting) {
            self.written_buffer = Some(buffer);
        }
        self.confirm(n);
    }
}
