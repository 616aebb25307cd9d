//! Timers as data: what is due when, and what happens then.
//!
//! Nothing here is touched per message. A deadline is armed, with the time told by `handle_timeout`, when somebody asks
//! for the next one and finds it unarmed; when it is due, counters of bytes tell whether anything happened meanwhile.

use core::{fmt, num::NonZeroU64, ops::Add, time::Duration};

use crate::{
    config::Timers,
    connection::{Inbound, Outbound, ReadyState, error::ProtocolError},
};

/// A moment: the time since an origin that the caller picks once per connection, on a clock that never goes back.
///
/// With `std`, the origin is an `Instant` and this is its `elapsed()`. It counts nanoseconds, and stops after 584 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(
    /// Nanoseconds, and one, so that an `Option` of it is no larger: a connection has several.
    NonZeroU64,
);

impl Time {
    /// The origin itself. As a deadline: due at once.
    pub const ZERO: Self = Self(NonZeroU64::MIN);

    /// The moment this long after the origin.
    #[must_use]
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos(elapsed)))
    }

    /// How long after the origin this is.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.since(Self::ZERO)
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

const fn nanos(duration: Duration) -> u64 {
    let nanos = duration.as_nanos();
    if nanos > u64::MAX as u128 {
        return u64::MAX;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is no more than fits")]
    let nanos = nanos as u64;
    nanos
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl Add<Span> for Time {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        self + span.duration()
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Time").field(&self.since_origin()).finish()
    }
}

/// A [`Duration`] in half its size, also if it is optional. It stops where [`Time`] does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(
    /// When it is over, if it begins at the origin.
    Time,
);

impl Span {
    pub(super) const fn new(duration: Duration) -> Self {
        Self(Time::from_origin(duration))
    }

    pub(super) const fn duration(self) -> Duration {
        self.0.since_origin()
    }
}

/// Which deadline passed; see [`Timers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// The closing handshake was not finished in time.
    Close,
    /// The peer took no output for too long.
    Write,
    /// The peer sent nothing for too long.
    Idle,
    /// The peer sent nothing after a keepalive Ping: it is dead.
    Keepalive,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Close => "closing handshake",
            Self::Write => "stalled write",
            Self::Idle => "idle peer",
            Self::Keepalive => "no answer to a keepalive ping",
        })
    }
}

/// Idle time is measured in this many steps, so that it fires at most one step late.
const IDLE_STEPS: u8 = 4;

#[derive(Debug)]
pub(crate) struct Deadlines {
    timers: Timeouts,
    close: Option<Time>,
    write: Option<Watch>,
    keepalive: Option<Watch>,
    /// Whether the keepalive Ping is sent, and its answer is what is waited for.
    pinged: bool,
    idle: Option<Watch>,
    idle_steps: u8,
}

/// Those of the [`Timers`] that matter to a connection. The opening handshake is over.
#[derive(Debug)]
struct Timeouts {
    close: Option<Span>,
    write: Option<Span>,
    idle: Option<Span>,
    keepalive: Option<Span>,
    pong: Option<Span>,
}

/// A deadline that only counts if a counter of bytes stands still until then.
#[derive(Clone, Copy, Debug)]
struct Watch {
    due: Time,
    mark: u64,
}

impl Deadlines {
    pub(super) fn new(timers: Timers) -> Self {
        Self {
            timers: Timeouts {
                close: timers.close.map(Span::new),
                write: timers.write.map(Span::new),
                idle: timers.idle.map(Span::new),
                keepalive: timers.keepalive.map(Span::new),
                pong: timers.pong.map(Span::new),
            },
            close: None,
            write: None,
            keepalive: None,
            pinged: false,
            idle: None,
            idle_steps: 0,
        }
    }

    /// The same deadlines but that of stalled output, which is left to whoever writes.
    pub(crate) fn without_write(mut self) -> Self {
        self.timers.write = None;
        self
    }

    /// How long the closing handshake may take.
    #[cfg(feature = "async")]
    pub(crate) fn close_timeout(&self) -> Option<Duration> {
        self.timers.close.map(Span::duration)
    }

    /// The next deadline; [`Time::ZERO`] if one must be armed first.
    pub(crate) fn next(&self, outbound: &Outbound) -> Option<Time> {
        if outbound.ready_state() == ReadyState::Closed {
            return None;
        }
        let of_state = if outbound.closing.is_open() {
            earlier(
                self.timers.keepalive.map(|_| Watch::due(self.keepalive)),
                self.timers.idle.map(|_| Watch::due(self.idle)),
            )
        } else {
            self.timers.close.map(|_| self.close.unwrap_or(Time::ZERO))
        };
        let of_output = earlier(
            self.next_write(outbound),
            outbound.probe.wants_time().then_some(Time::ZERO),
        );
        earlier(of_state, of_output)
    }

    /// When output that waits will have stood still for too long.
    pub(crate) fn next_write(&self, outbound: &Outbound) -> Option<Time> {
        (outbound.can_stall() && self.timers.write.is_some()).then(|| Watch::due(self.write))
    }

    /// Arms what is unarmed and does what is due.
    pub(crate) fn handle(&mut self, now: Time, inbound: &mut Inbound, outbound: &mut Outbound) {
        outbound.probe.on_time(now);
        if outbound.ready_state() == ReadyState::Closed {
            return;
        }
        if self.handle_write(now, inbound, outbound) {
            return;
        }
        if outbound.closing.is_open() {
            self.handle_keepalive(now, inbound, outbound);
            self.handle_idle(now, inbound, outbound);
        }
        self.handle_close(now, inbound, outbound);
    }

