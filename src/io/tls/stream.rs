//! TLS over a blocking stream.

mod session;
mod wait;

use alloc::sync::Arc;
use core::time::Duration;
use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::Shutdown,
    time::Instant,
};

use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection, pki_types::ServerName};

use self::{session::Session, wait::TimeBudget};
use crate::{
    error::{Error, Phase},
    io::{
        SHORTEST,
        blocking::{SplitStream, Stream},
    },
};

/// TLS over a stream, for either role.
///
/// A server passes it to [`WebSocket::accept`](crate::blocking::WebSocket::accept). A client gets one from
/// [`connect`](crate::blocking::connect) or creates it over its own stream.
///
/// A timeout for reads or writes applies to the whole operation, however many records it takes. With a non-blocking
/// stream, repeat a call that returned `WouldBlock` to continue it.
///
/// # Two threads
///
/// If the stream has a second handle ([`SplitStream`]), so does this one, over the same TLS session, and a WebSocket
/// over it can be [split](crate::blocking::WebSocket::split). Reading never waits for writing, nor writing for reading.
/// Two threads that read, or two that write, take turns.
///
/// # The end
///
/// Shutting down the write side sends `close_notify` ([RFC 8446 §6.1]), and so does dropping the last handle, which takes
/// a few milliseconds if the peer does not read. [`Shutdown::Both`] does not wait for another thread that writes, and waits for the peer for a few
/// milliseconds only. A stream that the peer ended without `close_notify` counts as ended, since WebSocket has its own
/// Close.
///
/// # Memory
///
/// At most about 128 KiB wait to be written (64 KiB without a second handle), and about 64 KiB to be read, whatever the
/// peer does.
///
/// [RFC 8446 §6.1]: https://www.rfc-editor.org/rfc/rfc8446#section-6.1
#[derive(Debug)]
pub struct TlsStream<S: Stream> {
    session: Arc<Session>,
    stream: S,
    read_timeout: Option<Duration>,
}

impl<S: Stream> TlsStream<S> {
    /// Performs the TLS handshake of a client over a stream connected to the server. The server's certificate must be
    /// for `host`: a name or an IP address.
    ///
    /// When this returns, the handshake is complete and the server's identity is verified. `deadline` bounds the
    /// handshake.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`]; [`Error::TimedOut`]; [`Error::Io`].
    pub fn client(
        stream: S,
        host: &str,
        config: Arc<ClientConfig>,
        deadline: impl Into<Option<Instant>>,
    ) -> Result<Self, Error> {
        Self::client_for(stream, crate::io::tls::server_name(host)?, config, deadline.into())
    }

    pub(in crate::io) fn client_for(
        stream: S,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
        deadline: Option<Instant>,
    ) -> Result<Self, Error> {
        Self::start(ClientConnection::new(config, name)?.into(), stream, deadline)
    }

    /// Performs the TLS handshake of a server over a stream from which nothing has been read. `deadline` bounds the
    /// handshake. [`Acceptor::over`](crate::blocking::Acceptor::over) passes one that also bounds the opening handshake.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`]; [`Error::TimedOut`]; [`Error::Io`].
    pub fn server(stream: S, config: Arc<ServerConfig>, deadline: impl Into<Option<Instant>>) -> Result<Self, Error> {
        Self::start(ServerConnection::new(config)?.into(), stream, deadline.into())
    }

    /// Returns the underlying stream.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// Calls `look` with the TLS connection, for example to inspect the peer's certificates, the version, or the name
    /// that a client asked for.
    ///
    /// All handles wait while `look` runs, so it must not use one of them.
    pub fn tls<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&self.session.connection())
    }

    fn start(mut tls: Connection, mut stream: S, deadline: Option<Instant>) -> Result<Self, Error> {
        while tls.is_handshaking() || tls.wants_write() {
            if let Some(deadline) = deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                if left < SHORTEST {
                    return Err(Error::TimedOut(Phase::Tls));
                }
                stream.set_read_timeout(Some(left))?;
                stream.set_write_timeout(Some(left))?;
            }
            let moved = if tls.wants_write() {
                tls.write_tls(&mut stream)
            } else {
                tls.read_tls(&mut stream)
            };
            match moved {
                Ok(0) => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if deadline.is_some() && is_not_ready(&error) => continue,
                Err(error) => return Err(error.into()),
            }
            if let Err(error) = tls.process_new_packets() {
                // The alert tells the peer why.
                let _ = tls.write_tls(&mut stream);
                return Err(error.into());
            }
        }
        stream.flush()?;
        if deadline.is_some() {
            stream.set_read_timeout(None)?;
            stream.set_write_timeout(None)?;
        }
        Ok(Self {
            session: Arc::new(Session::new(tls)),
            stream,
            read_timeout: None,
        })
    }
}

impl<S: Stream> Read for TlsStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut wait = TimeBudget::new(self.read_timeout);
        let read = self.session.read(&mut self.stream, buffer, &mut wait);
        if wait.was_shortened {
            self.stream.set_read_timeout(self.read_timeout)?;
        }
        read
    }
}

impl<S: Stream> Write for TlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.session.write(&mut self.stream, &[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.session.write(&mut self.stream, slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.session.flush(&mut self.stream)
    }
}

impl<S: Stream> Stream for TlsStream<S> {
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        match how {
            Shutdown::Read => {}
            // The peer may be gone or no longer reading. The end of the stream is a signal as well.
            Shutdown::Write => drop(self.session.end(&mut self.stream)),
            Shutdown::Both => self.session.end_briefly(&mut self.stream),
        }
        match self.stream.shutdown(how) {
            // `close_notify` is the end of the stream.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
            shut_down => shut_down,
        }
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.read_timeout = timeout;
        self.stream.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.session.set_write_timeout(&mut self.stream, timeout)
    }

    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.stream.read_timeout()
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.stream.write_timeout()
    }
}

impl<S: SplitStream> SplitStream for TlsStream<S> {
    fn try_clone(&self) -> io::Result<Self> {
        let stream = self.stream.try_clone()?;
        Ok(Self {
            session: self.session.handle(),
            stream,
            read_timeout: self.read_timeout,
        })
    }
}

impl<S: Stream> Drop for TlsStream<S> {
    fn drop(&mut self) {
        if self.session.drop_handle() {
            self.session.end_briefly(&mut self.stream);
        }
    }
}

fn is_not_ready(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
