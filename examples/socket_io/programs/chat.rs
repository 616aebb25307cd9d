//! A chat on Socket.IO, with its page at `/` on the same port.
//!
//! The page uses the official client of Socket.IO, which `--client FILE` provides: npm's `socket.io-client` has it as
//! `dist/socket.io.min.js`. The page shows which transport is used, how often it has reconnected, and the latency. A client
//! that is lost for less than two minutes comes back with its room and with what it has missed.

#[path = "../../support/listen.rs"]
mod listen;
#[path = "../../support/program.rs"]
mod program;
#[path = "rooms.rs"]
mod rooms;
#[path = "serving.rs"]
mod serving;

use std::{error::Error, fs, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue},
};
use rooms::Rooms;
use socket_io_server::{
    connection,
    engine::Settings,
    http::{Body, Endpoint},
    hub::Hub,
    socket::{App, Args, Connect, Event, Gone, Io, Options as SocketOptions, Refused, Server, SocketRef},
};
use websocket_proto::{DeflateConfig, tokio::Shutdown};

/// The longest name of a person or a room, in characters.
const MAX_NAME: usize = 32;

/// The longest message, in bytes with everything around it.
const MAX_MESSAGE: usize = 16 << 10;

/// How long a client that was lost may come back to where it was.
const RECOVERY: Duration = Duration::from_secs(120);

/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(6);

const PAGE: &str = include_str!("chat.html");

/// The page is all that it needs, but for the client and the connection to this server.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self' 'unsafe-inline'; \
                           connect-src 'self'; base-uri 'none'";

/// Lets people talk to each other in rooms, over Socket.IO.
#[derive(Parser)]
struct Options {
    /// Address to listen on; with port 0 the system picks one
    #[arg(long, default_value = "127.0.0.1:9001")]
    addr: SocketAddr,

    /// The official client, for the page: dist/socket.io.min.js of npm's socket.io-client
    #[arg(long, value_name = "FILE")]
    client: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::exit(run(&program::options()).await)
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let client = match &options.client {
        Some(path) => Some(fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?),
        None => None,
    };
    let deflate = DeflateConfig::context_takeover();
    let mut settings = Settings::default();
    settings.max_payload = MAX_MESSAGE;
    let mut sockets = SocketOptions::default();
    sockets.recovery = Some(RECOVERY);
    sockets.deflate = Some(deflate);
    let (hub, _clock) = Hub::new(settings, Server::new(sockets, &["/"], Chat::new()));
    let shutdown = Shutdown::new();
    let config = connection::config(&settings).deflate(deflate);
    let routes = Arc::new(Routes {
        sockets: Endpoint::new(Arc::clone(&hub), config, shutdown.clone()),
        client: client.map(Bytes::from),
    });
    serving::serve_until_signal(options.addr, &shutdown, move |request| {
        let routes = Arc::clone(&routes);
        async move { routes.answer(request).await }
    })
    .await?;
    hub.close_all();
    let outcome = shutdown.finish(GRACE).await;
    if !outcome.is_graceful() {
        eprintln!("{} connections were dropped", outcome.dropped);
    }
    Ok(())
}

struct Routes {
    sockets: Endpoint<Server<Chat>>,
    client: Option<Bytes>,
}

impl Routes {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let body = match (request.uri().path(), &self.client) {
            ("/socket.io/", _) => return self.sockets.answer(request).await,
            ("/", _) => Body::from(PAGE),
            // Where the reference has it.
            ("/socket.io/socket.io.js", Some(client)) => Body::new(client.clone()),
            _ => return serving::not_found(),
        };
        let mut response = Response::new(body);
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            response = Response::new(Body::default());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let headers = response.headers_mut();
        if request.uri().path() == "/" {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
        }
        response
    }
}

/// The events of [`Rooms`], with names that are fit to be shown, and `latency`, which is answered at once.
struct Chat {
    rooms: Rooms,
}

/// What a client says of itself. It is in the room as soon as it is connected, also when it comes back.
#[derive(serde::Deserialize)]
struct Auth {
    name: String,
    room: Option<String>,
}

impl Chat {
    fn new() -> Self {
        Self { rooms: Rooms::new("/") }
    }
}

impl App for Chat {
    fn admit(&mut self, _: &mut Io<'_, Self>, request: &Connect<'_>) -> Result<(), Refused> {
        match request.auth::<Auth>() {
            Some(auth) if is_name(&auth.name) && auth.room.as_deref().is_none_or(is_name) => Ok(()),
            _ => Err(Refused("names have 1 to 32 characters".into())),
        }
    }

    fn connected(&mut self, io: &mut Io<'_, Self>, socket: SocketRef, request: &Connect<'_>) {
        let Some(Auth { name, room: Some(room) }) = request.auth() else {
            return;
        };
        if let Some(names) = self.rooms.enter(io, socket, name, room) {
            io.to(socket).emit("here", names.as_args());
        }
    }

    fn event(&mut self, io: &mut Io<'_, Self>, socket: SocketRef, event: Event<'_>) {
        match (event.name, event.ack) {
            ("latency", Some(ack)) => io.answer(ack, Args::NONE),
            ("join", _) if !are_names(event.args) => {}
            (name, ack) => {
                let event = Event { name, ack, ..event };
                self.rooms.event(io, socket, event);
            }
        }
    }

    fn disconnected(&mut self, io: &mut Io<'_, Self>, gone: &Gone) {
        self.rooms.leave(io, gone.socket);
    }
}

fn are_names(args: Args<'_>) -> bool {
    let name = args.take::<String>();
    let room = name.and_then(|(name, rest)| is_name(&name).then(|| rest.take::<String>())?);
    room.is_some_and(|(room, _)| is_name(&room))
}

/// A name is one line, without what would change the look of others' lines.
fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.chars().count()) && !name.trim().is_empty() && !name.chars().any(char::is_control)
}
