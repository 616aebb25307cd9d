//! When a deadline that has passed is judged.

use core::time::Duration;

use super::Driver;
use crate::connection::{deadlines::Passed, time::Time};

/// What a look at the clock that is late leaves for the transport to learn of bytes that wait.
const GRACE: Duration = Duration::from_millis(1);

/// How far a deadline that has passed is from being judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judging {
    /// None has passed.
    Quiet,
    /// The time was told.
    Told,
    /// The time was told after the grace.
    ToldLast,
    /// The look was late, and what waits is given until then to become known.
    Grace,
    /// Both sides are tried for the last time.
    Tried,
}

impl Judging {
    pub(crate) fn is_told(self) -> bool {
        matches!(self, Self::Told | Self::ToldLast)
    }

    /// The time is told, `moment` being the end of a grace.
    pub(crate) fn told(self, now: Time, moment: Time) -> Self {
        match self {
            Self::Quiet | Self::Told => Self::Told,
            Self::Grace if now < moment => Self::Told,
            Self::Grace | Self::Tried | Self::ToldLast => Self::ToldLast,
        }
    }

    /// What follows a look at the time that was told, and the moment that belongs to it. `passed` is the deadline that the
    /// look found to have passed.
    pub(crate) fn looked(self, now: Time, passed: Option<Time>) -> (Self, Time) {
        match passed {
            None => (Self::Quiet, now),
            // A caller that is punctual knows all that waits. To a late one, its runtime may not have told yet.
            Some(due) if self == Self::Told && now.since(due) > GRACE => (Self::Grace, now + GRACE),
            Some(_) => (Self::Tried, now),
        }
    }
}

/// Who asks for steps. Each is told the time for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Reader,
    Writer,
}

impl Driver {
    pub(super) fn phase(&self, who: Who) -> (Judging, Time) {
        (self.phases[who as usize], self.moments[who as usize])
    }

    /// Goes on after a look at a time that was told. Returns whether the transport is to be tried again.
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
