//! A server without I/O, on a virtual clock, and clients that speak to it in packets.

use std::{
    task::{Context, Waker},
    time::Duration,
};

use socket_io_server::{
    engine::{Counts, Data, Drain, Engine, Key, Refusal, Service, Settings, WebSocketId, packet, payload},
    socket::{App, Args, ArgsBuf, Connect, Event, Gone, Io, Options, Refused, Server, ServerCounts, SocketRef},
};

/// An application with an event for everything that the tests need.
#[derive(Default)]
pub(crate) struct TestApp {
    /// Who has left, and why.
    pub(crate) gone: Vec<(String, &'static str)>,
    /// Every event and answer, in order.
    pub(crate) heard: Vec<String>,
}

/// How many events of 1 MiB `blobs` emits.
pub(crate) const BLOBS: usize = 32;

pub(crate) const NAMESPACES: [&str; 3] = ["/", "/other", "/closed"];

impl App for TestApp {
    fn admit(&mut self, _: &mut Io<'_, Self>, request: &Connect<'_>) -> Result<(), Refused> {
        match request.namespace {
            "/closed" => Err(Refused("closed".into())),
            _ => Ok(()),
        }
    }

    fn connected(&mut self, io: &mut Io<'_, Self>, socket: SocketRef, request: &Connect<'_>) {
        io.to(socket).emit("auth", ArgsBuf::raw(request.auth).as_args());
    }

    fn event(&mut self, io: &mut Io<'_, Self>, socket: SocketRef, event: Event<'_>) {
        self.heard.push(format!("{} {}", event.name, event.args.json()));
        let text = event.args.take::<String>().map(|(text, _)| text).unwrap_or_default();
        match (event.name, event.ack) {
            ("echo", Some(ack)) => io.answer(ack, event.args),
            ("echo", None) => io.to(socket).emit("echo", event.args),
            ("all", _) => io.to_all("/").except(socket).emit("all", event.args),
            ("join", _) => {
                io.join(socket, &text);
            }
            ("room", _) => io.to_room("/", &text).emit("room", event.args),
            ("kick", _) => io.disconnect(socket, text == "close"),
            ("compressed", _) => io.to(socket).emit(event.name, event.args),
            ("uncompressed", _) => io.to(socket).compress(false).emit(event.name, event.args),
            ("blobs", _) => {
                for _ in 0..BLOBS {
                    io.to(socket)
                        .emit("blob", ArgsBuf::new().push("x".repeat(1 << 20)).as_args());
                }
            }
            ("volatile", _) => io.to_all("/").volatile().emit("volatile", event.args),
            ("ask", _) => {
                let patience = Duration::from_secs(1);
                io.ask(socket, "question", event.args, patience, |app: &mut Self, _, answer| {
                    app.heard.push(format!("answer {}", answer.map_or("none", Args::json)));
                });
            }
            ("later", _) => {
                io.after(socket, Duration::from_secs(60), |app: &mut Self, _| {
                    app.heard.push("later".into())
                });
            }
            _ => {}
        }
    }

