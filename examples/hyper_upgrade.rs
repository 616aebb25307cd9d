//! A hyper server with ordinary routes and an echo on the same port: a page at `/`, and WebSocket connections at any path.
//!
//! Over HTTP/1.1 they are upgrades, over HTTP/2 extended CONNECT requests. With a certificate (`--tls-cert`, `--tls-key`), the
//! client chooses the version in TLS, like browsers do; without one, HTTP/2 requires prior knowledge.
//!
//! A browser opens a WebSocket over HTTP/2 only if it already has such a connection to the server: visit the page at `/` first.

#[path = "support/http2.rs"]
mod http2;
mod support;
#[path = "support/tls.rs"]
mod tls;

use std::{convert::Infallible, error::Error, io, process::ExitCode, time::Duration};

use clap::Parser;
use http_body_util::Full;
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    ext::Protocol,
    header::{CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION},
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use support::{listen::cannot_listen, program};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use websocket_proto::{
    CloseCode, Config, Negotiated,
    handshake::{Accepted, Rejection, UpgradeRequest},
    tokio::WebSocket,
};

const PAGE: &str = "<!doctype html><title>Echo</title><p>Connect to this server with a WebSocket, at any path.\n";

type Body = Full<Bytes>;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    echo: support::Options,

    #[command(flatten)]
    tls: tls::TlsOptions,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::exit(run(&program::options()).await)
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let tls = arguments.tls.acceptor(&http2::ALPN)?;
    let options = &arguments.echo;
    let listener = TcpListener::bind(options.addr)
        .await
        .map_err(cannot_listen(options.addr))?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    println!("listening on {scheme}://{}", listener.local_addr()?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    // Every connection holds a receiver, so the sender notices when the last one has ended.
    let (shutdown, watch) = watch::channel(());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that cannot be accepted does not affect the others.
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(serve_one(stream, tls.clone(), options.config(), watch.clone()));
                }
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    drop(watch);
    shutdown.send_replace(());
    // Connections that are still open then are dropped with the runtime.
    let _ = timeout(Duration::from_secs(6), shutdown.closed()).await;
    Ok(())
}

async fn serve_one(stream: TcpStream, tls: Option<TlsAcceptor>, config: Config, mut shutdown: watch::Receiver<()>) {
    // Frames are written at once, and should be sent at once.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return serve(stream, config, shutdown).await;
    };
    // TLS has the time of an opening handshake: hyper's own deadline starts after it.
    let patience = config.timers.handshake.unwrap_or(Duration::MAX);
    let accepted = tokio::select! {
        accepted = timeout(patience, tls.accept(stream)) => accepted.unwrap_or_else(|elapsed| Err(elapsed.into())),
        _ = shutdown.changed() => return,
    };
    match accepted {
        Ok(stream) => serve(stream, config, shutdown).await,
        Err(error) => eprintln!("{error}"),
    }
}

/// Serves the requests of one connection.
async fn serve<S>(stream: S, config: Config, mut shutdown: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let echo_shutdown = shutdown.clone();
    let service = service_fn(move |request| {
        let response = answer(request, &config, &echo_shutdown);
        async move { Ok::<_, Infallible>(response) }
    });
    let builder = http2::builder();
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        _ = shutdown.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        eprintln!("{error}");
    }
}

/// Answers a request, and starts an echo if it asks for a WebSocket.
fn answer(mut request: Request<Incoming>, config: &Config, shutdown: &watch::Receiver<()>) -> Response<Body> {
    let headers = request.headers();
    let upgrade_request = match request.extensions().get::<Protocol>() {
        Some(protocol) => UpgradeRequest::from_connect(&request, protocol.as_str()),
        // A request to upgrade to something else, such as h2c, is an ordinary one.
        None if headers.contains_key(SEC_WEBSOCKET_KEY) || headers.contains_key(SEC_WEBSOCKET_VERSION) => {
            UpgradeRequest::from_http(&request)
        }
        None => return page(&request),
    };
    match upgrade_request.map(|request| request.config(config)) {
        Ok(upgrade_request) => match upgrade_request.accept(support::accept(&upgrade_request)) {
            Ok(accepted) => upgrade(&mut request, accepted, config, shutdown),
            Err(error) => {
                eprintln!("{error}");
                error.response_http(request.version())
            }
        },
        Err(error) => error.response_http(request.version()),
    }
}

/// Accepts, and echoes on the stream that is available once the response has been sent.
fn upgrade(
    request: &mut Request<Incoming>,
    accepted: Accepted,
    config: &Config,
    shutdown: &watch::Receiver<()>,
) -> Response<Body> {
    let response = accepted.response_http();
    let upgraded = hyper::upgrade::on(request);
    let (config, shutdown) = (config.clone(), shutdown.clone());
    tokio::spawn(async move {
        if let Err(error) = echo(upgraded, &accepted.into_negotiated(), &config, shutdown).await {
            eprintln!("{error}");
        }
    });
    response
}

async fn echo(
    upgraded: OnUpgrade,
    negotiated: &Negotiated,
    config: &Config,
    mut shutdown: watch::Receiver<()>,
) -> Result<(), websocket_proto::Error> {
    let stream = TokioIo::new(upgraded.await.map_err(io::Error::other)?);
    let mut websocket = WebSocket::from_negotiated(stream, negotiated, config);
    loop {
        tokio::select! {
            received = websocket.recv_split() => match received? {
                Some((message, outbound)) => outbound.feed(message)?,
                None => return Ok(()),
            },
            _ = shutdown.changed() => return websocket.close(CloseCode::GOING_AWAY).await,
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
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}
