//! What is taken from a connection: events, output, and how it ended.

use websocket_proto::{Buf, CloseInfo, Connection, Event, MessageKind, ProtocolError, Role, Side};

use crate::wire::{self, Sent};

/// An owned event, which can be kept and compared.
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

/// An owned [`CloseInfo`].
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

/// Takes all events. An error is returned again by every later call, and no event follows it.
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

/// All frames in the output.
pub fn take_frames(role: Role, connection: &mut Connection) -> Vec<Sent> {
    let mut written = Vec::new();
    take_output(connection, usize::MAX, &mut written);
    wire::parse_from(role, &written)
}

/// Joins the pieces of streamed messages. Those of an incomplete message are omitted.
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
