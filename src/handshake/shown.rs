//! What `Debug` shows of heads. They contain credentials, and so may every log that a value is printed to.

use core::fmt;

/// Fields whose values are never credentials. Any other field may be one, whatever its name.
const HARMLESS: [&str; 25] = [
    "Accept-Language",
    "Allow",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Date",
    "Host",
    "Keep-Alive",
    "Origin",
    "Proxy-Authenticate",
    "Proxy-Connection",
    "Retry-After",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Server",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
    "Vary",
    "Via",
    "WWW-Authenticate",
    "X-Powered-By",
];

/// Returns whether the value of a field with this name may be shown.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.iter().any(|harmless| name.eq_ignore_ascii_case(harmless))
}

/// The value of a field, unless it may be a credential.
pub(super) struct Value<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a [u8],
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_harmless(self.name) {
            write!(f, "\"{}\"", self.value.escape_ascii())
        } else {
            f.write_str("(hidden)")
        }
    }
}

/// The number of bytes, which may contain credentials or payload.
pub(super) struct Count<'a>(pub(super) &'a [u8]);

impl fmt::Debug for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}
