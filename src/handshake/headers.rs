//! The header fields of a received head, and writing a field.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, slice};

use super::shown::Value;
use crate::fields::{self, Extension};

/// A header field that the opening handshake itself reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeField {
    /// `Host`
    Host,
    /// `Upgrade`
    Upgrade,
    /// `Connection`
    Connection,
    /// `Origin`
    Origin,
    /// `Content-Length`
    ContentLength,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Sec-WebSocket-Key`
    Key,
    /// `Sec-WebSocket-Accept`
    Accept,
    /// `Sec-WebSocket-Version`
    Version,
    /// `Sec-WebSocket-Protocol`
    Protocol,
    /// `Sec-WebSocket-Extensions`
    Extensions,
}

impl HandshakeField {
    /// Returns the name of the field, as it is sent.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Upgrade => "Upgrade",
            Self::Connection => "Connection",
            Self::Origin => "Origin",
            Self::ContentLength => "Content-Length",
            Self::TransferEncoding => "Transfer-Encoding",
            Self::Key => "Sec-WebSocket-Key",
            Self::Accept => "Sec-WebSocket-Accept",
            Self::Version => "Sec-WebSocket-Version",
            Self::Protocol => "Sec-WebSocket-Protocol",
            Self::Extensions => "Sec-WebSocket-Extensions",
        }
    }

    /// Returns the field with this name, if it is one of these.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        // The length identifies the field, so most names are compared at most once.
        let field = match name.len() {
            4 => Self::Host,
            6 => Self::Origin,
            7 => Self::Upgrade,
            10 => Self::Connection,
            14 => Self::ContentLength,
            17 if name.as_bytes()[0].eq_ignore_ascii_case(&b's') => Self::Key,
            17 => Self::TransferEncoding,
            20 => Self::Accept,
            21 => Self::Version,
            22 => Self::Protocol,
            24 => Self::Extensions,
            _ => return None,
        };
        name.eq_ignore_ascii_case(field.name()).then_some(field)
    }
}

impl fmt::Display for HandshakeField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The header fields of a received head, in the order received.
///
/// Names are compared ignoring case. Values exclude surrounding whitespace. They are bytes, since a field that the
/// handshake does not interpret may contain any byte except control characters.
#[derive(Clone, Default)]
pub struct Headers {
    /// The whole head. The fields are ranges of it.
    pub(super) bytes: Vec<u8>,
    pub(super) fields: Vec<Field>,
}

#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: FieldRange,
    pub(super) value: FieldRange,
    pub(super) known: Option<HandshakeField>,
}

impl Headers {
    /// Returns the value of the first field with this name, if there is one and it is valid UTF-8.
    ///
    /// A client may repeat a field: if two values must not be confused, use [`get_all`](Self::get_all).
    ///
    /// ```
    /// # fn bearer(request: &websocket_proto::handshake::UpgradeRequest) -> Option<&str> {
    /// request.headers().get("Authorization")?.strip_prefix("Bearer ")
    /// # }
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        core::str::from_utf8(self.get_bytes(name)?).ok()
    }

    /// Returns the value of the first field with this name, as bytes.
    #[must_use]
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// Returns the values of all fields with this name, in order.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.values(name)
    }

    /// Returns all fields, as pairs of name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields
            .iter()
            .map(|field| (field.name.text(&self.bytes), field.value.bytes(&self.bytes)))
    }

    /// Returns the number of fields, counting repeated ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Creates the fields of a head, whose bytes are kept once.
    pub(super) const fn from_head(bytes: Vec<u8>, fields: Vec<Field>) -> Self {
        Self { bytes, fields }
    }

    /// Creates the fields by appending them to `bytes`. Returns `None` if that would exceed 4 GiB.
    #[cfg(any(test, feature = "http"))]
    pub(super) fn append<'a>(
        mut bytes: Vec<u8>,
        fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Option<Self> {
        let fields = fields
            .into_iter()
            .map(|(name, value)| Field::append(&mut bytes, name, value));
        let fields = fields.collect::<Option<_>>()?;
        Some(Self { bytes, fields })
    }

    pub(super) fn text(&self, span: FieldRange) -> &str {
        span.text(&self.bytes)
    }

    pub(super) const fn values<'n>(&self, name: &'n str) -> Values<'_, 'n> {
        Values {
            headers: self,
            next: 0,
            name,
        }
    }

    /// Returns the lines of a field that the handshake knows.
    pub(super) fn known(&self, field: HandshakeField) -> Lines<'_> {
        Lines {
            bytes: &self.bytes,
            fields: self.fields.iter(),
            field,
        }
    }

    /// Returns the elements of a list field, over all its lines (RFC 9110 §5.3).
    pub(super) fn list(&self, field: HandshakeField) -> Elements<'_> {
        Elements {
            lines: self.known(field),
            elements: fields::elements(&[]),
        }
    }

    /// Returns the elements of all `Sec-WebSocket-Extensions` lines, which must have been checked.
    pub(super) fn extensions(&self) -> Extensions<'_> {
        Extensions {
            lines: self.known(HandshakeField::Extensions),
            extensions: fields::extensions(&[]),
        }
    }
}

