//! Payloads of HTTP requests: packets separated by the character U+001E, binary messages as `b` and base64.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use websocket_proto::MessageKind;

use super::packet::{Data, Packet, PacketError};

/// What separates the packets of a payload.
const SEPARATOR: u8 = 0x1e;

/// Writes padding, and reads base64 with or without it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the packets of a payload, in order. After an error nothing more is read.
///
/// # Errors
///
/// [`PacketError::Utf8`]; each packet has the others.
pub fn parse(payload: &[u8]) -> Result<impl Iterator<Item = Result<Packet<'_>, PacketError>>, PacketError> {
    let text = std::str::from_utf8(payload).map_err(|_| PacketError::Utf8)?;
    let mut failed = false;
    Ok(text.split(char::from(SEPARATOR)).map_while(move |packet| {
        if failed {
            return None;
        }
        let parsed = parse_one(packet);
        failed = parsed.is_err();
        Some(parsed)
    }))
}

fn parse_one(packet: &str) -> Result<Packet<'_>, PacketError> {
    let Some(data) = packet.strip_prefix('b') else {
        return Packet::parse(packet);
    };
    let bytes = BASE64.decode(data).map_err(|_| PacketError::Base64)?;
    Ok(Packet::Message(Data::Binary(bytes.into())))
}

/// Appends a message to a payload. A text message is a packet with its digit.
pub fn append(payload: &mut String, kind: MessageKind, message: &[u8]) {
    if !payload.is_empty() {
        payload.push(char::from(SEPARATOR));
    }
    match (kind, std::str::from_utf8(message)) {
        (MessageKind::Text, Ok(text)) => payload.push_str(text),
        _ => {
            payload.push('b');
            BASE64.encode_string(message, payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(payload: &[u8]) -> Vec<Result<Packet<'_>, PacketError>> {
        match parse(payload) {
            Ok(packets) => packets.collect(),
            Err(error) => vec![Err(error)],
        }
    }

    #[test]
    fn a_payload_has_text_and_binary_packets() {
        let payload = b"4hello\x1ebAQIDBA==\x1e3\x1ebAQI\x1eb";
        let expected = [
            Packet::Message(Data::Text("hello")),
            Packet::Message(Data::Binary(vec![1, 2, 3, 4].into())),
            Packet::Pong(""),
            Packet::Message(Data::Binary(vec![1, 2].into())),
            Packet::Message(Data::Binary(vec![].into())),
        ];
        let read: Result<Vec<_>, _> = packets(payload).into_iter().collect();
        assert_eq!(read.as_deref(), Ok(&expected[..]));
    }

    #[test]
    fn nothing_is_read_after_a_fault() {
        let message = Ok(Packet::Message(Data::Text("a")));
        assert_eq!(packets(b"4a\x1eabc\x1e4b"), [message.clone(), Err(PacketError::Type)]);
        assert_eq!(packets(b"4a\x1e"), [message.clone(), Err(PacketError::Type)]);
        assert_eq!(packets(b"4a\x1eb!"), [message, Err(PacketError::Base64)]);
        assert_eq!(packets(b""), [Err(PacketError::Type)]);
        assert_eq!(packets(b"4\xff"), [Err(PacketError::Utf8)]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut payload = String::new();
        append(&mut payload, MessageKind::Text, "4héllo".as_bytes());
        append(&mut payload, MessageKind::Binary, &[]);
        append(&mut payload, MessageKind::Binary, &[1, 2, 3, 4]);
        assert_eq!(payload, "4héllo\u{1e}b\u{1e}bAQIDBA==");
        assert_eq!(packets(payload.as_bytes()).len(), 3);
    }
}
