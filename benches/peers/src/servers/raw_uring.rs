//! The limit on io_uring: bytes go back unread, from the buffers that they were received into.
//!
//! As few calls of the kernel as there can be: one operation accepts, one receives all that a connection brings, and a call
//! starts all sends of a round and brings all that has arrived meanwhile.

#![allow(
    unsafe_code,
    reason = "the kernel is given addresses, whose lifetimes no type can express"
)]

use std::{
    alloc::{Layout, alloc_zeroed},
    collections::VecDeque,
    io,
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{
    IoUring, cqueue, opcode, squeue,
    types::{BufRingEntry, Fd},
};
use slab::Slab;

/// More than the longest short message, with its header.
const SIZE: usize = (64 << 10) + 512;

const COUNT: u16 = 128;
const GROUP: u16 = 0;

const ACCEPT: u64 = 0;
const RECEIVE: u64 = 1;
const SEND: u64 = 2;

struct Connection {
    stream: TcpStream,
    /// Received and not sent: the buffer, and which part of it.
    pending: VecDeque<(u16, usize, usize)>,
    sending: Option<Sending>,
    /// Whether the last send found no room, so that the next one waits for it.
    is_blocked: bool,
    is_receiving: bool,
    has_ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// It is over when the kernel has been called, and has a completion only if not everything was sent.
    Quiet,
    Waiting,
}

struct Server {
    ring: IoUring,
    entries: *mut BufRingEntry,
    tail: u16,
    memory: Vec<u8>,
    connections: Slab<Connection>,
    /// Those that found no buffer to receive into.
    starved: Vec<usize>,
    /// Those with quiet sends since the kernel was called.
    quiet: Vec<usize>,
}

/// Whether the kernel does not have what this needs.
pub fn is_missing() -> bool {
    ring().is_err()
}

fn ring() -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_cqsize(4096)
        .build(1024)
}

pub fn serve() -> io::Result<()> {
    let ring = ring()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let layout = Layout::array::<BufRingEntry>(COUNT.into())
        .and_then(|array| array.align_to(4096))
        .map_err(io::Error::other)?;
    // SAFETY: the layout has a size. The memory is never freed.
    let entries = unsafe { alloc_zeroed(layout) }.cast();
    // SAFETY: as many entries as it has room for, at the beginning of a page.
    unsafe {
        ring.submitter()
            .register_buf_ring_with_flags(entries as u64, COUNT, GROUP, 0)?
    };
    let mut server = Server {
        ring,
        entries,
        tail: 0,
        memory: vec![0; usize::from(COUNT) * SIZE],
        connections: Slab::new(),
        starved: Vec::new(),
        quiet: Vec::new(),
    };
    (0..COUNT).for_each(|id| server.give(id));
    super::announce(listener.local_addr()?);
    server.push(opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build(), ACCEPT, 0)?;
    let mut completed = Vec::new();
    loop {
        let called = server.ring.submit_and_wait(usize::from(!server.is_hurried()));
        if let Err(error) = called
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        completed.extend(server.ring.completion());
        server.quiet_ones_are_over(&completed)?;
        for entry in completed.drain(..) {
            let (kind, id) = (entry.user_data() & 3, (entry.user_data() >> 2) as usize);
            match kind {
                ACCEPT => server.accepted(entry.result())?,
                RECEIVE => server.received(id, &entry)?,
                _ => server.sent(id, entry.result())?,
            }
        }
    }
}

impl Server {
    fn accepted(&mut self, fd: i32) -> io::Result<()> {
        if fd < 0 {
            return Err(io::Error::from_raw_os_error(-fd));
        }
        // SAFETY: a new descriptor, which nothing else owns.
        let stream: TcpStream = unsafe { OwnedFd::from_raw_fd(fd) }.into();
        stream.set_nodelay(true)?;
        let id = self.connections.insert(Connection {
            stream,
            pending: VecDeque::new(),
            sending: None,
            is_blocked: false,
            is_receiving: false,
            has_ended: false,
        });
        self.receive(id)
    }

    fn receive(&mut self, id: usize) -> io::Result<()> {
        self.connections[id].is_receiving = true;
        let fd = Fd(self.connections[id].stream.as_raw_fd());
        self.push(opcode::RecvMulti::new(fd, GROUP).build(), RECEIVE, id)
    }

