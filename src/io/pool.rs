//! Receive buffers shared by all connections.
//!
//! A connection needs a large buffer only while there is something to read. Between reads it gives the buffer back, so
//! that as many are in use as connections are busy, not as many as there are connections: nor as there are threads, of
//! which a blocked connection has one of its own.

use std::sync::Mutex;

use crate::connection::{Inbound, RecvBuffer};

/// Bytes of a pooled buffer, and so of the largest single read.
const CAPACITY: usize = 64 << 10;

/// Buffers that are kept at most while nobody uses them.
const MOST: usize = 16;

/// Nobody waits for the lock: who finds it taken does without the pool.
static POOL: Mutex<Vec<RecvBuffer>> = Mutex::new(Vec::new());

/// Lends a large buffer to a connection that is about to receive.
pub(super) fn lend(inbound: &mut Inbound) {
    if inbound.buffer_capacity() < CAPACITY {
        let buffer = POOL.try_lock().ok().and_then(|mut pool| pool.pop());
        let buffer = buffer.unwrap_or_else(|| RecvBuffer::with_capacity(CAPACITY));
        keep(inbound.give_buffer(buffer));
    }
}

/// Takes the buffer back from a connection that is about to wait.
pub(super) fn reclaim(inbound: &mut Inbound) {
    if let Some(buffer) = inbound.take_buffer() {
        keep(buffer);
    }
}

fn keep(buffer: RecvBuffer) {
    if buffer.capacity() == CAPACITY {
        if let Ok(mut pool) = POOL.try_lock() {
            if pool.len() < MOST {
                pool.push(buffer);
            }
        }
    }
}
