//! What a server knows: clients, their sockets, namespaces and rooms.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use slab::Slab;

use super::{
    Args, Options,
    io::{Io, NoAnswer},
    packet::Decoder,
    recovery::Recovery,
    server::Gone,
};
use crate::{
    engine::{Key, Reason},
    timers::{TimerId, Timers},
};

/// The public id of a socket: everybody may know it. It says nothing of the session's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(pub(super) [u8; 15]);

impl Id {
    /// Reads an id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 15];
        let len = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (len == bytes.len()).then_some(Self(bytes))
    }

    /// Appends the id to a text, as it is displayed.
    pub(super) fn push_to(self, text: &mut String) {
        BASE64_URL_SAFE_NO_PAD.encode_string(self.0, text);
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 20];
        let len = BASE64_URL_SAFE_NO_PAD
            .encode_slice(self.0, &mut text)
            .unwrap_or_default();
        f.write_str(std::str::from_utf8(&text[..len]).unwrap_or_default())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Identifies a socket, a client in one namespace, within the server. It is not reused. The order is that of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketRef {
    index: u32,
    number: u32,
}

/// Why a socket has left its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaveReason {
    /// The client has left.
    Client,
    /// The server has disconnected it.
    Server,
    /// The session has ended.
    Session(Reason),
}

impl LeaveReason {
    /// Returns the words of the reference.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client namespace disconnect",
            Self::Server => "server namespace disconnect",
            Self::Session(Reason::PingTimeout) => "ping timeout",
            Self::Session(Reason::TransportClose) => "transport close",
            Self::Session(Reason::TransportError) => "transport error",
            Self::Session(Reason::ParseError) => "parse error",
            Self::Session(Reason::ServerClose) => "forced server close",
        }
    }

    /// Whether the client may come back and recover its state.
    pub(super) const fn is_recoverable(self) -> bool {
        matches!(self, Self::Session(reason) if !matches!(reason, Reason::ParseError))
    }
}

/// A session.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) key: Key,
    pub(super) decoder: Decoder,
    /// The namespaces that it has joined. `None` stands for one that it was disconnected from: what it had sent by then
    /// is no mistake.
    pub(super) sockets: Vec<(u16, Option<SocketRef>)>,
    /// When it must have joined a namespace.
    pub(super) timer: Option<TimerId>,
}

/// A client in a namespace.
#[derive(Debug)]
pub(super) struct Socket {
    number: u32,
    pub(super) namespace: u16,
    pub(super) session: Key,
    pub(super) id: Id,
    pub(super) rooms: Vec<Box<str>>,
    pub(super) next_ack: u64,
    /// Timers, and the ids of acknowledgements that they wait for.
    pub(super) pending: Vec<(TimerId, Option<u64>)>,
    /// With recovery: the secret that recovers its state, and what was emitted before it joined.
    pub(super) recovery: Option<(Id, u64)>,
}

/// All sockets, by what identifies them.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    slab: Slab<Socket>,
    number: u32,
}

impl Sockets {
    pub(super) fn get(&self, socket: SocketRef) -> Option<&Socket> {
        self.slab
            .get(socket.index as usize)
            .filter(|found| found.number == socket.number)
    }

    pub(super) fn get_mut(&mut self, socket: SocketRef) -> Option<&mut Socket> {
        self.slab
            .get_mut(socket.index as usize)
            .filter(|found| found.number == socket.number)
    }

    fn insert(&mut self, socket: Socket) -> SocketRef {
        self.number = self.number.wrapping_add(1);
        let number = self.number;
        let index = self.slab.insert(Socket { number, ..socket });
        // Sessions, which `max_sessions` limits, have a few sockets each.
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        SocketRef { index, number }
    }

    fn remove(&mut self, socket: SocketRef) -> Option<Socket> {
        self.get(socket)?;
        Some(self.slab.remove(socket.index as usize))
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }
}

#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) name: Box<str>,
    pub(super) sockets: HashMap<Id, SocketRef>,
    /// All sockets, and those in each room. A broadcast goes through them in the order of memory: what belongs to one after
    /// the other is close together, in this process and in the kernel.
    pub(super) members: BTreeSet<SocketRef>,
    pub(super) rooms: HashMap<Box<str>, BTreeSet<SocketRef>>,
    pub(super) recovery: Option<Recovery>,
}

/// Called with an answer.
pub(super) type OnAnswer<A> = Box<dyn FnOnce(&mut A, &mut Io<'_, A>, Result<Args<'_>, NoAnswer>) + Send>;
/// Called at a time.
pub(super) type OnTime<A> = Box<dyn FnOnce(&mut A, &mut Io<'_, A>) + Send>;

/// What is due at a time.
pub(super) enum Due<A> {
    /// A client must have joined a namespace.
    Joined(Key),
    /// A client must have answered.
    Answer(SocketRef, OnAnswer<A>),
    /// The application has asked for it.
    Later(SocketRef, OnTime<A>),
    /// The state of a socket is forgotten.
    Forget(u16, Id),
}

/// What exists at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Sessions.
    pub clients: usize,
    /// Sockets: sessions in namespaces.
    pub sockets: usize,
    /// Rooms with somebody in them.
    pub rooms: usize,
    /// Pending timers: of acknowledgements, of the application, of clients that join.
    pub timers: usize,
    /// Sockets whose state can be recovered.
    pub saved: usize,
}

