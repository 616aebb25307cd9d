//! What a blocking stream can do beyond reading and writing.

use core::time::Duration;
use std::{
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
};

/// A stream that a [`WebSocket`](super::WebSocket) can run over.
///
/// Beyond [`Read`] and [`Write`], a stream says how it is shut down and how the time of a read or write is bounded.
/// Both have a default that does nothing, so that `impl Stream for MyStream {}` is enough; [`Plain`] does that for a
/// stream of another crate. Without bounded times, deadlines only pass when the stream returns.
pub trait Stream: Read + Write {
    /// Shuts one or both directions down. The other side sees the end of the stream.
    ///
    /// # Errors
    ///
    /// Those of the stream. They are ignored: the stream is about to be dropped.
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        match how {
            Shutdown::Read => Ok(()),
            Shutdown::Write | Shutdown::Both => self.flush(),
        }
    }

    /// Bounds how long one read may block; it then returns [`io::ErrorKind::WouldBlock`] or
    /// [`io::ErrorKind::TimedOut`]. `None` is no bound. It is never zero.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn set_read_timeout(&mut self, _timeout: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    /// Bounds how long one write may block, in the same way.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn set_write_timeout(&mut self, _timeout: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

/// A stream whose two directions can be used from two threads at the same time.
pub trait SplitStream: Stream + Sized {
    /// A second handle of the same stream.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn try_clone(&self) -> io::Result<Self>;
}

macro_rules! socket {
    ($socket:ty) => {
        impl Stream for $socket {
            fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
                <$socket>::shutdown(self, how)
            }

            fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                <$socket>::set_read_timeout(self, timeout)
            }

            fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                <$socket>::set_write_timeout(self, timeout)
            }
        }

        impl SplitStream for $socket {
            fn try_clone(&self) -> io::Result<Self> {
                <$socket>::try_clone(self)
            }
        }
    };
}

socket!(TcpStream);
#[cfg(unix)]
socket!(std::os::unix::net::UnixStream);

impl<S: Stream + ?Sized> Stream for Box<S> {
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        (**self).shutdown(how)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_write_timeout(timeout)
    }
}

/// Any [`Read`] and [`Write`] as a [`Stream`] without shutdown or bounded times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain<S>(pub S);

impl<S: Read> Read for Plain<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S: Write> Write for Plain<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write> Stream for Plain<S> {}
