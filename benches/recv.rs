//! Receiving from reads of 64 KiB, compared with a bare loop over the same buffer.

mod support;

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use support::{
    Content::{self, Ascii, Binary, Mixed},
    KIB, MIB,
    limit::RecvLoop,
    recv::{Ours, Take, limit_pass},
    stream::Stream,
};
use websocket_proto::Role::{Client, Server};

const SIZES: [usize; 6] = [16, 125, KIB, 16 * KIB, 256 * KIB, 4 * MIB];

/// Sizes that a read of 64 KiB returns whole.
const SHORT: [usize; 4] = [16, 125, KIB, 16 * KIB];

fn main() {
    divan::main();
}

fn ours(bencher: Bencher<'_, '_>, stream: &Stream, take: Take) {
    let mut ours = Ours::new(stream);
    counted(bencher, stream).bench_local(|| ours.pass(stream, take));
}

fn limit(bencher: Bencher<'_, '_>, stream: &Stream, take: Take) {
    let mut limit = RecvLoop::new();
    counted(bencher, stream).bench_local(|| limit_pass(&mut limit, stream, take));
}

/// Displays a pass over the stream as payload bytes and messages per second.
fn counted<'a, 'b>(bencher: Bencher<'a, 'b>, stream: &Stream) -> Bencher<'a, 'b> {
    bencher
        .counter(BytesCount::new(stream.payload_bytes()))
        .counter(ItemsCount::new(stream.messages))
}

/// A group of benches over the streams that an expression makes for each size.
macro_rules! group {
    ($group:ident, $sizes:expr, |$len:ident| $stream:expr) => {
        mod $group {
            use super::*;

            #[divan::bench(args = $sizes)]
            fn lent(bencher: Bencher<'_, '_>, $len: usize) {
                ours(bencher, &$stream, Take::Lent);
            }

            #[divan::bench(args = $sizes)]
            fn owned(bencher: Bencher<'_, '_>, $len: usize) {
                ours(bencher, &$stream, Take::Owned);
            }

            #[divan::bench(args = $sizes, name = "limit:loop lent")]
            fn limit_lent(bencher: Bencher<'_, '_>, $len: usize) {
                limit(bencher, &$stream, Take::Lent);
            }

            #[divan::bench(args = $sizes, name = "limit:loop owned")]
            fn limit_owned(bencher: Bencher<'_, '_>, $len: usize) {
                limit(bencher, &$stream, Take::Owned);
            }
        }
    };
}

group!(masked_binary, SIZES, |len| Stream::new(Server, Binary, len));
group!(unmasked_binary, SIZES, |len| Stream::new(Client, Binary, len));
group!(masked_text_ascii, SIZES, |len| Stream::new(Server, Ascii, len));
group!(masked_text_mixed, SIZES, |len| Stream::new(Server, Mixed, len));
group!(one_message_per_read, SHORT, |len| {
    Stream::new(Server, Binary, len).one_per_read()
});
group!(fragmented_binary, FRAGMENTED, |len| fragmented(Binary, len));
group!(fragmented_text_mixed, FRAGMENTED, |len| fragmented(Mixed, len));

/// Messages that are sent in frames of 1 KiB.
const FRAGMENTED: [usize; 1] = [64 * KIB];

fn fragmented(content: Content, len: usize) -> Stream {
    Stream::fragmented(Server, content, len, KIB)
}

/// The cost of the reads alone, which is part of all rows above.
#[divan::bench(args = SHORT, name = "limit:read")]
fn read(bencher: Bencher<'_, '_>, len: usize) {
    let stream = Stream::new(Server, Binary, len);
    let mut buffer = vec![0; support::READ];
    counted(bencher, &stream).bench_local(|| {
        let mut source = stream.source();
        while source.read(divan::black_box(&mut buffer)) > 0 {}
    });
}
