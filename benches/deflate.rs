//! Echo of compressed JSON-like text in memory, compared with the codec alone with the same settings.
//!
//! A pass is one message: the server reads a frame that a client compressed, and answers with the message compressed. The codec
//! alone inflates and deflates the same messages from buffer to buffer. The bytes on the wire per byte of payload are printed
//! before the times.

#![allow(clippy::cast_possible_truncation, reason = "lengths of short messages")]

mod support;

use divan::{Bencher, counter::BytesCount};
use support::deflate::{MESSAGES, Mode, echo, endpoint, frames, texts};
use websocket_proto::Role;
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

const SIZES: [usize; 2] = [1 << 10, 16 << 10];

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

fn main() {
    for (mode, len) in cases() {
        let (mut server, frames) = (endpoint(Role::Server, mode), frames(mode, len));
        let out: usize = frames.iter().map(|frame| echo(&mut server, frame)).sum();
        let ratio = out as f64 / (len * MESSAGES) as f64;
        println!("{mode:?}, {len} bytes: {ratio:.3} on the wire for each byte");
    }
    divan::main();
}

fn cases() -> impl Iterator<Item = (Mode, usize)> {
    Mode::ALL.into_iter().flat_map(|mode| SIZES.map(|len| (mode, len)))
}

#[divan::bench(args = cases())]
fn connection(bencher: Bencher<'_, '_>, (mode, len): (Mode, usize)) {
    let frames = frames(mode, len);
    let mut server = endpoint(Role::Server, mode);
    let mut next = 0;
    bencher.counter(BytesCount::new(len)).bench_local(|| {
        // The client starts again with its first message, and so does the server.
        if next == 0 {
            server = endpoint(Role::Server, mode);
        }
        let written = echo(&mut server, &frames[next]);
        next = (next + 1) % MESSAGES;
        written
    });
}

#[divan::bench(args = cases())]
fn codec_alone(bencher: Bencher<'_, '_>, (mode, len): (Mode, usize)) {
    let mut deflate = Deflate::new(6, false, mode.bits());
    let mut out = vec![0; 2 * len + 100];
    let compress = |deflate: &mut Deflate, text: &[u8], out: &mut [u8]| {
        if mode == Mode::NoTakeover {
            deflate.reset();
        }
        let before = deflate.total_out();
        deflate.compress(text, out, DeflateFlush::SyncFlush).expect("valid");
        (deflate.total_out() - before) as usize
    };
    let payloads: Vec<Vec<u8>> = texts(len)
        .iter()
        .map(|text| {
            let n = compress(&mut deflate, text.as_bytes(), &mut out);
            assert!(out[..n].ends_with(&TAIL));
            out[..n].to_vec()
        })
        .collect();
    let mut inflate = Inflate::new(false, 15);
    deflate.reset();
    let (mut message, mut next) = (vec![0; len + 1], 0);
    bencher.counter(BytesCount::new(len)).bench_local(|| {
        if next == 0 || mode == Mode::NoTakeover {
            inflate.reset(false);
        }
        let before = inflate.total_out();
        let status = inflate.decompress(&payloads[next], &mut message, InflateFlush::SyncFlush);
        assert!(status.is_ok() && inflate.total_out() - before == len as u64);
        next = (next + 1) % MESSAGES;
        compress(&mut deflate, &message[..len], &mut out)
    });
}
