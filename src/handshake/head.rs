//! Parsed heads of HTTP messages.

#[cfg(any(test, feature = "http"))]
use alloc::vec::Vec;

use super::headers::{FieldRange, Headers};

/// The head of a request.
#[derive(Clone)]
pub(super) struct RequestHead {
    pub(super) method: FieldRange,
    pub(super) target: FieldRange,
    /// The digit after `HTTP/1.`.
    pub(super) minor_version: u8,
    pub(super) headers: Headers,
}

impl RequestHead {
    /// Creates a head from parts that are valid by themselves. Returns `None` if it would exceed 4 GiB.
    #[cfg(any(test, feature = "http"))]
    pub(super) fn from_parts<'a>(
        method: &str,
        target: &str,
        minor_version: u8,
        fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Option<Self> {
        let mut bytes = Vec::new();
        Some(Self {
            method: FieldRange::append(&mut bytes, method.as_bytes())?,
            target: FieldRange::append(&mut bytes, target.as_bytes())?,
            minor_version,
            headers: Headers::append(bytes, fields)?,
        })
    }

    pub(super) fn method(&self) -> &str {
        self.headers.text(self.method)
    }

    pub(super) fn target(&self) -> &str {
        self.headers.text(self.target)
    }
}

/// The head of a response.
#[derive(Clone)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(super) reason: FieldRange,
    /// The digit after `HTTP/1.`.
    pub(super) minor_version: u8,
    pub(super) headers: Headers,
}

impl ResponseHead {
    /// Creates a head from parts that are valid by themselves. Returns `None` if it would exceed 4 GiB.
    #[cfg(feature = "http")]
    pub(super) fn from_parts<'a>(status: u16, fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Option<Self> {
        Some(Self {
            status,
            reason: FieldRange::default(),
            minor_version: 1,
            headers: Headers::append(Vec::new(), fields)?,
        })
    }

    pub(super) fn reason(&self) -> &str {
        self.headers.text(self.reason)
    }
}
