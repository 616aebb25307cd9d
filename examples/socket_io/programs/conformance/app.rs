//! What the server does with each event.

use std::time::Duration;

use socket_io_server::socket::{App, Args, ArgsBuf, Connect, Event, Gone, Id, Io, NoAnswer, Refused, SocketRef};

use serde_json::json;
use websocket_proto::tokio::Shutdown;

use crate::rooms::Rooms;

pub(crate) const NAMESPACES: [&str; 4] = ["/", "/custom", "/admin", "/chat"];

/// The longest delay of `later`, in seconds.
const MAX_DELAY: f64 = 600.0;

/// The most events of one `burst`, and the most bytes of one `blob`.
const MAX_BURST: u64 = 100_000;
const MAX_BLOB: usize = 8 << 20;

type Context<'i> = Io<'i, Conformance>;

/// The application of the conformance server.
pub(crate) struct Conformance {
    ack_timeout: Duration,
    /// Sockets that want to know who leaves.
    monitors: Vec<SocketRef>,
    rooms: Rooms,
    /// Knows the tasks of all connections.
    shutdown: Shutdown,
}

impl Conformance {
    pub(crate) fn new(ack_timeout: Duration, shutdown: Shutdown) -> Self {
        Self {
            ack_timeout,
            monitors: Vec::new(),
            rooms: Rooms::new("/chat"),
            shutdown,
        }
    }
}

impl App for Conformance {
    fn admit(&mut self, _: &mut Context<'_>, request: &Connect<'_>) -> Result<(), Refused> {
        #[derive(serde::Deserialize)]
        struct Auth {
            token: String,
        }

        match request.namespace {
            "/admin" if request.auth::<Auth>().is_none_or(|auth| auth.token != "secret") => {
                Err(Refused("not authorized".into()))
            }
            _ => Ok(()),
        }
    }

    fn connected(&mut self, io: &mut Context<'_>, socket: SocketRef, request: &Connect<'_>) {
        if matches!(request.namespace, "/" | "/custom") {
            io.to(socket).emit("auth", ArgsBuf::raw(request.auth).as_args());
        }
    }

    fn event(&mut self, io: &mut Context<'_>, socket: SocketRef, event: Event<'_>) {
        match io.namespace(socket) {
            Some("/") => self.main(io, socket, event),
            Some("/custom") if event.name == "message" => io.to(socket).emit("message-back", event.args),
            Some("/admin") => self.admin(io, event),
            Some("/chat") => self.rooms.event(io, socket, event),
            _ => {}
        }
    }

    fn disconnected(&mut self, io: &mut Context<'_>, gone: &Gone) {
        match &*gone.namespace {
            "/" => {
                self.monitors.retain(|&monitor| monitor != gone.socket);
                let left = ArgsBuf::new().push(gone.id.to_string()).push(gone.reason.as_str());
                for &monitor in &self.monitors {
                    io.to(monitor).emit("left", left.as_args());
                }
            }
            "/chat" => self.rooms.leave(io, gone.socket),
            _ => {}
        }
    }
}

impl Conformance {
    /// The events of `/`.
    fn main(&mut self, io: &mut Context<'_>, socket: SocketRef, event: Event<'_>) {
        let Event { name, args, ack } = event;
        let answer = match name {
            "join" | "leave" | "to-room" | "in-room" | "broadcast" | "all" | "private" => {
                to_others(io, socket, name, args)
            }
            "burst" | "blob" | "later" => {
                to_itself(io, socket, name, args);
                None
            }
            _ => self.about_itself(io, socket, name, args),
        };
        if let (Some(ack), Some(answer)) = (ack, answer) {
            io.answer(ack, answer.as_args());
        }
    }

