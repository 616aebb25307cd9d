//! The namespace `/chat`: who is in which room, by name.

use std::collections::HashMap;

use socket_io_server::socket::{ArgsBuf, Event, Io, SocketRef};

use crate::app::{Conformance, ok};

type Context<'i> = Io<'i, Conformance>;

/// Everybody who is in a room, with name and room.
#[derive(Default)]
pub(crate) struct Chat {
    members: HashMap<SocketRef, (String, String)>,
}

impl Chat {
    pub(crate) fn event(&mut self, io: &mut Context<'_>, socket: SocketRef, event: Event<'_>) {
        let mut answer = None;
        match event.name {
            "join" => {
                let name = event.args.take::<String>();
                let room = name.and_then(|(name, rest)| Some((name, rest.take::<String>()?.0)));
                answer = room.and_then(|(name, room)| self.join(io, socket, name, room));
            }
            "chat" => {
                let text = event.args.split_first();
                if let (Some((name, room)), Some(_)) = (self.members.get(&socket), text) {
                    io.to_room("/chat", room).emit("chat", event.args.after(name).as_args());
                }
            }
            "leave" => {
                self.leave(io, socket);
                answer = Some(ok());
            }
            _ => {}
        }
        if let (Some(ack), Some(answer)) = (event.ack, answer) {
            io.answer(ack, answer.as_args());
        }
    }

    /// Returns the names of those who were there.
    fn join(&mut self, io: &mut Context<'_>, socket: SocketRef, name: String, room: String) -> Option<ArgsBuf> {
        self.leave(io, socket);
        let members = io
            .members("/chat", &room)
            .filter_map(|member| self.members.get(&member));
        let mut names: Vec<String> = members.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        if !io.join(socket, &room) {
            return None;
        }
        let joined = ArgsBuf::new().push(&name);
        io.to_room("/chat", &room).except(socket).emit("join", joined.as_args());
        self.members.insert(socket, (name, room));
        Some(ArgsBuf::new().push(names))
    }

    /// Leaves the room, if it is in one.
    pub(crate) fn leave(&mut self, io: &mut Context<'_>, socket: SocketRef) {
        if let Some((name, room)) = self.members.remove(&socket) {
            io.leave(socket, &room);
            let left = ArgsBuf::new().push(name);
            io.to_room("/chat", &room).emit("leave", left.as_args());
        }
    }
}
