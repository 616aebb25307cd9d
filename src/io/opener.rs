//! The opening handshake over a stream, shared by the blocking and async shells.

use core::task::Poll;
use std::io::{self, ErrorKind};

use crate::{
    connection::Step,
    error::Error,
    handshake::{Handshake, HandshakeError, Opening},
};

/// Bytes of one read. A browser's request has about 600 bytes.
const READ: usize = 2 << 10;

/// The stream calls that an opening handshake makes. [`Poll::Pending`] means that the stream is not ready.
pub(super) trait Calls {
    fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>>;
    fn flush(&mut self) -> Poll<io::Result<()>>;
    /// [`Unsupported`](ErrorKind::Unsupported) ends the stream. Other errors are ignored, since the peer may be gone
    /// already.
    fn shutdown(&mut self) -> Poll<io::Result<()>>;
}

/// An opening handshake and the error of its stream. It performs the steps that move bytes; the shell keeps time and
/// waits.
#[derive(Debug)]
pub(super) struct Opener<H: Handshake> {
    pub(super) opening: Opening<H>,
    error: Option<io::Error>,
}

impl<H: Handshake> Opener<H> {
    pub(super) const fn new(opening: Opening<H>) -> Self {
        Self { opening, error: None }
    }

    /// Performs a step that moves bytes. Returns whether it was a step of the write side and the stream was not ready.
    pub(super) fn perform(&mut self, step: Step, calls: &mut impl Calls) -> bool {
        let opening = &mut self.opening;
        let written = match step {
            Step::Write => match calls.write(opening.chunk()) {
                Poll::Ready(Ok(0)) => Poll::Ready(Err(ErrorKind::WriteZero.into())),
                written => written.map_ok(|n| opening.wrote(n)),
            },
            Step::Flush => calls.flush().map_ok(|()| opening.flushed()),
            Step::Shutdown => calls.shutdown().map(|shut_down| {
                opening.shut_down();
                if shut_down.is_err_and(|error| error.kind() == ErrorKind::Unsupported) {
                    // The peer sees no end until the stream is dropped, so do not wait for its own.
                    opening.read_ended();
                }
                Ok(())
            }),
            _ => {
                self.read(calls);
                return false;
            }
        };
        match written {
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => {
                self.error.get_or_insert(error);
                self.opening.write_failed();
                false
            }
            Poll::Pending => {
                self.opening.write_blocked();
                true
            }
        }
    }

    fn read(&mut self, calls: &mut impl Calls) {
        let mut buffer = [0; READ];
        match calls.read(&mut buffer) {
            Poll::Ready(Ok(0)) => self.opening.read_ended(),
            Poll::Ready(Ok(n)) => self.opening.read(&buffer[..n]),
            Poll::Ready(Err(error)) => {
                self.error.get_or_insert(error);
                self.opening.read_failed();
            }
            Poll::Pending => self.opening.read_blocked(),
        }
    }

    /// Returns the peer's head, or why there is none. An end of stream that an I/O error explains is reported as that
    /// error.
    pub(super) fn outcome(&mut self) -> Result<H::Received, Error> {
        let outcome = self.opening.outcome();
        outcome.map_err(|error| match (error, self.error.take()) {
            (HandshakeError::Eof, Some(cause)) => cause.into(),
            (error, _) => error.into(),
        })
    }
}
