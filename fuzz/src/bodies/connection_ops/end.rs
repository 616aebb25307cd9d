//! One end of the conversation, and the permitted results of its calls.

use std::collections::VecDeque;

use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, Fragment, Message, Negotiated, Outgoing, PingPolicy, ProtocolError,
    ReadyState, Role, SendError,
};

use super::{Data, prepared};
use crate::bodies::raw::{Got, take_events, take_output};

/// One end, its record, and its half of the transport.
pub(super) struct End {
    pub(super) role: Role,
    pub(super) connection: Connection,
    pub(super) reports_pings: bool,
    pub(super) events: Vec<Got>,
    pub(super) error: Option<ProtocolError>,
    /// Whole messages that were accepted for sending, in order.
    pub(super) sent: Vec<Got>,
    /// The message that is being sent in fragments.
    pub(super) open: Option<Got>,
    /// The application's Pings and Pongs that were accepted.
    pub(super) pings: Vec<Vec<u8>>,
    pub(super) pongs: Vec<Vec<u8>>,
    pub(super) close: Option<(u16, String)>,
    pub(super) written: Vec<u8>,
    /// Written bytes that have not arrived at the peer.
    pub(super) under_way: VecDeque<u8>,
    /// The write side is shut down, or the transport was given up.
    pub(super) shut: bool,
    pub(super) shut_arrived: bool,
}

