//! Deadlines as data: what is due, and when. Nothing here reads a clock.

use std::{collections::BTreeMap, time::Duration};

/// A point in time, as the time since the server was created.
pub type Time = Duration;

/// Identifies a timer until it has fired or was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerId {
    at: Time,
    number: u64,
}

impl TimerId {
    /// Returns when the timer fires.
    #[must_use]
    pub const fn at(self) -> Time {
        self.at
    }
}

/// Values that are due at a time. Values of the same time are due in the order of insertion.
#[derive(Debug)]
pub struct Timers<T> {
    due: BTreeMap<TimerId, T>,
    number: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            number: 0,
        }
    }
}

impl<T> Timers<T> {
    /// Adds a value that is due at a time.
    pub fn insert(&mut self, at: Time, value: T) -> TimerId {
        self.number += 1;
        let id = TimerId {
            at,
            number: self.number,
        };
        self.due.insert(id, value);
        id
    }

    /// Removes a value before it is due. Returns `None` if it was due already.
    pub fn remove(&mut self, id: TimerId) -> Option<T> {
        self.due.remove(&id)
    }

    /// Returns when the next value is due.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.due.first_key_value().map(|(id, _)| id.at)
    }

    /// Removes the next value that is due at this time.
    pub fn pop_due(&mut self, now: Time) -> Option<(TimerId, T)> {
        let first = self.due.first_entry()?;
        (first.key().at <= now).then(|| first.remove_entry())
    }

    /// Returns the number of values that are not due yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Returns whether nothing is to come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}