/// The values of all fields with one name.
///
/// This iterator and the following three are named types, since a chain of adapters is compiled again wherever it is
/// used.
#[derive(Clone)]
pub(super) struct Values<'a, 'n> {
    headers: &'a Headers,
    next: usize,
    name: &'n str,
}

impl<'a> Iterator for Values<'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let Headers { bytes, fields } = self.headers;
        while let Some(field) = fields.get(self.next) {
            self.next += 1;
            if field.name.text(bytes).eq_ignore_ascii_case(self.name) {
                return Some(field.value.bytes(bytes));
            }
        }
        None
    }
}

/// The lines of a field that the handshake knows.
#[derive(Clone)]
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    fields: slice::Iter<'a, Field>,
    field: HandshakeField,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        for field in &mut self.fields {
            if field.known == Some(self.field) {
                return Some(field.value.bytes(self.bytes));
            }
        }
        None
    }
}

/// The elements of all lines of a list field.
#[derive(Clone)]
pub(super) struct Elements<'a> {
    lines: Lines<'a>,
    elements: fields::Elements<'a>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            match self.elements.next() {
                None => self.elements = fields::elements(self.lines.next()?),
                element => return element,
            }
        }
    }
}

/// The well-formed elements of all `Sec-WebSocket-Extensions` lines.
#[derive(Clone)]
pub(super) struct Extensions<'a> {
    lines: Lines<'a>,
    extensions: fields::Extensions<'a>,
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        loop {
            match self.extensions.next() {
                None => self.extensions = fields::extensions(self.lines.next()?),
                Some(Ok(extension)) => return Some(extension),
                Some(Err(_)) => {}
            }
        }
    }
}

/// Hides values that may be credentials: all except those of well-known fields that never are.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, Value { name, value })))
            .finish()
    }
}

impl Field {
    /// Creates a field whose name and value are parts of `head`.
    pub(super) fn new(head: &[u8], name: &str, value: &[u8]) -> Option<Self> {
        Some(Self {
            name: FieldRange::of(head, name.as_bytes())?,
            value: FieldRange::of(head, value)?,
            known: HandshakeField::from_name(name),
        })
    }

    /// Creates a field by appending it to `head`.
    #[cfg(any(test, feature = "http"))]
    fn append(head: &mut Vec<u8>, name: &str, value: &[u8]) -> Option<Self> {
        Some(Self {
            name: FieldRange::append(head, name.as_bytes())?,
            value: FieldRange::append(head, value)?,
            known: HandshakeField::from_name(name),
        })
    }
}

/// A range of a head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FieldRange {
    start: u32,
    len: u32,
}

impl FieldRange {
    /// Returns the range of `part` in `whole`, of which it must be a part unless it is empty.
    pub(super) fn of(whole: &[u8], part: &[u8]) -> Option<Self> {
        if part.is_empty() {
            return Some(Self::default());
        }
        let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
        debug_assert!(start + part.len() <= whole.len(), "not a part of the head");
        Some(Self {
            start: u32::try_from(start).ok()?,
            len: u32::try_from(part.len()).ok()?,
        })
    }

    /// Appends `part` to `whole`, and returns its range.
    #[cfg(any(test, feature = "http"))]
    pub(super) fn append(whole: &mut Vec<u8>, part: &[u8]) -> Option<Self> {
        let start = u32::try_from(whole.len()).ok()?;
        whole.extend_from_slice(part);
        Some(Self {
            start,
            len: u32::try_from(part.len()).ok()?,
        })
    }

    pub(super) fn bytes(self, head: &[u8]) -> &[u8] {
        let start = self.start as usize;
        head.get(start..start + self.len as usize).unwrap_or_default()
    }

    pub(super) fn text(self, head: &[u8]) -> &str {
        core::str::from_utf8(self.bytes(head)).unwrap_or_default()
    }
}

/// Writes a field, with its line end.
pub(super) fn write_field(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}

/// Writes extensions as one field, or nothing if there are none: an empty field would violate the grammar (§9.1,
/// §11.3.2).
pub(super) fn write_extensions(head: &mut Vec<u8>, extensions: &[Extension<'_>]) {
    if !extensions.is_empty() {
        let mut list = String::new();
        for extension in extensions {
            if !list.is_empty() {
                list.push_str(", ");
            }
            list.push_str(&extension.to_string());
        }
        write_field(head, HandshakeField::Extensions.name(), list.as_bytes());
    }
}

/// Returns whether only the protocol uses this name (§11.3).
pub(super) fn is_websocket_field(name: &str) -> bool {
    const PREFIX: &[u8] = b"sec-websocket-";
    name.as_bytes()
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
