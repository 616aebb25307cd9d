//! An echo server for a microcontroller: `no_std`, the traits of `embedded-io-async`, and a heap of a fixed size.
//!
//! A Rust program that runs out of memory aborts, so this server never asks for memory that may not be there. Before it
//! accepts a connection, it knows what the connection may cost in the worst case ([`Config::worst_case`]), and it serves
//! only as many as fit in the heap. A client for which there is no room is answered with status 503, from the stack.
//!
//! ```text
//!   heap   | transient | connection 1 | connection 2 | ... | connection n |  rest  |
//!            a call at   held each: receive buffer, message, queued output,
//!            a time      or the head of a request
//! ```
//!
//! It knows neither a network nor a clock: the program that uses it implements [`Board`].
//!
//! [`Config::worst_case`]: websocket_proto::Config::worst_case
#![no_std]
#![forbid(unsafe_code)]

mod board;
mod places;
mod server;
mod session;

pub use self::{
    board::{Board, ShutDown, Socket},
    server::Server,
};
