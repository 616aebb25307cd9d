//! An echo server with the blocking shell: one thread per connection. It only needs the library.
//!
//! The connections are split, so that the main thread can close them all when the server must end.

#[path = "support/signals.rs"]
mod signals;

use std::{
    collections::HashMap,
    env, io,
    net::{SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use websocket_proto::{
    CloseCode, Config, Error, Limits,
    blocking::{SendHalf, WebSocket},
    handshake::{Accept, UpgradeRequest},
};

const USAGE: &str = "\
Echoes every WebSocket message back to its sender

Usage: echo_blocking [OPTIONS]

Options:
      --addr <ADDR>               Address to listen on; with port 0 the system picks one [default: 127.0.0.1:9001]
      --max-message-size <BYTES>  Largest message that is accepted, in bytes [default: 67108864]
      --deflate                   Accept permessage-deflate, with context takeover
      --window-bits <BITS>        Largest window of permessage-deflate, as a power of two [default: 12]
  -h, --help                      Print help";

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error} (see --help)");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            eprintln!("error: cannot listen on {}: another program already does", options.addr);
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: cannot listen on {}: {error}", options.addr);
            ExitCode::FAILURE
        }
    }
}

struct Options {
    addr: SocketAddr,
    config: Config,
}

impl Options {
    /// Reads the command line. `None` means that help is requested.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut addr = SocketAddr::from(([127, 0, 0, 1], 9001));
        let (mut max_message_size, mut deflate, mut window_bits) = (64 << 20, false, 12);
        while let Some(argument) = arguments.next() {
            // Both `--addr VALUE` and `--addr=VALUE`.
            let (name, mut value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (&*argument, None),
            };
            let is_switch = matches!(name, "-h" | "--help" | "--deflate");
            if is_switch && value.is_some() {
                return Err(format!("`{name}` has no value"));
            }
            match name {
                "-h" | "--help" => return Ok(None),
                "--addr" => addr = parse(name, value.take().or_else(|| arguments.next()))?,
                "--max-message-size" => max_message_size = parse(name, value.take().or_else(|| arguments.next()))?,
                "--window-bits" => window_bits = parse(name, value.take().or_else(|| arguments.next()))?,
                "--deflate" => deflate = true,
                _ => return Err(format!("unexpected argument `{argument}`")),
            }
        }
        let limits = Limits::new()
            .max_frame_size(max_message_size)
            .max_message_size(max_message_size);
        let config = with_deflate(Config::new().limits(limits), deflate, window_bits)?;
        Ok(Some(Self { addr, config }))
    }
}

/// The value of an option.
fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, value: Option<String>) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("`{name}` requires a value"))?;
    value
        .parse()
        .map_err(|error| format!("invalid value `{value}` for `{name}`: {error}"))
}

#[cfg(feature = "deflate")]
fn with_deflate(config: Config, deflate: bool, window_bits: u8) -> Result<Config, String> {
    use websocket_proto::DeflateConfig;

    if !(DeflateConfig::MIN_WINDOW_BITS..=DeflateConfig::MAX_WINDOW_BITS).contains(&window_bits) {
        return Err(format!(
            "invalid value `{window_bits}` for `--window-bits`: 9 to 15 are possible"
        ));
    }
    Ok(config.deflate(deflate.then(|| {
        DeflateConfig::context_takeover()
            .server_max_window_bits(window_bits)
            .client_max_window_bits(window_bits)
    })))
}

#[cfg(not(feature = "deflate"))]
fn with_deflate(config: Config, deflate: bool, _window_bits: u8) -> Result<Config, String> {
    if deflate {
        return Err("`--deflate` requires `--features deflate` on Cargo's command line".to_owned());
    }
    Ok(config)
}

fn run(options: &Options) -> io::Result<()> {
    // Before the address is printed, so that no signal is missed.
    signals::catch();
    let listener = TcpListener::bind(options.addr)?;
    println!("listening on ws://{}", listener.local_addr()?);

    let peers = Peers::default();
    thread::spawn({
        let (config, peers) = (options.config.clone(), peers.clone());
        move || accept_all(&listener, &config, &peers)
    });
    signals::wait();
    peers.close_all();
    Ok(())
}

/// Accepts every request, with the first subprotocol of the client that an echo can serve.
fn accept(request: &UpgradeRequest) -> Accept {
    match request.select_subprotocol(&["echo", "chat", "superchat"]) {
        Some(subprotocol) => Accept::new().subprotocol(subprotocol),
        None => Accept::new(),
    }
}

fn accept_all(listener: &TcpListener, config: &Config, peers: &Peers) {
    for (id, stream) in listener.incoming().enumerate() {
        // A connection that cannot be accepted or served does not affect the others.
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
    let (websocket, _) = WebSocket::accept_with(stream, config, |request| Ok(accept(request)))?;
    let (mut send, mut recv) = websocket.split()?;
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

    /// Closes every connection with 1001, and waits until they have ended or their time is over.
    fn close_all(&self) {
        let sends: Vec<_> = self.with(|peers| peers.values().cloned().collect());
        for mut send in sends {
            // A peer that reads nothing must not delay the others.
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

/// An open connection, for as long as this value exists.
struct Entry<'a> {
    peers: &'a Peers,
    id: usize,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.peers.with(|peers| peers.remove(&self.id));
    }
}
