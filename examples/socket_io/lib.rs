//! A server of Socket.IO: Engine.IO v4 and Socket.IO v5 on `websocket-proto`. README.md describes how it is built.
#![cfg(feature = "socket-io")]

pub mod connection;
pub mod engine;
pub mod http;
pub mod hub;
mod query;
mod replayed;
pub mod serve;
pub mod socket;
pub mod timers;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("README.md")]
struct Readme;
