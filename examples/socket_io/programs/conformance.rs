//! A server for test suites and clients of others, which behaves as `README.md` says. Settings are environment variables.

#[path = "../../support/listen.rs"]
mod listen;
#[path = "../../support/program.rs"]
#[allow(dead_code, reason = "this program has no command line")]
mod program;

#[path = "conformance/app.rs"]
mod app;
#[path = "conformance/chat.rs"]
mod chat;
#[path = "conformance/settings.rs"]
mod settings;

use std::{error::Error, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use app::Conformance;
use hyper::{Request, Response, StatusCode, body::Incoming, header::CONTENT_TYPE};
use listen::cannot_listen;
use settings::Variables;
use socket_io_server::{
    connection,
    engine::{Data, Engine, Key, Reason, Service, Unit},
    http::{Body, Endpoint, serve},
    hub::Hub,
    socket::Server,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use websocket_proto::{PreparedMessage, tokio::Shutdown};

const PAGE: &str = "<!doctype html>\n<title>Socket.IO</title>\n<p>A server for test suites of Socket.IO.\n";

/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(6);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::exit(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let variables = Variables::read()?;
    let addr = SocketAddr::from(([127, 0, 0, 1], variables.port));
    // On Unix, this sets `SO_REUSEADDR`: a server that was killed can be started again on its port.
    let listener = TcpListener::bind(addr).await.map_err(cannot_listen(addr))?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let settings = variables.engine();
    let app = Conformance::new(variables.ack_timeout);
    let server = Server::new(variables.socket(), &app::NAMESPACES, app);
    let (hub, _clock) = Hub::new(settings, server);
    let (echo_hub, _echo_clock) = Hub::new(settings, Echo);
    let shutdown = Shutdown::new();
    let config = connection::config(&settings);
    let routes = Arc::new(Routes {
        sockets: Endpoint::new(Arc::clone(&hub), config.clone(), shutdown.clone()),
        echo: Endpoint::new(Arc::clone(&echo_hub), config, shutdown.clone()),
    });
    println!("listening on http://{}", listener.local_addr()?);
    tokio::select! {
        () = shutdown.serve(listener, |stream, _, guard| {
            let routes = Arc::clone(&routes);
            serve(stream, guard, move |request| {
                let routes = Arc::clone(&routes);
                async move { routes.answer(request).await }
            })
        }) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    shutdown.request();
    hub.close_all();
    echo_hub.close_all();
    let outcome = shutdown.finish(GRACE).await;
    if !outcome.is_graceful() {
        eprintln!("{} connections were dropped", outcome.dropped);
    }
    Ok(())
}

struct Routes {
    sockets: Endpoint<Server<Conformance>>,
    echo: Endpoint<Echo>,
}

impl Routes {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/socket.io/" => self.sockets.answer(request).await,
            "/engine.io/" => self.echo.answer(request).await,
            "/" => {
                let mut page = Response::new(Body::from(PAGE));
                let html = hyper::header::HeaderValue::from_static("text/html; charset=utf-8");
                page.headers_mut().insert(CONTENT_TYPE, html);
                page
            }
            _ => {
                let mut response = Response::new(Body::from("not found\n"));
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
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
