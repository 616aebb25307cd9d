//! A server for test suites and clients of others. Its settings are environment variables; `../README.md` lists them.

#[path = "conformance/app.rs"]
mod app;
#[path = "../../support/listen.rs"]
mod listen;
#[path = "rooms.rs"]
mod rooms;
#[path = "serving.rs"]
mod serving;
#[path = "conformance/settings.rs"]
mod settings;

use std::{error::Error, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use app::Conformance;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
};
use settings::Variables;
use socket_io_server::{
    connection,
    engine::{Data, Engine, Key, Reason, Service, Unit},
    http::{Body, Endpoint},
    hub::Hub,
    serve::{Routes, TakeWebSockets},
    socket::Server,
};
use websocket_proto::{PreparedMessage, tokio::Shutdown};

const PAGE: &str = "<!doctype html>\n<title>Socket.IO</title>\n<p>A server for test suites of Socket.IO.\n";

/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(6);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let variables = Variables::read()?;
    let settings = variables.engine();
    let shutdown = Shutdown::new();
    let app = Conformance::new(variables.ack_timeout, shutdown.clone());
    let server = Server::new(variables.socket(), &app::NAMESPACES, app);
    let (hub, _clock) = Hub::new(settings, server);
    let (echo_hub, _echo_clock) = Hub::new(settings, Echo);
    let config = connection::config(&settings);
    let routes = Paths {
        sockets: Endpoint::new(Arc::clone(&hub), config.clone(), shutdown.clone()),
        echo: Endpoint::new(Arc::clone(&echo_hub), config, shutdown.clone()),
    };
    let addr = SocketAddr::from(([127, 0, 0, 1], variables.port));
    serving::serve_until_signal(addr, &shutdown, routes).await?;
    hub.close_all();
    echo_hub.close_all();
    let outcome = shutdown.finish(GRACE).await;
    if !outcome.is_graceful() {
        eprintln!("{} connections were dropped", outcome.dropped);
    }
    Ok(())
}

struct Paths {
    sockets: Endpoint<Server<Conformance>>,
    echo: Endpoint<Echo>,
}

impl Routes for Paths {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/socket.io/" => self.sockets.answer(request).await,
            "/engine.io/" => self.echo.answer(request).await,
            "/" => {
                let mut page = Response::new(Body::from(PAGE));
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                page.headers_mut().insert(CONTENT_TYPE, html);
                page
            }
            _ => serving::not_found(),
        }
    }

    fn websockets(&self, path: &str) -> Option<&dyn TakeWebSockets> {
        match path {
            "/socket.io/" => Some(&self.sockets),
            "/engine.io/" => Some(&self.echo),
            _ => None,
        }
    }
}

/// Plain Engine.IO: each message is sent back as it is.
struct Echo;

impl Service for Echo {
    fn opened(&mut self, _: &mut Engine, _: Key) {}

    fn received(&mut self, engine: &mut Engine, session: Key, data: Data<'_>) {
        let message = match data {
            Data::Text(text) => PreparedMessage::text(format!("4{text}")),
            Data::Binary(bytes) => PreparedMessage::binary(bytes),
        };
        engine.send(session, Unit::One(message), false);
    }

    fn ended(&mut self, _: &mut Engine, _: Key, _: Reason) {}
}
