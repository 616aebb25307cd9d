//! A stream that follows a script, and the conversations that run over it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    sync::{Arc, Mutex},
};

use websocket_proto::{
    CloseCode, CloseFrame, CloseInfo, Config, Entropy, EntropyError, Error, Event, Timers,
    blocking::{Acceptor, Connector, Stream, WebSocket},
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
    handshake::{Accept, ClientRequest},
};

/// The operation that is requested from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Read,
    Write,
    Flush,
}

/// What the stream does in response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Moves at most this number of bytes.
    Move(usize),
    /// Fails.
    Fail(ErrorKind),
    /// Ends: a read is the end of the stream, a write takes nothing.
    End,
}

/// Decides what happens at an operation, given its kind and the number of operations before it.
type Plan = Box<dyn FnMut(Op, usize) -> Act + Send>;

/// What happened to a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) written: Vec<u8>,
    /// Reads, writes and flushes.
    pub(crate) ops: usize,
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    /// Whether the write side is shut down.
    pub(crate) shut_down: bool,
    /// Whether written bytes still have to be flushed.
    pub(crate) unflushed: bool,
}

/// A stream that delivers `input` and then ends, disturbed as its plan decides.
pub(crate) struct Script {
    input: Vec<u8>,
    read: usize,
    plan: Plan,
    log: Arc<Mutex<Log>>,
    /// Whether the stream stays open after the input, but is not ready.
    is_endless: bool,
}

impl Script {
    pub(crate) fn new(input: &[u8], plan: impl FnMut(Op, usize) -> Act + Send + 'static) -> (Self, Arc<Mutex<Log>>) {
        let log = Arc::new(Mutex::new(Log::default()));
        let script = Self {
            input: input.to_vec(),
            read: 0,
            plan: Box::new(plan),
            log: Arc::clone(&log),
            is_endless: false,
        };
        (script, log)
    }

    /// A stream that delivers `input` and then is never ready again.
    pub(crate) fn endless(input: &[u8]) -> Self {
        Self::endless_with(input, undisturbed)
    }

    /// The same, disturbed as the plan decides.
    pub(crate) fn endless_with(input: &[u8], plan: impl FnMut(Op, usize) -> Act + Send + 'static) -> Self {
        Self {
            is_endless: true,
            ..Self::new(input, plan).0
        }
    }

    /// Takes the next act, and returns how many of `len` bytes are moved.
    fn act(&mut self, op: Op, len: usize) -> io::Result<usize> {
        let mut log = self.log.lock().unwrap();
        match op {
            Op::Read => log.reads += 1,
            Op::Write => log.writes += 1,
            Op::Flush => {}
        }
        log.ops += 1;
        match (self.plan)(op, log.ops - 1) {
            Act::Move(most) => Ok(most.min(len)),
            Act::End => Ok(0),
            Act::Fail(kind) => Err(kind.into()),
        }
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.input.len() - self.read;
        if left == 0 && self.is_endless {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = self.act(Op::Read, buffer.len().min(left))?;
        buffer[..n].copy_from_slice(&self.input[self.read..self.read + n]);
        self.read += n;
        Ok(n)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.act(Op::Write, bytes.len())?;
        let mut log = self.log.lock().unwrap();
        assert!(!log.shut_down, "written after the shutdown");
        log.written.extend_from_slice(&bytes[..n]);
        log.unflushed |= n > 0;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.act(Op::Flush, 1)?;
        self.log.lock().unwrap().unflushed = false;
        Ok(())
    }
}

impl Stream for Script {
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        self.log.lock().unwrap().shut_down |= how != Shutdown::Read;
        Ok(())
    }
}

/// Nothing disturbs the stream.
pub(crate) fn undisturbed(_: Op, _: usize) -> Act {
    Act::Move(usize::MAX)
}

/// The nonce of the RFC's example, repeated.
struct FixedEntropy;

impl Entropy for FixedEntropy {
    fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError> {
        for (dest, byte) in dest.iter_mut().zip(b"the sample nonce".iter().cycle()) {
            *dest = *byte;
        }
        Ok(())
    }
}

/// Settings with which every run writes the same bytes.
pub(crate) fn config() -> Config {
    Config::new()
        .entropy(Arc::new(FixedEntropy))
        .timers(Timers::new().handshake(None))
}

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// The endpoint under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Server,
    Client,
}

pub(crate) const ENDPOINTS: [Endpoint; 2] = [Endpoint::Server, Endpoint::Client];

impl Endpoint {
    /// The head that the peer sends to open the connection.
    pub(crate) fn head_of_peer(self) -> &'static [u8] {
        match self {
            Self::Server => REQUEST,
            Self::Client => RESPONSE,
        }
    }

    /// A frame of the peer.
    pub(crate) fn frame_of_peer(self, fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let key = (self == Self::Server).then(|| MaskingKey::new([0x37, 0xfa, 0x21, 0x3d]));
        frame(fin, opcode, key, payload)
    }

    /// Everything that the peer sends in a conversation that has all kinds of frames and ends cleanly.
    pub(crate) fn conversation(self) -> Vec<u8> {
        let mut input = self.head_of_peer().to_vec();
        let frames: [(bool, Opcode, &[u8]); 11] = [
            (true, Opcode::Text, "Grüße".as_bytes()),
            (true, Opcode::Binary, &[0, 1, 2, 255]),
            (true, Opcode::Ping, b"are you there?"),
            (false, Opcode::Text, "fragments äre ".as_bytes()),
            (true, Opcode::Ping, b"in between"),
            (false, Opcode::Continuation, "joined €".as_bytes()),
            (true, Opcode::Continuation, b""),
            (true, Opcode::Pong, b"unsolicited"),
            (true, Opcode::Binary, &[0x5A; 200]),
            (true, Opcode::Text, b""),
            (true, Opcode::Close, b"\x03\xe8bye"),
        ];
        for (fin, opcode, payload) in frames {
            input.extend(self.frame_of_peer(fin, opcode, payload));
        }
        input
    }

    /// Everything sent by a peer that breaks the protocol after its first message, and then continues.
    pub(crate) fn violation(self) -> Vec<u8> {
        let mut input = self.head_of_peer().to_vec();
        input.extend(self.frame_of_peer(true, Opcode::Text, b"fine"));
        input.extend(self.frame_of_peer(true, Opcode::Continuation, b"of what?"));
        for _ in 0..3 {
            input.extend(self.frame_of_peer(true, Opcode::Text, b"too late"));
        }
        input
    }
}

