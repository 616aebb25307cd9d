//! Packets of Socket.IO, version 5, as messages of Engine.IO.
//!
//! ```text
//! <type>[<attachments>-][<namespace>,][<id>][<JSON>]        52-/admin,7["event",{"_placeholder":true,"num":1}]
//! ```
//!
//! The attachments follow as binary messages.

use std::{borrow::Cow, fmt};

use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use websocket_proto::Bytes;

use super::{args::Args, placeholders};
use crate::engine::Data;

/// The most attachments of a packet, as in the reference.
pub const MAX_ATTACHMENTS: usize = 10;

/// Names of events that clients use for themselves.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// A packet from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The namespace, `/` by default.
    pub namespace: &'a str,
    /// What it is.
    pub body: Body<'a>,
}

/// The kinds of packets that clients send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Joins the namespace. The data is a JSON object, or empty.
    Connect(&'a str),
    /// Leaves the namespace.
    Disconnect,
    /// An event, whose acknowledgement is requested with an id.
    Event(Cow<'a, str>, Args<'a>, Option<u64>),
    /// The acknowledgement of an event.
    Ack(u64, Args<'a>),
}

/// A packet that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// None of the digits of a client: `0` to `3`, `5`, `6`.
    Type,
    /// The number of attachments is missing or too large.
    Attachments,
    /// The id of an acknowledgement is missing or too large.
    Id,
    /// The data is not what this type of packet has.
    Data,
    /// A placeholder refers to no attachment.
    Placeholder,
    /// Text came where an attachment was expected, or the other way round.
    Order,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Type => "unknown packet type",
            Self::Attachments => "expected a number of attachments from 1 to 10 and a hyphen",
            Self::Id => "invalid acknowledgement id",
            Self::Data => "invalid data for this type of packet",
            Self::Placeholder => "a placeholder refers to no attachment",
            Self::Order => "attachments must follow the text of their packet",
        })
    }
}

impl std::error::Error for PacketError {}

/// The text of a packet, taken apart.
struct Text<'a> {
    kind: u8,
    attachments: usize,
    namespace: &'a str,
    id: Option<u64>,
    data: &'a str,
}

impl<'a> Text<'a> {
    fn parse(text: &'a str) -> Result<Self, PacketError> {
        let kind = text.as_bytes().first().copied().ok_or(PacketError::Type)?;
        if !matches!(kind, b'0'..=b'3' | b'5' | b'6') {
            return Err(PacketError::Type);
        }
        let mut rest = &text[1..];
        let mut attachments = 0;
        if matches!(kind, b'5' | b'6') {
            let (number, after) = rest.split_once('-').ok_or(PacketError::Attachments)?;
            attachments = digits(number)
                .filter(|(_, rest)| rest.is_empty())
                .and_then(|(number, _)| usize::try_from(number?).ok())
                .filter(|number| (1..=MAX_ATTACHMENTS).contains(number))
                .ok_or(PacketError::Attachments)?;
            rest = after;
        }
        let mut namespace = "/";
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        }
        let mut id = None;
        if let Some((number, after)) = digits(rest) {
            id = Some(number.ok_or(PacketError::Id)?);
            rest = after;
        }
        Ok(Self {
            kind,
            attachments,
            namespace,
            id,
            data: rest,
        })
    }

    fn packet(&self, attachments: &'a [Bytes]) -> Result<Packet<'a>, PacketError> {
        let body = match self.kind {
            b'0' if self.data.is_empty() => Body::Connect(""),
            b'0' => {
                let data: &RawValue = serde_json::from_str(self.data).map_err(|_| PacketError::Data)?;
                Some(data.get())
                    .filter(|data| data.starts_with('{'))
                    .map(Body::Connect)
                    .ok_or(PacketError::Data)?
            }
            b'1' if self.data.is_empty() => Body::Disconnect,
            b'2' | b'5' => {
                let (first, rest) = elements(self.data)?;
                let name = name(first.ok_or(PacketError::Data)?).ok_or(PacketError::Data)?;
                Body::Event(name, Args::new(rest, attachments), self.id)
            }
            b'3' | b'6' => {
                elements(self.data)?;
                let json = self.data.trim();
                let json = json[1..json.len() - 1].trim();
                Body::Ack(self.id.ok_or(PacketError::Id)?, Args::new(json, attachments))
            }
            _ => return Err(PacketError::Data),
        };
        if self.attachments > 0 && !placeholders::are_valid(self.data, self.attachments) {
            return Err(PacketError::Placeholder);
        }
        Ok(Packet {
            namespace: self.namespace,
            body,
        })
    }
}

