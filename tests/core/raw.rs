//! One connection, fed with literal bytes under every segmentation.

use websocket_proto::{Config, Connection, Delivery, Negotiated, ProtocolError, ReadyState, RecvBuffer, Role};

// With the path, it is also found where other suites include this file by its path.
#[path = "raw/taken.rs"]
mod taken;

pub use taken::*;

use crate::{
    rng::Rng,
    wire::{self, Sent},
};

/// Asserts that a released connection holds nothing except a client's unused masking keys, and, where compression was
/// negotiated, its parameters; the histories are gone with the connection.
#[track_caller]
pub fn assert_idle(role: Role, connection: &Connection) {
    assert_idle_but_for(0, role, connection);
}

/// The same for a connection whose negotiated settings took this many bytes at the start.
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

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Events up to the end of the bytes; pieces of messages are joined, and omitted if their message is incomplete.
    pub events: Vec<Got>,
    pub error: Option<ProtocolError>,
    /// The frames that were sent, without keys.
    pub output: Vec<Sent>,
    pub state: ReadyState,
    /// Whether the write side is to be shut down, once the output is written.
    pub shutdown: bool,
    pub closure: Option<Ended>,
    /// The same after the end of the transport.
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

    /// Asserts that the connection failed after these events, with an error of that code, which was also sent.
    #[track_caller]
    pub fn assert_failed(&self, events: &[Got], code: u16) -> ProtocolError {
        let error = self.error.unwrap_or_else(|| panic!("no failure, but {self:?}"));
        assert_eq!(self.events, events);
        assert_eq!(error.close_code().value(), code, "{error}");
        assert_eq!(self.close_sent(), Some(code));
        assert!(self.shutdown, "the end that fails the connection closes it");
        let closure = self.closure.as_ref().expect("a failure is a closure");
        assert_eq!((closure.failure, closure.clean), (Some(error), false));
        assert_eq!(self.at_eof.0, ReadyState::Closed);
        error
    }

    /// Asserts that the connection is open, delivered exactly these events and sent nothing but Pongs.
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
    /// Read into `space()`; output is written after each read.
    Space,
    /// Copied by `receive()`; output is written only at the end.
    Receive,
    /// Read into a small buffer that is lent for each read; everything unneeded is released between reads.
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
    /// The number of the `available` bytes that come next, after `done` earlier ones.
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
    /// A connection of that role that receives these bytes.
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

    /// The compression parameters that the opening handshake negotiated.
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

    /// Runs under every segmentation and every way to feed, and asserts that the outcome is always the same.
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

/// The outcome for a connection of that role, with the default settings, that receives these bytes.
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
    /// Bytes held by the negotiated settings, without the state of compression.
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

    fn read(&mut self, mut bytes: &[u8], after_read: impl Fn(&mut Self)) {
        while !bytes.is_empty() {
            if let (Feed::LentBuffer, Some(buffer)) = (self.feed, self.shared.take()) {
                let (inbound, _) = self.connection.split_mut();
                let _ = inbound.give_buffer(buffer);
            }
            let space = self.connection.space();
            let n = space.len().min(bytes.len());
            assert!(n > 0, "there is room once all events are taken");
            space[..n].copy_from_slice(&bytes[..n]);
            self.connection.advance(n);
            bytes = &bytes[n..];
            after_read(self);
        }
    }

    fn take_events(&mut self) {
        let before = self.events.len();
        match (take_events(&mut self.connection, &mut self.events), self.error) {
            (result, None) => self.error = result.err(),
            (result, Some(error)) => {
                assert_eq!(result, Err(error), "a terminal error repeats");
                assert_eq!(self.events.len(), before, "no event after a terminal error");
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
            "reads are useful until the transport ends"
        );
        if self.error.is_some() || self.events.iter().any(|event| matches!(event, Got::Close(_))) {
            self.assert_ignores_input();
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

    /// After a failure or the peer's Close, nothing that arrives has an effect (FR-21, CL-14, CL-21).
    fn assert_ignores_input(&mut self) {
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
