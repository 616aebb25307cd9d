//! The stream traits: what a blocking stream can do beyond reading and writing.

use core::time::Duration;
use std::{
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
};

/// A stream that a [`WebSocket`](super::WebSocket) can run over.
///
/// Beyond [`Read`] and [`Write`], a stream can be shut down, and its reads and writes can have timeouts. Every method
/// has a default that does nothing, so `impl Stream for MyStream {}` is enough; [`Plain`] wraps a stream of another
/// crate in this way. Without timeouts, deadlines are checked only when a call of the stream returns, and a write that
/// waits for the peer does not read meanwhile. Without a shutdown, a connection ends without waiting for the peer to
/// read the last bytes sent.
///
/// # Streams of unknown type
///
/// `Box<dyn Stream + Send>` is a stream and passes all methods on. If only [`Read`] and [`Write`] are known, wrap the
/// stream in [`Plain`]; it then has neither a shutdown nor timeouts. Neither can be cloned into a second handle, so a
/// boxed stream cannot be [split](super::WebSocket::split).
///
/// ```no_run
/// use std::{io::{Read, Write}, net::TcpStream};
/// use websocket_proto::blocking::{Plain, Stream, WebSocket};
///
/// let stream: Box<dyn Stream + Send> = Box::new(TcpStream::connect("localhost:9001")?);
/// let websocket = WebSocket::client(stream, "ws://localhost:9001/".parse()?)?;
///
/// // A trait object can name one trait besides `Send` and other auto traits, so combine the two in your own.
/// trait ReadWrite: Read + Write {}
/// impl<S: Read + Write> ReadWrite for S {}
/// let stream: Box<dyn ReadWrite + Send> = Box::new(TcpStream::connect("localhost:9001")?);
/// let websocket = WebSocket::client(Plain(stream), "ws://localhost:9001/".parse()?)?;
/// # Ok::<(), websocket_proto::Error>(())
/// ```
///
/// # Timeouts of the application
///
/// A WebSocket bounds reads by its own deadlines, and each write to a few milliseconds. A timeout that the application
/// has set on the stream applies as well: a call that makes no progress for that long returns
/// [`Error::Io`](crate::Error::Io) with `WouldBlock`, and loses nothing. It may be set and changed at any time. To
/// remove it while a deadline is running, set a very long timeout instead, since the shell has its own timeout on the
/// stream then. [`WebSocket::into_parts`](super::WebSocket::into_parts) leaves only the application's timeout on the
/// stream.
pub trait Stream: Read + Write {
    /// Shuts down one or both directions. The peer sees the end of the stream.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) if the peer sees the end only when the stream is dropped; the
    /// default returns it after a flush. A WebSocket that has nothing more to send then does not wait for the peer.
    /// Other errors are ignored: the stream is about to be dropped.
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.flush()?;
        }
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Limits how long one read may block. It then returns [`io::ErrorKind::WouldBlock`] or
    /// [`io::ErrorKind::TimedOut`]. `None` means no limit; the limit is never zero.
    ///
    /// # Errors
    ///
    /// The errors of the stream.
    fn set_read_timeout(&mut self, _timeout: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    /// Limits how long one write may block, in the same way.
    ///
    /// # Errors
    ///
    /// The errors of the stream.
    fn set_write_timeout(&mut self, _timeout: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    /// Returns the current read timeout. Without this method, a timeout that the application has set earlier is
    /// unknown, and lost when the shell sets another.
    ///
    /// # Errors
    ///
    /// The errors of the stream.
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
    }

    /// Returns the current write timeout, in the same way.
    ///
    /// # Errors
    ///
    /// The errors of the stream.
    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
    }
}

/// A stream whose two directions can be used from two threads at the same time.
pub trait SplitStream: Stream + Sized {
    /// Returns a second handle to the same stream.
    ///
    /// # Errors
    ///
    /// The errors of the stream.
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

/// Makes any [`Read`] and [`Write`] a [`Stream`] without shutdown and timeouts.
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
