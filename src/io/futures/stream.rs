//! A client's stream, which may be encrypted.

#[cfg(feature = "futures-rustls")]
use alloc::boxed::Box;
#[cfg(feature = "futures-rustls")]
use core::task::Waker;
use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::{
    io::{self, IoSlice},
    net::{Shutdown, TcpStream},
};

use async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};

#[cfg(feature = "futures-rustls")]
use crate::io::connect::Peer;

/// TCP or a Unix socket, with TLS for `wss`.
///
/// When it is dropped, TLS notifies its peer with `close_notify`, if the socket accepts that at once ([RFC 8446
/// §6.1](https://www.rfc-editor.org/rfc/rfc8446#section-6.1)).
#[derive(Debug)]
pub struct MaybeTls(Inner);

#[derive(Debug)]
enum Inner {
    Tcp(Async<TcpStream>),
    #[cfg(unix)]
    Unix(Async<UnixStream>),
    /// With the server, or with the proxy before it.
    #[cfg(feature = "futures-rustls")]
    Tls(Box<futures_rustls::client::TlsStream<MaybeTls>>, Peer),
}

impl MaybeTls {
    pub(super) const fn of_tcp(stream: Async<TcpStream>) -> Self {
        Self(Inner::Tcp(stream))
    }

    #[cfg(unix)]
    pub(super) const fn of_unix(stream: Async<UnixStream>) -> Self {
        Self(Inner::Unix(stream))
    }

    #[cfg(feature = "futures-rustls")]
    pub(super) fn of_tls(stream: futures_rustls::client::TlsStream<Self>, peer: Peer) -> Self {
        Self(Inner::Tls(Box::new(stream), peer))
    }

    /// Returns the TCP stream, which is non-blocking and may be connected to a proxy, or `None` for a Unix socket. Only
    /// its addresses and options are useful.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            Inner::Tcp(stream) => Some(stream.get_ref()),
            #[cfg(unix)]
            Inner::Unix(_) => None,
            #[cfg(feature = "futures-rustls")]
            Inner::Tls(stream, _) => stream.get_ref().0.tcp(),
        }
    }

    /// Returns whether the stream is encrypted all the way to the server.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        match self.0 {
            #[cfg(feature = "futures-rustls")]
            Inner::Tls(_, Peer::Server) => true,
            _ => false,
        }
    }
}

#[cfg(feature = "futures-rustls")]
impl Drop for MaybeTls {
    fn drop(&mut self) {
        if let Inner::Tls(stream, _) = &mut self.0 {
            // Nothing more can be done about a server that does not read.
            let _ = Pin::new(&mut **stream).poll_close(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// Calls a method of the inner stream.
macro_rules! delegate {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match &mut $self.as_mut().get_mut().0 {
            Inner::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(unix)]
            Inner::Unix(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "futures-rustls")]
            Inner::Tls(stream, _) => Pin::new(&mut **stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for MaybeTls {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        delegate!(self.poll_read(cx, buffer))
    }
}

impl AsyncWrite for MaybeTls {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self.poll_write_vectored(cx, slices))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_flush(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(delegate!(self.poll_close(cx)))?;
        // `Async` itself only flushes, so the peer would not learn of the end.
        match &self.0 {
            Inner::Tcp(stream) => Poll::Ready(stream.get_ref().shutdown(Shutdown::Write)),
            #[cfg(unix)]
            Inner::Unix(stream) => Poll::Ready(stream.get_ref().shutdown(Shutdown::Write)),
            #[cfg(feature = "futures-rustls")]
            Inner::Tls(..) => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::task::Waker;
    use std::{io::Read, net::TcpListener};

    use super::*;

    fn closed(mut stream: MaybeTls, mut peer: impl Read) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(Pin::new(&mut stream).poll_close(&mut cx), Poll::Ready(Ok(()))));
        // The stream is still there, so this would wait for ever.
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        drop(stream);
    }

    #[test]
    fn closing_tells_the_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        peer.set_nodelay(true).unwrap();
        peer.set_read_timeout(Some(core::time::Duration::from_secs(5))).unwrap();
        closed(MaybeTls::of_tcp(Async::new(near).unwrap()), peer);
        #[cfg(unix)]
        {
            let (near, peer) = UnixStream::pair().unwrap();
            peer.set_read_timeout(Some(core::time::Duration::from_secs(5))).unwrap();
            closed(MaybeTls::of_unix(Async::new(near).unwrap()), peer);
        }
    }
}
