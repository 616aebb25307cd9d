//! The scripted network: a duplex stream of which every operation is cut, delayed, put off or failed by a seed.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::opt_out;

use crate::{
    clock::{self, Alarm},
    rng::Rng,
};

/// What goes wrong at an end of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing more comes from the other end.
    ReadEnds,
    ReadFails,
    WriteFails,
    /// Writes take no byte, which is no way to say that there is no room.
    TakesNothing,
    /// Both ends fail, and what is under way is lost.
    Reset,
    /// What is written is taken, and arrives nowhere, either way.
    BlackHole,
    /// Nothing is taken any more, and nothing arrives.
    Stall,
    /// One operation moves a single byte. This and the next break nothing.
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

/// How the stream behaves while nothing goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Bytes that are under way at most, in each direction.
    pub capacity: usize,
    /// The longest delay of a piece.
    pub delay: Duration,
    /// Of 16 operations, so many are put off for no reason.
    pub pauses: usize,
    /// Whether pieces are cut, or as long as they can be.
    pub cuts: bool,
    /// Whether one write takes more than the first slice.
    pub vectored: bool,
    /// Whether what is written waits for a flush, as it does in TLS.
    pub buffers: bool,
}

/// A direction, named after the end that writes.
#[derive(Default)]
struct Direction {
    under_way: VecDeque<(Duration, Vec<u8>)>,
    buffered: Vec<u8>,
    last_arrival: Duration,
    /// When the end of the stream arrives.
    end: Option<Duration>,
    /// Everything that was taken from the writer.
    written: Vec<u8>,
}

impl Direction {
    fn waiting(&self) -> usize {
        self.buffered.len() + self.under_way.iter().map(|(_, piece)| piece.len()).sum::<usize>()
    }
}

/// One end.
struct Side {
    /// Reads, writes, flushes and shutdowns.
    operations: usize,
    fault: Option<(usize, Fault)>,
    /// Whether that operation came.
    met: bool,
    failed: bool,
    takes_nothing: bool,
    is_short: bool,
    read_fails: bool,
    read_ends: bool,
    write_fails: bool,
    stalled: bool,
    dropped: bool,
    shut_down: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    read_alarm: Alarm,
    write_alarm: Alarm,
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
            read_ends: false,
            write_fails: false,
            stalled: false,
            dropped: false,
            shut_down: false,
            reader: None,
            writer: None,
            read_alarm: Alarm::new(),
            write_alarm: Alarm::new(),
        }
    }
}

