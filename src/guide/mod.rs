//! How to use this crate, beyond its items one by one.
//!
//! - [Choosing a shell](choosing_a_shell): blocking, tokio, futures-io, or the bare core.
//! - [The sans-IO loop](sans_io_loop): driving the core from your own event loop.
//! - [Completion I/O](completion_io): the same where operations complete later.
//! - [Two tasks](two_tasks): reading in one task or thread, and writing in others.
//! - [Timers](timers): every deadline, what begins it, and when it fires.
//! - [Cancel safety](cancel_safety): what dropping a future does, and what it does not.
//! - [Streams and sinks](streams_and_sinks): the combinators of futures-util on a connection, in one task or in two.
//! - [Closing](closing): who closes what and when, and how it is reported.
//! - [Back-pressure](back_pressure): what happens when a peer reads slowly.
//! - [Broadcasting](broadcasting): one message to many connections, some of which may be slow.
//! - [Extensions](extensions): your own, with and without reserved bits.
//! - [Logging](logging): what operators see, with feature `tracing`.
//! - [Memory](memory): what a connection holds at most, as a formula of the limits.
//! - [Capacity](capacity): what a connection and a message cost, and how to use all cores.
//! - [HTTP servers](http_servers): WebSockets beside the routes of axum or hyper.
//! - [Moving from tungstenite](moving_from_tungstenite): their calls and ours.

#[doc = include_str!("choosing_a_shell.md")]
pub mod choosing_a_shell {}

#[doc = include_str!("sans_io_loop.md")]
pub mod sans_io_loop {}

#[doc = include_str!("completion_io.md")]
pub mod completion_io {}

#[doc = include_str!("two_tasks.md")]
pub mod two_tasks {}

#[doc = include_str!("timers.md")]
pub mod timers {}

#[doc = include_str!("cancel_safety.md")]
pub mod cancel_safety {}

#[doc = include_str!("streams_and_sinks.md")]
pub mod streams_and_sinks {}

#[doc = include_str!("closing.md")]
pub mod closing {}

#[doc = include_str!("back_pressure.md")]
pub mod back_pressure {}

#[doc = include_str!("broadcasting.md")]
pub mod broadcasting {}

#[doc = include_str!("extensions.md")]
pub mod extensions {}

#[doc = include_str!("logging.md")]
pub mod logging {}

#[doc = include_str!("memory.md")]
pub mod memory {}

#[doc = include_str!("capacity.md")]
pub mod capacity {}

#[doc = include_str!("http_servers.md")]
pub mod http_servers {}

#[doc = include_str!("moving_from_tungstenite.md")]
pub mod moving_from_tungstenite {}
