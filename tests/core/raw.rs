//! One connection, fed with literal bytes under every segmentation.

use websocket_proto::{
    Buf, CloseInfo, Config, Connection, Delivery, Event, MessageKind, Negotiated, ProtocolError, ReadyState,
    RecvBuffer, Role, Side,
};

use crate::{
    rng::Rng,
    wire::{self, Sent},
};

/// An event, owned, so that it can be kept and compared.
#[derive(Clone, PartialEq, Eq)]
pub enum Got {
    Text(String),
    Binary(Vec<u8>),
    Piece(MessageKind, Vec<u8>, bool),
    /// The reserved bits, the kind, whether the message ends, and the payload.
    Extension(u8, MessageKind, bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl Got {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub fn binary(payload: &[u8]) -> Self {
        Self::Binary(payload.into())
    }

    pub fn ping(payload: &[u8]) -> Self {
        Self::Ping(payload.into())
    }

    pub fn pong(payload: &[u8]) -> Self {
        Self::Pong(payload.into())
    }

    pub fn close(code: u16, reason: &str) -> Self {
        Self::Close(Some((code, reason.into())))
    }
}

impl From<Event<'_>> for Got {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(message) => match message.as_text() {
                Some(text) => Self::text(text),
                None => Self::binary(message.as_bytes()),
            },
            Event::Fragment(piece) => Self::Piece(piece.data.kind(), piece.data.as_bytes().to_vec(), piece.is_last),
            Event::Extension(frame) => {
                Self::Extension(frame.rsv.bits(), frame.kind, frame.is_last, frame.payload.to_vec())
            }
            Event::Ping(payload) => Self::ping(payload),
            Event::Pong(payload) => Self::pong(payload),
            Event::Close(frame) => Self::Close(frame.map(|frame| (frame.code.value(), frame.reason.into()))),
            event => panic!("unknown event {event:?}"),
        }
    }
}

impl std::fmt::Debug for Got {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut show = |name: &str, payload: &[u8]| {
            let shown = &payload[..payload.len().min(40)];
            write!(f, "{name}({}: {})", payload.len(), shown.escape_ascii())
        };
        match self {
            Self::Text(text) => show("Text", text.as_bytes()),
            Self::Binary(payload) => show("Binary", payload),
            Self::Piece(kind, payload, is_last) => show(&format!("{kind:?}{is_last:?}"), payload),
            Self::Extension(bits, kind, last, payload) => show(&format!("{bits:#05b} {kind:?} {last}"), payload),
            Self::Ping(payload) => show("Ping", payload),
            Self::Pong(payload) => show("Pong", payload),
            Self::Close(None) => f.write_str("Close"),
            Self::Close(Some((code, reason))) => write!(f, "Close({code} {reason:?})"),
        }
    }
}

/// A [`CloseInfo`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub initiator: Side,
    pub code: u16,
    pub reason: String,
    pub sent: Option<u16>,
    pub failure: Option<ProtocolError>,
    pub clean: bool,
}

impl From<CloseInfo> for Ended {
    fn from(closure: CloseInfo) -> Self {
        Self {
            initiator: closure.initiator,
            code: closure.code.value(),
            reason: closure.reason,
            sent: closure.sent.map(|code| code.value()),
            failure: closure.failure,
            clean: closure.clean,
        }
    }
}

/// Takes all events. The error, if one comes, comes again and again, and nothing comes behind it.
pub fn take_events(connection: &mut Connection, events: &mut Vec<Got>) -> Result<(), ProtocolError> {
    loop {
        match connection.next_event() {
            Ok(Some(event)) => events.push(event.into()),
            Ok(None) => return Ok(()),
            Err(error) => {
                for _ in 0..2 {
                    assert_eq!(connection.next_event(), Err(error), "a terminal error repeats");
                }
                return Err(error);
            }
        }
    }
}

/// Takes up to `most` bytes of the output.
pub fn take_output(connection: &mut Connection, most: usize, written: &mut Vec<u8>) -> usize {
    let mut left = most;
    loop {
        let output = connection.output();
        let chunk = output.chunk();
        let n = chunk.len().min(left);
        if n == 0 {
            return most - left;
        }
        written.extend_from_slice(&chunk[..n]);
        output.advance(n);
        left -= n;
    }
}

