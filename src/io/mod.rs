//! The shells, which move bytes between a stream and the core. Only these modules may name a stream, a runtime or a
//! clock.

#[cfg(feature = "async")]
pub mod asynchronous;
pub mod blocking;
#[cfg(feature = "async")]
mod bounded;
pub(crate) mod connect;
#[cfg(feature = "futures-io")]
pub mod futures;
mod opener;
pub(crate) mod reunite;
#[cfg(feature = "rustls")]
pub mod tls;
#[cfg(feature = "tokio")]
pub mod tokio;
mod verbs;

/// Shortest bound on a blocking call; the timers of operating systems are about as precise.
const SHORTEST: core::time::Duration = core::time::Duration::from_millis(1);

/// Bytes of a shared receive buffer, and so of the largest single read: a message of 64 KiB fits with its header.
const READ: usize = (64 << 10) + 512;
