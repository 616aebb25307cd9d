//! Chat rooms, with a web page at `/` and the rooms below `/rooms/` on the same port.
//!
//! Messages are text. The first line of a message from the server names the speaker, and is empty for the server's own messages;
//! the rest is the text. The first message of a client is its name, and each further one is sent to the room.
//!
//! A message is compressed once, and sent to all connections of the room without a copy. A client that reads too slowly is
//! disconnected (1013), and may reconnect.

#[path = "support/listen.rs"]
mod listen;
#[path = "support/program.rs"]
mod program;

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clap::Parser;
use http_body_util::Full;
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use listen::cannot_listen;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
};
use websocket_proto::{
    CloseCode, Config, DeflateConfig, Error, Limits, Negotiated, PreparedMessage, Timers,
    handshake::{Accept, OriginPolicy, Rejection, UpgradeRequest},
    tokio::{Broadcast, Shutdown, ShutdownGuard, Subscription, SubscriptionEnd, WebSocket, WhenSlow},
};

/// Messages that may be queued for a client, in addition to those that its connection has queued.
const BACKLOG: usize = 64;

/// The most that a client's connection queues. A client that reads nothing is noticed when this and the backlog are full.
const HIGH_WATER: usize = 64 << 10;

/// Most characters of a name, or of the name of a room.
const MAX_NAME: usize = 32;

const PAGE: &str = include_str!("support/chat.html");

/// The page only needs itself and the connection to this server.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'";

type Body = Full<Bytes>;
type Socket = WebSocket<TokioIo<hyper::upgrade::Upgraded>>;

/// Lets people chat in rooms.
#[derive(Parser)]
struct Options {
    /// Address to listen on; with port 0 the system picks one
    #[arg(long, default_value = "127.0.0.1:9001")]
    addr: SocketAddr,

    /// Largest message that is accepted, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 10)]
    max_message_size: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::exit(run(&program::options()).await)
}

