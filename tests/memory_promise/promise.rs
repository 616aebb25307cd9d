//! The formulas of `src/guide/memory.md`, as code.

use websocket_proto::{Config, Delivery, Limits};

/// The part of a connection's cost that depends on neither a limit nor the size of a message: rounding, a few small structures,
/// 17 Pongs and a Close, a client's masking keys.
pub const FIXED: usize = 48 << 10;

/// Bytes of the buffers that a shell lends to a connection that is not waiting: one to receive into, and in the async shells one
/// to queue in, which may have grown to twice its size.
pub const SHELL_BUFFER: usize = 3 * ((64 << 10) + 512);

/// Receive buffers that a process keeps for all its connections together.
pub const SPARE_BUFFERS: usize = 16;

/// Bytes that decompression needs, including delivery in pieces.
const INFLATE: usize = 66 << 10;

/// The inputs of the formulas.
pub struct Connection<'a> {
    pub config: &'a Config,
    /// Bytes of the receive buffer.
    pub buffer: usize,
    /// Bytes of the largest message that the application sends.
    pub largest: usize,
    /// The negotiated compression: the window bits of sent and of received data.
    pub deflate: Option<(u8, u8)>,
}

impl Connection<'_> {
    /// The most memory that the connection holds, whatever its peer does.
    pub fn promise(&self) -> usize {
        self.receiving() + self.sending() + FIXED
    }

    pub fn receiving(&self) -> usize {
        let message = match self.config.delivery {
            Delivery::Messages => 2 * usize::try_from(self.config.limits.max_message_size).expect("a limit of memory"),
            Delivery::Fragments => 0,
        };
        let inflate = self.deflate.map_or(0, |(_, window_bits)| INFLATE + (2 << window_bits));
        self.buffer + message + inflate
    }

    pub fn sending(&self) -> usize {
        let queue = 4 * self.config.limits.output_high_water + 3 * self.largest;
        queue + self.deflate.map_or(0, |(window_bits, _)| self.compressor(window_bits))
    }

    #[cfg(feature = "deflate")]
    fn compressor(&self, window_bits: u8) -> usize {
        let memory_level = self.config.deflate.map_or(8, |deflate| deflate.memory_level);
        (136 << 10) + (6 << window_bits) + (7 << (memory_level + 6)) + 3 * self.largest
    }

    #[cfg(not(feature = "deflate"))]
    fn compressor(&self, _: u8) -> usize {
        0
    }
}

/// The most memory that an opening handshake holds, at either end.
pub fn handshake(limits: &Limits) -> usize {
    22 * limits.max_head_size + 52 * limits.max_head_fields + 2 * limits.max_error_body + (16 << 10)
}