    /// Events that are answered, and what ends the socket. Returns the answer, for a client that asks for it.
    fn about_itself(&mut self, io: &mut Context<'_>, socket: SocketRef, name: &str, args: Args<'_>) -> Option<ArgsBuf> {
        match name {
            "message" => io.to(socket).emit("message-back", args),
            "message-with-ack" => return Some(args.to_owned()),
            "ask" => {
                let patience = self.ack_timeout;
                io.ask(socket, "question", args, patience, move |_, io, answer| match answer {
                    Ok(args) => io.to(socket).emit("answer", args),
                    Err(NoAnswer) => io.to(socket).emit("answer-timeout", Args::NONE),
                });
            }
            "whoami" => return io.id(socket).map(|id| ArgsBuf::new().push(id.to_string())),
            "kick" => {
                let close = args.take().is_some_and(|(close, _)| close);
                io.disconnect(socket, close);
            }
            "monitor" => {
                if !self.monitors.contains(&socket) {
                    self.monitors.push(socket);
                }
                return Some(ok());
            }
            _ => {}
        }
        None
    }

    /// The events of `/admin`.
    fn admin(&self, io: &mut Context<'_>, event: Event<'_>) {
        match (event.name, event.ack) {
            ("count", Some(ack)) => io.answer(ack, ArgsBuf::new().push(io.count("/")).as_args()),
            ("counts", Some(ack)) => io.answer(ack, self.counts(io).as_args()),
            ("all", _) => io.to_all("/admin").emit("news", event.args),
            _ => {}
        }
    }

    /// What exists, so that a test can see that sessions which break leave nothing.
    fn counts(&self, io: &Context<'_>) -> ArgsBuf {
        let (engine, server) = io.counts();
        ArgsBuf::new().push(json!({
            "sessions": engine.sessions,
            "requests": engine.requests,
            "sockets": server.sockets,
            "rooms": server.rooms,
            "timers": engine.timers + server.timers,
            "tasks": self.shutdown.tasks(),
        }))
    }
}

/// Events that go to others, and rooms. Returns the answer, for a client that asks for it.
fn to_others(io: &mut Context<'_>, socket: SocketRef, name: &str, args: Args<'_>) -> Option<ArgsBuf> {
    match name {
        "broadcast" => io.to_all("/").except(socket).emit("news", args),
        "all" => io.to_all("/").emit("news", args),
        "private" => private(io, socket, args),
        _ => {
            let (room, _) = args.take::<String>()?;
            match name {
                "join" => return io.join(socket, &room).then(ok),
                "leave" => {
                    io.leave(socket, &room);
                    return Some(ok());
                }
                "to-room" => io.to_room("/", &room).except(socket).emit("room", args),
                _ => io.to_room("/", &room).emit("room", args),
            }
        }
    }
    None
}

/// Events that the socket gets: many, a long one, a late one.
fn to_itself(io: &mut Context<'_>, socket: SocketRef, name: &str, args: Args<'_>) {
    match name {
        "burst" => {
            let (count, _) = args.take().unwrap_or((0, args));
            for number in 0..MAX_BURST.min(count) {
                io.to(socket).emit("n", ArgsBuf::new().push(number).as_args());
            }
        }
        "blob" => {
            let (len, _) = args.take().unwrap_or((0, args));
            let blob = ArgsBuf::new().push_bytes(vec![0; MAX_BLOB.min(len)]);
            io.to(socket).emit("blob", blob.as_args());
        }
        _ => {
            let Some((delay, rest)) = args.take::<f64>() else {
                return;
            };
            let delay = Duration::from_secs_f64((delay / 1000.0).clamp(0.0, MAX_DELAY));
            let rest = rest.to_owned();
            io.after(socket, delay, move |_, io| {
                io.to(socket).emit("later", rest.as_args());
            });
        }
    }
}

fn private(io: &mut Context<'_>, socket: SocketRef, args: Args<'_>) {
    let Some((id, rest)) = args.take::<String>() else {
        return;
    };
    if let (Some(to), Some(from)) = (Id::parse(&id), io.id(socket)) {
        io.to_id("/", to)
            .emit("private", rest.after(from.to_string()).as_args());
    }
}

fn ok() -> ArgsBuf {
    ArgsBuf::new().push("ok")
}
