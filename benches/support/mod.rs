//! Shared by the benches: payloads, streams of frames, the measured loops and the limits to compare them with.
#![allow(dead_code, reason = "every bench is a crate of its own and uses a part of this")]
#![allow(clippy::std_instead_of_alloc, reason = "a bench has `std`")]

#[cfg(feature = "deflate")]
pub(crate) mod deflate;
pub(crate) mod handshake;
pub(crate) mod hostile;
pub(crate) mod limit;
pub(crate) mod recv;
pub(crate) mod send;
#[cfg(feature = "tokio")]
pub(crate) mod shell;
pub(crate) mod stream;

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;

/// The most bytes of one read, and the size of the receive buffer.
pub(crate) const READ: usize = 64 * KIB;

/// Bytes that one pass over a stream of short messages moves: enough for a clock, and few enough that the source stays in the
/// second-level cache, like bytes that the kernel has just copied.
pub(crate) const PASS: usize = 256 * KIB;

/// The content of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Binary,
    /// Text of one-byte code points.
    Ascii,
    /// Text of code points of one to four bytes.
    Mixed,
}

impl Content {
    pub(crate) fn is_text(self) -> bool {
        self != Self::Binary
    }

    /// A payload of exactly this many bytes.
    pub(crate) fn payload(self, len: usize) -> Vec<u8> {
        match self {
            Self::Binary => random(len),
            Self::Ascii => text("The quick brown fox jumps over the lazy dog. ", len),
            Self::Mixed => text("Grüße, мир! 水は流れる 😀 plain words between. ", len),
        }
    }
}

/// Repeats `sample` up to a length, and fills up with spaces where the next code point would be cut.
fn text(sample: &str, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = sample.bytes().cycle().take(len).collect();
    let valid = core::str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), str::len);
    bytes[valid..].fill(b' ');
    bytes
}

/// Bytes without a pattern, the same in every run.
pub(crate) fn random(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Masking keys, the same in every run.
pub(crate) fn keys(n: usize) -> Vec<[u8; 4]> {
    random(4 * n)
        .chunks_exact(4)
        .map(|key| [key[0], key[1], key[2], key[3]])
        .collect()
}
