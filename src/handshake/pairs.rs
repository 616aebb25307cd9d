//! Cookies, and the pairs of a query string.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::str;

use super::{credentials::percent_decoded, headers::Values};
use crate::fields;

/// The cookies of all `Cookie` fields ([RFC 6265 §4.2.1](https://www.rfc-editor.org/rfc/rfc6265#section-4.2.1)).
#[derive(Clone)]
pub(super) struct Cookies<'a> {
    lines: Values<'a, 'static>,
    rest: &'a [u8],
}

impl<'a> Cookies<'a> {
    pub(super) const fn new(lines: Values<'a, 'static>) -> Self {
        Self { lines, rest: &[] }
    }
}

impl<'a> Iterator for Cookies<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                self.rest = self.lines.next()?;
            }
            let (pair, rest) = split_at_byte(self.rest, b';');
            self.rest = rest.unwrap_or_default();
            let (name, value) = split_at_byte(pair, b'=');
            let name = fields::trim_ows(name);
            // Parsers disagree about cookies without a name or without `=`, and so about their name.
            if let (false, Some(value)) = (name.is_empty(), value) {
                if let (Ok(name), Ok(value)) = (str::from_utf8(name), str::from_utf8(fields::trim_ows(value))) {
                    return Some((name, value));
                }
            }
        }
    }
}

/// The pairs of a query string, parsed as `application/x-www-form-urlencoded` by the [URL
/// Standard](https://url.spec.whatwg.org/#urlencoded-parsing).
#[derive(Clone)]
pub(super) struct QueryPairs<'a> {
    rest: &'a [u8],
}

impl<'a> QueryPairs<'a> {
    pub(super) const fn new(query: &'a str) -> Self {
        Self { rest: query.as_bytes() }
    }
}

impl<'a> Iterator for QueryPairs<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (pair, rest) = split_at_byte(self.rest, b'&');
            self.rest = rest.unwrap_or_default();
            if !pair.is_empty() {
                let (name, value) = split_at_byte(pair, b'=');
                return Some((decoded(name), decoded(value.unwrap_or_default())));
            }
        }
        None
    }
}

/// Splits at the first such byte, into what precedes it and what follows it.
fn split_at_byte(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|&byte| byte == separator) {
        Some(index) => (&bytes[..index], Some(&bytes[index + 1..])),
        None => (bytes, None),
    }
}

/// Replaces `+` by a space, and decodes percent-encoding. A `%` without two digits is kept.
fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    if !bytes.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return String::from_utf8_lossy(bytes);
    }
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|&byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    Cow::Owned(match String::from_utf8(percent_decoded(&spaced).into_owned()) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}
