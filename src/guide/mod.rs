//! How to use this crate, beyond its individual items.
#![doc = include_str!("pages.md")]

#[doc = include_str!("choosing_a_shell.md")]
pub mod choosing_a_shell {}

#[doc = include_str!("your_runtime.md")]
pub mod your_runtime {}

#[doc = include_str!("sans_io_loop.md")]
pub mod sans_io_loop {}

#[doc = include_str!("completion_io.md")]
pub mod completion_io {}

#[doc = include_str!("microcontrollers.md")]
pub mod microcontrollers {}

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

#[doc = include_str!("reconnecting.md")]
pub mod reconnecting {}

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

#[doc = include_str!("http2.md")]
pub mod http2 {}

#[doc = include_str!("moving_from_tungstenite.md")]
pub mod moving_from_tungstenite {}

#[doc = include_str!("ported_programs.md")]
pub mod ported_programs {}
