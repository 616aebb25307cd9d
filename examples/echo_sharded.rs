//! An echo server for many cores: one thread per core, each with its own runtime and listener.
//!
//! All listeners have the same address (`SO_REUSEPORT`), and the system assigns each new connection to one of them. The
//! connection stays with that thread: its task never moves, and shares no queue, lock or buffer with the tasks of another thread.

#[path = "support/echo.rs"]
mod echo;
mod support;

use std::{error::Error, io, net::SocketAddr, num::NonZero, process::ExitCode, sync::Arc, thread, time::Duration};

use clap::Parser;
use echo::echo;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use support::{listen::cannot_listen, program};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::{self, Runtime},
};
use websocket_proto::{
    Config,
    tokio::{Acceptor, Shutdown, ShutdownGuard},
};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    echo: support::Options,

    /// Threads; by default, one per core
    #[arg(long)]
    threads: Option<NonZero<usize>>,
}

/// Connections that may wait in a listener to be accepted
const BACKLOG: u32 = 1024;

fn main() -> ExitCode {
    program::exit(serve(&program::options()))
}

fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let threads = match arguments.threads {
        None => thread::available_parallelism()?,
        Some(threads) => threads,
    };
    // Before the address is printed, so that no signal is missed.
    let mut signals = Signals::new([SIGINT, SIGTERM])?;

    let (mut shards, mut addr) = (Vec::new(), arguments.echo.addr);
    for _ in 0..threads.get() {
        let shard = Shard::new(addr)?;
        // If the system picked the port, the others use the same one.
        addr = shard.listener.local_addr()?;
        shards.push(shard);
    }
    println!("listening on ws://{addr}");

    let config = Arc::new(arguments.echo.config());
    let (mut shutdowns, mut threads) = (Vec::new(), Vec::new());
    for (i, shard) in shards.into_iter().enumerate() {
        shutdowns.push(shard.shutdown.clone());
        let config = Arc::clone(&config);
        let thread = thread::Builder::new().name(format!("shard-{i}"));
        threads.push(thread.spawn(move || shard.run(&config))?);
    }
    signals.forever().next();
    shutdowns.iter().for_each(Shutdown::request);
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")?;
    }
    Ok(())
}

/// The work of one thread: connections that no other thread ever touches.
struct Shard {
    runtime: Runtime,
    listener: TcpListener,
    shutdown: Shutdown,
}

impl Shard {
    fn new(addr: SocketAddr) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let socket = if addr.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // The port of a server that was just stopped can be reused at once, ...
        socket.set_reuseaddr(true)?;
        // ... and by all shards at the same time.
        socket.set_reuseport(true)?;
        socket.bind(addr).map_err(cannot_listen(addr))?;
        let listener = {
            // The runtime that drives the listener.
            let _entered = runtime.enter();
            socket.listen(BACKLOG)?
        };
        Ok(Self {
            runtime,
            listener,
            shutdown: Shutdown::new(),
        })
    }

    /// Serves until it must end, and lets its connections end.
    fn run(self, config: &Arc<Config>) {
        self.runtime.block_on(async {
            let accepted = |stream, _, guard| run(stream, Arc::clone(config), guard);
            self.shutdown.serve(self.listener, accepted).await;
            // A little longer than a closing handshake may take.
            let outcome = self.shutdown.finish(Duration::from_secs(6)).await;
            if !outcome.is_graceful() {
                eprintln!("{} connections were dropped", outcome.dropped);
            }
        });
    }
}

async fn run(stream: TcpStream, config: Arc<Config>, guard: ShutdownGuard) {
    if let Err(error) = echo(async { Ok(Acceptor::new(stream, &config)) }, guard).await {
        eprintln!("{error}");
    }
}
