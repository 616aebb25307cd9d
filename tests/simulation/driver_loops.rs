//! Loops around the core's driver, in one task: one that is polled, and one that starts operations and gets their results later.

use std::{
    io::{self, IoSlice},
    task::{Context, Poll, ready},
    time::Duration,
};

use websocket_proto::{CloseInfo, Config, Connection, Driver, Error, Inbound, Role, Step, Time};

use crate::{
    application::Op,
    clock::{self, Alarm},
    negotiate::negotiate,
    network::Pipe,
    raw::Got,
    shells::{Shell, got, operate},
};

/// What a loop performs the steps on.
pub struct Ground {
    pub pipe: Pipe,
    origin: Duration,
    alarm: Alarm,
}

impl Ground {
    pub fn new(pipe: Pipe) -> Self {
        Self {
            pipe,
            origin: clock::now(),
            alarm: Alarm::new(),
        }
    }

    pub fn now(&self) -> Time {
        Time::from_origin(clock::now() - self.origin)
    }

    /// Waits until a time, if there is one. Ready once it has come.
    pub fn poll_until(&self, due: Option<Time>, cx: &Context<'_>) -> Poll<()> {
        match due.and_then(|due| self.origin.checked_add(due.since_origin())) {
            Some(at) => self.alarm.poll_until(at, cx),
            None => {
                self.alarm.clear();
                Poll::Pending
            }
        }
    }

    /// A write of whatever the driver provides.
    pub fn write(&self, driver: &mut Driver, cx: &Context<'_>) {
        let mut slices = [IoSlice::new(&[]); 4];
        let used = driver.slices(&mut slices);
        match self.pipe.poll_write(cx, &slices[..used]) {
            Poll::Ready(Ok(n)) if n > 0 => driver.wrote(n),
            Poll::Ready(_) => driver.write_failed(),
            Poll::Pending => driver.write_blocked(),
        }
    }

    pub fn flush(&self, driver: &mut Driver, cx: &Context<'_>) {
        match self.pipe.poll_flush(cx) {
            Poll::Ready(Ok(())) => driver.flushed(),
            Poll::Ready(Err(_)) => driver.write_failed(),
            Poll::Pending => driver.write_blocked(),
        }
    }

    /// A read, into the receiving half or into a buffer that is discarded.
    pub fn read(&self, driver: &mut Driver, inbound: Option<&mut Inbound>, cx: &Context<'_>) {
        let read = match inbound {
            None => self.pipe.poll_read(cx, &mut [0; 1000]),
            Some(inbound) => {
                let space = inbound.space();
                if space.is_empty() {
                    driver.read_paused();
                    return;
                }
                self.pipe.poll_read(cx, space).map_ok(|n| {
                    inbound.advance(n);
                    n
                })
            }
        };
        has_read(driver, read);
    }

    /// Performs a step. Ready means that the loop continues.
    fn perform(&self, step: Step, inbound: &mut Inbound, driver: &mut Driver, cx: &Context<'_>) -> Poll<()> {
        match step {
            Step::Write => self.write(driver, cx),
            Step::Flush => self.flush(driver, cx),
            Step::Shutdown => {
                self.pipe.shut_down();
                driver.shut_down();
            }
            Step::Read => self.read(driver, Some(inbound), cx),
            Step::Discard => self.read(driver, None, cx),
            Step::Time => driver.at(self.now()),
            Step::Wait(due) => {
                ready!(self.poll_until(due, cx));
                driver.at(self.now());
            }
            Step::Yield => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            step => panic!("{step:?} is not a step to perform"),
        }
        Poll::Ready(())
    }
}

fn has_read(driver: &mut Driver, read: Poll<io::Result<usize>>) {
    match read {
        Poll::Ready(Ok(0)) => driver.read_ended(),
        Poll::Ready(Ok(n)) => driver.read(n),
        Poll::Ready(Err(_)) => driver.read_failed(),
        Poll::Pending => driver.read_blocked(),
    }
}