    fn handle_close(&mut self, now: Time, inbound: &mut Inbound, outbound: &mut Outbound) {
        let Some(timeout) = self.timers.close else { return };
        if outbound.closing.is_open() {
            return;
        }
        if now >= *self.close.get_or_insert(now + timeout) {
            if !outbound.is_close_exchanged() {
                outbound.fail(ProtocolError::TimedOut(Timer::Close));
            }
            inbound.end();
            outbound.abandon();
        }
    }

    /// Gives the connection up if its output stood still for too long. Returns whether it did.
    ///
    /// With [`next_write`](Self::next_write), this is for one who only writes, and does not see what the peer sends.
    pub(crate) fn handle_write(&mut self, now: Time, inbound: &mut Inbound, outbound: &mut Outbound) -> bool {
        let Some(timeout) = self.timers.write else { return false };
        let stalled =
            outbound.can_stall() && Watch::look(&mut self.write, now, timeout, outbound.written()) == Seen::Still;
        if stalled {
            inbound.end();
            outbound.fail(ProtocolError::TimedOut(Timer::Write));
            outbound.abandon();
        }
        stalled
    }

    fn handle_keepalive(&mut self, now: Time, inbound: &mut Inbound, outbound: &mut Outbound) {
        let Some(interval) = self.timers.keepalive else { return };
        match Watch::look(&mut self.keepalive, now, interval, inbound.received()) {
            Seen::NotDue => {}
            Seen::Moved => self.pinged = false,
            Seen::Still if self.pinged => {
                inbound.end();
                outbound.fail(ProtocolError::TimedOut(Timer::Keepalive));
                outbound.abandon();
            }
            Seen::Still => {
                outbound.keepalive_ping();
                if let (Some(timeout), Some(watch)) = (self.timers.pong, &mut self.keepalive) {
                    watch.due = now + timeout;
                    self.pinged = true;
                }
            }
        }
    }

    fn handle_idle(&mut self, now: Time, inbound: &mut Inbound, outbound: &mut Outbound) {
        let Some(timeout) = self.timers.idle else { return };
        let step = Span::new(timeout.duration() / u32::from(IDLE_STEPS));
        match Watch::look(&mut self.idle, now, step, inbound.received()) {
            Seen::NotDue => {}
            Seen::Moved => self.idle_steps = 0,
            Seen::Still => self.idle_steps += 1,
        }
        if self.idle_steps >= IDLE_STEPS {
            inbound.end();
            outbound.fail(ProtocolError::TimedOut(Timer::Idle));
        }
    }
}

#[inline]
fn earlier(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// What a look at a [`Watch`] shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    NotDue,
    /// It was due, or not armed, and the counter has moved since.
    Moved,
    /// It was due, and the counter has not moved since.
    Still,
}

impl Watch {
    fn due(watch: Option<Self>) -> Time {
        watch.map_or(Time::ZERO, |watch| watch.due)
    }

    /// Looks whether `count` stood still for the whole time. Arms the watch anew, unless it is not due.
    fn look(watch: &mut Option<Self>, now: Time, timeout: Span, count: u64) -> Seen {
        let seen = match watch {
            Some(watch) if now < watch.due => return Seen::NotDue,
            Some(watch) if watch.mark == count => Seen::Still,
            _ => Seen::Moved,
        };
        *watch = Some(Self {
            due: now + timeout,
            mark: count,
        });
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString};

    #[test]
    fn time_is_exact_and_stops_at_its_end() {
        let moment = Time::from_origin(Duration::new(3, 7));
        assert_eq!(moment.since_origin(), Duration::new(3, 7));
        assert_eq!((moment + Duration::new(1, 2)).since(moment), Duration::new(1, 2));
        assert_eq!(moment.since(moment + Duration::from_nanos(1)), Duration::ZERO);
        assert_eq!(Time::default(), Time::from_origin(Duration::ZERO));

        let end = Time::from_origin(Duration::MAX);
        assert_eq!(moment + Duration::MAX, end);
        assert_eq!(end + Duration::from_nanos(1), end);
        assert_eq!(Time::from_origin(Duration::from_secs(20_000_000_000)), end, "634 years");
        assert!(end.since_origin() > Duration::from_secs(500 * 365 * 24 * 60 * 60));
        assert_eq!(size_of::<Option<Time>>(), 8);
    }

    #[test]
    fn a_span_is_the_duration_that_it_was_made_of() {
        for duration in [Duration::ZERO, Duration::from_nanos(1), Duration::new(3, 7)] {
            assert_eq!(Span::new(duration).duration(), duration);
        }
        let moment = Time::from_origin(Duration::new(3, 7));
        assert_eq!(moment + Span::new(Duration::MAX), moment + Duration::MAX);
        assert_eq!(size_of::<Option<Span>>(), 8);
    }

    #[test]
    fn what_is_shown() {
        assert_eq!(
            format!("{:?}", Time::from_origin(Duration::new(3, 7))),
            "Time(3.000000007s)"
        );
        let shown = [Timer::Close, Timer::Write, Timer::Idle, Timer::Keepalive].map(|timer| timer.to_string());
        let expected = [
            "closing handshake",
            "stalled write",
            "idle peer",
            "no answer to a keepalive ping",
        ];
        assert_eq!(shown, expected);
    }
}
