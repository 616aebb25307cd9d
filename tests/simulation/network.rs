//! The scripted network: a duplex stream whose every operation may be cut, delayed, deferred or failed by a seed.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::opt_out;

pub use self::record::Record;
use crate::{
    clock::{self, Alarm},
    rng::Rng,
};

mod record;
mod traffic;

/// What goes wrong at an end of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing more arrives from the other end.
    ReadEnds,
    ReadFails,
    WriteFails,
    /// Writes take zero bytes, which is not a valid way to report a lack of room.
    TakesNothing,
    /// Both ends fail, and data in flight is lost.
    Reset,
    /// Written data is accepted but never arrives, in either direction.
    BlackHole,
    /// Nothing is accepted any more, and nothing arrives.
    Stall,
    /// One operation moves a single byte. This fault and the next one break nothing.
    Short,
    /// One operation has to wait.
    Waits,
}

pub const FAULTS: [Fault; 9] = [
    Fault::Short,
    Fault::Waits,
    Fault::ReadEnds,
    Fault::ReadFails,
    Fault::WriteFails,
    Fault::TakesNothing,
    Fault::Reset,
    Fault::BlackHole,
    Fault::Stall,
];

/// How the stream behaves while nothing fails.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The most bytes in flight, in each direction.
    pub capacity: usize,
    /// The longest delay of a piece.
    pub delay: Duration,
    /// The number of operations out of 16 that are deferred for no reason.
    pub pauses: usize,
    /// Whether pieces are cut, or as long as possible.
    pub cuts: bool,
    /// Whether one write takes more than the first slice.
    pub vectored: bool,
    /// Whether written data waits for a flush, as in TLS.
    pub buffers: bool,
    /// Whether an end that is reset still delivers received data, as a Linux socket does.
    pub keeps: bool,
    /// Whether the data that one end writes is held up.
    pub slow: [Option<Slow>; 2],
}

/// How the written data of an end is held up, as by a peer that reads slowly.
#[derive(Clone, Copy, Debug)]
pub enum Slow {
    /// This number of bytes arrives at one byte per second.
    Drips(usize),
    /// After this number of bytes, nothing arrives for a while, or for ever.
    Stops(usize, Option<Duration>),
}

/// A time that never comes.
const NEVER: Duration = Duration::MAX;

/// A direction, named after the end that writes.
#[derive(Default)]
struct Direction {
    under_way: VecDeque<(Duration, Vec<u8>)>,
    buffered: Vec<u8>,
    last_arrival: Duration,
    /// When the end of the stream arrives.
    end: Option<Duration>,
    /// Everything that was accepted from the writer.
    written: Vec<u8>,
    slow: Option<Slow>,
}

impl Direction {
    fn waiting(&self) -> usize {
        self.buffered.len() + self.under_way.iter().map(|(_, piece)| piece.len()).sum::<usize>()
    }

    /// Bytes that have arrived by that time.
    fn arrived(&self, by: Duration) -> usize {
        let arrived = self.under_way.iter().take_while(|(at, _)| *at <= by);
        arrived.map(|(_, piece)| piece.len()).sum()
    }

    /// Nothing arrives beyond what has already arrived.
    fn cut(&mut self) {
        let now = clock::now();
        self.under_way.retain(|(at, _)| *at <= now);
        self.buffered.clear();
    }
}

/// One end.
struct Side {
    /// Reads, writes, flushes and shutdowns.
    operations: usize,
    fault: Option<(usize, Fault)>,
    /// Whether that operation was reached.
    met: bool,
    failed: bool,
    takes_nothing: bool,
    is_short: bool,
    read_fails: bool,
    /// Reads fail once the received data was read.
    read_fails_then: bool,
    read_ends: bool,
    write_fails: bool,
    stalled: bool,
    dropped: bool,
    shut_down: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    read_alarm: Alarm,
    write_alarm: Alarm,
    record: Record,
}

impl Side {
    fn new(fault: Option<(usize, Fault)>) -> Self {
        Self {
            operations: 0,
            fault,
            met: false,
            failed: false,
            takes_nothing: false,
            is_short: false,
            read_fails: false,
            read_fails_then: false,
            read_ends: false,
            write_fails: false,
            stalled: false,
            dropped: false,
            shut_down: false,
            reader: None,
            writer: None,
            read_alarm: Alarm::new(),
            write_alarm: Alarm::new(),
            record: Record::default(),
        }
    }
}

/// The stream, as seen from outside.
pub struct Network {
    rng: Rng,
    weather: Weather,
    sides: [Side; 2],
    /// The first direction is what the first end writes.
    directions: [Direction; 2],
    /// Nothing arrives any more.
    black_hole: bool,
}

