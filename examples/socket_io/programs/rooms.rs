//! Rooms that people talk in, by name: the same events for both programs.
//!
//! | event | what |
//! |---|---|
//! | `join` name room | enters the room, after leaving another one; the others get `join` name; acknowledged with the names there |
//! | `chat` text | all in the room get `chat` name text |
//! | `leave` | leaves the room; the others get `leave` name; acknowledged with `"ok"`. Disconnecting leaves, too |

use std::collections::HashMap;

use socket_io_server::socket::{ArgsBuf, Event, Io, SocketRef};

/// Everybody who is in a room, with name and room.
pub(crate) struct Rooms {
    namespace: &'static str,
    members: HashMap<SocketRef, (String, String)>,
}

impl Rooms {
    pub(crate) fn new(namespace: &'static str) -> Self {
        Self {
            namespace,
            members: HashMap::new(),
        }
    }

    pub(crate) fn event<A>(&mut self, io: &mut Io<'_, A>, socket: SocketRef, event: Event<'_>) {
        let mut answer = None;
        match event.name {
            "join" => {
                if let Some((name, rest)) = event.args.take::<String>() {
                    if let Some((room, _)) = rest.take::<String>() {
                        answer = self.enter(io, socket, name, room);
                    }
                }
            }
            "chat" => {
                let text = event.args.split_first();
                if let (Some((name, room)), Some(_)) = (self.members.get(&socket), text) {
                    let said = event.args.after(name);
                    io.to_room(self.namespace, room).emit("chat", said.as_args());
                }
            }
            "leave" => {
                self.leave(io, socket);
                answer = Some(ArgsBuf::new().push("ok"));
            }
            _ => {}
        }
        if let (Some(ack), Some(answer)) = (event.ack, answer) {
            io.answer(ack, answer.as_args());
        }
    }

    /// Returns the names of those who were there, unless the socket is in too many rooms.
    pub(crate) fn enter<A>(
        &mut self,
        io: &mut Io<'_, A>,
        socket: SocketRef,
        name: String,
        room: String,
    ) -> Option<ArgsBuf> {
        self.leave(io, socket);
        let mut names: Vec<&str> = io
            .members(self.namespace, &room)
            .filter_map(|member| self.members.get(&member))
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        let names = ArgsBuf::new().push(names);
        if !io.join(socket, &room) {
            return None;
        }
        let joined = ArgsBuf::new().push(&name);
        io.to_room(self.namespace, &room)
            .except(socket)
            .emit("join", joined.as_args());
        self.members.insert(socket, (name, room));
        Some(names)
    }

    /// Leaves the room, if it is in one.
    pub(crate) fn leave<A>(&mut self, io: &mut Io<'_, A>, socket: SocketRef) {
        if let Some((name, room)) = self.members.remove(&socket) {
            io.leave(socket, &room);
            let left = ArgsBuf::new().push(name);
            io.to_room(self.namespace, &room).emit("leave", left.as_args());
        }
    }
}
