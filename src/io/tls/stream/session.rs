//! A TLS session shared by the handles of a stream.
//!
//! ```text
//!   reading:  stream --> Incoming --+         +--> bytes
//!                                   v         |
//!                                 Connection (rustls)
//!                                   |         ^
//!   writing:  stream <-- Outgoing <-+         +--- bytes
//! ```
//!
//! Each of the three has a lock. The locks of the two sides are held while the stream is read or written, since records
//! must be decrypted in the order in which they arrive, and arrive in the order in which they were encrypted. The
//! connection's lock is held only while bytes are encrypted or decrypted. So neither direction ever waits for the other
//! one's stream. Locks are taken in one order: a side, then the connection; and a side that reads never waits to write.
//!
//! If there is only one handle, it passes the stream to rustls directly, which saves a copy of all encrypted bytes.
//! Nothing can be waiting for the connection then, since the methods of a handle that use it are exclusive.

use alloc::{sync::Arc, vec::Vec};
use core::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use std::{
    io::{self, ErrorKind, IoSlice, Read, Write},
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
};

use rustls::Connection;

use super::wait::TimeBudget;
use crate::io::blocking::Stream;

/// The most encrypted bytes read at once: a record of 16 KiB, and the beginning of another.
const READ: usize = 18 << 10;

/// The size of the first read of encrypted bytes. If it is filled, the next read is larger.
const FIRST_READ: usize = 4 << 10;

/// How long a write may take that no caller waits for: an alert of the reading side, or the `close_notify` of a stream
/// that is given up.
const PATIENCE: Duration = Duration::from_millis(5);

/// The state that the handles of a stream share.
#[derive(Debug)]
pub(super) struct Session {
    connection: Mutex<Connection>,
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Outgoing>,
    /// The write timeout that was last set. Streams that share a socket share the timeout, too.
    write_timeout: Mutex<Option<Duration>>,
    handles: AtomicUsize,
}

/// The side that reads.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// Encrypted bytes for which rustls had no room yet: fewer than [`READ`], and usually none.
    bytes: Vec<u8>,
    /// Whether the last read was long, so that more is expected.
    is_busy: bool,
    /// Why the session failed, if it did.
    failure: Option<rustls::Error>,
}

/// The side that writes.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Encrypted bytes, of which `written` are written. rustls encrypts at most 64 KiB at once.
    bytes: Vec<u8>,
    written: usize,
    /// Whether `close_notify`, the last record, is encrypted.
    is_ended: bool,
}