/// Everything but the application.
pub(super) struct State<A> {
    pub(super) options: Options,
    pub(super) namespaces: Vec<Namespace>,
    /// By the index of the session.
    pub(super) clients: Vec<Option<Client>>,
    pub(super) sockets: Sockets,
    pub(super) timers: Timers<Due<A>>,
    /// Sockets that have left, until the application was told.
    pub(super) gone: VecDeque<Gone>,
}

impl<A> State<A> {
    pub(super) fn new(options: Options, namespaces: &[&str]) -> Self {
        let namespaces = namespaces.iter().map(|&name| Namespace {
            name: name.into(),
            sockets: HashMap::new(),
            members: BTreeSet::new(),
            rooms: HashMap::new(),
            recovery: options.recovery.map(Recovery::new),
        });
        Self {
            options,
            namespaces: namespaces.collect(),
            clients: Vec::new(),
            sockets: Sockets::default(),
            timers: Timers::default(),
            gone: VecDeque::new(),
        }
    }

    pub(super) fn counts(&self) -> ServerCounts {
        let namespaces = &self.namespaces;
        let recoveries = namespaces.iter().flat_map(|namespace| &namespace.recovery);
        ServerCounts {
            clients: self.clients.iter().flatten().count(),
            sockets: self.sockets.len(),
            rooms: namespaces.iter().map(|namespace| namespace.rooms.len()).sum(),
            timers: self.timers.len(),
            saved: recoveries.map(Recovery::len).sum(),
        }
    }

    pub(super) fn find_namespace(&self, name: &str) -> Option<u16> {
        let index = self.namespaces.iter().position(|namespace| &*namespace.name == name)?;
        u16::try_from(index).ok()
    }

    pub(super) fn client(&mut self, key: Key) -> Option<&mut Client> {
        self.clients
            .get_mut(key.index())?
            .as_mut()
            .filter(|client| client.key == key)
    }

    pub(super) fn add_client(&mut self, client: Client) {
        let index = client.key.index();
        if index >= self.clients.len() {
            self.clients.resize_with(index + 1, || None);
        }
        self.clients[index] = Some(client);
    }

    pub(super) fn remove_client(&mut self, key: Key) -> Option<Client> {
        self.clients.get_mut(key.index())?.take_if(|client| client.key == key)
    }

    pub(super) fn add_socket(
        &mut self,
        namespace: u16,
        session: Key,
        id: Id,
        recovery: Option<(Id, u64)>,
    ) -> SocketRef {
        let socket = self.sockets.insert(Socket {
            number: 0,
            namespace,
            session,
            id,
            rooms: Vec::new(),
            next_ack: 0,
            pending: Vec::new(),
            recovery,
        });
        let namespace = &mut self.namespaces[usize::from(namespace)];
        namespace.sockets.insert(id, socket);
        namespace.members.insert(socket);
        socket
    }

    pub(super) fn join(&mut self, socket: SocketRef, room: &str) -> bool {
        let max = self.options.max_rooms;
        let Some(found) = self.sockets.get_mut(socket) else {
            return false;
        };
        if found.rooms.iter().any(|other| &**other == room) {
            return true;
        }
        if found.rooms.len() >= max {
            return false;
        }
        found.rooms.push(room.into());
        let namespace = usize::from(found.namespace);
        let rooms = &mut self.namespaces[namespace].rooms;
        match rooms.get_mut(room) {
            Some(members) => {
                members.insert(socket);
            }
            None => {
                rooms.insert(room.into(), BTreeSet::from([socket]));
            }
        }
        true
    }

    pub(super) fn leave(&mut self, socket: SocketRef, room: &str) {
        if let Some(found) = self.sockets.get_mut(socket) {
            found.rooms.retain(|other| &**other != room);
            let namespace = found.namespace;
            self.leave_room(namespace, socket, room);
        }
    }

    /// A room exists while somebody is in it.
    fn leave_room(&mut self, namespace: u16, socket: SocketRef, room: &str) {
        let rooms = &mut self.namespaces[usize::from(namespace)].rooms;
        if let Some(members) = rooms.get_mut(room) {
            members.remove(&socket);
            if members.is_empty() {
                rooms.remove(room);
            }
        }
    }

    /// Removes a socket with all that belongs to it. The application is told later.
    pub(super) fn remove_socket(&mut self, socket: SocketRef, reason: LeaveReason, now: crate::timers::Time) {
        let Some(found) = self.sockets.remove(socket) else {
            return;
        };
        for room in &found.rooms {
            self.leave_room(found.namespace, socket, room);
        }
        for (timer, _) in found.pending {
            self.timers.remove(timer);
        }
        let namespace = &mut self.namespaces[usize::from(found.namespace)];
        namespace.sockets.remove(&found.id);
        namespace.members.remove(&socket);
        if let (true, Some(recovery), Some((secret, since))) =
            (reason.is_recoverable(), &mut namespace.recovery, found.recovery)
        {
            let forget = Due::Forget(found.namespace, secret);
            let timer = self.timers.insert(now + recovery.patience(), forget);
            if !recovery.save(secret, found.id, found.rooms.clone(), since, timer) {
                self.timers.remove(timer);
            }
        }
        if let Some(client) = self.client(found.session) {
            for (_, left) in &mut client.sockets {
                if *left == Some(socket) {
                    *left = None;
                }
            }
        }
        self.gone.push_back(Gone {
            socket,
            namespace: self.namespaces[usize::from(found.namespace)].name.clone(),
            id: found.id,
            rooms: found.rooms,
            reason,
        });
    }
}
