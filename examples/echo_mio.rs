//! An echo server on the bare core: a hand-written event loop with one thread for all connections.
//!
//! It is meant to be copied. The core determines the order of reads, writes and deadlines, and the end of a connection: the loop
//! asks for each [`Step`], performs it, and reports the result.
//!
//! ```text
//!   event, or its deadline has passed --> Peer::drive: steps, until one of
//!                                           Wait  --> the next event, or this deadline
//!                                           Yield --> the end of the queue
//!                                           Ended --> dropped
//! ```
//!
//! - *Memory*: the loop owns a buffer for each direction, and lends them to the connection that it drives.
//! - *Back-pressure*: while the output is full, no events are taken, and soon nothing is read, so the peer's sending stalls.
//! - *Fairness*: a connection that always has something to read yields to the others after a number of reads.
//! - *Time*: deadlines wait in an ordered set; an idle connection has none. No clock is read for a message.

mod support;

use std::{
    collections::{BTreeSet, VecDeque},
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::Shutdown,
    process::ExitCode,
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use slab::Slab;
use support::{Options, listen::cannot_listen, program};
use websocket_proto::{
    CloseCode, Config, Connection, Event, RecvBuffer, Step, Time,
    handshake::{Opening, ServerHandshake},
};

const LISTENER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);

/// Bytes of the buffer that the connections share, and of the largest read: a message of 64 KiB fits with its header.
const READ: usize = (64 << 10) + 512;

fn main() -> ExitCode {
    program::exit(Server::new(&program::options()).and_then(Server::run))
}

struct Server {
    poll: Poll,
    listener: Option<TcpListener>,
    signals: Signals,
    config: Config,
    clock: Clock,
    peers: Slab<Peer>,
    /// The time at which each peer must be driven next; at most one entry per peer.
    deadlines: BTreeSet<(Time, usize)>,
    /// Peers whose turn ended although they could continue.
    unfinished: VecDeque<usize>,
    buffers: Buffers,
    /// Whether clients wait that could not be accepted.
    is_full: bool,
}

impl Server {
    fn new(options: &Options) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(options.addr).map_err(cannot_listen(options.addr))?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
        println!("listening on ws://{}", listener.local_addr()?);
        Ok(Self {
            poll,
            listener: Some(listener),
            signals,
            config: options.config(),
            clock: Clock { origin: Instant::now() },
            peers: Slab::new(),
            deadlines: BTreeSet::new(),
            unfinished: VecDeque::new(),
            buffers: Buffers::default(),
            is_full: false,
        })
    }

    /// Runs until it must end and every connection has ended.
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while self.listener.is_some() || !self.peers.is_empty() {
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept_all(),
                    SIGNALS => self.shut_down(),
                    Token(id) => {
                        if let Some(peer) = self.peers.get_mut(id) {
                            peer.read_closed |= event.is_read_closed();
                        }
                        self.drive(id);
                    }
                }
            }
            for _ in 0..self.unfinished.len() {
                if let Some(id) = self.unfinished.pop_front() {
                    self.drive(id);
                }
            }
            self.drive_due_peers();
        }
        Ok(())
    }

    /// The time to wait for events.
    fn patience(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let &(due, _) = self.deadlines.first()?;
        Some(due.since(self.clock.now()))
    }

    fn accept_all(&mut self) {
        while let Some(listener) = &self.listener {
            match listener.accept() {
                // A stream that cannot be used is dropped, and the connection with it.
                Ok((stream, _)) => drop(self.accept(stream)),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    // Most likely too many files are open. Clients wait until another connection has ended.
                    _ => {
                        self.is_full = true;
                        return;
                    }
                },
            }
        }
    }

    fn accept(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let entry = self.peers.vacant_entry();
        let id = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(id), interest)?;
        entry.insert(Peer {
            stream,
            phase: Phase::Opening(Box::new(Opening::server(&self.config, self.clock.now()))),
            due: None,
            read_closed: false,
        });
        self.drive(id);
        Ok(())
    }

    /// Stops accepting, and closes every connection with 1001.
    fn shut_down(&mut self) {
        if self.signals.pending().next().is_none() {
            return;
        }
        self.listener = None;
        let ids: Vec<usize> = self.peers.iter().map(|(id, _)| id).collect();
        for id in ids {
            match &mut self.peers[id].phase {
                Phase::Opening(_) => self.remove(id),
                Phase::Open(connection) => {
                    // A connection that is already closing needs no further Close.
                    let _ = connection.close(CloseCode::GOING_AWAY);
                    self.drive(id);
                }
            }
        }
    }

    fn drive_due_peers(&mut self) {
        while let Some(&(due, id)) = self.deadlines.first() {
            let now = self.clock.now();
            if due > now {
                return;
            }
            self.set_deadline(id, None);
            self.peers[id].at(now);
            self.drive(id);
        }
    }

    /// Drives a peer as far as possible, and then waits for its next event or deadline.
    fn drive(&mut self, id: usize) {
        // This may be a late event of a connection that has ended.
        let Some(peer) = self.peers.get_mut(id) else { return };
        match peer.drive(&self.config, &mut self.buffers, &self.clock) {
            Step::Wait(due) => self.set_deadline(id, due),
            Step::Yield => self.unfinished.push_back(id),
            _ => self.remove(id),
        }
    }

    /// Drops the stream, which closes it and removes it from the poll.
    fn remove(&mut self, id: usize) {
        self.set_deadline(id, None);
        self.peers.remove(id);
        if std::mem::take(&mut self.is_full) {
            self.accept_all();
        }
    }

    fn set_deadline(&mut self, id: usize, due: Option<Time>) {
        let peer = &mut self.peers[id];
        if peer.due != due {
            if let Some(old) = peer.due {
                self.deadlines.remove(&(old, id));
            }
            if let Some(new) = due {
                self.deadlines.insert((new, id));
            }
            peer.due = due;
        }
    }
}

