//! The shells: they move bytes between a stream and the core, and are the only modules that may name a stream, a
//! runtime or a clock.

pub mod blocking;
mod pool;
