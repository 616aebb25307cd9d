//! Bytes in order: one buffer for most of them, and payloads that are sent without a copy.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use bytes::{Buf, Bytes};

use super::segments::{Backing, Segment, Segments};

/// The number of written bytes at the front of the arena from which they are reclaimed while others are waiting.
///
/// Moving the others costs at most three bytes for each that was written, so a small number only decides how often it
/// happens. It counts in the memory of every connection, which is to be small where the limits are.
pub(super) const RECLAIM: usize = 256;

/// The bytes themselves. The owner counts them.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) arena: Vec<u8>,
    pub(super) read: usize,
    pub(super) segments: Segments,
}

/// Omits the bytes: before the first frame, there may be a response with cookies.
impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("arena", &self.arena.len())
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// Queues bytes that are sent without a copy.
    #[inline]
    pub(super) fn push_segment(&mut self, bytes: Backing) {
        self.segments.push_back(Segment {
            at: self.arena.len(),
            bytes,
        });
    }

    /// Appends what was queued later to the rest of what was queued before. The later arena is copied, payloads are
    /// not.
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

    /// Drops the written bytes of the arena if they are at least half of it, so that the cost of moving the others
    /// stays in proportion; or a quarter, if the arena would have to grow for `needed` bytes.
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

    /// Drops everything, and keeps the memory.
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

    /// Drops everything if all of it was copied. Returns whether it was.
    #[inline]
    pub(super) fn clear_copied(&mut self) -> bool {
        let is_copied = self.segments.first().is_none();
        if is_copied {
            self.arena.clear();
            self.read = 0;
        }
        is_copied
    }

    /// Drops the first `n` of `waiting` bytes. Returns the receive buffer that was written last.
    pub(super) fn advance(&mut self, n: usize, waiting: usize) -> Option<Box<[u8]>> {
        let (mut left, mut written) = (n, None);
        if n == waiting {
            // The common case: a write accepted everything.
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

    /// Returns the first `n` bytes if they are part of a shared payload: they are not copied, and not dropped here.
    pub(super) fn shared(&self, n: usize) -> Option<Bytes> {
        match self.segments.first() {
            Some(Segment {
                at,
                bytes: Backing::Shared(bytes),
            }) if *at == self.read && bytes.len() >= n => Some(bytes.slice(..n)),
            _ => None,
        }
    }

    /// Fills `slices` with the next bytes to write, `most` bytes in all. Returns the number of slices used.
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

    /// Returns the end of the run of arena bytes that is written next.
    #[inline]
    fn run_end(&self) -> usize {
        self.segments.first().map_or(self.arena.len(), |segment| segment.at)
    }

    /// Returns the number of heap bytes.
    pub(super) fn allocated(&self) -> usize {
        self.arena.capacity() + self.segments.allocated()
    }
}

/// Copies the first `n` of these bytes, for [`Buf::copy_to_bytes`].
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
