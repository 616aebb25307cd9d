//! TLS over a stream of tokio.

use alloc::sync::Arc;
use core::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};
use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection, pki_types::ServerName};

use crate::error::Error;

/// TLS over a stream, for either role.
///
/// A server passes it to [`WebSocket::accept`](super::WebSocket::accept); a client gets one from
/// [`connect`](super::connect), or makes it over its own stream. The streams of other TLS libraries work as well.
///
/// Shutting down sends `close_notify` ([RFC 8446 §6.1]), and so does dropping once the peer has sent it. Reading from a
/// stream that the peer ended without it fails with [`io::ErrorKind::UnexpectedEof`].
///
/// At most 64 KiB of encrypted bytes wait to be written, and at most 34 KiB of received bytes wait to be read.
///
/// [RFC 8446 §6.1]: https://www.rfc-editor.org/rfc/rfc8446#section-6.1
#[derive(Debug)]
pub struct TlsStream<S: AsyncRead + AsyncWrite + Unpin> {
    tls: Connection,
    stream: S,
    /// Whether `close_notify` is queued or sent.
    is_shut_down: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// TLS of a client over a stream to the server, whose certificate must be for `host`: a name or an IP address.
    ///
    /// When this returns, the handshake is complete and the certificate is verified. It has no time limit.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`]; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the stream is dropped with it.
    pub async fn client(stream: S, host: &str, config: Arc<ClientConfig>) -> Result<Self, Error> {
        Self::client_for(stream, crate::io::tls::server_name(host)?, config).await
    }

    pub(super) async fn client_for(
        stream: S,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    ) -> Result<Self, Error> {
        Self::start(ClientConnection::new(config, name)?.into(), stream).await
    }

    /// TLS of a server over a stream from which nothing was read.
    ///
    /// When this returns, the handshake is complete. It has no time limit.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`]; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the stream is dropped with it.
    pub async fn server(stream: S, config: Arc<ServerConfig>) -> Result<Self, Error> {
        Self::start(ServerConnection::new(config)?.into(), stream).await
    }

    async fn start(tls: Connection, stream: S) -> Result<Self, Error> {
        let mut started = Self {
            tls,
            stream,
            is_shut_down: false,
        };
        poll_fn(|cx| started.poll_handshake(cx)).await?;
        Ok(started)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            ready!(self.poll_send(cx))?;
            if !self.tls.is_handshaking() {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            if ready!(self.poll_receive(cx))? == 0 {
                return Poll::Ready(Err(io::Error::from(ErrorKind::UnexpectedEof).into()));
            }
            if let Err(error) = self.tls.process_new_packets() {
                self.send_alert(cx);
                return Poll::Ready(Err(error.into()));
            }
        }
    }

    /// Receives encrypted bytes. `0` is the end of the stream, or follows `close_notify`.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = &mut self.stream;
        as_poll(self.tls.read_tls(&mut Blocking { stream, cx }))
    }

    /// Writes all encrypted bytes that wait.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            let stream = &mut self.stream;
            if ready!(as_poll(self.tls.write_tls(&mut Blocking { stream, cx })))? == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the alert that tells the peer why TLS failed, as far as the stream takes it now.
    fn send_alert(&mut self, cx: &mut Context<'_>) {
        let _ = self.poll_send(cx);
        let _ = Pin::new(&mut self.stream).poll_flush(cx);
    }

    /// The stream below.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// The state of the TLS connection: the certificates of the peer, versions, the name that a client asked for.
    #[must_use]
    pub const fn tls(&self) -> &Connection {
        &self.tls
    }
}

/// Answers `close_notify` (RFC 8446 §6.1), as far as the stream takes it now.
impl<S: AsyncRead + AsyncWrite + Unpin> Drop for TlsStream<S> {
    fn drop(&mut self) {
        let is_ended = self
            .tls
            .process_new_packets()
            .is_ok_and(|state| state.peer_has_closed());
        if is_ended && !self.is_shut_down {
            self.tls.send_close_notify();
            let _ = self.poll_send(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if take_decrypted(&mut self.tls, buffer)? {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx))?;
            // Answers wait for the next write: writing here would take the place of the task that waits to write.
            if let Err(error) = self.tls.process_new_packets() {
                self.send_alert(cx);
                return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, error)));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Then there is room for more bytes.
        ready!(self.poll_send(cx))?;
        let taken = self.tls.writer().write_vectored(slices)?;
        // The bytes are taken. The next call writes what the stream does not take now, and reports an error.
        let _ = self.poll_send(cx);
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut_down {
            self.is_shut_down = true;
            self.tls.send_close_notify();
        }
        // A stream that takes no more is shut down all the same.
        if self.poll_send(cx).is_pending() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Takes decrypted bytes. Returns whether there were any, or the peer has sent `close_notify`.
fn take_decrypted(tls: &mut Connection, buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
    let before = buffer.filled().len();
    let mut reader = tls.reader();
    while buffer.remaining() > 0 {
        // Copied piece by piece, since `read` would need memory that is initialised.
        match reader.fill_buf() {
            Ok([]) => return Ok(true),
            Ok(bytes) => {
                let n = bytes.len().min(buffer.remaining());
                buffer.put_slice(&bytes[..n]);
                reader.consume(n);
            }
            Err(_) if buffer.filled().len() > before => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// A stream of tokio as one that rustls reads and writes; it refuses with `WouldBlock` where the task has to wait.
struct Blocking<'a, 'w, S> {
    stream: &'a mut S,
    cx: &'a mut Context<'w>,
}

impl<S: AsyncRead + Unpin> Read for Blocking<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        let read = Pin::new(&mut *self.stream).poll_read(self.cx, &mut buffer);
        as_result(read.map_ok(|()| buffer.filled().len()))
    }
}

impl<S: AsyncWrite + Unpin> Write for Blocking<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        as_result(Pin::new(&mut *self.stream).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        as_result(Pin::new(&mut *self.stream).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        as_result(Pin::new(&mut *self.stream).poll_flush(self.cx))
    }
}

fn as_result<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(done) => done,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

fn as_poll<T>(done: io::Result<T>) -> Poll<io::Result<T>> {
    match done {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}
