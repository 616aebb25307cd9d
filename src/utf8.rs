//! Incremental UTF-8 validation: bytes are checked as they arrive, and code points may be cut anywhere ([RFC 6455
//! §8.1]).
//!
//! [RFC 6455 §8.1]: https://www.rfc-editor.org/rfc/rfc6455#section-8.1

/// The error for invalid UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

/// Checks a complete text.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    #[cfg(feature = "simd")]
    return simdutf8::basic::from_utf8(bytes).map_err(|_| InvalidUtf8);
    #[cfg(not(feature = "simd"))]
    return core::str::from_utf8(bytes).map_err(|_| InvalidUtf8);
}

/// A code point that was cut: its first bytes, which wait for the rest.
///
/// Text in pieces is checked with two calls for each piece: [`complete`](Self::complete) finishes the code point that
/// the previous piece began, and [`check_piece`](Self::check_piece) checks what follows and keeps the code point cut at
/// its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CutCodePoint {
    bytes: [u8; 4],
    len: u8,
}

impl CutCodePoint {
    /// No code point has begun.
    pub(crate) const EMPTY: Self = Self { bytes: [0; 4], len: 0 };

    /// Returns whether no code point has begun, so that text may end here.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many bytes the code point still lacks, 0 to 3.
    #[inline]
    pub(crate) fn missing(&self) -> usize {
        match usize::from(self.len) {
            0 => 0,
            have => width(self.bytes[0]) - have,
        }
    }

    /// Adds the next bytes of the code point, at most [`missing`](Self::missing).
    ///
    /// Returns the code point once it is complete; it then no longer counts as begun.
    pub(crate) fn complete(&mut self, bytes: &[u8]) -> Result<Option<&str>, InvalidUtf8> {
        debug_assert!(bytes.len() <= self.missing());
        for &byte in bytes {
            self.bytes[usize::from(self.len)] = byte;
            self.len += 1;
            if !is_prefix(&self.bytes[..usize::from(self.len)]) {
                return Err(InvalidUtf8);
            }
        }
        if self.len == 0 || self.missing() > 0 {
            return Ok(None);
        }
        let len = usize::from(core::mem::take(&mut self.len));
        core::str::from_utf8(&self.bytes[..len])
            .map(Some)
            .map_err(|_| InvalidUtf8)
    }

    /// Returns the code point that [`complete`](Self::complete) last returned, `len` bytes long.
    pub(crate) fn last(&self, len: usize) -> Result<&str, InvalidUtf8> {
        core::str::from_utf8(&self.bytes[..len]).map_err(|_| InvalidUtf8)
    }

    /// Checks a piece of text that begins at a code point. Returns it without the code point cut at its end.
    #[inline]
    pub(crate) fn check_piece<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a str, InvalidUtf8> {
        check(&bytes[..self.split_piece(bytes)?])
    }

    /// The part of [`check_piece`](Self::check_piece) that looks at the end only: keeps the code point cut there, and
    /// returns how many bytes before it remain to be checked.
    pub(crate) fn split_piece(&mut self, bytes: &[u8]) -> Result<usize, InvalidUtf8> {
        let (whole, cut) = bytes.split_at(bytes.len() - cut_len(bytes));
        if !cut.is_empty() {
            if !is_prefix(cut) {
                return Err(InvalidUtf8);
            }
            self.bytes[..cut.len()].copy_from_slice(cut);
            #[expect(clippy::cast_possible_truncation, reason = "at most 3")]
            let len = cut.len() as u8;
            self.len = len;
        }
        Ok(whole.len())
    }
}

/// Returns the length of the code point that begins with `first`; 1 for a byte that cannot begin one.
fn width(first: u8) -> usize {
    match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    }
}

/// Returns how many bytes at the end, 0 to 3, belong to a code point that continues after them.
fn cut_len(bytes: &[u8]) -> usize {
    for (back, &byte) in bytes.iter().rev().take(3).enumerate() {
        if byte & 0xC0 != 0x80 {
            let have = back + 1;
            return if width(byte) > have { have } else { 0 };
        }
    }
    0
}

