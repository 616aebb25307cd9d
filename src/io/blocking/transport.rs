//! Moving bytes: single reads and writes of a stream, with a limit on their time.

use core::time::Duration;
use std::{
    io::{self, IoSlice},
    net::Shutdown,
};

use bytes::Buf;

use super::{
    Stream,
    clock::Clock,
    limit::{Calls, Limit, fitting},
    pool,
};
use crate::connection::{Driver, Inbound, OwnedOutput, Step, Time, earlier};

/// Bytes that a connection without a buffer reads first, on the stack.
const FIRST_READ: usize = 4 << 10;

/// The number of slices in one vectored write.
const SLICES: usize = 16;

/// How long a connection keeps large buffers while nothing arrives.
const IDLE: Duration = Duration::from_millis(256);

/// How long a read may block while output is waiting that the stream did not accept.
const SOON: Duration = Duration::from_millis(4);

/// How long a write may block: the peer may be waiting for this side to read.
const PATIENCE: Duration = Duration::from_millis(5);

/// The result of a read.
#[derive(Debug)]
pub(super) enum ReadOutcome {
    Bytes(usize),
    End,
    /// The stream was not ready; see [`Limit::has_waited`].
    Blocked {
        has_waited: bool,
    },
    /// There is no room in the buffer.
    Full,
    Interrupted,
    Failed(io::Error),
}

/// The reading side of a stream.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) limit: Limit,
    /// The longest time a read may take, since it cannot be interrupted; `None` means no limit.
    pub(super) most: Option<Duration>,
    /// Whether output is waiting because the stream blocked when it was last asked.
    pub(super) is_blocked: bool,
    /// Whether the last read filled its buffer, so that more data is likely to be ready.
    busy: bool,
}

impl Reader {
    pub(super) const fn new() -> Self {
        Self {
            limit: Limit::new(Calls::Read),
            most: None,
            is_blocked: false,
            busy: false,
        }
    }

    /// Reads once, until the given time and for at most the given duration. Without `inbound`, the bytes are discarded.
    ///
    /// An idle connection waits without a buffer: its first bytes are read into the stack. A connection gets a large
    /// buffer only once a read fills that one, or if it reads `ahead`. The large buffer, and the buffer of a large
    /// message, are released when nothing has arrived for a [while](IDLE).
    pub(super) fn read<S: Stream>(
        &mut self,
        stream: &mut S,
        mut inbound: Option<&mut Inbound>,
        (until, most): (Option<Time>, Option<Duration>),
        ahead: bool,
        clock: Clock,
    ) -> ReadOutcome {
        let holds_buffers = self.busy || inbound.as_ref().is_some_and(|inbound| inbound.holds_spare());
        let soon = (self.is_blocked || ahead).then_some(SOON);
        let idle = holds_buffers.then_some(IDLE);
        let most = earlier(earlier(most, self.most), earlier(soon, idle));
        let is_bounded = most.is_some() || until.is_some() || self.limit.own().is_some();
        let began = is_bounded.then(|| clock.now());
        let left = until.zip(began).map(|(until, began)| until.since(began));
        self.limit.set(stream, earlier(most, left).map(fitting));
        let read = match &mut inbound {
            Some(inbound) if self.busy || ahead => {
                pool::lend(inbound);
                let space = inbound.space();
                let len = space.len();
                if len == 0 {
                    return ReadOutcome::Full;
                }
                stream.read(space).inspect(|&n| {
                    self.busy = n == len;
                    inbound.advance(n);
                })
            }
            inbound => {
                let mut first = [0; FIRST_READ];
                inbound.iter_mut().for_each(|inbound| pool::reclaim(inbound));
                stream.read(&mut first).inspect(|&n| {
                    self.busy = n == FIRST_READ;
                    inbound.iter_mut().for_each(|inbound| inbound.receive(&first[..n]));
                })
            }
        };
        match read {
            Ok(0) => ReadOutcome::End,
            Ok(n) => {
                self.limit.restart();
                ReadOutcome::Bytes(n)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => ReadOutcome::Interrupted,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    self.busy = false;
                    if let Some(inbound) = inbound {
                        pool::reclaim(inbound);
                        inbound.release();
                    }
                    ReadOutcome::Blocked {
                        has_waited: self.limit.has_waited(stream, began, clock),
                    }
                }
                _ => ReadOutcome::Failed(error),
            },
        }
    }
}

