//! When to reconnect, and whether to ([RFC 6455 §7.2.3]).
//!
//! This is plain arithmetic on plain data: it reads no clock and does not sleep. A [`Verdict`] decides whether another
//! attempt is worthwhile after a connection has ended or an attempt has failed. A [`Backoff`] computes how long to wait
//! before it, from its [`Policy`] and the previous attempts. `tokio::Reconnect` combines both with a function that
//! connects.
//!
//! ```
//! use core::time::Duration;
//! use websocket_proto::{
//!     CloseCode, Time,
//!     reconnect::{Backoff, Policy, Verdict},
//! };
//!
//! let mut backoff = Backoff::new(Policy::new().max_delay(Duration::from_secs(20)));
//! // Ten minutes after the application started, the server says that it is going away.
//! let now = Time::from_origin(Duration::from_secs(600));
//! let Verdict::Retry(wait) = Verdict::from(CloseCode::GOING_AWAY) else {
//!     panic!("going away is not for good");
//! };
//! let delay = backoff.retry(now, wait)?;
//! assert!(delay <= Duration::from_secs(5), "the first delay is anything from 0 to 5 s");
//! # Ok::<(), websocket_proto::reconnect::Exhausted>(())
//! ```
//!
//! [RFC 6455 §7.2.3]: https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3

mod backoff;
mod policy;
mod verdict;

pub use self::{
    backoff::{Backoff, Exhausted},
    policy::Policy,
    verdict::{Verdict, Wait},
};
