//! The load: one thread and bare non-blocking sockets, with frames that were encoded beforehand.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::{child::Child, servers::Kind, wire::Replies};

/// How long a server may leave all its connections without an answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What every connection sends, repeatedly. It never has to be encoded again.
#[derive(Clone, Debug)]
pub struct Messages {
    /// Each message is written at once, and answered before the next one is sent.
    pub batches: Vec<Vec<u8>>,
    pub per_batch: u64,
    /// Bytes of payload that answer a batch, if known beforehand.
    pub bytes: Option<u64>,
    pub expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The number of bytes that were sent.
    Bytes,
    /// The number of messages that were sent, in frames of a server.
    Messages,
}

impl Expect {
    pub fn of(kind: Kind) -> Self {
        if kind == Kind::Limit {
            Self::Bytes
        } else {
            Self::Messages
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub messages: u64,
    /// Bytes of payload that were received.
    pub bytes: u64,
    pub elapsed: Duration,
    /// Nanoseconds that the server was running.
    pub cpu: u64,
    /// Nanoseconds from writing a batch to its last reply, ascending.
    pub latencies: Vec<u32>,
}

impl Measured {
    /// Microseconds of the server per message.
    pub fn cpu_per_message(&self) -> f64 {
        self.cpu as f64 / 1e3 / self.messages as f64
    }

    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds below which this share of the latencies is.
    pub fn quantile(&self, share: f64) -> f64 {
        let at = (self.latencies.len() as f64 * share) as usize;
        let at = at.min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |&ns| f64::from(ns) / 1e3)
    }
}

/// Drives these connections to a server for a warm-up time, and then measures for another time.
pub fn drive(
    child: &Child,
    streams: Vec<std::net::TcpStream>,
    messages: &Messages,
    warm_up: Duration,
    duration: Duration,
) -> io::Result<Measured> {
    let mut load = Load::new(streams, messages)?;
    load.run_for(warm_up)?;
    load.measured = Measured::default();
    let (cpu, started) = (child.cpu()?, Instant::now());
    load.run_for(duration)?;
    let mut measured = load.measured;
    measured.elapsed = started.elapsed();
    measured.cpu = child.cpu()? - cpu;
    measured.latencies.sort_unstable();
    Ok(measured)
}

/// Connections in their handshakes at the same time: fewer than a server's backlog.
const OPENING: usize = 64;

/// Opens connections and upgrades them. Also returns the extensions that the server accepted.
pub fn connect(
    addr: SocketAddr,
    count: usize,
    request: Option<&[u8]>,
) -> io::Result<(Vec<std::net::TcpStream>, Option<String>)> {
    let (mut streams, mut extensions) = (Vec::with_capacity(count), None);
    while streams.len() < count {
        let opened = streams.len();
        for _ in 0..OPENING.min(count - opened) {
            let mut stream = std::net::TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            if let Some(request) = request {
                stream.write_all(request)?;
            }
            streams.push(stream);
        }
        if request.is_some() {
            for stream in &mut streams[opened..] {
                extensions = read_response(stream)?;
            }
        }
    }
    Ok((streams, extensions))
}

/// The opening handshake.
pub fn upgrade(stream: &mut std::net::TcpStream, request: &[u8]) -> io::Result<Option<String>> {
    stream.write_all(request)?;
    read_response(stream)
}

fn read_response(stream: &mut std::net::TcpStream) -> io::Result<Option<String>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut head, mut filled) = ([0; 2048], 0);
    while !head[..filled].ends_with(b"\r\n\r\n") {
        match stream.read(&mut head[filled..])? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    let head = String::from_utf8_lossy(&head[..filled]);
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(io::Error::other(format!("the upgrade was refused: {head}")));
    }
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    Ok(fields
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"))
        .map(|(_, value)| value.trim().to_owned()))
}

/// Sends the first message, and waits for the answer.
pub fn exchange(stream: &mut std::net::TcpStream, messages: &Messages) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let batch = &messages.batches[0];
    stream.write_all(batch)?;
    let (mut buffer, mut received, mut replies) = ([0; 4096], 0, Replies::default());
    loop {
        let n = stream.read(&mut buffer)?;
        received += n;
        let is_answered = match messages.expect {
            Expect::Bytes => received >= batch.len(),
            Expect::Messages => replies.receive(&buffer[..n]) && replies.messages >= messages.per_batch,
        };
        match n {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            _ if is_answered => return Ok(()),
            _ => {}
        }
    }
}

struct Load<'a> {
    poll: Poll,
    connections: Vec<Connection<'a>>,
    buffer: Vec<u8>,
    measured: Measured,
}

struct Connection<'a> {
    stream: TcpStream,
    messages: &'a Messages,
    batch: usize,
    /// Bytes of the batch that have been written.
    written: usize,
    /// The reply so far.
    received: u64,
    replies: Replies,
    sent_at: Instant,
}

impl<'a> Load<'a> {
    fn new(streams: Vec<std::net::TcpStream>, messages: &'a Messages) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(streams.len());
        for (i, stream) in streams.into_iter().enumerate() {
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(i), both)?;
            let mut connection = Connection {
                stream,
                messages,
                batch: 0,
                written: 0,
                received: 0,
                replies: Replies::default(),
                sent_at: Instant::now(),
            };
            connection.write()?;
            connections.push(connection);
        }
        Ok(Self {
            poll,
            connections,
            buffer: vec![0; 256 << 10],
            measured: Measured::default(),
        })
    }

    fn run_for(&mut self, duration: Duration) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.poll.poll(&mut events, Some(PATIENCE))?;
            if events.is_empty() {
                return Err(io::Error::other("the server no longer answers"));
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                connection.write()?;
                connection.read(&mut self.buffer, &mut self.measured)?;
            }
        }
        Ok(())
    }
}

impl Connection<'_> {
    fn write(&mut self) -> io::Result<()> {
        let batch = &self.messages.batches[self.batch];
        while self.written < batch.len() {
            match self.stream.write(&batch[self.written..]) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], measured: &mut Measured) -> io::Result<()> {
        loop {
            let n = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            if self.is_answered(&buffer[..n])? {
                measured.messages += self.messages.per_batch;
                let bytes = std::mem::take(&mut self.replies.bytes);
                if self.messages.expect == Expect::Messages && self.messages.bytes.is_some_and(|known| known != bytes) {
                    return Err(io::Error::other("the server sent another length than it received"));
                }
                measured.bytes += bytes;
                let now = Instant::now();
                let latency = now.duration_since(self.sent_at).as_nanos();
                measured.latencies.push(u32::try_from(latency).unwrap_or(u32::MAX));
                self.sent_at = now;
                self.batch = (self.batch + 1) % self.messages.batches.len();
                (self.written, self.received) = (0, 0);
                self.write()?;
            }
            // The socket is empty.
            if n < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Whether these bytes complete the reply to the batch, without extra bytes.
    fn is_answered(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let wanted = match self.messages.expect {
            Expect::Bytes => {
                self.received += bytes.len() as u64;
                self.messages.batches[self.batch].len() as u64
            }
            Expect::Messages => {
                let before = self.replies.messages;
                if !self.replies.receive(bytes) {
                    return Err(io::Error::other("the server sent something other than an echo"));
                }
                self.received += self.replies.messages - before;
                self.messages.per_batch
            }
        };
        if self.received > wanted {
            return Err(io::Error::other("the server sent more than it received"));
        }
        Ok(self.received == wanted)
    }
}
