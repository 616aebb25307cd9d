//! A client's stream, which may be encrypted.

#[cfg(feature = "tokio-rustls")]
use alloc::boxed::Box;
use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::io::{self, IoSlice};

use ::tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A TCP stream, with TLS for `wss`.
#[derive(Debug)]
pub struct MaybeTls(Inner);

#[derive(Debug)]
enum Inner {
    Plain(TcpStream),
    #[cfg(feature = "tokio-rustls")]
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl MaybeTls {
    pub(super) const fn plain(stream: TcpStream) -> Self {
        Self(Inner::Plain(stream))
    }

    #[cfg(feature = "tokio-rustls")]
    pub(super) fn tls(stream: tokio_rustls::client::TlsStream<TcpStream>) -> Self {
        Self(Inner::Tls(Box::new(stream)))
    }

    /// Returns the TCP stream, which may be connected to a proxy. With TLS, only its addresses and options are useful.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match &self.0 {
            Inner::Plain(stream) => stream,
            #[cfg(feature = "tokio-rustls")]
            Inner::Tls(stream) => stream.get_ref().0,
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
            #[cfg(feature = "tokio-rustls")]
            Inner::Tls(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for MaybeTls {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
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

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Inner::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tokio-rustls")]
            Inner::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_shutdown(cx))
    }
}
