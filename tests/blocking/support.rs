//! Real sockets, and a watchdog for what blocks on them.

use std::{panic, sync::mpsc, thread, time::Duration};

/// Runs a scenario on a thread of its own; one that hangs fails.
pub(crate) fn within_seconds<T: Send + 'static>(seconds: u64, scenario: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = done.send(scenario());
    });
    match outcome.recv_timeout(Duration::from_secs(seconds)) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not done within {seconds} s"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(failure) => panic::resume_unwind(failure),
            Ok(()) => unreachable!("the outcome is sent before the thread ends"),
        },
    }
}
