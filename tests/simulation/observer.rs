//! One connection observed from outside while it lives: when it failed, and what had arrived by then.

use std::{cell::RefCell, rc::Rc, time::Duration};

use websocket_proto::{CloseInfo, ProtocolError, Timer, Timers};

use crate::{
    clock,
    endpoint::Kind,
    network::{Network, Record},
};

/// When a connection failed.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    pub at: Duration,
    pub failure: ProtocolError,
    /// Bytes that were read by then.
    pub read: usize,
    /// Whether the data that had arrived by then was parsed once more.
    has_looked: bool,
}

pub struct Observer {
    network: Rc<RefCell<Network>>,
    end: usize,
    timers: Timers,
    /// Whether received data is read before a deadline is judged, and after a failed write (promise 9).
    reads_first: bool,
    /// Whether completed operations are reported later, or not before a deadline is judged.
    completes: bool,
    /// Whether a read that finds nothing means that nothing has arrived.
    pub is_exact: bool,
    pub opened: Option<Duration>,
    /// The time at which it started to close.
    closing: Option<Duration>,
    pub failed: Option<Failed>,
    /// The times at which something came late, and by how much.
    pub late: Vec<(Duration, Duration)>,
}

/// A duration as a connection uses it: in whole milliseconds, at least one, and at most 49 days.
pub fn limit(timer: Option<Duration>) -> Option<Duration> {
    let millis = timer?.as_nanos().div_ceil(1_000_000).max(1);
    u32::try_from(millis)
        .ok()
        .filter(|&millis| millis != u32::MAX)
        .map(|millis| Duration::from_millis(millis.into()))
}

/// The time by which a deadline may exceed its least value.
pub fn greatest(limit: Duration) -> Duration {
    limit + limit / 4
}

impl Observer {
    pub fn new(network: Rc<RefCell<Network>>, end: usize, timers: Timers, kind: Kind) -> Self {
        Self {
            network,
            end,
            timers,
            reads_first: kind.reads_first(),
            completes: !kind.reads_first() || kind == Kind::Completing,
            is_exact: true,
            opened: None,
            closing: None,
            failed: None,
            late: Vec::new(),
        }
    }

    /// How late everything since then may be: the recorded delays, and the milliseconds of grace that follow.
    fn slack(&self, since: Duration) -> Duration {
        let late = self.late.iter().filter(|(at, _)| *at >= since);
        late.fold(Duration::from_millis(5), |sum, (_, by)| {
            sum + *by + Duration::from_millis(4)
        })
    }

    /// Whether the opening handshake must end; its response is written like any output.
    pub fn opens_in_time(&self) -> bool {
        self.timers.handshake.is_some_and(|timeout| timeout < Duration::MAX) && limit(self.timers.write).is_some()
    }

    /// Whether the closing handshake must end.
    pub fn closes_in_time(&self) -> bool {
        limit(self.timers.close).is_some()
    }

    /// Looks at a connection after a poll. `has_drained` states whether it was asked for events until there were none left.
    pub fn observe(&mut self, closure: Option<&CloseInfo>, has_drained: bool) {
        let now = clock::now();
        self.opened.get_or_insert(now);
        let Some(closure) = closure else { return };
        let closing = self.closing;
        self.closing.get_or_insert(now);
        let Some(failure) = closure.failure else { return };
        let network = Rc::clone(&self.network);
        let network = network.borrow();
        let record = network.record(self.end);
        if self.failed.is_none() {
            self.failed = Some(Failed {
                at: now,
                failure,
                read: record.read.len(),
                has_looked: false,
            });
            if let ProtocolError::TimedOut(timer) = failure {
                self.was_in_time(timer, record, closing);
            }
        }
        if let Some(failed) = self.failed.as_mut().filter(|failed| has_drained && !failed.has_looked) {
            failed.has_looked = true;
            // A flood does not delay an absolute deadline.
            let is_flooded = record.in_row >= 32 && failed.failure != ProtocolError::ConnectionLost;
            let is_own = !matches!(
                failed.failure,
                ProtocolError::ConnectionLost | ProtocolError::TimedOut(_)
            );
            if self.reads_first && self.is_exact && !is_own && !is_flooded && !record.put_off {
                let unread = network.readable(self.end, failed.at);
                assert_eq!(
                    unread, 0,
                    "promise 9: bytes that had arrived before {failed:?} were not read"
                );
            }
        }
    }

