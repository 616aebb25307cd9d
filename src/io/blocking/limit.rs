//! The timeouts of a stream's calls.

use core::time::Duration;

use super::{Stream, clock::Clock};
use crate::{
    connection::{Time, earlier},
    io::SHORTEST,
};

/// The calls that a limit applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calls {
    Read,
    Write,
}

/// The timeout of reads or of writes: the application's, and a temporary one of the shell. The shorter applies.
///
/// The application may change its own at any time, also through another handle of a socket. The shell notices when it
/// changes the timeout, or when a call has timed out.
#[derive(Debug)]
pub(super) struct Limit {
    calls: Calls,
    own: Option<Duration>,
    shells: Option<Duration>,
    /// The timeout that the stream reported after it was last set, which may be rounded. `None` until then.
    applied: Option<Option<Duration>>,
    /// Since when calls have made no progress, if the last one made none.
    quiet: Option<Time>,
    /// Whether the last call that was not ready returned early.
    was_early: bool,
}

impl Limit {
    pub(super) const fn new(calls: Calls) -> Self {
        Self {
            calls,
            own: None,
            shells: None,
            applied: None,
            quiet: None,
            was_early: false,
        }
    }

    /// Returns the application's timeout, as last seen.
    pub(super) const fn own(&self) -> Option<Duration> {
        self.own
    }

    /// Returns the bound of a call.
    fn bound(&self) -> Option<Duration> {
        earlier(self.own, self.shells)
    }

    /// Sets the shell's timeout.
    pub(super) fn set<S: Stream>(&mut self, stream: &mut S, limit: Option<Duration>) {
        if limit != self.shells {
            self.learn(stream);
            self.shells = limit;
            self.apply(stream);
        }
    }

    /// Notes that a call was not ready; `began` is when it began, if known. Returns `true` if it only used up the
    /// shell's timeout. Otherwise the stream is non-blocking, or the application's timeout has passed.
    pub(super) fn has_waited<S: Stream>(&mut self, stream: &mut S, began: Option<Time>, clock: Clock) -> bool {
        let bound = began.zip(self.bound());
        let Some((began, bound)) = bound else { return false };
        // A non-blocking stream returns at once. A blocking one may return early once, at the next tick of its clock.
        let is_early = clock.now().since(began) < bound / 2;
        if is_early && core::mem::replace(&mut self.was_early, true) {
            self.quiet = None;
            return false;
        }
        self.was_early = is_early;
        if self.shells.is_some() && self.learn(stream) {
            self.apply(stream);
        }
        let since = self.quiet.unwrap_or(began);
        let is_used_up = self.own.is_some_and(|own| clock.now() + SHORTEST >= since + own);
        self.quiet = (!is_used_up).then_some(since);
        !is_used_up
    }

    /// Notes that a call made progress, or that the caller begins to wait.
    pub(super) fn restart(&mut self) {
        self.quiet = None;
    }

    /// Removes the shell's timeout, so that the stream has the application's only.
    pub(super) fn restore<S: Stream>(&mut self, stream: &mut S) {
        self.set(stream, None);
    }

    /// Returns whether the application has changed its timeout.
    fn learn<S: Stream>(&mut self, stream: &S) -> bool {
        let current = self.get(stream);
        let is_changed = self.applied != Some(current);
        if is_changed {
            self.own = current;
        }
        is_changed
    }

    fn apply<S: Stream>(&mut self, stream: &mut S) {
        let bound = self.bound();
        // A stream without timeouts has no deadline for its calls.
        let _ = match self.calls {
            Calls::Read => stream.set_read_timeout(bound),
            Calls::Write => stream.set_write_timeout(bound),
        };
        self.applied = Some(self.get(stream));
    }

    fn get<S: Stream>(&self, stream: &S) -> Option<Duration> {
        let limit = match self.calls {
            Calls::Read => stream.read_timeout(),
            Calls::Write => stream.write_timeout(),
        };
        limit.unwrap_or(None)
    }
}

/// Returns the timeout for a wait of this length: the largest power of two, in milliseconds, that fits. It rarely
/// changes from one wait to the next, and a caller that has used it up looks again.
pub(super) fn fitting(wait: Duration) -> Duration {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    // Some systems do not support more than about 12 days.
    Duration::from_millis(1 << millis.ilog2().min(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_fits_and_is_at_least_half_of_the_wait() {
        for micros in [0, 1, 999, 1000, 1999, 2000, 4096, 4_999_999, 5_000_000] {
            let wait = Duration::from_micros(micros);
            let limit = fitting(wait);
            assert!(
                limit <= wait.max(SHORTEST) && limit * 2 > wait,
                "{limit:?} for {wait:?}"
            );
        }
        assert!(fitting(Duration::MAX) > Duration::from_secs(12 * 24 * 60 * 60));
    }
}
