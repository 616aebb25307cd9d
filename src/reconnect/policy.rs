//! How long to wait and when to give up, as settings.

use core::time::Duration;

/// How long a client waits before it connects again, and when it gives up.
///
/// ```text
///   retry      1            2                3                 4                  ...
///   delay      0..=first    jitter(base)     jitter(base * f)  jitter(base * f²)  ... jitter(max)
/// ```
///
/// Here `jitter(d)` is a random duration that is shorter than `d` by at most [`jitter`](Self::jitter) percent, so that no
/// delay is longer than [`max_delay`](Self::max_delay). The sequence starts again behind a connection that was
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
    /// The longest first delay; the shortest is none at all. Default 5 s, as [RFC 6455 §7.2.3] suggests: the clients of
    /// a server that restarts come back one by one.
    ///
    /// [RFC 6455 §7.2.3]: https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3
    pub first_delay: Duration,
    /// What the second delay is drawn from, and the others grow from. Default 5 s.
    pub base_delay: Duration,
    /// What each further delay is multiplied with. Default 2; 0 counts as 1.
    pub factor: u32,
    /// What the delays are truncated to. Default 60 s.
    pub max_delay: Duration,
    /// How much shorter a delay may be than it could, in percent. Default 50, so that a delay of 60 s is anything from
    /// 30 s to 60 s. 0 switches the randomness off, but for the first delay; more than 100 counts as 100.
    pub jitter: u8,
    /// How long a connection has to last for the delays, the count of retries and the time before giving up to start
    /// again. Default 30 s. A server that accepts connections only to drop them is thus met with growing delays.
    pub stable_after: Duration,
    /// The longest wait that a server can ask for with `Retry-After`. Default 1 h. A longer one is cut to this.
    pub max_retry_after: Duration,
    /// Retries in a row, without a stable connection between them, before it is given up. The first attempt does not
    /// count. Default `None`: no bound.
    pub max_retries: Option<u32>,
    /// How long after the first failure, without a stable connection since, the last attempt may begin. Default
    /// `None`: no bound.
    pub give_up_after: Option<Duration>,
    /// How long one attempt may take, with everything that belongs to it: name lookup, TCP, TLS, opening handshake.
    /// Default 30 s. Kept by the shells.
    pub attempt_timeout: Option<Duration>,
}

impl Policy {
    /// The defaults.
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
            attempt_timeout: Some(Duration::from_secs(30)),
        }
    }

    /// Sets the longest first delay.
    #[must_use]
    pub const fn first_delay(mut self, longest: Duration) -> Self {
        self.first_delay = longest;
        self
    }

    /// Sets what the second delay is drawn from.
    #[must_use]
    pub const fn base_delay(mut self, delay: Duration) -> Self {
        self.base_delay = delay;
        self
    }

    /// Sets what each further delay is multiplied with.
    #[must_use]
    pub const fn factor(mut self, factor: u32) -> Self {
        self.factor = factor;
        self
    }

    /// Sets what the delays are truncated to.
    #[must_use]
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets how much shorter a delay may be than it could, in percent.
    #[must_use]
    pub const fn jitter(mut self, percent: u8) -> Self {
        self.jitter = percent;
        self
    }

    /// Sets how long a connection has to last for everything to start again.
    #[must_use]
    pub const fn stable_after(mut self, duration: Duration) -> Self {
        self.stable_after = duration;
        self
    }

    /// Sets the longest wait that a server can ask for.
    #[must_use]
    pub const fn max_retry_after(mut self, duration: Duration) -> Self {
        self.max_retry_after = duration;
        self
    }

    /// Sets or, with `None`, removes the bound on the retries in a row.
    #[must_use]
    pub fn max_retries(mut self, retries: impl Into<Option<u32>>) -> Self {
        self.max_retries = retries.into();
        self
    }

    /// Sets or removes the bound on the time without a stable connection.
    #[must_use]
    pub fn give_up_after(mut self, duration: impl Into<Option<Duration>>) -> Self {
        self.give_up_after = duration.into();
        self
    }

    /// Sets or removes the bound on the time of one attempt.
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
