//! Masking in place and while copying, compared with a copy alone and a loop over bytes.

mod support;

use divan::{Bencher, black_box, counter::BytesCount};
use support::{KIB, MIB, limit, random};
use websocket_proto::frame::MaskingKey;

const SIZES: [usize; 11] = [1, 4, 7, 16, 31, 125, KIB, 16 * KIB, 64 * KIB, 256 * KIB, 4 * MIB];

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

fn main() {
    divan::main();
}

fn in_place(bencher: Bencher<'_, '_>, len: usize, mask: impl Fn([u8; 4], &mut [u8])) {
    let mut data = random(len);
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| mask(black_box(KEY), black_box(&mut data)));
}

fn copying(bencher: Bencher<'_, '_>, len: usize, copy: impl Fn(&[u8], &mut Vec<u8>)) {
    let (data, mut dest) = (random(len), Vec::with_capacity(len));
    bencher.counter(BytesCount::new(len)).bench_local(|| {
        dest.clear();
        copy(black_box(&data), black_box(&mut dest));
    });
}

#[divan::bench(args = SIZES)]
fn apply(bencher: Bencher<'_, '_>, len: usize) {
    in_place(bencher, len, |key, data| MaskingKey::new(key).apply(data));
}

#[divan::bench(args = SIZES)]
fn apply_into(bencher: Bencher<'_, '_>, len: usize) {
    copying(bencher, len, |data, dest| {
        MaskingKey::new(black_box(KEY)).apply_into(data, dest)
    });
}

#[divan::bench(args = SIZES, name = "limit:memcpy")]
fn memcpy(bencher: Bencher<'_, '_>, len: usize) {
    copying(bencher, len, |data, dest| dest.extend_from_slice(data));
}

#[divan::bench(args = SIZES, name = "limit:xor")]
fn xor(bencher: Bencher<'_, '_>, len: usize) {
    in_place(bencher, len, limit::xor);
}

/// As written in §5.3 of the RFC.
#[divan::bench(args = SIZES, name = "loop over bytes")]
fn naive(bencher: Bencher<'_, '_>, len: usize) {
    in_place(bencher, len, |key, data| {
        for (i, byte) in data.iter_mut().enumerate() {
            *byte ^= key[i % 4];
        }
    });
}
