//! Shared by the echo servers: their options and their answer to an upgrade request.

pub(crate) mod listen;
pub(crate) mod program;

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

    /// Accept permessage-deflate, with context takeover
    #[cfg(feature = "deflate")]
    #[arg(long)]
    pub(crate) deflate: bool,

    /// Largest window of permessage-deflate in either direction, as a power of two
    #[cfg(feature = "deflate")]
    #[arg(long, value_name = "BITS", default_value_t = 12, value_parser = clap::value_parser!(u8).range(9..=15))]
    pub(crate) window_bits: u8,
}

impl Options {
    pub(crate) fn config(&self) -> Config {
        let limits = Limits::new()
            .max_frame_size(self.max_message_size)
            .max_message_size(self.max_message_size);
        let config = Config::new().limits(limits);
        #[cfg(feature = "deflate")]
        let config = config.deflate(self.deflate.then(|| {
            websocket_proto::DeflateConfig::context_takeover()
                .server_max_window_bits(self.window_bits)
                .client_max_window_bits(self.window_bits)
        }));
        config
    }
}

/// Accepts every request, with the first subprotocol of the client that an echo can serve.
pub(crate) fn accept(request: &UpgradeRequest) -> Accept {
    match request.select_subprotocol(&["echo", "chat", "superchat"]) {
        Some(subprotocol) => Accept::new().subprotocol(subprotocol),
        None => Accept::new(),
    }
}
