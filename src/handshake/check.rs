//! Checks of individual header fields.

use super::{
    error::HandshakeError,
    headers::{HandshakeField, Headers, is_websocket_field},
};
use crate::fields;

impl Headers {
    /// Returns the only line of a field that must not be repeated.
    pub(super) fn single(&self, field: HandshakeField) -> Result<Option<&[u8]>, HandshakeError> {
        let mut lines = self.known(field);
        let first = lines.next();
        match lines.next() {
            None => Ok(first),
            Some(_) => Err(HandshakeError::RepeatedField(field)),
        }
    }

    /// Returns the only line of a field that must occur exactly once.
    pub(super) fn required(&self, field: HandshakeField) -> Result<&[u8], HandshakeError> {
        self.single(field)?.ok_or(HandshakeError::MissingField(field))
    }

    /// Refuses a list without this element. Elements are compared as a whole, ignoring ASCII case (§2.1).
    pub(super) fn require_element(&self, field: HandshakeField, element: &[u8]) -> Result<(), HandshakeError> {
        for listed in self.list(field) {
            if listed.eq_ignore_ascii_case(element) {
                return Ok(());
            }
        }
        if self.known(field).next().is_some() {
            Err(HandshakeError::InvalidField(field))
        } else {
            Err(HandshakeError::MissingField(field))
        }
    }

    /// Refuses malformed lines of `Sec-WebSocket-Extensions`.
    pub(super) fn check_extensions(&self) -> Result<(), HandshakeError> {
        const INVALID: HandshakeError = HandshakeError::InvalidField(HandshakeField::Extensions);
        // RFC 9110 §5.6.1.2: empty elements do not count, so a list of nothing else is the same as no field. Some
        // clients and proxies send such fields.
        let mut lines = self.known(HandshakeField::Extensions);
        lines.try_for_each(|line| fields::check_extensions(line).map_err(|_| INVALID))
    }

    /// Refuses non-ASCII bytes in the fields that the handshake interprets.
    ///
    /// If several fields have such bytes, the same one is reported, whatever their order.
    pub(super) fn check_ascii(&self) -> Result<(), HandshakeError> {
        let mut blamed = None;
        let mut is_other = false;
        for field in &self.fields {
            if !field.value.bytes(&self.bytes).is_ascii() {
                match field.known {
                    Some(known) if blamed.is_none_or(|earlier| (known as u8) < earlier as u8) => blamed = Some(known),
                    Some(_) => {}
                    None => is_other |= is_websocket_field(field.name.text(&self.bytes)),
                }
            }
        }
        match blamed {
            Some(known) => Err(HandshakeError::InvalidField(known)),
            None if is_other => Err(HandshakeError::MalformedHead),
            None => Ok(()),
        }
    }
}
