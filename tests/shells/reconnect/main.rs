//! When a client connects again: the delays, the verdicts, and the client on tokio's (paused) clock.

mod backoff;
mod client;
#[cfg(feature = "futures-io")]
mod loops;
mod support;
mod ticker;
mod verdicts;
