//! A client's stream, which may be encrypted.

#[cfg(feature = "tokio-rustls")]
use alloc::boxed::Box;
#[cfg(feature = "tokio-rustls")]
use core::{
    future::{Future, poll_fn},
    pin::pin,
    task::Waker,
};
use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::io::{self, IoSlice};

#[cfg(unix)]
use ::tokio::net::UnixStream;
#[cfg(feature = "tokio-rustls")]
use ::tokio::task::unconstrained;
use ::tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

#[cfg(feature = "tokio-rustls")]
use crate::io::connect::Peer;

/// TCP or a Unix socket, with TLS for `wss`.
///
/// When it is dropped, TLS notifies its peer with `close_notify`, if the socket accepts that at once ([RFC 8446
/// §6.1](https://www.rfc-editor.org/rfc/rfc8446#section-6.1)).
#[derive(Debug)]
pub struct MaybeTls(Inner);

#[derive(Debug)]
enum Inner {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    /// With the server, or with the proxy before it.
    #[cfg(feature = "tokio-rustls")]
    Tls(Box<tokio_rustls::client::TlsStream<MaybeTls>>, Peer),
}

impl MaybeTls {
    pub(super) const fn of_tcp(stream: TcpStream) -> Self {
        Self(Inner::Tcp(stream))
    }

    #[cfg(unix)]
    pub(super) const fn of_unix(stream: UnixStream) -> Self {
        Self(Inner::Unix(stream))
    }

    #[cfg(feature = "tokio-rustls")]
    pub(super) fn of_tls(stream: tokio_rustls::client::TlsStream<Self>, peer: Peer) -> Self {
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
            #[cfg(feature = "tokio-rustls")]
            Inner::Tls(stream, _) => stream.get_ref().0.tcp(),
        }
    }

    /// Returns whether the stream is encrypted all the way to the server.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        match self.0 {
            #[cfg(feature = "tokio-rustls")]
            Inner::Tls(_, Peer::Server) => true,
            _ => false,
        }
    }
}

#[cfg(feature = "tokio-rustls")]
impl Drop for MaybeTls {
    fn drop(&mut self) {
        if let Inner::Tls(stream, _) = &mut self.0 {
            // Whatever the task has done before. Nothing more can be done about a server that does not read.
            let shutdown = unconstrained(poll_fn(|cx| Pin::new(&mut **stream).poll_shutdown(cx)));
            let _ = pin!(shutdown).poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// Calls a method of the inner stream.
macro_rules! delegate {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match &mut $self.get_mut().0 {
            Inner::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(unix)]
            Inner::Unix(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "tokio-rustls")]
            Inner::Tls(stream, _) => Pin::new(&mut **stream).$method($($argument),*),
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
            Inner::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Inner::Unix(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tokio-rustls")]
            Inner::Tls(stream, _) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_shutdown(cx))
    }
}
