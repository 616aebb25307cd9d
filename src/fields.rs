//! The grammar of HTTP header fields: tokens, comma-separated lists, and `Sec-WebSocket-Extensions`.
//!
//! All functions examine each byte a bounded number of times, whatever the input.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

/// Returns whether `byte` may occur in a token ([RFC 9110
/// §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'^' | b'`' | b'|' | b'~'
    )
}

/// Returns whether `text` is a token, such as a field name, a subprotocol or the name of an extension.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

/// Returns whether `text` may be sent as a field value: no control characters except the tab.
pub(crate) fn is_field_value(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// Returns the non-empty elements of a comma-separated list, without surrounding whitespace.
pub(crate) const fn elements(line: &[u8]) -> Elements<'_> {
    Elements { rest: line }
}

/// See [`elements`].
#[derive(Clone)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (element, rest) = match self.rest.iter().position(|&byte| byte == b',') {
                Some(comma) => (&self.rest[..comma], &self.rest[comma + 1..]),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            let element = trim_ows(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// Removes spaces and tabs on both sides.
pub(crate) fn trim_ows(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// An extension with its parameters, as offered by a client or accepted by a server ([RFC 6455 §9.1]).
///
/// ```
/// use websocket_proto::handshake::Extension;
///
/// let offer = Extension::new("permessage-deflate")
///     .flag("client_max_window_bits")
///     .param("server_max_window_bits", "10");
/// assert_eq!(offer.to_string(), "permessage-deflate; client_max_window_bits; server_max_window_bits=10");
/// ```
///
/// [RFC 6455 §9.1]: https://www.rfc-editor.org/rfc/rfc6455#section-9.1
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Extension<'a> {
    name: Cow<'a, str>,
    params: Vec<ExtensionParam<'a>>,
}

impl<'a> Extension<'a> {
    /// Creates an extension without parameters. The name must be a token; this is checked when the extension is used.
    #[must_use]
    pub fn new(name: impl Into<Cow<'a, str>>) -> Self {
        Self {
            name: name.into(),
            params: Vec::new(),
        }
    }

    /// Adds a parameter without a value.
    #[must_use]
    pub fn flag(mut self, name: impl Into<Cow<'a, str>>) -> Self {
        self.params.push(ExtensionParam {
            name: name.into(),
            value: None,
        });
        self
    }

    /// Adds a parameter with a value, which must be a token.
    #[must_use]
    pub fn param(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        self.params.push(ExtensionParam {
            name: name.into(),
            value: Some(value.into()),
        });
        self
    }

    /// Returns the name of the extension.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the parameters in order, including repeated ones.
    #[must_use]
    pub fn params(&self) -> &[ExtensionParam<'a>] {
        &self.params
    }

    /// Copies what is borrowed.
    #[must_use]
    pub fn into_owned(self) -> Extension<'static> {
        let mut owned = Extension::new(self.name.into_owned());
        for ExtensionParam { name, value } in self.params {
            owned = match value {
                Some(value) => owned.param(name.into_owned(), value.into_owned()),
                None => owned.flag(name.into_owned()),
            };
        }
        owned
    }

    /// Returns whether names and values are tokens, so that the extension can be written into a header field.
    pub(crate) fn is_valid(&self) -> bool {
        is_token(self.name.as_bytes()) && self.params.iter().all(ExtensionParam::is_valid)
    }
}

impl fmt::Display for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for param in &self.params {
            write!(f, "; {param}")?;
        }
        Ok(())
    }
}

/// A parameter of an [`Extension`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExtensionParam<'a> {
    name: Cow<'a, str>,
    value: Option<Cow<'a, str>>,
}

impl ExtensionParam<'_> {
    /// Returns the name of the parameter.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value of the parameter, without quotes.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    fn is_valid(&self) -> bool {
        is_token(self.name.as_bytes()) && self.value().is_none_or(|value| is_token(value.as_bytes()))
    }
}

impl fmt::Display for ExtensionParam<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The error of an invalid `Sec-WebSocket-Extensions` value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedExtensions;

/// Checks one line of `Sec-WebSocket-Extensions`, without allocating for parameters.
pub(crate) fn check_extensions(line: &[u8]) -> Result<(), MalformedExtensions> {
    let mut cursor = Cursor { rest: line };
    while cursor.extension(|_| {})?.is_some() {}
    Ok(())
}

/// Returns the elements of one line of `Sec-WebSocket-Extensions`. Ends after the first malformed element.
pub(crate) const fn extensions(line: &[u8]) -> Extensions<'_> {
    Extensions {
        cursor: Cursor { rest: line },
    }
}

/// See [`extensions`].
#[derive(Clone)]
pub(crate) struct Extensions<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<Extension<'a>, MalformedExtensions>;

    fn next(&mut self) -> Option<Self::Item> {
        // Counted first, so that the list is allocated once, in its size.
        let mut count = 0;
        let _ = self.cursor.clone().extension(|_| count += 1);
        let mut params = Vec::with_capacity(count);
        match self.cursor.extension(|param| params.push(param)) {
            Ok(name) => name.map(|name| {
                Ok(Extension {
                    name: Cow::Borrowed(name),
                    params,
                })
            }),
            Err(error) => {
                self.cursor.rest = &[];
                Some(Err(error))
            }
        }
    }
}

