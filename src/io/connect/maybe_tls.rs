//! A client's stream, which may be encrypted.

use core::time::Duration;
use std::{
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
};

use crate::io::blocking::{SplitStream, Stream};
#[cfg(feature = "rustls")]
use crate::io::tls::stream::TlsStream;

/// A TCP stream, with TLS for `wss`.
///
/// Both kinds have a second handle, so that two threads can use the two directions:
/// [`WebSocket::split`](crate::blocking::WebSocket::split).
#[derive(Debug)]
#[non_exhaustive]
pub enum MaybeTls {
    /// `ws`: plain TCP.
    Plain(TcpStream),
    /// `wss`: TLS over TCP.
    #[cfg(feature = "rustls")]
    Tls(TlsStream<TcpStream>),
}

/// Evaluates an expression with the inner stream.
macro_rules! delegate {
    ($self:ident, $stream:ident => $value:expr) => {
        match $self {
            MaybeTls::Plain($stream) => $value,
            #[cfg(feature = "rustls")]
            MaybeTls::Tls($stream) => $value,
        }
    };
}

impl MaybeTls {
    /// Returns the TCP stream, which may be connected to a proxy. With TLS, only its addresses and options are useful.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "rustls")]
            Self::Tls(stream) => stream.stream(),
        }
    }

    /// Returns whether the stream is encrypted.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }
}

impl Read for MaybeTls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        delegate!(self, stream => stream.read(buffer))
    }
}

impl Write for MaybeTls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        delegate!(self, stream => stream.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        delegate!(self, stream => stream.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        delegate!(self, stream => stream.flush())
    }
}

impl Stream for MaybeTls {
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        delegate!(self, stream => Stream::shutdown(&mut *stream, how))
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        delegate!(self, stream => Stream::set_read_timeout(&mut *stream, timeout))
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        delegate!(self, stream => Stream::set_write_timeout(&mut *stream, timeout))
    }

    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        delegate!(self, stream => Stream::read_timeout(stream))
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        delegate!(self, stream => Stream::write_timeout(stream))
    }
}

impl SplitStream for MaybeTls {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Plain(stream) => stream.try_clone().map(Self::Plain),
            #[cfg(feature = "rustls")]
            Self::Tls(stream) => stream.try_clone().map(Self::Tls),
        }
    }
}
