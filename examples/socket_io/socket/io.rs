//! What the handlers of an application can do.

use std::{fmt, time::Duration};

use super::{
    Ack, Args,
    emit::{Emit, To},
    encode::Encoder,
    state::{Due, Id, LeaveReason, OnAnswer, ServerCounts, SocketRef, State},
};
use crate::{
    engine::{Counts, Engine, Key},
    timers::TimerId,
};

/// The server as a handler sees it.
///
/// A socket that has left is no mistake: what is done to it has no effect.
pub struct Io<'i, A> {
    pub(super) engine: &'i mut Engine,
    pub(super) state: &'i mut State<A>,
}

/// An acknowledgement was not received in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

impl<A> fmt::Debug for Io<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl<'i, A> Io<'i, A> {
    /// Emits to one socket.
    pub fn to<'e>(&'e mut self, socket: SocketRef) -> Emit<'e, 'i, A> {
        let namespace = self.state.sockets.get(socket).map(|found| found.namespace);
        Emit::new(self, namespace, To::One(socket))
    }

    /// Emits to the socket with an id. One that is away gets the event if it comes back and recovers its state.
    pub fn to_id<'e>(&'e mut self, namespace: &str, id: Id) -> Emit<'e, 'i, A> {
        let namespace = self.state.find_namespace(namespace);
        Emit::new(self, namespace, To::Id(id))
    }

    /// Emits to all sockets of a namespace.
    pub fn to_all<'e>(&'e mut self, namespace: &str) -> Emit<'e, 'i, A> {
        let namespace = self.state.find_namespace(namespace);
        Emit::new(self, namespace, To::All)
    }

    /// Emits to all sockets in a room of a namespace.
    pub fn to_room<'e>(&'e mut self, namespace: &str, room: &'e str) -> Emit<'e, 'i, A> {
        let namespace = self.state.find_namespace(namespace);
        Emit::new(self, namespace, To::Room(room))
    }

    /// Emits to one socket, and requests an acknowledgement within a time. `then` is called with it, or without; it is not
    /// called if the socket leaves. Returns whether the event was sent: the socket may have too many pending.
    pub fn ask<F>(&mut self, socket: SocketRef, name: &str, args: Args<'_>, patience: Duration, then: F) -> bool
    where
        F: FnOnce(&mut A, &mut Io<'_, A>, Result<Args<'_>, NoAnswer>) + Send + 'static,
    {
        let Some(found) = self.state.sockets.get_mut(socket) else {
            return false;
        };
        let id = found.next_ack;
        found.next_ack += 1;
        if !self.add_timer(socket, patience, Some(id), Due::Answer(socket, Box::new(then))) {
            return false;
        }
        if let Some((session, encoder)) = self.encoder(socket) {
            self.engine
                .send(session, encoder.event(name, args, Some(id), None), false);
        }
        true
    }

    /// Calls `then` after a time, unless the socket has left by then. Returns whether it will be: the socket may have too
    /// many pending.
    pub fn after<F>(&mut self, socket: SocketRef, delay: Duration, then: F) -> bool
    where
        F: FnOnce(&mut A, &mut Io<'_, A>) + Send + 'static,
    {
        self.add_timer(socket, delay, None, Due::Later(socket, Box::new(then)))
    }

    /// Answers an event.
    pub fn answer(&mut self, ack: Ack, args: Args<'_>) {
        if let Some((session, encoder)) = self.encoder(ack.socket) {
            self.engine.send(session, encoder.ack(ack.id, args), false);
        }
    }

    /// Adds a socket to a room. Returns whether it is there: it may be in too many.
    pub fn join(&mut self, socket: SocketRef, room: &str) -> bool {
        self.state.join(socket, room)
    }

    /// Removes a socket from a room.
    pub fn leave(&mut self, socket: SocketRef, room: &str) {
        self.state.leave(socket, room);
    }

    /// Returns the rooms of a socket.
    #[must_use]
    pub fn rooms(&self, socket: SocketRef) -> &[Box<str>] {
        self.state.sockets.get(socket).map_or(&[], |found| &found.rooms)
    }

    /// Returns the sockets in a room.
    pub fn members(&self, namespace: &str, room: &str) -> impl Iterator<Item = SocketRef> {
        let namespace = self.state.find_namespace(namespace);
        let rooms = namespace.map(|namespace| &self.state.namespaces[usize::from(namespace)].rooms);
        let members = rooms.and_then(|rooms| rooms.get(room));
        members.into_iter().flatten().copied()
    }

    /// Returns the number of sockets in a namespace.
    #[must_use]
    pub fn count(&self, namespace: &str) -> usize {
        let namespace = self.state.find_namespace(namespace);
        namespace.map_or(0, |namespace| {
            self.state.namespaces[usize::from(namespace)].sockets.len()
        })
    }

    /// Returns what exists in the server, for its operators.
    #[must_use]
    pub fn counts(&self) -> (Counts, ServerCounts) {
        (self.engine.counts(), self.state.counts())
    }

    /// Returns the socket with an id.
    #[must_use]
    pub fn find(&self, namespace: &str, id: &str) -> Option<SocketRef> {
        let namespace = self.state.find_namespace(namespace)?;
        let sockets = &self.state.namespaces[usize::from(namespace)].sockets;
        sockets.get(&Id::parse(id)?).copied()
    }

    /// Returns the id of a socket.
    #[must_use]
    pub fn id(&self, socket: SocketRef) -> Option<Id> {
        self.state.sockets.get(socket).map(|found| found.id)
    }

    /// Returns the namespace of a socket.
    #[must_use]
    pub fn namespace(&self, socket: SocketRef) -> Option<&str> {
        let found = self.state.sockets.get(socket)?;
        Some(&self.state.namespaces[usize::from(found.namespace)].name)
    }

    /// Disconnects a socket from its namespace. With `close`, disconnects all sockets of its client, and closes the
    /// connection after everything that is queued.
    pub fn disconnect(&mut self, socket: SocketRef, close: bool) {
        let Some(found) = self.state.sockets.get(socket) else {
            return;
        };
        let key = found.session;
        if !close {
            self.disconnect_one(socket);
            return;
        }
        let client = self.state.client(key);
        let sockets = client.map_or(Vec::new(), |client| client.sockets.clone());
        for socket in sockets.into_iter().filter_map(|(_, socket)| socket) {
            self.disconnect_one(socket);
        }
        self.engine.close(key);
    }

    fn disconnect_one(&mut self, socket: SocketRef) {
        if let Some((session, encoder)) = self.encoder(socket) {
            self.engine.send(session, encoder.disconnect(), false);
            self.state.remove_socket(socket, LeaveReason::Server, self.engine.now());
        }
    }

    /// Returns the session of a socket, and what encodes packets for it.
    fn encoder(&self, socket: SocketRef) -> Option<(Key, Encoder<'_>)> {
        let found = self.state.sockets.get(socket)?;
        let encoder = Encoder {
            namespace: &self.state.namespaces[usize::from(found.namespace)].name,
            deflate: self.state.options.deflate,
        };
        Some((found.session, encoder))
    }

    /// Adds a timer of a socket, which waits for an acknowledgement if it has an id.
    fn add_timer(&mut self, socket: SocketRef, delay: Duration, ack: Option<u64>, due: Due<A>) -> bool {
        let State {
            sockets,
            timers,
            options,
            ..
        } = &mut *self.state;
        let Some(found) = sockets.get_mut(socket) else {
            return false;
        };
        let has_room = found.pending.len() < options.max_pending;
        if has_room {
            let timer = timers.insert(self.engine.now().saturating_add(delay), due);
            found.pending.push((timer, ack));
        }
        has_room
    }

    /// Removes what waits for an acknowledgement.
    pub(super) fn take_answer(&mut self, socket: SocketRef, id: u64) -> Option<OnAnswer<A>> {
        let pending = &mut self.state.sockets.get_mut(socket)?.pending;
        let index = pending.iter().position(|(_, ack)| *ack == Some(id))?;
        let (timer, _) = pending.swap_remove(index);
        match self.state.timers.remove(timer)? {
            Due::Answer(_, then) => Some(then),
            _ => None,
        }
    }

    /// A timer has fired.
    pub(super) fn forget_timer(&mut self, socket: SocketRef, timer: TimerId) {
        if let Some(found) = self.state.sockets.get_mut(socket) {
            found.pending.retain(|(pending, _)| *pending != timer);
        }
    }
}
