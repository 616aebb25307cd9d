//! A client's stream, which may be encrypted.

#[cfg(feature = "rustls")]
use alloc::boxed::Box;
use core::time::Duration;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::{
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
};

#[cfg(feature = "rustls")]
use super::Peer;
use crate::io::blocking::{SplitStream, Stream};
#[cfg(feature = "rustls")]
use crate::io::tls::stream::TlsStream;

/// TCP or a Unix socket, with TLS for `wss`.
///
/// All kinds have a second handle, so that two threads can use the two directions:
/// [`WebSocket::split`](crate::blocking::WebSocket::split).
#[derive(Debug)]
pub struct MaybeTls(Inner);

#[derive(Debug)]
enum Inner {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    /// With the server, or with the proxy before it.
    #[cfg(feature = "rustls")]
    Tls(Box<TlsStream<MaybeTls>>, Peer),
}

/// Evaluates an expression with the inner stream.
macro_rules! delegate {
    ($self:ident, $stream:ident => $value:expr) => {
        match $self {
            MaybeTls(Inner::Tcp($stream)) => $value,
            #[cfg(unix)]
            MaybeTls(Inner::Unix($stream)) => $value,
            #[cfg(feature = "rustls")]
            MaybeTls(Inner::Tls($stream, _)) => $value,
        }
    };
}

impl MaybeTls {
    pub(super) const fn of_tcp(stream: TcpStream) -> Self {
        Self(Inner::Tcp(stream))
    }

    #[cfg(unix)]
    pub(super) const fn of_unix(stream: UnixStream) -> Self {
        Self(Inner::Unix(stream))
    }

    #[cfg(feature = "rustls")]
    pub(super) fn of_tls(stream: TlsStream<Self>, peer: Peer) -> Self {
        Self(Inner::Tls(Box::new(stream), peer))
    }

    /// Returns the TCP stream, which may be connected to a proxy, or `None` for a Unix socket. With TLS, only its
    /// addresses and options are useful.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            Inner::Tcp(stream) => Some(stream),
            #[cfg(unix)]
            Inner::Unix(_) => None,
            #[cfg(feature = "rustls")]
            Inner::Tls(stream, _) => stream.stream().tcp(),
        }
    }

    /// Returns the TLS stream with the server, for example to inspect its certificates; `None` for `ws`.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(&self) -> Option<&TlsStream<Self>> {
        match &self.0 {
            Inner::Tls(stream, Peer::Server) => Some(stream),
            _ => None,
        }
    }

    /// Returns whether the stream is encrypted all the way to the server.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        match self.0 {
            #[cfg(feature = "rustls")]
            Inner::Tls(_, Peer::Server) => true,
            _ => false,
        }
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
        delegate!(self, stream => Stream::shutdown(stream, how))
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        delegate!(self, stream => Stream::set_read_timeout(stream, timeout))
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        delegate!(self, stream => Stream::set_write_timeout(stream, timeout))
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
        Ok(Self(match &self.0 {
            Inner::Tcp(stream) => Inner::Tcp(stream.try_clone()?),
            #[cfg(unix)]
            Inner::Unix(stream) => Inner::Unix(stream.try_clone()?),
            #[cfg(feature = "rustls")]
            Inner::Tls(stream, peer) => Inner::Tls(Box::new(stream.try_clone()?), *peer),
        }))
    }
}
