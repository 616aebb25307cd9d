//! Sending, with a flush after each message and after 32, compared with a bare loop.

mod support;

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use support::{
    KIB,
    send::{self, Batch, Give, Keys, Ours},
};
use websocket_proto::Role::{self, Client, Server};

const SIZES: [usize; 4] = [16, KIB, 16 * KIB, 64 * KIB];

/// Messages that are sent in one write.
const FLUSHES: [usize; 2] = [1, 32];

fn main() {
    divan::main();
}

fn ours(bencher: Bencher<'_, '_>, role: Role, keys: Keys, batch: &Batch) {
    let mut ours = Ours::new(role, keys);
    counted(bencher, batch)
        .with_inputs(|| batch.vecs())
        .bench_local_values(|vecs| ours.pass(batch, vecs));
}

/// Displays a pass over the batch as payload bytes and messages per second.
fn counted<'a, 'b>(bencher: Bencher<'a, 'b>, batch: &Batch) -> Bencher<'a, 'b> {
    bencher
        .counter(BytesCount::new(batch.payload_bytes()))
        .counter(ItemsCount::new(batch.messages))
}

/// The benches of one role.
macro_rules! group {
    ($group:ident, $role:ident) => {
        mod $group {
            use super::*;

            #[divan::bench(args = SIZES, consts = FLUSHES)]
            fn lent<const PER_FLUSH: usize>(bencher: Bencher<'_, '_>, len: usize) {
                ours(
                    bencher,
                    $role,
                    Keys::System,
                    &Batch::new(len, Give::Lent, PER_FLUSH),
                );
            }

            #[divan::bench(args = SIZES, consts = FLUSHES)]
            fn owned_bytes<const PER_FLUSH: usize>(bencher: Bencher<'_, '_>, len: usize) {
                ours(
                    bencher,
                    $role,
                    Keys::System,
                    &Batch::new(len, Give::Bytes, PER_FLUSH),
                );
            }

            #[divan::bench(args = SIZES, consts = FLUSHES)]
            fn owned_vec<const PER_FLUSH: usize>(bencher: Bencher<'_, '_>, len: usize) {
                ours(
                    bencher,
                    $role,
                    Keys::System,
                    &Batch::new(len, Give::Vec, PER_FLUSH),
                );
            }

            #[divan::bench(args = SIZES, consts = FLUSHES, name = "limit:loop")]
            fn limit<const PER_FLUSH: usize>(bencher: Bencher<'_, '_>, len: usize) {
                let batch = Batch::new(len, Give::Lent, PER_FLUSH);
                let mut limit = send::limit($role);
                counted(bencher, &batch).bench_local(|| send::limit_pass(&mut limit, &batch));
            }
        }
    };
}

group!(server, Server);
group!(client, Client);

/// A client whose masking keys cost nothing, to separate the work from the entropy.
#[divan::bench(args = SIZES, consts = FLUSHES)]
fn client_with_free_keys<const PER_FLUSH: usize>(bencher: Bencher<'_, '_>, len: usize) {
    ours(bencher, Client, Keys::Free, &Batch::new(len, Give::Lent, PER_FLUSH));
}
