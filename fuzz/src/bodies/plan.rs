//! Streams of frames that are mostly valid, for cases that random bytes never reach.

use arbitrary::{Arbitrary, Result, Unstructured};
use websocket_proto::{ContextTakeover, DeflateParams, Role};

use super::wire::{self, BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT};

const RSV1: u8 = 0x40;

/// The most bytes of a stream, so that byte-by-byte runs stay short.
const MAX_LEN: usize = 100_000;

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Kind {
    Text,
    Binary,
    Fragment { last: bool },
    Compressed { text: bool },
    CompressedFragment { last: bool },
    Ping,
    Pong,
    Close,
}

#[derive(Clone, Debug, Arbitrary)]
enum Payload<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Repeated(u8, u16),
    Edge(u8),
}

/// A change to a valid frame.
#[derive(Clone, Debug, Arbitrary)]
enum Flaw {
    FlipHeaderBit(u8),
    FlipPayloadBit(u16),
    LongForm { eight: bool },
    Announce(i8),
    TopBit,
    Unmask,
    Opcode(u8),
    Cut(u16),
    Twice,
}

/// The bytes that a peer of `role` sends to this endpoint, following the plan in `data`.
pub fn bytes(role: Role, deflate: Option<DeflateParams>, data: &[u8]) -> Vec<u8> {
    let mut u = Unstructured::new(data);
    let mut sender = Sender {
        from: role.peer(),
        deflate: deflate.map(|params| {
            let takeover = match role {
                Role::Client => params.server_context_takeover,
                Role::Server => params.client_context_takeover,
            };
            (takeover, flate2::Compress::new(flate2::Compression::new(6), false))
        }),
        open: None,
        held: Vec::new(),
        bytes: Vec::new(),
    };
    while !u.is_empty() && sender.bytes.len() < MAX_LEN {
        if sender.frame(&mut u).is_err() {
            break;
        }
    }
    sender.bytes
}

struct Sender {
    from: Role,
    deflate: Option<(ContextTakeover, flate2::Compress)>,
    /// Whether a message is open, and compressed.
    open: Option<bool>,
    /// The end of the last fragment, which is sent with the next one.
    held: Vec<u8>,
    bytes: Vec<u8>,
}

impl Sender {
    fn frame(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let mut kind = Kind::arbitrary(u)?;
        let data = payload(u)?;
        // An open message is mostly continued.
        if matches!(kind, Kind::Text | Kind::Binary | Kind::Compressed { .. })
            && self.open.is_some()
            && !u.ratio(1, 12)?
        {
            kind = Kind::Fragment { last: u.arbitrary()? };
        }
        let (first, payload) = match kind {
            Kind::Text => (FIN | TEXT, data),
            Kind::Binary => (FIN | BINARY, data),
            Kind::Compressed { text } => {
                let data = self.compress(&data, true);
                (FIN | RSV1 | if text { TEXT } else { BINARY }, data)
            }
            Kind::Fragment { last } | Kind::CompressedFragment { last } => {
                let compress = matches!(kind, Kind::CompressedFragment { .. });
                let keep = u.int_in_range(0..=3)?;
                self.fragment(data, compress, last, keep)
            }
            Kind::Ping => (FIN | PING, data[..data.len().min(125)].to_vec()),
            Kind::Pong => (FIN | PONG, data[..data.len().min(125)].to_vec()),
            Kind::Close => {
                let code = *u.choose(&[1000, 1001, 1002, 1005, 1010, 1015, 2999, 3000, 4999, 5000])?;
                let mut close = wire::close_payload(code, "");
                close.extend_from_slice(&data[..data.len().min(123)]);
                close.truncate(if u.ratio(1, 8)? { u.int_in_range(0..=2)? } else { 125 });
                (FIN | CLOSE, close)
            }
        };
        let frame = wire::frame(self.from, first, &payload);
        let frame = if u.ratio(1, 10)? {
            flawed(u, frame, payload.len())?
        } else {
            frame
        };
        self.bytes.extend_from_slice(&frame);
        Ok(())
    }

    fn fragment(&mut self, data: Vec<u8>, compress: bool, last: bool, keep: usize) -> (u8, Vec<u8>) {
        let is_first = self.open.is_none();
        let compressed = self.open.unwrap_or(compress && self.deflate.is_some());
        self.open = (!last).then_some(compressed);
        let opcode = match is_first {
            true if data.is_ascii() => TEXT,
            true => BINARY,
            false => CONTINUATION,
        };
        let data = if compressed { self.compress(&data, last) } else { data };
        let mut data = [std::mem::take(&mut self.held), data].concat();
        if !last {
            self.held = data.split_off(data.len() - keep.min(data.len()));
        }
        let rsv = if is_first && compressed { RSV1 } else { 0 };
        (if last { FIN } else { 0 } | rsv | opcode, data)
    }

    /// Compresses part of a message, or its end, without its tail.
    fn compress(&mut self, data: &[u8], last: bool) -> Vec<u8> {
        let Some((takeover, deflate)) = &mut self.deflate else {
            return data.to_vec();
        };
        let mut out = Vec::with_capacity(data.len() + data.len() / 8 + 100);
        deflate
            .compress_vec(data, &mut out, flate2::FlushCompress::Sync)
            .unwrap();
        if last {
            out.truncate(out.len().saturating_sub(4));
            if *takeover == ContextTakeover::Forbid {
                deflate.reset();
            }
        }
        out
    }
}

fn payload(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    Ok(match Payload::arbitrary(u)? {
        Payload::Text(text) => text.into(),
        Payload::Bytes(bytes) => bytes.into(),
        Payload::Repeated(byte, len) => vec![byte; usize::from(len) % 8000],
        Payload::Edge(edge) => "§"
            .repeat([0, 1, 62, 63, 64, 100, 2047, 32_768][usize::from(edge % 8)])
            .into_bytes(),
    })
}

fn flawed(u: &mut Unstructured<'_>, mut frame: Vec<u8>, payload_len: usize) -> Result<Vec<u8>> {
    let header_len = frame.len() - payload_len;
    match Flaw::arbitrary(u)? {
        Flaw::FlipHeaderBit(bit) => frame[usize::from(bit / 8) % header_len] ^= 1 << (bit % 8),
        Flaw::FlipPayloadBit(bit) if payload_len > 0 => {
            frame[header_len + usize::from(bit / 8) % payload_len] ^= 1 << (bit % 8);
        }
        Flaw::FlipPayloadBit(_) | Flaw::TopBit => {
            let key_len = if frame[1] & 0x80 == 0 { 0 } else { 4 };
            let long = [frame[0], frame[1] | 0x7f, 0x80, 0, 0, 0, 0, 0, 0, payload_len as u8];
            frame.splice(..header_len - key_len, long);
        }
        Flaw::LongForm { eight } if frame[1] & 0x7f < 126 => {
            let width = if eight { 8 } else { 2 };
            frame[1] = frame[1] & 0x80 | if eight { 127 } else { 126 };
            frame.splice(2..2, (payload_len as u64).to_be_bytes()[8 - width..].to_vec());
        }
        Flaw::LongForm { .. } => {}
        Flaw::Announce(by) => frame[1] = frame[1].wrapping_add_signed(by),
        Flaw::Unmask => frame[1] ^= 0x80,
        Flaw::Opcode(opcode) => frame[0] = frame[0] & 0xf0 | opcode & 0x0f,
        Flaw::Cut(at) => frame.truncate(usize::from(at)),
        Flaw::Twice => frame.extend_from_within(..),
    }
    Ok(frame)
}
