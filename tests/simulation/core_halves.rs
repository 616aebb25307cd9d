//! The two halves of the core in two tasks, which share the driver and one timer.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker, ready},
};

use websocket_proto::{CloseInfo, Config, Connection, Driver, Error, Inbound, Role, Step};

use crate::{
    application::Op,
    driver_loops::Ground,
    negotiate::negotiate,
    network::Pipe,
    raw::Got,
    shells::{Shell, got, operate},
};

struct Halves {
    inbound: Inbound,
    driver: Driver,
    ground: Ground,
    /// The tasks; the first one reads.
    tasks: [Waker; 2],
    /// Wakes both tasks.
    both: Waker,
}

struct Both([Waker; 2]);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.0.iter().for_each(Waker::wake_by_ref);
    }
}

/// Opens a connection of the core in two halves.
pub async fn open(pipe: Pipe, role: Role, config: Config) -> Result<Box<dyn Shell>, Error> {
    let negotiated = negotiate(&pipe, role, &config).await?;
    let (inbound, driver) = Connection::from_negotiated(&negotiated, &config).into_halves();
    Ok(Box::new(Halves {
        inbound,
        driver,
        ground: Ground::new(pipe),
        tasks: [Waker::noop().clone(), Waker::noop().clone()],
        both: Waker::noop().clone(),
    }))
}

impl Halves {
    /// Stores the waker of a task.
    fn register(&mut self, task: usize, cx: &Context<'_>) {
        if !self.tasks[task].will_wake(cx.waker()) {
            self.tasks[task] = cx.waker().clone();
            self.both = Arc::new(Both(self.tasks.clone())).into();
        }
    }

    /// Wakes the tasks that a change concerns.
    fn settle(&mut self) {
        if self.driver.has_waiting() {
            let wakes = self.driver.wakes();
            for (waker, is_concerned) in self.tasks.iter().zip([wakes.reader, wakes.writer]) {
                if is_concerned {
                    waker.wake_by_ref();
                }
            }
        }
    }

    fn read_on(&mut self, cx: &Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        let Self {
            inbound,
            driver,
            ground,
            both,
            ..
        } = self;
        let shared = &Context::from_waker(both);
        driver.turn();
        loop {
            if let Ok(Some(event)) = inbound.next_event(driver.outbound()) {
                return Poll::Ready(Ok(Some(got(event))));
            }
            match driver.next(inbound) {
                Step::Read => ground.read(driver, Some(inbound), cx),
                Step::Discard => ground.read(driver, None, cx),
                Step::Time => driver.at(ground.now()),
                Step::Wait(due) => {
                    ready!(ground.poll_until(due, shared));
                    driver.at(ground.now());
                }
                Step::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Ended => {
                    let outcome = driver.outcome();
                    return Poll::Ready(outcome.map(|()| None).map_err(Error::Protocol));
                }
                step => write(ground, driver, step, shared),
            }
        }
    }

    fn write_on(&mut self) -> Poll<Result<(), Error>> {
        let Self {
            driver, ground, both, ..
        } = self;
        let shared = &Context::from_waker(both);
        driver.writable();
        loop {
            match driver.next_write() {
                Step::Written => return Poll::Ready(Ok(())),
                Step::Ended => return Poll::Ready(driver.write_outcome().map_err(Error::Protocol)),
                Step::Time => driver.at_write(ground.now()),
                Step::Wait(due) => {
                    ready!(ground.poll_until(due, shared));
                    driver.at_write(ground.now());
                }
                step => write(ground, driver, step, shared),
            }
        }
    }
}

fn write(ground: &Ground, driver: &mut Driver, step: Step, cx: &Context<'_>) {
    match step {
        Step::Write => ground.write(driver, cx),
        Step::Flush => ground.flush(driver, cx),
        Step::Shutdown => {
            ground.pipe.shut_down();
            driver.shut_down();
        }
        step => panic!("{step:?} is not a step of the write side"),
    }
}

impl Shell for Halves {
    fn is_split(&self) -> bool {
        true
    }

    fn operate(&mut self, op: &Op, owned: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.register(1, cx);
        let done = operate(self.driver.outbound(), op, owned);
        self.settle();
        Poll::Ready(done)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.register(1, cx);
        let flushed = self.write_on();
        self.settle();
        flushed
    }

    fn receive(&mut self, _: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        self.register(0, cx);
        let received = self.read_on(cx);
        self.settle();
        received
    }

    fn close_info(&self) -> Option<CloseInfo> {
        self.driver.outbound_ref().close_info()
    }

    fn queued(&mut self) -> Option<usize> {
        Some(self.driver.outbound_ref().queued())
    }
}
