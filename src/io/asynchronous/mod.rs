//! The common part of the async shells: everything except the streams and timers of a runtime.
//!
//! Use it through [`tokio`](crate::tokio) or [`futures`](crate::futures). For another runtime, implement [`Transport`]
//! for its streams: this only requires the `async` feature, which depends on no runtime.
//!
//! # Cancel safety
//!
//! No future of this module holds a byte of the connection. Received and queued data, and how far both have been
//! processed, are stored in the [`WebSocket`] (or [`Acceptor`], [`Connector`] or half). Dropping a future, at any
//! point, loses nothing in either direction; the next call continues where it stopped.

mod constructors;
mod engine;
mod opening;
mod pool;
mod split;
mod tasks;
mod traits;
mod transport;
mod websocket;

#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(crate) use self::transport::end_without_notice;
pub use self::{
    opening::{Acceptor, Connector},
    split::{RecvHalf, SendHalf},
    transport::{ReadBuf, RuntimeTimer, Transport},
    websocket::WebSocket,
};
