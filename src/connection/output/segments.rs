//! Payloads that are sent without a copy.

use alloc::{boxed::Box, collections::VecDeque};
use core::ops::{Deref, Range};

use bytes::{Buf, Bytes};

/// A separate payload, which is written once the arena is written up to `at`.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) at: usize,
    pub(super) bytes: Backing,
}

/// The storage of a segment's bytes.
#[derive(Debug)]
pub(super) enum Backing {
    Shared(Bytes),
    /// A receive buffer, which can be reused once they are written.
    Received(Box<[u8]>, Range<usize>),
}

impl Backing {
    pub(super) fn advance(&mut self, n: usize) {
        match self {
            Self::Shared(bytes) => bytes.advance(n),
            Self::Received(_, range) => range.start += n,
        }
    }

    fn allocated(&self) -> usize {
        match self {
            Self::Shared(bytes) => bytes.len(),
            Self::Received(buffer, _) => buffer.len(),
        }
    }
}

impl Deref for Backing {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Received(buffer, range) => &buffer[range.clone()],
        }
    }
}

/// Segments in order. A single one, which is all that a broadcast message needs, costs no allocation.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// Comes before the others. It is not filled again while there are others: a segment never moves.
    single: Option<Segment>,
    /// Boxed, so that connections without any are small.
    others: Option<Box<Others>>,
}

pub(super) type Others = VecDeque<Segment>;

impl Segments {
    #[inline]
    pub(super) fn push_back(&mut self, segment: Segment) {
        if self.first().is_none() {
            self.single = Some(segment);
        } else {
            self.others.get_or_insert_default().push_back(segment);
        }
    }

    #[inline]
    pub(super) fn first(&self) -> Option<&Segment> {
        match &self.single {
            None => self.others.as_ref()?.front(),
            single => single.as_ref(),
        }
    }

    #[inline]
    pub(super) fn first_mut(&mut self) -> Option<&mut Segment> {
        match &mut self.single {
            None => self.others.as_mut()?.front_mut(),
            single => single.as_mut(),
        }
    }

    /// Drops the first segment. Returns the receive buffer that contained it.
    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<Box<[u8]>> {
        let popped = match &mut self.single {
            None => self.others.as_mut()?.pop_front(),
            single => single.take(),
        };
        match popped?.bytes {
            Backing::Shared(_) => None,
            Backing::Received(buffer, _) => Some(buffer),
        }
    }

    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Segment> {
        let others = self.others.as_deref().map(Others::iter).unwrap_or_default();
        self.single.iter().chain(others)
    }

    /// Passes all segments to `take`, in order.
    pub(super) fn for_each(mut self, mut take: impl FnMut(Segment)) {
        self.single.into_iter().for_each(&mut take);
        while let Some(segment) = self.others.as_mut().and_then(|others| others.pop_front()) {
            take(segment);
        }
    }

    /// Adjusts the positions after the arena has dropped its first `n` bytes.
    pub(super) fn shift(&mut self, n: usize) {
        if let Some(segment) = &mut self.single {
            segment.at -= n;
        }
        if let Some(others) = &mut self.others {
            for segment in others.iter_mut() {
                segment.at -= n;
            }
        }
    }

    /// Returns the number of heap bytes. A payload counts in full.
    pub(super) fn allocated(&self) -> usize {
        let mut allocated = 0;
        if let Some(others) = &self.others {
            allocated += size_of::<Others>() + others.capacity() * size_of::<Segment>();
        }
        for segment in self.iter() {
            allocated += segment.bytes.allocated();
        }
        allocated
    }

    /// Drops all segments, and keeps the memory of the others.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.single = None;
        if let Some(others) = &mut self.others {
            others.clear();
        }
    }

    /// Frees the memory of the others, which are empty.
    #[inline]
    pub(super) fn release(&mut self) {
        if self.others.is_some() {
            self.others = None;
        }
    }
}
