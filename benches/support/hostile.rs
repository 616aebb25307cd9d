//! Input of a peer that tries to cost as much as possible, read by read.

use core::hint::black_box;

use websocket_proto::{
    Buf, Config, Connection, Limits, Role, Step, Time,
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
    handshake::{Accept, Opening},
};

use super::{Content, KIB, keys};

/// A valid request without the empty line at its end.
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// The approximate size of an input: that of a read, so that no input is cheaper because it is larger.
const LEN: usize = 16 * KIB;

/// An input for a server, in the reads that deliver it.
pub(crate) struct Input {
    reads: Vec<Vec<u8>>,
    /// The receiving endpoint.
    receiver: Receiver,
    /// Whether buffers are released after each read, like by a connection that waits.
    releases: bool,
    /// Whether the connection fails at its end.
    fails: bool,
}

enum Receiver {
    Opening,
    Connection(Box<dyn Fn() -> Connection>),
}

impl Input {
    fn new(bytes: Vec<u8>) -> Self {
        let limits = Limits::new().max_fragments(u32::MAX);
        let config = Config::new().limits(limits);
        Self {
            reads: vec![bytes],
            receiver: Receiver::Connection(Box::new(move || Connection::new(Role::Server, &config))),
            releases: false,
            fails: false,
        }
    }

    fn request(fields: &str) -> Self {
        Self {
            receiver: Receiver::Opening,
            ..Self::new(format!("{REQUEST}{fields}\r\n").into_bytes())
        }
    }

    /// The beginning of the input, byte by byte.
    pub(crate) fn dripped(self) -> Self {
        let bytes = self.reads.concat();
        Self {
            reads: bytes.chunks(1).take(KIB).map(Vec::from).collect(),
            ..self
        }
    }

    /// The same, with a wait after each read.
    pub(crate) fn released(self) -> Self {
        Self { releases: true, ..self }
    }

    pub(crate) fn len(&self) -> usize {
        self.reads.iter().map(Vec::len).sum()
    }

    /// One new connection, or opening handshake, that receives it.
    pub(crate) fn pass(&self) {
        match &self.receiver {
            Receiver::Opening => self.open(),
            Receiver::Connection(make) => self.receive(make()),
        }
    }

    fn open(&self) {
        let mut opening = Opening::server(&Config::new(), Time::ZERO);
        for read in &self.reads {
            if opening.next_step() == Step::Yield {
                opening.turn();
            }
            opening.read(black_box(read));
        }
        let request = opening.outcome().expect("a valid request");
        black_box(opening.accept(&request, Accept::new()).expect("nothing is selected"));
    }

    fn receive(&self, mut connection: Connection) {
        for read in &self.reads {
            let mut rest = &read[..];
            while !rest.is_empty() {
                let space = connection.space();
                let (piece, after) = rest.split_at(space.len().min(rest.len()));
                space[..piece.len()].copy_from_slice(piece);
                connection.advance(piece.len());
                rest = after;
                loop {
                    match connection.next_event() {
                        Ok(Some(event)) => drop(black_box(event)),
                        Ok(None) => break,
                        Err(error) => return assert!(self.fails, "{error}"),
                    }
                }
                let output = connection.output();
                output.advance(output.remaining());
                if self.releases {
                    connection.release();
                }
            }
        }
    }
}

/// Masked frames with these payloads.
fn frames<'a>(frames: impl IntoIterator<Item = (Opcode, bool, Rsv, &'a [u8])>) -> Vec<u8> {
    let key = MaskingKey::new(keys(1)[0]);
    let mut bytes = Vec::new();
    for (opcode, fin, rsv, payload) in frames {
        let header = FrameHeader {
            fin,
            rsv,
            opcode,
            masking_key: Some(key),
            payload_len: payload.len() as u64,
        };
        let mut head = [0; FrameHeader::MAX_LEN];
        let len = header.encode(&mut head);
        bytes.extend_from_slice(&head[..len]);
        key.apply_into(payload, &mut bytes);
    }
    bytes
}

/// The input that all others are compared with: text in frames of 100 bytes.
pub(crate) fn plain() -> Input {
    let text = Content::Ascii.payload(100);
    let frame = (Opcode::Text, true, Rsv::NONE, &text[..]);
    Input::new(frames((0..LEN / 106).map(|_| frame)))
}

/// A message in fragments of this length.
pub(crate) fn fragments(len: usize) -> Input {
    let (payload, count) = (vec![b'x'; len], LEN / (len + 6));
    Input::new(frames((0..count).map(|n| {
        let opcode = if n == 0 { Opcode::Text } else { Opcode::Continuation };
        (opcode, n + 1 == count, Rsv::NONE, &payload[..])
    })))
}

/// Pings, each of which is answered.
pub(crate) fn pings() -> Input {
    let ping = (Opcode::Ping, true, Rsv::NONE, &b""[..]);
    Input::new(frames((0..LEN / 6).map(|_| ping)))
}

