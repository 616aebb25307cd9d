//! The delays between attempts ([RFC 6455 §7.2.3]).
//!
//! [RFC 6455 §7.2.3]: https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3

use core::{fmt, time::Duration};

use super::{Policy, Verdict, Wait};
use crate::{
    connection::Time,
    entropy::{Entropy, OsEntropy},
    sync::Arc,
};

/// How long clients wait when a service restarts, as the registration of close code 1012 specifies.
const RESTART: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

const NANOS_PER_SEC: u128 = 1_000_000_000;

/// The position in the sequence of delays defined by a [`Policy`] ([RFC 6455 §7.2.3]).
///
/// Report when a connection was [opened](Self::connected), and ask for a delay when an attempt has failed or a
/// connection has ended. The times may come from any clock that never goes back.
///
/// The random part comes from an [`Entropy`], four bytes for each draw. If none is available, each delay is the longest
/// possible one: a client in that state cannot connect anyway.
///
/// [RFC 6455 §7.2.3]: https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3
#[derive(Clone)]
pub struct Backoff {
    policy: Policy,
    entropy: Option<Arc<dyn Entropy>>,
    /// The value that the next delay is drawn from; `None` before the first.
    step: Option<Duration>,
    retries: u32,
    /// The first failure since the last stable connection.
    failing_since: Option<Time>,
    /// The first of several failures in a row that are unlikely to pass.
    unlikely_since: Option<Time>,
    /// Whether a connection was stable, so that the settings are right.
    was_stable: bool,
    connected_at: Option<Time>,
}

impl Backoff {
    /// Starts the sequence, with randomness from the operating system.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self {
            policy,
            entropy: None,
            step: None,
            retries: 0,
            failing_since: None,
            unlikely_since: None,
            was_stable: false,
            connected_at: None,
        }
    }

    /// Sets the source of randomness, in place of the operating system.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = Some(entropy);
        self
    }

    /// Returns the settings.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the number of delays handed out in a row, without a stable connection in between.
    #[must_use]
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    /// Reports that a connection was opened.
    pub fn connected(&mut self, now: Time) {
        self.connected_at = Some(now);
    }

    /// Returns how long to wait before the next attempt, after a connection has ended or an attempt has failed. `None`
    /// means that no further connection is needed: the verdict is [`Finished`](Verdict::Finished).
    ///
    /// If the connection was stable, the sequence starts again with the first delay.
    ///
    /// # Errors
    ///
    /// [`GiveUp`] when no further attempt is worthwhile: after a [fatal](Verdict::Fatal) verdict, or when a limit of
    /// the policy is reached. The same call may succeed again after a [`reset`](Self::reset).
    pub fn next_delay(&mut self, now: Time, verdict: Verdict) -> Result<Option<Duration>, GiveUp> {
        if let Some(since) = self.connected_at.take() {
            if now.since(since) >= self.policy.stable_after {
                self.reset();
                self.was_stable = true;
            }
        }
        let (wait, is_unlikely) = match verdict {
            Verdict::Finished => return Ok(None),
            Verdict::Fatal => return Err(GiveUp::Fatal),
            Verdict::Unlikely(wait) => (wait, true),
            Verdict::Retry(wait) => (wait, false),
        };
        let failing_since = *self.failing_since.get_or_insert(now);
        if self.policy.max_retries.is_some_and(|most| self.retries >= most) {
            return Err(GiveUp::Retries);
        }
        let delay = self.delay(wait);
        let begins = |since| now.since(since).saturating_add(delay);
        if self
            .policy
            .give_up_after
            .is_some_and(|longest| begins(failing_since) > longest)
        {
            return Err(GiveUp::Time);
        }
        if is_unlikely {
            let since = *self.unlikely_since.get_or_insert(now);
            let limit = self.policy.give_up_unlikely_after.filter(|_| !self.was_stable);
            if limit.is_some_and(|limit| begins(since) >= limit) {
                return Err(GiveUp::Unlikely);
            }
        } else {
            self.unlikely_since = None;
        }
        self.retries = self.retries.saturating_add(1);
        Ok(Some(delay))
    }

    /// Starts again with the first delay, and resets the count of retries and the time limits. That a connection was
    /// stable is not forgotten.
    pub fn reset(&mut self) {
        self.step = None;
        self.retries = 0;
        self.failing_since = None;
        self.unlikely_since = None;
        self.connected_at = None;
    }

    fn delay(&mut self, wait: Wait) -> Duration {
        match wait {
            Wait::Backoff => self.next_step(),
            // Added to the requested time, so that clients that got the same request do not all come back at the same
            // moment.
            Wait::AtLeast(asked) => asked.min(self.policy.max_retry_after).saturating_add(self.next_step()),
            Wait::Restart => self.uniform(RESTART.0, RESTART.1).max(self.next_step()),
            Wait::Longest => {
                self.step = Some(self.policy.max_delay);
                self.next_step()
            }
        }
    }

    /// Returns the next delay of the sequence.
    fn next_step(&mut self) -> Duration {
        let policy = self.policy;
        // §7.2.3: the first delay is random, and the following ones grow.
        let Some(step) = self.step else {
            self.step = Some(policy.base_delay.min(policy.max_delay));
            return self.uniform(Duration::ZERO, policy.first_delay);
        };
        self.step = Some(step.saturating_mul(policy.factor.max(1)).min(policy.max_delay));
        let kept = 100 - u128::from(policy.jitter.min(100));
        self.uniform(from_nanos(step.as_nanos() * kept / 100), step)
    }

    /// Returns a random duration from a range, both ends included.
    fn uniform(&self, shortest: Duration, longest: Duration) -> Duration {
        let span = longest.saturating_sub(shortest).as_nanos();
        if span == 0 {
            return longest;
        }
        let mut bytes = [0; 4];
        let filled = match &self.entropy {
            Some(entropy) => entropy.fill(&mut bytes),
            None => OsEntropy.fill(&mut bytes),
        };
        let drawn = match filled {
            Ok(()) => u32::from_le_bytes(bytes),
            Err(_) => u32::MAX,
        };
        // A `Duration` has less than 2^94 nanoseconds.
        shortest.saturating_add(from_nanos(span * u128::from(drawn) / u128::from(u32::MAX)))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Policy::new())
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backoff")
            .field("policy", &self.policy)
            .field("step", &self.step)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// Why no further attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GiveUp {
    /// The verdict was [`Fatal`](Verdict::Fatal).
    #[error("another attempt would fail as well")]
    Fatal,
    /// The verdict was [`Unlikely`](Verdict::Unlikely) for as long as [`Policy::give_up_unlikely_after`] allows.
    #[error("another attempt is unlikely to succeed")]
    Unlikely,
    /// [`Policy::max_retries`] attempts were made in a row.
    #[error("no retries left")]
    Retries,
    /// The next attempt would start later than [`Policy::give_up_after`] allows.
    #[error("no time left to retry")]
    Time,
}

fn from_nanos(nanos: u128) -> Duration {
    let secs = u64::try_from(nanos / NANOS_PER_SEC).unwrap_or(u64::MAX);
    let subsec = u32::try_from(nanos % NANOS_PER_SEC).unwrap_or(0);
    Duration::new(secs, subsec)
}
