//! TLS over a blocking stream.

use alloc::sync::Arc;
use core::time::Duration;
use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::Shutdown,
    time::Instant,
};

use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection, pki_types::ServerName};

use super::{
    Stream,
    transport::{self, SHORTEST},
};
use crate::error::{Error, Phase};

/// TLS over a stream, for either role.
///
/// A server passes it to [`WebSocket::accept`](super::WebSocket::accept); a client gets one from
/// [`connect`](super::connect) or makes it over a stream of its own.
///
/// A bound on the time of a read or write holds for the whole of it, however many pieces it takes. Shutting down tells
/// the peer of it (`close_notify`); an end without that is taken for an end, since WebSocket has a Close of its own. With
/// a non-blocking stream, whatever returns `WouldBlock` goes on when it is called again.
///
/// It has no second handle, so that a WebSocket over it cannot be split.
#[derive(Debug)]
pub struct TlsStream<S> {
    tls: Connection,
    stream: S,
    read_timeout: Option<Duration>,
    /// Whether the timeout of the stream was shortened for the rest of a read.
    shortened: bool,
}

impl<S: Stream> TlsStream<S> {
    /// TLS of a client over a stream to the server, whose certificate must be for `host`: a name or an IP address.
    ///
    /// The handshake is done when this returns, and the server is who it claims to be. `deadline` bounds it.
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

    pub(super) fn client_for(
        stream: S,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
        deadline: Option<Instant>,
    ) -> Result<Self, Error> {
        Self::start(ClientConnection::new(config, name)?.into(), stream, deadline)
    }

    /// TLS of a server over a stream of which nothing was read. The handshake is done when this returns. `deadline`
    /// bounds it.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`]; [`Error::TimedOut`]; [`Error::Io`].
    pub fn server(stream: S, config: Arc<ServerConfig>, deadline: impl Into<Option<Instant>>) -> Result<Self, Error> {
        Self::start(ServerConnection::new(config)?.into(), stream, deadline.into())
    }

    /// The stream below.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// What rustls knows of the connection: the certificates of the peer, versions, the name that a client asked for.
    #[must_use]
    pub const fn tls(&self) -> &Connection {
        &self.tls
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
                // The alert says why.
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
            tls,
            stream,
            read_timeout: None,
            shortened: false,
        })
    }

    /// Writes what is encrypted.
    fn write_encrypted(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads until there is something to return.
    fn read_decrypted(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut deadline = None;
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if let Some(timeout) = self.read_timeout {
                // The stream bounds each read by itself, of which this one may take several.
                match deadline {
                    None => deadline = Some(transport::deadline(Some(timeout))),
                    Some(deadline) => {
                        let left = deadline.saturating_duration_since(Instant::now());
                        if left < SHORTEST {
                            return Err(ErrorKind::WouldBlock.into());
                        }
                        self.shortened = true;
                        self.stream.set_read_timeout(Some(left))?;
                    }
                }
            }
            self.tls.read_tls(&mut self.stream)?;
            let processed = self.tls.process_new_packets();
            // An answer, or the alert that says why. What the stream does not take now goes out with the next call.
            let _ = self.write_encrypted();
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }
}

impl<S: Stream> Read for TlsStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read_decrypted(buffer);
        if core::mem::take(&mut self.shortened) {
            self.stream.set_read_timeout(self.read_timeout)?;
        }
        read
    }
}

impl<S: Stream> Write for TlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Behind this there is room for some bytes more.
        self.write_encrypted()?;
        let taken = self.tls.writer().write(bytes)?;
        // The bytes are taken; an error comes up with the next call.
        let _ = self.write_encrypted();
        Ok(taken)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_encrypted()?;
        let taken = self.tls.writer().write_vectored(slices)?;
        let _ = self.write_encrypted();
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_encrypted()?;
        self.stream.flush()
    }
}

impl<S: Stream> Stream for TlsStream<S> {
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.tls.send_close_notify();
            // The peer may be gone, or not reading any more. The end of the stream tells it as well.
            let _ = self.write_encrypted();
        }
        self.stream.shutdown(how)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.read_timeout = timeout;
        self.stream.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)
    }
}

fn is_not_ready(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
