//! The client's side of the protocol, as far as a load needs it: requests, masked frames, the counting of replies.

/// An upgrade request like a browser's.
pub fn request(extensions: Option<&str>) -> Vec<u8> {
    let extensions = extensions.map_or_else(String::new, |offer| format!("Sec-WebSocket-Extensions: {offer}\r\n"));
    format!(
        "GET /chat HTTP/1.1\r\n\
         Host: server.example.com\r\n\
         Connection: Upgrade\r\n\
         Pragma: no-cache\r\n\
         Cache-Control: no-cache\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
         Upgrade: websocket\r\n\
         Origin: http://server.example.com\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Accept-Encoding: gzip, deflate\r\n\
         Accept-Language: en-GB,en;q=0.9\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         {extensions}\r\n"
    )
    .into_bytes()
}

/// The first byte of a whole message.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
/// Marks the message as compressed.
pub const RSV1: u8 = 0x40;

/// Appends a frame, masked as required for a client.
pub fn push_masked(out: &mut Vec<u8>, first: u8, key: [u8; 4], payload: &[u8]) {
    push_masked_header(out, first, key, payload.len() as u64);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Appends the header of such a frame, with the shortest length.
pub fn push_masked_header(out: &mut Vec<u8>, first: u8, key: [u8; 4], len: u64) {
    out.push(first);
    match len {
        0..=125 => out.push(0x80 | len as u8),
        126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
}

/// Follows the frames of a server, and counts its messages.
#[derive(Debug, Default)]
pub struct Replies {
    header: [u8; 10],
    filled: usize,
    /// Payload that is still expected.
    payload: u64,
    is_last: bool,
    pub messages: u64,
    /// Bytes of payload, as they are on the wire.
    pub bytes: u64,
}

impl Replies {
    /// Whether an echo server may send that.
    pub fn receive(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.payload == 0 {
                self.header[self.filled] = bytes[0];
                self.filled += 1;
                bytes = &bytes[1..];
                let Some(len) = self.payload_len() else { continue };
                self.filled = 0;
                // Text, binary, or a continuation; not masked.
                if self.header[0] & 0x0F > 2 || self.header[1] & 0x80 != 0 {
                    return false;
                }
                (self.payload, self.is_last) = (len, self.header[0] & 0x80 != 0);
                self.bytes += len;
            }
            let n = self.payload.min(bytes.len() as u64);
            self.payload -= n;
            bytes = &bytes[n as usize..];
            self.messages += u64::from(self.payload == 0 && self.is_last);
        }
        true
    }

    fn payload_len(&self) -> Option<u64> {
        let header = &self.header[..self.filled];
        match (header.get(1)? & 0x7F, self.filled) {
            (126, 4) => Some(u64::from(u16::from_be_bytes([header[2], header[3]]))),
            (127, 10) => header[2..].try_into().ok().map(u64::from_be_bytes),
            (126 | 127, _) => None,
            (len, _) => Some(u64::from(len)),
        }
    }
}
