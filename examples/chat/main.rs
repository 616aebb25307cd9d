//! Chat rooms, with a web page at `/` and the rooms below `/rooms/` on the same port. `README.md` has the protocol, the limits
//! and the layers.

mod hall;
#[path = "../support/listen.rs"]
mod listen;
mod pace;
mod page;
#[path = "../support/program.rs"]
mod program;
mod protocol;
mod room;
mod server;
mod session;
mod store;
#[cfg(test)]
mod tests;
mod text;

use std::{io, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Parser;
use hall::Hall;
use server::Server;
use store::{Kept, Store};
use tokio::signal::unix::{SignalKind, signal};
use websocket_proto::DeflateConfig;

/// Lets people chat in rooms.
#[derive(Parser)]
struct Options {
    /// Address to listen on; with port 0 the system picks one
    #[arg(long, default_value = "127.0.0.1:9001")]
    addr: SocketAddr,

    /// Largest message that is accepted, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 10)]
    max_message_size: u64,

    /// Lines per second that a member may say, after ten at once
    #[arg(long, value_name = "LINES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,

    /// File for the last hundred lines of each room; by default `chat.redb` next to the program
    #[arg(long, value_name = "FILE", conflicts_with = "no_store")]
    store: Option<PathBuf>,

    /// Keep lines in memory only
    #[arg(long)]
    no_store: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::exit(run(&program::options()).await)
}

async fn run(options: &Options) -> io::Result<()> {
    let listener = server::listen(options.addr).await?;
    let (store, kept) = store(options)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let deflate = DeflateConfig::context_takeover();
    let hall = Arc::new(Hall::new(store, kept, deflate, options.rate));
    let server = Arc::new(Server::new(hall, deflate, options.max_message_size));
    let end = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    server.serve_until(listener, end).await;
    Ok(())
}

/// Opens the store, if there is to be one.
fn store(options: &Options) -> io::Result<(Option<Store>, Kept)> {
    if options.no_store {
        return Ok((None, Kept::new()));
    }
    let path = match &options.store {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("chat.redb"),
    };
    match Store::open(&path) {
        Ok((store, kept)) => Ok((Some(store), kept)),
        // A second server without options, on another port, is no error.
        Err(error) if options.store.is_none() => {
            eprintln!("{error}; lines are kept in memory only");
            Ok((None, Kept::new()))
        }
        Err(error) => Err(error),
    }
}
