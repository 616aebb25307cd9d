//! One timeout for several reads or writes.

use core::time::Duration;
use std::{
    io::{self, ErrorKind},
    time::Instant,
};

use crate::io::SHORTEST;

/// The time limit of an operation that may take several reads or writes, each of which the stream limits separately.
pub(super) struct TimeBudget {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    /// Whether the stream's timeout was set to the time left.
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
    /// `WouldBlock` if no time is left.
    pub(super) fn is_shorter(&mut self) -> io::Result<bool> {
        match (self.timeout, self.deadline) {
            (None, _) => Ok(false),
            (Some(timeout), None) => {
                // A time too long for the clock means no limit.
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

    /// Returns the time left.
    pub(super) fn left(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()).max(SHORTEST))
    }
}
