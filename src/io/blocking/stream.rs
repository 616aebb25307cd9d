//! What a blocking stream can do beyond reading and writing.

use core::time::Duration;
use std::{
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
};

/// A stream that a [`WebSocket`](super::WebSocket) can run over.
///
/// Beyond [`Read`] and [`Write`], a stream says how it is shut down and how the time of a read or write is bounded.
/// All of it has a default that does nothing, so that `impl Stream for MyStream {}` is enough; [`Plain`] does that for a
/// stream of another crate. Without bounded times, deadlines only pass when the stream returns, and a write that waits for the
/// peer does not read meanwhile. Without a shutdown, a connection ends without waiting for the peer to read what was sent last.
///
/// # Streams whose type is not known
///
/// A `Box<dyn Stream + Send>` is a stream, with all that the boxed one can do. If only [`Read`] and [`Write`] are known, the stream
/// goes into [`Plain`], and can neither be shut down nor bounded. A second handle is lost with either, so a boxed stream
/// cannot be [split](super::WebSocket::split).
///
/// ```no_run
/// use std::{io::{Read, Write}, net::TcpStream};
/// use websocket_proto::blocking::{Plain, Stream, WebSocket};
///
/// let stream: Box<dyn Stream + Send> = Box::new(TcpStream::connect("localhost:9001")?);
/// let websocket = WebSocket::client(stream, "ws://localhost:9001/".parse()?)?;
///
/// // A trait object has one trait besides `Send` and its like, so two need one of your own.
/// trait ReadWrite: Read + Write {}
/// impl<S: Read + Write> ReadWrite for S {}
/// let stream: Box<dyn ReadWrite + Send> = Box::new(TcpStream::connect("localhost:9001")?);
/// let websocket = WebSocket::client(Plain(stream), "ws://localhost:9001/".parse()?)?;
/// # Ok::<(), websocket_proto::Error>(())
/// ```
///
/// # Time limits of the application
///
/// A WebSocket bounds reads by its own deadlines, and writes to a few milliseconds at a time. A limit that the application has
/// set on the stream holds beside these: a call that makes no progress for so long returns
/// [`Error::Io`](crate::Error::Io) with `WouldBlock`, and loses nothing. It may be set and changed at any time; to take it off
/// while a deadline runs, which has set a limit of its own, set a very long one instead.
/// [`WebSocket::into_parts`](super::WebSocket::into_parts) leaves just that limit on the stream.
pub trait Stream: Read + Write {
    /// Shuts one or both directions down. The other side sees the end of the stream.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported), as the default returns after a flush, if the other side sees the end only when the
    /// stream is dropped. A WebSocket that has nothing more to say then does not wait for the other side. Other errors are
    /// ignored: the stream is about to be dropped.
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.flush()?;
        }
        Err(io::ErrorKind::Unsupported.into())
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

    /// The bound of reads that the stream has at the moment. Without it, a bound that the application has set before is not
    /// known, and is lost when another one is set.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
    }

    /// The bound of writes, in the same way.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
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

            fn read_timeout(&self) -> io::Result<Option<Duration>> {
                <$socket>::read_timeout(self)
            }

            fn write_timeout(&self) -> io::Result<Option<Duration>> {
                <$socket>::write_timeout(self)
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

    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        (**self).read_timeout()
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        (**self).write_timeout()
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
