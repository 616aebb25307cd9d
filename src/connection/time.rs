//! Times and time spans on the clock of a connection, which the caller reads.

use core::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
    ops::Add,
    time::Duration,
};

/// A point in time: the time since an origin that the caller chooses once per connection, on a clock that never goes
/// back.
///
/// With `std`, the origin is an `Instant` and this is its `elapsed()`. It counts nanoseconds, and saturates after 584 years.
///
/// Connections may share an origin. A loop that serves several can then compare their deadlines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(
    /// Nanoseconds plus one, so that an `Option` of it is no larger: a connection has several.
    NonZeroU64,
);

impl Time {
    /// The origin. As a deadline: due at once.
    pub const ZERO: Self = Self(NonZeroU64::MIN);

    /// The last possible time. No deadline is that late.
    pub(super) const END: Self = Self(NonZeroU64::MAX);

    /// Creates the time this long after the origin.
    #[must_use]
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos(elapsed)))
    }

    /// Returns the time this many nanoseconds later.
    #[inline]
    pub(super) const fn after(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Returns how long after the origin this is.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.since(Self::ZERO)
    }

    /// Returns how long after `earlier` this is, or zero if it is not later.
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
        self.after(nanos(duration))
    }
}

impl Add<Millis> for Time {
    type Output = Self;

    #[inline]
    fn add(self, span: Millis) -> Self {
        self.after(span.nanos())
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

/// A [`Duration`] in half its size, even as an `Option`. It saturates like [`Time`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(
    /// The time when it ends if it begins at the origin.
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

/// A timeout in whole milliseconds, in a quarter of the size of a [`Duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Millis(NonZeroU32);

impl Millis {
    pub(super) const fn from_millis(millis: NonZeroU32) -> Self {
        Self(millis)
    }

    /// Rounds a timeout up to whole milliseconds, at least one. `None` means no timeout, and so does more than 49 days.
    pub(crate) fn new(timeout: Option<Duration>) -> Option<Self> {
        let millis = timeout?.as_nanos().div_ceil(1_000_000).max(1);
        u32::try_from(millis).ok().and_then(NonZeroU32::new).map(Self)
    }

    pub(super) const fn duration(self) -> Duration {
        Duration::from_millis(self.0.get() as u64)
    }

    const fn nanos(self) -> u64 {
        self.0.get() as u64 * 1_000_000
    }

    /// Returns a quarter of it in nanoseconds: how often to check a counter that must not stand still for the whole
    /// timeout.
    pub(super) const fn step(self) -> u64 {
        self.nanos() / 4
    }
}

/// Which deadline passed; see [`Timers`](crate::Timers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// The closing handshake did not finish in time.
    Close,
    /// The peer accepted no output for too long.
    Write,
    /// The peer sent nothing for too long.
    Idle,
    /// The peer sent nothing after a keepalive Ping: it is dead.
    Keepalive,
    /// The peer began a message and sent no more of it for too long.
    Message,
}

impl Timer {
    /// Returns its name in logs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Write => "write",
            Self::Idle => "idle",
            Self::Keepalive => "keepalive",
            Self::Message => "message",
        }
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Close => "closing handshake",
            Self::Write => "stalled write",
            Self::Idle => "idle peer",
            Self::Keepalive => "no answer to a keepalive ping",
            Self::Message => "unfinished message",
        })
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
        assert_eq!((moment + Duration::MAX, end), (end, Time::END));
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
        assert_eq!(size_of::<Option<Span>>(), 8);
    }

    /// DRV-10: no value of a timeout overflows; the minimum is a millisecond, and more than 49 days means no timeout.
    #[test]
    fn timeouts_are_whole_milliseconds() {
        let millis = |duration| Millis::new(Some(duration)).map(Millis::duration);
        let ms = Duration::from_millis;
        for (duration, expected) in [
            (Duration::ZERO, Some(ms(1))),
            (Duration::from_nanos(1), Some(ms(1))),
            (Duration::from_nanos(1_000_001), Some(ms(2))),
            (ms(u64::from(u32::MAX)), Some(ms(u64::from(u32::MAX)))),
            (ms(u64::from(u32::MAX) + 1), None),
            (Duration::MAX, None),
        ] {
            assert_eq!(millis(duration), expected, "{duration:?}");
        }
        assert_eq!(Millis::new(None), None);
        assert_eq!(size_of::<Option<Millis>>(), 4);
    }

    #[test]
    fn what_is_shown() {
        assert_eq!(
            format!("{:?}", Time::from_origin(Duration::new(3, 7))),
            "Time(3.000000007s)"
        );
        let timers = [
            Timer::Close,
            Timer::Write,
            Timer::Idle,
            Timer::Keepalive,
            Timer::Message,
        ];
        let expected = [
            "closing handshake",
            "stalled write",
            "idle peer",
            "no answer to a keepalive ping",
            "unfinished message",
        ];
        assert_eq!(timers.map(|timer| timer.to_string()), expected);
    }
}
