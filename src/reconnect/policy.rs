//! The settings for how long to wait and when to give up.

use core::time::Duration;

/// How long a client waits before it reconnects, and when it gives up.
///
/// ```text
///   retry      1            2                3                 4                  ...
///   delay      0..=first    jitter(base)     jitter(base * f)  jitter(base * f²)  ... jitter(max)
/// ```
///
/// Here, `jitter(d)` is a random duration that is shorter than `d` by at most [`jitter`](Self::jitter) percent, so no
/// delay is longer than [`max_delay`](Self::max_delay). The sequence starts again after a connection that was
/// [stable](Self::stable_after).
///
/// ```
/// use core::time::Duration;
/// use websocket_proto::reconnect::Policy;
///
/// let policy = Policy::new()
///     .base_delay(Duration::from_secs(2))
///     .max_delay(Duration::from_secs(300))
///     .max_retries(20);
/// assert_eq!(policy.max_retries, Some(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// The longest first delay; the shortest is zero. Default 5 s, as [RFC 6455 §7.2.3] suggests, so that the clients
    /// of a server that restarts do not all come back at once.
    ///
    /// [RFC 6455 §7.2.3]: https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3
    pub first_delay: Duration,
    /// The value that the second delay is drawn from, and from which the following ones grow. Default 5 s.
    pub base_delay: Duration,
    /// The factor by which each further delay grows. Default 2; 0 counts as 1.
    pub factor: u32,
    /// The longest delay. Default 60 s.
    pub max_delay: Duration,
    /// How much shorter than its full value a delay may be, in percent. Default 50: a delay of 60 s then is between 30
    /// s and 60 s. 0 disables the randomness, except for the first delay; more than 100 counts as 100.
    pub jitter: u8,
    /// How long a connection must last before the delays, the count of retries and the time limit start again. Default
    /// 30 s. So a server that accepts connections only to drop them is contacted with growing delays.
    pub stable_after: Duration,
    /// The longest wait that a server can request with `Retry-After`. Default 1 h. Longer ones are shortened to this.
    pub max_retry_after: Duration,
    /// The most retries in a row, without a stable connection in between, before giving up. The first attempt does not
    /// count. Default `None`: no limit.
    pub max_retries: Option<u32>,
    /// How long after the first failure since the last stable connection the last attempt may start. Default `None`: no
    /// limit.
    pub give_up_after: Option<Duration>,
    /// The same for failures that are [unlikely](super::Verdict::Unlikely) to pass, from the first of several in a row,
    /// as long as no connection was stable. Default 10 min: enough for a clock to be set, a server to be registered or
    /// a user to log in. Zero makes them fatal, and `None` means no limit.
    ///
    /// After a stable connection there is no limit: a client whose settings were right is not ended by a captive portal
    /// or by a certificate that has expired.
    pub give_up_unlikely_after: Option<Duration>,
    /// How long one attempt may take in total: name look-up, TCP, TLS and opening handshake. Default 30 s. Enforced by
    /// `tokio::Reconnect`; in other loops, [`Timers::handshake`](crate::Timers::handshake) limits an attempt.
    pub attempt_timeout: Option<Duration>,
}

impl Policy {
    /// Creates the default policy.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first_delay: Duration::from_secs(5),
            base_delay: Duration::from_secs(5),
            factor: 2,
            max_delay: Duration::from_secs(60),
            jitter: 50,
            stable_after: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(3600),
            max_retries: None,
            give_up_after: None,
            give_up_unlikely_after: Some(Duration::from_secs(600)),
            attempt_timeout: Some(Duration::from_secs(30)),
        }
    }

    /// Sets the longest first delay.
    #[must_use]
    pub const fn first_delay(mut self, longest: Duration) -> Self {
        self.first_delay = longest;
        self
    }

    /// Sets the value that the second delay is drawn from.
    #[must_use]
    pub const fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// Sets the factor by which each further delay grows.
    #[must_use]
    pub const fn factor(mut self, factor: u32) -> Self {
        self.factor = factor;
        self
    }

    /// Sets the longest delay.
    #[must_use]
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets how much shorter than its full value a delay may be, in percent.
    #[must_use]
    pub const fn jitter(mut self, percent: u8) -> Self {
        self.jitter = percent;
        self
    }

    /// Sets how long a connection must last before everything starts again.
    #[must_use]
    pub const fn stable_after(mut self, duration: Duration) -> Self {
        self.stable_after = duration;
        self
    }

    /// Sets the longest wait that a server can request.
    #[must_use]
    pub const fn max_retry_after(mut self, duration: Duration) -> Self {
        self.max_retry_after = duration;
        self
    }

    /// Sets the most retries in a row, or removes the limit with `None`.
    #[must_use]
    pub fn max_retries(mut self, retries: impl Into<Option<u32>>) -> Self {
        self.max_retries = retries.into();
        self
    }

    /// Sets the time limit without a stable connection, or removes it.
    #[must_use]
    pub fn give_up_after(mut self, duration: impl Into<Option<Duration>>) -> Self {
        self.give_up_after = duration.into();
        self
    }

    /// Sets the time limit for failures that are unlikely to pass, or removes it.
    #[must_use]
    pub fn give_up_unlikely_after(mut self, duration: impl Into<Option<Duration>>) -> Self {
        self.give_up_unlikely_after = duration.into();
        self
    }

    /// Sets the time limit of one attempt, or removes it.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.attempt_timeout = timeout.into();
        self
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}
