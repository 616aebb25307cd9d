//! Output that was taken away to be written, and counts until that is confirmed.

use alloc::boxed::Box;

use bytes::{Buf, Bytes};

use super::{
    MAX_WRITE, Output,
    queue::{Queue, copied},
};

/// Output that [`Driver::take_output`](crate::Driver::take_output) has handed over, to be written while the connection is used
/// by others, or by an operation that owns what it writes.
///
/// Write what [`chunk`](Buf::chunk) gives, or `chunks_vectored` (with `std`), both of at most
/// [`Driver::MAX_WRITE`](crate::Driver::MAX_WRITE) bytes. Then [`advance`](Buf::advance) by the count that was written, and give
/// it back with [`Driver::return_output`](crate::Driver::return_output), whether there is a rest or not.
///
/// Until then its bytes count as queued: against [`output_high_water`](crate::Limits::output_high_water), for the deadline of
/// stalled output and for the end of the connection. Payloads that go out from where they lie are not copied, and
/// [`copy_to_bytes`](Buf::copy_to_bytes) shares them. The memory of a chunk does not move when this value does, so that it can
/// implement the buffer trait of a library for completion-based I/O in a wrapper.
///
/// If it is dropped instead, nothing is written any more: the driver waits for it until the deadline of stalled output ends the
/// connection, and no frame is lost unnoticed.
#[derive(Debug)]
#[must_use = "give it back with `Driver::return_output`"]
pub struct OwnedOutput {
    queue: Queue,
    /// Bytes that it still holds.
    waiting: usize,
    /// Bytes that were written of it.
    advanced: usize,
    /// Where it began in the stream of all bytes.
    start: u64,
    written_buffer: Option<Box<[u8]>>,
}

impl Output {
    /// Takes everything that waits, to be written elsewhere. It counts until it is [put back](Self::put_back). Nothing is
    /// taken while something is away already.
    pub(in crate::connection) fn take(&mut self) -> OwnedOutput {
        let waiting = if self.taken == 0 { self.queued } else { 0 };
        let queue = match waiting {
            0 => Queue::default(),
            _ => core::mem::take(&mut self.queue),
        };
        self.taken += waiting;
        OwnedOutput {
            queue,
            waiting,
            advanced: 0,
            start: self.written,
            written_buffer: None,
        }
    }

    /// Takes back what was taken: what was written of it is confirmed, and the rest is written next. Returns whether it is
    /// what was taken here, and still counted.
    pub(in crate::connection) fn put_back(&mut self, owned: OwnedOutput) -> bool {
        if owned.start != self.written || owned.waiting + owned.advanced != self.taken {
            return false;
        }
        let later = core::mem::replace(&mut self.queue, owned.queue);
        self.queue.append(later);
        self.taken = 0;
        self.written_buffer = owned.written_buffer.or(self.written_buffer.take());
        self.confirm(owned.advanced);
        true
    }
}

impl OwnedOutput {
    /// Whether some of it was written.
    pub(in crate::connection) fn has_moved(&self) -> bool {
        self.advanced > 0
    }
}

impl Buf for OwnedOutput {
    #[inline]
    fn remaining(&self) -> usize {
        self.waiting
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        let chunk = self.queue.chunk();
        &chunk[..chunk.len().min(MAX_WRITE)]
    }

    fn advance(&mut self, n: usize) {
        // As the contract of `Buf` allows. The count is that of the caller's own write, so no peer can cause this.
        assert!(n <= self.waiting, "more bytes were written than waited");
        self.written_buffer = self.queue.advance(n, self.waiting).or(self.written_buffer.take());
        self.waiting -= n;
        self.advanced += n;
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        self.queue.slices(slices, MAX_WRITE)
    }

    fn copy_to_bytes(&mut self, n: usize) -> Bytes {
        assert!(n <= self.waiting, "more bytes were asked for than waited");
        let Some(shared) = self.queue.shared(n) else {
            return copied(self, n);
        };
        self.advance(n);
        shared
    }
}
