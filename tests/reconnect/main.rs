//! When a client connects again: the delays and the verdicts.

mod backoff;
mod support;
mod verdicts;