/// The loop that the driver's documentation shows.
struct Plain {
    connection: Connection,
    ground: Ground,
}

/// Opens a connection in the loop of the documentation, or in one that starts operations and gets their results later.
pub async fn open(pipe: Pipe, role: Role, config: Config, completes: bool) -> Result<Box<dyn Shell>, Error> {
    let negotiated = negotiate(&pipe, role, &config).await?;
    let connection = Connection::from_negotiated(&negotiated, &config);
    let plain = Plain {
        connection,
        ground: Ground::new(pipe),
    };
    Ok(if completes {
        Box::new(Completing {
            plain,
            write: None,
            read: None,
            delays: 0,
        })
    } else {
        Box::new(plain)
    })
}

impl Plain {
    /// What only a whole connection can do.
    fn connection_op(&mut self, op: &Op) {
        match op {
            Op::Release => self.connection.release(),
            Op::MeasureLatency => self.connection.measure_latency(),
            _ => {}
        }
    }
}

impl Shell for Plain {
    fn operate(&mut self, op: &Op, owned: bool, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.connection_op(op);
        Poll::Ready(operate(self.connection.drive().1.outbound(), op, owned))
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.connection.drive().1.turn();
        loop {
            let (inbound, driver) = self.connection.drive();
            match driver.next_flush(inbound) {
                Step::Written => return Poll::Ready(Ok(())),
                Step::Ended => return Poll::Ready(driver.write_outcome().map_err(Error::Protocol)),
                step => ready!(self.ground.perform(step, inbound, driver, cx)),
            }
        }
    }

    fn receive(&mut self, _: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        self.connection.drive().1.turn();
        loop {
            if let Ok(Some(event)) = self.connection.next_event() {
                return Poll::Ready(Ok(Some(got(event))));
            }
            let (inbound, driver) = self.connection.drive();
            match driver.next(inbound) {
                Step::Ended => {
                    let outcome = driver.outcome();
                    return Poll::Ready(outcome.map(|()| None).map_err(Error::Protocol));
                }
                step => ready!(self.ground.perform(step, inbound, driver, cx)),
            }
        }
    }

    fn close_info(&self) -> Option<CloseInfo> {
        self.connection.close_info()
    }

    fn queued(&mut self) -> Option<usize> {
        Some(self.connection.split_mut().1.queued())
    }
}

/// An operation that was started.
enum Started {
    Write(Vec<u8>),
    Flush,
    Read {
        discards: bool,
    },
    /// A write or flush that is finished, and reported at this time.
    Done(Duration, io::Result<usize>),
    Flushed(Duration, io::Result<()>),
}

/// A loop that starts the requested operations, and gets their results later.
struct Completing {
    plain: Plain,
    write: Option<(Started, Alarm)>,
    read: Option<Started>,
    delays: u64,
}

impl Completing {
    /// The time at which a write that finishes now is reported.
    fn told_at(&mut self) -> Duration {
        self.delays += 1;
        clock::now() + Duration::from_micros(self.delays * 379 % 4000 / 1000 * 500)
    }

    /// Takes the available results. Returns whether there were any.
    fn complete(&mut self, cx: &Context<'_>) -> bool {
        let write = self.complete_write(cx);
        self.complete_read(cx) || write
    }

