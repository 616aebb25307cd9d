//! The bytes that wait to be written, in order.

mod segments;
#[cfg(test)]
mod tests;

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use bytes::{Buf, Bytes};

use self::segments::{Segment, Segments, Store};
use crate::frame::FrameHeader;

/// Payloads up to this many bytes are copied behind their header; longer ones that are owned are queued as they are.
///
/// Copying so few bytes costs less than one more slice in a vectored write.
pub(super) const MAX_INLINE: usize = 4 << 10;

/// Written bytes at the front of the arena that are worth reclaiming while others still wait.
const RECLAIM: usize = 16 << 10;

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
#[derive(Debug, Default)]
pub struct Output {
    arena: Vec<u8>,
    read: usize,
    segments: Segments,
    /// Bytes that wait, in the arena and the segments.
    waiting: usize,
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
    /// Bytes that wait to be written. A payload counts in full, also one that is shared with other connections.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nothing waits to be written.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Bytes that were written since the connection began.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Where the end of what is queued lies in the stream of all bytes.
    pub(super) fn end(&self) -> u64 {
        self.written + self.waiting as u64
    }

    /// Queues a frame, whose payload is copied, and masked on the way if the header has a key.
    #[inline]
    pub(super) fn push_frame(&mut self, header: &FrameHeader, payload: &[u8]) {
        self.push_header(header, payload.len());
        match header.masking_key {
            Some(key) => key.apply_into(payload, &mut self.arena),
            None => self.arena.extend_from_slice(payload),
        }
        self.waiting += payload.len();
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
            self.waiting += bytes.len();
            self.segments.push_back(Segment {
                at: self.arena.len(),
                bytes: Store::Shared(bytes),
            });
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
        self.waiting += payload.end - start;
        self.segments.push_back(Segment {
            at: self.arena.len(),
            bytes: Store::Received(buffer.into(), start..payload.end),
        });
    }

    /// Takes the receive buffer away that was written last.
    #[cfg(feature = "async")]
    pub(super) fn take_written(&mut self) -> Option<Vec<u8>> {
        self.written_buffer.take().map(Vec::from)
    }

