//! What the output holds at most.

use super::{
    Deferred, MAX_INLINE, Output,
    queue::RECLAIM,
    segments::{Others, Segment},
};
use crate::{config::WorstCase, frame::FrameHeader};

impl Output {
    /// Returns what the output uses if frames with at most `largest` bytes of payload are queued while fewer than
    /// `mark` bytes are waiting, and in addition frames with `control` bytes in all at any time.
    pub(in crate::connection) fn worst_case(mark: usize, largest: usize, control: usize) -> WorstCase {
        // Below the mark, one more frame, and the control frames. A header reserves more than it needs.
        let queued = mark.saturating_add(largest).saturating_add(size_of::<u128>() + control);
        // Written bytes that are not reclaimed yet.
        let written = RECLAIM.max(queued / 3);
        // The arena doubles when it grows, while its former half still exists.
        let arena = queued.saturating_add(written);
        let arena = WorstCase::new(arena.saturating_mul(2), arena);
        let deferred = size_of::<Deferred>() + FrameHeader::MAX_LEN + FrameHeader::MAX_CONTROL_LEN;
        let all = arena.and(WorstCase::new(deferred, 0));
        if largest <= MAX_INLINE {
            return all;
        }
        // Longer payloads may be queued without a copy, while the arena keeps the memory that it had. The first keeps its
        // memory until all of it is written. Each needs an entry and a reference count of a few words.
        let payloads = mark.saturating_add(largest.saturating_mul(2));
        let entries = (mark / MAX_INLINE).saturating_add(4);
        let list = entries.saturating_mul(size_of::<Segment>());
        let counts = entries.saturating_mul(4 * size_of::<usize>());
        all.and(WorstCase::new(payloads, 0))
            .and(WorstCase::new(list.saturating_mul(2), list))
            .and(WorstCase::new(counts.saturating_add(size_of::<Others>()), 0))
    }
}
