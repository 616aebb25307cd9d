//! Masking: XOR of the payload with a four-byte key ([RFC 6455 §5.3]).
//!
//! The loops work on fixed-size arrays, which the compiler turns into vector instructions for every target. With
//! feature `wide-simd`, they are also compiled for each instruction set that the CPU may have, and the best one masks
//! long payloads.
//!
//! [RFC 6455 §5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.3

use alloc::vec::Vec;

/// How many bytes [`MaskingKey::apply_into`] copies before it masks them, while they are in the first-level cache.
const COPY: usize = 8 << 10;

/// The length from which choosing an instruction set pays: the choice takes about ten nanoseconds.
#[cfg(feature = "wide-simd")]
const WIDE: usize = 4 << 10;

/// The size of a cache line, and of the widest vector, in bytes.
#[cfg(feature = "wide-simd")]
const LINE: usize = 64;

/// The key with which a client masks the payload of one frame ([RFC 6455 §5.3]).
///
/// Byte `i` of the payload is combined with byte `i mod 4` of the key. Masking and unmasking are the same operation.
///
/// ```
/// use websocket_proto::frame::MaskingKey;
///
/// let key = MaskingKey::new([0x37, 0xfa, 0x21, 0x3d]);
/// let mut payload = *b"Hello";
/// key.apply(&mut payload);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // the example of §5.7
/// ```
///
/// [RFC 6455 §5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.3
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaskingKey([u8; 4]);

impl MaskingKey {
    /// Creates a key from these bytes, in wire order. Every value is valid.
    #[inline]
    #[must_use]
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// Returns the four bytes, in wire order.
    #[inline]
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// Returns the key for a payload whose first `n` bytes are already processed.
    ///
    /// A payload that arrives in pieces is unmasked piece by piece: each piece with the key rotated by the length of
    /// the previous piece.
    #[inline]
    #[must_use]
    pub const fn rotated(self, n: usize) -> Self {
        // In a little-endian word, the first byte is the lowest.
        #[expect(clippy::cast_possible_truncation, reason = "below four")]
        let shift = (n % 4) as u32 * 8;
        Self(u32::from_le_bytes(self.0).rotate_right(shift).to_le_bytes())
    }

    /// Masks or unmasks `data` in place.
    #[inline]
    pub fn apply(self, data: &mut [u8]) {
        #[cfg(feature = "wide-simd")]
        if data.len() >= WIDE {
            return self.apply_wide(data);
        }
        self.apply_narrow(data);
    }

    #[inline]
    fn apply_narrow(self, data: &mut [u8]) {
        let rest = self.apply_blocks::<32>(data);
        self.apply_rest(rest);
    }

    /// Masks with the widest vectors that the CPU has.
    ///
    /// Never inlined: the code that chooses the instruction set would slow down short messages.
    #[cfg(feature = "wide-simd")]
    #[inline(never)]
    fn apply_wide(self, data: &mut [u8]) {
        // A vector that spans two cache lines costs twice as much.
        let unaligned = data.as_ptr().align_offset(LINE).min(data.len());
        let (head, data) = data.split_at_mut(unaligned);
        self.apply_narrow(head);
        let key = self.rotated(head.len());
        let level = fearless_simd::Level::new();
        let rest = fearless_simd::dispatch!(level, simd => key.apply_vectors(simd, data));
        key.apply_narrow(rest);
    }

    #[cfg(feature = "wide-simd")]
    #[inline(always)]
    fn apply_vectors<S: fearless_simd::Simd>(self, simd: S, data: &mut [u8]) -> &mut [u8] {
        // Two vectors of 64 bytes, or four of 32.
        simd.vectorize(
            #[inline(always)]
            || self.apply_blocks::<128>(data),
        )
    }

    /// Masks blocks of `N` bytes, a multiple of four. Returns what is left after the last block.
    #[inline(always)]
    fn apply_blocks<const N: usize>(self, data: &mut [u8]) -> &mut [u8] {
        let mut key = [0; N];
        for quad in key.chunks_exact_mut(4) {
            quad.copy_from_slice(&self.0);
        }
        let mut blocks = data.chunks_exact_mut(N);
        for block in &mut blocks {
            for (byte, key) in block.iter_mut().zip(&key) {
                *byte ^= key;
            }
        }
        blocks.into_remainder()
    }

