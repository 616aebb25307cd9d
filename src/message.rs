//! Messages: one type, which borrows from a connection's buffers or owns its payload.

mod extension;
mod fragment;
mod payload;
mod text;

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::ops::Range;

use bytes::Bytes;

pub use self::{extension::ExtensionFrame, fragment::Fragment, payload::Payload, text::Text};

/// The kind of data in a message ([RFC 6455 §5.6]).
///
/// [RFC 6455 §5.6]: https://www.rfc-editor.org/rfc/rfc6455#section-5.6
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Bytes that the application interprets.
    Binary,
}

/// A message, borrowed or owned ([RFC 6455 §5.6]).
///
/// A received message borrows from the connection's buffers, so reading it, or sending it back, copies nothing. Use
/// [`into_owned`](Self::into_owned) to keep it. A message to send can borrow from the application in the same way:
/// everything that accepts a message also accepts `&str`, `String`, `&[u8]`, `Vec<u8>` and [`Bytes`].
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
    /// Creates a text message.
    #[must_use]
    pub fn text(text: impl Into<Text<'a>>) -> Self {
        Self::Text(text.into())
    }

    /// Creates a binary message.
    #[must_use]
    pub fn binary(payload: impl Into<Payload<'a>>) -> Self {
        Self::Binary(payload.into())
    }

    /// Returns the kind of the message.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// Returns the text, if this is a text message.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Returns the payload of either kind.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }

    /// Converts the message into a `String`; see [`Text::into_string`] for when it is copied.
    ///
    /// ```
    /// use websocket_proto::Message;
    ///
    /// assert_eq!(Message::from("text").into_string(), Ok("text".to_owned()));
    /// assert_eq!(Message::from(b"bytes").into_string(), Err(Message::from(b"bytes")));
    /// ```
    ///
    /// # Errors
    ///
    /// The unchanged message, if it is binary.
    pub fn into_string(self) -> Result<String, Self> {
        match self {
            Self::Text(text) => Ok(text.into_string()),
            binary @ Self::Binary(_) => Err(binary),
        }
    }

    /// Returns the length of the payload in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty, which is valid.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Converts the payload of either kind into shared bytes. See [`Payload::into_bytes`].
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(payload) => payload.into_bytes(),
        }
    }

    /// Returns whether [`into_bytes`](Self::into_bytes) copies nothing.
    #[inline]
    pub(crate) fn is_free_to_take(&self) -> bool {
        match self {
            Self::Text(text) => text.is_free_to_take(),
            Self::Binary(payload) => payload.is_free_to_take(),
        }
    }

    /// Takes the buffer that the message was received into, and its range there, if the buffer may be taken.
    pub(crate) fn take_received(&mut self) -> Option<(Vec<u8>, Range<usize>)> {
        match self {
            Self::Text(_) => None,
            Self::Binary(payload) => payload.take_received(),
        }
    }

    /// Makes the message independent of the connection. Copies the payload only if it borrows from a shared buffer.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(text.into_owned()),
            Self::Binary(payload) => Message::Binary(payload.into_owned()),
        }
    }
}

/// Returns whether to hand over a buffer as it is, and not to copy the payload out of it.
///
/// A small message that is kept must not keep a large buffer alive.
#[inline]
pub(crate) fn fits_its_buffer(len: usize, capacity: usize) -> bool {
    len >= capacity / 2
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

/// Borrows the message.
impl<'a> From<&'a Message<'_>> for Message<'a> {
    fn from(message: &'a Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.borrow()),
            Message::Binary(payload) => Self::Binary(payload.borrow()),
        }
    }
}
