//! The Socket.IO server: parsers, the session machine, everything on a virtual clock, and real connections.

mod features;
mod flags;
mod leaks;
#[cfg(feature = "proptest")]
mod parsers;
mod pitfalls;
mod requests;
mod running;
mod session;
mod support;
