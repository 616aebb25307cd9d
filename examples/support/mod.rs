//! What the echo servers have in common: their options and their answer to an upgrade request.

use std::net::SocketAddr;

use websocket_proto::{
    Config, Limits,
    handshake::{Accept, UpgradeRequest},
};

/// Echoes every WebSocket message back to its sender.
#[derive(clap::Parser)]
#[group(skip)]
pub(crate) struct Options {
    /// Address to listen on; with port 0 the system picks one
    #[arg(long, default_value = "127.0.0.1:9001")]
    pub(crate) addr: SocketAddr,

    /// Largest message that is accepted, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    pub(crate) max_message_size: u64,
}

impl Options {
    pub(crate) fn config(&self) -> Config {
        let limits = Limits::new()
            .max_frame_size(self.max_message_size)
            .max_message_size(self.max_message_size);
        Config::new().limits(limits)
    }
}

/// Accepts every request, with the first subprotocol of the client that an echo can serve.
pub(crate) fn accept(request: &UpgradeRequest) -> Accept {
    match request.select_subprotocol(&["echo", "chat", "superchat"]) {
        Some(subprotocol) => Accept::new().subprotocol(subprotocol),
        None => Accept::new(),
    }
}
