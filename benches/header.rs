//! Decoding and encoding each shape of frame header.

mod support;

use core::fmt;

use divan::{Bencher, black_box, counter::ItemsCount};
use websocket_proto::frame::{FrameHeader, MaskingKey, Opcode, Rsv};

/// Headers in one pass, because a single one takes less time than a clock can measure.
const HEADERS: usize = 8 << 10;

/// A kind of header; `None` is all kinds mixed, in an order too long to be learnt by a branch predictor.
#[derive(Clone, Copy)]
struct Shape(Option<(Opcode, u64, bool)>);

const SHAPES: [Shape; 9] = [
    Shape(Some((Opcode::Binary, 16, false))),
    Shape(Some((Opcode::Binary, 16, true))),
    Shape(Some((Opcode::Binary, 1 << 10, false))),
    Shape(Some((Opcode::Binary, 1 << 10, true))),
    Shape(Some((Opcode::Binary, 1 << 20, false))),
    Shape(Some((Opcode::Binary, 1 << 20, true))),
    Shape(Some((Opcode::Continuation, 1 << 10, true))),
    Shape(Some((Opcode::Ping, 4, true))),
    Shape(None),
];

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((opcode, len, masked)) = self.0 else {
            return f.write_str("all mixed");
        };
        let masked = if masked { "masked" } else { "unmasked" };
        write!(f, "{opcode:?} {} {masked}", len)
    }
}

impl Shape {
    fn headers(self) -> Vec<FrameHeader> {
        let order = support::random(HEADERS);
        let headers = order.into_iter().map(|byte| {
            let turn = SHAPES[usize::from(byte) % (SHAPES.len() - 1)];
            self.0.or(turn.0).map(|(opcode, payload_len, masked)| FrameHeader {
                fin: true,
                rsv: Rsv::NONE,
                opcode,
                masking_key: masked.then_some(MaskingKey::new([1, 2, 3, 4])),
                payload_len,
            })
        });
        headers.flatten().collect()
    }
}

fn main() {
    divan::main();
}

#[divan::bench(args = SHAPES)]
fn decode(bencher: Bencher<'_, '_>, shape: Shape) {
    let mut stream = Vec::new();
    for header in shape.headers() {
        let mut bytes = [0; FrameHeader::MAX_LEN];
        let len = header.encode(&mut bytes);
        stream.extend_from_slice(&bytes[..len]);
    }
    bencher.counter(ItemsCount::new(HEADERS)).bench_local(|| {
        let mut rest = black_box(&stream[..]);
        while let Ok(Some((header, len))) = FrameHeader::decode(rest) {
            black_box(header);
            rest = &rest[len..];
        }
    });
}

#[divan::bench(args = SHAPES)]
fn encode(bencher: Bencher<'_, '_>, shape: Shape) {
    let headers = shape.headers();
    let mut bytes = [0; FrameHeader::MAX_LEN];
    bencher.counter(ItemsCount::new(HEADERS)).bench_local(|| {
        for header in &headers {
            let len = black_box(header).encode(&mut bytes);
            black_box(&bytes[..len]);
        }
    });
}
