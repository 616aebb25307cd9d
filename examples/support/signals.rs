//! SIGINT and SIGTERM without a crate, for `echo_blocking`. The other examples use `signal-hook` or their runtime.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

static RECEIVED: AtomicBool = AtomicBool::new(false);

/// The longest time for which a signal may go unnoticed.
const INTERVAL: Duration = Duration::from_millis(50);

/// Catches both signals from now on, so that they no longer kill the process.
#[cfg(unix)]
#[allow(unsafe_code, reason = "the standard library has no safe way to catch a signal")]
pub(crate) fn catch() {
    use core::ffi::c_int;

    const SIGINT: c_int = 2;
    const SIGTERM: c_int = 15;

    extern "C" fn handle(_: c_int) {
        RECEIVED.store(true, Ordering::Relaxed);
    }

    unsafe extern "C" {
        // The result is a pointer to the previous handler, or -1.
        fn signal(signal: c_int, handler: extern "C" fn(c_int)) -> usize;
    }

    for number in [SIGINT, SIGTERM] {
        // SAFETY: the declaration is that of POSIX, the signals can be caught, and the handler only stores to a lock-free atomic,
        // which POSIX allows in a handler.
        unsafe { signal(number, handle) };
    }
}

/// Elsewhere the process just ends.
#[cfg(not(unix))]
pub(crate) fn catch() {}

/// Blocks until one of the signals was received.
pub(crate) fn wait() {
    while !RECEIVED.load(Ordering::Relaxed) {
        thread::sleep(INTERVAL);
    }
}
