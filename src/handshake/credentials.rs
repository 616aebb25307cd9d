//! User names and passwords in URIs, and Basic credentials.

use alloc::{borrow::Cow, boxed::Box, format, vec::Vec};

use base64::{Engine, engine::general_purpose::STANDARD};

/// Splits the user information of a URI into user name and password, and decodes both. Without a colon, the password is
/// empty.
pub(crate) fn user_and_password(user_info: &str) -> (Vec<u8>, Vec<u8>) {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let decoded = |text: &str| percent_decoded(text.as_bytes()).into_owned();
    (decoded(user), decoded(password))
}

/// Returns the value of an `Authorization` or `Proxy-Authorization` field ([RFC 7617
/// §2](https://www.rfc-editor.org/rfc/rfc7617#section-2)). The first colon ends the user name, so it must not contain
/// one, and neither may contain control characters: `None` otherwise.
pub(crate) fn basic(user: &[u8], password: &[u8]) -> Option<Box<str>> {
    let has_control = |text: &[u8]| text.iter().any(u8::is_ascii_control);
    if user.contains(&b':') || has_control(user) || has_control(password) {
        return None;
    }
    let credentials = STANDARD.encode([user, b":", password].concat());
    Some(format!("Basic {credentials}").into())
}

/// Decodes percent-encoding. A `%` without two digits is kept, as in the [URL
/// Standard](https://url.spec.whatwg.org/#percent-decode).
pub(super) fn percent_decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, following @ ..] = rest {
        let byte;
        (byte, rest) = match (first, following) {
            (b'%', [high, low, rest @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(*high) << 4 | hex(*low), rest)
            }
            _ => (*first, following),
        };
        plain.push(byte);
    }
    Cow::Owned(plain)
}

/// Returns the value of a hexadecimal digit.
const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}
