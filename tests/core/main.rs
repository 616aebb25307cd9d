//! The data phase of a connection, as its peer and its application see it.
//!
//! [`wire`] builds and reads frames without help from the crate, [`raw`] feeds one connection with literal bytes under
//! every segmentation, and [`pair`] lets two connections talk on a virtual clock.
#![cfg(feature = "os-entropy")]
#![allow(unreachable_pub, reason = "the modules of a test are its own public")]
#![allow(clippy::cast_possible_truncation, reason = "samples may wrap")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(
    clippy::needless_borrows_for_generic_args,
    reason = "lent and owned payloads take different paths"
)]

mod pair;
mod raw;
mod rng;
mod wire;

mod closing;
#[cfg(feature = "deflate")]
mod deflate;
mod driver;
mod extension;
mod framing;
mod hardening;
mod limits;
mod memory;
mod messages;
mod opening;
mod prepared;
mod properties;
mod sending;
mod streaming;
mod text;
mod timers;
