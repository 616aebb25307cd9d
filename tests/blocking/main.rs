//! The blocking shell over scripted streams and real sockets: both roles, every cut, every fault, deadlines, and the
//! two directions on two threads.

#![allow(clippy::unwrap_used, reason = "tests are exempt")]

mod boxed;
mod closing;
mod conversation;
mod deadlines;
#[cfg(feature = "deflate")]
mod deflate;
mod driving;
mod extension;
mod faults;
mod handshake;
mod idle;
mod messages;
mod script;
mod split;
mod split_blocked;
mod split_closing;
mod split_driving;
#[cfg(unix)]
mod split_faults;
#[cfg(unix)]
mod stress;
mod support;
