//! Frame headers.

use crate::frame::{MaskingKey, Opcode};

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASK: u8 = 0x80;
const LEN: u8 = 0x7F;

/// Values of the seven-bit length that indicate a longer length field.
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

/// The header of a frame ([RFC 6455 §5.2]).
///
/// ```
/// use websocket_proto::frame::{FrameHeader, Opcode, Rsv};
///
/// // The unmasked text frame "Hello" of §5.7.
/// let bytes = [0x81, 0x05, b'H', b'e', b'l', b'l', b'o'];
/// let (header, header_len) = FrameHeader::decode(&bytes)?.expect("a whole header is there");
/// assert_eq!(header_len, 2);
/// assert_eq!((header.opcode, header.payload_len), (Opcode::Text, 5));
///
/// let mut out = [0; FrameHeader::MAX_LEN];
/// let n = header.encode(&mut out);
/// assert_eq!(out[..n], bytes[..2]);
/// # Ok::<(), websocket_proto::frame::FrameError>(())
/// ```
///
/// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    /// Whether this is the last (or only) fragment of a message. Always set on a control frame.
    pub fin: bool,
    /// The reserved bits, which only have a meaning if an extension was negotiated.
    pub rsv: Rsv,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The key that masks the payload, if it is masked.
    pub masking_key: Option<MaskingKey>,
    /// The length of the payload in bytes; below 2^63.
    pub payload_len: u64,
}

impl FrameHeader {
    /// The length of the longest header in bytes: 2, plus 8 for the length and 4 for the key.
    pub const MAX_LEN: usize = 14;

    /// The longest payload of a control frame, in bytes.
    pub const MAX_CONTROL_LEN: usize = 125;

    /// Reads a header from the beginning of `bytes`. Returns it with the number of bytes that it occupies.
    ///
    /// `Ok(None)` means that the header is incomplete: call again with more bytes.
    ///
    /// # Errors
    ///
    /// [`FrameError`] for a header that no endpoint may send. Faults are reported as soon as the bytes that show them
    /// have arrived: a reserved opcode and an invalid control frame after the first two. Whether the reserved bits and
    /// the masking are valid depends on the connection; the caller must check them.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        let Some(opcode) = Opcode::from_bits(first & OPCODE) else {
            return Err(FrameError::ReservedOpcode(first & OPCODE));
        };
        let fin = first & FIN != 0;
        let short_len = second & LEN;
        if opcode.is_control() {
            // §5.5: control frames are never fragmented and have at most 125 bytes.
            if !fin {
                return Err(FrameError::FragmentedControl);
            }
            if short_len > 125 {
                return Err(FrameError::LongControl);
            }
        }

        let (payload_len, len_bytes) = match short_len {
            LEN_16 => {
                let Some(long) = rest.first_chunk() else {
                    return Ok(None);
                };
                let long = u16::from_be_bytes(*long);
                // §5.2: the minimal number of bytes must be used.
                if long < 126 {
                    return Err(FrameError::OverlongLength);
                }
                (u64::from(long), 2)
            }
            LEN_64 => {
                let Some(long) = rest.first_chunk() else {
                    return Ok(None);
                };
                let long = u64::from_be_bytes(*long);
                if long <= 0xFFFF {
                    return Err(FrameError::OverlongLength);
                }
                // §5.2: the most significant bit must be 0.
                if long >> 63 != 0 {
                    return Err(FrameError::LengthTopBit);
                }
                (long, 8)
            }
            short => (u64::from(short), 0),
        };

        let (masking_key, key_bytes) = if second & MASK != 0 {
            let Some(key) = rest.get(len_bytes..).and_then(|rest| rest.first_chunk()) else {
                return Ok(None);
            };
            (Some(MaskingKey::new(*key)), 4)
        } else {
            (None, 0)
        };

        let header = Self {
            fin,
            rsv: Rsv::from_bits(first >> 4),
            opcode,
            masking_key,
            payload_len,
        };
        Ok(Some((header, 2 + len_bytes + key_bytes)))
    }

    /// Writes the header to the beginning of `dest`. Returns its length, from 2 to 14.
    ///
    /// The length uses the shortest form, as §5.2 requires. The fields are written as they are: a header that violates
    /// the rules for its opcode is encoded, too, for tools that need one.
    #[inline]
    pub fn encode(&self, dest: &mut [u8; Self::MAX_LEN]) -> usize {
        let (bytes, len) = self.to_bytes();
        dest[..len].copy_from_slice(&bytes[..len]);
        len
    }

    /// Returns the header and its length, as bytes that a processor stores at once.
    ///
    /// The header is assembled as a number, in registers: bytes stored one by one could not be loaded together until
    /// they have reached the cache.
    #[inline]
    pub(crate) fn to_bytes(self) -> ([u8; 16], usize) {
        let first = if self.fin { FIN } else { 0 } | self.rsv.bits() << 4 | self.opcode.bits();
        let (bits, len) = match self.payload_len {
            short @ 0..=125 => self.with_key::<2>(u128::from(short) << 8),
            #[expect(clippy::cast_possible_truncation, reason = "the arm bounds it")]
            medium @ 126..=0xFFFF => {
                let len = u128::from((medium as u16).swap_bytes());
                self.with_key::<4>(u128::from(LEN_16) << 8 | len << 16)
            }
            long => self.with_key::<10>(u128::from(LEN_64) << 8 | u128::from(long.swap_bytes()) << 16),
        };
        ((u128::from(first) | bits).to_le_bytes(), len)
    }

    /// Adds the key, if there is one, after the first `AT` bytes, and returns the total length.
    #[inline]
    fn with_key<const AT: usize>(self, bits: u128) -> (u128, usize) {
        match self.masking_key {
            Some(key) => {
                let key = u128::from(u32::from_le_bytes(key.to_bytes()));
                (bits | u128::from(MASK) << 8 | key << (8 * AT), AT + 4)
            }
            None => (bits, AT),
        }
    }
}

