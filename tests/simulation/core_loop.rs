//! The bare core in a loop that asks it for its deadlines, and judges them at once.

use std::{
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use websocket_proto::{Buf, CloseInfo, Config, Connection, Error, ReadyState, Role, Time};

use crate::{
    application::Op,
    clock::{self, Alarm},
    negotiate::negotiate,
    network::Pipe,
    raw::Got,
    shells::{Shell, got, operate},
};

/// The bare core, in its own loop.
struct Core {
    connection: Connection,
    pipe: Pipe,
    origin: Duration,
    alarm: Alarm,
    unflushed: bool,
    shut_down: bool,
}

/// Opens a connection of the bare core.
pub async fn open(pipe: Pipe, role: Role, config: Config) -> Result<Box<dyn Shell>, Error> {
    let negotiated = negotiate(&pipe, role, &config).await?;
    Ok(Box::new(Core {
        connection: Connection::from_negotiated(&negotiated, &config),
        pipe,
        origin: clock::now(),
        alarm: Alarm::new(),
        unflushed: false,
        shut_down: false,
    }))
}

impl Core {
    fn now(&self) -> Time {
        Time::from_origin(clock::now() - self.origin)
    }

    /// Handles due deadlines. Returns whether any was due.
    fn handle_timeouts(&mut self, cx: &Context<'_>) -> bool {
        let mut handled = false;
        for round in 0.. {
            assert!(round < 10, "a deadline that was handled is due again");
            let now = self.now();
            match self.connection.poll_timeout() {
                Some(due) if due <= now => self.connection.handle_timeout(now),
                Some(due) => {
                    self.alarm.set(self.origin + due.since_origin(), cx.waker());
                    break;
                }
                None => {
                    self.alarm.clear();
                    break;
                }
            }
            handled = true;
        }
        handled
    }

    fn poll_write(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            let output = self.connection.output();
            let mut slices = [io::IoSlice::new(&[]); 4];
            let used = output.chunks_vectored(&mut slices);
            match ready!(self.pipe.poll_write(cx, &slices[..used]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => output.advance(n),
            }
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(self.pipe.poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.connection.wants_shutdown() && !self.shut_down {
            self.pipe.shut_down();
            self.shut_down = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl Shell for Core {
    fn operate(&mut self, op: &Op, owned: bool, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match op {
            Op::Release => self.connection.release(),
            Op::MeasureLatency => self.connection.measure_latency(),
            _ => {}
        }
        Poll::Ready(operate(self.connection.split_mut().1, op, owned))
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.connection.ready_state() != ReadyState::Closed && ready!(self.poll_write(cx)).is_err() {
            self.connection.abort();
        }
        Poll::Ready(Ok(()))
    }

    fn receive(&mut self, _: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Got>, Error>> {
        loop {
            let failure = match self.connection.next_event() {
                Ok(Some(event)) => return Poll::Ready(Ok(Some(got(event)))),
                Ok(None) => None,
                Err(failure) => Some(failure),
            };
            if self.connection.ready_state() == ReadyState::Closed {
                self.alarm.clear();
                return Poll::Ready(failure.map_or(Ok(None), |failure| Err(failure.into())));
            }
            if self.handle_timeouts(cx) {
                continue;
            }
            if let Poll::Ready(Err(_)) = self.poll_write(cx) {
                self.connection.abort();
                continue;
            }
            if self.connection.ready_state() == ReadyState::Closed || self.handle_timeouts(cx) {
                continue;
            }
            if !self.connection.wants_read() {
                return Poll::Pending;
            }
            match self.pipe.poll_read(cx, self.connection.space()) {
                Poll::Ready(Ok(0)) => self.connection.receive_eof(),
                Poll::Ready(Ok(n)) => self.connection.advance(n),
                Poll::Ready(Err(_)) => self.connection.abort(),
                Poll::Pending => return Poll::Pending,
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
