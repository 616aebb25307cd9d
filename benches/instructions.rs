//! The hot paths, one at a time, for counting instructions with `benches/instructions/run`.
//!
//! ```text
//! instructions --list              the paths, and how many messages, handshakes or hundreds of bytes a pass is; for hostile
//!                                  input also how many times as much it may cost as plain text
//! instructions PATH PASSES         runs this number of passes, and nothing else
//! ```
//!
//! Without arguments it runs each path once, to check that it works.
#![allow(clippy::std_instead_of_alloc, reason = "a bench has `std`")]

mod support;

use std::{env, hint::black_box, process::ExitCode};

#[cfg(feature = "tokio")]
use support::shell::{Shell, Way};
use support::{
    Content::{Binary, Mixed},
    KIB, handshake,
    hostile::{self, Input},
    recv::{self, Take},
    send::{self, Batch, Give, Keys},
    stream::Stream,
};
use websocket_proto::{
    Config,
    Role::{self, Client, Server},
};

/// Handshakes in a pass.
const HANDSHAKES: usize = 100;

/// The longest request and response fit into one read.
const ONE_PIECE: usize = 4096;

fn main() -> ExitCode {
    // Cargo adds its own flags.
    let (flags, words): (Vec<String>, Vec<String>) = env::args().skip(1).partition(|arg| arg.starts_with("--"));
    if flags.iter().any(|flag| flag == "--list") {
        for (name, make) in paths() {
            println!("{name}\t{}", make().messages);
        }
        for (name, bound, make) in hostile() {
            println!("{name}\t{}\t{bound}", hundreds(make).messages);
        }
        return ExitCode::SUCCESS;
    }
    let [name, passes] = &words[..] else {
        for (_, make) in paths() {
            (make().pass)();
        }
        for (_, _, make) in hostile() {
            (hundreds(make).pass)();
        }
        return ExitCode::SUCCESS;
    };
    let path = paths()
        .into_iter()
        .find(|(known, _)| known == name)
        .map(|(_, make)| make());
    let hostile = || hostile().into_iter().find(|(known, ..)| known == name);
    let path = path.or_else(|| hostile().map(|(.., make)| hundreds(make)));
    let (Some(Path { mut pass, .. }), Ok(passes)) = (path, passes.parse()) else {
        eprintln!("usage: instructions PATH PASSES, with a PATH of --list");
        return ExitCode::FAILURE;
    };
    for _ in 0..passes {
        pass();
    }
    ExitCode::SUCCESS
}

/// A path, ready to run.
struct Path {
    /// Messages in a pass, or handshakes, or hundreds of bytes.
    messages: usize,
    pass: Box<dyn FnMut()>,
}

type Make = fn() -> Path;

