//! The life of one session, without I/O and without a clock.
//!
//! In: a poll, a post, a frame of the WebSocket, the loss of one of them, time. Out: the answer to the poll, frames for the
//! WebSocket, messages for the application, the end with its reason, the next deadline.
//!
//! ```text
//!            a WebSocket connects          "2probe"                  "5"
//!   POLLING ----------------------> SILENT ---------> PROBING ----------------> WEBSOCKET
//!      ^                              |                  |                          ^
//!      +---- lost, late, other frame -+------------------+                          |
//!                                                            a first request that is a WebSocket
//! ```
//!
//! While a client probes, each poll is answered with a noop at once and the queue waits: it leaves over the WebSocket after
//! the upgrade, or through the next poll if the upgrade fails.

use super::{
    heartbeat::Heartbeat,
    packet::{Data, Packet, PacketError},
    payload,
    queue::{Queue, Unit},
    reason::{Reason, Refusal},
    transport::{Stage, Transport},
};
use crate::{engine::Settings, timers::Time};
use websocket_proto::{MessageKind, PreparedMessage};

/// Identifies one of the WebSockets that a session may have in the course of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketId(u32);

/// What the task of a WebSocket does next.
#[derive(Debug)]
pub enum Next<'a> {
    /// Sends this message, and reports it with [`Session::sent`].
    Send(&'a PreparedMessage),
    /// Waits.
    Wait,
    /// Closes the WebSocket.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The server has closed the session; what is queued is sent until then.
    Closing(Time),
    Ended(Reason),
}

/// A session of Engine.IO.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    transport: Transport,
    /// Whether a poll waits for its answer.
    polling: bool,
    /// Whether a post is being received.
    posting: bool,
    /// The WebSocket that is attached, whether it probes or carries the session.
    attached: Option<WebSocketId>,
    websockets: u32,
    /// Whether the WebSocket takes no more messages for now.
    blocked: bool,
    queue: Queue,
    heartbeat: Heartbeat,
}

impl Session {
    /// Creates a session with the handshake as the first packet. The first request is a poll, or a WebSocket.
    #[must_use]
    pub fn new(handshake: Unit, is_websocket: bool, settings: &Settings, now: Time) -> (Self, Option<WebSocketId>) {
        let mut session = Self {
            phase: Phase::Open,
            transport: Transport::Polling,
            polling: true,
            posting: false,
            attached: None,
            websockets: 0,
            blocked: false,
            queue: Queue::new(settings.max_queue),
            heartbeat: Heartbeat::new(settings, now),
        };
        session.push(handshake);
        if is_websocket {
            session.transport = Transport::WebSocket;
            session.polling = false;
            session.attach();
        }
        let attached = session.attached;
        (session, attached)
    }

    /// Receives a poll. The answer is taken with [`answer`](Self::answer), now or later.
    ///
    /// # Errors
    ///
    /// [`Refusal`]. The poll is not waiting then.
    pub fn poll(&mut self) -> Result<(), Refusal> {
        if self.ended().is_some() {
            return Err(Refusal::Ended);
        }
        if matches!(self.transport, Transport::WebSocket) {
            return Err(Refusal::NotPolling);
        }
        if self.polling {
            self.end(Reason::TransportError);
            return Err(Refusal::Overlap);
        }
        self.polling = true;
        Ok(())
    }

    /// Takes the answer to the poll that waits, if there is one.
    pub fn answer(&mut self) -> Option<String> {
        if !self.has_answer() {
            return None;
        }
        self.polling = false;
        if self.transport.is_upgrading() || matches!(self.transport, Transport::WebSocket) {
            return Some(NOOP.to_owned());
        }
        let mut answer = String::new();
        let had_packets = !self.queue.is_empty();
        self.queue
            .take_answer(|kind, message| payload::append(&mut answer, kind, message));
        let last = match self.phase {
            Phase::Open => return Some(answer),
            // The official client handles a close before the packets of the same answer, and would miss that it was
            // disconnected: the close has an answer of its own.
            Phase::Closing(_) if had_packets => return Some(answer),
            Phase::Closing(_) => {
                self.end(Reason::ServerClose);
                CLOSE
            }
            // The client knows that it has closed the session.
            Phase::Ended(Reason::TransportClose) => NOOP,
            Phase::Ended(_) => CLOSE,
        };
        payload::append(&mut answer, MessageKind::Text, last.as_bytes());
        Some(answer)
    }

    /// Returns whether [`answer`](Self::answer) returns one.
    #[must_use]
    pub fn has_answer(&self) -> bool {
        self.polling
            && (!self.queue.is_empty()
                || self.phase != Phase::Open
                || self.transport.is_upgrading()
                || matches!(self.transport, Transport::WebSocket))
    }

