//! The closing handshake as pure transitions ([RFC 6455 §7]).
//!
//! ```text
//!            close()                     the peer's Close
//!   OPEN ---------------> CLOSE SENT ------------------------+
//!    |                                                       v
//!    |  the peer's Close (its answer is queued at once)   HANDSHAKE DONE
//!    +---------------------------------------------------->  |  server: shut down, drain until the end
//!    |                                                       |  client: wait for the end
//!    |  fault (its Close is queued at once)                  v
//!    +--------------> FAILED: shut down, drain ---------> CLOSED  (end of the transport, or deadline)
//! ```
//!
//! If the write side of the transport fails in any of these states, nothing more is sent or shut down, and data that
//! the peer has sent is received until the end of the transport or the deadline (DRV-02).
//!
//! [RFC 6455 §7]: https://www.rfc-editor.org/rfc/rfc6455#section-7

use alloc::{boxed::Box, string::String};
use core::fmt;

use crate::{
    connection::{error::ProtocolError, time::Timer},
    frame::{CloseCode, CloseFrame},
    log,
    role::Role,
};

/// The state of a connection ([RFC 6455 §4.1, §7.1]).
///
/// There is no state for the opening handshake: a [`Connection`](crate::Connection) exists only after it.
///
/// [RFC 6455 §4.1, §7.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadyState {
    /// Messages can be sent and received.
    Open,
    /// A Close was sent or received, or the connection failed. Keep writing, reading and watching the deadline.
    Closing,
    /// The connection is over, and the transport can be dropped.
    Closed,
}

/// Which endpoint did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This endpoint.
    Local,
    /// The peer.
    Peer,
}

/// How a connection ended or is ending ([RFC 6455 §7.1]).
///
/// [RFC 6455 §7.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseInfo {
    /// Which side sent a Close first, or failed the connection. [`Peer`](Side::Peer) if the transport just ended.
    pub initiator: Side,
    /// The code of the peer's Close: 1005 if it had none, 1006 if no Close was received (yet).
    pub code: CloseCode,
    /// The reason of the peer's Close.
    pub reason: String,
    /// The code of the Close that was sent: `None` if none was sent, 1005 if it had none.
    pub sent: Option<CloseCode>,
    /// The reason of the Close that was sent.
    pub sent_reason: String,
    /// Why this endpoint failed the connection, if it did.
    pub failure: Option<ProtocolError>,
    /// Whether the transport ended after a completed closing handshake ([RFC 6455 §7.1.4]).
    ///
    /// [RFC 6455 §7.1.4]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.4
    pub clean: bool,
}

/// Formats it for a log: whether it was clean, who began, and why or with which codes.
///
/// ```
/// # use websocket_proto::{CloseCode, CloseFrame, Config, Connection, Role};
/// # let mut connection = Connection::new(Role::Server, &Config::new());
/// connection.close(CloseFrame::new(CloseCode::GOING_AWAY, "restart"))?;
/// let info = connection.close_info().expect("it is closing");
/// assert_eq!(info.to_string(), "not closed cleanly, begun by this side: sent 1001 \"restart\", received nothing");
/// # Ok::<(), websocket_proto::SendError>(())
/// ```
impl fmt::Display for CloseInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.clean {
            "closed cleanly"
        } else {
            "not closed cleanly"
        })?;
        f.write_str(match self.initiator {
            Side::Local => ", begun by this side: ",
            Side::Peer => ", begun by the peer: ",
        })?;
        if let Some(failure) = self.failure {
            write!(f, "{failure}; ")?;
        }
        // Text from the peer is escaped.
        match self.sent {
            Some(code) => write!(f, "sent {} {:?}, ", code.value(), self.sent_reason)?,
            None => f.write_str("sent nothing, ")?,
        }
        match self.code {
            CloseCode::ABNORMAL => f.write_str("received nothing"),
            code => write!(f, "received {} {:?}", code.value(), self.reason),
        }
    }
}

