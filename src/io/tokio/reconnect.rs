//! A client that connects again when its connection has ended.

use alloc::boxed::Box;
use core::{fmt, future::Future, pin::Pin, time::Duration};
use std::io;

use ::tokio::time::{Instant, sleep_until, timeout_at};

use crate::{
    connection::Time,
    error::Error,
    reconnect::{Backoff, Exhausted, Policy, Verdict, Wait},
};

/// What stands for a delay that no clock can tell: ten years.
const FAR_FUTURE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A client that connects again and again ([RFC 6455 §7.2.3]), with delays as a [`Policy`] demands.
///
/// It is made from a function that connects, in whatever way: TCP, TLS, through a proxy, with the first of several
/// addresses that answers. [`next`](Self::next) waits as long as it has to and calls the function until there is a
/// connection; [`ended`](Self::ended) takes what became of it, and thus whether there is to be another.
///
/// ```no_run
/// use tokio::net::TcpStream;
/// use websocket_proto::{
///     Error,
///     reconnect::Policy,
///     tokio::{GaveUp, Reconnect, WebSocket},
/// };
///
/// # async fn run() -> Result<(), GaveUp> {
/// let mut reconnect = Reconnect::new(Policy::new(), || async {
///     let stream = TcpStream::connect("example.com:80").await?;
///     WebSocket::client(stream, "ws://example.com/news".parse()?).await
/// })
/// .classify(|error| {
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
/// What was sent and not answered when a connection ended is for the application to send again: whether the peer has
/// received it, only the peer can know.
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

/// What [`Reconnect::next`] has to do. Nothing of it is in the future that it returns, so that it can be dropped.
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
    GaveUp(Reason, Option<Error>),
}

impl<F, A, C> Reconnect<F, A>
where
    F: FnMut() -> A,
    A: Future<Output = Result<C, Error>>,
{
    /// A client that connects with this function. Nothing happens before [`next`](Self::next).
    #[must_use]
    pub fn new(policy: Policy, connect: F) -> Self {
        Self::from_backoff(Backoff::new(policy), connect)
    }

    /// As [`new`](Self::new), with a [`Backoff`] that may have been used before or have an
    /// [entropy](Backoff::entropy) of its own.
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

    /// Sets what an attempt's failure means, which otherwise is what [`Verdict`] makes of it. It is also the place to log
    /// failures, since it sees each of them once.
    #[must_use]
    pub fn classify(mut self, classify: impl FnMut(&Error) -> Verdict + Send + 'static) -> Self {
        self.classify = Box::new(classify);
        self
    }

    /// The next connection, or `None` once one [has ended](Self::ended) with [`Verdict::Finished`].
    ///
    /// The first is attempted at once. A connection before it whose end was not told counts as lost.
    ///
    /// # Errors
    ///
    /// [`GaveUp`] after a failure that is [fatal](Verdict::Fatal), and when the [`Policy`] allows no more retries. Behind
    /// it, only [`reset`](Self::reset) makes another attempt.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a wait ends at the moment at which it would have ended, and an attempt that has begun goes on with the
    /// next call; its deadline runs on meanwhile.
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
                            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
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

    /// Takes how the connection ended: what its `close_info` method returns, an [`Error`], or a [`Verdict`] of the
    /// application's own. Without a connection, this has no effect.
    ///
    /// The time to the next attempt is counted from this call.
    pub fn ended(&mut self, how: impl Into<Verdict>) {
        if let Attempting::Connected = self.phase {
            self.over(how.into(), None);
        }
    }

    /// Makes the wait that is under way, if any, the last moment of it: the next attempt begins at once. For an
    /// application that learns that the network is back, or whose user is impatient.
    pub fn retry_now(&mut self) {
        if let Attempting::Waiting { until } = &mut self.phase {
            *until = None;
        }
    }

    /// Starts from the beginning, with an attempt at once, also after it was finished or given up. An attempt that is under
    /// way is dropped, and a connection is no longer waited for.
    pub fn reset(&mut self) {
        self.backoff.reset();
        self.phase = Attempting::Waiting { until: None };
    }

    /// How often the function was called.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.attempts
    }

    /// When the next attempt begins, if that is waited for.
    #[must_use]
    pub const fn waits_until(&self) -> Option<Instant> {
        match self.phase {
            Attempting::Waiting { until } => until,
            _ => None,
        }
    }

    /// The delays between attempts, and how far they have grown.
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

    /// Decides what comes behind a connection or an attempt.
    fn over(&mut self, verdict: Verdict, error: Option<Error>) {
        self.phase = match verdict {
            Verdict::Finished => Attempting::Finished,
            Verdict::Fatal => Attempting::GaveUp(Reason::Fatal, error),
            Verdict::Retry(wait) => match self.backoff.retry(self.now(), wait) {
                Ok(delay) => Attempting::Waiting {
                    until: Some(later(delay)),
                },
                Err(exhausted) => Attempting::GaveUp(Reason::Exhausted(exhausted), error),
            },
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

/// There will be no other connection.
#[derive(Debug)]
pub struct GaveUp {
    reason: Reason,
    error: Option<Error>,
    attempts: u64,
}

#[derive(Clone, Copy, Debug)]
enum Reason {
    Fatal,
    Exhausted(Exhausted),
}

impl GaveUp {
    /// Which bound of the [`Policy`] was reached; `None` after a [fatal](Verdict::Fatal) end or failure.
    #[must_use]
    pub const fn exhausted(&self) -> Option<Exhausted> {
        match self.reason {
            Reason::Fatal => None,
            Reason::Exhausted(exhausted) => Some(exhausted),
        }
    }

    /// The failure of the last attempt. `None` if what ended last was a connection, and when the same is told again.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// The failure of the last attempt, owned; see [`error`](Self::error).
    #[must_use]
    pub fn into_error(self) -> Option<Error> {
        self.error
    }

    /// How often it was tried.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.attempts
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::Fatal => f.write_str("another attempt would fail as well")?,
            Reason::Exhausted(exhausted) => write!(f, "gave up: {exhausted}")?,
        }
        match &self.error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for GaveUp {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.error.as_ref().map(|error| error as _)
    }
}

fn later(delay: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(delay).unwrap_or_else(|| now + FAR_FUTURE)
}
