//! One time for several reads or writes.

use core::time::Duration;
use std::{
    io::{self, ErrorKind},
    time::Instant,
};

use crate::io::SHORTEST;

/// The time of an operation, which may take several reads or writes of a stream that bounds each by itself.
pub(super) struct TimeBudget {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    /// Whether the bound of the stream was set to what is left.
    pub(super) was_shortened: bool,
}

impl TimeBudget {
    pub(super) const fn new(timeout: Option<Duration>) -> Self {
        Self {
            timeout,
            deadline: None,
            was_shortened: false,
        }
    }

    /// Begins a read or write. Returns whether less time is left for it than the stream allows.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, if there is none left.
    pub(super) fn is_shorter(&mut self) -> io::Result<bool> {
        match (self.timeout, self.deadline) {
            (None, _) => Ok(false),
            (Some(timeout), None) => {
                // A time that is too long to be reached is no bound.
                self.deadline = Instant::now().checked_add(timeout);
                Ok(false)
            }
            (_, Some(deadline)) if deadline <= Instant::now() => Err(ErrorKind::WouldBlock.into()),
            _ => {
                self.was_shortened = true;
                Ok(true)
            }
        }
    }

    /// The time that is left.
    pub(super) fn left(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()).max(SHORTEST))
    }
}
