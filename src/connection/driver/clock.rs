//! When a deadline that has passed is judged.

use core::time::Duration;

use super::Driver;
use crate::connection::{deadlines::Passed, time::Time};

/// The time that a late look at the clock gives the transport to learn of waiting bytes.
const GRACE: Duration = Duration::from_millis(1);

/// How far a deadline that has passed is from being judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judging {
    /// No deadline has passed.
    Quiet,
    /// The time was reported.
    Told,
    /// The time was reported after the grace period.
    ToldLast,
    /// The look was late, and the transport has until then to learn of waiting bytes.
    Grace,
    /// Both sides are tried for the last time.
    Tried,
}

impl Judging {
    pub(crate) fn is_told(self) -> bool {
        matches!(self, Self::Told | Self::ToldLast)
    }

    /// Handles a report of the time. `moment` is the end of a grace period.
    pub(crate) fn told(self, now: Time, moment: Time) -> Self {
        match self {
            Self::Quiet | Self::Told => Self::Told,
            Self::Grace if now < moment => Self::Told,
            Self::Grace | Self::Tried | Self::ToldLast => Self::ToldLast,
        }
    }

    /// Returns what follows a look at the reported time, and the moment that belongs to it. `passed` is the deadline
    /// that the look found to have passed.
    pub(crate) fn looked(self, now: Time, passed: Option<Time>) -> (Self, Time) {
        match passed {
            None => (Self::Quiet, now),
            // A punctual caller knows everything that is waiting. A late one may not have heard of it from its runtime
            // yet.
            Some(due) if self == Self::Told && now.since(due) > GRACE => (Self::Grace, now + GRACE),
            Some(_) => (Self::Tried, now),
        }
    }
}

/// A caller that asks for steps. Each reports the time for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Reader,
    Writer,
}

impl Driver {
    pub(super) fn phase(&self, who: Who) -> (Judging, Time) {
        (self.phases[who as usize], self.moments[who as usize])
    }

    /// Continues after a look at a reported time. Returns whether to try the transport again.
    pub(super) fn has_passed(&mut self, who: Who, passed: Option<Passed>) -> bool {
        let (phase, now) = self.phase(who);
        let looked = phase.looked(now, passed.map(|(due, _)| due));
        (self.phases[who as usize], self.moments[who as usize]) = looked;
        passed.is_some()
    }

    pub(super) fn tell(&mut self, who: Who, now: Time) {
        let (phase, moment) = self.phase(who);
        (self.phases[who as usize], self.moments[who as usize]) = (phase.told(now, moment), now);
    }
}
