//! The server: what clients send becomes calls of an application.

use std::{borrow::Cow, fmt};

use serde::de::DeserializeOwned;
use websocket_proto::EntropyError;

use super::{
    Args, Io, Options,
    encode::Encoder,
    packet::{Body, Decoded, Decoder, Packet},
    recovery::Saved,
    state::{Client, Due, Id, LeaveReason, ServerCounts, SocketRef, State},
};
use crate::{
    engine::{Data, Engine, Key, Reason, Service, Unit, random},
    timers::Time,
};

/// An application: the handlers of its events. They run one at a time.
pub trait App: Send + Sized + 'static {
    /// A client wants to join a namespace that exists. This is the place for middleware.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the message that the client gets.
    fn admit(&mut self, io: &mut Io<'_, Self>, request: &Connect<'_>) -> Result<(), Refused> {
        let _ = (io, request);
        Ok(())
    }

    /// A client has joined a namespace.
    fn connected(&mut self, io: &mut Io<'_, Self>, socket: SocketRef, request: &Connect<'_>);

    /// A socket has received an event.
    fn event(&mut self, io: &mut Io<'_, Self>, socket: SocketRef, event: Event<'_>);

    /// A socket has left. This is called once for each that has joined.
    fn disconnected(&mut self, io: &mut Io<'_, Self>, gone: &Gone) {
        let _ = (io, gone);
    }
}

/// A request to join a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Connect<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// What the client has sent about itself: a JSON object.
    pub auth: &'a str,
    /// Whether the client has recovered its state: it has its id and its rooms again. Not known before it is admitted.
    pub recovered: bool,
}

impl Connect<'_> {
    /// Returns a value from what the client has sent about itself.
    #[must_use]
    pub fn auth<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.auth).ok()
    }
}

/// Why a client is refused: the message of its `connect_error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Cow<'static, str>);

/// An event.
#[derive(Debug)]
pub struct Event<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its arguments.
    pub args: Args<'a>,
    /// What answers it, if the client has asked for that.
    pub ack: Option<Ack>,
}

/// The permission to acknowledge an event, once, with [`Io::answer`].
#[derive(Debug)]
pub struct Ack {
    pub(super) socket: SocketRef,
    pub(super) id: u64,
}

/// A socket that has left.
#[derive(Clone, Debug)]
pub struct Gone {
    /// What it was.
    pub socket: SocketRef,
    /// The namespace.
    pub namespace: Box<str>,
    /// Its id.
    pub id: Id,
    /// The rooms that it was in.
    pub rooms: Vec<Box<str>>,
    /// Why it has left.
    pub reason: LeaveReason,
}

/// A server of Socket.IO with its application.
pub struct Server<A> {
    app: A,
    state: State<A>,
}

impl<A> fmt::Debug for Server<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl<A> Server<A> {
    /// Creates a server with these namespaces. Clients that want to join another one are refused.
    #[must_use]
    pub fn new(options: Options, namespaces: &[&str], app: A) -> Self {
        Self {
            app,
            state: State::new(options, namespaces),
        }
    }

    /// Returns the application.
    #[must_use]
    pub const fn app(&self) -> &A {
        &self.app
    }

    /// Returns what exists.
    #[must_use]
    pub fn counts(&self) -> ServerCounts {
        self.state.counts()
    }
}

