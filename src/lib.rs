//! The WebSocket protocol as a sans-IO core, with thin shells.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod config;
mod entropy;
mod fields;
pub mod handshake;
mod negotiated;
mod role;

pub use crate::{
    config::{Config, Delivery, Limits, PingPolicy, Timers},
    entropy::{Entropy, EntropyError, OsEntropy},
    negotiated::Negotiated,
    role::Role,
};