    /// Promise 10: a deadline fires no earlier than documented, and no more than a quarter later.
    fn was_in_time(&self, timer: Timer, record: &Record, closing: Option<Duration>) {
        let (now, timers) = (clock::now(), &self.timers);
        let opened = self.opened.unwrap_or_default();
        // The connection may have begun before the opening handshake was over on this side.
        let read = record.last_read().unwrap_or_default();
        let last_read = read.max(opened);
        let (taken, moved) = (record.taken.unwrap_or_default(), record.moved.unwrap_or_default());
        // The time at which output became pending is unknown, but it was no later than this.
        let waits = record.refused_since.max(closing);
        let (since, least, most) = match timer {
            Timer::Idle => {
                let idle = limit(timers.idle).expect("a deadline");
                (last_read, read + idle, last_read + greatest(idle))
            }
            Timer::Keepalive => {
                let interval = limit(timers.keepalive).expect("an interval");
                let pong = limit(timers.pong).expect("a deadline");
                let left = moved.max(last_read + greatest(interval));
                (last_read, read + interval + pong, left + pong)
            }
            Timer::Message => {
                let message = limit(timers.message).expect("a deadline");
                // What is read and discarded after the failure may be the rest of the message.
                let progress = last_byte_of_message(record).unwrap_or_default();
                let looked = last_read.max(record.refused_until.unwrap_or_default());
                (progress, progress + message, looked + greatest(message))
            }
            Timer::Write => {
                let write = limit(timers.write).expect("a deadline");
                let since = waits.unwrap_or(now);
                (
                    since,
                    taken.max(closing.unwrap_or_default()) + write,
                    since + greatest(write),
                )
            }
            Timer::Close => {
                let close = limit(timers.close).expect("a deadline");
                let closing = closing.expect("it closes");
                let stalled = waits.unwrap_or(closing) + greatest(close);
                let written = moved.max(record.write_failed.unwrap_or_default()).max(closing) + close;
                (closing, taken.max(closing) + close, stalled.max(written))
            }
            timer => panic!("an unknown deadline {timer:?}"),
        };
        let least = if self.completes { Duration::ZERO } else { least };
        assert!(now >= least, "promise 10: {timer:?} fired at {now:?}, before {least:?}");
        let latest = most + self.slack(since);
        assert!(
            now <= latest,
            "promise 10: {timer:?} fired at {now:?}, after {latest:?}"
        );
    }

    /// Promise 10: no connection outlives its deadlines.
    pub fn is_not_overdue(&self) {
        let (now, timers) = (clock::now(), &self.timers);
        let Some(opened) = self.opened else { return };
        let network = self.network.borrow();
        let record = network.record(self.end);
        let overdue = |since: Duration, limit: Duration| now > since + limit + self.slack(since);
        let read = record.last_read().unwrap_or_default();
        let last_read = read.max(opened);
        if let Some(failed) = self.failed {
            // It may have a last frame to write, and then waits for the end.
            let moved = failed.at.max(record.moved.unwrap_or_default());
            if let Some(close) = limit(timers.close) {
                assert!(
                    !overdue(moved, greatest(close) * 2),
                    "promise 10: {failed:?}, but no end"
                );
            }
            return;
        }
        let waits = record.refused_since.filter(|_| record.write_failed.is_none());
        if let Some(closing) = self.closing {
            let moved = record.moved.max(record.write_failed).unwrap_or_default();
            if let Some(close) = limit(timers.close) {
                let since = closing.max(moved);
                assert!(
                    !overdue(since, greatest(close) * 2),
                    "promise 10: closing since {since:?}"
                );
            }
            return;
        }
        if let Some((waits, write)) = waits.zip(limit(timers.write)) {
            assert!(
                !overdue(waits, greatest(write)),
                "promise 10: nothing is accepted since {waits:?}"
            );
        }
        if let Some(idle) = limit(timers.idle) {
            assert!(
                !overdue(last_read, greatest(idle)),
                "promise 10: silent since {last_read:?}"
            );
        }
        if let (Some(interval), None) = (limit(timers.keepalive), record.refused_since) {
            let most = greatest(interval);
            let pinged = record.moved.is_some_and(|moved| moved >= read + interval);
            assert!(
                pinged || !overdue(last_read, most),
                "promise 10: no Ping since {last_read:?}"
            );
            if let (Some(pong), true) = (limit(timers.pong), pinged) {
                let dead = overdue(last_read, most + greatest(pong)) && overdue(record.moved.unwrap_or_default(), pong);
                assert!(!dead, "promise 10: a dead peer since {last_read:?}");
            }
        }
        // A caller that waits to write does not parse what it reads, and starts to once it has written.
        if let (Some(message), None) = (limit(timers.message), record.refused_since) {
            let looked = last_read.max(record.refused_until.unwrap_or_default());
            // Parsing takes time, and is not needed often.
            if overdue(looked, greatest(message)) {
                assert!(
                    last_byte_of_message(record).is_none(),
                    "promise 10: an unfinished message since {looked:?}"
                );
            }
        }
    }
}

/// The time at which the latest byte of an incomplete message was read.
fn last_byte_of_message(record: &Record) -> Option<Duration> {
    let frames = crate::wire_view::Frames::of(&record.read)?;
    frames.unfinished().and_then(|place| record.read_at(place))
}
