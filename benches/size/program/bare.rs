//! What a program without `std` brings itself: an allocator, which is the board's, and what happens after a panic.

use core::{
    alloc::{GlobalAlloc, Layout},
    panic::PanicInfo,
};

unsafe extern "C" {
    fn heap_take(size: usize, align: usize) -> *mut u8;
    fn heap_give(memory: *mut u8, size: usize, align: usize);
}

struct Board;

#[global_allocator]
static BOARD: Board = Board;

// SAFETY: the board's functions fulfil the contract.
unsafe impl GlobalAlloc for Board {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size and alignment are fine.
        unsafe { heap_take(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller passes what `alloc` has returned.
        unsafe { heap_give(memory, layout.size(), layout.align()) }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
