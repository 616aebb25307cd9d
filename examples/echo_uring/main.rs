//! An echo server on the bare core and io_uring: one thread for all connections, and few system calls.
//!
//! It is meant to be copied. The order of reads, writes and deadlines, and the end of a connection, are the core's: the
//! server asks for each `Step`, starts an operation for it, and reports how that completed.
//!
//! ```text
//!             +--> completion ----> Peer::received, Peer::sent: report -+
//!   Ring::wait                                                          +--> Peer::drive: steps, started as operations
//!             +--> deadline passed --> Peer::at: report ----------------+      |  Wait  --> the next completion
//!        ^                                                                     |  Yield --> the end of the queue
//!        +---------------- one call of the kernel for all peers ---------------+  Ended --> cancelled, then dropped
//! ```
//!
//! - *Buffers are owned both ways.* The kernel receives into provided buffers, which all connections share. A completion
//!   names one; the connection takes it (`receive_buffer`), lends the messages from it, and gives it back for the ring.
//!   Output is taken (`take_output`), owned by the operation that sends it, and returned (`return_output`).
//! - *Batches*: one call of the kernel starts all sends of a round, and brings all that has arrived. One operation
//!   accepts all clients, and one receives everything of a client. A send after which there is nothing to do completes
//!   without waking the server.
//! - *Back-pressure*: while the output is full, no events are taken and no read is wanted, so the receiving operation is
//!   stopped and the peer's sending stalls. At most what the provided buffers hold was received by then.
//! - *Memory*: an idle connection holds no buffer.
//! - *Time*: deadlines wait in an ordered set; an idle connection has none. No clock is read for a message.
//!
//! | file | what it knows |
//! |---|---|
//! | `server.rs` | the loop: completions, deadlines, accepting and ending |
//! | `peer.rs` | a connection: steps and reports |
//! | `operations.rs` | what is pending for one stream |
//! | `ring.rs`, `buffers.rs` | the kernel's interface, and all memory that it uses |
//! | `shared.rs`, `allocator.rs` | buffers that no connection holds, and what the C library does with freed memory |
//!
//! Only `ring.rs`, `buffers.rs` and `allocator.rs` have `unsafe` code.

#[cfg(target_os = "linux")]
mod allocator;
#[cfg(target_os = "linux")]
mod buffers;
#[cfg(target_os = "linux")]
mod operations;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod shared;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use support::program;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    allocator::keep_freed_memory();
    let server = server::Server::new(&program::options());
    program::exit(server.and_then(server::Server::run))
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    let _: support::Options = program::options();
    program::exit(Err("io_uring is an interface of Linux"))
}