    fn complete_write(&mut self, cx: &Context<'_>) -> bool {
        let Some((started, alarm)) = self.write.take() else {
            return false;
        };
        let pipe = &self.plain.ground.pipe;
        let started = match started {
            Started::Write(bytes) => match pipe.poll_write(cx, &[IoSlice::new(&bytes)]) {
                Poll::Ready(written) => Started::Done(self.told_at(), written),
                Poll::Pending => Started::Write(bytes),
            },
            Started::Flush => match pipe.poll_flush(cx) {
                Poll::Ready(flushed) => Started::Flushed(self.told_at(), flushed),
                Poll::Pending => Started::Flush,
            },
            started => started,
        };
        let driver = self.plain.connection.drive().1;
        match started {
            Started::Done(at, written) if clock::now() >= at => match written {
                Ok(n) if n > 0 => driver.wrote(n),
                _ => driver.write_failed(),
            },
            Started::Flushed(at, flushed) if clock::now() >= at => match flushed {
                Ok(()) => driver.flushed(),
                Err(_) => driver.write_failed(),
            },
            started => {
                if let Started::Done(at, _) | Started::Flushed(at, _) = started {
                    alarm.set(at, cx.waker());
                }
                self.write = Some((started, alarm));
                return false;
            }
        }
        true
    }

    fn complete_read(&mut self, cx: &Context<'_>) -> bool {
        let Some(Started::Read { discards }) = self.read else {
            return false;
        };
        let mut bytes = [0; 3000];
        let read = self.plain.ground.pipe.poll_read(cx, &mut bytes);
        if read.is_pending() {
            return false;
        }
        self.read = None;
        let (inbound, driver) = self.plain.connection.drive();
        if let (Poll::Ready(Ok(n)), false) = (&read, discards) {
            inbound.receive(&bytes[..*n]);
        }
        has_read(driver, read);
        true
    }

    /// Continues until an event or the awaited end.
    fn go_on(&mut self, flushes: bool, cx: &Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        for round in 0.. {
            if flushes {
                // When all of a buffer is adopted, there is no reason to pause.
            } else if let Ok(Some(event)) = self.plain.connection.next_event() {
                return Poll::Ready(Ok(Some(got(event))));
            }
            if round % 64 == 63 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let (inbound, driver) = self.plain.connection.drive();
            let step = match flushes {
                true => driver.next_flush(inbound),
                false => driver.next(inbound),
            };
            match step {
                Step::Write => {
                    let bytes = driver.chunk().to_vec();
                    driver.write_started();
                    self.start(Started::Write(bytes), cx);
                }
                Step::Flush => {
                    driver.write_started();
                    self.start(Started::Flush, cx);
                }
                Step::Read | Step::Discard => {
                    driver.read_started();
                    assert!(self.read.is_none(), "requested twice");
                    let discards = step == Step::Discard;
                    self.read = Some(Started::Read { discards });
                    self.complete_read(cx);
                }
                Step::Written => return Poll::Ready(Ok(None)),
                Step::Ended if flushes => {
                    let outcome = driver.write_outcome();
                    return Poll::Ready(outcome.map(|()| None).map_err(Error::Protocol));
                }
                Step::Ended => {
                    let outcome = driver.outcome();
                    return Poll::Ready(outcome.map(|()| None).map_err(Error::Protocol));
                }
                Step::Wait(due) => {
                    if self.complete(cx) {
                        continue;
                    }
                    ready!(self.plain.ground.poll_until(due, cx));
                    let now = self.plain.ground.now();
                    self.plain.connection.drive().1.at(now);
                }
                step => ready!(self.plain.ground.perform(step, inbound, driver, cx)),
            }
        }
        unreachable!("the loop continues")
    }

    fn start(&mut self, started: Started, cx: &Context<'_>) {
        assert!(self.write.is_none(), "requested twice");
        self.write = Some((started, Alarm::new()));
        self.complete_write(cx);
    }
}

impl Shell for Completing {
    fn operate(&mut self, op: &Op, owned: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.plain.operate(op, owned, cx)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.complete(cx);
        self.go_on(true, cx).map_ok(|_| ())
    }

    fn receive(&mut self, _: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        // A flush that ran out of room has paused reading.
        self.plain.connection.drive().1.readable();
        self.complete(cx);
        self.go_on(false, cx)
    }

    fn close_info(&self) -> Option<CloseInfo> {
        self.plain.close_info()
    }

    fn queued(&mut self) -> Option<usize> {
        self.plain.queued()
    }
}