    /// The client has gone away before its poll was answered.
    pub fn poll_lost(&mut self) {
        if self.polling {
            self.polling = false;
            if !matches!(self.transport, Transport::WebSocket) {
                self.end(Reason::TransportError);
            }
        }
    }

    /// Begins to receive a post. Its packets go to [`receive`](Self::receive), and its end to [`posted`](Self::posted)
    /// or [`post_lost`](Self::post_lost).
    ///
    /// # Errors
    ///
    /// [`Refusal`]. No post has begun then.
    pub fn post(&mut self) -> Result<(), Refusal> {
        if matches!(self.transport, Transport::WebSocket) {
            return Err(Refusal::NotPolling);
        }
        if self.posting {
            self.end(Reason::TransportError);
            return Err(Refusal::Overlap);
        }
        self.posting = true;
        Ok(())
    }

    /// The post is complete.
    pub fn posted(&mut self) {
        self.posting = false;
    }

    /// The post is invalid, or the client has gone away before it was complete.
    pub fn post_lost(&mut self) {
        self.posting = false;
        if !matches!(self.transport, Transport::WebSocket) {
            self.end(Reason::TransportError);
        }
    }

    /// Receives a packet of a post, or of the WebSocket that carries the session. Returns a message for the application.
    pub fn receive<'a>(
        &mut self,
        packet: Result<Packet<'a>, PacketError>,
        settings: &Settings,
        now: Time,
    ) -> Option<Data<'a>> {
        if self.phase != Phase::Open {
            return None;
        }
        match packet {
            Ok(Packet::Message(data)) => return Some(data),
            Ok(Packet::Pong(_)) => self.heartbeat.pong(settings, now),
            Ok(Packet::Close) => self.end(Reason::TransportClose),
            // Only servers ping, other than to probe.
            Ok(Packet::Ping(_)) => self.end(Reason::TransportError),
            Ok(Packet::Open | Packet::Upgrade | Packet::Noop) => {}
            Err(_) => self.end(Reason::ParseError),
        }
        None
    }

    /// Attaches a WebSocket that wants to take over from polling. Returns `None` if the session has one, or is not open.
    pub fn connect(&mut self, settings: &Settings, now: Time) -> Option<WebSocketId> {
        if !matches!(self.transport, Transport::Polling) || self.phase != Phase::Open {
            return None;
        }
        self.transport = Transport::Probing {
            until: now + settings.upgrade_timeout,
            stage: Stage::Silent,
        };
        self.attach()
    }

    /// Receives a packet over a WebSocket. Returns a message for the application.
    pub fn frame<'a>(
        &mut self,
        websocket: WebSocketId,
        packet: Result<Packet<'a>, PacketError>,
        settings: &Settings,
        now: Time,
    ) -> Option<Data<'a>> {
        if self.attached != Some(websocket) {
            return None;
        }
        let Transport::Probing { stage, .. } = &mut self.transport else {
            return self.receive(packet, settings, now);
        };
        match packet {
            Ok(Packet::Ping("probe")) => *stage = Stage::Asked(PreparedMessage::text(PROBED)),
            Ok(Packet::Upgrade) => {
                if let Stage::Asked(answer) = stage {
                    self.queue.push_front(answer.clone().into());
                }
                self.transport = Transport::WebSocket;
                self.heartbeat.resume(settings, now);
            }
            _ => self.probe_failed(settings, now),
        }
        None
    }

    /// A WebSocket is gone: it was closed, or it failed.
    pub fn websocket_lost(&mut self, websocket: WebSocketId, reason: Reason, settings: &Settings, now: Time) {
        if self.attached != Some(websocket) {
            return;
        }
        if let Transport::Probing { .. } = self.transport {
            self.probe_failed(settings, now);
        } else {
            self.attached = None;
            self.end(reason);
            // Nobody takes it any more.
            self.queue.clear();
        }
    }

    /// Returns what a WebSocket sends next.
    pub fn next(&mut self, websocket: WebSocketId) -> Next<'_> {
        if self.attached != Some(websocket) {
            return Next::Close;
        }
        self.blocked = false;
        let carries = matches!(self.transport, Transport::WebSocket);
        if carries && self.queue.is_empty() && matches!(self.phase, Phase::Closing(_)) {
            self.end(Reason::ServerClose);
        }
        let message = match &self.transport {
            Transport::Probing {
                stage: Stage::Asked(answer),
                ..
            } => Some(answer),
            Transport::WebSocket => self.queue.front(),
            _ => None,
        };
        match (message, self.phase) {
            (_, Phase::Ended(_)) if !carries => Next::Close,
            (Some(message), _) => Next::Send(message),
            (None, Phase::Ended(_)) => Next::Close,
            (None, _) => Next::Wait,
        }
    }

    /// The message that [`next`](Self::next) returned was sent.
    pub fn sent(&mut self) {
        if let Transport::Probing { stage, .. } = &mut self.transport {
            *stage = Stage::Answered;
        } else {
            self.queue.pop_front();
        }
    }

    /// The WebSocket takes no more messages for now.
    pub fn blocked(&mut self) {
        self.blocked = true;
    }

    /// Returns whether a WebSocket has something to do.
    #[must_use]
    pub fn has_next(&self, websocket: WebSocketId) -> bool {
        if self.attached != Some(websocket) {
            return true;
        }
        match (&self.transport, self.phase) {
            (Transport::Probing { .. }, Phase::Ended(_)) => true,
            (Transport::Probing { stage, .. }, _) => matches!(stage, Stage::Asked(_)),
            (_, Phase::Open) => !self.blocked && !self.queue.is_empty(),
            (_, Phase::Closing(_)) => !self.blocked,
            (_, Phase::Ended(_)) => !self.blocked || self.queue.is_empty(),
        }
    }

    /// Queues a unit. The session ends if its queue overflows.
    ///
    /// A volatile unit is dropped if the client is not ready for it: it does not poll, or it reads too slowly.
    pub fn send(&mut self, unit: Unit, is_volatile: bool) {
        if self.phase == Phase::Open && (!is_volatile || self.is_ready()) {
            self.push(unit);
        }
    }

    fn is_ready(&self) -> bool {
        match self.transport {
            Transport::Polling
            | Transport::Probing {
                stage: Stage::Silent, ..
            } => self.polling,
            Transport::Probing { .. } => false,
            Transport::WebSocket => !self.blocked,
        }
    }

    fn push(&mut self, unit: Unit) {
        if self.queue.push(unit).is_err() {
            self.end(Reason::TransportError);
        }
    }

    /// Closes the session after everything that is queued, within the time in which a ping is answered.
    pub fn close(&mut self, settings: &Settings, now: Time) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing(now + settings.ping_timeout);
        }
    }

    /// Ends the session for a fault that was found in its messages, or outside of them.
    pub fn end(&mut self, reason: Reason) {
        if !matches!(self.phase, Phase::Ended(_)) {
            self.phase = Phase::Ended(reason);
            if !reason.is_orderly() {
                self.queue.clear();
            }
        }
    }

    /// Returns the number of requests that are not done: a poll, a post.
    #[must_use]
    pub fn requests(&self) -> usize {
        usize::from(self.polling) + usize::from(self.posting)
    }

    /// Returns why the session ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Reason> {
        match self.phase {
            Phase::Ended(reason) => Some(reason),
            _ => None,
        }
    }

    /// Returns whether the session has ended, and nothing is left to do for a poll or a WebSocket.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended().is_some() && !self.polling && self.attached.is_none()
    }

    /// The task of a WebSocket is done with it.
    pub fn detach(&mut self, websocket: WebSocketId) {
        if self.attached == Some(websocket) {
            self.attached = None;
        }
    }

    /// Returns the next deadline.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Open => {}
            Phase::Closing(until) => return Some(until),
            Phase::Ended(_) => return None,
        }
        match self.transport {
            // The queue waits, and so do the heartbeats in it.
            Transport::Probing { until, .. } if self.transport.is_upgrading() => Some(until),
            Transport::Probing { until, .. } => Some(until.min(self.heartbeat.due())),
            _ => Some(self.heartbeat.due()),
        }
    }

    /// Advances the time.
    pub fn handle_timeout(&mut self, settings: &Settings, now: Time) {
        if let Phase::Closing(until) = self.phase {
            if until <= now {
                self.end(Reason::ServerClose);
                self.queue.clear();
            }
            return;
        }
        if matches!(self.transport, Transport::Probing { until, .. } if until <= now) {
            self.probe_failed(settings, now);
        }
        if self.phase == Phase::Open && !self.transport.is_upgrading() && self.heartbeat.due() <= now {
            if self.heartbeat.handle_timeout(settings, now) {
                self.push(Unit::text(PING));
            } else {
                self.end(Reason::PingTimeout);
            }
        }
    }

    /// Polling goes on.
    fn probe_failed(&mut self, settings: &Settings, now: Time) {
        if self.transport.is_upgrading() {
            self.heartbeat.resume(settings, now);
        }
        self.attached = None;
        self.transport = Transport::Polling;
    }

    fn attach(&mut self) -> Option<WebSocketId> {
        self.blocked = false;
        self.websockets = self.websockets.wrapping_add(1);
        self.attached = Some(WebSocketId(self.websockets));
        self.attached
    }
}

const CLOSE: &str = "1";
const PING: &str = "2";
const PROBED: &str = "3probe";
const NOOP: &str = "6";
