//! The payload of a text message.

use alloc::{borrow::Cow, string::String};
use core::{fmt, mem, ops::Deref};

use bytes::Bytes;

use super::fits_its_buffer;

/// UTF-8 text, borrowed or owned.
///
/// The bytes are validated before this type is created, so [`as_str`](Self::as_str) is free.
#[derive(Clone)]
pub struct Text<'a>(Str<'a>);

enum Str<'a> {
    Lent(&'a str),
    /// Assembled in a separate buffer, which may be taken.
    Assembled(&'a mut String),
    Owned(String),
}

impl<'a> Text<'a> {
    pub(crate) fn assembled(buffer: &'a mut String) -> Self {
        Self(Str::Assembled(buffer))
    }

    /// Returns the text.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Str::Lent(text) => text,
            Str::Assembled(buffer) => buffer,
            Str::Owned(text) => text,
        }
    }

    /// Converts the text into a `String`. Borrowed text is copied. Text that was assembled in a separate buffer is
    /// taken without copying, unless the buffer is more than twice as large.
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

    /// Converts the text into its UTF-8 bytes, shared; see [`into_string`](Self::into_string) for when they are copied.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.into_string().into()
    }

    /// Makes the text independent of the connection.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Text<'static> {
        Text(Str::Owned(self.into_string()))
    }

    /// Borrows the text.
    pub(super) fn borrow(&self) -> Text<'_> {
        Text(Str::Lent(self))
    }

    /// Returns whether [`into_string`](Self::into_string) copies nothing.
    #[inline]
    pub(super) fn is_free_to_take(&self) -> bool {
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
