//! The opening handshake in memory: the request of a browser at a server, and the client's side.

mod support;

use divan::Bencher;
use support::handshake;
use websocket_proto::Config;

fn main() {
    divan::main();
}

/// From the bytes of the request to those of the response, with the request cut into pieces of at most this size.
#[divan::bench(args = [4096, 100, 1])]
fn server(bencher: Bencher<'_, '_>, piece: usize) {
    let config = Config::new();
    bencher.bench(|| handshake::server(&config, piece));
}

/// A server that selects nothing.
#[divan::bench]
fn server_plain(bencher: Bencher<'_, '_>) {
    let config = Config::new();
    bencher.bench(|| handshake::server_plain(&config));
}

/// From the URI to the open connection, with the request written and the response cut into pieces of at most this size.
#[divan::bench(args = [4096, 100, 1])]
fn client(bencher: Bencher<'_, '_>, piece: usize) {
    let config = Config::new();
    bencher.bench(|| handshake::client(&config, piece));
}
