//! Buffers shared by all connections.
//!
//! A connection needs large buffers only while there is something to read or to write. Before it waits it gives them
//! back, so that as many are in use as connections are busy, not as many as there are connections.

use core::cell::RefCell;
use std::sync::Mutex;

use crate::connection::{Inbound, Outbound, RecvBuffer};

/// Bytes of a receive buffer, and so of the largest single read: a message of 64 KiB fits with its header.
const RECV: usize = (64 << 10) + 512;

/// Bytes of the largest send buffer that is kept.
const SEND: usize = 2 * RECV;

/// Buffers of each kind that a thread keeps at most. One would do, if every connection gave its own back at each wait.
const MOST: usize = 4;

/// Receive buffers that are kept at most for threads that may block.
const MOST_SHARED: usize = 16;

/// Buffers that nobody uses.
#[derive(Debug)]
struct Pool {
    recv: Vec<RecvBuffer>,
    send: Vec<Vec<u8>>,
}

thread_local! {
    /// The buffers of a thread that drives many connections, which needs no lock.
    static OWN: RefCell<Pool> = const {
        RefCell::new(Pool { recv: Vec::new(), send: Vec::new() })
    };
}

/// Receive buffers for connections with a thread of their own each. Nobody waits for the lock: who finds it taken does
/// without the pool.
static SHARED: Mutex<Vec<RecvBuffer>> = Mutex::new(Vec::new());

/// Lends large buffers to a connection that is about to receive.
pub(super) fn lend(inbound: &mut Inbound, outbound: &mut Outbound) {
    if inbound.buffer_capacity() >= RECV {
        return;
    }
    let (recv, send) = OWN
        .try_with(|pool| {
            let mut pool = pool.borrow_mut();
            (pool.recv.pop(), pool.send.pop())
        })
        .unwrap_or_default();
    inbound.give_buffer(recv.unwrap_or_else(|| RecvBuffer::with_capacity(RECV)));
    if let Some(buffer) = send {
        outbound.give_buffer(buffer);
    }
}

/// Takes the buffers back from a connection that is about to wait.
pub(super) fn reclaim(inbound: &mut Inbound, outbound: &mut Outbound) {
    let recv = inbound.take_buffer().filter(|buffer| buffer.capacity() == RECV);
    let send = outbound.take_buffer().filter(|buffer| buffer.capacity() <= SEND);
    // A thread that is ending keeps nothing.
    let _ = OWN.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        keep(&mut pool.recv, recv);
        keep(&mut pool.send, send);
    });
}

fn keep<T>(kept: &mut Vec<T>, buffer: Option<T>) {
    match buffer {
        Some(buffer) if kept.len() < MOST => kept.push(buffer),
        _ => {}
    }
}

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