/// All frames that wait in the output.
pub fn take_frames(role: Role, connection: &mut Connection) -> Vec<Sent> {
    let mut written = Vec::new();
    take_output(connection, usize::MAX, &mut written);
    wire::parse_from(role, &written)
}

/// Asserts that a released connection holds nothing, but for the unused masking keys of a client, and where compression
/// was negotiated what knows of it; histories are gone with the connection.
#[track_caller]
pub fn assert_idle(role: Role, connection: &Connection) {
    assert_idle_but_for(0, role, connection);
}

/// The same for a connection that held this many bytes when it began, of what was negotiated.
#[track_caller]
fn assert_idle_but_for(negotiated: usize, role: Role, connection: &Connection) {
    let keys = if role == Role::Client { 1100 } else { 0 };
    let most = negotiated + keys + if cfg!(feature = "deflate") { 200 } else { 0 };
    assert!(
        connection.allocated() <= most,
        "{role:?} holds {} bytes",
        connection.allocated()
    );
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Events up to the end of the bytes; pieces of messages are joined, and left out if their message is not whole.
    pub events: Vec<Got>,
    pub error: Option<ProtocolError>,
    /// The frames that were sent, without keys.
    pub output: Vec<Sent>,
    pub state: ReadyState,
    /// Whether the write side is to be shut down, once the output is written.
    pub shutdown: bool,
    pub closure: Option<Ended>,
    /// The same behind the end of the transport.
    pub at_eof: (ReadyState, Option<Ended>),
}

impl Outcome {
    /// The code of the Close that was sent, 1005 if it had none.
    pub fn close_sent(&self) -> Option<u16> {
        let close = self.output.iter().find(|frame| frame.opcode() == wire::CLOSE)?;
        let code = close.payload.first_chunk();
        Some(code.map_or(1005, |code| u16::from_be_bytes(*code)))
    }

    /// The frames that were sent, as first byte and payload.
    pub fn sent(&self) -> Vec<(u8, &[u8])> {
        let frames = self.output.iter();
        frames.map(|frame| (frame.first, &*frame.payload)).collect()
    }

    /// Asserts that the connection failed behind these events, with an error of that code, which was also sent.
    #[track_caller]
    pub fn assert_failed(&self, events: &[Got], code: u16) -> ProtocolError {
        let error = self.error.unwrap_or_else(|| panic!("no failure, but {self:?}"));
        assert_eq!(self.events, events);
        assert_eq!(error.close_code().value(), code, "{error}");
        assert_eq!(self.close_sent(), Some(code));
        assert!(self.shutdown, "whoever fails the connection closes it");
        let closure = self.closure.as_ref().expect("a failure is a closure");
        assert_eq!((closure.failure, closure.clean), (Some(error), false));
        assert_eq!(self.at_eof.0, ReadyState::Closed);
        error
    }

    /// Asserts that the connection is open, saw just these events and sent nothing but Pongs.
    #[track_caller]
    pub fn assert_open(&self, events: &[Got]) {
        assert_eq!(self.error, None);
        assert_eq!(self.events, events);
        assert_eq!((self.state, self.closure.clone()), (ReadyState::Open, None));
        assert!(self.output.iter().all(|frame| frame.opcode() == wire::PONG), "{self:?}");
    }
}

/// How bytes reach the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Read into `space()`; output is written behind each read.
    Space,
    /// Copied by `receive()`; output is written at the end only.
    Receive,
    /// Read into a small buffer that is lent for each read; everything that is not needed is released between reads.
    LentBuffer,
}

/// Where the bytes are cut.
#[derive(Clone, Debug)]
pub enum Cuts {
    Whole,
    Bytes,
    At(usize),
    Random(Rng),
}

impl Cuts {
    /// How many of `available` bytes come next, of which `done` were before.
    pub fn next(&mut self, done: usize, available: usize) -> usize {
        let n = match self {
            Self::Whole => available,
            Self::Bytes => 1,
            Self::At(at) if done < *at => *at - done,
            Self::At(_) => available,
            Self::Random(rng) => match rng.below(3) {
                0 => 1 + rng.below(3),
                1 => 1 + rng.below(200),
                _ => 1 + rng.below(20_000),
            },
        };
        n.min(available)
    }
}

/// Streams up to this long are also cut in two at every place.
const CUT_EVERYWHERE: usize = 600;