/// One end of the stream, as an endpoint owns it.
pub struct Pipe {
    end: usize,
    network: Rc<RefCell<Network>>,
}

impl Network {
    /// A stream between two ends, each of which may have a fault at its n-th operation, counted from 1.
    pub fn new(rng: Rng, weather: Weather, faults: [Option<(usize, Fault)>; 2]) -> (Rc<RefCell<Self>>, [Pipe; 2]) {
        let network = Rc::new(RefCell::new(Self {
            rng,
            weather,
            sides: faults.map(Side::new),
            directions: weather.slow.map(|slow| Direction {
                slow,
                ..Direction::default()
            }),
            black_hole: false,
        }));
        let pipes = [0, 1].map(|end| Pipe {
            end,
            network: Rc::clone(&network),
        });
        (network, pipes)
    }

    /// What an end wrote.
    pub fn written(&self, end: usize) -> &[u8] {
        &self.directions[end].written
    }

    /// The record of an end.
    pub fn record(&self, end: usize) -> &Record {
        &self.sides[end].record
    }

    /// Bytes that have arrived at an end by that time and can be read there.
    pub fn readable(&self, end: usize, by: Duration) -> usize {
        let side = &self.sides[end];
        if side.read_fails || side.read_ends || side.stalled {
            return 0;
        }
        self.directions[1 - end].arrived(by)
    }

    /// Whether an end has left.
    pub fn has_left(&self, end: usize) -> bool {
        self.sides[end].dropped
    }

    /// Reads and writes that moved something, at both ends.
    pub fn moves(&self) -> usize {
        self.sides.iter().map(|side| side.record.moves).sum()
    }

    /// Whether something failed.
    pub fn has_failed(&self) -> bool {
        self.sides.iter().any(|side| side.failed)
    }

    /// Whether the operation with the fault was reached.
    pub fn has_met(&self) -> bool {
        self.sides.iter().any(|side| side.met)
    }

    /// Fails an end, like a system that has given up its peer.
    pub fn give_up(&mut self, end: usize) {
        self.fail(end, Fault::Reset);
    }

    fn fail(&mut self, end: usize, fault: Fault) {
        self.sides[end].failed = true;
        match fault {
            Fault::Short | Fault::Waits => {}
            Fault::TakesNothing => self.sides[end].takes_nothing = true,
            Fault::ReadEnds => self.sides[end].read_ends = true,
            Fault::ReadFails => self.sides[end].read_fails = true,
            Fault::WriteFails => self.sides[end].write_fails = true,
            Fault::BlackHole => self.black_hole = true,
            Fault::Stall => {
                self.sides[end].stalled = true;
                self.black_hole = true;
            }
            Fault::Reset => {
                self.reset(0);
                self.reset(1);
            }
        }
        for side in &mut self.sides {
            wake(&mut side.reader);
            wake(&mut side.writer);
        }
    }

    /// An end can no longer write, and can read at most the data that has arrived.
    fn reset(&mut self, end: usize) {
        let (side, direction) = (&mut self.sides[end], &mut self.directions[1 - end]);
        (side.write_fails, side.stalled) = (true, false);
        if self.weather.keeps {
            side.read_fails_then = true;
            direction.cut();
        } else {
            side.read_fails = true;
            direction.under_way.clear();
        }
        wake(&mut side.reader);
        wake(&mut side.writer);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Pipe {
    pub fn end(&self) -> usize {
        self.end
    }

    /// Acts on the network, whose memory does not belong to the connection.
    fn with<T>(&self, act: impl FnOnce(&mut Network) -> T) -> T {
        let mut done = None;
        opt_out(|| done = Some(act(&mut self.network.borrow_mut())));
        done.expect("acted")
    }

    pub fn poll_read(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.with(|network| network.poll_read(self.end, cx, buffer))
    }

    pub fn poll_write(&self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.with(|network| network.poll_write(self.end, cx, slices))
    }

    pub fn poll_flush(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.with(|network| network.poll_flush(self.end, cx))
    }

    /// Waits like a flush, because TLS has to send something here.
    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    pub fn poll_shutdown(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_flush(cx))?;
        self.shut_down();
        Poll::Ready(Ok(()))
    }

    pub fn shut_down(&self) {
        self.with(|network| network.shut_down(self.end));
    }

    #[cfg(all(feature = "tokio", feature = "futures-io"))]
    pub fn is_vectored(&self) -> bool {
        self.with(|network| network.weather.vectored)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.with(|network| network.drop_end(self.end));
    }
}
