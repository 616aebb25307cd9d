//! What the server needs of the board: a network, a clock and a way to be ended.

use embedded_io_async::{Read, Write};
use websocket_proto::Time;

/// A board. With `embassy-net` and `embassy-time`, each method is a line or two.
#[allow(async_fn_in_trait, reason = "there is one thread")]
pub trait Board {
    /// A connection with a client.
    type Socket: Socket;

    /// Waits for a client. Several tasks wait at a time.
    async fn accept(&self) -> Self::Socket;

    /// Returns the time since the start.
    fn now(&self) -> Time;

    /// Waits until this time.
    async fn until(&self, due: Time);

    /// Waits until the server has to end.
    async fn stopped(&self);
}

/// A connection with a client.
pub trait Socket {
    /// The side to read from.
    type Reader<'a>: Read
    where
        Self: 'a;

    /// The side to write to.
    type Writer<'a>: Write + ShutDown
    where
        Self: 'a;

    /// Returns the two sides, which are used at the same time.
    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>);
}

/// A stream whose write side can be shut down, which `embedded-io-async` has no trait for.
pub trait ShutDown {
    /// Tells the client that nothing more will be written.
    fn shut_down(&mut self);
}
