//! An echo server on the bare core: a hand-written event loop with one thread for all connections.
//!
//! It is meant to be copied. What an event loop has to do for a connection is all in [`Peer::drive`]:
//!
//! ```text
//!            +----------------------------------------------------------+
//!            v                                                          |
//!   take events, answer them -> write output -> shut down? -> done? -> read
//!   (until the output is full)  (until it      (when told)             (until it would block)
//!                                would block)
//! ```
//!
//! - *Memory*: the loop owns a buffer for each direction, and lends them to the connection that it drives.
//! - *Back-pressure*: while the output is full, no events are taken and nothing is read, so the peer's sending stalls.
//! - *Fairness*: a connection that always has something to read gives the others a turn after a few reads.
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
    Buf, CloseCode, Config, Connection, Event, ReadyState, RecvBuffer, Time, handshake::ServerHandshake,
};

const LISTENER: Token = Token(usize::MAX);
const SIGNALS: Token = Token(usize::MAX - 1);

/// Bytes of the buffer that the connections share, and so of the largest read: a message of 64 KiB fits with its header.
const READ: usize = (64 << 10) + 512;

/// Reads that a connection may do before the others get their turn.
const READS_PER_TURN: usize = 16;

/// How long a client that was refused may take to read why.
const REFUSAL: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    program::exit(Server::new(&program::options()).and_then(Server::run))
}

