//! The payload of a binary message.

use alloc::{borrow::Cow, vec::Vec};
use core::{
    fmt, mem,
    ops::{Deref, Range},
};

use bytes::Bytes;

use super::fits_its_buffer;

/// Bytes, borrowed or owned.
#[derive(Clone)]
pub struct Payload<'a>(Bin<'a>);

enum Bin<'a> {
    Lent(&'a [u8]),
    /// Part of a buffer that contains nothing else still needed.
    Received(&'a mut Vec<u8>, Range<usize>, Keeping),
    /// Assembled in a separate buffer, which may be taken.
    Assembled(&'a mut Vec<u8>),
    Owned(Bytes),
}

/// Whether the application may keep a receive buffer. It has the size of a word: a smaller one would shrink the tag of
/// [`Bin`], and moving a message would take 30 instructions more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
enum Keeping {
    #[cfg_attr(
        not(feature = "async"),
        expect(dead_code, reason = "the async shells lend such buffers")
    )]
    Forbidden,
    Allowed,
}

impl<'a> Payload<'a> {
    #[cfg(feature = "async")]
    pub(crate) fn received(buffer: &'a mut Vec<u8>, payload: Range<usize>) -> Self {
        Self(Bin::Received(buffer, payload, Keeping::Forbidden))
    }

    /// The payload is at least half of a buffer that was handed over to the connection.
    pub(crate) fn handed_over(buffer: &'a mut Vec<u8>, payload: Range<usize>) -> Self {
        debug_assert!(fits_its_buffer(payload.len(), buffer.capacity()));
        Self(Bin::Received(buffer, payload, Keeping::Allowed))
    }

    pub(crate) fn assembled(buffer: &'a mut Vec<u8>) -> Self {
        Self(Bin::Assembled(buffer))
    }

    /// Converts the payload into shared bytes.
    ///
    /// A borrowed payload is copied. One that was assembled in a separate buffer (a large or fragmented message) is
    /// taken without copying, unless the buffer is more than twice as large. So is one of more than 4 KiB that is alone
    /// in a buffer [handed over](crate::Inbound::receive_buffer) to the connection.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Bin::Lent(bytes) => Bytes::copy_from_slice(bytes),
            Bin::Received(buffer, payload, keeping) => kept(buffer, payload, keeping),
            Bin::Assembled(buffer) if fits_its_buffer(buffer.len(), buffer.capacity()) => mem::take(buffer).into(),
            Bin::Assembled(buffer) => Bytes::copy_from_slice(buffer),
            Bin::Owned(bytes) => bytes,
        }
    }

    /// Converts the payload into a vector; see [`into_bytes`](Self::into_bytes) for when it is copied.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.into_bytes().into()
    }

    /// Makes the payload independent of the connection.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Payload<'static> {
        Payload(Bin::Owned(self.into_bytes()))
    }

    /// Takes the buffer that the payload was received into, and its range there, if the buffer may be taken.
    pub(super) fn take_received(&mut self) -> Option<(Vec<u8>, Range<usize>)> {
        match &mut self.0 {
            Bin::Received(buffer, payload, _) => Some((mem::take(*buffer), mem::take(payload))),
            _ => None,
        }
    }

    /// Borrows the payload.
    pub(super) fn borrow(&self) -> Payload<'_> {
        Payload(Bin::Lent(self))
    }

    /// Returns whether [`into_bytes`](Self::into_bytes) copies nothing.
    #[inline]
    pub(super) fn is_free_to_take(&self) -> bool {
        match &self.0 {
            Bin::Lent(_) => false,
            Bin::Received(.., keeping) => *keeping == Keeping::Allowed,
            Bin::Assembled(buffer) => fits_its_buffer(buffer.len(), buffer.capacity()),
            Bin::Owned(_) => true,
        }
    }
}

/// Takes a payload out of its buffer: with the buffer, if that may be kept.
#[inline(never)]
fn kept(buffer: &mut Vec<u8>, payload: Range<usize>, keeping: Keeping) -> Bytes {
    match keeping {
        Keeping::Allowed => Bytes::from(mem::take(buffer)).slice(payload),
        Keeping::Forbidden => Bytes::copy_from_slice(&buffer[payload]),
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bin::Lent(bytes) => bytes,
            Bin::Received(buffer, payload, _) => &buffer[payload.clone()],
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
            Self::Received(buffer, payload, _) => Self::Owned(Bytes::copy_from_slice(&buffer[payload.clone()])),
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