/// Returns whether a code point of several bytes begins with these (Unicode, table 3-7). There are no more of them than
/// the first byte announces.
fn is_prefix(bytes: &[u8]) -> bool {
    let &[first, ref rest @ ..] = bytes else {
        return true;
    };
    let second_range = match first {
        0xC2..=0xDF | 0xE1..=0xEC | 0xEE..=0xEF | 0xF1..=0xF3 => 0x80..=0xBF,
        0xE0 => 0xA0..=0xBF, // else overlong
        0xED => 0x80..=0x9F, // else a surrogate
        0xF0 => 0x90..=0xBF, // else overlong
        0xF4 => 0x80..=0x8F, // else above U+10FFFF
        _ => return false,
    };
    rest.first().is_none_or(|second| second_range.contains(second))
        && rest.iter().skip(1).all(|byte| byte & 0xC0 == 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{string::String, vec::Vec};

    /// Feeds pieces as a connection does. Returns the text, or the index of the piece that failed.
    fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<String, usize> {
        let (mut text, mut cut) = (String::new(), CutCodePoint::EMPTY);
        let mut index = 0;
        for piece in pieces {
            let (head, rest) = piece.split_at(cut.missing().min(piece.len()));
            text.push_str(cut.complete(head).map_err(|_| index)?.unwrap_or(""));
            if cut.is_empty() {
                text.push_str(cut.check_piece(rest).map_err(|_| index)?);
            }
            index += 1;
        }
        if cut.is_empty() { Ok(text) } else { Err(index) }
    }

    fn bytewise(bytes: &[u8]) -> Result<String, usize> {
        feed(bytes.chunks(1))
    }

    /// MSG-14: bytes that no continuation can make valid are refused at once, and valid text is accepted.
    #[test]
    fn agrees_with_core_on_every_sequence_of_up_to_four_interesting_bytes() {
        let interesting = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
            0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ];
        let mut sequences: Vec<Vec<u8>> = Vec::from([Vec::new()]);
        let mut done = 0;
        for _ in 0..4 {
            let end = sequences.len();
            for i in done..end {
                for byte in interesting {
                    let mut longer = sequences[i].clone();
                    longer.push(byte);
                    sequences.push(longer);
                }
            }
            done = end;
        }
        for sequence in &sequences {
            let expected = core::str::from_utf8(sequence);
            let found = bytewise(sequence);
            match expected {
                Ok(text) => assert_eq!(found.as_deref(), Ok(text), "{sequence:x?}"),
                Err(error) if error.error_len().is_none() => {
                    assert_eq!(found, Err(sequence.len()), "incomplete: {sequence:x?}");
                }
                Err(error) => {
                    // The byte that reveals the fault follows the longest prefix that could be continued.
                    let at = (0..=sequence.len())
                        .find(|&n| core::str::from_utf8(&sequence[..n]).is_err_and(|e| e.error_len().is_some()));
                    assert_eq!(found.err().map(|i| i + 1), at, "{sequence:x?}: {error}");
                }
            }
        }
    }

    /// MSG-12, MSG-15: every cut of valid text is accepted, and changes nothing.
    #[test]
    fn cuts_do_not_show() {
        let text = "a\u{0}é\u{feff}\u{fffe}\u{ffff}水𐍈\u{10ffff}z";
        let bytes = text.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(feed(pieces).as_deref(), Ok(text), "cuts at {first} and {second}");
            }
        }
    }

    /// MSG-13: text that ends inside a code point is invalid.
    #[test]
    fn an_unfinished_end_is_seen() {
        for end in ["é", "水", "𐍈"] {
            let bytes = end.as_bytes();
            assert_eq!(feed([&bytes[..bytes.len() - 1]]), Err(1));
        }
    }
}
