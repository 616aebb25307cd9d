//! Buffers shared by all connections.
//!
//! A connection needs large buffers only while there is something to read or to write. Before it waits it gives them
//! back, so that as many are in use as connections are busy, not as many as there are connections.

#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod own;

use std::sync::Mutex;

use crate::connection::{Inbound, RecvBuffer};
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(super) use own::{lend, reclaim};

/// Bytes of a receive buffer, and so of the largest single read: a message of 64 KiB fits with its header.
const RECV: usize = (64 << 10) + 512;

/// Receive buffers that are kept at most for threads that may block.
const MOST_SHARED: usize = 16;

/// Receive buffers for connections with a thread of their own each. Nobody waits for the lock: who finds it taken does
/// without the pool.
static SHARED: Mutex<Vec<RecvBuffer>> = Mutex::new(Vec::new());

/// Lends a large receive buffer to a connection on a thread of its own.
pub(super) fn lend_shared(inbound: &mut Inbound) {
    if inbound.buffer_capacity() < RECV {
        let buffer = SHARED.try_lock().ok().and_then(|mut pool| pool.pop());
        let buffer = buffer.unwrap_or_else(|| RecvBuffer::with_capacity(RECV));
        inbound.give_buffer(buffer);
    }
}

/// Takes the receive buffer back from a connection whose thread is about to wait.
pub(super) fn reclaim_shared(inbound: &mut Inbound) {
    if let Some(buffer) = inbound.take_buffer().filter(|buffer| buffer.capacity() == RECV) {
        if let Ok(mut pool) = SHARED.try_lock() {
            if pool.len() < MOST_SHARED {
                pool.push(buffer);
            }
        }
    }
}
