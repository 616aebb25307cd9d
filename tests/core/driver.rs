//! The order of reads, writes, deadlines and the end (DRV), on a script: no I/O, no clock.

mod ahead;
mod ends;
mod owned;
mod time;
mod turns;

use core::time::Duration;

use websocket_proto::{
    CloseCode, Config, Connection, Delivery, Driver, Event, Inbound, Limits, PreparedMessage, ProtocolError,
    ReadyState, Role, SendError, Side, Step, Time, Timer, Timers,
};

use crate::wire::{self, BINARY, CLOSE, FIN, PONG, ROLES, TEXT};

fn ms(n: u64) -> Time {
    Time::from_origin(Duration::from_millis(n))
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A transport whose behaviour is set by hand, and the loop that drives a connection over it.
struct World {
    connection: Connection,
    now: u64,
    /// Bytes ready to be read; when it is empty, a read blocks.
    waiting: Vec<u8>,
    /// Whether the transport ends, or fails, after `waiting`.
    ended: Option<Result<(), ()>>,
    /// The number of bytes that writes may take; `None`: they fail.
    room: Option<usize>,
    written: Vec<u8>,
    got: Vec<String>,
    steps: Vec<Step>,
}

impl World {
    fn new(role: Role, timers: Timers) -> Self {
        Self::with(role, &Config::new().timers(timers))
    }

    fn with(role: Role, config: &Config) -> Self {
        Self {
            connection: Connection::new(role, config),
            now: 0,
            waiting: vec![],
            ended: None,
            room: Some(usize::MAX),
            written: vec![],
            got: vec![],
            steps: vec![],
        }
    }

    fn take_events(&mut self) {
        while let Ok(Some(event)) = self.connection.next_event() {
            match event {
                Event::Message(message) => self.got.push(message.as_text().unwrap_or("binary").into()),
                Event::Close(frame) => self
                    .got
                    .push(format!("close {:?}", frame.map(|frame| frame.code.value()))),
                _ => {}
            }
        }
    }

    /// One turn. Returns its last step: wait, yield, or the end.
    fn turn(&mut self) -> Step {
        self.connection.drive().1.turn();
        self.go_on()
    }

    fn go_on(&mut self) -> Step {
        loop {
            self.take_events();
            let (inbound, driver) = self.connection.drive();
            let step = driver.next(inbound);
            self.steps.push(step);
            assert!(self.steps.len() < 1_000_000, "it spins: {:?}", &self.steps[..20]);
            if !self.perform(step) {
                return step;
            }
        }
    }

    /// Performs a step. Returns whether that was possible.
    fn perform(&mut self, step: Step) -> bool {
        let (now, (inbound, driver)) = (ms(self.now), self.connection.drive());
        match step {
            Step::Write => match self.room {
                None => driver.write_failed(),
                Some(0) => driver.write_blocked(),
                Some(room) => {
                    let n = driver.chunk().len().min(room);
                    assert!((1..=Driver::MAX_WRITE).contains(&n));
                    self.written.extend(&driver.chunk()[..n]);
                    self.room = Some(room - n);
                    driver.wrote(n);
                }
            },
            Step::Flush => driver.flushed(),
            Step::Shutdown => driver.shut_down(),
            Step::Read | Step::Discard if self.waiting.is_empty() => match self.ended {
                None => driver.read_blocked(),
                Some(Ok(())) => driver.read_ended(),
                Some(Err(())) => driver.read_failed(),
            },
            Step::Read => {
                let space = inbound.space();
                let n = space.len().min(self.waiting.len());
                if n == 0 {
                    driver.read_paused();
                    return true;
                }
                space[..n].copy_from_slice(&self.waiting[..n]);
                inbound.advance(n);
                driver.read(n);
                self.waiting.drain(..n);
            }
            Step::Discard => {
                driver.read(self.waiting.len());
                self.waiting.clear();
            }
            Step::Time => driver.at(now),
            Step::Wait(Some(due)) if due <= now => driver.at(now),
            _ => return false,
        }
        true
    }

    /// Lets time pass, with a turn whenever a deadline is due. Returns the time of the end.
    fn until(&mut self, end: u64) -> Option<u64> {
        loop {
            match self.turn() {
                Step::Ended => return Some(self.now),
                Step::Wait(Some(due)) if due <= ms(end) => {
                    let due = due.since_origin().as_nanos().div_ceil(1_000_000);
                    self.now = self.now.max(u64::try_from(due).unwrap());
                }
                Step::Yield => {}
                _ => {
                    self.now = end;
                    return None;
                }
            }
        }
    }

    fn driver(&mut self) -> &mut Driver {
        self.connection.drive().1
    }

    fn pings(&self) -> usize {
        wire::parse(&self.written)
            .0
            .iter()
            .filter(|frame| frame.opcode() == wire::PING)
            .count()
    }

    fn outcome(&mut self) -> Result<(), ProtocolError> {
        self.driver().outcome()
    }
}

fn keepalive(interval: u64, pong: u64) -> Timers {
    Timers::new().keepalive(millis(interval)).pong(millis(pong))
}
