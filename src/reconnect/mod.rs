//! When to connect again, and whether at all ([RFC 6455 §7.2.3]).
//!
//! This is plain arithmetic on plain data: no clock is read and nothing sleeps. A [`Verdict`] says whether the way in which
//! a connection ended, or an attempt failed, is worth another attempt; a [`Backoff`] says how long to wait before it, as
//! its [`Policy`] and the attempts before demand. `tokio::Reconnect` puts both around a function that connects.
//!
//! ```
//! use core::time::Duration;
//! use websocket_proto::{
//!     CloseCode, Time,
//!     reconnect::{Backoff, Policy, Verdict},
//! };
//!
//! let mut backoff = Backoff::new(Policy::new().max_delay(Duration::from_secs(20)));
//! // Ten minutes after the application started, the server says that it goes away.
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
