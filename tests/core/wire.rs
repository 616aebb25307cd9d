//! Frames as bytes, written and read independently of the crate under test.

use websocket_proto::{Role, frame::Rsv};

pub const ROLES: [Role; 2] = [Role::Client, Role::Server];

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

pub const FIN: u8 = 0x80;

/// The key of the examples of RFC 6455 §5.7, which clients' frames have unless a test needs another.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Bytes that do not repeat soon.
pub fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 37 + i / 256) as u8).collect()
}

/// A frame from an endpoint of that role: the given first byte, the shortest length, masked if required.
pub fn frame(from: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let key = (from == Role::Client).then_some(KEY);
    [header(first, payload.len() as u64, key), masked(payload, key)].concat()
}

/// One data message in fragments.
pub fn fragments(from: Role, opcode: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let frames = pieces.iter().enumerate().map(|(i, piece)| {
        let opcode = if i == 0 { opcode } else { CONTINUATION };
        let fin = if i + 1 == pieces.len() { FIN } else { 0 };
        frame(from, fin | opcode, piece)
    });
    frames.collect::<Vec<_>>().concat()
}

pub fn text(from: Role, text: &str) -> Vec<u8> {
    frame(from, FIN | TEXT, text.as_bytes())
}

pub fn binary(from: Role, payload: &[u8]) -> Vec<u8> {
    frame(from, FIN | BINARY, payload)
}

pub fn ping(from: Role, payload: &[u8]) -> Vec<u8> {
    frame(from, FIN | PING, payload)
}

pub fn pong(from: Role, payload: &[u8]) -> Vec<u8> {
    frame(from, FIN | PONG, payload)
}

pub fn close(from: Role, code: u16, reason: &str) -> Vec<u8> {
    frame(from, FIN | CLOSE, &close_payload(code, reason))
}

pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A header that announces `len` bytes in the shortest form.
pub fn header(first: u8, len: u64, key: Option<[u8; 4]>) -> Vec<u8> {
    let form = match len {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    header_in_form(first, len, form, key)
}

/// A header that announces `len` in 0, 2 or 8 bytes after the second one, whether valid or not.
pub fn header_in_form(first: u8, len: u64, form: usize, key: Option<[u8; 4]>) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let short = match form {
        0 => len as u8,
        2 => 126,
        _ => 127,
    };
    let mut bytes = vec![first, mask | short];
    bytes.extend_from_slice(&len.to_be_bytes()[8 - form..]);
    bytes.extend_from_slice(key.as_ref().map_or(&[], |key| key));
    bytes
}

pub fn masked(payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let key = key.unwrap_or_default();
    payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect()
}

/// The contents of one frame on the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    pub first: u8,
    pub key: Option<[u8; 4]>,
    /// Bytes of the length after the second byte: 0, 2 or 8.
    pub form: usize,
    pub payload: Vec<u8>,
}

impl Sent {
    pub fn opcode(&self) -> u8 {
        self.first & 0x0f
    }
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.payload[..self.payload.len().min(40)];
        let masked = if self.key.is_some() { " masked" } else { "" };
        write!(
            f,
            "[{:#04x}{masked} {}: {}]",
            self.first,
            self.payload.len(),
            shown.escape_ascii()
        )
    }
}

/// Reads whole frames; also returns the bytes that remain at the end.
pub fn parse(mut bytes: &[u8]) -> (Vec<Sent>, &[u8]) {
    let mut frames = Vec::new();
    while let Some((frame, rest)) = parse_one(bytes) {
        frames.push(frame);
        bytes = rest;
    }
    (frames, bytes)
}

/// Reads all frames, and checks the rules for everything that an endpoint of that role sends: masked by clients only, the
/// shortest length form, no reserved bit, whole control frames, fragments in order, and nothing after a Close.
pub fn parse_from(role: Role, bytes: &[u8]) -> Vec<Sent> {
    parse_claiming(role, bytes, Rsv::NONE)
}

/// The same, where data frames may have these reserved bits, which extensions of the application claim.
pub fn parse_claiming(role: Role, bytes: &[u8], claimed: Rsv) -> Vec<Sent> {
    let (frames, rest) = parse(bytes);
    assert!(rest.is_empty(), "the output ends inside a frame: {frames:?} {rest:x?}");
    let without = |frame: &Sent| Sent {
        first: match frame.opcode() {
            TEXT | BINARY | CONTINUATION => frame.first & !(claimed.bits() << 4),
            _ => frame.first,
        },
        ..frame.clone()
    };
    check_sent(role, &frames.iter().map(without).collect::<Vec<_>>());
    frames
}

pub fn check_sent(role: Role, frames: &[Sent]) {
    let mut open = false;
    for (i, frame) in frames.iter().enumerate() {
        assert_eq!(frame.key.is_some(), role == Role::Client, "masking of {frame:?}");
        let form = match frame.payload.len() {
            0..=125 => 0,
            126..=0xffff => 2,
            _ => 8,
        };
        assert_eq!(frame.form, form, "length form of {frame:?}");
        // RFC 7692 §6: RSV1 on the first frame of a data message, if anywhere.
        let may_compress = cfg!(feature = "deflate") && matches!(frame.opcode(), TEXT | BINARY);
        let reserved = if may_compress { 0x30 } else { 0x70 };
        assert_eq!(frame.first & reserved, 0, "reserved bits of {frame:?}");
        let fin = frame.first & FIN != 0;
        match frame.opcode() {
            CLOSE | PING | PONG => assert!(fin && frame.payload.len() <= 125, "{frame:?}"),
            CONTINUATION => {
                assert!(open, "nothing to continue: {frames:?}");
                open = !fin;
            }
            TEXT | BINARY => {
                assert!(!open, "two messages interleaved: {frames:?}");
                open = !fin;
            }
            _ => panic!("opcode of {frame:?}"),
        }
        assert!(
            frame.opcode() != CLOSE || i == frames.len() - 1,
            "something after a Close: {frames:?}"
        );
    }
}

fn parse_one(bytes: &[u8]) -> Option<(Sent, &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let form = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let (long, rest) = rest.split_at_checked(form)?;
    let len = match form {
        0 => u64::from(second & 0x7f),
        _ => long.iter().fold(0, |len, &byte| len << 8 | u64::from(byte)),
    };
    let (key, rest) = match second & 0x80 {
        0 => (None, rest),
        _ => {
            let (key, rest) = rest.split_first_chunk::<4>()?;
            (Some(*key), rest)
        }
    };
    let (payload, rest) = rest.split_at_checked(len as usize)?;
    let payload = masked(payload, key);
    Some((
        Sent {
            first,
            key,
            form,
            payload,
        },
        rest,
    ))
}
