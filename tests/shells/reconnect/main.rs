//! When a client connects again: the delays, the verdicts, and the client on tokio's (paused) clock.

mod backoff;
mod client;
mod support;
mod ticker;
mod verdicts;
