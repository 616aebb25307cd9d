//! permessage-deflate ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)): the negotiation and, with feature
//! `deflate`, the codec.
//!
//! ```text
//!   payload ---> Compressor ---> payload of a frame with RSV1         holds the history between messages,
//!   payload <--- Decompressor <--- payload of a frame with RSV1       if there is context takeover
//!                    |
//!                  pool: codec states of the thread, borrowed for a message
//! ```
//!
//! The codec uses `zlib-rs` directly and not through `flate2`, which cannot set the memory level with this backend, and
//! whose additions (streams of `std::io`, other backends) are not needed here.

#[cfg(not(feature = "deflate"))]
mod absent;
#[cfg(feature = "deflate")]
mod compress;
#[cfg(feature = "deflate")]
mod decompress;
#[cfg(feature = "deflate")]
mod history;
pub(crate) mod params;
#[cfg(feature = "deflate")]
mod pool;

#[cfg(not(feature = "deflate"))]
pub(crate) use self::absent::{Compressor, Decompressor};
#[cfg(feature = "deflate")]
pub(crate) use self::{compress::Compressor, decompress::Decompressor};

/// The end of a compressed message, which is not sent: the length of an empty stored block, and its complement ([RFC
/// 7692 §7.2.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1)).
#[cfg(feature = "deflate")]
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The settings for one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Whether a message may refer back to earlier ones.
    pub(crate) takeover: bool,
    /// The base-two logarithm of the window: 8 to 15, and for compressing at least 9.
    pub(crate) window_bits: u8,
    /// For compressing only: effort and memory.
    pub(crate) level: u8,
    pub(crate) memory_level: u8,
    /// For compressing only: shorter messages are sent uncompressed.
    pub(crate) threshold: usize,
}

/// The data cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidData;

/// The result of a decompression step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodecStep {
    pub(crate) consumed: usize,
    pub(crate) produced: usize,
    /// The number of bytes decompressed of the message so far.
    pub(crate) inflated: u64,
    /// Whether the consumed input has more output to come, or not all input was consumed.
    pub(crate) pending: bool,
}
