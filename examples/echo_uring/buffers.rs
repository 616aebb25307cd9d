//! The buffers that the kernel receives into: one ring of them for all connections.
//!
//! ```text
//!   provided: the kernel picks one --> received into, and named by the completion
//!      ^                                              |
//!      |                                              v
//!     give <-- empty again, or replaced <-- lent to a connection: take
//! ```

#![allow(
    unsafe_code,
    reason = "the kernel reads the ring from memory, which only raw pointers can describe"
)]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    io, mem,
    ptr::NonNull,
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{Submitter, types::BufRingEntry};

/// Bytes of a buffer: a message of 64 KiB fits with its header.
pub(crate) const SIZE: usize = LEN as usize;
const LEN: u32 = (64 << 10) + 512;

/// The most buffers, a power of two. Between two calls of the kernel no more than these are filled.
const MOST: u16 = 128;

/// The buffers to begin with. The kernel uses one after the other, so few of them stay in the processor's cache.
const FIRST: u16 = 8;

/// The name of the ring of buffers, of which there is one.
pub(crate) const GROUP: u16 = 0;

/// Pages begin at multiples of this.
const PAGE: usize = 4096;

/// All provided buffers, and the ring that the kernel takes them from.
///
/// A buffer that is provided is not touched until a completion names it. If this is dropped while operations are
/// pending, their memory must be [leaked](Self::leak).
pub(crate) struct Buffers {
    /// The memory of the ring, which the kernel reads: `MOST` entries.
    entries: NonNull<BufRingEntry>,
    /// Where the next entry goes. It wraps, like the kernel's position.
    tail: u16,
    /// The buffers by their ids. One that was taken leaves an empty vector.
    provided: Vec<Vec<u8>>,
    /// Whether the kernel has run out of them since they [grew](Self::grow).
    has_run_out: bool,
}

impl Buffers {
    /// Allocates the buffers and provides them all.
    pub(crate) fn register(submitter: &Submitter<'_>) -> io::Result<Self> {
        let layout = layout();
        // SAFETY: the layout has a size.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(entries) = NonNull::new(memory.cast()) else {
            handle_alloc_error(layout)
        };
        let mut buffers = Self {
            entries,
            tail: 0,
            provided: Vec::new(),
            has_run_out: true,
        };
        // SAFETY: the memory has room for the entries, begins at a page, and lives as long as the ring that it is
        // registered with, whose owner drops this afterwards.
        unsafe { submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, MOST, GROUP, 0)? };
        buffers.grow();
        Ok(buffers)
    }

    /// Notes that an operation has found no buffer.
    pub(crate) fn run_out(&mut self) {
        self.has_run_out = true;
    }

    /// Doubles the number of buffers, if it was too small.
    pub(crate) fn grow(&mut self) {
        if mem::take(&mut self.has_run_out) {
            let count = self.provided.len();
            let more = (2 * count).clamp(usize::from(FIRST), usize::from(MOST));
            self.provided.resize(more, Vec::new());
            for id in (0..MOST).skip(count).take(more - count) {
                self.give(id, None);
            }
        }
    }

    /// Takes the buffer that a completion names.
    pub(crate) fn take(&mut self, id: u16) -> Vec<u8> {
        mem::take(&mut self.provided[usize::from(id)])
    }

    /// Provides a buffer in place of one that was taken: a new one, if the connection has kept that.
    pub(crate) fn give(&mut self, id: u16, buffer: Option<Vec<u8>>) {
        let buffer = buffer.unwrap_or_else(|| vec![0; SIZE]);
        debug_assert_eq!(buffer.len(), SIZE);
        let at = usize::from(self.tail % MOST);
        // SAFETY: `at` is one of the entries, all of which are initialised memory, and the kernel does not read this
        // one before the tail says that it is there.
        let entry = unsafe { self.entries.add(at).as_mut() };
        entry.set_addr(buffer.as_ptr() as u64);
        entry.set_len(LEN);
        entry.set_bid(id);
        self.provided[usize::from(id)] = buffer;
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the pointer is that of the first entry, where the tail is, which the kernel reads atomically too.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries.as_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    /// Gives up the memory, into which the kernel may still write.
    pub(crate) fn leak(&mut self) {
        mem::forget(mem::take(&mut self.provided));
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and the ring that it was registered with is gone.
        unsafe { dealloc(self.entries.as_ptr().cast(), layout()) };
    }
}

fn layout() -> Layout {
    let entries = Layout::array::<BufRingEntry>(usize::from(MOST)).and_then(|array| array.align_to(PAGE));
    entries.expect("a few pages are a valid layout")
}
