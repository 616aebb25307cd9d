//! The WebSocket protocol ([RFC 6455]) as a sans-IO core, with thin shells that feed it bytes from a stream.
//!
//! ```text
//!                    handshake                         connection
//!   bytes in  --->  ServerHandshake  -- Negotiated -->  Connection  --->  events (lent)
//!   bytes out <---  ClientHandshake                     Inbound | Outbound  <--- messages to send
//!                                                       output(), poll_timeout() ---> bytes, next deadline
//! ```
//!
//! - [`handshake`]: the opening handshake. Bytes in, a request or response as plain data out, one decision in, bytes out.
//! - [`Connection`]: everything behind it. [`space`](Connection::space) and [`advance`](Connection::advance) take received
//!   bytes, [`next_event`](Connection::next_event) lends what they mean, [`feed`](Connection::feed) queues messages,
//!   [`output`](Connection::output) is what to write, [`poll_timeout`](Connection::poll_timeout) is when to wake up.
//! - [`Driver`] and [`handshake::Opening`]: what to do next with the transport of either, for event loops.
//! - [`DeflateConfig`]: compression ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)), with feature `deflate`.
//! - `blocking`: the shell for blocking streams, which does all that.
//! - [`frame`]: the bare codec, for tools.
//!
//! [`Config`] holds every limit and timer, all with safe defaults. The README shows a server, a client and the bare loop.
//!
//! # Errors
//!
//! They are told apart by whose fault they are: [`handshake::HandshakeError`] and [`ProtocolError`] are the peer's (or the
//! transport's), and know the HTTP status or the close code that the peer was given; [`SendError`] is the caller's, or says
//! that the peer reads too slowly, and hands the message back. A connection that was closed as it should be is no error.
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455
#![cfg_attr(not(feature = "std"), no_std)]
// On docs.rs, which has a nightly compiler, every gated item says which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// Only the library is `no_std`; tests and examples are ordinary programs.
#![warn(
    clippy::alloc_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core
)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

extern crate alloc;

mod config;
#[cfg_attr(
    not(feature = "std"),
    allow(dead_code, unused_imports, reason = "some of it serves the shells")
)]
mod connection;
#[cfg_attr(not(feature = "deflate"), allow(dead_code, reason = "some of it serves the codec"))]
mod deflate;
mod entropy;
#[cfg(feature = "std")]
mod error;
mod fields;
pub mod frame;
#[cfg(all(any(doc, doctest), feature = "tokio", feature = "futures-io"))]
pub mod guide;
pub mod handshake;
#[cfg(feature = "std")]
mod io;
mod log;
mod message;
mod negotiated;
mod outgoing;
mod prepared;
pub mod reconnect;
mod role;
mod sync;
mod utf8;

pub use bytes::{Buf, Bytes};

#[cfg(feature = "async")]
pub use crate::io::asynchronous;
#[cfg(feature = "futures-io")]
pub use crate::io::futures;
#[cfg(feature = "rustls")]
pub use crate::io::tls;
#[cfg(feature = "tokio")]
pub use crate::io::tokio;
pub use crate::{
    config::{Config, Delivery, Limits, PingPolicy, Timers},
    connection::{
        CloseInfo, Connection, Driver, Event, Inbound, Outbound, Output, OwnedOutput, ProtocolError, ReadyState,
        RecvBuffer, SendError, Side, Step, Time, Timer, Wakes,
    },
    deflate::params::{ContextTakeover, DeflateConfig, DeflateError, DeflateOffer, DeflateParams},
    entropy::{Entropy, EntropyError, OsEntropy},
    frame::{CloseCode, CloseFrame},
    message::{ExtensionFrame, Fragment, Message, MessageKind, Payload, Text},
    negotiated::Negotiated,
    outgoing::Outgoing,
    prepared::PreparedMessage,
    role::Role,
};
#[cfg(feature = "std")]
pub use crate::{
    error::{Error, Phase, ProxyError, RedirectError},
    io::{
        blocking,
        connect::{ConnectOptions, Proxy},
        reunite::ReuniteError,
    },
};
