//! An echo server in a heap of 64 KiB, as it runs on a microcontroller, here on a computer.
//!
//! The server is a crate of its own, `server`, which is `no_std` and knows only the traits of `embedded-io-async`. Here
//! is what a board provides besides: a [heap](heap) that fails instead of growing, a [network and a clock](board), and a
//! future that is polled.
//!
//! `--check` serves clients of its own, which are as hostile as they can be, and ends.

mod board;
mod check;
mod heap;
#[allow(dead_code, reason = "it also serves the other examples")]
#[path = "../support/mod.rs"]
mod support;

use std::{
    io,
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, mpsc},
    thread,
};

use embedded_server::Server;
use support::program;
use websocket_proto::{Config, Limits};

use crate::board::{Awake, Host};

/// Bytes of the heap.
const HEAP: usize = 64 << 10;

/// Tasks of the server. Those beyond the connections that fit refuse clients.
const TASKS: usize = 16;

/// Echoes every WebSocket message back to its sender, in a heap of 64 KiB.
#[derive(clap::Parser)]
struct Options {
    /// Address to listen on; with port 0 the system picks one
    #[arg(long, default_value = "127.0.0.1:9001")]
    addr: SocketAddr,

    /// Largest message that is accepted, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    max_message_size: usize,

    /// Serve hostile clients of its own for some seconds, and end
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    program::exit(run(&program::options()))
}

fn run(options: &Options) -> io::Result<()> {
    let addr = match options.check {
        true => SocketAddr::from(([127, 0, 0, 1], 0)),
        false => options.addr,
    };
    let host = Host::new(addr)?;
    let server = Server::new(&host, config(options.max_message_size), HEAP);
    if server.connections() == 0 {
        let message = format!("messages of {} bytes do not fit in the heap", options.max_message_size);
        return Err(io::Error::other(message));
    }
    if !options.check {
        println!("listening on ws://{}", host.addr()?);
        serve(&host, &server)?;
        return Ok(());
    }
    let (addr, connections, stopper) = (host.addr()?, server.connections(), host.stopper());
    let (sender, outcome) = mpsc::channel();
    let limit = options.max_message_size;
    thread::spawn(move || {
        // A panic of the check drops the sender, and so is an outcome, too.
        let _stop = check::Stop(stopper);
        let _ = sender.send(check::check(addr, connections, limit));
    });
    let used = serve(&host, &server)?;
    outcome
        .recv()
        .map_err(|_| io::Error::other("the check did not come to its end"))??;
    println!("{connections} connections were served, and the next was refused; {used} of {HEAP} bytes were used");
    Ok(())
}

fn config(message: usize) -> Config {
    Config::new().limits(Limits::small(message))
}

/// Serves in a heap of a fixed size, until the server is told to end. Returns how much of it was used.
fn serve(host: &Host, server: &Server<&Host>) -> io::Result<usize> {
    let awake = Arc::new(Awake::default());
    heap::fix(HEAP);
    let served = host.block_on(&awake, server.run::<TASKS>());
    let used = heap::unfix();
    served.map(|()| used)
}
