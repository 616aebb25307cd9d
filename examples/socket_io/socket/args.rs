//! The arguments of events and acknowledgements: raw JSON and attachments, passed on as they are.
//!
//! Numbers keep their digits, objects the order of their keys, and strings their escapes: whatever an application does not
//! look at is never parsed into values.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use websocket_proto::Bytes;

/// Arguments that were received, or are to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Args<'a> {
    /// JSON values, separated by commas. Valid, unless this is empty.
    json: &'a str,
    attachments: &'a [Bytes],
}

impl<'a> Args<'a> {
    /// No arguments.
    pub const NONE: Self = Self {
        json: "",
        attachments: &[],
    };

    /// `json` must be valid JSON values, separated by commas, and its placeholders must be those of the attachments.
    pub(super) const fn new(json: &'a str, attachments: &'a [Bytes]) -> Self {
        Self { json, attachments }
    }

    /// Returns the arguments as JSON values, separated by commas.
    #[must_use]
    pub const fn json(self) -> &'a str {
        self.json
    }

    /// Returns the attachments. The JSON refers to them with placeholders.
    #[must_use]
    pub const fn attachments(self) -> &'a [Bytes] {
        self.attachments
    }

    /// Returns the first argument, as JSON, and the others.
    #[must_use]
    pub fn split_first(self) -> Option<(&'a str, Self)> {
        let mut values = serde_json::Deserializer::from_str(self.json).into_iter::<&RawValue>();
        let first = values.next()?.ok()?.get();
        let rest = self.json[values.byte_offset()..].trim_start();
        let rest = rest.strip_prefix(',').unwrap_or_default();
        Some((first, Self::new(rest, self.attachments)))
    }

    /// Returns the first argument, if it is of a type, and the others.
    #[must_use]
    pub fn take<T: DeserializeOwned>(self) -> Option<(T, Self)> {
        let (first, rest) = self.split_first()?;
        Some((serde_json::from_str(first).ok()?, rest))
    }

    /// Returns these arguments with another one before them.
    #[must_use]
    pub fn after(self, first: impl Serialize) -> ArgsBuf {
        let mut args = ArgsBuf::new().push(first);
        if !self.json.is_empty() {
            args.json.push(',');
            args.json.push_str(self.json);
        }
        args.attachments = self.attachments.to_vec();
        args
    }

    /// Copies the JSON, and shares the attachments.
    #[must_use]
    pub fn to_owned(self) -> ArgsBuf {
        ArgsBuf {
            json: self.json.to_owned(),
            attachments: self.attachments.to_vec(),
        }
    }
}

/// Arguments that are put together.
///
/// ```
/// use socket_io_server::socket::ArgsBuf;
///
/// let args = ArgsBuf::new().push("lobby").push([1, 2]).push_bytes(vec![0xff]);
/// assert_eq!(args.as_args().json(), r#""lobby",[1,2],{"_placeholder":true,"num":0}"#);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ArgsBuf {
    json: String,
    attachments: Vec<Bytes>,
}

impl ArgsBuf {
    /// Creates a list without arguments.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a list of one argument from valid JSON.
    #[must_use]
    pub fn raw(json: impl Into<String>) -> Self {
        Self {
            json: json.into(),
            attachments: Vec::new(),
        }
    }

    /// Adds a value. One that JSON cannot represent becomes `null`.
    #[must_use]
    pub fn push(mut self, value: impl Serialize) -> Self {
        self.separate();
        self.json
            .push_str(serde_json::to_string(&value).as_deref().unwrap_or("null"));
        self
    }

    /// Adds bytes, as an attachment. Clients accept up to 10.
    #[must_use]
    pub fn push_bytes(mut self, bytes: impl Into<Bytes>) -> Self {
        self.separate();
        let number = self.attachments.len();
        self.json
            .push_str(&format!("{{\"_placeholder\":true,\"num\":{number}}}"));
        self.attachments.push(bytes.into());
        self
    }

    /// Lends the arguments, to be sent.
    #[must_use]
    pub fn as_args(&self) -> Args<'_> {
        Args::new(&self.json, &self.attachments)
    }

    fn separate(&mut self) {
        if !self.json.is_empty() {
            self.json.push(',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_taken_one_by_one() {
        let args = Args::new(r#" 1e400 , "a\ud800" ,{"b": [2 ]}"#, &[]);
        let (first, args) = args.split_first().expect("first");
        assert_eq!(first, "1e400");
        let (second, args) = args.split_first().expect("second");
        assert_eq!(second, r#""a\ud800""#);
        assert_eq!(args.take::<String>(), None);
        let (third, args) = args.split_first().expect("third");
        assert_eq!(third, r#"{"b": [2 ]}"#);
        assert_eq!(args.split_first(), None);
        assert_eq!(
            Args::new("\"x\",1", &[])
                .take::<String>()
                .map(|(x, rest)| (x, rest.json())),
            Some(("x".into(), "1"))
        );
    }

    #[test]
    fn an_argument_is_put_before_others() {
        assert_eq!(Args::NONE.after("x").as_args().json(), "\"x\"");
        assert_eq!(Args::new("1.0", &[]).after("x").as_args().json(), "\"x\",1.0");
    }
}