/// The stream, seen from outside.
pub struct Network {
    rng: Rng,
    weather: Weather,
    sides: [Side; 2],
    /// The first is what the first end writes.
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
    /// A stream between two ends, of which each may have a fault at its n-th operation, counted from 1.
    pub fn new(rng: Rng, weather: Weather, faults: [Option<(usize, Fault)>; 2]) -> (Rc<RefCell<Self>>, [Pipe; 2]) {
        let network = Rc::new(RefCell::new(Self {
            rng,
            weather,
            sides: faults.map(Side::new),
            directions: Default::default(),
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

    /// Whether something went wrong.
    pub fn has_failed(&self) -> bool {
        self.sides.iter().any(|side| side.failed)
    }

    /// Whether the operation came that was to go another way.
    pub fn has_met(&self) -> bool {
        self.sides.iter().any(|side| side.met)
    }

    /// Fails an end, as a system does that gave its peer up.
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
                for side in &mut self.sides {
                    (side.read_fails, side.write_fails, side.stalled) = (true, true, false);
                }
                self.directions
                    .iter_mut()
                    .for_each(|direction| direction.under_way.clear());
            }
        }
        for side in &mut self.sides {
            wake(&mut side.reader);
            wake(&mut side.writer);
        }
    }

    /// Counts an operation, and puts it off if it is one for that.
    fn begin(&mut self, end: usize, is_read: bool, cx: &Context<'_>) -> Poll<()> {
        let side = &mut self.sides[end];
        side.operations += 1;
        let mut waits = false;
        match side.fault {
            Some((at, fault)) if at == side.operations => {
                side.met = true;
                match fault {
                    Fault::Short => side.is_short = true,
                    Fault::Waits => waits = true,
                    fault => self.fail(end, fault),
                }
            }
            _ => side.is_short = false,
        }
        let side = &mut self.sides[end];
        if side.stalled {
            return Poll::Pending;
        }
        if waits || self.rng.below(16) < self.weather.pauses {
            let at = clock::now() + Duration::from_micros(self.rng.next() % 2000);
            let alarm = if is_read { &side.read_alarm } else { &side.write_alarm };
            alarm.set(at, cx.waker());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn piece(&mut self, end: usize, most: usize) -> usize {
        if self.sides[end].is_short {
            return most.min(1);
        }
        if !self.weather.cuts {
            return most;
        }
        let n = match self.rng.below(4) {
            0 => 1,
            1 => 1 + self.rng.below(14),
            _ => 1 + self.rng.below(most),
        };
        n.min(most)
    }

    fn poll_read(&mut self, end: usize, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(!buffer.is_empty(), "a read into nothing cannot be told from the end");
        self.sides[end].reader = Some(cx.waker().clone());
        std::task::ready!(self.begin(end, true, cx));
        if self.sides[end].read_fails {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if self.sides[end].read_ends {
            return Poll::Ready(Ok(0));
        }
        let now = clock::now();
        let come = self.directions[1 - end].under_way.front().filter(|(at, _)| *at <= now);
        let come = come.map_or(0, |(_, piece)| piece.len());
        if come > 0 {
            let n = self.piece(end, come.min(buffer.len()));
            let direction = &mut self.directions[1 - end];
            let (_, piece) = direction.under_way.front_mut().expect("looked at");
            buffer[..n].copy_from_slice(&piece[..n]);
            piece.drain(..n);
            if piece.is_empty() {
                direction.under_way.pop_front();
            }
            wake(&mut self.sides[1 - end].writer);
            return Poll::Ready(Ok(n));
        }
        let direction = &self.directions[1 - end];
        if direction.under_way.is_empty() && direction.end.is_some_and(|at| at <= now) {
            return Poll::Ready(Ok(0));
        }
        self.watch(end);
        Poll::Pending
    }

    /// Wakes the reader when the next piece arrives.
    fn watch(&mut self, end: usize) {
        let direction = &self.directions[1 - end];
        let next = direction.under_way.front().map(|(at, _)| *at).or(direction.end);
        let side = &self.sides[end];
        if let (Some(at), Some(reader)) = (next, &side.reader) {
            side.read_alarm.set(at.max(clock::now()), reader);
        }
    }

    fn poll_write(&mut self, end: usize, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        assert!(
            slices.first().is_some_and(|slice| !slice.is_empty()),
            "the first slice is not empty"
        );
        self.sides[end].writer = Some(cx.waker().clone());
        std::task::ready!(self.begin(end, false, cx));
        assert!(!self.sides[end].shut_down, "written behind the shutdown");
        if self.sides[end].write_fails {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if self.sides[end].takes_nothing {
            return Poll::Ready(Ok(0));
        }
        let slices = if self.weather.vectored { slices } else { &slices[..1] };
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>();
        let room = self.weather.capacity.saturating_sub(self.directions[end].waiting());
        if room == 0 {
            if self.weather.buffers {
                self.send(end);
            }
            return Poll::Pending;
        }
        let n = self.piece(end, len.min(room));
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).take(n);
        let direction = &mut self.directions[end];
        let before = direction.buffered.len();
        direction.buffered.extend(bytes);
        direction.written.extend_from_slice(&direction.buffered[before..]);
        if self.sides[1 - end].dropped {
            // Who writes to an end that is gone is told so, and loses what it has not read.
            self.sides[end].write_fails = true;
            self.sides[end].read_fails = true;
            wake(&mut self.sides[end].reader);
        }
        if !self.weather.buffers || self.directions[end].buffered.len() >= 300 {
            self.send(end);
        }
        Poll::Ready(Ok(n))
    }

    /// Lets what is buffered go.
    fn send(&mut self, end: usize) {
        let at = self.arrival(end);
        let direction = &mut self.directions[end];
        let piece = std::mem::take(&mut direction.buffered);
        if piece.is_empty() || self.black_hole || self.sides[1 - end].dropped {
            return;
        }
        direction.under_way.push_back((at, piece));
        self.watch(1 - end);
    }

    fn arrival(&mut self, end: usize) -> Duration {
        let micros = u64::try_from(self.weather.delay.as_micros()).expect("a short delay");
        let at = clock::now() + Duration::from_micros(self.rng.next() % (micros + 1));
        let direction = &mut self.directions[end];
        direction.last_arrival = direction.last_arrival.max(at);
        direction.last_arrival
    }

    fn poll_flush(&mut self, end: usize, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.sides[end].writer = Some(cx.waker().clone());
        std::task::ready!(self.begin(end, false, cx));
        if self.sides[end].write_fails {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        self.send(end);
        Poll::Ready(Ok(()))
    }

    fn shut_down(&mut self, end: usize) {
        self.send(end);
        self.sides[end].shut_down = true;
        self.end(end);
    }

    fn end(&mut self, end: usize) {
        let at = self.arrival(end);
        if !self.black_hole {
            self.directions[end].end.get_or_insert(at);
            self.watch(1 - end);
        }
    }

    /// An end is gone. If it had not read everything, the other end is told so, and loses what it has not read either.
    fn drop_end(&mut self, end: usize) {
        self.sides[end].dropped = true;
        self.directions[end].buffered.clear();
        if self.black_hole {
            return;
        }
        if self.directions[1 - end].waiting() > 0 {
            self.directions[end].under_way.clear();
            self.directions[1 - end].under_way.clear();
            let other = &mut self.sides[1 - end];
            (other.read_fails, other.write_fails) = (true, true);
            wake(&mut other.reader);
            wake(&mut other.writer);
        } else {
            self.end(end);
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Pipe {
    /// Acts on the network, whose memory is not that of the connection.
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

    /// Waits as a flush does, for TLS has something to say here.
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
