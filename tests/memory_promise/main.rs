//! The promise of `src/guide/memory.md`: the worst that a peer can do, measured with a counting allocator, against the formula.
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
#[allow(dead_code, reason = "shared with another test")]
mod promise;
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

/// The formulas on the page are those of the tests.
#[test]
fn the_page_has_the_same_formulas() {
    let page = include_str!("../../src/guide/memory.md");
    for line in [
        "recv_buffer_size (16 KiB) in the bare core, 194 KiB in the shells",
        "+ 2 × max_message_size ",
        "+ 4 × output_high_water + 3 × L ",
        "+ 48 KiB ",
        "+ 66 KiB + 2 × 2^b ",
        "+ 136 KiB + 6 × 2^w + 7 × 2^(m + 6) + 3 × L ",
        "22 × max_head_size + 52 × max_head_fields + 2 × max_error_body + 16 KiB",
    ] {
        assert!(page.contains(line), "{line}");
    }
}
