//! Buffers shared by the connections of a thread.
//!
//! A connection needs large buffers only while there is something to read or write. It returns them before it waits, so
//! the number of buffers in use is the number of busy connections, not the number of connections. Each thread has its
//! own pool: it takes no lock, and its few buffers stay in the processor's cache.

use core::cell::RefCell;

use crate::{
    connection::{Inbound, Outbound, RecvBuffer},
    io::READ,
};

/// The largest send buffer kept, in bytes.
const SEND: usize = 2 * READ;

/// The most buffers of each kind that are kept. One would do if every connection returned its buffer on the same
/// thread.
const MOST: usize = 4;

/// Unused buffers.
#[derive(Debug)]
struct Pool {
    recv: Vec<RecvBuffer>,
    send: Vec<Vec<u8>>,
}

thread_local! {
    static POOL: RefCell<Pool> = const {
        RefCell::new(Pool { recv: Vec::new(), send: Vec::new() })
    };
}

/// Lends large buffers to a connection that is about to receive.
pub(super) fn lend(inbound: &mut Inbound, outbound: &mut Outbound) {
    if inbound.buffer_capacity() >= READ {
        return;
    }
    // A message may have been sent from the previous buffer. A thread that is ending has no pool.
    let written = outbound.take_recv_buffer();
    let (recv, send) = POOL
        .try_with(|pool| {
            let mut pool = pool.borrow_mut();
            (written.or_else(|| pool.recv.pop()), pool.send.pop())
        })
        .unwrap_or_default();
    inbound.give_buffer(recv.unwrap_or_else(|| RecvBuffer::with_capacity(READ)));
    if let Some(buffer) = send {
        outbound.give_buffer(buffer);
    }
}

/// Takes the buffers back from a connection that is about to wait.
pub(super) fn reclaim(inbound: &mut Inbound, outbound: &mut Outbound) {
    let is_large = |buffer: &RecvBuffer| buffer.capacity() == READ;
    let recv = inbound.take_buffer().filter(is_large);
    let written = outbound.take_recv_buffer().filter(is_large);
    let send = outbound.take_buffer().filter(|buffer| buffer.capacity() <= SEND);
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        keep(&mut pool.recv, recv);
        keep(&mut pool.recv, written);
        keep(&mut pool.send, send);
    });
}

fn keep<T>(kept: &mut Vec<T>, buffer: Option<T>) {
    match buffer {
        Some(buffer) if kept.len() < MOST => kept.push(buffer),
        _ => {}
    }
}