/// The three reserved bits of a frame header ([RFC 6455 §5.2]).
///
/// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rsv(u8);

impl Rsv {
    /// No bits: the value of every frame unless an extension defines another.
    pub const NONE: Self = Self(0);
    /// The first bit, used by permessage-deflate ([RFC 7692 §6]).
    ///
    /// [RFC 7692 §6]: https://www.rfc-editor.org/rfc/rfc7692#section-6
    pub const RSV1: Self = Self(0b100);
    /// The second bit.
    pub const RSV2: Self = Self(0b010);
    /// The third bit.
    pub const RSV3: Self = Self(0b001);

    /// Creates the bits from a value: RSV1 is 4, RSV2 is 2 and RSV3 is 1. Higher bits are ignored.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & (RSV >> 4))
    }

    /// Returns the value: RSV1 is 4, RSV2 is 2 and RSV3 is 1.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Returns whether all bits of `other` are set here.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the bits that are set here and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl core::ops::BitAnd for Rsv {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl core::ops::BitOr for Rsv {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A frame header that no endpoint may send; the connection fails with 1002.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The opcode is one of the reserved values 0x3–0x7 and 0xB–0xF ([RFC 6455 §5.2]).
    ///
    /// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    #[error("reserved opcode {0:#x}")]
    ReservedOpcode(u8),
    /// A control frame has FIN = 0 ([RFC 6455 §5.5](https://www.rfc-editor.org/rfc/rfc6455#section-5.5)).
    #[error("fragmented control frame")]
    FragmentedControl,
    /// A control frame announces more than 125 bytes ([RFC 6455 §5.5]).
    ///
    /// [RFC 6455 §5.5]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5
    #[error("control frame is longer than 125 bytes")]
    LongControl,
    /// The payload length is not in its shortest form ([RFC 6455 §5.2]).
    ///
    /// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    #[error("payload length is not in its shortest form")]
    OverlongLength,
    /// The payload length is 2^63 or more ([RFC 6455 §5.2]).
    ///
    /// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
    #[error("payload length is 2^63 or more")]
    LengthTopBit,
}
