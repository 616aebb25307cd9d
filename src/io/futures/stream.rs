//! A client's stream, which may be encrypted.

#[cfg(feature = "futures-rustls")]
use alloc::boxed::Box;
use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::{
    io::{self, IoSlice},
    net::TcpStream,
};

use async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};

/// A TCP stream, with TLS for `wss`.
#[derive(Debug)]
pub struct MaybeTls(Inner);

#[derive(Debug)]
enum Inner {
    Plain(Async<TcpStream>),
    #[cfg(feature = "futures-rustls")]
    Tls(Box<futures_rustls::client::TlsStream<Async<TcpStream>>>),
}

impl MaybeTls {
    pub(super) const fn plain(stream: Async<TcpStream>) -> Self {
        Self(Inner::Plain(stream))
    }

    #[cfg(feature = "futures-rustls")]
    pub(super) fn tls(stream: futures_rustls::client::TlsStream<Async<TcpStream>>) -> Self {
        Self(Inner::Tls(Box::new(stream)))
    }

    /// Returns the TCP stream, which is non-blocking and may be connected to a proxy. Only its addresses and options
    /// are useful.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Inner::Plain(stream) => stream.get_ref(),
            #[cfg(feature = "futures-rustls")]
            Inner::Tls(stream) => stream.get_ref().0.get_ref(),
        }
    }

    /// Returns whether the stream is encrypted.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        !matches!(self.0, Inner::Plain(_))
    }
}

/// Calls a method of the inner stream.
macro_rules! delegate {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match &mut $self.get_mut().0 {
            Inner::Plain(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "futures-rustls")]
            Inner::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for MaybeTls {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        delegate!(self.poll_read(cx, buffer))
    }
}

impl AsyncWrite for MaybeTls {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self.poll_write_vectored(cx, slices))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_close(cx))
    }
}