impl Session {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: Mutex::new(connection),
            incoming: Mutex::default(),
            outgoing: Mutex::default(),
            write_timeout: Mutex::default(),
            handles: AtomicUsize::new(1),
        }
    }

    /// Returns another handle.
    pub(super) fn handle(self: &Arc<Self>) -> Arc<Self> {
        self.handles.fetch_add(1, Ordering::Relaxed);
        Arc::clone(self)
    }

    /// Releases a handle. Returns whether it was the last one.
    pub(super) fn drop_handle(&self) -> bool {
        self.handles.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }

    /// Sets the write timeout of every handle.
    pub(super) fn set_write_timeout<S: Stream>(&self, stream: &mut S, timeout: Option<Duration>) -> io::Result<()> {
        let mut write_timeout = lock(&self.write_timeout);
        stream.set_write_timeout(timeout)?;
        *write_timeout = timeout;
        Ok(())
    }

    /// Reads until there is something to return.
    pub(super) fn read<S: Stream>(
        &self,
        stream: &mut S,
        buffer: &mut [u8],
        wait: &mut TimeBudget,
    ) -> io::Result<usize> {
        let mut incoming = lock(&self.incoming);
        loop {
            if let Some(read) = self.decrypt(stream, &mut incoming, buffer)? {
                return Ok(read);
            }
            if wait.is_shorter()? {
                stream.set_read_timeout(wait.left())?;
            }
            if self.is_alone() {
                let mut connection = self.connection();
                connection.read_tls(stream)?;
                self.process(connection, stream, &mut incoming)?;
                continue;
            }
            // On the stack, so that a waiting connection holds no buffer.
            let (mut first, mut long);
            let space = if incoming.is_busy {
                long = [0; READ];
                &mut long[..]
            } else {
                first = [0; FIRST_READ];
                &mut first[..]
            };
            let read = stream.read(space)?;
            incoming.is_busy = read >= FIRST_READ;
            if read == 0 {
                // rustls learns of the end by reading nothing.
                self.connection().read_tls(&mut io::empty())?;
            } else {
                self.receive(stream, &mut incoming, &space[..read])?;
            }
        }
    }

    fn is_alone(&self) -> bool {
        self.handles.load(Ordering::Acquire) == 1
    }

    /// Passes encrypted bytes to rustls, and keeps those that it has no room for until others are decrypted.
    fn receive<S: Stream>(&self, stream: &mut S, incoming: &mut Incoming, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut connection = self.connection();
            match connection.read_tls(&mut bytes) {
                // Anything after `close_notify` is ignored (RFC 8446 §6.1).
                Ok(0) => break,
                Ok(_) => self.process(connection, stream, incoming)?,
                Err(_) => {
                    incoming.bytes.extend_from_slice(bytes);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Decrypts what rustls has buffered, and writes its answers.
    fn process<S: Stream>(
        &self,
        mut connection: MutexGuard<'_, Connection>,
        stream: &mut S,
        incoming: &mut Incoming,
    ) -> io::Result<()> {
        let processed = connection.process_new_packets();
        let wants_write = connection.wants_write();
        drop(connection);
        if wants_write {
            self.answer(stream);
        }
        match processed {
            Ok(_) => Ok(()),
            Err(error) => {
                incoming.failure = Some(error.clone());
                Err(io::Error::new(ErrorKind::InvalidData, error))
            }
        }
    }

    /// Reads decrypted bytes. Returns `0` at the end, and `None` if more must be read first.
    fn decrypt<S: Stream>(
        &self,
        stream: &mut S,
        incoming: &mut Incoming,
        buffer: &mut [u8],
    ) -> io::Result<Option<usize>> {
        loop {
            match self.connection().reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Some(0)),
                read => return read.map(Some),
            }
            if let Some(failure) = &incoming.failure {
                return Err(io::Error::new(ErrorKind::InvalidData, failure.clone()));
            }
            if incoming.bytes.is_empty() {
                return Ok(None);
            }
            // Nothing is decrypted, so there is room.
            let bytes = core::mem::take(&mut incoming.bytes);
            self.receive(stream, incoming, &bytes)?;
        }
    }

    /// Writes what the reading side has to send: an alert. If another handle is writing, or the stream does not accept
    /// it soon, the next write sends it.
    fn answer<S: Stream>(&self, stream: &mut S) {
        if let Some(mut outgoing) = try_lock(&self.outgoing) {
            self.write_briefly(stream, &mut outgoing);
        }
    }

    /// Writes waiting bytes, for a limited time.
    fn write_briefly<S: Stream>(&self, stream: &mut S, outgoing: &mut Outgoing) {
        let _ = stream.set_write_timeout(Some(PATIENCE));
        let _ = self.write_encrypted(stream, outgoing, &mut TimeBudget::new(Some(PATIENCE)));
        let write_timeout = lock(&self.write_timeout);
        let _ = stream.set_write_timeout(*write_timeout);
    }

    /// Encrypts some of the bytes, and writes as many as the stream accepts. The next call writes the rest.
    pub(super) fn write<S: Stream>(&self, stream: &mut S, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut outgoing = lock(&self.outgoing);
        self.bounded(stream, |stream, wait| {
            // After this there is room for more bytes.
            self.write_encrypted(stream, &mut outgoing, wait)?;
            if outgoing.is_ended {
                return Err(ErrorKind::BrokenPipe.into());
            }
            let taken = self.connection().writer().write_vectored(slices)?;
            // The bytes are accepted; the next call returns the error.
            let _ = self.write_encrypted(stream, &mut outgoing, wait);
            Ok(taken)
        })
    }

    /// Writes encrypted bytes, and flushes the stream.
    pub(super) fn flush<S: Stream>(&self, stream: &mut S) -> io::Result<()> {
        let mut outgoing = lock(&self.outgoing);
        self.bounded(stream, |stream, wait| {
            self.write_encrypted(stream, &mut outgoing, wait)?;
            // A connection with nothing to write holds no buffer.
            outgoing.bytes = Vec::new();
            stream.flush()
        })
    }

    /// Ends the write side: writes encrypted bytes, then `close_notify`.
    pub(super) fn end<S: Stream>(&self, stream: &mut S) -> io::Result<()> {
        let mut outgoing = lock(&self.outgoing);
        self.bounded(stream, |stream, wait| {
            self.queue_end(&mut outgoing);
            self.write_encrypted(stream, &mut outgoing, wait)
        })
    }

    /// Ends the write side of a stream that is given up: does not wait for another handle that writes, nor long for the
    /// peer.
    ///
    /// Does nothing if the write side has ended.
    pub(super) fn end_briefly<S: Stream>(&self, stream: &mut S) {
        if let Some(mut outgoing) = try_lock(&self.outgoing) {
            if !outgoing.is_ended {
                self.queue_end(&mut outgoing);
                self.write_briefly(stream, &mut outgoing);
            }
        }
    }

    fn queue_end(&self, outgoing: &mut Outgoing) {
        outgoing.is_ended = true;
        // rustls does this once.
        self.connection().send_close_notify();
    }

    /// Writes all encrypted bytes. More is taken from rustls only after what was taken is written, so the total stays
    /// within twice the limit of rustls.
    fn write_encrypted<S: Stream>(
        &self,
        stream: &mut S,
        outgoing: &mut Outgoing,
        wait: &mut TimeBudget,
    ) -> io::Result<()> {
        while outgoing.has_rest() || self.take_encrypted(outgoing)? {
            if wait.is_shorter()? {
                stream.set_write_timeout(wait.left())?;
            }
            let written = if outgoing.has_rest() {
                let written = stream.write(&outgoing.bytes[outgoing.written..]);
                written.inspect(|n| outgoing.written += n)
            } else {
                self.connection().write_tls(stream)
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes encrypted bytes from rustls, or leaves them there if this is the only handle. Returns whether there are
    /// any.
    fn take_encrypted(&self, outgoing: &mut Outgoing) -> io::Result<bool> {
        outgoing.bytes.clear();
        outgoing.written = 0;
        let mut connection = self.connection();
        let wants_write = connection.wants_write();
        while connection.wants_write() && !self.is_alone() {
            connection.write_tls(&mut outgoing.bytes)?;
        }
        Ok(wants_write)
    }

    /// Applies the write timeout to all writes of an operation together.
    fn bounded<S: Stream, T>(
        &self,
        stream: &mut S,
        operation: impl FnOnce(&mut S, &mut TimeBudget) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut wait = TimeBudget::new(*lock(&self.write_timeout));
        let done = operation(stream, &mut wait);
        if wait.was_shortened {
            let write_timeout = lock(&self.write_timeout);
            stream.set_write_timeout(*write_timeout)?;
        }
        done
    }
}

impl Outgoing {
    fn has_rest(&self) -> bool {
        self.written < self.bytes.len()
    }
}

/// The state is consistent after a panic: no call under a lock of this module leaves its work half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
