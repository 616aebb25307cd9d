//! A client that reconnects when its connection has ended.

use alloc::boxed::Box;
use core::{fmt, future::Future, pin::Pin, time::Duration};

use ::tokio::time::{Instant, sleep_until, timeout_at};

use crate::{
    connection::Time,
    error::{Error, Phase},
    reconnect::{Backoff, GiveUp, Policy, Verdict, Wait},
};

/// Stands for a delay that the clock cannot represent: ten years.
const FAR_FUTURE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A client that reconnects ([RFC 6455 §7.2.3]), with the delays of a [`Policy`].
///
/// It is created from a function that connects, in any way: over TCP or TLS, through a proxy, or to the first of
/// several addresses that answers. [`next`](Self::next) waits as long as necessary and calls the function until there
/// is a connection. [`ended`](Self::ended) takes the reason for a connection's end, which decides whether to reconnect.
///
/// ```no_run
/// use websocket_proto::{
///     reconnect::Policy,
///     tokio::{GaveUp, Reconnect, connect},
/// };
///
/// # async fn run() -> Result<(), GaveUp> {
/// let mut reconnect = Reconnect::new(Policy::new(), || connect("ws://example.com/news")).classify(|error| {
///     eprintln!("cannot connect: {error}");
///     error.into()
/// });
/// while let Some(mut websocket) = reconnect.next().await? {
///     while let Ok(Some(message)) = websocket.recv().await {
///         println!("{message:?}");
///     }
///     reconnect.ended(websocket.close_info());
/// }
/// # Ok(())
/// # }
/// ```
///
/// What is retried, and for how long, is in the documentation of [`reconnect`](crate::reconnect#verdicts).
///
/// Messages that were sent but not answered before a connection ended must be sent again by the application: only the
/// peer knows whether it has received them.
///
/// [RFC 6455 §7.2.3]: https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3
pub struct Reconnect<F, A> {
    connect: F,
    classify: Box<dyn FnMut(&Error) -> Verdict + Send>,
    backoff: Backoff,
    origin: Instant,
    attempts: u64,
    phase: Attempting<A>,
}

/// The state of [`Reconnect::next`]. It is kept here and not in the returned future, so that the future can be dropped.
enum Attempting<A> {
    Waiting {
        until: Option<Instant>,
    },
    Connecting {
        attempt: Pin<Box<A>>,
        until: Option<Instant>,
    },
    Connected,
    Finished,
    GaveUp(GiveUp, Option<Error>),
}

