//! What a peer sends to make an endpoint hold as much memory as possible.

use websocket_proto::{Config, Limits, Role};

use crate::wire::{self, BINARY, CONTINUATION, FIN, KEY, TEXT};

/// The limit on a message in most of the tests.
pub const MESSAGE: usize = 256 << 10;

/// The mark of a full output queue.
pub const HIGH_WATER: usize = 128 << 10;

pub fn config() -> Config {
    Config::new().limits(
        Limits::new()
            .max_message_size(MESSAGE as u64)
            .output_high_water(HIGH_WATER),
    )
}

/// An attack: its bytes, and whether no other attack costs more.
pub struct Attack {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub is_worst: bool,
}

/// A peer of that role attacks.
pub fn attacks(from: Role) -> Vec<Attack> {
    let key = (from == Role::Client).then_some(KEY);
    let announced = wire::header(FIN | BINARY, MESSAGE as u64, key);
    let attack = |name, bytes: Vec<Vec<u8>>, is_worst| Attack {
        name,
        bytes: bytes.concat(),
        is_worst,
    };
    let mut attacks = vec![
        attack("a length without the payload", vec![announced.clone()], false),
        attack("a length and some payload", vec![announced, vec![1; 20_000]], false),
        attack(
            "an invalid length",
            vec![wire::header(FIN | BINARY, (1 << 63) - 1, key)],
            false,
        ),
    ];
    for opcode in [TEXT, BINARY] {
        let text = vec![b'a'; MESSAGE];
        attacks.extend([
            attack("a whole message", vec![wire::frame(from, FIN | opcode, &text)], true),
            attack(
                "all but one byte, and one byte",
                vec![
                    wire::frame(from, opcode, &text[1..]),
                    wire::frame(from, FIN | CONTINUATION, b"a"),
                ],
                true,
            ),
            attack(
                "more than half, and the rest in pieces",
                [wire::frame(from, opcode, &text[MESSAGE / 2 - 1..])]
                    .into_iter()
                    .chain(
                        text[..MESSAGE / 2 - 1]
                            .chunks(999)
                            .map(|piece| wire::frame(from, CONTINUATION, piece)),
                    )
                    .collect(),
                true,
            ),
            attack(
                "too large by one byte",
                vec![
                    wire::frame(from, opcode, &text),
                    wire::frame(from, FIN | CONTINUATION, b"a"),
                ],
                true,
            ),
            attack(
                "tiny fragments",
                std::iter::once(wire::frame(from, opcode, b"a"))
                    .chain((0..128 << 10).map(|_| wire::frame(from, CONTINUATION, b"a")))
                    .collect(),
                false,
            ),
            attack(
                "empty fragments",
                std::iter::once(wire::frame(from, opcode, b""))
                    .chain((0..128 << 10).map(|_| wire::frame(from, CONTINUATION, b"")))
                    .collect(),
                false,
            ),
        ]);
    }
    attacks.push(attack(
        "a flood of Pings",
        (0..20_000_u32)
            .map(|n| wire::ping(from, &n.to_be_bytes().repeat(31)))
            .collect(),
        false,
    ));
    attacks
}

/// A compressed message that decompresses to `len` zeros, in frames of at most `cut` bytes.
#[cfg(feature = "deflate")]
pub fn bomb(from: Role, opcode: u8, len: usize, cut: usize) -> Vec<u8> {
    use flate2::{Compress, Compression, FlushCompress};

    let mut deflate = Compress::new(Compression::fast(), false);
    let mut compressed = Vec::with_capacity(len / 500 + 1000);
    let zeros = vec![b'0'; len];
    deflate
        .compress_vec(&zeros, &mut compressed, FlushCompress::Sync)
        .unwrap();
    let whole = compressed.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap_or(&compressed);
    let pieces: Vec<&[u8]> = whole.chunks(cut).collect();
    let frames = pieces.iter().enumerate().map(|(n, piece)| {
        let first = if n == 0 { 0x40 | opcode } else { CONTINUATION };
        let fin = if n + 1 == pieces.len() { FIN } else { 0 };
        wire::frame(from, fin | first, piece)
    });
    frames.collect::<Vec<_>>().concat()
}
