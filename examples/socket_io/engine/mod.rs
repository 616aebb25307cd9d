//! Engine.IO, version 4: sessions over HTTP long-polling or a WebSocket, without I/O.

mod entry;
mod heartbeat;
pub mod packet;
pub mod payload;
mod queue;
mod reason;
mod service;
pub mod session;
mod sessions;
mod transport;

use std::time::Duration;

pub use self::{
    entry::Key,
    packet::Data,
    queue::{MAX_PACKETS, Unit},
    reason::{Reason, Refusal},
    service::Service,
    session::WebSocketId,
    sessions::{Counts, Drain, Engine, random},
};

/// The settings of Engine.IO. The defaults are those of the reference.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The time between an answer and the next ping. Default 25 s.
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping. Default 20 s.
    pub ping_timeout: Duration,
    /// How long a WebSocket may take to take over. Default 10 s.
    pub upgrade_timeout: Duration,
    /// The longest body of a request, and the longest message over a WebSocket, in bytes. Default 1,000,000.
    pub max_payload: usize,
    /// What a session queues at most, in bytes with 96 for each message. A session with more ends. Default 16 MiB.
    pub max_queue: usize,
    /// The most sessions. Further clients are refused with 503. Default 1,000,000.
    pub max_sessions: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            max_payload: 1_000_000,
            max_queue: 16 << 20,
            max_sessions: 1_000_000,
        }
    }
}