/// The bytes of a frame.
pub(crate) fn frame(fin: bool, opcode: Opcode, masking_key: Option<MaskingKey>, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        fin,
        rsv: Rsv::NONE,
        opcode,
        masking_key,
        payload_len: payload.len() as u64,
    };
    let mut bytes = [0; FrameHeader::MAX_LEN];
    let len = header.encode(&mut bytes);
    let mut frame = bytes[..len].to_vec();
    let start = frame.len();
    frame.extend_from_slice(payload);
    if let Some(key) = masking_key {
        key.apply(&mut frame[start..]);
    }
    frame
}

/// The outcome of a conversation.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) events: Vec<String>,
    /// The first error of a call, if any.
    pub(crate) end: Result<(), Error>,
    pub(crate) closure: Option<CloseInfo>,
    pub(crate) log: Log,
}

/// Runs an endpoint that echoes every message until the connection ends, and only receives once it can no longer write.
///
/// Calls are repeated for as long as the stream is not ready. After the end, every call is made once more: none may hang, panic
/// or return anything new.
pub(crate) fn run(endpoint: Endpoint, input: &[u8], plan: impl FnMut(Op, usize) -> Act + Send + 'static) -> Run {
    let (stream, log) = Script::new(input, plan);
    let mut events = Vec::new();
    let (end, closure) = match open(endpoint, stream) {
        Ok(mut websocket) => {
            let (sent, received) = echo(&mut websocket, &mut events);
            check_the_end(&mut websocket, sent.is_ok(), received.is_ok());
            (sent.and(received), websocket.close_info())
        }
        Err(error) => (Err(error), None),
    };
    let log = log.lock().unwrap().clone();
    Run {
        events,
        end,
        closure,
        log,
    }
}

/// Repeats a call until the stream is ready for it.
pub(crate) fn retry<T>(mut call: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..100_000 {
        match call() {
            Err(error) if error.is_would_block() => {}
            done => return done,
        }
    }
    panic!("repeated without end");
}

fn open(endpoint: Endpoint, stream: Script) -> Result<WebSocket<Script>, Error> {
    match endpoint {
        Endpoint::Server => {
            let mut acceptor = Acceptor::new(stream, &config());
            let request = retry(|| acceptor.recv_request())?;
            acceptor.accept(&request, Accept::new())
        }
        Endpoint::Client => {
            let request: ClientRequest = "ws://example.com/chat".parse()?;
            let mut connector = Connector::new(stream, request, &config())?;
            let response = retry(|| connector.recv_response())?;
            Ok(connector.open(response))
        }
    }
}

/// Returns the results of sending and of receiving.
fn echo(websocket: &mut WebSocket<Script>, events: &mut Vec<String>) -> (Result<(), Error>, Result<(), Error>) {
    let mut sent = Ok(());
    loop {
        let message = retry(|| {
            let Some(event) = websocket.recv_event()? else {
                return Ok(None);
            };
            events.push(format!("{event:?}"));
            Ok(Some(match event {
                Event::Message(message) => Some(message.into_owned()),
                _ => None,
            }))
        });
        match message {
            Err(error) => return (sent, Err(error)),
            Ok(None) => return (sent, Ok(())),
            Ok(Some(Some(message))) if sent.is_ok() => {
                sent = websocket.feed(message).and_then(|()| retry(|| websocket.flush()));
            }
            Ok(Some(_)) => {}
        }
    }
}

/// A connection that ended without an error was closed, though not always cleanly; and nothing follows the end.
fn check_the_end(websocket: &mut WebSocket<Script>, sent: bool, received: bool) {
    let closure = websocket.close_info().expect("an end");
    assert!((sent && received) || !closure.clean);
    for _ in 0..2 {
        match retry(|| {
            websocket
                .recv_event()
                .map(|event| event.map(|event| format!("{event:?}")))
        }) {
            Ok(Some(event)) => panic!("{event} after the end"),
            Ok(None) => assert!(received, "a failure ends as a clean close"),
            Err(Error::Protocol(_)) => assert!(!received, "a clean close ends as a failure"),
            Err(error) => panic!("{error:?} after the end"),
        }
    }
    assert!(matches!(websocket.send("more"), Err(Error::Send(_))));
    assert!(matches!(websocket.ping(b"more"), Err(Error::Send(_))));
    // What could not be written is reported each time.
    match websocket.flush() {
        Ok(()) => assert!(sent && received),
        Err(Error::Protocol(_) | Error::Io(_)) => assert!(!closure.clean),
        Err(error) => panic!("{error:?} after the end"),
    }
    let closed = retry(|| websocket.close(CloseFrame::new(CloseCode::NORMAL, "again")));
    assert_eq!(closed.is_ok(), received, "{closed:?}");
    assert_eq!(websocket.close_info(), Some(closure), "the end has changed");
    assert_eq!(websocket.poll_timeout(), None);
}