impl<F, A, C> Reconnect<F, A>
where
    F: FnMut() -> A,
    A: Future<Output = Result<C, Error>>,
{
    /// Creates a client that connects with this function. Nothing happens until [`next`](Self::next) is called.
    #[must_use]
    pub fn new(policy: Policy, connect: F) -> Self {
        Self::from_backoff(Backoff::new(policy), connect)
    }

    /// Creates a client like [`new`](Self::new), but with a given [`Backoff`], which may have been used before or have
    /// its own [entropy](Backoff::entropy).
    #[must_use]
    pub fn from_backoff(backoff: Backoff, connect: F) -> Self {
        Self {
            connect,
            classify: Box::new(|error| error.into()),
            backoff,
            origin: Instant::now(),
            attempts: 0,
            phase: Attempting::Waiting { until: None },
        }
    }

    /// Sets how a failed attempt is classified, in place of its conversion into a [`Verdict`], which has a verdict for
    /// [every error](crate::reconnect#verdicts). The function overrides those that it knows better, and leaves the rest
    /// to `error.into()`. It sees each failure once, so it is also the place to log them.
    #[must_use]
    pub fn classify(mut self, classify: impl FnMut(&Error) -> Verdict + Send + 'static) -> Self {
        self.classify = Box::new(classify);
        self
    }

    /// Returns the next connection, or `None` once one [has ended](Self::ended) with [`Verdict::Finished`].
    ///
    /// The first attempt starts at once. A previous connection whose end was not reported counts as lost.
    ///
    /// # Errors
    ///
    /// [`GaveUp`] after a [fatal](Verdict::Fatal) failure, or when the [`Policy`] allows no more retries. After that,
    /// only [`reset`](Self::reset) leads to another attempt.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a wait still ends at the same moment, and an attempt that has begun continues with the next call.
    /// Its deadline keeps running meanwhile.
    pub async fn next(&mut self) -> Result<Option<C>, GaveUp> {
        if let Attempting::Connected = self.phase {
            self.ended(Verdict::Retry(Wait::Backoff));
        }
        loop {
            match &mut self.phase {
                Attempting::Waiting { until } => {
                    if let Some(until) = *until {
                        sleep_until(until).await;
                    }
                    self.start_attempt();
                }
                Attempting::Connecting { attempt, until } => {
                    let outcome = match *until {
                        None => attempt.as_mut().await,
                        Some(until) => match timeout_at(until, attempt.as_mut()).await {
                            Ok(outcome) => outcome,
                            Err(_) => Err(Error::TimedOut(Phase::Attempt)),
                        },
                    };
                    match outcome {
                        Ok(connection) => {
                            self.backoff.connected(self.now());
                            self.phase = Attempting::Connected;
                            return Ok(Some(connection));
                        }
                        Err(error) => {
                            let verdict = (self.classify)(&error);
                            self.over(verdict, Some(error));
                        }
                    }
                }
                Attempting::GaveUp(reason, error) => {
                    return Err(GaveUp {
                        reason: *reason,
                        error: error.take(),
                        attempts: self.attempts,
                    });
                }
                Attempting::Connected | Attempting::Finished => return Ok(None),
            }
        }
    }

    /// Reports how the connection ended: with the value of its `close_info` method, an [`Error`], or your own
    /// [`Verdict`]. Without a connection, this has no effect.
    ///
    /// The delay before the next attempt is measured from this call.
    pub fn ended(&mut self, how: impl Into<Verdict>) {
        if let Attempting::Connected = self.phase {
            self.over(how.into(), None);
        }
    }

    /// Ends the current wait, if any: the next attempt starts at once. Use it when the network is back or the user asks
    /// for it.
    pub fn retry_now(&mut self) {
        if let Attempting::Waiting { until } = &mut self.phase {
            *until = None;
        }
    }

    /// Starts over with an attempt at once, even after the client has finished or given up. A running attempt is
    /// dropped, and the current connection is forgotten.
    pub fn reset(&mut self) {
        self.backoff.reset();
        self.phase = Attempting::Waiting { until: None };
    }

    /// Returns how often the function was called.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Returns when the next attempt starts, if the client is waiting for it.
    #[must_use]
    pub const fn waits_until(&self) -> Option<Instant> {
        match self.phase {
            Attempting::Waiting { until } => until,
            _ => None,
        }
    }

    /// Returns the delays between attempts, and how far they have grown.
    #[must_use]
    pub const fn backoff(&self) -> &Backoff {
        &self.backoff
    }

    fn start_attempt(&mut self) {
        self.attempts += 1;
        let timeout = self.backoff.policy().attempt_timeout;
        self.phase = Attempting::Connecting {
            attempt: Box::pin((self.connect)()),
            until: timeout.map(later),
        };
    }

    /// Decides what follows a connection or an attempt.
    fn over(&mut self, verdict: Verdict, error: Option<Error>) {
        self.phase = match self.backoff.next_delay(self.now(), verdict) {
            Ok(Some(delay)) => Attempting::Waiting {
                until: Some(later(delay)),
            },
            Ok(None) => Attempting::Finished,
            Err(reason) => Attempting::GaveUp(reason, error),
        };
    }

    fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }
}

impl<F, A> fmt::Debug for Reconnect<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Attempting::Waiting { .. } => "Waiting",
            Attempting::Connecting { .. } => "Connecting",
            Attempting::Connected => "Connected",
            Attempting::Finished => "Finished",
            Attempting::GaveUp(..) => "GaveUp",
        };
        f.debug_struct("Reconnect")
            .field("phase", &format_args!("{phase}"))
            .field("attempts", &self.attempts)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}

/// The error returned when there will be no further connection. Its text includes the failure of the last attempt.
#[derive(Debug)]
pub struct GaveUp {
    reason: GiveUp,
    error: Option<Error>,
    attempts: u64,
}

impl GaveUp {
    /// Returns the reason: the verdict, or the limit of the [`Policy`] that was reached.
    #[must_use]
    pub const fn reason(&self) -> GiveUp {
        self.reason
    }

    /// Returns the failure of the last attempt. `None` if a connection was the last to end, or if this error is
    /// returned again.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Returns the failure of the last attempt, owned; see [`error`](Self::error).
    #[must_use]
    pub fn into_error(self) -> Option<Error> {
        self.error
    }

    /// Returns the number of attempts.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.attempts
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gave up: {}", self.reason)?;
        match &self.error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for GaveUp {}

fn later(delay: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(delay).unwrap_or_else(|| now + FAR_FUTURE)
}