    fn received(&mut self, id: usize, entry: &cqueue::Entry) -> io::Result<()> {
        let connection = &mut self.connections[id];
        connection.is_receiving = cqueue::more(entry.flags());
        let (result, buffer) = (entry.result(), cqueue::buffer_select(entry.flags()));
        match buffer {
            Some(buffer) if result > 0 => connection.pending.push_back((buffer, 0, result as usize)),
            Some(buffer) => self.give(buffer),
            // All buffers are in use: `ENOBUFS`.
            None if result == -105 => self.starved.push(id),
            None => {}
        }
        let connection = &mut self.connections[id];
        if result <= 0 && result != -105 {
            connection.has_ended = true;
        } else if !connection.is_receiving && result > 0 {
            self.receive(id)?;
        }
        self.send(id)
    }

    /// Sends the next part that is pending, or drops a connection that has ended.
    fn send(&mut self, id: usize) -> io::Result<()> {
        let connection = &mut self.connections[id];
        if connection.sending.is_some() {
            return Ok(());
        }
        let Some(&(buffer, from, to)) = connection.pending.front() else {
            if connection.has_ended && !connection.is_receiving {
                self.connections.remove(id);
            }
            return Ok(());
        };
        let (fd, start) = (Fd(connection.stream.as_raw_fd()), usize::from(buffer) * SIZE);
        let is_quiet = !connection.is_blocked && connection.pending.len() == 1 && !connection.has_ended;
        connection.sending = Some(if is_quiet { Sending::Quiet } else { Sending::Waiting });
        // `MSG_NOSIGNAL`; and for a quiet one `MSG_DONTWAIT` and `MSG_WAITALL`.
        let flags = if is_quiet { 0x4140 } else { 0x4000 };
        let bytes = &self.memory[start + from..start + to];
        let send = opcode::Send::new(fd, bytes.as_ptr(), bytes.len() as u32).flags(flags);
        let mut send = send.build();
        if is_quiet {
            send = send.flags(squeue::Flags::SKIP_SUCCESS);
            self.quiet.push(id);
        }
        self.push(send, SEND, id)
    }

    /// Ends the quiet sends that have no completion, since they have succeeded.
    fn quiet_ones_are_over(&mut self, completed: &[cqueue::Entry]) -> io::Result<()> {
        for entry in completed.iter().filter(|entry| entry.user_data() & 3 == SEND) {
            self.connections[(entry.user_data() >> 2) as usize].sending = Some(Sending::Waiting);
        }
        for id in std::mem::take(&mut self.quiet) {
            if self.connections[id].sending == Some(Sending::Quiet) {
                self.sent(id, i32::MAX)?;
            }
        }
        Ok(())
    }

    /// Whether there is something to do after a quiet send.
    fn is_hurried(&self) -> bool {
        let mut quiet = self.quiet.iter().map(|&id| &self.connections[id]);
        quiet.any(|connection| connection.pending.len() > 1 || connection.has_ended)
            || !self.starved.is_empty() && !self.quiet.is_empty()
    }

    fn sent(&mut self, id: usize, result: i32) -> io::Result<()> {
        let connection = &mut self.connections[id];
        connection.sending = None;
        let sent = match result {
            -11 => 0,
            1.. => result as usize,
            _ => {
                connection.has_ended = true;
                usize::MAX
            }
        };
        if let Some((buffer, from, to)) = connection.pending.front_mut() {
            *from = from.saturating_add(sent).min(*to);
            connection.is_blocked = from < to;
            if !connection.is_blocked {
                let buffer = *buffer;
                connection.pending.pop_front();
                self.give(buffer);
                if let Some(starved) = self.starved.pop() {
                    self.receive(starved)?;
                }
            }
        }
        self.send(id)
    }

    /// Provides a buffer to the kernel.
    fn give(&mut self, id: u16) {
        let at = usize::from(self.tail % COUNT);
        // SAFETY: one of the entries, which the kernel does not read before the tail says that it is there.
        let entry = unsafe { &mut *self.entries.add(at) };
        entry.set_addr(self.memory[usize::from(id) * SIZE..].as_ptr() as u64);
        entry.set_len(SIZE as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail is part of the first entry.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    fn push(&mut self, operation: squeue::Entry, kind: u64, id: usize) -> io::Result<()> {
        let operation = operation.user_data((id as u64) << 2 | kind);
        // SAFETY: all memory that operations refer to lives as long as the process.
        while unsafe { self.ring.submission().push(&operation) }.is_err() {
            self.ring.submit()?;
        }
        Ok(())
    }
}