/// A connection of that role, and the bytes that it receives.
pub struct Scenario<'a> {
    role: Role,
    config: Config,
    negotiated: Negotiated,
    before: Box<dyn Fn(&mut Connection) + 'a>,
    bytes: Vec<u8>,
}

impl<'a> Scenario<'a> {
    /// A connection of that role which receives the bytes.
    pub fn new(role: Role, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            role,
            config: Config::new(),
            negotiated: Negotiated::new(role),
            before: Box::new(|_| ()),
            bytes: bytes.into(),
        }
    }

    pub fn config(mut self, config: &Config) -> Self {
        self.config = config.clone();
        self
    }

    /// What the opening handshake settled about compression.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, params: websocket_proto::DeflateParams) -> Self {
        self.negotiated = self.negotiated.with_deflate(params);
        self
    }

    /// The reserved bits that extensions of the application claim.
    pub fn claim(mut self, bits: websocket_proto::frame::Rsv) -> Self {
        self.negotiated = self.negotiated.with_reserved_bits(bits);
        self
    }

    /// What the application does before the first byte arrives.
    pub fn before(mut self, act: impl Fn(&mut Connection) + 'a) -> Self {
        self.before = Box::new(act);
        self
    }

    /// Runs under every segmentation and way to feed, and asserts that they all give the same.
    #[track_caller]
    pub fn run(&self) -> Outcome {
        let expected = self.run_once(Feed::Space, Cuts::Whole);
        for (feed, cuts) in self.variants() {
            let outcome = self.run_once(feed, cuts.clone());
            assert_eq!(
                outcome, expected,
                "{:?} with {feed:?}, {cuts:?} (left) and whole (right)",
                self.role
            );
        }
        expected
    }

    fn variants(&self) -> Vec<(Feed, Cuts)> {
        let feeds = [Feed::Space, Feed::Receive, Feed::LentBuffer];
        let mut variants = Vec::new();
        for feed in feeds {
            let random = [1, 2, 3].map(|seed| Cuts::Random(Rng::new(seed)));
            variants.extend(
                [Cuts::Whole, Cuts::Bytes]
                    .into_iter()
                    .chain(random)
                    .map(|cuts| (feed, cuts)),
            );
        }
        if self.bytes.len() <= CUT_EVERYWHERE {
            variants.extend((1..self.bytes.len()).map(|at| (feeds[at % 3], Cuts::At(at))));
            variants.extend((1..self.bytes.len()).map(|at| (feeds[(at + 1) % 3], Cuts::At(at))));
        }
        variants
    }

    pub fn run_once(&self, feed: Feed, mut cuts: Cuts) -> Outcome {
        let mut run = Run::new(&self.negotiated, &self.config, feed);
        (self.before)(&mut run.connection);
        let mut done = 0;
        while done < self.bytes.len() {
            let n = cuts.next(done, self.bytes.len() - done);
            run.feed(&self.bytes[done..done + n]);
            done += n;
        }
        run.finish()
    }
}

/// What becomes of a connection of that role, with the default settings, that receives these bytes.
#[track_caller]
pub fn receive(role: Role, bytes: impl Into<Vec<u8>>) -> Outcome {
    Scenario::new(role, bytes).run()
}

/// A connection that is being fed.
struct Run {
    role: Role,
    delivery: Delivery,
    connection: Connection,
    feed: Feed,
    shared: Option<RecvBuffer>,
    events: Vec<Got>,
    error: Option<ProtocolError>,
    written: Vec<u8>,
    /// Bytes of what was negotiated, without the state of compression.
    negotiated: usize,
}

