//! Timers as data: what is due when, and what happens then.
//!
//! Nothing here runs per message. A deadline is armed, with a reported time, when a caller asks for the next one and
//! finds it unarmed. Counters of bytes show whether anything has happened since. Looking at them does not judge:
//! [`judge`](Deadlines::judge) does, after the transport was tried for bytes that may be waiting in it.

mod watch;

use core::{num::NonZeroU32, time::Duration};

use self::watch::Watch;
use crate::{
    config::Timers,
    connection::{
        Outbound,
        closing::{ReadyState, Severed},
        error::ProtocolError,
        inbound::Arrivals,
        time::{Millis, Time, Timer},
    },
};

/// How long output may stall when the peer has ended its side: most such peers are gone and accept nothing more.
const GONE: Millis = Millis::from_millis(NonZeroU32::MIN.saturating_add(499));

#[derive(Debug)]
pub(crate) struct Deadlines {
    /// Bytes from the peer, which is idle if there are none.
    silence: Watch,
    /// The progress of an unfinished message.
    message: Watch,
    /// Bytes that the transport accepts.
    output: Watch,
    keepalive: Option<Millis>,
    pong: Option<Millis>,
    close: Option<Millis>,
    /// While the connection is open, the end of the wait for the answer to a keepalive Ping, or the time of the next
    /// Ping if there is no such limit. While it closes, the end of that.
    until: Option<Time>,
    /// Whether a keepalive Ping was sent and nothing has arrived since.
    pinged: bool,
    /// Whether it was noted that the connection is closing.
    closing: bool,
}

impl Deadlines {
    pub(super) fn new(timers: Timers) -> Self {
        Self {
            silence: Watch::new(timers.idle),
            message: Watch::new(timers.message),
            output: Watch::new(timers.write),
            keepalive: Millis::new(timers.keepalive),
            pong: Millis::new(timers.pong),
            close: Millis::new(timers.close),
            until: None,
            pinged: false,
            closing: false,
        }
    }

    /// Returns whether an open connection with nothing to write can read on without knowing the time.
    #[inline]
    pub(super) fn is_quiet(&self, bytes: u32) -> bool {
        let is_watched = self.keepalive.is_some() || self.silence.timeout.is_some();
        !is_watched || !self.silence.wants_time(bytes)
    }

    /// Returns the next deadline, or [`Time::ZERO`] if the time must be reported first.
    ///
    /// Without `received`, the deadlines about a silent peer are left out.
    #[inline]
    pub(super) fn next(&self, outbound: &Outbound, received: Option<Arrivals>) -> Option<Time> {
        // The common case in few steps.
        if outbound.is_quiet() && !self.pinged && received.is_none_or(|received| received.message.is_none()) {
            let (shortest, received) = self.shortest_silence().zip(received)?;
            return Some(self.silence.next(shortest, shortest.step(), received.bytes));
        }
        self.next_in_full(outbound, received)
    }

    fn next_in_full(&self, outbound: &Outbound, received: Option<Arrivals>) -> Option<Time> {
        if outbound.ready_state() == ReadyState::Closed {
            return None;
        }
        if outbound.probe.wants_time() {
            return Some(Time::ZERO);
        }
        let output = self.next_output(outbound);
        if !outbound.closing.is_open() {
            // DRV-05: it starts when the Close is written. Before that, output must make progress.
            let close = self.close.filter(|_| !outbound.can_stall());
            // Until it is noted that the connection is closing, `until` is the end of another wait.
            let until = self.until.filter(|_| self.closing);
            return earlier(output, close.map(|_| until.unwrap_or(Time::ZERO)));
        }
        let peer = received.and_then(|received| {
            let message = self.message.timeout.zip(received.message);
            let message = message.map(|(timeout, progress)| self.message.next(timeout, timeout.step(), progress));
            earlier(self.next_of_silence(outbound, received.bytes), message)
        });
        earlier(output, peer)
    }

    /// Returns when waiting output will have stalled for too long, or [`Time::ZERO`] if the time must be reported
    /// first.
    pub(super) fn next_output(&self, outbound: &Outbound) -> Option<Time> {
        if !outbound.can_stall() {
            return None;
        }
        let (timeout, _) = self.stall(outbound)?;
        if outbound.closing.is_open() == self.closing {
            return Some(Time::ZERO);
        }
        Some(self.output.next(timeout, timeout.step(), outbound.written_mark()))
    }

    fn next_of_silence(&self, outbound: &Outbound, bytes: u32) -> Option<Time> {
        let step = self.shortest_silence()?.step();
        let idle = self
            .silence
            .timeout
            .map(|timeout| self.silence.next(timeout, step, bytes));
        let ping = self.keepalive.and_then(|interval| match self.until {
            _ if !self.pinged || self.silence.wants_time(bytes) => Some(self.silence.next(interval, step, bytes)),
            // The wait for an answer starts when the Ping has left.
            None => (!outbound.can_stall()).then_some(Time::ZERO),
            until => until,
        });
        earlier(idle, ping)
    }

    /// Returns the shortest of the timeouts that can start during a read.
    pub(super) fn shortest_to_begin(&self) -> Option<Duration> {
        earlier(self.close, earlier(self.output.timeout, self.message.timeout)).map(Millis::duration)
    }

    /// Returns the shorter of the timeouts for silence, which determines how often it is checked.
    #[inline]
    fn shortest_silence(&self) -> Option<Millis> {
        earlier(self.silence.timeout, self.keepalive)
    }

