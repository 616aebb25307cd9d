//! The async shells over scripted streams, polled by hand, and over real ones.
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too")]

mod support;

mod cancel;
mod corking;
mod deadlines;
#[cfg(feature = "deflate")]
mod deflate;
mod driving;
mod duplex;
mod extension;
mod failure;
mod fairness;
mod futures_timers;
mod handshake;
mod idle;
mod large;
mod prepared;
mod sink;
mod split;
mod storm;
mod stress;
mod upgrade;
mod waiting;
