//! What the async shells have in common: everything but the streams and timers of a runtime.
//!
//! Use it through [`tokio`](crate::tokio) or [`futures`](crate::futures). For another runtime, implement [`Transport`] for
//! its streams: the `async` feature is enough for that, and brings no runtime.
//!
//! # Cancel safety
//!
//! No future of this module holds a byte of the connection: what was received, what is queued and how far both have got
//! is in the [`WebSocket`] (or [`Acceptor`], [`Connector`], half). A future that is dropped, at any point, loses nothing in
//! either direction; the next call goes on where it was.

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
