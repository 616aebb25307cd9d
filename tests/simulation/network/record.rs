//! What happened at one end of the stream, and when: the promises are judged by it.

use std::time::Duration;

use crate::clock;

/// What was moved at one end.
#[derive(Default)]
pub struct Record {
    /// Everything that was read.
    pub read: Vec<u8>,
    /// The times of reads, and how much was read in total by then.
    pub reads: Vec<(Duration, usize)>,
    /// The times of writes, and how much was written in total by then.
    pub writes: Vec<(Duration, usize)>,
    /// The time at which the latest byte was accepted.
    pub taken: Option<Duration>,
    /// The time at which the latest byte was accepted, or the latest flush was finished.
    pub moved: Option<Duration>,
    /// Since when no pending output is accepted.
    pub refused_since: Option<Duration>,
    /// Until when nothing was accepted, the last time.
    pub refused_until: Option<Duration>,
    /// How often nothing was accepted.
    pub refusals: usize,
    /// The time of the first failed write.
    pub write_failed: Option<Duration>,
    /// The number of successful reads in a row, without one in between that found nothing.
    pub in_row: usize,
    /// Whether the latest read was deferred although data may have been available.
    pub put_off: bool,
    /// Reads and writes that moved something.
    pub moves: usize,
    /// The most space that was lent to one read.
    pub lent: usize,
    /// The most bytes that one read returned.
    pub longest_read: usize,
}

impl Record {
    pub fn has_read(&mut self, bytes: &[u8]) {
        self.read.extend_from_slice(bytes);
        self.reads.push((clock::now(), self.read.len()));
        self.moves += 1;
        self.in_row += 1;
        self.longest_read = self.longest_read.max(bytes.len());
        self.put_off = false;
    }

    pub fn found_nothing(&mut self, put_off: bool) {
        self.in_row = 0;
        self.put_off = put_off;
    }

    pub fn has_written(&mut self, total: usize) {
        self.writes.push((clock::now(), total));
        self.moves += 1;
        self.taken = Some(clock::now());
        self.has_moved();
    }

    /// A byte was accepted, or a flush was finished.
    pub fn has_moved(&mut self) {
        self.moved = Some(clock::now());
        if self.refused_since.take().is_some() {
            self.refused_until = self.moved;
        }
    }

    pub fn was_refused(&mut self) {
        self.refused_since.get_or_insert(clock::now());
        self.refusals += 1;
    }

    /// The time at which the latest byte was read.
    pub fn last_read(&self) -> Option<Duration> {
        self.reads.last().map(|(at, _)| *at)
    }

    /// The time at which the byte at this position was read.
    pub fn read_at(&self, place: usize) -> Option<Duration> {
        let after = self.reads.partition_point(|(_, total)| *total <= place);
        self.reads.get(after).map(|(at, _)| *at)
    }

    /// The time at which the byte at this position was written.
    pub fn written_at(&self, place: usize) -> Option<Duration> {
        let after = self.writes.partition_point(|(_, total)| *total <= place);
        self.writes.get(after).map(|(at, _)| *at)
    }
}