/// The state of the closing handshake. It contains no frames and no time, only what happened.
#[derive(Debug)]
pub(crate) struct Closing {
    role: Role,
    initiator: Option<Side>,
    sent: Option<CloseCode>,
    /// Boxed, since most connections have none yet.
    said: Option<Box<Said>>,
    failure: Option<ProtocolError>,
    /// Whether the transport delivers no more bytes, and all were processed.
    eof: bool,
    /// Whether the transport delivers no more bytes. Some may not have been processed.
    pub(super) at_end: bool,
    /// Whether a writer was notified that the peer has closed.
    pub(super) is_told: bool,
    /// Whether the transport was given up, with all output that was waiting.
    abandoned: bool,
    /// Whether output, and the Close at its end, was given up unwritten.
    cut: bool,
    /// Why the transport accepts no more bytes.
    severed: Option<Severed>,
    end_logged: log::Once,
}

/// Why the transport accepts no more bytes, while it may still deliver some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severed {
    /// It failed.
    Failed,
    /// It accepted nothing for too long.
    Stalled(Timer),
}

/// The contents of the Close frames, other than their codes.
#[derive(Debug, Default)]
struct Said {
    /// The code and the reason of the peer's Close, if it was received.
    received: Option<(CloseCode, String)>,
    sent_reason: String,
}

impl Closing {
    pub(super) const fn new(role: Role) -> Self {
        Self {
            role,
            initiator: None,
            sent: None,
            said: None,
            failure: None,
            eof: false,
            at_end: false,
            is_told: false,
            abandoned: false,
            cut: false,
            severed: None,
            end_logged: log::Once::new(),
        }
    }

    // What happened.

    /// Notes that a Close was queued. There is at most one.
    pub(super) fn on_sent(&mut self, frame: Option<CloseFrame<'_>>) {
        self.initiator = self.initiator.or(Some(Side::Local));
        self.sent = Some(frame.map_or(CloseCode::NO_STATUS, |frame| frame.code));
        let reason = frame.map_or("", |frame| frame.reason);
        if !reason.is_empty() {
            self.said.get_or_insert_default().sent_reason = reason.into();
        }
    }

    /// Notes that the peer's Close arrived.
    pub(super) fn on_received(&mut self, frame: Option<CloseFrame<'_>>) {
        self.initiator = self.initiator.or(Some(Side::Peer));
        let (code, reason) = frame.map_or((CloseCode::NO_STATUS, ""), |frame| (frame.code, frame.reason));
        let said = self.said.get_or_insert_default();
        if said.received.is_none() {
            said.received = Some((code, reason.into()));
        }
    }

    /// Notes that the connection failed. The first failure counts.
    pub(super) fn on_failure(&mut self, error: ProtocolError) -> ProtocolError {
        self.initiator = self.initiator.or(Some(Side::Local));
        *self.failure.get_or_insert_with(|| {
            // The others are deadlines and limits, which were logged as such, and the end of the transport.
            if error.is_violation() {
                log::violated(self.role, &error);
            }
            error
        })
    }

    /// Notes that the transport delivers no more bytes. Without the peer's Close, that is a failure (§7.1.5: 1006).
    pub(super) fn on_eof(&mut self, flushed: bool) {
        self.eof = true;
        if !self.is_received() && self.failure.is_none() {
            self.initiator = self.initiator.or(Some(Side::Peer));
            self.failure = Some(self.stalled().unwrap_or(ProtocolError::ConnectionLost));
            self.abandoned = true;
        } else if flushed {
            self.log_end(true);
        }
    }

    /// Notes that the transport is given up while `waiting` bytes of output were queued.
    pub(super) fn on_abandoned(&mut self, waiting: usize) {
        self.abandoned = true;
        self.cut |= waiting > 0;
        self.log_end(false);
    }

    /// Notes that the transport accepts no more bytes, and that some of the queued ones may not have left. Unless a
    /// side has closed before, it counts as the peer's doing.
    pub(super) fn on_severed(&mut self, why: Severed, is_cut: bool) {
        self.initiator = self.initiator.or(Some(Side::Peer));
        self.severed = self.severed.or(Some(why));
        self.cut |= is_cut;
    }