    /// Returns how long output may stall, and which timer that is. While the connection closes, it is at most the time
    /// of the closing handshake (DRV-03), and [less](GONE) once the peer sends nothing more (DRV-20).
    fn stall(&self, outbound: &Outbound) -> Option<(Millis, Timer)> {
        let close = self.close.filter(|_| !outbound.closing.is_open());
        let write = self.output.timeout.map(|timeout| (timeout, Timer::Write));
        let close = close.map(|timeout| (timeout, Timer::Close));
        let gone = outbound.closing.at_end.then_some((GONE, Timer::Write));
        due_first(due_first(write, close), gone)
    }

    /// Arms unarmed deadlines, notes progress, and sends a Ping that is due. Returns the earliest deadline that has
    /// passed, to be [judged](Self::judge) after the transport was tried.
    pub(super) fn look(&mut self, now: Time, outbound: &mut Outbound, received: Option<Arrivals>) -> Option<Passed> {
        let passed = self.look_at_all(now, outbound, received);
        outbound.probe.on_time(now);
        passed
    }

    fn look_at_all(&mut self, now: Time, outbound: &mut Outbound, received: Option<Arrivals>) -> Option<Passed> {
        if outbound.ready_state() == ReadyState::Closed {
            return None;
        }
        if self.closing == outbound.closing.is_open() {
            // The closing handshake has begun, and gets its full time.
            self.closing = !self.closing;
            (self.until, self.pinged) = (None, false);
            self.output.restart();
        }
        let output = self.look_at_output(now, outbound);
        if self.closing {
            let close = self.close.filter(|_| !outbound.can_stall());
            let close = close.map(|timeout| *self.until.get_or_insert(now + timeout));
            return due_first(output, close.and_then(|close| passed(now, close, Timer::Close)));
        }
        let peer = received.and_then(|received| {
            let silence = self.look_at_silence(now, outbound, received.bytes);
            let message = self.message.timeout.zip(received.message);
            let message = message.and_then(|(timeout, progress)| {
                let still = self.message.look(now, timeout.step(), progress);
                passed(now, still + timeout, Timer::Message)
            });
            due_first(silence, message)
        });
        due_first(output, peer)
    }

    /// Like [`look`](Self::look), for a caller that only writes and does not know what the peer sends.
    pub(super) fn look_at_output(&mut self, now: Time, outbound: &Outbound) -> Option<Passed> {
        if !outbound.can_stall() {
            return None;
        }
        let (timeout, timer) = self.stall(outbound)?;
        let still = self.output.look(now, timeout.step(), outbound.written_mark());
        passed(now, still + timeout, timer)
    }

    fn look_at_silence(&mut self, now: Time, outbound: &mut Outbound, bytes: u32) -> Option<Passed> {
        let still = self.silence.look(now, self.shortest_silence()?.step(), bytes);
        if still == now {
            (self.pinged, self.until) = (false, None);
        }
        let dead = self
            .keepalive
            .and_then(|interval| self.keep_alive(now, still + interval, interval, outbound));
        let idle = self.silence.timeout;
        due_first(dead, idle.and_then(|timeout| passed(now, still + timeout, Timer::Idle)))
    }

    /// DRV-04: sends a Ping whenever the peer was silent for the interval. That is not judging.
    fn keep_alive(&mut self, now: Time, first: Time, interval: Millis, outbound: &mut Outbound) -> Option<Passed> {
        let Some(timeout) = self.pong else {
            if now >= self.until.filter(|_| self.pinged).unwrap_or(first) {
                outbound.keepalive_ping();
                (self.pinged, self.until) = (true, Some(now + interval));
            }
            return None;
        };
        if !self.pinged && now >= first {
            outbound.keepalive_ping();
            self.pinged = true;
        } else if self.pinged && self.until.is_none() && !outbound.can_stall() {
            self.until = Some(now + timeout);
        }
        self.until.and_then(|until| passed(now, until, Timer::Keepalive))
    }

    /// Ends the connection if a deadline has passed, unless there has been progress since it was found to have passed.
    pub(super) fn judge(&mut self, now: Time, outbound: &mut Outbound, received: Option<Arrivals>) {
        let Some((_, timer)) = self.look(now, outbound, received) else {
            return;
        };
        outbound.log_deadline(timer);
        let has_ended = outbound.closing.at_end || outbound.closing.is_received();
        if has_ended && outbound.can_stall() && matches!(timer, Timer::Write | Timer::Close) {
            // How the connection ended follows from what the peer has sent.
            outbound.sever(Severed::Failed);
            if outbound.closing.is_received() {
                outbound.abandon();
            }
            return;
        }
        if timer != Timer::Close || !outbound.is_close_exchanged() {
            // What a writer has found before takes precedence.
            let failure = outbound.closing.stalled().unwrap_or(ProtocolError::TimedOut(timer));
            outbound.fail(failure);
        }
        // A peer that reads nothing, or does not answer, is not sent the reason.
        if matches!(timer, Timer::Close | Timer::Write | Timer::Keepalive) {
            outbound.abandon();
        }
    }

    /// Looks and judges at once. Returns whether that ended the connection, so that further input has no effect.
    pub(super) fn handle_at_once(&mut self, now: Time, outbound: &mut Outbound, received: Arrivals) -> bool {
        self.judge(now, outbound, Some(received));
        outbound.closing.failure().is_some() || outbound.closing.is_abandoned()
    }
}

/// A deadline that has passed, and its timer.
pub(super) type Passed = (Time, Timer);

fn passed(now: Time, due: Time, timer: Timer) -> Option<Passed> {
    (now >= due).then_some((due, timer))
}

/// Returns the smaller of two times, if both are given. A chain of iterators would do the same, but compile many times
/// slower.
#[inline]
pub(crate) fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Like [`earlier`], with the timers that the times belong to.
fn due_first<T: Ord>(one: Option<(T, Timer)>, other: Option<(T, Timer)>) -> Option<(T, Timer)> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.0 < one.0 { other } else { one }),
        (one, other) => one.or(other),
    }
}