/// A position in a field value, which only moves forward.
#[derive(Clone)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads up to the comma after the next element. Returns `None` at the end.
    fn extension(
        &mut self,
        mut on_param: impl FnMut(ExtensionParam<'a>),
    ) -> Result<Option<&'a str>, MalformedExtensions> {
        // RFC 9110 §5.6.1.2: empty elements of a list are tolerated.
        while self.eat(b',') {}
        if self.rest.is_empty() {
            return Ok(None);
        }
        let name = self.token()?;
        while self.eat(b';') {
            let name = Cow::Borrowed(self.token()?);
            let value = if self.eat(b'=') { Some(self.value()?) } else { None };
            on_param(ExtensionParam { name, value });
        }
        if self.rest.is_empty() || self.eat(b',') {
            Ok(Some(name))
        } else {
            Err(MalformedExtensions)
        }
    }

    /// Skips `byte` with the whitespace around it if it comes next; otherwise skips only the whitespace.
    fn eat(&mut self, byte: u8) -> bool {
        self.skip_ows();
        let Some(rest) = self.rest.strip_prefix(&[byte]) else {
            return false;
        };
        self.rest = rest;
        self.skip_ows();
        true
    }

    fn skip_ows(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn token(&mut self) -> Result<&'a str, MalformedExtensions> {
        let len = self.rest.iter().take_while(|&&byte| is_token_byte(byte)).count();
        let (token, rest) = self.rest.split_at(len);
        self.rest = rest;
        match core::str::from_utf8(token) {
            Ok(token) if !token.is_empty() => Ok(token),
            _ => Err(MalformedExtensions),
        }
    }

    fn value(&mut self) -> Result<Cow<'a, str>, MalformedExtensions> {
        match self.rest.strip_prefix(b"\"") {
            Some(quoted) => {
                self.rest = quoted;
                self.quoted()
            }
            None => self.token().map(Cow::Borrowed),
        }
    }

    /// Reads a quoted value after its opening quote.
    fn quoted(&mut self) -> Result<Cow<'a, str>, MalformedExtensions> {
        let mut value = Cow::Borrowed("");
        loop {
            match self.rest {
                [b'"', rest @ ..] if !value.is_empty() => {
                    self.rest = rest;
                    return Ok(value);
                }
                // §9.1: the value must be a token once quotes and escapes are removed.
                [b'\\', escaped, rest @ ..] if is_token_byte(*escaped) => {
                    value.to_mut().push(char::from(*escaped));
                    self.rest = rest;
                }
                _ => append(&mut value, self.token()?),
            }
        }
    }
}

/// Appends part of a value, borrowing as long as there is only one part.
fn append<'a>(value: &mut Cow<'a, str>, run: &'a str) {
    if value.is_empty() {
        *value = Cow::Borrowed(run);
    } else {
        String::push_str(value.to_mut(), run);
    }
}

#[cfg(test)]
mod tests {
    use alloc::{
        string::{String, ToString},
        vec,
        vec::Vec,
    };

    use super::*;

    fn parsed(line: &str) -> Option<Vec<String>> {
        extensions(line.as_bytes())
            .map(|item| item.ok().map(|e| e.to_string()))
            .collect()
    }

    #[test]
    fn well_formed_lists() {
        for (line, want) in [
            ("foo", vec!["foo"]),
            (" foo ;\ta = 1 , bar;b ", vec!["foo; a=1", "bar; b"]),
            (",,foo,,bar,", vec!["foo", "bar"]),
            ("x;a=\"10\";b=\"\\1\\0\";c=\"a\\bc\\d\"", vec!["x; a=10; b=10; c=abcd"]),
            ("a;b;b=1;b=2", vec!["a; b; b=1; b=2"]),
            ("", vec![]),
        ] {
            assert_eq!(
                parsed(line).as_deref(),
                Some(&want.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{line}"
            );
            assert_eq!(check_extensions(line.as_bytes()), Ok(()), "{line}");
        }
    }

    #[test]
    fn quoted_values_without_escapes_are_borrowed() {
        let extension = extensions(b"x;a=\"10\"").next();
        assert!(matches!(
            extension
                .as_ref()
                .and_then(|e| e.as_ref().ok())
                .map(|e| &e.params[0].value),
            Some(Some(Cow::Borrowed("10")))
        ));
    }

    #[test]
    fn malformed_lists() {
        for line in [
            "foo;",
            "foo;=1",
            "foo;a=",
            "foo;a=\"b",
            "foo;a=\"b\\",
            "foo bar",
            "foo;a=b c",
            "foo;a=\"a b\"",
            "foo;a=\"\"",
            "foo;a=\"b\"c",
            "(foo)",
            "foo;a=\"b\\\"\"",
            "=",
            ";",
            "foo=1",
            "f\u{f6}o",
            "foo;a=\"\u{f6}\"",
        ] {
            assert_eq!(parsed(line), None, "{line}");
            assert!(check_extensions(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn lists_of_elements() {
        let all: Vec<_> = elements(b" a,b\t,, c d ,").collect();
        assert_eq!(all, [&b"a"[..], b"b", b"c d"]);
    }

    #[test]
    fn tokens_are_the_visible_characters_without_separators() {
        for byte in 0..=255u8 {
            let separator = b"()<>@,;:\\\"/[]?={}".contains(&byte);
            let want = (0x21..=0x7e).contains(&byte) && !separator;
            assert_eq!(is_token_byte(byte), want, "{byte:#x}");
        }
    }
}
