//! The error of halves that cannot be put together.

use alloc::boxed::Box;
use core::fmt;

/// The error returned when two halves cannot be reunited.
///
/// They belong to different connections, or the sending half has other clones.
pub struct ReuniteError<S, R>(Box<(S, R)>);

impl<S, R> ReuniteError<S, R> {
    pub(super) fn new(send: S, recv: R) -> Self {
        Self(Box::new((send, recv)))
    }

    /// Returns the two halves unchanged.
    #[must_use]
    pub fn into_halves(self) -> (S, R) {
        *self.0
    }
}

impl<S, R> fmt::Debug for ReuniteError<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReuniteError")
    }
}

impl<S, R> fmt::Display for ReuniteError<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("halves belong to different connections, or the sending half has other clones")
    }
}

impl<S, R> core::error::Error for ReuniteError<S, R> {}
