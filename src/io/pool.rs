//! Receive buffers shared by all connections of a thread.
//!
//! A connection needs a large buffer only while there is something to read. Between reads it gives the buffer back, so
//! that as many are in use as connections are busy, not as many as there are connections.

use core::cell::RefCell;

use crate::connection::{Inbound, RecvBuffer};

/// Bytes of a pooled buffer, and so of the largest single read.
const CAPACITY: usize = 64 << 10;

/// Buffers that a thread keeps at most while nobody uses them.
const MOST: usize = 4;

thread_local! {
    static POOL: RefCell<Vec<RecvBuffer>> = const { RefCell::new(Vec::new()) };
}

/// Lends a large buffer to a connection that is about to receive.
pub(super) fn lend(inbound: &mut Inbound) {
    if inbound.buffer_capacity() < CAPACITY {
        let buffer = POOL.with_borrow_mut(Vec::pop);
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
        POOL.with_borrow_mut(|pool| {
            if pool.len() < MOST {
                pool.push(buffer);
            }
        });
    }
}
