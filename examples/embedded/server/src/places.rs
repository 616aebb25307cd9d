//! Admission: a fixed number of places, one for each connection that is served.

use core::cell::Cell;

/// Places that are free.
#[derive(Debug)]
pub(crate) struct Places(Cell<usize>);

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Places);

impl Places {
    pub(crate) const fn new(free: usize) -> Self {
        Self(Cell::new(free))
    }

    /// Takes a place, if one is free.
    pub(crate) fn take(&self) -> Option<Place<'_>> {
        let left = self.0.get().checked_sub(1)?;
        self.0.set(left);
        Some(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Self(Places(free)) = self;
        free.set(free.get() + 1);
    }
}
