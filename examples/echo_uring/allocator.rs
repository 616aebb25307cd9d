//! What the C library does with memory that long messages have used.

#![allow(unsafe_code, reason = "the C library's settings have no safe interface")]

/// Bytes at the end of the heap that are kept when they are free.
#[cfg(target_env = "gnu")]
const KEPT: i32 = 16 << 20;

/// From this size on, memory comes from the system each time.
#[cfg(target_env = "gnu")]
const LARGE: i32 = 4 << 20;

/// Keeps freed memory for the next messages.
///
/// The messages of many clients arrive at the same time here, and are freed at the same time. By default, glibc gives such
/// memory back to the system and asks for it again, which doubles the cost of an echo of 1 MiB.
pub(crate) fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the settings are valid, and no other thread uses the allocator yet. A failure changes nothing.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