/// A name, the permitted instructions per byte as a multiple of plain text, and the input.
type Hostile = (&'static str, u32, fn() -> Input);

/// All paths. Only the measured one is created.
fn paths() -> Vec<(&'static str, Make)> {
    vec![
        ("recv-masked-16B", || receive(Stream::new(Server, Binary, 16))),
        ("recv-masked-125B", || receive(Stream::new(Server, Binary, 125))),
        ("recv-masked-1KiB", || receive(Stream::new(Server, Binary, KIB))),
        ("recv-masked-text-1KiB", || receive(Stream::new(Server, Mixed, KIB))),
        ("recv-unmasked-16B", || receive(Stream::new(Client, Binary, 16))),
        ("recv-masked-16B-one-per-read", || {
            receive(Stream::new(Server, Binary, 16).one_per_read())
        }),
        ("recv-masked-16KiB-lent", || {
            receive_as(Take::Lent, Stream::new(Server, Binary, 16 * KIB).one_per_read())
        }),
        ("recv-masked-16KiB-owned", || {
            receive_as(Take::Owned, Stream::new(Server, Binary, 16 * KIB).one_per_read())
        }),
        ("recv-masked-16KiB-handed-over", || {
            receive_as(Take::HandedOver, Stream::new(Server, Binary, 16 * KIB).one_per_read())
        }),
        ("send-server-16KiB-lent", || {
            transmit(Server, Keys::System, Batch::new(16 * KIB, Give::Lent, 1))
        }),
        ("send-server-16KiB-owned", || {
            transmit(Server, Keys::System, Batch::new(16 * KIB, Give::Bytes, 1))
        }),
        ("send-server-16KiB-taken", || {
            transmit(Server, Keys::System, Batch::new(16 * KIB, Give::Taken, 1))
        }),
        ("send-server-16B", || {
            transmit(Server, Keys::System, Batch::new(16, Give::Lent, 32))
        }),
        ("send-server-16B-one-per-flush", || {
            transmit(Server, Keys::System, Batch::new(16, Give::Lent, 1))
        }),
        ("send-server-1KiB", || {
            transmit(Server, Keys::System, Batch::new(KIB, Give::Lent, 32))
        }),
        ("send-client-16B", || {
            transmit(Client, Keys::System, Batch::new(16, Give::Lent, 32))
        }),
        ("send-client-1KiB", || {
            transmit(Client, Keys::System, Batch::new(KIB, Give::Lent, 32))
        }),
        ("send-client-16B-keys-for-free", || {
            transmit(Client, Keys::Free, Batch::new(16, Give::Lent, 32))
        }),
        ("send-client-1KiB-keys-for-free", || {
            transmit(Client, Keys::Free, Batch::new(KIB, Give::Lent, 32))
        }),
        ("send-prepared-1KiB", || {
            transmit(Server, Keys::System, Batch::new(KIB, Give::Prepared, 32))
        }),
        ("handshake-server", || {
            let config = Config::new();
            handshakes(move || drop(black_box(handshake::server(&config, ONE_PIECE))))
        }),
        ("handshake-client", || {
            let config = Config::new();
            handshakes(move || drop(black_box(handshake::client(&config, ONE_PIECE))))
        }),
        #[cfg(feature = "tokio")]
        ("tokio-recv-16B", || shell(16, false, Way::default())),
        #[cfg(feature = "tokio")]
        ("tokio-recv-1KiB", || shell(KIB, false, Way::default())),
        #[cfg(feature = "tokio")]
        ("tokio-recv-16B-one-per-read", || shell(16, true, Way::default())),
        #[cfg(feature = "tokio")]
        ("tokio-recv-1KiB-one-per-read", || shell(KIB, true, Way::default())),
        #[cfg(feature = "tokio")]
        ("tokio-echo-16B", || shell(16, true, ECHOES)),
        #[cfg(feature = "tokio")]
        ("tokio-echo-1KiB", || shell(KIB, true, ECHOES)),
        #[cfg(feature = "tokio")]
        ("tokio-recv-16B-awaited", || shell(16, true, WAITS)),
        #[cfg(feature = "tokio")]
        ("tokio-recv-1KiB-awaited", || shell(KIB, true, WAITS)),
        #[cfg(feature = "tokio")]
        ("tokio-recv-16B-keepalive", || shell(16, true, KEEPALIVE)),
        #[cfg(feature = "tokio")]
        ("tokio-recv-1KiB-keepalive", || shell(KIB, true, KEEPALIVE)),
        #[cfg(feature = "deflate")]
        ("echo-deflate-1KiB", || {
            use support::deflate::{Mode, echo, endpoint, frames};

            let frames = frames(Mode::NoTakeover, KIB);
            let mut server = endpoint(Server, Mode::NoTakeover);
            Path {
                messages: frames.len(),
                pass: Box::new(move || {
                    for frame in &frames {
                        black_box(echo(&mut server, frame));
                    }
                }),
            }
        }),
    ]
}

/// The input of a hostile peer. The first is not hostile: the others are compared with it.
///
/// A bound is about 1.5 times the measured cost. Where that is over 100 times plain text, the reason is known:
///
/// - *1B-reads*: some 600 instructions for a read that returns one byte, fewer than those of the system call.
/// - *released*: a connection that has freed its buffer allocates a new one for the next read, of which it zeroes 1 KiB; with
///   compression also the state of a decompressor.
/// - *empty-tables*: 11 bytes make any decompressor build its tables.
/// - *bomb*: a byte becomes 1,000, up to the limit on a message.
fn hostile() -> Vec<Hostile> {
    #[cfg(feature = "deflate")]
    use support::hostile::compressed;

    vec![
        ("hostile-none-text-100B", 1, hostile::plain),
        ("hostile-1B-reads", 200, || hostile::plain().dripped()),
        ("hostile-1B-reads-released", 350, || {
            hostile::plain().dripped().released()
        }),
        ("hostile-1B-fragments", 25, || hostile::fragments(1)),
        ("hostile-empty-fragments", 20, || hostile::fragments(0)),
        ("hostile-pings", 25, hostile::pings),
        ("hostile-request-1B-reads", 100, || {
            hostile::request_of_fields().dripped()
        }),
        ("hostile-request-fields", 25, hostile::request_of_fields),
        ("hostile-request-subprotocols", 80, hostile::request_of_subprotocols),
        ("hostile-request-extensions", 25, hostile::request_of_extensions),
        #[cfg(feature = "deflate")]
        ("hostile-deflate-text", 60, || compressed::text(KIB)),
        #[cfg(feature = "deflate")]
        ("hostile-deflate-1B-reads-released", 750, || {
            compressed::text(KIB).dripped().released()
        }),
        #[cfg(feature = "deflate")]
        ("hostile-deflate-tiny-released", 1000, || {
            compressed::tiny().dripped().released()
        }),
        #[cfg(feature = "deflate")]
        ("hostile-deflate-tiny", 100, compressed::tiny),
        #[cfg(feature = "deflate")]
        ("hostile-deflate-empty", 100, compressed::empty),
        #[cfg(feature = "deflate")]
        ("hostile-deflate-empty-blocks", 15, compressed::empty_blocks),
        #[cfg(feature = "deflate")]
        ("hostile-deflate-empty-tables", 160, compressed::empty_tables),
        #[cfg(feature = "deflate")]
        ("hostile-deflate-bomb", 320, compressed::bomb),
    ]
}

fn hundreds(make: fn() -> Input) -> Path {
    let input = make();
    Path {
        messages: input.len().div_ceil(100),
        pass: Box::new(move || input.pass()),
    }
}

fn receive(stream: Stream) -> Path {
    receive_as(Take::Lent, stream)
}

fn receive_as(take: Take, stream: Stream) -> Path {
    let mut connection = recv::Ours::new(&stream);
    Path {
        messages: stream.messages,
        pass: Box::new(move || connection.pass(&stream, take)),
    }
}

/// Each message is echoed.
#[cfg(feature = "tokio")]
const ECHOES: Way = Way {
    echoes: true,
    waits: false,
    keepalive: false,
};

/// The task waits for each message.
#[cfg(feature = "tokio")]
const WAITS: Way = Way {
    echoes: false,
    waits: true,
    keepalive: false,
};

/// The task waits for each message, and for a deadline.
#[cfg(feature = "tokio")]
const KEEPALIVE: Way = Way {
    keepalive: true,
    ..WAITS
};

/// The tokio shell, over memory that returns many messages in one read, or one.
#[cfg(feature = "tokio")]
fn shell(len: usize, one_per_read: bool, way: Way) -> Path {
    let mut stream = Stream::new(Server, Binary, len);
    if one_per_read {
        stream = stream.one_per_read();
    }
    let messages = stream.messages;
    let mut shell = Shell::new(stream, way);
    Path {
        messages,
        pass: Box::new(move || shell.pass()),
    }
}

fn transmit(role: Role, keys: Keys, batch: Batch) -> Path {
    let mut connection = send::Ours::new(role, keys);
    Path {
        messages: batch.messages,
        pass: Box::new(move || connection.pass(&batch, Vec::new())),
    }
}

fn handshakes(mut handshake: impl FnMut() + 'static) -> Path {
    Path {
        messages: HANDSHAKES,
        pass: Box::new(move || (0..HANDSHAKES).for_each(|_| handshake())),
    }
}
