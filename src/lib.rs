//! WebSockets ([RFC 6455]) for servers and clients: a core that does no I/O, and thin shells that run it over blocking streams, tokio
//! and futures-io. Every limit and deadline is on by default, and reads and writes lose nothing when they are cut short.
//!
//! # A first program
//!
//! Both ends of a conversation, with two threads. `blocking` needs no feature beyond the default ones.
//!
#![cfg_attr(all(feature = "std", feature = "os-entropy"), doc = "```")]
#![cfg_attr(not(all(feature = "std", feature = "os-entropy")), doc = "```ignore")]
//! use std::{net::TcpListener, thread};
//! use websocket_proto::{
//!     CloseCode, Error,
//!     blocking::{self, WebSocket},
//! };
//!
//! fn main() -> Result<(), Error> {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let uri = format!("ws://{}", listener.local_addr()?);
//!     thread::spawn(move || {
//!         if let Err(error) = echo(&listener) {
//!             eprintln!("server: {error}");
//!         }
//!     });
//!
//!     let mut websocket = blocking::connect(&uri)?;
//!     websocket.send("hello")?;
//!     if let Some(message) = websocket.recv()? {
//!         println!("{}", message.as_text().unwrap_or("(binary)"));
//!     }
//!     websocket.close(CloseCode::NORMAL)
//! }
//!
//! /// Sends every message back, until the client closes the connection.
//! fn echo(listener: &TcpListener) -> Result<(), Error> {
//!     let (stream, _) = listener.accept()?;
//!     stream.set_nodelay(true)?;
//!     let mut websocket = WebSocket::accept(stream)?;
//!     while let Some((message, outbound)) = websocket.recv_split()? {
//!         outbound.feed(message)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! The [README] has a whole server and a whole client, blocking and with tokio, with the `cargo add` lines that they need. A server that
//! browsers connect to should check their origin: see [`OriginPolicy`](handshake::OriginPolicy).
//!
//! # Shells
//!
//! All shells have the same methods. The pages of the first three begin with a server:
//!
//! | module | take it for | connect with | feature |
//! |---|---|---|---|
//! | [`blocking`] | a thread for each connection, command-line tools, event loops with non-blocking streams | [`blocking::connect`] | `std` |
//! | [`tokio`] | programs on tokio; it also has [`Reconnect`], [`Broadcast`] and [`Shutdown`] | [`tokio::connect`] | `tokio` |
//! | [`futures`] | smol and other executors with futures-io streams | [`futures::connect`] | `futures-io` |
//! | [`asynchronous`] | another runtime, whose streams implement [`Transport`] | | `async` |
//! | [`Connection`] and its [`Driver`] | mio, io_uring, simulators, no operating system | | none |
//!
//! The module [`tokio`] has the name of the crate. Import items of it, as in `use websocket_proto::tokio::WebSocket`, and not the module
//! itself, which would hide the crate: `#[tokio::main]` would not compile.
//!
//! # How data flows
//!
//! ```text
//!           +---------------------- a shell ----------------------+
//!           |         +------------- the core -------------+      |
//!   bytes --|- read ->| handshake, then Connection:        |------|--> recv, recv_ref, recv_split
//!           |         | limits, Pings, Close, UTF-8,       |      |
//!  stream   |         | compression                        |      |    your program
//!           |         |                                    |      |
//!   bytes <-|- write -| what is queued                     |<-----|--- feed, send, ping, close
//!           |         +------------------------------------+      |
//!           |             ^                      |                |
//!           |        the time, and       the next step (Driver)   |
//!           |       what came of it      and the next deadline    |
//!           |             |                      v                |
//!           |         waiting, the clock and the stream's calls   |
//!           +-----------------------------------------------------+
//! ```
//!
//! - [`handshake`]: the opening handshake of both sides. [`ClientRequest`](handshake::ClientRequest) is what a client sends,
//!   [`UpgradeRequest`](handshake::UpgradeRequest) what a server decides on, with [`Accept`](handshake::Accept) or
//!   [`Rejection`](handshake::Rejection).
//! - [`Message`] is what is received. [`Outgoing`] is what can be sent: text, bytes, messages, fragments, a [`PreparedMessage`].
//! - [`Config`] has every limit and timer: [`Limits`], [`Timers`], [`DeflateConfig`], [`PingPolicy`], [`Delivery`].
//! - [`Connection`] is everything after the opening handshake, and [`Driver`] says what to do next with its transport.
//!   [`handshake::Opening`] does so for the opening handshake.
//! - [`reconnect`] is the arithmetic of back-off, and [`frame`] the bare codec, for tools.
//!
//! # Errors
//!
//! A clean close is not an error: receiving returns `None`, and [`close_info`](Connection::close_info) says who closed and why. The shells
//! return [`Error`], whose variants say who can do something about it:
//!
//! | error | what happened | what to do |
//! |---|---|---|
//! | [`HandshakeError`](handshake::HandshakeError) | the opening handshake failed, or the server refused; knows the HTTP status | log it; a client may [`reconnect`] |
//! | [`ProtocolError`] | the peer broke the protocol or a limit, vanished, or a deadline passed; knows the close code that the peer was sent | log it, drop the connection |
//! | [`SendError`] | the message cannot be sent now, or at all; hands it back | wait, or correct the call; the connection goes on |
//! | I/O error | the stream failed | drop the connection; after `WouldBlock`, call again |
//!
//! # Features
//!
//! `std`, `simd` and `os-entropy` are on by default. Without features, the crate is the core: `no_std` with `alloc`. The [README] lists
//! the crates that each feature brings.
//!
//! | feature | what it adds |
//! |---|---|
//! | `std` | [`blocking`] |
//! | `simd`, `wide-simd` | UTF-8 validation with SIMD; masking with AVX2 or AVX-512 (Rust 1.89) |
//! | `os-entropy` | masking keys and nonces from the operating system; without it, a client needs an [`Entropy`] |
//! | `tokio`, `futures-io`, `async` | [`tokio`], [`futures`], [`asynchronous`] |
//! | `rustls`, `tokio-rustls`, `futures-rustls` | `wss://` in [`blocking`], [`tokio`], [`futures`]; each needs one of the next two |
//! | `rustls-ring`, `rustls-aws-lc` | the cryptography of TLS |
//! | `deflate` | permessage-deflate ([RFC 7692]); see [`DeflateConfig`] |
//! | `http` | requests and responses of the `http` crate in [`handshake`], for hyper and axum, also over HTTP/2; see the guide |
//! | `tracing` | events for operators about handshakes, closures, deadlines and limits; see the guide |
//!
//! # The guide
//!
#![cfg_attr(
    all(any(doc, doctest), feature = "tokio", feature = "futures-io"),
    doc = include_str!("guide/pages.md")
)]
#![cfg_attr(
    not(all(feature = "tokio", feature = "futures-io")),
    doc = "The [guide](https://docs.rs/websocket-proto/latest/websocket_proto/guide/) is on docs.rs, and in documentation that is
