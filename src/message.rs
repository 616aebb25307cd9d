//! Messages: one type for those that are lent from a connection's buffers and those that own their payload.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::{
    fmt, mem,
    ops::{Deref, Range},
};

use bytes::Bytes;

/// Which of the two kinds of data a message carries ([RFC 6455 §5.6]).
///
/// [RFC 6455 §5.6]: https://www.rfc-editor.org/rfc/rfc6455#section-5.6
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Bytes that the application interprets.
    Binary,
}

/// A message, lent or owned ([RFC 6455 §5.6]).
///
/// A received message is lent: it lies in the connection's buffers, so that reading it, or answering with it, copies
/// nothing. [`into_owned`](Self::into_owned) keeps it. A message to be sent can borrow from the application just so:
/// everything that takes one takes `&str`, `String`, `&[u8]`, `Vec<u8>` and [`Bytes`] as well.
///
/// ```
/// use websocket_proto::Message;
///
/// let lent = Message::from("hello");
/// let kept: Message<'static> = lent.into_owned();
/// assert_eq!(kept.as_text(), Some("hello"));
/// assert_eq!(kept.as_bytes(), b"hello");
/// ```
///
/// [RFC 6455 §5.6]: https://www.rfc-editor.org/rfc/rfc6455#section-5.6
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text, which is always valid UTF-8.
    Text(Text<'a>),
    /// Bytes.
    Binary(Payload<'a>),
}

impl<'a> Message<'a> {
    /// A text message.
    #[must_use]
    pub fn text(text: impl Into<Text<'a>>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    #[must_use]
    pub fn binary(payload: impl Into<Payload<'a>>) -> Self {
        Self::Binary(payload.into())
    }

    /// Which kind this is.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// The text, if this is a text message.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The payload of either kind.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }

    /// Bytes of payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty, which is a valid message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// The payload of either kind as shared bytes. See [`Payload::into_bytes`].
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(payload) => payload.into_bytes(),
        }
    }

    /// Whether [`into_bytes`](Self::into_bytes) copies nothing.
    #[inline]
    pub(crate) fn is_free_to_take(&self) -> bool {
        match self {
            Self::Text(text) => text.is_free_to_take(),
            Self::Binary(payload) => payload.is_free_to_take(),
        }
    }

    /// The buffer that the message was received into, and where it lies there, if that may be taken away.
    pub(crate) fn take_received(&mut self) -> Option<(Vec<u8>, Range<usize>)> {
        match self {
            Self::Binary(Payload(Bin::Received(buffer, payload))) => Some((mem::take(*buffer), mem::take(payload))),
            _ => None,
        }
    }

    /// The same message, independent of the connection. Copies the payload only if it is lent from a shared buffer.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(text.into_owned()),
            Self::Binary(payload) => Message::Binary(payload.into_owned()),
        }
    }
}

/// Whether a buffer is worth handing over as it is, rather than copying the payload out of it.
///
/// A small message that is kept must not keep a large buffer alive with it.
#[inline]
fn fits_its_buffer(len: usize, capacity: usize) -> bool {
    len >= capacity / 2
}

/// Bytes, lent or owned.
#[derive(Clone)]
pub struct Payload<'a>(Bin<'a>);

enum Bin<'a> {
    Lent(&'a [u8]),
    /// A part of a buffer in which nothing else lies that is still needed.
    #[cfg_attr(not(feature = "async"), expect(dead_code, reason = "the async shells take it"))]
    Received(&'a mut Vec<u8>, Range<usize>),
    /// Assembled in a buffer of its own, which may be taken away.
    Assembled(&'a mut Vec<u8>),
    Owned(Bytes),
}

impl<'a> Payload<'a> {
    #[cfg(feature = "async")]
    pub(crate) fn received(buffer: &'a mut Vec<u8>, payload: Range<usize>) -> Self {
        Self(Bin::Received(buffer, payload))
    }

    pub(crate) fn assembled(buffer: &'a mut Vec<u8>) -> Self {
        Self(Bin::Assembled(buffer))
    }

    /// The payload as shared bytes.
    ///
    /// A lent payload is copied; one that was assembled in a buffer of its own (a large or fragmented message) is taken
    /// without copying, unless the buffer is over twice as large.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Bin::Lent(bytes) => Bytes::copy_from_slice(bytes),
            Bin::Received(buffer, payload) => Bytes::copy_from_slice(&buffer[payload]),
            Bin::Assembled(buffer) if fits_its_buffer(buffer.len(), buffer.capacity()) => mem::take(buffer).into(),
            Bin::Assembled(buffer) => Bytes::copy_from_slice(buffer),
            Bin::Owned(bytes) => bytes,
        }
    }

    /// The payload as a vector; see [`into_bytes`](Self::into_bytes) for when it is copied.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.into_bytes().into()
    }

    /// The same payload, independent of the connection.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Payload<'static> {
        Payload(Bin::Owned(self.into_bytes()))
    }

    /// Whether [`into_bytes`](Self::into_bytes) copies nothing.
    #[inline]
    pub(crate) fn is_free_to_take(&self) -> bool {
        match &self.0 {
            Bin::Lent(_) | Bin::Received(..) => false,
            Bin::Assembled(buffer) => fits_its_buffer(buffer.len(), buffer.capacity()),
            Bin::Owned(_) => true,
        }
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bin::Lent(bytes) => bytes,
            Bin::Received(buffer, payload) => &buffer[payload.clone()],
            Bin::Assembled(buffer) => buffer,
            Bin::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Payload<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Clone for Bin<'_> {
    fn clone(&self) -> Self {
        match self {
            Self::Lent(bytes) => Self::Lent(bytes),
            Self::Received(buffer, payload) => Self::Owned(Bytes::copy_from_slice(&buffer[payload.clone()])),
            Self::Assembled(buffer) => Self::Owned(Bytes::copy_from_slice(buffer)),
            Self::Owned(bytes) => Self::Owned(bytes.clone()),
        }
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Payload<'_> {}

impl PartialEq<[u8]> for Payload<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Self(Bin::Lent(bytes))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self(Bin::Lent(bytes))
    }
}

