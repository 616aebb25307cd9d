//! A heap of a fixed size, as a microcontroller has one: the thread that serves may use only so much of the system's.
//!
//! When it is used up, an allocation fails instead of growing the heap, and Rust aborts the program. A buffer that grows
//! is always moved, so that the old and the new one count, as in the worst case of a real heap.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr,
};

#[global_allocator]
static HEAP: FixedHeap = FixedHeap;

struct FixedHeap;

thread_local! {
    /// Bytes in use since the size was fixed, and the most that were.
    static USED: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static SIZE: Cell<isize> = const { Cell::new(isize::MAX) };
}

/// Gives this thread `size` bytes from now on.
pub(crate) fn fix(size: usize) {
    USED.set(0);
    PEAK.set(0);
    SIZE.set(isize::try_from(size).unwrap_or(isize::MAX));
}

/// Gives this thread as much as it likes again. Returns how much it has used at most since the size was fixed.
pub(crate) fn unfix() -> usize {
    SIZE.set(isize::MAX);
    usize::try_from(PEAK.get()).unwrap_or_default()
}

/// Counts bytes that are allocated. `false` if they are not there.
fn take(bytes: usize) -> bool {
    let Ok(bytes) = isize::try_from(bytes) else {
        return false;
    };
    // While a thread ends, it has no counters any more.
    let taken = USED.try_with(|used| {
        let now = used.get().saturating_add(bytes);
        if now > SIZE.get() {
            return false;
        }
        used.set(now);
        PEAK.set(PEAK.get().max(now));
        true
    });
    taken.unwrap_or(true)
}

fn give_back(bytes: usize) {
    let bytes = isize::try_from(bytes).unwrap_or(isize::MAX);
    let _ = USED.try_with(|used| used.set(used.get().saturating_sub(bytes)));
}

// The other methods call these two.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: all memory comes from the system's allocator, and goes back to it with the same layout. Counting allocates nothing:
// the counters are initialised by constants and have no destructor.
unsafe impl GlobalAlloc for FixedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller fulfils the conditions of this method, which are those of the other.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}
