//! When a deadline that has passed is judged.

use core::time::Duration;

use super::Driver;
use crate::connection::{deadlines::Passed, time::Time};

/// What a look at the clock that is late leaves for the transport to learn of bytes that wait.
const GRACE: Duration = Duration::from_millis(1);

/// How far a deadline that has passed is from being judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
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

impl Phase {
    pub(super) fn is_told(self) -> bool {
        matches!(self, Self::Told | Self::ToldLast)
    }

    /// The time is told, `moment` being the end of a grace.
    fn told(self, now: Time, moment: Time) -> Self {
        match self {
            Self::Quiet | Self::Told => Self::Told,
            Self::Grace if now < moment => Self::Told,
            Self::Grace | Self::Tried | Self::ToldLast => Self::ToldLast,
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
    pub(super) fn phase(&self, who: Who) -> (Phase, Time) {
        (self.phases[who as usize], self.moments[who as usize])
    }

    /// Goes on after a look at a time that was told. Returns whether the transport is to be tried again.
    pub(super) fn has_passed(&mut self, who: Who, passed: Option<Passed>) -> bool {
        let (phase, now) = self.phase(who);
        let (phase, moment) = match passed {
            None => (Phase::Quiet, now),
            // A caller that is punctual knows all that waits. To a late one, its runtime may not have told yet.
            Some((due, _)) if phase == Phase::Told && now.since(due) > GRACE => (Phase::Grace, now + GRACE),
            Some(_) => (Phase::Tried, now),
        };
        (self.phases[who as usize], self.moments[who as usize]) = (phase, moment);
        passed.is_some()
    }

    pub(super) fn tell(&mut self, who: Who, now: Time) {
        let (phase, moment) = self.phase(who);
        (self.phases[who as usize], self.moments[who as usize]) = (phase.told(now, moment), now);
    }
}