/// Returns the number at the beginning of a text, unless it is too large, and what follows it.
fn digits(text: &str) -> Option<(Option<u64>, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    (len > 0).then(|| (text[..len].parse().ok(), &text[len..]))
}

/// Returns the first element of a JSON array, and the others, separated by commas. Everything is checked, to any depth.
fn elements(json: &str) -> Result<(Option<&str>, &str), PacketError> {
    struct Array;

    impl<'de> Visitor<'de> for Array {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> Result<Self::Value, S::Error> {
            let first = elements.next_element()?;
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            Ok(first)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(json);
    let first = deserializer.deserialize_seq(Array).map_err(|_| PacketError::Data)?;
    deserializer.end().map_err(|_| PacketError::Data)?;
    let Some(first) = first.map(RawValue::get) else {
        return Ok((None, ""));
    };
    // The element is a part of the array.
    let end = first.as_ptr() as usize - json.as_ptr() as usize + first.len();
    let rest = json[end..].trim_end();
    let rest = rest.strip_suffix(']').unwrap_or(rest).trim();
    let rest = rest.strip_prefix(',').unwrap_or(rest);
    Ok((Some(first), rest))
}

/// Returns the name of an event: a string that is not reserved, or a number.
fn name(json: &str) -> Option<Cow<'_, str>> {
    let Some(quoted) = json.strip_prefix('"') else {
        let is_number = json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        return is_number.then_some(Cow::Borrowed(json));
    };
    let name = if quoted.contains('\\') {
        // A name that is no text, with half of a surrogate pair, is that of no event.
        Cow::Owned(serde_json::from_str(json).unwrap_or_else(|_| json.to_owned()))
    } else {
        Cow::Borrowed(&quoted[..quoted.len() - 1])
    };
    (!RESERVED.contains(&&*name)).then_some(name)
}

/// Puts packets together from messages. It holds nothing but a packet whose attachments have not all arrived.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Option<Box<Whole>>,
}

/// A packet with its attachments.
#[derive(Debug)]
pub struct Whole {
    text: String,
    expected: usize,
    attachments: Vec<Bytes>,
}

impl Whole {
    /// Returns the packet.
    ///
    /// # Errors
    ///
    /// None: the text was checked when it arrived.
    pub fn packet(&self) -> Result<Packet<'_>, PacketError> {
        Text::parse(&self.text)?.packet(&self.attachments)
    }
}

impl Decoder {
    /// Receives a message. Returns a packet if it is one by itself, or completes one.
    ///
    /// # Errors
    ///
    /// Any [`PacketError`]. The session cannot go on.
    pub fn decode<'a>(&mut self, data: Data<'a>) -> Result<Option<Decoded<'a>>, PacketError> {
        match data {
            Data::Text(_) if self.partial.is_some() => Err(PacketError::Order),
            Data::Text(message) => {
                let text = Text::parse(message)?;
                let packet = text.packet(&[])?;
                if text.attachments == 0 {
                    return Ok(Some(Decoded::Text(packet)));
                }
                self.partial = Some(Box::new(Whole {
                    text: message.to_owned(),
                    expected: text.attachments,
                    attachments: Vec::with_capacity(text.attachments),
                }));
                Ok(None)
            }
            Data::Binary(bytes) => {
                let mut partial = self.partial.take().ok_or(PacketError::Order)?;
                partial.attachments.push(bytes);
                if partial.attachments.len() < partial.expected {
                    self.partial = Some(partial);
                    return Ok(None);
                }
                Ok(Some(Decoded::Binary(partial)))
            }
        }
    }
}

/// A complete packet.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// A packet without attachments, borrowed from its message.
    Text(Packet<'a>),
    /// A packet with attachments.
    Binary(Box<Whole>),
}
