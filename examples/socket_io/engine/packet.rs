//! Packets of Engine.IO: one digit for the type, followed by the data. Binary messages have no digit.

use websocket_proto::Bytes;

/// A packet from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: the handshake. Only servers send it.
    Open,
    /// `1`: the end of the session.
    Close,
    /// `2`: a heartbeat of the server, or the probe of a client.
    Ping(&'a str),
    /// `3`: the answer to a ping.
    Pong(&'a str),
    /// `4`: a text message, or a message without a digit: a binary one.
    Message(Data<'a>),
    /// `5`: the end of an upgrade.
    Upgrade,
    /// `6`: nothing; it answers a poll.
    Noop,
}

/// The data of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(Bytes),
}

/// A packet that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketError {
    /// The packet is empty or begins with none of the digits `0` to `6`.
    Type,
    /// The payload of a request is not UTF-8.
    Utf8,
    /// A binary message in a payload is not base64.
    Base64,
}

impl std::fmt::Display for PacketError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Type => "unknown packet type: expected one of the digits 0 to 6",
            Self::Utf8 => "the payload is not UTF-8",
            Self::Base64 => "a binary message is not base64",
        })
    }
}

impl std::error::Error for PacketError {}

impl<'a> Packet<'a> {
    /// Reads the text of one packet.
    ///
    /// # Errors
    ///
    /// [`PacketError::Type`].
    pub fn parse(text: &'a str) -> Result<Self, PacketError> {
        let kind = text.as_bytes().first().copied().ok_or(PacketError::Type)?;
        Ok(match kind {
            b'0' => Self::Open,
            b'1' => Self::Close,
            b'2' => Self::Ping(&text[1..]),
            b'3' => Self::Pong(&text[1..]),
            b'4' => Self::Message(Data::Text(&text[1..])),
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            _ => return Err(PacketError::Type),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read() {
        let cases = [
            ("0{}", Packet::Open),
            ("1", Packet::Close),
            ("2probe", Packet::Ping("probe")),
            ("3", Packet::Pong("")),
            ("4héllo", Packet::Message(Data::Text("héllo"))),
            ("4", Packet::Message(Data::Text(""))),
            ("5", Packet::Upgrade),
            ("6", Packet::Noop),
        ];
        for (text, packet) in cases {
            assert_eq!(Packet::parse(text), Ok(packet), "{text}");
        }
        for text in ["", "7", "abc", "é", "\u{1e}", "-1", "b"] {
            assert_eq!(Packet::parse(text), Err(PacketError::Type), "{text}");
        }
    }
}