built with the features `tokio` and `futures-io`."
)]
//!
// Items that a feature adds. The first definition of a link counts: without the feature, that is the one below, to docs.rs.
#![cfg_attr(
    feature = "std",
    doc = "
[`blocking`]: mod@blocking
[`blocking::connect`]: blocking::connect()
[`ConnectOptions`]: ConnectOptions
[`Error`]: enum@Error"
)]
#![cfg_attr(
    feature = "tokio",
    doc = "
[`tokio`]: mod@crate::tokio
[`tokio::connect`]: crate::tokio::connect()
[`Reconnect`]: crate::tokio::Reconnect
[`Broadcast`]: crate::tokio::Broadcast
[`Shutdown`]: crate::tokio::Shutdown"
)]
#![cfg_attr(
    feature = "futures-io",
    doc = "
[`futures`]: mod@crate::futures
[`futures::connect`]: crate::futures::connect()"
)]
#![cfg_attr(
    feature = "async",
    doc = "
[`asynchronous`]: mod@asynchronous
[`Transport`]: asynchronous::Transport"
)]
//!
//! [README]: https://docs.rs/crate/websocket-proto/latest
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455
//! [RFC 7692]: https://www.rfc-editor.org/rfc/rfc7692
//! [`blocking`]: https://docs.rs/websocket-proto/latest/websocket_proto/blocking/
//! [`blocking::connect`]: https://docs.rs/websocket-proto/latest/websocket_proto/blocking/fn.connect.html
//! [`ConnectOptions`]: https://docs.rs/websocket-proto/latest/websocket_proto/struct.ConnectOptions.html
//! [`Error`]: https://docs.rs/websocket-proto/latest/websocket_proto/enum.Error.html
//! [`tokio`]: https://docs.rs/websocket-proto/latest/websocket_proto/tokio/
//! [`tokio::connect`]: https://docs.rs/websocket-proto/latest/websocket_proto/tokio/fn.connect.html
//! [`Reconnect`]: https://docs.rs/websocket-proto/latest/websocket_proto/tokio/struct.Reconnect.html
//! [`Broadcast`]: https://docs.rs/websocket-proto/latest/websocket_proto/tokio/struct.Broadcast.html
//! [`Shutdown`]: https://docs.rs/websocket-proto/latest/websocket_proto/tokio/struct.Shutdown.html
//! [`futures`]: https://docs.rs/websocket-proto/latest/websocket_proto/futures/
//! [`futures::connect`]: https://docs.rs/websocket-proto/latest/websocket_proto/futures/fn.connect.html
//! [`asynchronous`]: https://docs.rs/websocket-proto/latest/websocket_proto/asynchronous/
//! [`Transport`]: https://docs.rs/websocket-proto/latest/websocket_proto/asynchronous/trait.Transport.html
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
    config::{Config, Delivery, Limits, PingPolicy, Timers, WorstCase},
    connection::{
        CloseInfo, Connection, Driver, Event, Inbound, Outbound, Output, OwnedOutput, ProtocolError, ReadyState,
        RecvBuffer, SendError, Side, Step, Time, Timer, Wakes,
    },
    deflate::params::{ContextTakeover, DeflateConfig, DeflateError, DeflateOffer, DeflateParams, OfferPolicy},
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
        connect::{ConnectOptions, Destination, Proxies, Proxy},
        reunite::ReuniteError,
    },
};