impl<'a> From<&'a Vec<u8>> for Payload<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self(Bin::Lent(bytes))
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Bin::Owned(bytes.into()))
    }
}

impl From<Bytes> for Payload<'_> {
    fn from(bytes: Bytes) -> Self {
        Self(Bin::Owned(bytes))
    }
}

impl<'a> From<Cow<'a, [u8]>> for Payload<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => bytes.into(),
            Cow::Owned(bytes) => bytes.into(),
        }
    }
}

/// UTF-8 text, lent or owned.
///
/// That the bytes are UTF-8 is part of the type from the moment they are checked, so that [`as_str`](Self::as_str)
/// costs nothing.
#[derive(Clone)]
pub struct Text<'a>(Str<'a>);

enum Str<'a> {
    Lent(&'a str),
    /// Assembled in a buffer of its own, which may be taken away.
    Assembled(&'a mut String),
    Owned(String),
}

impl<'a> Text<'a> {
    pub(crate) fn assembled(buffer: &'a mut String) -> Self {
        Self(Str::Assembled(buffer))
    }

    /// The text.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Str::Lent(text) => text,
            Str::Assembled(buffer) => buffer,
            Str::Owned(text) => text,
        }
    }

    /// The text as a `String`. A lent text is copied; one that was assembled in a buffer of its own is taken without
    /// copying, unless the buffer is over twice as large.
    #[inline]
    #[must_use]
    pub fn into_string(self) -> String {
        match self.0 {
            Str::Lent(text) => text.into(),
            Str::Assembled(buffer) if fits_its_buffer(buffer.len(), buffer.capacity()) => mem::take(buffer),
            Str::Assembled(buffer) => buffer.as_str().into(),
            Str::Owned(text) => text,
        }
    }

    /// The UTF-8 bytes as shared bytes; see [`into_string`](Self::into_string) for when they are copied.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.into_string().into()
    }

    /// The same text, independent of the connection.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Text<'static> {
        Text(Str::Owned(self.into_string()))
    }

    /// Whether [`into_string`](Self::into_string) copies nothing.
    #[inline]
    pub(crate) fn is_free_to_take(&self) -> bool {
        match &self.0 {
            Str::Lent(_) => false,
            Str::Assembled(buffer) => fits_its_buffer(buffer.len(), buffer.capacity()),
            Str::Owned(_) => true,
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Clone for Str<'_> {
    fn clone(&self) -> Self {
        match self {
            Self::Lent(text) => Self::Lent(text),
            Self::Assembled(buffer) => Self::Owned(buffer.as_str().into()),
            Self::Owned(text) => Self::Owned(text.clone()),
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl<'a> From<&'a str> for Text<'a> {
    #[inline]
    fn from(text: &'a str) -> Self {
        Self(Str::Lent(text))
    }
}

impl<'a> From<&'a String> for Text<'a> {
    fn from(text: &'a String) -> Self {
        Self(Str::Lent(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Str::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

macro_rules! message_from {
    ($($variant:ident: $from:ty;)*) => {$(
        impl<'a> From<$from> for Message<'a> {
            #[inline]
            fn from(data: $from) -> Self {
                Self::$variant(data.into())
            }
        }
    )*};
}

message_from! {
    Text: Text<'a>;
    Text: &'a str;
    Text: &'a String;
    Text: String;
    Text: Cow<'a, str>;
    Binary: Payload<'a>;
    Binary: &'a [u8];
    Binary: &'a Vec<u8>;
    Binary: Vec<u8>;
    Binary: Bytes;
    Binary: Cow<'a, [u8]>;
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self::Binary(data.into())
    }
}