struct Clock {
    origin: Instant,
}

impl Clock {
    fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }
}

/// Lent to one connection after another.
#[derive(Default)]
struct Buffers {
    recv: RecvBuffer,
    send: Vec<u8>,
}

impl Buffers {
    fn lend(&mut self, connection: &mut Connection) {
        if self.recv.capacity() < READ {
            self.recv = RecvBuffer::with_capacity(READ);
        }
        let (inbound, outbound) = connection.split_mut();
        self.recv = inbound.give_buffer(std::mem::take(&mut self.recv));
        self.send = outbound.give_buffer(std::mem::take(&mut self.send));
    }

    /// Takes the buffers back, unless they still contain data.
    fn reclaim(&mut self, connection: &mut Connection) {
        let (inbound, outbound) = connection.split_mut();
        if let Some(buffer) = inbound.take_buffer() {
            self.recv = buffer;
        }
        if let Some(buffer) = outbound.take_buffer() {
            self.send = buffer;
        }
        connection.release();
    }
}

/// A client, and the state of its connection.
struct Peer {
    stream: TcpStream,
    phase: Phase,
    due: Option<Time>,
    /// Whether the end of the stream has arrived, which no further event will report.
    read_closed: bool,
}

enum Phase {
    Opening(Box<Opening<ServerHandshake>>),
    Open(Box<Connection>),
}

impl Peer {
    /// Reports the time, because a deadline has passed.
    fn at(&mut self, now: Time) {
        match &mut self.phase {
            Phase::Opening(opening) => opening.at(now),
            Phase::Open(connection) => connection.drive().1.at(now),
        }
    }