    /// Masks the few bytes after the blocks in halves, each as one word. For the many short messages, that is faster
    /// than a loop over bytes. Byte arrays would give the same result, but their key takes twenty instructions to
    /// assemble.
    #[inline]
    fn apply_rest(self, mut rest: &mut [u8]) {
        let four = u32::from_ne_bytes(self.0);
        let eight = u64::from(four) << 32 | u64::from(four);
        let sixteen = u128::from(eight) << 64 | u128::from(eight);
        if let Some(chunk) = rest.first_chunk_mut() {
            *chunk = (u128::from_ne_bytes(*chunk) ^ sixteen).to_ne_bytes();
            rest = &mut rest[16..];
        }
        if let Some(chunk) = rest.first_chunk_mut() {
            *chunk = (u64::from_ne_bytes(*chunk) ^ eight).to_ne_bytes();
            rest = &mut rest[8..];
        }
        if let Some(chunk) = rest.first_chunk_mut() {
            *chunk = (u32::from_ne_bytes(*chunk) ^ four).to_ne_bytes();
            rest = &mut rest[4..];
        }
        for (byte, key) in rest.iter_mut().zip(&self.0[..3]) {
            *byte ^= key;
        }
    }

    /// Appends a masked or unmasked copy of `data` to `dest`.
    #[inline]
    pub fn apply_into(self, data: &[u8], dest: &mut Vec<u8>) {
        dest.reserve(data.len());
        // `COPY` is a multiple of four, so every piece uses the same key.
        for piece in data.chunks(COPY) {
            let start = dest.len();
            dest.extend_from_slice(piece);
            self.apply(&mut dest[start..]);
        }
    }
}

impl core::fmt::Debug for MaskingKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "MaskingKey({:08x})", u32::from_be_bytes(self.0))
    }
}

impl From<[u8; 4]> for MaskingKey {
    fn from(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn naive(key: [u8; 4], data: &[u8]) -> Vec<u8> {
        data.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect()
    }

    fn sample(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 % 251) as u8).collect()
    }

    /// FR-12: byte i is combined with key byte i mod 4, for every length and alignment.
    #[test]
    fn equals_the_naive_loop() {
        let key = [0x01, 0x80, 0x5a, 0xff];
        for offset in 0..9 {
            for len in (0..300).chain([1024, 4096, 65_537]) {
                let data = sample(offset + len);
                let mut masked = data.clone();
                MaskingKey::new(key).apply(&mut masked[offset..]);
                assert_eq!(&masked[..offset], &data[..offset]);
                assert_eq!(
                    masked[offset..],
                    naive(key, &data[offset..]),
                    "offset {offset}, length {len}"
                );
            }
        }
    }

    /// FR-12: a payload in two pieces gives the same bytes as the whole.
    #[test]
    fn resumes_at_every_split() {
        let key = MaskingKey::new([1, 2, 3, 4]);
        let data = sample(70);
        let whole = naive(key.to_bytes(), &data);
        for split in 0..=data.len() {
            let mut pieces = data.clone();
            let (left, right) = pieces.split_at_mut(split);
            key.apply(left);
            key.rotated(split).apply(right);
            assert_eq!(pieces, whole, "split at {split}");
        }
        assert_eq!(key.rotated(usize::MAX), key.rotated(3), "however long it was");
    }

    #[test]
    fn is_shown_in_the_order_of_the_wire() {
        let key = MaskingKey::new([0x07, 0xfa, 0x21, 0x3d]);
        assert_eq!(alloc::format!("{key:?}"), "MaskingKey(07fa213d)");
    }

    #[test]
    fn copies_behind_what_is_there() {
        let key = MaskingKey::new([9, 8, 7, 6]);
        for len in [0, 1, 7, 8, 63, 64, COPY - 1, COPY, COPY + 5, 3 * COPY] {
            let data = sample(len);
            let mut dest = vec![0xaa; 3];
            key.apply_into(&data, &mut dest);
            assert_eq!(dest[..3], [0xaa; 3]);
            assert_eq!(dest[3..], naive(key.to_bytes(), &data), "length {len}");
        }
    }
}