    fn disconnected(&mut self, _: &mut Io<'_, Self>, gone: &Gone) {
        self.gone.push((gone.id.to_string(), gone.reason.as_str()));
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) server: Server<TestApp>,
    now: Duration,
}

/// A session with its WebSocket, if it has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) key: Key,
    pub(crate) websocket: Option<WebSocketId>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default(), Options::default())
    }

    pub(crate) fn with(settings: Settings, options: Options) -> Self {
        Self {
            engine: Engine::new(settings),
            server: Server::new(options, &NAMESPACES, TestApp::default()),
            now: Duration::ZERO,
        }
    }

    /// Reports the sessions that have ended, as the hub does.
    fn settle(&mut self) {
        while let Some((key, reason)) = self.engine.next_ended() {
            self.server.ended(&mut self.engine, key, reason);
        }
    }

    /// Opens a session over polling. Returns its secret id, too.
    pub(crate) fn polling(&mut self) -> (Client, String) {
        let (key, _) = self.engine.open(false).expect("randomness");
        self.server.opened(&mut self.engine, key);
        let handshake = self.answer(key).expect("handshake");
        let sid = handshake.split('"').nth(3).expect("sid").to_owned();
        assert_eq!(self.engine.find(&sid), Some(key));
        (Client { key, websocket: None }, sid)
    }

    /// Opens a session over a WebSocket.
    pub(crate) fn websocket(&mut self) -> Client {
        let (key, websocket) = self.engine.open(true).expect("randomness");
        self.server.opened(&mut self.engine, key);
        let client = Client { key, websocket };
        assert_eq!(self.frames(client).len(), 1, "the handshake");
        client
    }

    /// Opens a session over a WebSocket, and joins `/`. Returns the socket's id, too.
    pub(crate) fn joined(&mut self) -> (Client, String) {
        let client = self.websocket();
        self.send(client, "40");
        let frames = self.frames(client);
        assert_eq!(frames[1], "42[\"auth\",{}]");
        (client, id_of(&frames[0]))
    }

    pub(crate) fn connect(&mut self, key: Key) -> Client {
        let websocket = self.engine.connect(key);
        Client { key, websocket }
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, client: Client, packet: &str) {
        let websocket = client.websocket.expect("a WebSocket");
        let data = self.engine.frame(client.key, websocket, packet::Packet::parse(packet));
        self.deliver(client.key, data);
    }

    /// Sends a binary frame.
    pub(crate) fn send_binary(&mut self, client: Client, bytes: &[u8]) {
        let packet = packet::Packet::Message(Data::Binary(bytes.to_vec().into()));
        let websocket = client.websocket.expect("a WebSocket");
        let data = self.engine.frame(client.key, websocket, Ok(packet));
        self.deliver(client.key, data);
    }

    /// Posts a payload.
    pub(crate) fn post(&mut self, key: Key, body: &str) -> Result<(), Refusal> {
        self.engine.post(key)?;
        self.engine.posted(key);
        for packet in payload::parse(body.as_bytes()).expect("UTF-8") {
            let data = self.engine.receive(key, packet);
            self.deliver(key, data);
        }
        self.settle();
        Ok(())
    }

    fn deliver(&mut self, key: Key, data: Option<Data<'_>>) {
        if let Some(data) = data {
            self.server.received(&mut self.engine, key, data);
        }
        self.settle();
    }

    /// Polls. Returns the answer, if it does not wait.
    pub(crate) fn poll(&mut self, key: Key) -> Result<Option<String>, Refusal> {
        let polled = self.engine.poll(key);
        self.settle();
        polled?;
        Ok(self.answer(key))
    }

    /// Returns the answer to the poll that waits.
    pub(crate) fn answer(&mut self, key: Key) -> Option<String> {
        let answer = self.engine.poll_answer(key, &Context::from_waker(Waker::noop()));
        self.settle();
        answer
    }

    /// Takes everything that is queued for a WebSocket; binary messages are shown as `b` and their bytes.
    pub(crate) fn frames(&mut self, client: Client) -> Vec<String> {
        self.drain(client).0
    }

    pub(crate) fn drain(&mut self, client: Client) -> (Vec<String>, Drain) {
        let mut frames = Vec::new();
        let websocket = client.websocket.expect("a WebSocket");
        let cx = Context::from_waker(Waker::noop());
        let drain = self.engine.drain(client.key, websocket, &cx, |message| {
            frames.push(match message.kind() {
                websocket_proto::MessageKind::Text => String::from_utf8_lossy(message.as_bytes()).into_owned(),
                websocket_proto::MessageKind::Binary => format!("b{:?}", message.as_bytes()),
            });
            true
        });
        self.settle();
        (frames, drain)
    }

    /// Advances the time, and fires each timer when it is due.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let next = [self.engine.deadline(), self.server.deadline()]
                .into_iter()
                .flatten()
                .min();
            self.now = next.unwrap_or(end).clamp(self.now, end);
            self.engine.set_now(self.now);
            self.engine.handle_timeout();
            self.server.handle_timeout(&mut self.engine);
            self.settle();
            if next.is_none_or(|next| next > end) {
                return;
            }
        }
    }

    pub(crate) fn counts(&self) -> (Counts, ServerCounts) {
        (self.engine.counts(), self.server.counts())
    }

    pub(crate) fn assert_empty(&self) {
        assert_eq!(self.counts(), (Counts::default(), ServerCounts::default()));
    }
}

/// The id in the answer to a CONNECT.
pub(crate) fn id_of(answer: &str) -> String {
    answer.split('"').nth(3).expect("sid").to_owned()
}
