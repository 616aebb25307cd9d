//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept`.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

/// The length of a key as text: 16 bytes in base64.
pub(super) const KEY_LEN: usize = 24;

/// The length of an accept value as text: a SHA-1 hash in base64.
pub(super) const ACCEPT_LEN: usize = 28;

/// §1.3: the text that ties the accept value to this protocol.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Validates a key as text: 24 characters of base64 that stand for 16 bytes.
///
/// §4.1: the unused bits of the last character may have any value, as in the RFC's own example.
pub(super) fn parse_key(text: &[u8]) -> Option<[u8; KEY_LEN]> {
    let key: [u8; KEY_LEN] = text.try_into().ok()?;
    let (digits, padding) = key.split_at(KEY_LEN - 2);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    (digits.iter().all(is_digit) && padding == b"==").then_some(key)
}

/// Returns the text of the key for `nonce`.
pub(super) fn encode_key(nonce: [u8; 16]) -> [u8; KEY_LEN] {
    encode(&nonce)
}

/// Returns the accept value for a key.
///
/// §4.2.2 item 5.4: it is computed from the key's text as received, which is never decoded.
pub(super) fn accept_value(key: &[u8; KEY_LEN]) -> [u8; ACCEPT_LEN] {
    encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn encode<const LEN: usize>(bytes: &[u8]) -> [u8; LEN] {
    let mut text = [0; LEN];
    let written = STANDARD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(LEN));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_the_rfc() {
        assert_eq!(encode_key(*b"the sample nonce"), *b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(
            accept_value(b"dGhlIHNhbXBsZSBub25jZQ=="),
            *b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn unused_bits_are_kept() {
        let key = parse_key(b"AQIDBAUGBwgJCgsMDQ4PEC==").expect("a valid key");
        assert_eq!(accept_value(&key), *b"OfS0wDaT5NoxF2gqm7Zj2YtetzM=");
    }

    #[test]
    fn invalid_keys() {
        for text in [
            &b""[..],
            b"dGhlIHNhbXBsZSBub25jZQ=",
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZQ===",
            b"dGhlIHNhbXBsZSBub25jZQA=",
            b"dGhlIHNhbXBsZSBub25jZQAA",
            b"dGhlIHNhbXBs ZSBub25jQ==",
            b"dGhlIHNhbXBsZSBub25j-_==",
            b"dGhlIHNhbXBsZSBub25j\xff\xff==",
        ] {
            assert_eq!(parse_key(text), None);
        }
    }
}