impl End {
    pub(super) fn new(negotiated: &Negotiated, config: &Config) -> Self {
        Self {
            role: negotiated.role(),
            connection: Connection::from_negotiated(negotiated, config),
            reports_pings: config.pings == PingPolicy::Report,
            events: Vec::new(),
            error: None,
            sent: Vec::new(),
            open: None,
            pings: Vec::new(),
            pongs: Vec::new(),
            close: None,
            written: Vec::new(),
            under_way: VecDeque::new(),
            shut: false,
            shut_arrived: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.connection.ready_state() == ReadyState::Open
    }

    pub(super) fn is_closed(&self) -> bool {
        self.connection.ready_state() == ReadyState::Closed
    }

    pub(super) fn poll(&mut self) {
        let before = self.events.len();
        let result = take_events(&mut self.connection, &mut self.events);
        if let Some(error) = self.error {
            assert_eq!(result, Err(error), "a terminal error repeats");
            assert_eq!(self.events.len(), before, "no event after a terminal error");
        }
        self.error = result.err();
        let close = self.events.iter().position(|event| matches!(event, Got::Close(_)));
        assert!(
            close.is_none_or(|at| at + 1 == self.events.len()),
            "an event after the Close"
        );
    }

    pub(super) fn send(&mut self, data: &Data<'_>, compress: bool) {
        let was_open = self.is_open();
        let model = data.message();
        let message = if data.is_lent() {
            lent(&model)
        } else {
            lent(&model).into_owned()
        };
        let mut outgoing = Outgoing::from(message);
        if !compress {
            outgoing = outgoing.uncompressed();
        }
        match self.connection.feed(outgoing.clone()) {
            Ok(()) => {
                assert!(was_open && self.open.is_none());
                self.sent.push(model);
            }
            Err(error) => {
                let (refused, back) = (error.without_unsent(), error.into_unsent());
                assert_eq!(back, Some(outgoing), "a refused message is handed back");
                match refused {
                    SendError::MessageOpen(()) => assert!(was_open && self.open.is_some()),
                    SendError::Closing(()) => assert!(!was_open),
                    SendError::Full(()) => assert!(was_open && self.connection.wants_write()),
                    error => panic!("{error:?}"),
                }
            }
        }
    }

    pub(super) fn send_prepared(&mut self, model: Got) {
        let was_open = self.is_open();
        let prepared = prepared(&model);
        let fed = self.connection.feed(&prepared);
        match fed.map_err(|error| error.without_unsent()) {
            Ok(()) => {
                assert!(was_open && self.open.is_none());
                self.sent.push(model);
            }
            Err(SendError::MessageOpen(())) => assert!(was_open && self.open.is_some()),
            Err(SendError::Closing(())) => assert!(!was_open),
            Err(SendError::Full(())) => assert!(was_open && self.connection.wants_write()),
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(super) fn send_fragment(&mut self, data: &Data<'_>, last: bool) {
        let was_open = self.is_open();
        let piece = data.message();
        match self
            .connection
            .feed(Fragment::new(lent(&piece), last))
            .map_err(|error| error.without_unsent())
        {
            Ok(()) => {
                assert!(was_open);
                let whole = match (self.open.take(), piece) {
                    (None, piece) => piece,
                    (Some(Got::Text(whole)), Got::Text(piece)) => Got::Text(whole + &piece),
                    (Some(Got::Binary(whole)), Got::Binary(piece)) => Got::Binary([whole, piece].concat()),
                    (open, piece) => panic!("{piece:?} inside {open:?}"),
                };
                if last {
                    self.sent.push(whole);
                } else {
                    self.open = Some(whole);
                }
            }
            Err(SendError::MessageOpen(())) => {
                let is_text = |message: &Got| matches!(message, Got::Text(_));
                assert!(self.open.as_ref().is_some_and(|open| is_text(open) != is_text(&piece)));
            }
            Err(SendError::Closing(())) => assert!(!was_open),
            Err(SendError::Full(())) => assert!(was_open && self.connection.wants_write()),
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(super) fn send_control(&mut self, payload: &[u8], is_ping: bool) {
        let was_open = self.is_open();
        let sent = if is_ping {
            self.connection.ping(payload)
        } else {
            self.connection.pong(payload)
        };
        match sent {
            Ok(()) if is_ping => self.pings.push(payload.into()),
            Ok(()) => self.pongs.push(payload.into()),
            Err(SendError::ControlTooLong) => assert!(payload.len() > 125),
            Err(SendError::Closing(())) => assert!(!was_open),
            Err(SendError::Full(())) => assert!(was_open && self.connection.wants_write()),
            Err(error) => panic!("{error:?}"),
        }
    }

    pub(super) fn close(&mut self, code: Option<u16>, reason: &str) {
        let was_open = self.is_open();
        let frame = code.map(|code| CloseFrame::new(CloseCode::new(code), reason));
        match self.connection.close(frame) {
            Ok(()) if was_open => {
                self.close = Some((code.unwrap_or(1005), code.map_or("", |_| reason).to_owned()));
            }
            Ok(()) => {}
            Err(SendError::ReasonTooLong) => assert!(reason.len() > 123),
            Err(SendError::InvalidCloseCode(code)) => {
                assert!(!code.is_sendable() || (code.value() == 1010 && self.role == Role::Server));
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Writes up to `most` bytes to the transport.
    pub(super) fn write(&mut self, most: usize) -> bool {
        let mut bytes = Vec::new();
        if !self.shut {
            take_output(&mut self.connection, most, &mut bytes);
        }
        self.written.extend_from_slice(&bytes);
        self.under_way.extend(&bytes);
        let shut = self.connection.wants_shutdown() || self.is_closed();
        let moved = !bytes.is_empty() || (shut && !self.shut);
        self.shut |= shut;
        moved
    }

    pub(super) fn read(&mut self, bytes: &[u8], by_space: bool) {
        if self.is_closed() {
            return;
        }
        let mut rest = bytes;
        while by_space && !rest.is_empty() {
            let space = self.connection.space();
            let n = space.len().min(rest.len());
            space[..n].copy_from_slice(&rest[..n]);
            self.connection.advance(n);
            rest = &rest[n..];
            self.poll();
        }
        self.connection.receive(rest);
        self.poll();
    }
}

/// The message, lent for sending.
pub(super) fn lent(message: &Got) -> Message<'_> {
    match message {
        Got::Text(text) => text.into(),
        Got::Binary(payload) => payload.into(),
        other => panic!("{other:?}"),
    }
}
