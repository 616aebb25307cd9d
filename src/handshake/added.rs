//! Header fields that the application adds to a head.

use alloc::vec::Vec;

use super::{
    error::HeaderError,
    headers::{HandshakeField, is_websocket_field, write_field},
};
use crate::fields;

/// Limits on the added fields, far above what any peer accepts. Within them, every HTTP stack can hold the fields.
const MAX_NAME_LEN: usize = 65_535;
const MAX_EXTRA_FIELDS: usize = 4096;

/// Header fields that the application adds to a head. The first invalid one is remembered until the head is built.
#[derive(Clone, Debug, Default)]
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

    /// Removes the fields whose name `keep` rejects.
    #[cfg(feature = "std")]
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        // Neither names nor values contain line ends.
        let lines = core::mem::take(&mut self.lines);
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            let name_len = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
            if core::str::from_utf8(&line[..name_len]).is_ok_and(&keep) {
                self.lines.extend_from_slice(line);
            }
        }
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