impl<A: App> Server<A> {
    /// Calls the application from outside of its handlers, for example when a task is done that one of them has started.
    pub fn call<R>(&mut self, engine: &mut Engine, call: impl FnOnce(&mut A, &mut Io<'_, A>) -> R) -> R {
        let Self { app, state } = self;
        let mut io = Io { engine, state };
        let result = call(app, &mut io);
        // It is told which sockets have left meanwhile.
        while let Some(gone) = io.state.gone.pop_front() {
            app.disconnected(&mut io, &gone);
        }
        result
    }

    fn packet(&mut self, engine: &mut Engine, key: Key, packet: Packet<'_>) {
        let namespace = self.state.find_namespace(packet.namespace);
        let Some(client) = self.state.client(key) else { return };
        let joined = namespace.and_then(|namespace| client.sockets.iter().find(|(other, _)| *other == namespace));
        let socket = match (joined.copied(), packet.body) {
            (None | Some((_, None)), Body::Connect(auth)) => {
                return self.connect(engine, key, namespace, packet.namespace, auth);
            }
            (Some((_, Some(_))), Body::Connect(_)) | (None, _) => {
                // It is where it wants to be, or speaks where it is not.
                return engine.fail(key, Reason::ParseError);
            }
            // It did not know yet.
            (Some((_, None)), _) => return,
            (Some((_, Some(socket))), body) => (socket, body),
        };
        match socket {
            (socket, Body::Event(name, args, ack)) => {
                let event = Event {
                    name: &name,
                    args,
                    ack: ack.map(|id| Ack { socket, id }),
                };
                self.call(engine, |app, io| app.event(io, socket, event));
            }
            (socket, Body::Ack(id, args)) => self.call(engine, |app, io| {
                if let Some(then) = io.take_answer(socket, id) {
                    then(app, io, Ok(args));
                }
            }),
            (socket, _) => self.call(engine, |_, io| {
                io.state.remove_socket(socket, LeaveReason::Client, io.engine.now());
            }),
        }
    }

    /// A client wants to join a namespace.
    fn connect(&mut self, engine: &mut Engine, key: Key, namespace: Option<u16>, name: &str, auth: &str) {
        let encoder = Encoder {
            namespace: name,
            deflate: None,
        };
        let Some(namespace) = namespace else {
            return engine.send(key, encoder.connect_error("Invalid namespace"), false);
        };
        let mut request = Connect {
            namespace: name,
            auth: if auth.is_empty() { "{}" } else { auth },
            recovered: false,
        };
        if let Err(Refused(message)) = self.call(engine, |app, io| app.admit(io, &request)) {
            return engine.send(key, encoder.connect_error(&message), false);
        }
        if self.state.client(key).is_none() {
            return;
        }
        let restored = self.restore(namespace, &request);
        request.recovered = restored.is_some();
        let (id, secret, rooms, missed) = match restored {
            Some((secret, saved, missed)) => (saved.id, Some((secret, saved.since)), saved.rooms, missed),
            None => {
                let Ok(ids) = self.new_ids(namespace) else {
                    return engine.send(key, encoder.connect_error("no randomness is available"), false);
                };
                (ids.0, ids.1, Vec::new(), Vec::new())
            }
        };
        let socket = self.state.add_socket(namespace, key, id, secret);
        for room in &rooms {
            self.state.join(socket, room);
        }
        let Some(client) = self.state.client(key) else { return };
        let timer = client.timer.take();
        client.sockets.retain(|(other, _)| *other != namespace);
        client.sockets.push((namespace, Some(socket)));
        if let Some(timer) = timer {
            self.state.timers.remove(timer);
        }
        let secret = secret.map(|(secret, _)| secret);
        engine.send(key, encoder.connect(id, secret), false);
        for unit in missed {
            engine.send(key, unit, false);
        }
        self.call(engine, |app, io| app.connected(io, socket, &request));
    }

    /// Returns the id of a socket, and with recovery, the secret for it and from where on it misses events.
    fn new_ids(&self, namespace: u16) -> Result<(Id, Option<(Id, u64)>), EntropyError> {
        let recovery = &self.state.namespaces[usize::from(namespace)].recovery;
        let secret = match recovery {
            Some(recovery) => Some((Id(random()?), recovery.next())),
            None => None,
        };
        Ok((Id(random()?), secret))
    }

    /// Returns the secret of a client that comes back, its state, and what it has missed.
    fn restore(&mut self, namespace: u16, request: &Connect<'_>) -> Option<(Id, Saved, Vec<Unit>)> {
        #[derive(serde::Deserialize)]
        struct Claim {
            pid: String,
            offset: Option<String>,
        }

        let recovery = self.state.namespaces[usize::from(namespace)].recovery.as_mut()?;
        let claim: Claim = request.auth()?;
        let secret = Id::parse(&claim.pid)?;
        let offset = match claim.offset {
            Some(offset) => Some(offset.parse().ok()?),
            None => None,
        };
        let (saved, missed) = recovery.restore(secret, offset)?;
        self.state.timers.remove(saved.timer);
        Some((secret, saved, missed))
    }
}

impl<A: App> Service for Server<A> {
    fn opened(&mut self, engine: &mut Engine, session: Key) {
        let due = engine.now() + self.state.options.connect_timeout;
        let timer = self.state.timers.insert(due, Due::Joined(session));
        self.state.add_client(Client {
            key: session,
            decoder: Decoder::default(),
            sockets: Vec::new(),
            timer: Some(timer),
        });
    }

    fn received(&mut self, engine: &mut Engine, session: Key, data: Data<'_>) {
        let Some(client) = self.state.client(session) else {
            return;
        };
        let failed = match client.decoder.decode(data) {
            Ok(None) => Ok(()),
            Ok(Some(Decoded::Text(packet))) => {
                self.packet(engine, session, packet);
                Ok(())
            }
            Ok(Some(Decoded::Binary(whole))) => whole.packet().map(|packet| self.packet(engine, session, packet)),
            Err(error) => Err(error),
        };
        if failed.is_err() {
            engine.fail(session, Reason::ParseError);
        }
    }

    fn ended(&mut self, engine: &mut Engine, session: Key, reason: Reason) {
        let Some(client) = self.state.remove_client(session) else {
            return;
        };
        if let Some(timer) = client.timer {
            self.state.timers.remove(timer);
        }
        self.call(engine, |_, io| {
            for socket in client.sockets.into_iter().filter_map(|(_, socket)| socket) {
                io.state
                    .remove_socket(socket, LeaveReason::Session(reason), io.engine.now());
            }
        });
    }

    fn deadline(&self) -> Option<Time> {
        self.state.timers.next()
    }

    fn handle_timeout(&mut self, engine: &mut Engine) {
        while let Some((timer, due)) = self.state.timers.pop_due(engine.now()) {
            match due {
                Due::Joined(key) => {
                    if let Some(client) = self.state.client(key) {
                        client.timer = None;
                        engine.close(key);
                    }
                }
                Due::Answer(socket, then) => self.call(engine, |app, io| {
                    io.forget_timer(socket, timer);
                    then(app, io, Err(super::NoAnswer));
                }),
                Due::Later(socket, then) => self.call(engine, |app, io| {
                    io.forget_timer(socket, timer);
                    then(app, io);
                }),
                Due::Forget(namespace, secret) => {
                    if let Some(recovery) = &mut self.state.namespaces[usize::from(namespace)].recovery {
                        recovery.forget(secret);
                    }
                }
            }
        }
    }
}
