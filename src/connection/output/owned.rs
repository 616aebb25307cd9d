//! Output that was taken to be written elsewhere, and counts as queued until that is confirmed.

use alloc::boxed::Box;

use bytes::{Buf, Bytes};

use super::{
    MAX_WRITE, Output,
    queue::{Queue, copied},
};

/// Output returned by [`Driver::take_output`](crate::Driver::take_output), to be written while other code uses the
/// connection, or by an operation that owns what it writes.
///
/// Write what [`chunk`](Buf::chunk) returns, or `chunks_vectored` (with `std`), both at most
/// [`Driver::MAX_WRITE`](crate::Driver::MAX_WRITE) bytes. Then [`advance`](Buf::advance) by the number of bytes
/// written, and return it with [`Driver::return_output`](crate::Driver::return_output), whether anything is left or
/// not.
///
/// Until then its bytes count as queued: against [`output_high_water`](crate::Limits::output_high_water), for the
/// deadline of stalled output and for the end of the connection. Payloads queued without a copy are not copied here
/// either, and [`copy_to_bytes`](Buf::copy_to_bytes) shares them. The memory of a chunk does not move when this value
/// does, so a wrapper can implement the buffer trait of a completion-based I/O library.
///
/// If it is dropped instead, nothing more is written: the driver waits for it until the deadline of stalled output ends
/// the connection. So no frame is lost unnoticed.
#[derive(Debug)]
#[must_use = "give it back with `Driver::return_output`"]
pub struct OwnedOutput {
    queue: Queue,
    /// The bytes that it still holds.
    waiting: usize,
    /// The bytes of it that were written.
    advanced: usize,
    /// Its position in the stream of all bytes.
    start: u64,
    written_buffer: Option<Box<[u8]>>,
}

impl Output {
    /// Takes everything that is waiting, to be written elsewhere. It counts as queued until it is [put
    /// back](Self::put_back). Takes nothing while other output is taken.
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

    /// Takes back what was taken: what was written of it is confirmed, and the rest is written next. Returns whether it
    /// was taken from here and still counts.
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
    /// Returns whether some of it was written.
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
        // As the contract of `Buf` allows. The count comes from the caller's own write, so no peer can cause this.
        assert!(n <= self.waiting, "more bytes written than available");
        self.written_buffer = self.queue.advance(n, self.waiting).or(self.written_buffer.take());
        self.waiting -= n;
        self.advanced += n;
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        self.queue.slices(slices, MAX_WRITE)
    }

    fn copy_to_bytes(&mut self, n: usize) -> Bytes {
        assert!(n <= self.waiting, "more bytes requested than available");
        let Some(shared) = self.queue.shared(n) else {
            return copied(self, n);
        };
        self.advance(n);
        shared
    }
}
