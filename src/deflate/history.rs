//! The last bytes of a direction, to which its next message may refer.

use alloc::vec::Vec;

/// A ring buffer that keeps the last `limit` bytes, and grows to that size as bytes are added.
#[derive(Debug)]
pub(super) struct History {
    bytes: Vec<u8>,
    /// The position of the oldest byte, once the ring is full.
    start: usize,
    limit: usize,
}

impl History {
    /// Creates an empty history of at most `1 << window_bits` bytes.
    pub(super) const fn new(window_bits: u8) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            limit: 1 << window_bits,
        }
    }

    /// Adds bytes, and drops the oldest ones if there are too many.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(self.limit)..];
        // Bytes for which there is room, and bytes that replace the oldest.
        let (added, over) = bytes.split_at(bytes.len().min(self.limit - self.bytes.len()));
        let needed = self.bytes.len() + added.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.next_power_of_two().min(self.limit);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(added);
        let (end, wrapped) = over.split_at(over.len().min(self.limit - self.start));
        self.bytes[self.start..self.start + end.len()].copy_from_slice(end);
        self.bytes[..wrapped.len()].copy_from_slice(wrapped);
        self.start = (self.start + over.len()) % self.limit;
    }

    /// Drops all bytes, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Returns the bytes, oldest first, in two runs.
    pub(super) fn runs(&self) -> [&[u8]; 2] {
        let (newer, older) = self.bytes.split_at(self.start);
        [older, newer]
    }

    /// Returns the number of heap bytes.
    pub(super) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the length of a push, the last bytes are kept in order, in no more memory than the limit.
    #[test]
    fn the_last_bytes_are_kept() {
        let all: Vec<u8> = (0..20_000).map(|i: u32| (i % 251) as u8).collect();
        for step in (1..300).chain([511, 512, 513, 600, 1023, 1024, 1025, 5000]) {
            let mut history = History::new(9);
            let mut pushed = 0;
            for piece in all.chunks(step).take(40) {
                history.push(piece);
                pushed += piece.len();
                let [older, newer] = history.runs();
                let kept = [older, newer].concat();
                assert_eq!(kept, all[pushed.saturating_sub(512)..pushed], "step {step}");
                assert!(history.allocated() <= 512);
            }
        }
    }
}
