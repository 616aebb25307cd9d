//! Socket.IO, version 5, on Engine.IO: namespaces, rooms, events and acknowledgements, without I/O.

mod args;
mod emit;
mod encode;
mod io;
mod packet;
mod placeholders;
mod recovery;
mod server;
mod state;

use std::time::Duration;

use websocket_proto::DeflateConfig;

pub use self::{
    args::{Args, ArgsBuf},
    emit::Emit,
    io::{Io, NoAnswer},
    packet::{Body, Decoded, Decoder, MAX_ATTACHMENTS, Packet, PacketError},
    server::{Ack, App, Connect, Event, Gone, Refused, Server},
    state::{Id, LeaveReason, ServerCounts, SocketRef},
};

/// The settings of Socket.IO. The defaults are those of the reference, unless they say otherwise.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long a client may take until it has joined a namespace. Default 45 s.
    pub connect_timeout: Duration,
    /// How long the state of a client that was lost is kept, so that it can recover it. Off by default.
    pub recovery: Option<Duration>,
    /// How messages are compressed, for WebSockets that negotiated permessage-deflate. Off by default.
    pub deflate: Option<DeflateConfig>,
    /// The most rooms that a socket is in. Default 1,024; the reference has no limit.
    pub max_rooms: usize,
    /// The most acknowledgements and timers of a socket that are pending. Default 1,024; the reference has no limit.
    pub max_pending: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(45),
            recovery: None,
            deflate: None,
            max_rooms: 1024,
            max_pending: 1024,
        }
    }
}
