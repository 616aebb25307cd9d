//! Reading heads of HTTP messages: received in pieces, parsed once.

use alloc::vec::Vec;
use core::{
    fmt,
    mem::{self, MaybeUninit},
};

use super::{
    error::HandshakeError,
    head::{RequestHead, ResponseHead},
    headers::{Field, FieldRange, Headers},
    shown::Count,
};
use crate::{config::Limits, fields, log, role::Role};

/// Heads with at most this many fields are parsed without a table on the heap.
const FIELDS_ON_STACK: usize = 64;

/// The kind of head being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
}

/// Collects the bytes of a head until it is complete.
///
/// Every byte is examined and copied once, however the head is cut, and the limits are checked before it is copied.
pub(crate) struct HeadReader {
    kind: Kind,
    max_size: usize,
    max_fields: usize,
    bytes: Vec<u8>,
    /// The start of the head, after empty lines.
    start: usize,
    /// The start of the line being received.
    line_start: usize,
    /// The number of lines received so far: the start line, and one for each field.
    lines: usize,
}

impl HeadReader {
    pub(crate) fn new(kind: Kind, limits: &Limits) -> Self {
        Self {
            kind,
            max_size: limits.max_head_size,
            max_fields: limits.max_head_fields,
            bytes: Vec::new(),
            start: 0,
            line_start: 0,
            lines: 0,
        }
    }

    /// Takes the bytes of the head from `input`, and leaves the bytes after it.
    pub(crate) fn receive(&mut self, input: &mut &[u8]) -> Result<Option<RawHead>, HandshakeError> {
        let end = self.scan(input).inspect_err(|error| self.log_limit(error))?;
        let (taken, rest) = input.split_at(end.unwrap_or(input.len()));
        self.push(taken);
        *input = rest;
        Ok(end.map(|_| RawHead {
            bytes: mem::take(&mut self.bytes),
            start: mem::take(&mut self.start),
            fields: mem::take(&mut self.lines).saturating_sub(1),
        }))
    }

    /// Searches newly received bytes for the end of the head.
    fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, HandshakeError> {
        let before = self.bytes.len();
        let within_limit = input.len().min(self.max_size.saturating_sub(before));
        let mut position = 0;
        loop {
            if before + position == self.start {
                self.check_first_byte(&input[position..])?;
            }
            let Some(newline) = find_newline(&input[position..within_limit]).map(|offset| position + offset) else {
                return if within_limit < input.len() {
                    Err(self.too_large())
                } else {
                    Ok(None)
                };
            };
            // RFC 9112 §2.2 allows a recipient to accept a bare LF as a line end. An attacker can exploit two parsers
            // that disagree about that, so it is refused.
            let previous = newline
                .checked_sub(1)
                .map_or(self.bytes.last(), |index| input.get(index));
            if previous != Some(&b'\r') {
                return Err(HandshakeError::MalformedHead);
            }
            position = newline + 1;
            let line_len = before + position - mem::replace(&mut self.line_start, before + position);
            if line_len > 2 {
                self.lines += 1;
                if self.lines.saturating_sub(1) > self.max_fields {
                    return Err(HandshakeError::TooManyFields);
                }
            } else if self.lines == 0 {
                // RFC 9112 §2.2: empty lines before a request are skipped.
                self.start = self.line_start;
            } else {
                self.line_start = 0;
                return Ok(Some(position));
            }
        }
    }

    /// Refuses early what cannot become a head, such as the first flight of TLS.
    fn check_first_byte(&self, head: &[u8]) -> Result<(), HandshakeError> {
        let Some(&first) = head.first() else { return Ok(()) };
        let plausible = match self.kind {
            Kind::Request => first == b'\r' || fields::is_token_byte(first),
            Kind::Response => first == b'H',
        };
        if plausible {
            Ok(())
        } else {
            Err(HandshakeError::NotHttp)
        }
    }

    const fn too_large(&self) -> HandshakeError {
        match self.kind {
            Kind::Request if self.lines == 0 => HandshakeError::TargetTooLong,
            _ => HandshakeError::HeadTooLarge,
        }
    }

    /// Logs the limit that the head exceeds, if that is the fault.
    fn log_limit(&self, error: &HandshakeError) {
        let (limit, max) = match error {
            HandshakeError::HeadTooLarge | HandshakeError::TargetTooLong => ("max_head_size", self.max_size),
            HandshakeError::TooManyFields => ("max_head_fields", self.max_fields),
            _ => return,
        };
        let role = match self.kind {
            Kind::Request => Role::Server,
            Kind::Response => Role::Client,
        };
        log::head_limit(role, limit, max);
    }

    /// Grows with the bytes received, to at most twice their number and never past the limit.
    fn push(&mut self, bytes: &[u8]) {
        let len = self.bytes.len() + bytes.len();
        if len > self.bytes.capacity() {
            let capacity = len.max(self.bytes.capacity().saturating_mul(2).min(self.max_size));
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }
}

/// Returns the position of the first line feed.
fn find_newline(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 32;
    // The compiler turns a loop over whole blocks, without an early exit inside a block, into vector instructions.
    let has_newline = |block: &[u8]| block.iter().fold(false, |found, &byte| found | (byte == b'\n'));
    let blocks = bytes
        .chunks_exact(BLOCK)
        .take_while(|block| !has_newline(block))
        .count();
    let skipped = blocks * BLOCK;
    bytes[skipped..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map(|offset| skipped + offset)
}

/// Omits the bytes.
impl fmt::Debug for HeadReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadReader")
            .field("kind", &self.kind)
            .field("bytes", &Count(&self.bytes))
            .finish_non_exhaustive()
    }
}

