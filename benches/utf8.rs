//! Validating text while it is received, compared with the validators of `simdutf8` and `core`.
//!
//! The receiver is a client: without a mask, only the read and the validation remain.

mod support;

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use support::{
    Content::{Ascii, Mixed},
    KIB, MIB,
    recv::{Ours, Take},
    stream::Stream,
};
use websocket_proto::Role::Client;

/// Texts that a read returns whole.
const SHORT: [usize; 4] = [16, 125, KIB, 16 * KIB];

/// Texts that reads of 64 KiB, or frames, cut into pieces.
const LONG: [usize; 3] = [64 * KIB, 256 * KIB, 4 * MIB];

const ALL: [usize; 6] = [16, 125, KIB, 16 * KIB, 256 * KIB, 4 * MIB];

fn main() {
    divan::main();
}

fn receive(bencher: Bencher<'_, '_>, stream: &Stream) {
    let mut ours = Ours::new(stream);
    bencher
        .counter(BytesCount::new(stream.payload_bytes()))
        .counter(ItemsCount::new(stream.messages))
        .bench_local(|| ours.pass(stream, Take::Lent));
}

/// A validator by itself.
fn check(bencher: Bencher<'_, '_>, text: &[u8], is_valid: fn(&[u8]) -> bool) {
    bencher
        .counter(BytesCount::new(text.len()))
        .bench_local(|| assert!(is_valid(divan::black_box(text))));
}

/// The benches of one kind of text.
macro_rules! group {
    ($group:ident, $content:ident) => {
        mod $group {
            use super::*;

            #[divan::bench(args = SHORT)]
            fn received_whole(bencher: Bencher<'_, '_>, len: usize) {
                receive(bencher, &Stream::new(Client, $content, len));
            }

            #[divan::bench(args = LONG)]
            fn received_in_reads(bencher: Bencher<'_, '_>, len: usize) {
                receive(bencher, &Stream::new(Client, $content, len));
            }

            #[divan::bench(args = LONG, consts = [125, KIB, 16 * KIB])]
            fn received_in_frames<const FRAME: usize>(bencher: Bencher<'_, '_>, len: usize) {
                receive(bencher, &Stream::fragmented(Client, $content, len, FRAME));
            }

            #[divan::bench(args = ALL, name = "limit:simdutf8")]
            fn simd(bencher: Bencher<'_, '_>, len: usize) {
                check(bencher, &$content.payload(len), |text| {
                    simdutf8::basic::from_utf8(text).is_ok()
                });
            }

            #[divan::bench(args = ALL, name = "core")]
            fn scalar(bencher: Bencher<'_, '_>, len: usize) {
                check(bencher, &$content.payload(len), |text| {
                    core::str::from_utf8(text).is_ok()
                });
            }
        }
    };
}

group!(ascii, Ascii);
group!(mixed, Mixed);
