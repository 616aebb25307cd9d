//! An echo server on the blocking shell: one thread for each connection.
//!
//! The connections are split, so that the main thread can close them all when the server is told to end.

mod support;

use std::{
    collections::HashMap,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use clap::Parser;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use support::Options;
use websocket_proto::{
    CloseCode, Config, Error,
    blocking::{SendHalf, WebSocket},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let listener = TcpListener::bind(options.addr)?;
    println!("listening on ws://{}", listener.local_addr()?);

    let peers = Peers::default();
    thread::spawn({
        let peers = peers.clone();
        move || accept_all(&listener, &options.config(), &peers)
    });
    signals.forever().next();
    peers.close_all();
    Ok(())
}

fn accept_all(listener: &TcpListener, config: &Config, peers: &Peers) {
    for (id, stream) in listener.incoming().enumerate() {
        // One connection that fails to be accepted, or to be served, is no concern of the others.
        let Ok(stream) = stream else { continue };
        let (config, peers) = (config.clone(), peers.clone());
        let spawned = thread::Builder::new().spawn(move || {
            if let Err(error) = echo(id, stream, &config, &peers) {
                eprintln!("connection {id}: {error}");
            }
        });
        if let Err(error) = spawned {
            eprintln!("connection {id}: {error}");
        }
    }
}

fn echo(id: usize, stream: TcpStream, config: &Config, peers: &Peers) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let websocket = WebSocket::accept_with(stream, config, |request| Ok(support::accept(request)))?;
    let (send, mut recv) = websocket.split()?;
    let _entry = peers.enter(id, send.clone());
    // The messages are lent, and `recv` writes what was fed before it waits.
    while let Some(message) = recv.recv()? {
        send.feed(message)?;
    }
    Ok(())
}

/// The open connections.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashMap<usize, SendHalf<TcpStream>>>>);

impl Peers {
    fn enter(&self, id: usize, send: SendHalf<TcpStream>) -> Entry<'_> {
        self.with(|peers| peers.insert(id, send));
        Entry { peers: self, id }
    }

    /// Tells every peer that the server goes away, and waits until they are gone or had the time for it.
    fn close_all(&self) {
        let sends: Vec<_> = self.with(|peers| peers.values().cloned().collect());
        for send in sends {
            // A peer that reads nothing must not keep the others waiting.
            thread::spawn(move || send.close(CloseCode::GOING_AWAY));
        }
        for _ in 0..60 {
            if self.with(|peers| peers.is_empty()) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<usize, SendHalf<TcpStream>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection that is open as long as this is.
struct Entry<'a> {
    peers: &'a Peers,
    id: usize,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.peers.with(|peers| peers.remove(&self.id));
    }
}
