//! What a runtime brings: streams and time.

use core::task::{Context, Poll};
use std::io::{self, IoSlice};

use crate::connection::Time;

/// A stream of a runtime, and the timer that goes with it.
///
/// The shells of this crate bring theirs: [`tokio::Io`](crate::tokio::Io) and [`futures::Io`](crate::futures::Io).
/// Implement it for another runtime to get a whole shell for it.
///
/// Each method registers the task of its context to be woken if it returns [`Poll::Pending`], independently for the two
/// directions.
pub trait Transport: Unpin {
    /// The timer of the same runtime.
    type Timer: Timer;

    /// Reads into `buffer`, which is not empty. `0` is the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of the stream, but neither `WouldBlock` nor `Interrupted`.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes some of the bytes of `slices`, of which the first is not empty.
    ///
    /// # Errors
    ///
    /// Those of the stream, but neither `WouldBlock` nor `Interrupted`.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Passes on what the stream has buffered.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Shuts the write side down.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A timer of a runtime.
pub trait Timer: Unpin {
    /// A timer whose origin is now.
    fn new() -> Self;

    /// The time since the origin.
    fn now(&self) -> Time;

    /// Waits until `due`. A call with another `due` takes the place of the one before.
    fn poll_until(&mut self, due: Time, cx: &mut Context<'_>) -> Poll<()>;
}

/// Takes an end of TLS without its notice for an end. WebSocket has a Close of its own, and a connection that ends without
/// one has failed in either case (RFC 6455 §7.1.5); many peers leave the notice out behind a Close.
pub(crate) fn end_without_notice(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}
