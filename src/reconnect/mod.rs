//! When to reconnect, and whether to ([RFC 6455 §7.2.3]).
//!
//! This is plain arithmetic on plain data: it reads no clock and does not sleep. A [`Verdict`] decides whether another
//! attempt is worthwhile after a connection has ended or an attempt has failed. A [`Backoff`] computes how long to wait
//! before it, or that it is time to give up, from its [`Policy`] and the previous attempts. `tokio::Reconnect` combines
//! both with a function that connects. In any other shell, a loop of a few lines follows the same rules; the guide has
//! it.
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
//! match backoff.next_delay(now, Verdict::from(CloseCode::GOING_AWAY))? {
//!     Some(delay) => assert!(delay <= Duration::from_secs(5), "the first delay is anything from 0 to 5 s"),
//!     None => panic!("going away is not the end"),
//! }
//! # Ok::<(), websocket_proto::reconnect::GiveUp>(())
//! ```
//!
//! # Verdicts
//!
//! | verdict | meaning | what follows |
//! |---|---|---|
//! | [`Finished`](Verdict::Finished) | the connection was closed on purpose | no further attempt |
//! | [`Retry`](Verdict::Retry) | the cause may pass | attempts with growing delays, without limit unless [`Policy::max_retries`] or [`Policy::give_up_after`] set one |
//! | [`Unlikely`](Verdict::Unlikely) | the server would answer in the same way again, but the answer may not be the server's, or not the final one | the same, but the client gives up after [`Policy::give_up_unlikely_after`], by default 10 minutes, unless it has had a [stable](Policy::stable_after) connection before: then its settings are right, and the cause is elsewhere |
//! | [`Fatal`](Verdict::Fatal) | only a change of the program or of its settings helps | no further attempt |
//!
//! Every error of this crate, and every close code, has one of them:
//!
//! | a connection that was open | verdict | why |
//! |---|---|---|
//! | closed by this side | `Finished` | the application wanted this |
//! | closed by the peer with 1000, or without a code (1005) | `Finished` | the server has nothing more to say |
//! | 1001 (going away), 1011 (internal error), 1014 (bad gateway), 3008 (timeout) | `Retry` | another server, or the same one later, can serve the client |
//! | 1012 (service restart) | `Retry` after 5 to 30 s | as the registration of the code specifies |
//! | 1013 (try again later) | `Retry` after the longest delay | the service is overloaded |
//! | 1002, 1003, 1007, 1009, 1010 (this side made an error), 1008 (policy) | `Unlikely` | the cause may have been a single message; servers also use 1008 for slow or silent clients |
//! | 3000 to 4999, except 3008 | `Fatal` | the server's application has closed on purpose, with a code that only the client's application can know |
//! | any other code, among them 1006 and 1015 | `Retry` | the connection was lost |
//! | failed by this side: the peer has timed out | `Retry` | |
//! | failed by this side: the peer violated the protocol, or exceeded a limit | `Unlikely` | the same message may come again, or not |
//! | given up while it was open | `Retry` | |
//!
//! | a response to the upgrade request | verdict | why |
//! |---|---|---|
//! | 408, 425, 429, 5xx except 501 and 505, invalid statuses from 600 | `Retry`, not before `Retry-After` | the server or a gateway is busy or down; 511 is a captive portal |
//! | 2xx, 3xx | `Unlikely`, not before `Retry-After` | a captive portal, or a wrong path |
//! | 403, 404, 409, 421, 501, 505 | `Unlikely`, not before `Retry-After` | a firewall, a gateway whose server is not registered yet, or the server itself |
//! | any other 4xx, among them 400, 401, 407, 410 and 426 | `Fatal` | the request is wrong or lacks credentials; an application that can supply others overrides this |
//! | not that of a WebSocket server: no HTTP, a field missing or wrong | `Unlikely` | another program answers: a proxy, a portal, or one on the wrong port |
//! | a subprotocol or an extension that was not offered, or none although one is required | `Fatal` | server and client do not fit together |
//! | no response in time, or the end of the connection in place of one | `Retry` | |
//! | a redirect that is not followed | `Fatal` | the server redirects each attempt |
//!
//! | the way to the server | verdict | why |
//! |---|---|---|
//! | the name cannot be looked up | `Retry` | systems do not distinguish an unknown name from a network that is down |
//! | the connection is refused or reset, the host or the network is unreachable | `Retry` | |
//! | a phase of connecting takes too long | `Retry` | |
//! | a certificate that is not trusted, is for another host, has expired or is not valid yet | `Unlikely` | a captive portal, a wrong clock, or a certificate that will be renewed |
//! | TLS that the peers do not agree on, or a server that does not speak TLS | `Unlikely` | another program answers, or a server that was set up wrongly |
//! | any other failure of TLS | `Retry` | |
//! | an I/O error of kind `InvalidData` | `Unlikely` | TLS libraries report certificates and invalid records in this way |
//! | a proxy that answers with an HTTP status | as for the server's response | 407 requires credentials, or other ones |
//! | a SOCKS proxy that cannot reach the server, or a proxy that ends the connection | `Retry` | |
//! | a SOCKS proxy whose rules forbid the connection; a proxy that violates its protocol | `Unlikely` | |
//! | a SOCKS proxy that requires other credentials, or lacks a command or an address type | `Fatal` | |
//! | TLS with a proxy that is not established | as for TLS with the server | |
//!
//! | the program and its settings | verdict |
//! |---|---|
//! | an invalid URI, request or proxy URL; an I/O error of kind `InvalidInput` or `Unsupported` | `Fatal` |
//! | a missing feature, crypto provider, root certificate or source of entropy | `Fatal` |
//! | a message that was refused | `Retry`: that says nothing about the connection |
//! | errors of a server, and of calls that do not fit the configuration | `Fatal` |
//!
//! `Retry-After` is honoured in seconds and as a date, at most for [`Policy::max_retry_after`]. A date is compared with
//! the `Date` of the same response; if there is none, the delay is the longest one of the policy.
//!
//! # Overriding
//!
//! An application that knows better decides first, and leaves the rest to the table. [`Verdict`] has an example; with
//! `tokio::Reconnect`, failed attempts are classified by `classify`, and ends of connections by what is passed to
//! `ended`. [`Policy::give_up_unlikely_after`] treats all unlikely rows as fatal with [`Duration::ZERO`], and as worth a
//! retry with `None`.
//!
//! [RFC 6455 §7.2.3]: https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3
//! [`Duration::ZERO`]: core::time::Duration::ZERO

mod backoff;
mod policy;
mod verdict;
mod wait;

pub use self::{
    backoff::{Backoff, GiveUp},
    policy::Policy,
    verdict::Verdict,
    wait::Wait,
};