struct Server {
    poll: Poll,
    listener: Option<TcpListener>,
    signals: Signals,
    config: Config,
    origin: Instant,
    peers: Slab<Peer>,
    /// When which peer wants to be told the time; at most one entry for each.
    deadlines: BTreeSet<(Time, usize)>,
    /// Peers whose turn ended before they would block.
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
            origin: Instant::now(),
            peers: Slab::new(),
            deadlines: BTreeSet::new(),
            unfinished: VecDeque::new(),
            buffers: Buffers::default(),
            is_full: false,
        })
    }

    /// Runs until it is told to end, and every connection has ended.
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
            self.handle_timeouts();
        }
        Ok(())
    }

    /// How long to wait for events.
    fn patience(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let &(due, _) = self.deadlines.first()?;
        Some(due.since(self.now()))
    }

    fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }

    fn accept_all(&mut self) {
        while let Some(listener) = &self.listener {
            match listener.accept() {
                // A stream that cannot be used is dropped, and with it the connection.
                Ok((stream, _)) => drop(self.accept(stream)),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    // Most likely there are too many open files. Clients wait until one of the others has gone.
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
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(entry.key()), interest)?;
        let id = entry.key();
        entry.insert(Peer {
            stream,
            phase: Phase::Opening(Box::new(ServerHandshake::new(&self.config))),
            due: None,
            read_closed: false,
        });
        if let Some(timeout) = self.config.timers.handshake {
            self.set_deadline(id, Some(self.now() + timeout));
        }
        Ok(())
    }

    /// Stops accepting, and tells every peer that the server goes away.
    fn shut_down(&mut self) {
        if self.signals.pending().next().is_none() {
            return;
        }
        self.listener = None;
        let ids: Vec<usize> = self.peers.iter().map(|(id, _)| id).collect();
        for id in ids {
            match &mut self.peers[id].phase {
                // A connection that is closing already needs no further Close.
                Phase::Open(connection) => drop(connection.close(CloseCode::GOING_AWAY)),
                Phase::Opening(_) | Phase::Refused => self.peers[id].phase = Phase::Ended,
                Phase::Ended => {}
            }
            self.drive(id);
        }
    }

    fn handle_timeouts(&mut self) {
        while let Some(&(due, id)) = self.deadlines.first() {
            let now = self.now();
            if due > now {
                return;
            }
            self.set_deadline(id, None);
            match &mut self.peers[id].phase {
                Phase::Open(connection) => connection.handle_timeout(now),
                Phase::Opening(handshake) => {
                    let response = handshake.handle_timeout().response();
                    self.peers[id].refuse(response);
                }
                Phase::Refused | Phase::Ended => self.peers[id].phase = Phase::Ended,
            }
            self.drive(id);
        }
    }

    /// Lets a peer do what it can, and then waits for its next event or deadline.
    fn drive(&mut self, id: usize) {
        // An event may be left of a connection that has ended since.
        let Some(peer) = self.peers.get_mut(id) else { return };
        let was_opening = matches!(peer.phase, Phase::Opening(_));
        let progress = peer.drive(&self.config, &mut self.buffers).unwrap_or_else(|_| {
            peer.phase = Phase::Ended;
            Progress::Blocked
        });
        if progress == Progress::OutOfTurn {
            self.unfinished.push_back(id);
        }
        match &peer.phase {
            Phase::Ended => {
                self.set_deadline(id, None);
                // Dropping the stream closes it, and removes it from the poll.
                self.peers.remove(id);
                if std::mem::take(&mut self.is_full) {
                    self.accept_all();
                }
            }
            Phase::Open(connection) => {
                // A deadline of zero asks for the time at once, which the end of this round tells.
                let due = connection.poll_timeout();
                self.set_deadline(id, due);
            }
            Phase::Refused if was_opening => {
                let due = self.now() + REFUSAL;
                self.set_deadline(id, Some(due));
            }
            Phase::Opening(_) | Phase::Refused => {}
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

/// A client, and where it is in its life.
struct Peer {
    stream: TcpStream,
    phase: Phase,
    due: Option<Time>,
    /// Whether the end of the stream has arrived, so that no event will tell it once more.
    read_closed: bool,
}

/// Lent to one connection after the other.
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

    /// Takes them back, unless something had to be left in them.
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

enum Phase {
    /// The upgrade request is arriving.
    Opening(Box<ServerHandshake>),
    /// The upgrade request was refused; what the client still sends is discarded, so that it can read why.
    Refused,
    Open(Box<Connection>),
    Ended,
}

#[derive(PartialEq)]
enum Progress {
    /// Nothing can be done before the next event.
    Blocked,
    /// There may be more to do, but it is the others' turn.
    OutOfTurn,
}

impl Peer {
    /// Does what can be done until the stream would block. An error of the stream ends the connection.
    fn drive(&mut self, config: &Config, buffers: &mut Buffers) -> io::Result<Progress> {
        for _ in 0..READS_PER_TURN {
            let progress = match &mut self.phase {
                Phase::Opening(_) => self.open(config)?,
                Phase::Open(connection) => {
                    buffers.lend(connection);
                    let progress = drive_connection(connection, &mut self.stream, self.read_closed);
                    buffers.reclaim(connection);
                    if connection.ready_state() == ReadyState::Closed {
                        self.phase = Phase::Ended;
                    }
                    return progress;
                }
                Phase::Refused => match ready(|| self.stream.read(&mut [0; 4096]))? {
                    Some(0) => {
                        self.phase = Phase::Ended;
                        None
                    }
                    read => read.map(drop),
                },
                Phase::Ended => None,
            };
            if progress.is_none() {
                return Ok(Progress::Blocked);
            }
        }
        Ok(Progress::OutOfTurn)
    }

    /// Reads a piece of the upgrade request. `None` means that there is nothing more to read.
    fn open(&mut self, config: &Config) -> io::Result<Option<()>> {
        let Phase::Opening(handshake) = &mut self.phase else {
            return Ok(Some(()));
        };
        let mut bytes = [0; 4096];
        let Some(n) = ready(|| self.stream.read(&mut bytes))? else {
            return Ok(None);
        };
        if n == 0 {
            self.phase = Phase::Ended;
            return Ok(None);
        }
        match handshake.receive(&bytes[..n]) {
            Ok(None) => {}
            Ok(Some(request)) => {
                // The subprotocol is one of the client's, so this cannot fail.
                let accepted = request.accept(support::accept(&request)).map_err(io::Error::other)?;
                // The response is the first output of the connection.
                let (response, negotiated) = accepted.into_parts();
                let negotiated = negotiated.with_prelude(response);
                self.phase = Phase::Open(Box::new(Connection::from_negotiated(&negotiated, config)));
            }
            Err(error) => self.refuse(error.response()),
        }
        Ok(Some(()))
    }

    /// Sends a refusal, which fits the buffers of a stream to which nothing was written.
    fn refuse(&mut self, response: Option<Vec<u8>>) {
        let sent = match response {
            Some(response) => self.stream.write_all(&response),
            None => Err(ErrorKind::NotConnected.into()),
        };
        self.phase = match sent.and_then(|()| self.stream.shutdown(Shutdown::Write)) {
            Ok(()) => Phase::Refused,
            Err(_) => Phase::Ended,
        };
    }
}

/// Lets a connection do what it can, but for some reads at most.
fn drive_connection(connection: &mut Connection, stream: &mut TcpStream, read_closed: bool) -> io::Result<Progress> {
    let (mut reads, mut is_drained) = (0, false);
    loop {
        let (inbound, outbound) = connection.split_mut();
        while !outbound.is_full() {
            match inbound.next_event(outbound) {
                // The message is lent from the receive buffer, and copied once: to the output.
                Ok(Some(Event::Message(message))) => drop(outbound.send(message)),
                Ok(Some(_)) => {}
                // Pongs, and the Close that answers a Close or a failure, are in the output by themselves.
                Ok(None) | Err(_) => break,
            }
        }
        let was_full = outbound.is_full();
        let is_written = write(connection, stream)?;
        if was_full {
            // Events may be left, and are taken once there is room for answers.
            match is_written {
                true => continue,
                false => return Ok(Progress::Blocked),
            }
        }
        if connection.wants_shutdown() {
            // Fails if the peer is gone, which the next read tells.
            let _ = stream.shutdown(Shutdown::Write);
        }
        if connection.ready_state() == ReadyState::Closed {
            return Ok(Progress::Blocked);
        }
        if is_drained {
            return Ok(Progress::Blocked);
        }
        // Only here, where all events that were read are taken, so that the buffer goes back to the others.
        if reads == READS_PER_TURN {
            return Ok(Progress::OutOfTurn);
        }
        reads += 1;
        if connection.wants_read() {
            let space = connection.space();
            let room = space.len();
            match ready(|| stream.read(space))? {
                None => return Ok(Progress::Blocked),
                Some(0) => connection.receive_eof(),
                Some(n) => {
                    connection.advance(n);
                    // Less than there was room for is all there was. Whatever arrives from now on is an event.
                    is_drained = n < room && !read_closed;
                }
            }
        }
    }
}

/// Writes the output, as many frames at once as there are. Returns whether all of it was taken.
fn write(connection: &mut Connection, stream: &mut TcpStream) -> io::Result<bool> {
    let output = connection.output();
    while output.has_remaining() {
        let mut slices = [IoSlice::new(&[]); 16];
        let used = output.chunks_vectored(&mut slices);
        let written = match &slices[..used] {
            [slice] => ready(|| stream.write(slice)),
            slices => ready(|| stream.write_vectored(slices)),
        };
        match written? {
            Some(n) => output.advance(n),
            None => return Ok(false),
        }
    }
    Ok(true)
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