    /// Drops the first segment, which is written, but for its buffer.
    #[inline]
    fn pop_segment(&mut self) {
        if let Some(buffer) = self.segments.pop_front() {
            self.written_buffer = Some(buffer);
        }
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

    /// Queues bytes that are no frame.
    pub(super) fn push_raw(&mut self, bytes: &[u8]) {
        self.arena.extend_from_slice(bytes);
        self.waiting += bytes.len();
    }

    /// Takes everything away; what is left behind counts it as written.
    pub(super) fn take(&mut self) -> Self {
        self.push_deferred();
        let written = self.end();
        core::mem::replace(
            self,
            Self {
                written,
                ..Self::default()
            },
        )
    }

    /// Queues a header. The payload that is to be copied behind it has this many bytes.
    #[inline]
    fn push_header(&mut self, header: &FrameHeader, copied: usize) {
        // A fixed number of bytes is cheaper to append than a computed one.
        let (bytes, len) = header.to_bytes();
        let needed = bytes.len() + copied;
        if self.read >= RECLAIM {
            self.reclaim(needed);
        }
        // At once, so that a new arena does not grow twice for its first frame.
        self.arena.reserve(needed);
        let end = self.arena.len() + len;
        self.arena.extend_from_slice(&bytes);
        self.arena.truncate(end);
        self.waiting += len;
    }

    /// Drops the written bytes of the arena, if they are at least half of it, so that the cost of moving the others
    /// stays in proportion; or a quarter, if the arena would have to grow for the bytes that are `needed`.
    #[cold]
    fn reclaim(&mut self, needed: usize) {
        let grows = needed > self.arena.capacity() - self.arena.len();
        let worth_it = if grows { 4 } else { 2 };
        if self.read >= self.arena.len() / worth_it {
            self.arena.drain(..self.read);
            self.segments.shift(self.read);
            self.read = 0;
        }
    }

    /// Drops all that waits: the transport is gone.
    pub(super) fn clear(&mut self) {
        self.arena.clear();
        self.read = 0;
        self.segments.clear();
        self.deferred = None;
        self.waiting = 0;
    }

    /// Puts a larger buffer in place of the arena, if nothing lies in that. Returns the buffer that is not needed.
    #[inline]
    pub(super) fn give_buffer(&mut self, mut buffer: Vec<u8>) -> Vec<u8> {
        if !self.arena.is_empty() || buffer.capacity() <= self.arena.capacity() {
            return buffer;
        }
        buffer.clear();
        core::mem::replace(&mut self.arena, buffer)
    }

    /// Takes the arena away, if there is one and nothing waits.
    #[inline]
    pub(super) fn take_buffer(&mut self) -> Option<Vec<u8>> {
        let is_free = self.is_empty() && self.arena.capacity() > 0;
        is_free.then(|| core::mem::take(&mut self.arena))
    }

    /// Frees the memory of an output in which nothing waits.
    #[inline]
    pub(super) fn release(&mut self) {
        debug_assert!(self.is_empty());
        if self.arena.capacity() > 0 {
            self.arena = Vec::new();
        }
        self.segments.release();
        self.written_buffer = None;
    }

    /// Bytes of heap.
    pub(super) fn allocated(&self) -> usize {
        let deferred = self
            .deferred
            .as_ref()
            .map_or(0, |deferred| size_of::<Deferred>() + deferred.frame.capacity());
        self.arena.capacity()
            + self.segments.allocated()
            + self.written_buffer.as_ref().map_or(0, |buffer| buffer.len())
            + deferred
    }

    /// What to write next, as slices with `most` bytes in all. Returns how many slices it were.
    #[cfg(feature = "std")]
    pub(super) fn slices<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>], most: usize) -> usize {
        let (mut used, mut read, mut left) = (0, self.read, most);
        let mut add = |bytes: &'a [u8]| {
            let bytes = &bytes[..bytes.len().min(left)];
            if !bytes.is_empty() && used < slices.len() {
                slices[used] = std::io::IoSlice::new(bytes);
                (used, left) = (used + 1, left - bytes.len());
            }
            used < slices.len() && left > 0
        };
        for segment in self.segments.iter() {
            if !(add(&self.arena[read..segment.at]) && add(&segment.bytes)) {
                return used;
            }
            read = segment.at;
        }
        add(&self.arena[read..]);
        used
    }

    /// Where the run of arena bytes that is written next ends.
    #[inline]
    fn run_end(&self) -> usize {
        self.segments.first().map_or(self.arena.len(), |segment| segment.at)
    }
}

impl Buf for Output {
    #[inline]
    fn remaining(&self) -> usize {
        self.waiting
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match self.segments.first() {
            Some(segment) if segment.at == self.read => &segment.bytes,
            _ => &self.arena[self.read..self.run_end()],
        }
    }

    fn advance(&mut self, n: usize) {
        // As the contract of `Buf` allows. The count is that of the caller's own write, so no peer can cause this.
        assert!(n <= self.waiting, "more bytes were written than waited");
        self.waiting -= n;
        self.written += n as u64;
        let mut left = n;
        if self.waiting == 0 {
            // The common case: a write took all there was.
            while self.segments.first().is_some() {
                self.pop_segment();
            }
            left = 0;
        }
        while left > 0 {
            match self.segments.first_mut() {
                Some(segment) if segment.at == self.read => {
                    let step = left.min(segment.bytes.len());
                    segment.bytes.advance(step);
                    if segment.bytes.is_empty() {
                        self.pop_segment();
                    }
                    left -= step;
                }
                _ => {
                    let step = left.min(self.run_end() - self.read);
                    self.read += step;
                    left -= step;
                }
            }
        }
        if self.waiting == 0 {
            self.arena.clear();
            self.read = 0;
        }
        if self
            .deferred
            .as_ref()
            .is_some_and(|deferred| self.written >= deferred.after)
        {
            self.push_deferred();
        }
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        self.slices(slices, usize::MAX)
    }
}