    // What follows from it.

    /// Returns why the transport accepts no more bytes, if it does not.
    #[inline]
    pub(super) fn severed(&self) -> Option<Severed> {
        self.severed
    }

    /// Returns the failure of a transport that accepted nothing for too long.
    pub(super) fn stalled(&self) -> Option<ProtocolError> {
        match self.severed? {
            Severed::Stalled(timer) => Some(ProtocolError::TimedOut(timer)),
            Severed::Failed => None,
        }
    }

    /// Returns whether output is discarded although neither side has closed or failed the connection. Messages are then
    /// accepted and dropped, so that a caller that answers what still arrives gets to the peer's Close (DRV-02).
    #[inline]
    pub(super) fn is_deaf(&self) -> bool {
        let is_closed = || self.sent.is_some() || self.is_received() || self.failure.is_some();
        self.severed.is_some() && !is_closed() && !self.abandoned
    }

    /// Returns whether the peer's Close was received.
    pub(super) fn is_received(&self) -> bool {
        self.received().is_some()
    }

    /// Returns the code and the reason of the peer's Close, if it was received.
    fn received(&self) -> Option<&(CloseCode, String)> {
        self.said.as_ref()?.received.as_ref()
    }

    /// Returns whether nothing has happened yet: messages may be sent.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.initiator.is_none()
    }

    pub(super) fn is_close_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// Returns whether both Close frames were exchanged.
    pub(crate) fn is_handshake_done(&self) -> bool {
        self.sent.is_some() && self.is_received()
    }

    /// Returns whether output was given up unwritten.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Returns the failure, if there is one.
    #[inline]
    pub(crate) fn failure(&self) -> Option<ProtocolError> {
        self.failure
    }

    /// Returns whether the transport delivers no more bytes.
    pub(crate) const fn is_eof(&self) -> bool {
        self.eof
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    pub(super) fn ready_state(&self, flushed: bool) -> ReadyState {
        if self.abandoned || (self.eof && flushed) {
            ReadyState::Closed
        } else if self.is_open() {
            ReadyState::Open
        } else {
            ReadyState::Closing
        }
    }

    /// Returns whether the write side of the transport must be shut down, once everything is flushed.
    pub(crate) fn wants_shutdown(&self) -> bool {
        // §7.1.1: the server closes first; after a failure, the side that failed the connection.
        let first = self.role == Role::Server && self.is_handshake_done();
        !self.abandoned && self.severed.is_none() && (first || self.eof || self.failure.is_some())
    }

    pub(super) const fn role(&self) -> Role {
        self.role
    }

    /// Logs how the connection ended, once.
    pub(super) fn log_end(&mut self, flushed: bool) {
        if !self.end_logged.is_first() {
            return;
        }
        let received = self.received();
        log::closed(&log::Closed {
            role: self.role,
            clean: self.is_clean(flushed),
            initiator: self.initiator.map(|side| match side {
                Side::Local => "local",
                Side::Peer => "peer",
            }),
            sent: self.sent.map(CloseCode::value),
            received: received.map(|(code, _)| code.value()),
            reason_len: received.map(|(_, reason)| reason.len()),
            error: self.failure.or(self.stalled()),
        });
    }

    fn is_clean(&self, flushed: bool) -> bool {
        let ended = self.ready_state(flushed) == ReadyState::Closed;
        ended && self.is_handshake_done() && self.failure.is_none() && !self.cut
    }

    pub(super) fn close_info(&self, flushed: bool) -> Option<CloseInfo> {
        let initiator = self.initiator?;
        let (code, reason) = match self.received() {
            Some((code, reason)) => (*code, reason.clone()),
            None => (CloseCode::ABNORMAL, String::new()),
        };
        let sent_reason = self.said.as_ref().map(|said| said.sent_reason.clone());
        Some(CloseInfo {
            initiator,
            code,
            reason,
            sent: self.sent,
            sent_reason: sent_reason.unwrap_or_default(),
            failure: self.failure.or(self.stalled()),
            clean: self.is_clean(flushed),
        })
    }
}
