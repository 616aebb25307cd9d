//! What the tests share: a scripted stream, an executor that counts, and frames as bytes.

mod executor;
mod script;
mod wire;

use websocket_proto::{Config, Connection, Limits, Negotiated, Role, asynchronous::WebSocket};

pub(crate) use self::{
    executor::{Cut, Driver, Task, block_on},
    script::{Pipe, Script, Step},
    wire::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, close, frames, masked, unmasked},
};

/// Settings with which everything but the shortest message waits for room.
pub(crate) fn narrow() -> Config {
    Config::new().limits(Limits::new().output_high_water(10))
}

/// A server over a scripted stream, and the script.
pub(crate) fn server(config: &Config) -> (WebSocket<Pipe>, Script) {
    let (pipe, script) = Pipe::new();
    (
        WebSocket::from_parts(
            pipe,
            Connection::from_negotiated(&Negotiated::new(Role::Server), config),
        ),
        script,
    )
}
