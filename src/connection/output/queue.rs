//! Bytes in order: one buffer for most of them, and payloads that go out from where they lie.

use alloc::{boxed::Box, vec::Vec};

use bytes::{Buf, Bytes};

use super::segments::{Backing, Segment, Segments};

/// Written bytes at the front of the arena that are worth reclaiming while others still wait.
pub(super) const RECLAIM: usize = 16 << 10;

/// The bytes themselves. How many there are is for the owner to know.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) arena: Vec<u8>,
    pub(super) read: usize,
    pub(super) segments: Segments,
}

impl Queue {
    /// Queues bytes that go out from where they lie.
    #[inline]
    pub(super) fn push_segment(&mut self, bytes: Backing) {
        self.segments.push_back(Segment {
            at: self.arena.len(),
            bytes,
        });
    }

    /// Puts what was queued later after the rest of what was queued before. What is in the later arena is copied, payloads
    /// are not.
    pub(super) fn append(&mut self, later: Self) {
        if later.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = later;
            return;
        }
        let moved = self.arena.len();
        self.arena.extend_from_slice(&later.arena[later.read..]);
        let read = later.read;
        later.segments.for_each(|segment| {
            self.segments.push_back(Segment {
                at: segment.at - read + moved,
                bytes: segment.bytes,
            });
        });
    }

    fn is_empty(&self) -> bool {
        self.read == self.arena.len() && self.segments.first().is_none()
    }

    /// Drops the written bytes of the arena, if they are at least half of it, so that the cost of moving the others
    /// stays in proportion; or a quarter, if the arena would have to grow for the bytes that are `needed`.
    #[cold]
    pub(super) fn reclaim(&mut self, needed: usize) {
        let grows = needed > self.arena.capacity() - self.arena.len();
        let worth_it = if grows { 4 } else { 2 };
        if self.read >= self.arena.len() / worth_it {
            self.arena.drain(..self.read);
            self.segments.shift(self.read);
            self.read = 0;
        }
    }

    /// Drops everything, and keeps the room for more.
    pub(super) fn clear(&mut self) {
        self.arena.clear();
        self.read = 0;
        self.segments.clear();
    }

    #[inline]
    pub(super) fn chunk(&self) -> &[u8] {
        match self.segments.first() {
            Some(segment) if segment.at == self.read => &segment.bytes,
            _ => &self.arena[self.read..self.run_end()],
        }
    }

    /// Drops everything, if all of it was copied. Returns whether that was so.
    #[inline]
    pub(super) fn clear_copied(&mut self) -> bool {
        let is_copied = self.segments.first().is_none();
        if is_copied {
            self.arena.clear();
            self.read = 0;
        }
        is_copied
    }

    /// Drops the first `n` bytes, of `waiting`. Returns the receive buffer that was written last.
    pub(super) fn advance(&mut self, n: usize, waiting: usize) -> Option<Box<[u8]>> {
        let (mut left, mut written) = (n, None);
        if n == waiting {
            // The common case: a write took all there was.
            while self.segments.first().is_some() {
                written = self.segments.pop_front().or(written);
            }
            self.arena.clear();
            self.read = 0;
            return written;
        }
        while left > 0 {
            match self.segments.first_mut() {
                Some(segment) if segment.at == self.read => {
                    let step = left.min(segment.bytes.len());
                    segment.bytes.advance(step);
                    if segment.bytes.is_empty() {
                        written = self.segments.pop_front().or(written);
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
        written
    }

    /// The first `n` bytes, if they are a part of a shared payload: they are not copied, and not dropped here.
    pub(super) fn shared(&self, n: usize) -> Option<Bytes> {
        match self.segments.first() {
            Some(Segment {
                at,
                bytes: Backing::Shared(bytes),
            }) if *at == self.read && bytes.len() >= n => Some(bytes.slice(..n)),
            _ => None,
        }
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

    /// Bytes of heap.
    pub(super) fn allocated(&self) -> usize {
        self.arena.capacity() + self.segments.allocated()
    }
}

/// The first `n` of these bytes, for [`Buf::copy_to_bytes`].
pub(super) fn copied(mut bytes: impl Buf, n: usize) -> Bytes {
    let mut copy = Vec::with_capacity(n);
    while copy.len() < n {
        let chunk = bytes.chunk();
        let step = chunk.len().min(n - copy.len());
        copy.extend_from_slice(&chunk[..step]);
        bytes.advance(step);
    }
    copy.into()
}
