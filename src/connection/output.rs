//! The bytes that are waiting to be written, in order.

mod bounds;
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

/// The most bytes of one write.
pub(super) const MAX_WRITE: usize = 128 << 10;

/// Payloads up to this size are copied after their header; longer ones that are owned are queued without a copy.
///
/// Copying a payload of this size costs less than another slice in a vectored write.
pub(super) const MAX_INLINE: usize = 4 << 10;

/// Bytes queued for the peer ([`bytes::Buf`]). Write what [`chunk`](Buf::chunk) or `chunks_vectored` (with `std`)
/// returns, then report the count with [`advance`](Buf::advance).
///
/// It contains all frames queued between two writes, so one write sends them all. A write that accepts only a part, or
/// is cancelled, only moves a cursor.
///
/// ```text
///   arena     | written | headers, control frames, small payloads ...        |
///                  read ^                ^ at           ^ at
///   segments                             [large payload] [large payload]
/// ```
#[derive(Debug)]
pub struct Output {
    queue: Queue,
    /// Bytes not known to be written: those in the queue, and those that were taken.
    queued: usize,
    /// Bytes that were taken, to be written elsewhere.
    taken: usize,
    /// Bytes written since the connection began.
    written: u64,
    /// A receive buffer that a frame was sent from.
    written_buffer: Option<Box<[u8]>>,
    /// A frame that is queued only after enough was written. There is one only while output is waiting.
    deferred: Option<Box<Deferred>>,
}

/// A control frame that waits until `after` bytes were written since the connection began.
#[derive(Debug)]
struct Deferred {
    after: u64,
    frame: Vec<u8>,
}

impl Output {
    // No `Default`: with it, `core::mem::take` could lose queued output and everything that counts it.
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

    /// Returns the number of bytes waiting to be written. A payload counts in full, even if other connections share it.
    /// Output that was [taken](crate::Driver::take_output) does not count.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.queued - self.taken
    }

    /// Returns whether nothing is waiting to be written.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queued == self.taken
    }

    /// Returns the number of bytes not known to be written: those that are waiting, and those that were taken.
    #[inline]
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// Returns the number of bytes written since the connection began.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns the position of the end of the queue in the stream of all bytes.
    pub(super) fn end(&self) -> u64 {
        self.written + self.queued as u64
    }

    /// Queues a frame. Its payload is copied, and masked if the header has a key.
    #[inline]
    pub(super) fn push_frame(&mut self, header: &FrameHeader, payload: &[u8]) {
        self.push_header(header, payload.len());
        match header.masking_key {
            Some(key) => key.apply_into(payload, &mut self.queue.arena),
            None => self.queue.arena.extend_from_slice(payload),
        }
        self.queued += payload.len();
    }

    /// Queues a frame whose payload, already masked if necessary, is sent without a copy.
    #[inline]
    pub(super) fn push_frame_shared(&mut self, header: &FrameHeader, payload: Bytes) {
        self.push_header(header, 0);
        self.push_shared(payload);
    }

    /// Queues bytes, such as a whole frame, that are sent without a copy.
    #[inline]
    pub(super) fn push_shared(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queued += bytes.len();
            self.queue.push_segment(Backing::Shared(bytes));
        }
    }

    /// Queues a frame whose payload is sent directly from a receive buffer.
    pub(super) fn push_frame_received(&mut self, header: &FrameHeader, mut buffer: Vec<u8>, payload: Range<usize>) {
        if let Some(key) = header.masking_key {
            key.apply(&mut buffer[payload.clone()]);
        }
        let mut bytes = [0; FrameHeader::MAX_LEN];
        let len = header.encode(&mut bytes);
        // The header that it came with has left room before it: always enough for a server's, which is shorter.
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

    /// Takes the receive buffer that was written last.
    #[cfg(feature = "async")]
    pub(super) fn take_written(&mut self) -> Option<Vec<u8>> {
        self.written_buffer.take().map(Vec::from)
    }

    /// Defers a frame until `after` bytes are written, which is not the case yet. It replaces the previous one.
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

    /// Queues the deferred frame, if there is one.
    #[cold]
    pub(super) fn push_deferred(&mut self) {
        if let Some(deferred) = self.deferred.take() {
            self.push_raw(&deferred.frame);
        }
    }

    /// Queues a copy of the bytes.
    pub(super) fn push_raw(&mut self, bytes: &[u8]) {
        if self.queue.read >= RECLAIM {
            self.queue.reclaim(bytes.len());
        }
        self.queue.arena.extend_from_slice(bytes);
        self.queued += bytes.len();
    }

    /// Queues a header. `copied` is the length of the payload that is copied after it.
    #[inline]
    fn push_header(&mut self, header: &FrameHeader, copied: usize) {
        // Appending a fixed number of bytes is cheaper than a computed one.
        let (bytes, len) = header.to_bytes();
        let needed = bytes.len() + copied;
        if self.queue.read >= RECLAIM {
            self.queue.reclaim(needed);
        }
        // All at once, so that a new arena does not grow twice for its first frame.
        self.queue.arena.reserve(needed);
        let end = self.queue.arena.len() + len;
        self.queue.arena.extend_from_slice(&bytes);
        self.queue.arena.truncate(end);
        self.queued += len;
    }

    /// Drops everything that is waiting: the transport is gone.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.deferred = None;
        (self.queued, self.taken) = (0, 0);
    }

    /// Replaces the arena with a larger buffer, if it is empty. Returns the buffer that is not needed.
    #[inline]
    pub(super) fn give_buffer(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        if !self.queue.arena.is_empty() || buffer.capacity() <= self.queue.arena.capacity() {
            return buffer;
        }
        buffer.clear();
        core::mem::replace(&mut self.queue.arena, buffer)
    }

    /// Takes the arena, if there is one and nothing is waiting.
    #[inline]
    pub(super) fn take_buffer(&mut self) -> Option<Vec<u8>> {
        let is_free = self.is_empty() && self.queue.arena.capacity() > 0;
        is_free.then(|| core::mem::take(&mut self.queue.arena))
    }

    /// Frees the memory of an empty output.
    #[inline]
    pub(super) fn release(&mut self) {
        debug_assert!(self.is_empty());
        if self.queue.arena.capacity() > 0 {
            self.queue.arena = Vec::new();
        }
        self.queue.segments.release();
        self.written_buffer = None;
    }

    /// Returns the number of heap bytes.
    pub(super) fn allocated(&self) -> usize {
        let deferred = self
            .deferred
            .as_ref()
            .map_or(0, |deferred| size_of::<Deferred>() + deferred.frame.capacity());
        self.queue.allocated() + self.written_buffer.as_ref().map_or(0, |buffer| buffer.len()) + deferred
    }

    /// Fills `slices` with the next bytes to write, `most` bytes in all. Returns the number of slices used.
    #[cfg(feature = "std")]
    pub(super) fn slices<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>], most: usize) -> usize {
        self.queue.slices(slices, most)
    }

    /// Confirms that the first `n` queued bytes are written.
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
        // The common case in few steps: a write accepted everything, and everything was copied.
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

    /// A payload that is sent without a copy is shared, not copied.
    fn copy_to_bytes(&mut self, n: usize) -> Bytes {
        assert!(n <= self.len(), "more bytes requested than available");
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
        // As the contract of `Buf` allows. The count comes from the caller's own write, so no peer can cause this.
        assert!(n <= waiting, "more bytes written than available");
        if let Some(buffer) = self.queue.advance(n, waiting) {
            self.written_buffer = Some(buffer);
        }
        self.confirm(n);
    }
}
