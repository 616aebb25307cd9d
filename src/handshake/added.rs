//! Header fields that the application adds to a head.

use alloc::vec::Vec;
use core::fmt;

use super::{
    error::HeaderError,
    headers::{HandshakeField, is_websocket_field, write_field},
    shown::Value,
};
use crate::fields;

/// Limits on the added fields, far above what any peer accepts. Within them, every HTTP stack can hold the fields.
const MAX_NAME_LEN: usize = 65_535;
const MAX_EXTRA_FIELDS: usize = 4096;

/// Header fields that the application adds to a head. The first invalid one is remembered until the head is built.
#[derive(Clone, Default)]
pub(super) struct ExtraFields {
    lines: Vec<u8>,
    count: usize,
    error: Option<HeaderError>,
}

impl ExtraFields {
    pub(super) fn push(&mut self, name: &str, value: &[u8]) {
        if let Err(error) = self.try_push(name, value) {
            self.error.get_or_insert(error);
        }
    }

    /// Returns the lines, each with its line end.
    pub(super) fn lines(&self) -> Result<&[u8], HeaderError> {
        match &self.error {
            None => Ok(&self.lines),
            Some(error) => Err(error.clone()),
        }
    }

    /// Returns whether there is a field with this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.iter().any(|(added, _)| added.eq_ignore_ascii_case(name))
    }

    /// Removes the fields whose name `keep` rejects.
    #[cfg(feature = "std")]
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let mut kept = Vec::new();
        for (name, value) in self.iter().filter(|(name, _)| keep(name)) {
            write_field(&mut kept, name, value);
        }
        self.lines = kept;
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        // Neither names nor values contain line ends, and names no colons.
        self.lines.split(|&byte| byte == b'\n').filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let value = line[colon + 1..].strip_prefix(b" ")?.strip_suffix(b"\r")?;
            Some((core::str::from_utf8(&line[..colon]).ok()?, value))
        })
    }

    fn try_push(&mut self, name: &str, value: &[u8]) -> Result<(), HeaderError> {
        // RFC 9110 §5.1, §5.5: a line end inside a name or a value would inject fields or a whole message.
        if !fields::is_token(name.as_bytes()) || name.len() > MAX_NAME_LEN {
            return Err(HeaderError::Name(name.into()));
        }
        if !fields::is_field_value(value) {
            return Err(HeaderError::Value(name.into()));
        }
        if HandshakeField::from_name(name).is_some() || is_websocket_field(name) {
            return Err(HeaderError::Reserved(name.into()));
        }
        if self.count == MAX_EXTRA_FIELDS {
            return Err(HeaderError::TooMany);
        }
        self.count += 1;
        write_field(&mut self.lines, name, value);
        Ok(())
    }
}

/// Hides values that may be credentials.
impl fmt::Debug for ExtraFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, Value { name, value })))
            .finish()
    }
}
