//! The promise of `src/guide/memory.md`: the worst that a peer can do, measured with a counting allocator, against
//! `Config::worst_case`.
//!
//! This is a separate target because the counting allocator replaces the global one. It counts by thread, so tests do not disturb
//! each other.
#![cfg(feature = "os-entropy")]
#![allow(unreachable_pub, reason = "the modules of a test are its own public")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::cast_possible_truncation, reason = "samples may wrap")]

mod attacks;
mod bare;
mod heads;
mod page;
#[allow(dead_code, reason = "shared with another test")]
mod promise;
mod random;
#[path = "../core/rng.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod rng;
#[cfg(feature = "tokio")]
mod shells;
#[path = "../core/wire.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod wire;

/// Asserts that a peak is within a promise. If `is_worst` states that nothing costs more, the promise must not be more than twice
/// the peak.
#[track_caller]
fn assert_kept(what: &str, peak: u64, promise: usize, is_worst: bool) {
    let peak = usize::try_from(peak).unwrap();
    println!("{what:60} {peak:>10} of {promise:>10}");
    assert!(peak <= promise, "{what}: {peak} bytes, but {promise} are promised");
    assert!(
        !is_worst || promise <= 2 * peak,
        "{what}: only {peak} bytes, but {promise} are promised"
    );
}
