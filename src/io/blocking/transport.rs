//! Moving bytes: single reads and writes of a stream, within the time that they may take.

use core::time::Duration;
use std::{
    io::{self, IoSlice},
    net::Shutdown,
    time::Instant,
};

use bytes::Buf;

pub(super) use super::limit::SHORTEST;
use super::{
    Stream,
    limit::{Calls, Limit, fitting},
    pool,
};
use crate::connection::{Driver, Inbound, OwnedOutput, Step, Time};

/// Bytes that a connection without buffer reads into first, on the stack.
const FIRST_READ: usize = 4 << 10;

/// Slices of one vectored write.
const SLICES: usize = 16;

/// How long a connection keeps large buffers while nothing comes.
const IDLE: Duration = Duration::from_millis(256);

/// How long a write may block: the peer may wait for this side to read.
const PATIENCE: Duration = Duration::from_millis(5);

/// The clock that deadlines are measured by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Time {
        Time::from_origin(self.0.elapsed())
    }

    /// `None` is never.
    pub(super) fn instant(self, time: Time) -> Option<Instant> {
        self.0.checked_add(time.since_origin())
    }
}

/// A call that was not ready, or interrupted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocked {
    /// When it began, if that was noted.
    pub(super) began: Option<Time>,
    /// Whether it has blocked for as long as it was let. Otherwise the stream does not block, or its own limit has passed.
    pub(super) has_waited: bool,
}

impl Blocked {
    fn new(began: Option<Time>, clock: Clock, limit: &Limit) -> Self {
        let bound = began.zip(limit.bound());
        Self {
            began,
            // A stream that does not block is back at once.
            has_waited: bound.is_some_and(|(began, bound)| clock.now().since(began) >= bound / 2),
        }
    }
}

/// What a read gave.
#[derive(Debug)]
pub(super) enum Received {
    Bytes(usize),
    End,
    Blocked(Blocked),
    /// There is no room.
    Full,
    Interrupted,
    Failed(io::Error),
}

/// How long a read may take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wait {
    pub(super) until: Option<Time>,
    pub(super) most: Option<Duration>,
}

/// The reading side of a stream.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) limit: Limit,
    /// Whether the last read filled its buffer, so that more is to be expected at once.
    busy: bool,
}

impl Reader {
    pub(super) const fn new() -> Self {
        Self {
            limit: Limit::new(Calls::Read),
            busy: false,
        }
    }

    /// Reads once.
    ///
    /// An idle connection waits without a buffer: the first bytes go to the stack, and only a connection from which so
    /// many come that they fill it gets a large one, or one that reads `ahead`. That one, and the buffer of a large message,
    /// are given back when nothing has come for a [while](IDLE).
    pub(super) fn read<S: Stream>(
        &mut self,
        stream: &mut S,
        inbound: &mut Inbound,
        wait: Wait,
        ahead: bool,
        clock: Clock,
    ) -> Received {
        let holds_buffers = self.busy || inbound.holds_spare();
        let began = self.begin(stream, wait, holds_buffers, clock);
        let read = if self.busy || ahead {
            pool::lend(inbound);
            let space = inbound.space();
            let len = space.len();
            if len == 0 {
                return Received::Full;
            }
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
        let received = self.received(stream, read, began, clock);
        if let Received::Blocked(_) = received {
            self.busy = false;
            pool::reclaim(inbound);
            inbound.release();
        }
        received
    }

    /// Reads once, and throws away what was read.
    pub(super) fn discard<S: Stream>(&mut self, stream: &mut S, wait: Wait, clock: Clock) -> Received {
        let began = self.begin(stream, wait, false, clock);
        let read = stream.read(&mut [0; FIRST_READ]);
        self.received(stream, read, began, clock)
    }

    /// Bounds the read that comes next. Returns when it began, if it is bounded.
    fn begin<S: Stream>(&mut self, stream: &mut S, wait: Wait, holds_buffers: bool, clock: Clock) -> Option<Time> {
        let most = wait.most.into_iter().chain(holds_buffers.then_some(IDLE)).min();
        let is_bounded = most.is_some() || wait.until.is_some() || self.limit.own().is_some();
        let began = is_bounded.then(|| clock.now());
        let until = wait.until.zip(began).map(|(until, began)| until.since(began));
        self.limit.set(stream, most.into_iter().chain(until).min().map(fitting));
        began
    }

    fn received<S: Stream>(
        &mut self,
        stream: &mut S,
        read: io::Result<usize>,
        began: Option<Time>,
        clock: Clock,
    ) -> Received {
        match read {
            Ok(0) => Received::End,
            Ok(n) => Received::Bytes(n),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => Received::Interrupted,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    let blocked = Blocked::new(began, clock, &self.limit);
                    self.limit.refresh(stream);
                    Received::Blocked(blocked)
                }
                _ => Received::Failed(error),
            },
        }
    }
}

/// A step of the write side that was begun, and is performed without the driver.
#[derive(Debug)]
pub(super) struct Writing {
    step: Step,
    output: Option<OwnedOutput>,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Wrote {
    Done,
    Blocked(Blocked),
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

    /// Performs it. It blocks for a [short time](PATIENCE) only.
    pub(super) fn perform<S: Stream>(&mut self, stream: &mut S, limit: &mut Limit, clock: Clock) -> Wrote {
        limit.set(stream, Some(PATIENCE));
        let began = clock.now();
        let done = uninterrupted(|| match &mut self.output {
            Some(output) => write(stream, output),
            None if self.step == Step::Flush => stream.flush(),
            None => {
                // The peer may be gone already; the end of the stream will tell.
                let _ = stream.shutdown(Shutdown::Write);
                Ok(())
            }
        });
        match done {
            Ok(()) => Wrote::Done,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let blocked = Blocked::new(Some(began), clock, limit);
                limit.refresh(stream);
                Wrote::Blocked(blocked)
            }
            Err(error) => Wrote::Failed(error),
        }
    }

    /// Reports what became of it. Returns whether all that was taken is written.
    pub(super) fn report(self, driver: &mut Driver, wrote: &Wrote) -> bool {
        let is_complete = self.output.as_ref().is_some_and(|output| !output.has_remaining());
        if let Some(output) = self.output {
            driver.return_output(output);
        }
        match (wrote, self.step) {
            (Wrote::Done, Step::Flush) => driver.flushed(),
            (Wrote::Done, Step::Shutdown) => driver.shut_down(),
            (Wrote::Done, _) => {}
            (Wrote::Blocked(_), _) => driver.write_blocked(),
            (Wrote::Failed(_), _) => driver.write_failed(),
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