    /// Performs the possible steps. Returns `Wait`, `Yield` or `Ended`.
    fn drive(&mut self, config: &Config, buffers: &mut Buffers, clock: &Clock) -> Step {
        loop {
            match &mut self.phase {
                Phase::Opening(opening) => {
                    let step = drive_opening(opening, &mut self.stream, clock);
                    if step != Step::Ended {
                        return step;
                    }
                    // A rejected client has received the reason by then.
                    let Ok(request) = opening.outcome() else { return step };
                    if let Ok(negotiated) = opening.accept(&request, support::accept(&request)) {
                        self.phase = Phase::Open(Box::new(Connection::from_negotiated(&negotiated, config)));
                    }
                }
                Phase::Open(connection) => {
                    buffers.lend(connection);
                    let step = drive_connection(connection, &mut self.stream, self.read_closed, clock);
                    buffers.reclaim(connection);
                    return step;
                }
            }
        }
    }
}

/// Performs the steps of an opening handshake.
fn drive_opening(opening: &mut Opening<ServerHandshake>, stream: &mut TcpStream, clock: &Clock) -> Step {
    let mut buffer = [0; 4096];
    opening.turn();
    loop {
        match opening.next_step() {
            Step::Write => match ready(|| stream.write(opening.chunk())) {
                Ok(Some(n)) => opening.wrote(n),
                Ok(None) => opening.write_blocked(),
                Err(_) => opening.write_failed(),
            },
            Step::Flush => opening.flushed(), // a socket does not buffer output
            Step::Shutdown => {
                let _ = stream.shutdown(Shutdown::Write);
                opening.shut_down();
            }
            Step::Read | Step::Discard => match ready(|| stream.read(&mut buffer)) {
                Ok(Some(0)) => opening.read_ended(),
                Ok(Some(n)) => opening.read(&buffer[..n]),
                Ok(None) => opening.read_blocked(),
                Err(_) => opening.read_failed(),
            },
            Step::Time => opening.at(clock.now()),
            step => return step,
        }
    }
}

/// Performs the steps of a connection, and echoes its messages.
fn drive_connection(connection: &mut Connection, stream: &mut TcpStream, read_closed: bool, clock: &Clock) -> Step {
    let (inbound, driver) = connection.drive();
    driver.turn();
    loop {
        while !driver.outbound().is_full() {
            match inbound.next_event(driver.outbound()) {
                // The message is lent from the receive buffer, and copied once: to the output.
                Ok(Some(Event::Message(message))) => drop(driver.outbound().feed(message)),
                Ok(Some(_)) => {}
                // Pongs, and the Close that answers a Close or a failure, are queued by the core.
                Ok(None) | Err(_) => break,
            }
        }
        match driver.next(inbound) {
            Step::Write => {
                // As many frames at once as available.
                let mut slices = [IoSlice::new(&[]); 16];
                let used = driver.slices(&mut slices);
                let written = match &slices[..used] {
                    [slice] => ready(|| stream.write(slice)),
                    slices => ready(|| stream.write_vectored(slices)),
                };
                match written {
                    Ok(Some(n)) => driver.wrote(n),
                    Ok(None) => driver.write_blocked(),
                    Err(_) => driver.write_failed(),
                }
            }
            Step::Flush => driver.flushed(),
            Step::Shutdown => {
                let _ = stream.shutdown(Shutdown::Write);
                driver.shut_down();
            }
            Step::Read => {
                let space = inbound.space();
                let room = space.len();
                match ready(|| stream.read(space)) {
                    Ok(Some(0)) => driver.read_ended(),
                    Ok(Some(n)) => {
                        inbound.advance(n);
                        driver.read(n);
                        if n < room && !read_closed {
                            // All data has been read. Later data causes an event.
                            driver.read_blocked();
                        }
                    }
                    Ok(None) => driver.read_blocked(),
                    Err(_) => driver.read_failed(),
                }
            }
            Step::Discard => match ready(|| stream.read(&mut [0; 4096])) {
                Ok(Some(0)) => driver.read_ended(),
                Ok(Some(n)) => driver.read(n),
                Ok(None) => driver.read_blocked(),
                Err(_) => driver.read_failed(),
            },
            Step::Time => driver.at(clock.now()),
            step => return step,
        }
    }
}

/// Tries an operation of a stream; `None` if the stream is not ready for it.
fn ready<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    loop {
        match operation() {
            Ok(done) => return Ok(Some(done)),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => return Ok(None),
                ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
}
