//! The hot paths, one at a time, for a tool that counts instructions: `benches/instructions/run` is that tool.
//!
//! ```text
//! instructions --list              the paths, and how many messages or handshakes a pass is
//! instructions PATH PASSES         so many passes, and nothing else
//! ```
//!
//! Without arguments it runs each path once, to see that it works.
#![allow(clippy::std_instead_of_alloc, reason = "a bench has `std`")]

mod support;

use std::{env, hint::black_box, process::ExitCode};

#[cfg(feature = "tokio")]
use support::shell::{Shell, Way};
use support::{
    Content::{Binary, Mixed},
    KIB, handshake,
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
    // Cargo adds flags of its own.
    let (flags, words): (Vec<String>, Vec<String>) = env::args().skip(1).partition(|arg| arg.starts_with("--"));
    if flags.iter().any(|flag| flag == "--list") {
        for (name, make) in paths() {
            println!("{name}\t{}", make().messages);
        }
        return ExitCode::SUCCESS;
    }
    let [name, passes] = &words[..] else {
        for (_, make) in paths() {
            (make().pass)();
        }
        return ExitCode::SUCCESS;
    };
    let path = paths().into_iter().find(|(known, _)| known == name);
    let (Some((_, make)), Ok(passes)) = (path, passes.parse()) else {
        eprintln!("usage: instructions PATH PASSES, with a PATH of --list");
        return ExitCode::FAILURE;
    };
    let mut pass = make().pass;
    for _ in 0..passes {
        pass();
    }
    ExitCode::SUCCESS
}

/// A path, ready to run.
struct Path {
    /// Messages in a pass, or handshakes.
    messages: usize,
    pass: Box<dyn FnMut()>,
}

type Make = fn() -> Path;

/// All paths. Only the one that is measured is made.
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

fn receive(stream: Stream) -> Path {
    let mut connection = recv::Ours::new(&stream);
    Path {
        messages: stream.messages,
        pass: Box::new(move || connection.pass(&stream, Take::Lent)),
    }
}

/// Each message is sent back.
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

/// The tokio shell, over memory that brings many messages in one read, or one.
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
