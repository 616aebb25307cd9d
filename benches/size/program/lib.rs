//! An echo server and a client on the core, as a microcontroller would run them: what remains of the crate when a linker
//! has dropped what they do not use.
//!
//! The board provides the functions that are declared here, so they do not count.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(not(feature = "std"))]
mod bare;

use core::time::Duration;

use websocket_proto::{
    Config, Connection, Event, Limits, Step, Time,
    handshake::{Handshake, Opening},
};

unsafe extern "C" {
    /// Reads into a buffer. Returns how many bytes; 0 at the end, -1 if there are none yet, -2 after a failure.
    safe fn net_read(buffer: &mut Slice) -> isize;
    /// Writes bytes. Returns as above.
    safe fn net_write(bytes: &Slice) -> isize;
    /// Waits until the network is ready, or until this time in milliseconds.
    safe fn net_wait(until: u64);
    safe fn net_shut_down();
    /// Milliseconds since the start.
    safe fn clock() -> u64;
}

/// A slice for the board.
#[repr(C)]
pub struct Slice {
    start: *const u8,
    len: usize,
}

impl Slice {
    fn new(bytes: &[u8]) -> Self {
        Self {
            start: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    fn new_mut(bytes: &mut [u8]) -> Self {
        Self {
            start: bytes.as_mut_ptr(),
            len: bytes.len(),
        }
    }
}

fn config() -> Config {
    let config = Config::new().limits(Limits::small(1024));
    #[cfg(feature = "deflate")]
    let config = config.deflate(websocket_proto::DeflateConfig::new());
    config
}

fn now() -> Time {
    Time::from_origin(Duration::from_millis(clock()))
}

fn wait(until: Option<Time>) {
    net_wait(until.map_or(u64::MAX, |until| {
        u64::try_from(until.since(Time::ZERO).as_millis()).unwrap_or(u64::MAX)
    }));
}

/// Serves a client.
#[cfg(feature = "server")]
#[unsafe(no_mangle)]
pub extern "C" fn serve() {
    use websocket_proto::handshake::Accept;

    let config = config();
    let mut opening = Opening::server(&config, now());
    open(&mut opening);
    let Ok(request) = opening.outcome() else { return };
    let Ok(negotiated) = opening.accept(&request, Accept::new()) else {
        return;
    };
    echo(&mut Connection::from_negotiated(&negotiated, &config));
}

/// Connects to a server.
#[cfg(feature = "client")]
#[unsafe(no_mangle)]
pub extern "C" fn connect() {
    use alloc::sync::Arc;

    use websocket_proto::{Entropy, EntropyError, handshake::ClientRequest};

    unsafe extern "C" {
        safe fn board_entropy(buffer: &mut Slice) -> bool;
    }

    struct Board;

    impl Entropy for Board {
        fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError> {
            match board_entropy(&mut Slice::new_mut(dest)) {
                true => Ok(()),
                false => Err(EntropyError::new()),
            }
        }
    }

    let config = config().entropy(Arc::new(Board));
    let Ok(request) = "ws://192.0.2.1/".parse::<ClientRequest>() else {
        return;
    };
    let Ok(nonce) = config.nonce() else { return };
    let Ok(mut opening) = Opening::client(request, nonce, &config, now()) else {
        return;
    };
    open(&mut opening);
    let Ok(response) = opening.outcome() else { return };
    echo(&mut Connection::from_negotiated(&response.into_negotiated(), &config));
}

fn open<H: Handshake>(opening: &mut Opening<H>) {
    let mut buffer = [0; 256];
    loop {
        match opening.next_step() {
            Step::Write => match net_write(&Slice::new(opening.chunk())) {
                n @ 1.. => opening.wrote(n.unsigned_abs()),
                -1 => opening.write_blocked(),
                _ => opening.write_failed(),
            },
            Step::Flush => opening.flushed(),
            Step::Shutdown => {
                net_shut_down();
                opening.shut_down();
            }
            Step::Read | Step::Discard => match net_read(&mut Slice::new_mut(&mut buffer)) {
                0 => opening.read_ended(),
                n @ 1.. => opening.read(&buffer[..n.unsigned_abs()]),
                -1 => opening.read_blocked(),
                _ => opening.read_failed(),
            },
            Step::Time => opening.at(now()),
            Step::Wait(until) => {
                wait(until);
                opening.at(now());
                opening.turn();
            }
            Step::Yield => {}
            _ => return,
        }
    }
}

/// Sends every message back.
fn echo(connection: &mut Connection) {
    let (inbound, driver) = connection.drive();
    loop {
        while !driver.outbound().is_full() {
            match inbound.next_event(driver.outbound()) {
                Ok(Some(Event::Message(message))) => drop(driver.outbound().feed(message)),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        match driver.next(inbound) {
            Step::Write => match net_write(&Slice::new(driver.chunk())) {
                n @ 1.. => driver.wrote(n.unsigned_abs()),
                -1 => driver.write_blocked(),
                _ => driver.write_failed(),
            },
            Step::Flush => driver.flushed(),
            Step::Shutdown => {
                net_shut_down();
                driver.shut_down();
            }
            Step::Read => match net_read(&mut Slice::new_mut(inbound.space())) {
                0 => driver.read_ended(),
                n @ 1.. => {
                    inbound.advance(n.unsigned_abs());
                    driver.read(n.unsigned_abs());
                }
                -1 => driver.read_blocked(),
                _ => driver.read_failed(),
            },
            Step::Discard => match net_read(&mut Slice::new_mut(&mut [0; 64])) {
                0 => driver.read_ended(),
                n @ 1.. => driver.read(n.unsigned_abs()),
                -1 => driver.read_blocked(),
                _ => driver.read_failed(),
            },
            Step::Time => driver.at(now()),
            Step::Wait(until) => {
                wait(until);
                driver.at(now());
                driver.turn();
            }
            Step::Yield => {}
            _ => return,
        }
    }
}
