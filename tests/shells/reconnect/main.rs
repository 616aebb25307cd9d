//! When a client reconnects: the delays, the verdicts, and the tokio client on a paused clock.

mod backoff;
mod client;
#[cfg(feature = "futures-io")]
mod loops;
mod support;
mod ticker;
mod verdicts;
