//! A counter that must not stand still.

use core::time::Duration;

use crate::connection::time::{Millis, Time};

/// When a counter last moved, as far as can be known without reading a clock for every byte.
///
/// While the counter moves, it is checked in steps of a quarter of the timeout. Once it has stood still for a step, the
/// caller that sees it move again asks for the time, so that from then on the moment is exact. So a timeout fires
/// between 1 and 1.25 times its value after the counter moved, and needs no further timer while all is silent.
///
/// ```text
///   counter   |  |||  |        |                                       |
///   look      ^----^----^----^----^-----------------------------^      ^ (asks for the time)
///             step step  ..      quiet: the rest at one time     over
/// ```
#[derive(Debug)]
pub(super) struct Watch {
    /// The last time at which it was seen to have moved, or at which the watch began.
    since: Option<Time>,
    /// The low 31 bits are the counter at that time. Wrapping is harmless: the counter would have to come back to
    /// exactly this value at every look. The lowest bit is [`QUIET`].
    state: u32,
    /// How long the counter may stand still.
    pub(super) timeout: Option<Millis>,
}

/// The bit of the state that is set if a move must be reported with its time.
const QUIET: u32 = 1;

impl Watch {
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        Self {
            since: None,
            state: 0,
            timeout: Millis::new(timeout),
        }
    }

    /// Starts the watch anew with the next look.
    pub(super) fn restart(&mut self) {
        self.since = None;
    }

    const fn is_quiet(&self) -> bool {
        self.state & QUIET != 0
    }

    const fn has_moved(&self, count: u32) -> bool {
        self.state | QUIET != count << 1 | QUIET
    }

    /// Returns whether the time must be reported at once: to start, or because the counter moved after it had stood
    /// still.
    #[inline]
    pub(super) fn wants_time(&self, count: u32) -> bool {
        self.since.is_none() || (self.is_quiet() && self.has_moved(count))
    }

    /// Returns when to look at the counter, now at `count`, or [`Time::ZERO`] if the time must be reported first.
    #[inline]
    pub(super) fn next(&self, timeout: Millis, step: u64, count: u32) -> Time {
        if self.wants_time(count) {
            return Time::ZERO;
        }
        self.due(timeout, step)
    }

    /// Returns when to look, for a timeout checked in steps of this many nanoseconds.
    #[inline]
    fn due(&self, timeout: Millis, step: u64) -> Time {
        match self.since {
            None => Time::ZERO,
            Some(since) if self.is_quiet() => since + timeout,
            Some(since) => since.after(step),
        }
    }

    /// Looks at the counter. Returns since when it has stood still.
    pub(super) fn look(&mut self, now: Time, step: u64, count: u32) -> Time {
        // A counter that moves often is checked in steps, not on every move.
        let is_quiet = match self.since {
            Some(since) if self.has_moved(count) => self.is_quiet() && now >= since.after(step),
            Some(since) => {
                if now >= since.after(step) {
                    self.state |= QUIET;
                }
                return since;
            }
            None => true,
        };
        self.since = Some(now);
        self.state = count << 1 | u32::from(is_quiet);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 1_000_000_000;

    fn at(millis: u64) -> Time {
        Time::from_origin(Duration::from_millis(millis))
    }

    /// DRV-04: silence is known to a quarter of the timeout while there is traffic, and exactly when there is little.
    #[test]
    fn silence_is_exact_after_a_quiet_step() {
        let mut watch = Watch::new(Some(Duration::from_secs(4)));
        let timeout = watch.timeout.expect("a timeout");
        assert!(watch.wants_time(0));
        assert_eq!(watch.due(timeout, STEP), Time::ZERO);
        assert_eq!(watch.look(at(0), STEP, 0), at(0));
        assert_eq!(watch.due(timeout, STEP), at(4000), "nothing is known to move");

        // A single byte, whose time is reported: only the moment changes.
        assert!(watch.wants_time(1));
        assert_eq!(watch.look(at(3000), STEP, 1), at(3000));
        assert_eq!(watch.due(timeout, STEP), at(7000));

        // Traffic: no more time for each byte, but a look after each step.
        assert_eq!(watch.look(at(3500), STEP, 2), at(3500));
        assert!(!watch.wants_time(3));
        assert_eq!(watch.due(timeout, STEP), at(4500));
        assert_eq!(watch.look(at(4500), STEP, 9), at(4500));
        assert_eq!(watch.look(at(5499), STEP, 9), at(4500));
        assert_eq!(watch.due(timeout, STEP), at(5500));
        assert_eq!(watch.look(at(5500), STEP, 9), at(4500));
        assert_eq!(watch.due(timeout, STEP), at(8500));
        assert!(watch.wants_time(10));

        watch.restart();
        assert!(watch.wants_time(9));
        assert_eq!(watch.look(at(9000), STEP, 9), at(9000));
    }
}
