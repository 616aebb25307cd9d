//! The WebSocket protocol as a sans-IO core, with thin shells.
#![cfg_attr(not(feature = "std"), no_std)]
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
mod connection;
mod entropy;
#[cfg(feature = "std")]
mod error;
mod fields;
pub mod frame;
pub mod handshake;
#[cfg(feature = "std")]
mod io;
mod message;
mod negotiated;
mod role;
mod utf8;

pub use bytes::{Buf, Bytes};

pub use crate::{
    config::{Config, Delivery, Limits, PingPolicy, Timers},
    connection::{
        Closure, Connection, Event, Fin, Fragment, Inbound, Outbound, Output, ProtocolError, ReadyState, RecvBuffer,
        SendError, Side, Time, Timer,
    },
    entropy::{Entropy, EntropyError, OsEntropy},
    frame::{CloseCode, CloseFrame},
    message::{Message, MessageKind, Payload, Text},
    negotiated::Negotiated,
    role::Role,
};
#[cfg(feature = "std")]
pub use crate::{error::Error, io::blocking};
