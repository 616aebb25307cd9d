//! Two endpoints on a virtual clock, over a network that a seed cuts, delays and fails.
//!
//! Each seed is one run: a client and a server, after a real opening handshake, with and without compression. Each endpoint is
//! the core in a loop that asks for its deadlines, the driver in a loop that is polled, in one whose operations complete later,
//! or in two tasks, the blocking shell over a stream that never blocks, or an async shell, whole, in halves, or as a stream and a
//! sink of two tasks. Applications act at random. In half of the runs only time may end a connection: tasks run late, by up to
//! hours, the machine is suspended, applications receive nothing for a while, bytes arrive one a second or not at all, and timers
//! are zero, tiny or endless. The rules that must hold are in [`invariants`], [`observer`] (while a connection lives) and
//! [`promises`] (at the end). A seed that fails prints itself, and can be run again with
//!
//! ```text
//! SIMULATION_SEED=123 cargo test --package websocket-proto --features tokio,futures-io,deflate --test simulation
//! ```
//!
//! `SIMULATION_SEEDS` is the number of seeds to run, and with `SIMULATION_ALL=1` the run continues after a failure. A debug build
//! runs a few hundred, a release build tens of thousands.
//!
//! The deadlines of the blocking shell use the system's clock, which does not advance here. So such an endpoint is not expected
//! to end by time alone: instead, the system gives up its stream.
#![cfg(all(feature = "std", feature = "os-entropy"))]
#![allow(unreachable_pub, reason = "the modules of a test are its own public")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::cast_possible_truncation, reason = "samples may wrap")]

mod application;
#[cfg(all(feature = "tokio", feature = "futures-io"))]
mod async_shells;
mod clock;
mod core_halves;
mod core_loop;
mod driver_loops;
mod endpoint;
mod invariants;
mod negotiate;
mod network;
mod observer;
#[path = "../memory_promise/promise.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod promise;
mod promises;
#[path = "../core/raw.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod raw;
#[path = "../core/rng.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod rng;
mod run;
mod scenario;
mod shells;
mod streams;
#[path = "../core/wire.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod wire;
mod wire_view;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use crate::{run::Run, scenario::Scenario};

/// Seeds of one run of the tests.
const SEEDS: u64 = if cfg!(debug_assertions) { 400 } else { 40_000 };

const THREADS: usize = 2;

/// The tests run one after another, so that the memory of one is not attributed to another.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn variable(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {value}")),
    )
}

/// CL-11, CL-17, MSG-26, PMD-38, SEC-11: whatever happens, messages arrive in order and whole, nothing follows a Close, each end
/// sends at most one Close, two clean ends agree on the codes, and every run ends.
#[test]
fn random_runs_keep_the_invariants() {
    let _alone = alone();
    if let Some(seed) = variable("SIMULATION_SEED") {
        let scenario = Scenario::random(seed);
        eprintln!("{scenario:?}");
        Run::new(&scenario).finish();
        return;
    }
    let (seeds, next) = (variable("SIMULATION_SEEDS").unwrap_or(SEEDS), AtomicU64::new(0));
    let (has_failed, goes_on) = (AtomicBool::new(false), variable("SIMULATION_ALL").is_some());
    thread::scope(|scope| {
        for _ in 0..(if goes_on { 1 } else { THREADS }) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || (has_failed.load(Ordering::Relaxed) && !goes_on) {
                        break;
                    }
                    let run = || Run::new(&Scenario::random(seed)).finish();
                    if catch_unwind(AssertUnwindSafe(run)).is_err() {
                        has_failed.store(true, Ordering::Relaxed);
                        eprintln!(
                            "that was SIMULATION_SEED={seed}: \
                             SIMULATION_SEED={seed} cargo test --all-features --test simulation"
                        );
                    }
                }
            });
        }
    });
    assert!(!has_failed.into_inner(), "a seed has failed");
}

/// SEC-09, SEC-10: whatever happens, no end holds more memory than promised.
#[test]
fn random_runs_keep_the_promise_of_memory() {
    let _alone = alone();
    // What the thread keeps for all connections is allocated before they are measured.
    for seed in 0..50 {
        Run::new(&Scenario::random(seed)).finish();
    }
    for seed in 0..SEEDS / 8 {
        let run = || Run::new(&Scenario::random(seed).weighed()).finish();
        assert!(catch_unwind(AssertUnwindSafe(run)).is_ok(), "it was seed {seed}");
    }
}

/// CL-22: with each fault at the n-th operation of either end, for every n until the conversation ends before it; over a stream
/// that passes everything on at once, and over one that waits for a flush. An error is reported once, and what was sent before it
/// has arrived or not, but in order. Events that are not errors, such as a short operation or one that waits, change nothing.
#[test]
fn every_operation_can_fail() {
    let _alone = alone();
    for ((kinds, seed), buffers) in scenario::pairs().flat_map(|pair| [(pair, false), (pair, true)]) {
        for (end, fault) in network::FAULTS.into_iter().flat_map(|fault| [(0, fault), (1, fault)]) {
            let meets = |at: usize| {
                let scenario = Scenario::short(kinds, seed, buffers).fault(end, at, fault);
                let run = catch_unwind(AssertUnwindSafe(|| Run::new(&scenario).finish()));
                run.unwrap_or_else(|_| panic!("{kinds:?}, {buffers}, with {fault:?} at operation {at} of end {end}"))
            };
            let operations = (1..1000).take_while(|&at| meets(at)).count();
            assert!((10..999).contains(&operations), "{kinds:?}: {operations} operations");
        }
    }
}
