//! The response of a server that refuses to upgrade.

use alloc::vec::Vec;
use core::fmt;

use super::{
    head::ResponseHead,
    headers::{HandshakeField, Headers},
};

/// The response of a server that did not upgrade, or of a proxy that did not connect: a complete HTTP response, whose
/// body may be truncated.
///
/// The body of an HTTP/2 response is left to the HTTP stack that received it.
///
/// With 401, 3xx or 426, its fields say what the server requires ([RFC 6455 §4.1]). None of it is followed
/// automatically.
///
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
#[derive(Clone)]
pub struct Refusal {
    head: ResponseHead,
    body: Vec<u8>,
    truncated: bool,
}

impl Refusal {
    /// Returns the status, which is never 101, and never 2xx with HTTP/2.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.head.status
    }

    /// Returns the reason phrase of the status, which may be empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.head.reason()
    }

    /// Returns the header fields.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.head.headers
    }

    /// Returns the beginning of the body, at most [`Limits::max_error_body`](crate::Limits::max_error_body) bytes.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns whether the body may continue after [`body`](Self::body): the limit, the deadline or the end of the
    /// transport came before its end.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }
}

/// As text, since `main` may return the error that this is part of.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("status", &self.status())
            .field("reason", &self.reason())
            .field("headers", self.headers())
            .field("body", &format_args!("\"{}\"", self.body.escape_ascii()))
            .field("truncated", &self.truncated)
            .finish()
    }
}

/// Collects the body of a refusal.
pub(crate) struct RefusalReader {
    head: ResponseHead,
    framing: Framing,
    body: Vec<u8>,
    max_body: usize,
    /// How many bytes of chunk sizes and other overhead may still come.
    overhead: usize,
}

/// Where a body ends ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// After this many more bytes.
    Length(u64),
    Chunked(Chunk),
    UntilEof,
    /// Here: either the body is complete, or its framing is invalid.
    Ended {
        complete: bool,
    },
}

/// The position inside a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// In the digits of a size, which so far have this value.
    Size(Option<u64>),
    /// After the digits of this size, before the line end.
    Extension(u64),
    /// Before this many bytes of data, at least one.
    Data(u64),
    /// After the data, before the line end.
    DataEnd,
}

#[cfg(feature = "http")]
impl From<ResponseHead> for Refusal {
    /// Creates a refusal whose body is left to another HTTP stack.
    fn from(head: ResponseHead) -> Self {
        Self {
            head,
            body: Vec::new(),
            truncated: true,
        }
    }
}

impl RefusalReader {
    pub(crate) fn new(head: ResponseHead, max_body: usize) -> Self {
        Self {
            framing: Framing::of(&head),
            head,
            body: Vec::new(),
            max_body,
            overhead: max_body,
        }
    }

    /// Receives bytes of the body. Returns `true` when there is nothing more to wait for.
    pub(crate) fn receive(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            self.framing = match self.framing {
                Framing::Length(0) => Framing::Ended { complete: true },
                Framing::Ended { .. } => return true,
                // The body has reached its limit and has not ended yet.
                Framing::Length(_) | Framing::UntilEof | Framing::Chunked(Chunk::Data(_)) if self.is_full() => {
                    return true;
                }
                _ if bytes.is_empty() => return false,
                Framing::UntilEof => {
                    self.take(&mut bytes, u64::MAX);
                    Framing::UntilEof
                }
                Framing::Length(left) => Framing::Length(left - self.take(&mut bytes, left)),
                Framing::Chunked(Chunk::Data(left)) => match left - self.take(&mut bytes, left) {
                    0 => Framing::Chunked(Chunk::DataEnd),
                    left => Framing::Chunked(Chunk::Data(left)),
                },
                Framing::Chunked(chunk) => {
                    let byte = bytes[0];
                    bytes = &bytes[1..];
                    match self.overhead.checked_sub(1) {
                        Some(overhead) => self.overhead = overhead,
                        None => return true,
                    }
                    chunk.next(byte)
                }
            };
        }
    }

    /// Notes the end of the transport, with which some bodies end.
    pub(crate) fn receive_eof(&mut self) {
        if self.framing == Framing::UntilEof {
            self.framing = Framing::Ended { complete: true };
        }
    }

    /// Returns what was collected, when nothing more arrives or is waited for.
    pub(crate) fn finish(self) -> Refusal {
        Refusal {
            head: self.head,
            body: self.body,
            truncated: self.framing != Framing::Ended { complete: true },
        }
    }

    fn is_full(&self) -> bool {
        self.body.len() >= self.max_body
    }

    /// Moves at most `limit` bytes to the body, as far as it has room. Returns their number.
    fn take(&mut self, bytes: &mut &[u8], limit: u64) -> u64 {
        let room = self.max_body - self.body.len();
        let len = bytes.len().min(room).min(usize::try_from(limit).unwrap_or(usize::MAX));
        let (taken, rest) = bytes.split_at(len);
        self.body.extend_from_slice(taken);
        *bytes = rest;
        len as u64
    }
}

impl Framing {
    fn of(head: &ResponseHead) -> Self {
        if matches!(head.status, 204 | 304) {
            return Self::Ended { complete: true };
        }
        if let Some(coding) = head.headers.list(HandshakeField::TransferEncoding).last() {
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            return if is_chunked {
                Self::Chunked(Chunk::Size(None))
            } else {
                Self::UntilEof
            };
        }
        // An invalid length is ignored. The limit on the body and the deadline still apply.
        let length = head.headers.single(HandshakeField::ContentLength).ok().flatten();
        let length = length.and_then(|digits| core::str::from_utf8(digits).ok()?.parse().ok());
        length.map_or(Self::UntilEof, Self::Length)
    }
}

impl Chunk {
    /// Returns the position after one more byte, which is not data.
    const fn next(self, byte: u8) -> Framing {
        const BROKEN: Framing = Framing::Ended { complete: false };
        match (self, byte) {
            (Self::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let size = match size {
                    Some(size) => size,
                    None => 0,
                };
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    _ => (byte | 0x20) - b'a' + 10,
                };
                if size >> 60 == 0 {
                    Framing::Chunked(Self::Size(Some(size << 4 | digit as u64)))
                } else {
                    BROKEN
                }
            }
            // A chunk of size 0 ends the body. Trailer fields after it are ignored.
            (Self::Size(Some(0)) | Self::Extension(0), b'\n') => Framing::Ended { complete: true },
            (Self::Size(Some(size)) | Self::Extension(size), b'\n') => Framing::Chunked(Self::Data(size)),
            (Self::Size(Some(size)), b'\r' | b';' | b' ' | b'\t') => Framing::Chunked(Self::Extension(size)),
            (Self::Extension(size), _) => Framing::Chunked(Self::Extension(size)),
            (Self::DataEnd, b'\r') => Framing::Chunked(Self::DataEnd),
            (Self::DataEnd, b'\n') => Framing::Chunked(Self::Size(None)),
            _ => BROKEN,
        }
    }
}