impl Run {
    fn new(negotiated: &Negotiated, config: &Config, feed: Feed) -> Self {
        let connection = Connection::from_negotiated(negotiated, config);
        Self {
            negotiated: if negotiated.deflate().is_some() {
                0
            } else {
                connection.allocated()
            },
            role: negotiated.role(),
            delivery: config.delivery,
            connection,
            feed,
            shared: Some(RecvBuffer::with_capacity(300)),
            events: Vec::new(),
            error: None,
            written: Vec::new(),
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        match self.feed {
            Feed::Receive => {
                self.connection.receive(bytes);
                self.take_events();
            }
            Feed::Space => {
                self.read(bytes, |run| run.take_events());
                take_output(&mut self.connection, usize::MAX, &mut self.written);
            }
            Feed::LentBuffer => self.read(bytes, |run| {
                run.take_events();
                let (inbound, _) = run.connection.split_mut();
                if let Some(buffer) = inbound.take_buffer() {
                    run.shared = Some(buffer);
                }
                run.connection.release();
            }),
        }
    }

    fn read(&mut self, mut bytes: &[u8], behind_read: impl Fn(&mut Self)) {
        while !bytes.is_empty() {
            if let (Feed::LentBuffer, Some(buffer)) = (self.feed, self.shared.take()) {
                let (inbound, _) = self.connection.split_mut();
                let _ = inbound.give_buffer(buffer);
            }
            let space = self.connection.space();
            let n = space.len().min(bytes.len());
            assert!(n > 0, "there is room once all events were taken");
            space[..n].copy_from_slice(&bytes[..n]);
            self.connection.advance(n);
            bytes = &bytes[n..];
            behind_read(self);
        }
    }

    fn take_events(&mut self) {
        let before = self.events.len();
        match (take_events(&mut self.connection, &mut self.events), self.error) {
            (result, None) => self.error = result.err(),
            (result, Some(error)) => {
                assert_eq!(result, Err(error), "a terminal error repeats");
                assert_eq!(self.events.len(), before, "no event behind a terminal error");
            }
        }
    }

    fn finish(mut self) -> Outcome {
        take_output(&mut self.connection, usize::MAX, &mut self.written);
        let state = self.connection.ready_state();
        let closure = self.connection.close_info().map(Ended::from);
        assert_eq!(state == ReadyState::Open, closure.is_none());
        assert!(
            self.connection.wants_read(),
            "until the transport ends, reads are of use"
        );
        if self.error.is_some() || self.events.iter().any(|event| matches!(event, Got::Close(_))) {
            self.assert_deaf();
        }
        let shutdown = self.connection.wants_shutdown();
        for event in &self.events {
            match event {
                Got::Text(_) | Got::Binary(_) => assert_eq!(self.delivery, Delivery::Messages, "{event:?}"),
                Got::Piece(..) => assert_eq!(self.delivery, Delivery::Fragments, "{event:?}"),
                _ => {}
            }
        }
        let (events, error) = (joined(&self.events), self.error);

        self.connection.receive_eof();
        let _ = take_events(&mut self.connection, &mut self.events);
        take_output(&mut self.connection, usize::MAX, &mut self.written);
        assert!(!self.connection.wants_read());
        let at_eof = (
            self.connection.ready_state(),
            self.connection.close_info().map(Ended::from),
        );
        self.connection.abort();
        let _ = self.connection.next_event();
        self.connection.release();
        assert_idle_but_for(self.negotiated, self.role, &self.connection);
        let mut output = wire::parse_from(self.role, &self.written);
        output.iter_mut().for_each(|frame| frame.key = None);
        Outcome {
            events,
            error,
            output,
            state,
            shutdown,
            closure,
            at_eof,
        }
    }

    /// Behind a failure or the peer's Close, nothing that arrives has an effect (FR-21, CL-14, CL-21).
    fn assert_deaf(&mut self) {
        let (events, written) = (self.events.len(), self.written.len());
        let closure = self.connection.close_info().map(Ended::from);
        let from = self.role.peer();
        let late = [
            wire::text(from, "late"),
            wire::ping(from, b"late"),
            wire::close(from, 4321, "late"),
            vec![0xff; 40],
        ];
        self.feed(&late.concat());
        take_output(&mut self.connection, usize::MAX, &mut self.written);
        assert_eq!(
            (self.events.len(), self.written.len()),
            (events, written),
            "{:?}",
            self.events
        );
        assert_eq!(self.connection.close_info().map(Ended::from), closure);
    }
}

/// Joins the pieces of streamed messages. Those of a message that is not whole are left out.
pub fn joined(events: &[Got]) -> Vec<Got> {
    let (mut whole, mut open) = (Vec::new(), Vec::new());
    for event in events {
        let Got::Piece(kind, piece, is_last) = event else {
            whole.push(event.clone());
            continue;
        };
        open.extend_from_slice(piece);
        if *is_last {
            let payload = std::mem::take(&mut open);
            whole.push(match kind {
                MessageKind::Text => Got::Text(String::from_utf8(payload).unwrap()),
                MessageKind::Binary => Got::Binary(payload),
            });
        }
    }
    whole
}