/// The bytes of a complete head.
pub(crate) struct RawHead {
    bytes: Vec<u8>,
    start: usize,
    fields: usize,
}

impl RequestHead {
    pub(super) fn parse(raw: RawHead) -> Result<Self, HandshakeError> {
        let (method, target, minor_version, fields) = with_slots(&raw, |head, slots| {
            let mut request = httparse::Request::new(&mut []);
            let parsed = request.parse_with_uninit_headers(head, slots);
            parsed.map_err(|error| match error {
                httparse::Error::Version if names_version(head) => HandshakeError::HttpVersion,
                _ => HandshakeError::MalformedHead,
            })?;
            Ok((
                part(&raw, request.method.unwrap_or_default())?,
                part(&raw, request.path.unwrap_or_default())?,
                request.version.unwrap_or_default(),
                places(&raw, request.headers)?,
            ))
        })?;
        Ok(Self {
            method,
            target,
            minor_version,
            headers: Headers::from_head(raw.bytes, fields),
        })
    }
}

impl ResponseHead {
    pub(crate) fn parse(raw: RawHead) -> Result<Self, HandshakeError> {
        let (status, reason, minor_version, fields) = with_slots(&raw, |head, slots| {
            let mut response = httparse::Response::new(&mut []);
            httparse::ParserConfig::default()
                .parse_response_with_uninit_headers(&mut response, head, slots)
                .map_err(|error| match error {
                    httparse::Error::Version => HandshakeError::HttpVersion,
                    _ => HandshakeError::MalformedHead,
                })?;
            Ok((
                response.code.unwrap_or_default(),
                part(&raw, response.reason.unwrap_or_default())?,
                response.version.unwrap_or_default(),
                places(&raw, response.headers)?,
            ))
        })?;
        Ok(Self {
            status,
            reason,
            minor_version,
            headers: Headers::from_head(raw.bytes, fields),
        })
    }
}

/// Calls a function with the head and a table with a slot for each of its fields.
fn with_slots<'a, T>(
    raw: &'a RawHead,
    parse: impl FnOnce(&'a [u8], &mut [MaybeUninit<httparse::Header<'a>>]) -> Result<T, HandshakeError>,
) -> Result<T, HandshakeError> {
    let head = &raw.bytes[raw.start..];
    if raw.fields <= FIELDS_ON_STACK {
        parse(head, &mut [const { MaybeUninit::uninit() }; FIELDS_ON_STACK])
    } else {
        let mut slots = Vec::new();
        slots.resize_with(raw.fields, MaybeUninit::uninit);
        parse(head, &mut slots)
    }
}

fn places(raw: &RawHead, headers: &[httparse::Header<'_>]) -> Result<Vec<Field>, HandshakeError> {
    let mut fields = Vec::with_capacity(headers.len());
    for header in headers {
        fields.push(Field::new(&raw.bytes, header.name, header.value).ok_or(HandshakeError::HeadTooLarge)?);
    }
    Ok(fields)
}

fn part(raw: &RawHead, text: &str) -> Result<FieldRange, HandshakeError> {
    FieldRange::of(&raw.bytes, text.as_bytes()).ok_or(HandshakeError::HeadTooLarge)
}

/// Returns whether the request line ends with a version (RFC 9112 §2.3), after a method and a target. With a space in the
/// target, something else is in the place of the version, and the line is malformed (RFC 9112 §3.2).
fn names_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ').skip(2);
    match (words.next(), words.next()) {
        (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None) => {
            major.is_ascii_digit() && minor.is_ascii_digit()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_first_newline_is_found() {
        for len in 0..200 {
            let mut bytes = vec![b'x'; len];
            assert_eq!(find_newline(&bytes), None);
            assert_eq!(find_newline(&vec![b'\n'; len]), (len > 0).then_some(0));
            for at in (0..len).rev() {
                bytes[at] = b'\n';
                assert_eq!(find_newline(&bytes), Some(at), "of {len}");
            }
        }
    }

    /// Memory follows what was received: at most twice as much, never past the limit, and exactly as much for a head in
    /// one piece.
    #[test]
    fn memory_follows_what_was_received() {
        let limits = Limits::new().max_head_size(1000);
        for step in [1, 7, 100, 600, 1000] {
            let mut reader = HeadReader::new(Kind::Request, &limits);
            for piece in [b'x'; 1000].chunks(step) {
                assert!(reader.receive(&mut &piece[..]).is_ok_and(|head| head.is_none()));
                let (len, capacity) = (reader.bytes.len(), reader.bytes.capacity());
                assert!(capacity <= (2 * len).min(1000), "{capacity} bytes for {len}");
                assert!(reader.receive(&mut &[][..]).is_ok());
                assert_eq!(reader.bytes.capacity(), capacity, "nothing came");
            }
            assert_eq!(reader.bytes.len(), 1000);
        }
    }
}
