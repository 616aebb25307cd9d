//! WebSockets over blocking streams, with a thread for each, or over non-blocking streams polled by an event loop.
//!
//! ```no_run
//! use std::{net::{TcpListener, TcpStream}, thread};
//! use websocket_proto::{Error, blocking::WebSocket};
//!
//! fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:9001")?;
//!     loop {
//!         let (stream, peer) = listener.accept()?;
//!         thread::spawn(move || {
//!             if let Err(error) = echo(stream) {
//!                 eprintln!("{peer}: {error}");
//!             }
//!         });
//!     }
//! }
//!
//! fn echo(stream: TcpStream) -> Result<(), Error> {
//!     stream.set_nodelay(true)?;
//!     let mut websocket = WebSocket::accept(stream)?;
//!     while let Some((message, outbound)) = websocket.recv_split()? {
//!         outbound.feed(message)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! [`WebSocket::accept_with`] checks the origin of browsers. A client begins with [`connect`].
//!
//! # Non-blocking streams
//!
//! When the stream is not ready, every call returns [`Error::Io`](crate::Error::Io) with `WouldBlock`. The next call
//! continues where it stopped: no byte is lost in either direction. For the opening handshake, use [`Acceptor`] or
//! [`Connector`], which keep its state. For a server with many connections, the bare [`Connection`](crate::Connection)
//! is a better fit: see `examples/echo_mio.rs`.

mod clock;
mod constructors;
mod drive;
mod limit;
mod opening;
mod pool;
mod split;
mod stream;
mod transport;
mod websocket;
mod whole;

pub use self::{
    opening::{Acceptor, Connector},
    split::{RecvHalf, SendHalf},
    stream::{Plain, SplitStream, Stream},
    websocket::WebSocket,
};
pub use super::connect::{
    MaybeTls,
    blocking::{connect, connect_with, open_stream},
};
#[cfg(feature = "rustls")]
pub use super::tls::stream::TlsStream;
