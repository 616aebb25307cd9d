//! permessage-deflate ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)): what is negotiated, and with feature `deflate`
//! the codec.
//!
//! ```text
//!   payload ---> Compressor ---> payload of a frame with RSV1         holds the history between messages,
//!   payload <--- Decompressor <--- payload of a frame with RSV1       if there is context takeover
//!                    |
//!                  pool: codec states of the thread, borrowed for a message
//! ```
//!
//! The codec is `zlib-rs` by itself and not `flate2` with `zlib-rs` behind it: that has no way to set the memory level with
//! this backend, and what it adds (streams of `std::io`, other backends) is of no use here.

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

/// The end of a compressed message that is not sent: the length of an empty stored block, and its complement
/// ([RFC 7692 §7.2.1](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.1)).
#[cfg(feature = "deflate")]
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// How one direction is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Whether a message may refer back to earlier ones.
    pub(crate) takeover: bool,
    /// The window as a power of two: 8 to 15, and from 9 to compress.
    pub(crate) window_bits: u8,
    /// To compress only: effort and memory.
    pub(crate) level: u8,
    pub(crate) memory_level: u8,
    /// To compress only: messages shorter than this go as they are.
    pub(crate) threshold: usize,
}

/// The data cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidData;

/// What came of a step of decompression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodecStep {
    pub(crate) consumed: usize,
    pub(crate) produced: usize,
    /// Bytes that the message has become so far.
    pub(crate) inflated: u64,
    /// Whether there is more to come of what was consumed, or what was given was not all consumed.
    pub(crate) pending: bool,
}
