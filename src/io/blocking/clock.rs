//! The time, as deadlines count it.

use std::time::Instant;

use crate::connection::Time;

/// The clock that deadlines are measured by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Time {
        Time::from_origin(self.0.elapsed())
    }

    /// Returns `None` if the time cannot be represented: never.
    pub(super) fn instant(self, time: Time) -> Option<Instant> {
        self.0.checked_add(time.since_origin())
    }
}