/// A step of the write side that has begun and is performed without the driver.
#[derive(Debug)]
pub(super) struct Writing {
    step: Step,
    output: Option<OwnedOutput>,
}

/// The result of such a step.
#[derive(Debug)]
pub(super) enum WriteOutcome {
    Done,
    /// The stream was not ready; see [`Limit::has_waited`].
    Blocked {
        has_waited: bool,
    },
    CannotShutDown,
    Failed(io::Error),
}

impl Writing {
    /// Begins a step, if it is one of the write side.
    pub(super) fn begin(step: Step, driver: &mut Driver) -> Option<Self> {
        let output = match step {
            Step::Write => Some(driver.take_output()),
            Step::Flush | Step::Shutdown => {
                driver.write_started();
                None
            }
            _ => return None,
        };
        Some(Self { step, output })
    }

    /// Performs the step. Blocks for a [short time](PATIENCE) only.
    pub(super) fn perform<S: Stream>(&mut self, stream: &mut S, limit: &mut Limit, clock: Clock) -> WriteOutcome {
        limit.set(stream, Some(PATIENCE));
        let began = clock.now();
        let done = uninterrupted(|| match &mut self.output {
            Some(output) => write(stream, output),
            None if self.step == Step::Flush => stream.flush(),
            None => match stream.shutdown(Shutdown::Write) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => Err(error),
                // The peer may be gone already; the read side will notice.
                _ => Ok(()),
            },
        });
        match done {
            Err(_) if self.step == Step::Shutdown => WriteOutcome::CannotShutDown,
            Ok(()) => {
                limit.restart();
                WriteOutcome::Done
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => WriteOutcome::Blocked {
                has_waited: limit.has_waited(stream, Some(began), clock),
            },
            Err(error) => WriteOutcome::Failed(error),
        }
    }

    /// Reports the result to the driver. Returns whether everything that was taken is written.
    pub(super) fn report(self, driver: &mut Driver, wrote: &WriteOutcome) -> bool {
        let is_complete = self.output.as_ref().is_some_and(|output| !output.has_remaining());
        if let Some(output) = self.output {
            driver.return_output(output);
        }
        match (wrote, self.step) {
            (WriteOutcome::Done, Step::Flush) => driver.flushed(),
            (WriteOutcome::Done, Step::Shutdown) => driver.shut_down(),
            (WriteOutcome::Done, _) => {}
            (WriteOutcome::Blocked { .. }, _) => driver.write_blocked(),
            (WriteOutcome::CannotShutDown, _) => {
                // The peer sees no end until the stream is dropped, so do not wait for its own.
                driver.shut_down();
                driver.read_ended();
            }
            (WriteOutcome::Failed(_), _) => driver.write_failed(),
        }
        is_complete
    }
}

/// Writes once.
fn write<S: Stream>(stream: &mut S, output: &mut OwnedOutput) -> io::Result<()> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let written = match output.chunks_vectored(&mut slices) {
        0 | 1 => stream.write(output.chunk()),
        used => stream.write_vectored(&slices[..used]),
    };
    match written? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        n => {
            output.advance(n);
            Ok(())
        }
    }
}

/// Repeats a call that a signal interrupts. Reports a timeout as a stream that is not ready.
pub(super) fn uninterrupted<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(io::ErrorKind::WouldBlock.into()),
            done => return done,
        }
    }
}
