//! Receive buffers shared by all connections, each of which has its own thread.
//!
//! A connection needs a large buffer only while there is something to read. It returns the buffer before it waits, so
//! the number of buffers in use is the number of busy connections, not the number of threads.

use std::sync::Mutex;

use crate::{
    connection::{Inbound, RecvBuffer},
    io::READ,
};

/// The most buffers kept while unused.
const MOST: usize = 16;

/// No thread waits for the lock: one that finds it taken does without the pool.
static POOL: Mutex<Vec<RecvBuffer>> = Mutex::new(Vec::new());

/// Lends a large buffer to a connection that is about to receive.
pub(super) fn lend(inbound: &mut Inbound) {
    if inbound.buffer_capacity() < READ {
        let buffer = POOL.try_lock().ok().and_then(|mut pool| pool.pop());
        inbound.give_buffer(buffer.unwrap_or_else(|| RecvBuffer::with_capacity(READ)));
    }
}

/// Takes the buffer back from a connection whose thread is about to wait.
pub(super) fn reclaim(inbound: &mut Inbound) {
    if let Some(buffer) = inbound.take_buffer().filter(|buffer| buffer.capacity() == READ) {
        if let Ok(mut pool) = POOL.try_lock() {
            if pool.len() < MOST {
                pool.push(buffer);
            }
        }
    }
}
