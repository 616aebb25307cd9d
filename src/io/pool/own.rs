//! The buffers of a thread that drives many connections.

use core::cell::RefCell;

use super::RECV;
use crate::connection::{Inbound, Outbound, RecvBuffer};

/// Bytes of the largest send buffer that is kept.
const SEND: usize = 2 * RECV;

/// Buffers of each kind that a thread keeps at most. One would do, if every connection gave its own back at each wait.
const MOST: usize = 4;

/// Buffers that nobody uses.
#[derive(Debug)]
struct Pool {
    recv: Vec<RecvBuffer>,
    send: Vec<Vec<u8>>,
}

thread_local! {
    /// They need no lock.
    static OWN: RefCell<Pool> = const {
        RefCell::new(Pool { recv: Vec::new(), send: Vec::new() })
    };
}

/// Lends large buffers to a connection that is about to receive.
pub(in crate::io) fn lend(inbound: &mut Inbound, outbound: &mut Outbound) {
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
pub(in crate::io) fn reclaim(inbound: &mut Inbound, outbound: &mut Outbound) {
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