async fn run(options: &Options) -> std::io::Result<()> {
    let listener = TcpListener::bind(options.addr)
        .await
        .map_err(cannot_listen(options.addr))?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let chat = Arc::new(Chat::new(options));
    let shutdown = chat.shutdown.clone();
    tokio::select! {
        () = shutdown.serve(listener, |stream, _, guard| serve(Arc::clone(&chat), stream, guard)) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    let outcome = shutdown.finish(Duration::from_secs(6)).await;
    if !outcome.is_graceful() {
        eprintln!("{} connections were dropped", outcome.dropped);
    }
    Ok(())
}

/// What all connections share.
struct Chat {
    rooms: Mutex<HashMap<String, Broadcast>>,
    config: Config,
    deflate: DeflateConfig,
    shutdown: Shutdown,
}

impl Chat {
    fn new(options: &Options) -> Self {
        let deflate = DeflateConfig::context_takeover();
        let limits = Limits::new()
            .max_message_size(options.max_message_size)
            .max_frame_size(options.max_message_size)
            .output_high_water(HIGH_WATER);
        let timers = Timers::new().keepalive(Duration::from_secs(30));
        Self {
            rooms: Mutex::default(),
            config: Config::new().limits(limits).timers(timers).deflate(deflate),
            deflate,
            shutdown: Shutdown::new(),
        }
    }

    /// A room exists while it has members.
    fn join(self: &Arc<Self>, room: &str) -> Member {
        let mut rooms = self.rooms();
        let broadcast = rooms.entry(room.to_owned()).or_default().clone();
        Member {
            subscription: Some(broadcast.subscribe(BACKLOG, WhenSlow::Disconnect)),
            broadcast,
            room: room.to_owned(),
            chat: Arc::clone(self),
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<String, Broadcast>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A member of a room, which leaves the room when it is dropped.
struct Member {
    /// Always present until the drop.
    subscription: Option<Subscription>,
    broadcast: Broadcast,
    room: String,
    chat: Arc<Chat>,
}

impl Member {
    async fn say(&self, who: &str, what: &str) {
        let message = PreparedMessage::text(format!("{who}\n{what}")).deflated(self.chat.deflate);
        // No member of the room is waited for.
        self.broadcast.send(&message).await;
    }

    async fn recv(&mut self) -> Result<PreparedMessage, SubscriptionEnd> {
        match &mut self.subscription {
            Some(subscription) => subscription.recv().await,
            None => Err(SubscriptionEnd::Closed),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut rooms = self.chat.rooms();
        self.subscription = None;
        if self.broadcast.receivers() == 0 {
            rooms.remove(&self.room);
        }
    }
}

/// Serves the requests of one connection.
async fn serve(chat: Arc<Chat>, stream: TcpStream, mut guard: ShutdownGuard) {
    let service = service_fn(|request| {
        let response = answer(&chat, request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = guard.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        eprintln!("{error}");
    }
}

/// Answers a request, and opens a connection to a room if requested.
fn answer(chat: &Arc<Chat>, mut request: Request<Incoming>) -> Response<Body> {
    let Some(room) = request.uri().path().strip_prefix("/rooms/") else {
        return page(&request);
    };
    let room = room.to_owned();
    let upgrade_request = match UpgradeRequest::from_http(&request) {
        Ok(upgrade_request) => upgrade_request.config(&chat.config),
        Err(error) => return error.response_http(request.version()),
    };
    if !is_room(&room) {
        let rejection = Rejection::new(404).body("Rooms are named with a-z, 0-9 and -.\n");
        return rejection.response_http(request.version());
    }
    // Other web sites must not open connections in the name of this site's users.
    if upgrade_request.check_origin(&OriginPolicy::same_origin()).is_err() {
        return Rejection::new(403).response_http(request.version());
    }
    let Ok(accepted) = upgrade_request.accept(Accept::new()) else {
        return Rejection::new(500).response_http(request.version());
    };
    let response = accepted.response_http();
    let upgraded = hyper::upgrade::on(&mut request);
    let chat = Arc::clone(chat);
    chat.shutdown.clone().spawn(|guard| async move {
        if let Err(error) = visit(&chat, &room, upgraded, &accepted.into_negotiated(), guard).await {
            eprintln!("{error}");
        }
    });
    response
}

fn is_room(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_allowed)
}

/// Serves a connection from the upgrade to its end.
async fn visit(
    chat: &Arc<Chat>,
    room: &str,
    upgraded: OnUpgrade,
    negotiated: &Negotiated,
    mut guard: ShutdownGuard,
) -> Result<(), Error> {
    let stream = TokioIo::new(upgraded.await.map_err(std::io::Error::other)?);
    let mut websocket = WebSocket::from_negotiated(stream, negotiated, &chat.config);
    let first = match guard.unless_requested(websocket.recv()).await {
        Some(first) => first?,
        None => return websocket.close(CloseCode::GOING_AWAY).await,
    };
    let Some(first) = first else { return Ok(()) };
    let Some(name) = first.as_text().and_then(name_of) else {
        return websocket.close(CloseCode::POLICY).await;
    };
    let mut member = chat.join(room);
    member
        .say(
            "",
            &format!("{name} has joined ({} here)", member.broadcast.receivers()),
        )
        .await;
    let talked = talk(&mut websocket, &mut member, &name, &mut guard).await;
    // The remaining members are informed, however it ended.
    member.subscription = None;
    member
        .say("", &format!("{name} has left ({} here)", member.broadcast.receivers()))
        .await;
    websocket.close(talked?).await
}

/// A client's name, in one line and without characters that would affect how other lines are displayed.
fn name_of(text: &str) -> Option<String> {
    let name: String = text.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Passes messages on in both directions. Returns the code to close with.
async fn talk(
    websocket: &mut Socket,
    member: &mut Member,
    name: &str,
    guard: &mut ShutdownGuard,
) -> Result<CloseCode, Error> {
    loop {
        tokio::select! {
            received = websocket.recv_split() => match received? {
                Some((message, _)) => match message.as_text() {
                    Some(text) => member.say(name, text).await,
                    None => return Ok(CloseCode::UNSUPPORTED),
                },
                None => return Ok(CloseCode::NORMAL),
            },
            next = member.recv() => match next {
                // It is written in the next turn of the loop.
                Ok(message) => {
                    let Some(subscription) = &mut member.subscription else { continue };
                    match subscription.unless_too_slow(websocket.feed(&message)).await {
                        Some(fed) => fed?,
                        None => return Ok(SubscriptionEnd::TooSlow.close_code()),
                    }
                }
                Err(end) => return Ok(end.close_code()),
            },
            () = guard.requested() => return Ok(CloseCode::GOING_AWAY),
        }
    }
}

/// The ordinary routes.
fn page(request: &Request<Incoming>) -> Response<Body> {
    if request.uri().path() != "/" {
        return Rejection::new(404).response_http(request.version());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Rejection::new(405)
            .header("Allow", "GET, HEAD")
            .response_http(request.version());
    }
    let mut response = Response::new(Body::from(PAGE));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    response
}