/// A request with many fields.
pub(crate) fn request_of_fields() -> Input {
    Input::request(&"a: b\r\n".repeat(120))
}

/// A request with a long list of subprotocols.
pub(crate) fn request_of_subprotocols() -> Input {
    let list: Vec<String> = (0..3000).map(|n| format!("{n:x}")).collect();
    Input::request(&format!("Sec-WebSocket-Protocol: {}\r\n", list.join(",")))
}

/// A request with a long list of extensions.
pub(crate) fn request_of_extensions() -> Input {
    Input::request(&format!("Sec-WebSocket-Extensions: {}a\r\n", "a;b,".repeat(3500)))
}

#[cfg(feature = "deflate")]
pub(crate) mod compressed {
    //! The same with permessage-deflate.

    use websocket_proto::{
        Buf, Config, Connection, DeflateConfig, DeflateParams, Limits, Negotiated, Role,
        frame::{Opcode, Rsv},
    };

    use super::{
        super::{MIB, deflate},
        Input, LEN, Receiver, frames,
    };

    const RSV1: Rsv = Rsv::RSV1;

    fn input(bytes: Vec<u8>) -> Input {
        let limits = Limits::new().max_message_size(MIB as u64).max_fragments(u32::MAX);
        let config = Config::new().limits(limits).deflate(DeflateConfig::new());
        let negotiated = Negotiated::new(Role::Server).with_deflate(DeflateParams::new());
        Input {
            receiver: Receiver::Connection(Box::new(move || Connection::from_negotiated(&negotiated, &config))),
            ..Input::new(bytes)
        }
    }

    fn messages(payload: &[u8]) -> Input {
        let message = (Opcode::Text, true, RSV1, payload);
        input(frames((0..LEN / (payload.len() + 6)).map(|_| message)))
    }

    /// Messages of one letter.
    pub(crate) fn tiny() -> Input {
        messages(&[0x4a, 0x04, 0x00])
    }

    /// Empty messages.
    pub(crate) fn empty() -> Input {
        messages(&[0x00])
    }

    /// A message of empty stored blocks.
    pub(crate) fn empty_blocks() -> Input {
        let mut payload = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(LEN / 5);
        payload.push(0x00);
        input(frames([(Opcode::Text, true, RSV1, &payload[..])]))
    }

    /// A message of empty blocks, each with its own code tables: 90 bits that make a decompressor build them.
    pub(crate) fn empty_tables() -> Input {
        let mut bits = Bits::default();
        for _ in 0..LEN * 8 / 90 {
            // Not the last block, dynamic codes; 257 literal codes, 1 distance code, 18 lengths of code lengths.
            bits.push(0b100, 3).push(0, 5).push(0, 5).push(18 - 4, 4);
            // In the order of RFC 1951 §3.2.7: 18 and 1 have a code of one bit.
            for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
                bits.push(u32::from(matches!(symbol, 18 | 1)), 3);
            }
            // 138 and 118 lengths of zero, one for the end of the block, one for a distance; and the end of the block.
            bits.push(1, 1).push(138 - 11, 7).push(1, 1).push(118 - 11, 7);
            bits.push(0, 1).push(0, 1).push(0, 1);
        }
        // The beginning of the block whose rest the receiver adds.
        bits.push(0, 3);
        input(frames([(Opcode::Text, true, RSV1, &bits.bytes[..])]))
    }

    /// Text like a client's, in a message of this many bytes.
    pub(crate) fn text(len: usize) -> Input {
        input(
            deflate::frames(deflate::Mode::NoTakeover, len)
                .into_iter()
                .take(LEN / 300)
                .collect::<Vec<_>>()
                .concat(),
        )
    }

    /// A message longer than the limit.
    pub(crate) fn bomb() -> Input {
        let mut client = deflate::endpoint(Role::Client, deflate::Mode::NoTakeover);
        client.feed("a".repeat(4 * MIB)).expect("room");
        let mut bytes = Vec::new();
        while client.output().has_remaining() {
            bytes.extend_from_slice(client.output().chunk());
            let n = client.output().chunk().len();
            client.output().advance(n);
        }
        Input {
            fails: true,
            ..input(bytes)
        }
    }

    /// Bits, lowest first.
    #[derive(Default)]
    struct Bits {
        bytes: Vec<u8>,
        used: usize,
    }

    impl Bits {
        fn push(&mut self, value: u32, count: usize) -> &mut Self {
            for bit in 0..count {
                if self.used % 8 == 0 {
                    self.bytes.push(0);
                }
                let last = self.bytes.len() - 1;
                self.bytes[last] |= u8::from(value >> bit & 1 == 1) << (self.used % 8);
                self.used += 1;
            }
            self
        }
    }
}
