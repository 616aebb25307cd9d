//! All sessions of a server, by their ids and by their deadlines.

use std::{
    collections::{HashMap, VecDeque},
    task::Context,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use slab::Slab;
use websocket_proto::{Entropy, EntropyError, OsEntropy, PreparedMessage};

use super::{
    Settings,
    entry::{Entry, Key, Sid},
    packet::{Data, Packet, PacketError},
    queue::Unit,
    reason::{Reason, Refusal},
    session::{Next, Session, WebSocketId},
};
use crate::timers::{Time, Timers};

/// What the task of a WebSocket does after everything possible was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Nothing is queued: it waits for a message, or to be woken.
    Wait,
    /// The WebSocket took no more.
    Blocked,
    /// It closes the WebSocket.
    Close,
}

/// What exists at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions that have not ended.
    pub open: usize,
    /// Sessions, including those that a poll or a WebSocket has not let go of.
    pub sessions: usize,
    /// Polls that wait for an answer, and posts that are being received.
    pub requests: usize,
    /// Deadlines of sessions.
    pub timers: usize,
}

/// The sessions of a server.
pub struct Engine {
    settings: Settings,
    /// What every client is told of the settings: the end of its handshake.
    told: String,
    sessions: Slab<Entry>,
    sids: HashMap<Sid, Key>,
    timers: Timers<Key>,
    ended: VecDeque<(Key, Reason)>,
    number: u32,
    now: Time,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Creates a server without sessions.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let told = format!(
            ",\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":{}}}",
            settings.ping_interval.as_millis(),
            settings.ping_timeout.as_millis(),
            settings.max_payload,
        );
        Self {
            settings,
            told,
            sessions: Slab::new(),
            sids: HashMap::new(),
            timers: Timers::default(),
            ended: VecDeque::new(),
            number: 0,
            now: Time::ZERO,
        }
    }

    /// Returns the settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Sets the time, before anything else is reported.
    pub fn set_now(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Returns what exists.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            open: self.sids.len(),
            sessions: self.sessions.len(),
            requests: self.sessions.iter().map(|(_, entry)| entry.session.requests()).sum(),
            timers: self.timers.len(),
        }
    }

    /// Returns whether no more sessions are accepted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.sessions.len() >= self.settings.max_sessions
    }

    /// Opens a session. With a poll, the handshake is [answered](Self::poll_answer) at once.
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if there is no randomness for its id.
    pub fn open(&mut self, is_websocket: bool) -> Result<(Key, Option<WebSocketId>), EntropyError> {
        let sid: Sid = random()?;
        let handshake = self.handshake(sid, is_websocket);
        let (session, websocket) = Session::new(Unit::text(handshake), is_websocket, &self.settings, self.now);
        self.number = self.number.wrapping_add(1);
        let number = self.number;
        let index = self.sessions.insert(Entry::new(number, sid, session));
        let key = Key::new(index, number);
        self.sids.insert(sid, key);
        self.settle(key);
        Ok((key, websocket))
    }

    fn handshake(&self, sid: Sid, is_websocket: bool) -> String {
        let upgrades = if is_websocket { "[]" } else { "[\"websocket\"]" };
        let mut handshake = String::with_capacity(64 + upgrades.len() + self.told.len());
        handshake.push_str("0{\"sid\":\"");
        BASE64_URL_SAFE_NO_PAD.encode_string(sid, &mut handshake);
        handshake.push_str("\",\"upgrades\":");
        handshake.push_str(upgrades);
        handshake.push_str(&self.told);
        handshake
    }

    /// Returns the session that has an id, until it has ended.
    #[must_use]
    pub fn find(&self, sid: &str) -> Option<Key> {
        let mut bytes = Sid::default();
        let len = BASE64_URL_SAFE_NO_PAD.decode_slice(sid, &mut bytes).ok()?;
        (len == bytes.len()).then(|| self.sids.get(&bytes).copied())?
    }

    /// A client polls.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn poll(&mut self, key: Key) -> Result<(), Refusal> {
        self.change(key, |session, settings, now| {
            // A poll cannot bring the pong that is missing.
            session.handle_timeout(settings, now);
            session.poll()
        })
        .unwrap_or(Ok(()))
    }

    /// Takes the answer to a poll, or has the task woken when there is one. Returns an empty answer if the session is
    /// gone.
    pub fn poll_answer(&mut self, key: Key, cx: &Context<'_>) -> Option<String> {
        let Some(entry) = self.entry(key) else {
            return Some(String::new());
        };
        let answer = entry.session.answer();
        if answer.is_some() {
            entry.poll = None;
            self.settle(key);
        } else if !entry.poll.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            entry.poll = Some(cx.waker().clone());
        }
        answer
    }

    /// A client has gone away before its poll was answered.
    pub fn poll_lost(&mut self, key: Key) {
        self.change(key, |session, _, _| session.poll_lost());
    }

    /// A client posts.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn post(&mut self, key: Key) -> Result<(), Refusal> {
        self.change(key, |session, _, _| session.post()).unwrap_or(Ok(()))
    }

    /// Receives a packet of a post. Returns a message for the service.
    pub fn receive<'a>(&mut self, key: Key, packet: Result<Packet<'a>, PacketError>) -> Option<Data<'a>> {
        self.change(key, |session, settings, now| session.receive(packet, settings, now))?
    }

    /// Returns whether a session has ended, or has the task of its post woken when it has.
    pub fn poll_ended(&mut self, key: Key, cx: &Context<'_>) -> bool {
        let Some(entry) = self.entry(key) else { return true };
        let has_ended = entry.session.ended().is_some();
        if !has_ended && !entry.post.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            entry.post = Some(cx.waker().clone());
        }
        has_ended
    }

    /// A post is complete.
    pub fn posted(&mut self, key: Key) {
        if let Some(entry) = self.entry(key) {
            entry.post = None;
        }
        self.change(key, |session, _, _| session.posted());
    }

    /// A post is invalid, or the client has gone away before it was complete.
    pub fn post_lost(&mut self, key: Key) {
        self.change(key, |session, _, _| session.post_lost());
    }

    /// A WebSocket connects that wants to take over from polling. Returns `None` if the session does not want it.
    pub fn connect(&mut self, key: Key) -> Option<WebSocketId> {
        self.change(key, |session, settings, now| session.connect(settings, now))?
    }

    /// Receives a frame of a WebSocket. Returns a message for the service.
    pub fn frame<'a>(
        &mut self,
        key: Key,
        websocket: WebSocketId,
        packet: Result<Packet<'a>, PacketError>,
    ) -> Option<Data<'a>> {
        // Most frames are messages, which change nothing here.
        self.change(key, |session, settings, now| {
            session.frame(websocket, packet, settings, now)
        })?
    }

    /// Passes everything queued to a WebSocket until `send` returns false. Unless that is the end, the task is woken when
    /// there is more to do.
    pub fn drain(
        &mut self,
        key: Key,
        websocket: WebSocketId,
        cx: &Context<'_>,
        mut send: impl FnMut(&PreparedMessage) -> bool,
    ) -> Drain {
        let Some(entry) = self.entry(key) else {
            return Drain::Close;
        };
        entry.is_asleep = false;
        let drain = loop {
            match entry.session.next(websocket) {
                Next::Send(message) if send(message) => entry.session.sent(),
                Next::Send(_) => {
                    entry.session.blocked();
                    break Drain::Blocked;
                }
                Next::Wait => break Drain::Wait,
                Next::Close => {
                    self.settle(key);
                    return Drain::Close;
                }
            }
        };
        entry.sleep(websocket, cx);
        drain
    }

    /// The task of a WebSocket is awake, and asks by itself for what is queued meanwhile.
    pub fn awake(&mut self, key: Key) {
        if let Some(entry) = self.entry(key) {
            entry.is_asleep = false;
        }
    }

    /// A WebSocket is gone: it was closed, or it failed.
    pub fn websocket_lost(&mut self, key: Key, websocket: WebSocketId, reason: Reason) {
        self.change(key, |session, settings, now| {
            session.websocket_lost(websocket, reason, settings, now);
        });
    }

    /// The task of a WebSocket is done with the session.
    pub fn detach(&mut self, key: Key, websocket: WebSocketId) {
        self.change(key, |session, _, _| session.detach(websocket));
    }

    /// Queues a unit for a client. See [`Session::send`].
    pub fn send(&mut self, key: Key, unit: Unit, is_volatile: bool) {
        self.change(key, |session, _, _| session.send(unit, is_volatile));
    }

    /// Closes a session after everything that is queued.
    pub fn close(&mut self, key: Key) {
        self.change(key, |session, settings, now| session.close(settings, now));
    }

    /// Ends a session for an invalid packet of the service.
    pub fn fail(&mut self, key: Key, reason: Reason) {
        self.change(key, |session, _, _| session.end(reason));
    }

    /// Closes all sessions.
    pub fn close_all(&mut self) {
        let keys: Vec<_> = self.sids.values().copied().collect();
        for key in keys {
            self.close(key);
        }
    }

    /// Returns the next deadline.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Fires the timers of sessions that are due at the current time.
    pub fn handle_timeout(&mut self) {
        while let Some((_, key)) = self.timers.pop_due(self.now) {
            if let Some(entry) = self.entry(key) {
                entry.timer = None;
            }
            self.change(key, |session, settings, now| session.handle_timeout(settings, now));
        }
    }

    /// Returns a session that has ended, once.
    pub fn next_ended(&mut self) -> Option<(Key, Reason)> {
        let (key, reason) = self.ended.pop_front()?;
        if let Some(entry) = self.entry(key) {
            entry.is_reported = true;
        }
        self.settle(key);
        Some((key, reason))
    }

    fn entry(&mut self, key: Key) -> Option<&mut Entry> {
        self.sessions
            .get_mut(key.index())
            .filter(|entry| entry.number == key.number)
    }

    /// Changes a session, and does what follows from it. Returns `None` if it is gone.
    fn change<R>(&mut self, key: Key, change: impl FnOnce(&mut Session, &Settings, Time) -> R) -> Option<R> {
        let Self {
            sessions,
            settings,
            now,
            ..
        } = self;
        let entry = sessions
            .get_mut(key.index())
            .filter(|entry| entry.number == key.number)?;
        let result = change(&mut entry.session, settings, *now);
        self.settle(key);
        Some(result)
    }

    /// Wakes the tasks that have something to do, sets the timer, and removes the session when it is over.
    fn settle(&mut self, key: Key) {
        let Some(entry) = self
            .sessions
            .get_mut(key.index())
            .filter(|entry| entry.number == key.number)
        else {
            return;
        };
        entry.wake();
        entry.set_timer(key, &mut self.timers);
        let Some(reason) = entry.session.ended() else { return };
        if !entry.has_ended {
            entry.has_ended = true;
            if let Some(waker) = entry.post.take() {
                waker.wake();
            }
            self.sids.remove(&entry.sid);
            self.ended.push_back((key, reason));
        }
        // Its place is not taken by another session before the service knows.
        if entry.is_reported && entry.session.is_over() {
            self.sessions.remove(key.index());
        }
    }
}

/// Returns unpredictable bytes, for ids.
///
/// # Errors
///
/// [`EntropyError`].
pub fn random<const N: usize>() -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    OsEntropy.fill(&mut bytes)?;
    Ok(bytes)
}
