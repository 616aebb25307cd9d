//! Moving bytes: the part of the shell that whole connections and their halves share.

use core::time::Duration;
use std::{
    io::{self, IoSlice},
    net::Shutdown,
    time::Instant,
};

use bytes::Buf;

use super::{Stream, pool};
use crate::connection::{Inbound, Outbound, Time};

/// Bytes that a connection without buffer reads into first, on the stack.
const FIRST_READ: usize = 4 << 10;

/// Slices of one vectored write.
const SLICES: usize = 16;

/// Shortest time that a read is bounded to; timers of operating systems are about as fine.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// How long a connection keeps large buffers while nothing comes.
const IDLE: Duration = Duration::from_millis(200);

/// What a read gave.
pub(super) enum Received {
    /// Any number of them, even none.
    Bytes,
    End,
    /// The stream was not ready within the time that it was given.
    NotReady(io::Error),
}

/// The reading side of a stream, with the clock that deadlines are measured by.
#[derive(Debug)]
pub(super) struct Reader {
    origin: Instant,
    /// The bound of reads for which nothing is due.
    patience: Option<Duration>,
    /// The bound that reads of the stream have at the moment.
    bound: Option<Duration>,
    /// Whether the last read filled its buffer, so that more is to be expected at once.
    busy: bool,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            patience: None,
            bound: None,
            busy: false,
        }
    }

    /// The same reader, which waits for so long at most if nothing is due.
    pub(super) fn with_patience(self, patience: Option<Duration>) -> Self {
        let patience = patience.map(|patience| patience.max(SHORTEST));
        Self { patience, ..self }
    }

    pub(super) fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }

    pub(super) fn instant(&self, time: Time) -> Instant {
        self.origin + time.since_origin()
    }

    /// Reads once, for at most until `due`.
    ///
    /// An idle connection waits without a buffer: the first bytes go to the stack, and only a connection from which so
    /// many come that they fill it gets a large one. That one, and the buffer of a large message, are given back when
    /// nothing has come for a [while](IDLE).
    pub(super) fn read<S: Stream>(
        &mut self,
        stream: &mut S,
        inbound: &mut Inbound,
        due: Option<Time>,
    ) -> io::Result<Received> {
        let waits_idly = self.busy || inbound.holds_spare();
        let began = (waits_idly || due.is_some()).then(|| self.now());
        let bounds = [
            due.zip(began).map(|(due, began)| due.since(began).max(SHORTEST)),
            self.patience.filter(|_| due.is_none()),
            waits_idly.then_some(IDLE),
        ];
        let bound = bounds.into_iter().flatten().min();
        if bound != self.bound {
            stream.set_read_timeout(bound)?;
            self.bound = bound;
        }
        let read = if self.busy {
            pool::lend(inbound);
            let space = inbound.space();
            let len = space.len();
            stream.read(space).inspect(|&n| {
                self.busy = n == len;
                inbound.advance(n);
            })
        } else {
            pool::reclaim(inbound);
            let mut first = [0; FIRST_READ];
            stream.read(&mut first).inspect(|&n| {
                self.busy = n == FIRST_READ;
                inbound.receive(&first[..n]);
            })
        };
        match read {
            Ok(0) => Ok(Received::End),
            Ok(_) => Ok(Received::Bytes),
            Err(error) => match error.kind() {
                // Some of the time until `due` may be over.
                io::ErrorKind::Interrupted => Ok(Received::Bytes),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    self.busy = false;
                    pool::reclaim(inbound);
                    inbound.release();
                    if waits_idly && began.is_some_and(|began| self.is_due(began + IDLE)) {
                        return Ok(Received::Bytes);
                    }
                    Ok(Received::NotReady(io::ErrorKind::WouldBlock.into()))
                }
                _ => Err(error),
            },
        }
    }

    /// Whether the wait that just ended was for `due`. The last instants count as waited for.
    pub(super) fn is_due(&self, due: Time) -> bool {
        self.now() + SHORTEST >= due
    }

    /// Whether the wait that just ended, and `began` then, was as long as it may be.
    pub(super) fn is_up(&self, began: Time, due: Option<Time>) -> bool {
        let due = due.or_else(|| self.patience.map(|patience| began + patience));
        due.is_some_and(|due| self.is_due(due))
    }
}

/// Writes all output, in as few writes as it takes.
pub(super) fn write_all<S: Stream>(stream: &mut S, output: &mut impl Buf) -> io::Result<()> {
    while output.has_remaining() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let used = output.chunks_vectored(&mut slices);
        let written = uninterrupted(|| match used {
            0 | 1 => stream.write(output.chunk()),
            used => stream.write_vectored(&slices[..used]),
        });
        match written? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => output.advance(n),
        }
    }
    uninterrupted(|| stream.flush())
}

/// Repeats what a signal interrupts. A time that is up is a stream that is not ready.
pub(super) fn uninterrupted<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(io::ErrorKind::WouldBlock.into()),
            done => return done,
        }
    }
}

/// Whether a stream that refuses a write at this time has waited before, as long as the `bound` of writes lets it.
///
/// A non-blocking stream does not wait: asked again at once after it `refused`, it refuses at once.
pub(super) fn has_waited(bound: Option<Duration>, refused: Option<Time>, now: Time) -> bool {
    bound.is_some_and(|bound| refused.is_none_or(|refused| now.since(refused) >= bound / 2))
}

/// Ends the transport of a connection that failed (§7.1.1): writes the Close, shuts down, and reads what is under way
/// for a bounded time, so that it does not provoke a reset which destroys the Close.
///
/// Whatever goes wrong here, the failure that led here is what counts.
///
/// # Errors
///
/// `WouldBlock`, if the stream is non-blocking and not ready. The connection then goes on to end.
pub(super) fn linger<S: Stream>(stream: &mut S, outbound: &mut Outbound, timeout: Option<Duration>) -> io::Result<()> {
    let deadline = deadline(timeout);
    let ended = write_all(stream, outbound.output()).and_then(|()| {
        let _ = stream.shutdown(Shutdown::Write);
        drain(stream, deadline)
    });
    match ended {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => return Err(error),
        _ => outbound.abandon(),
    }
    Ok(())
}

/// The end of the time that a peer has to end its side; a day, if there is no bound.
pub(super) fn deadline(timeout: Option<Duration>) -> Instant {
    Instant::now() + timeout.unwrap_or(Duration::from_secs(24 * 60 * 60))
}

/// Reads and discards until the stream ends or the deadline passes.
///
/// # Errors
///
/// Those of the stream; `WouldBlock`, if it is non-blocking and not ready.
pub(super) fn drain<S: Stream>(stream: &mut S, deadline: Instant) -> io::Result<()> {
    let mut discarded = [0; FIRST_READ];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left < SHORTEST {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut discarded) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::TimedOut => return Err(io::ErrorKind::WouldBlock.into()),
                _ => return Err(error),
            },
        }
    }
}
