//! Buffers shared by the connections of a thread.
//!
//! A connection needs large buffers only while there is something to read or to write. Before it waits it gives them
//! back, so that as many are in use as connections are busy, not as many as there are connections. Each thread has a
//! pool of its own, which takes no lock, and of which the same few buffers stay in the processor's cache.

use core::cell::RefCell;

use crate::{
    connection::{Inbound, Outbound, RecvBuffer},
    io::READ,
};

/// Bytes of the largest send buffer that is kept.
const SEND: usize = 2 * READ;

/// Buffers of each kind that are kept at most. One would do, if every connection gave its own back on the same thread.
const MOST: usize = 4;

/// Buffers that nobody uses.
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
    // A message may have been sent from the one before. A thread that is ending has none.
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
