//! An axum server with a page at `/` and an echo at `/ws`, on the same port.

mod support;

use std::{process::ExitCode, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::{any, get},
    serve::ListenerExt,
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use support::{Options, listen::cannot_listen, program};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};
use websocket_proto::{CloseCode, Config, Error, Negotiated, handshake::UpgradeRequest, tokio::WebSocket};

const PAGE: &str = r#"<!doctype html>
<title>Echo</title>
<form><input autofocus> <button>Send</button></form>
<pre></pre>
<script>
    const [form, input, log] = ["form", "input", "pre"].map(name => document.querySelector(name));
    const socket = new WebSocket(`ws://${location.host}/ws`);
    socket.onmessage = event => log.append(event.data, "\n");
    form.onsubmit = event => {
        event.preventDefault();
        socket.send(input.value);
        input.value = "";
    };
</script>
"#;

#[derive(Clone)]
struct Echo {
    config: Config,
    /// Every connection holds a receiver, so that the sender sees when the last one is gone.
    shutdown: watch::Receiver<()>,
}

#[tokio::main(flavor = "current_thread")]
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

    let (shutdown, mut watch) = watch::channel(());
    let echo = Echo {
        config: options.config(),
        shutdown: watch.clone(),
    };
    let router = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/ws", any(upgrade))
        .with_state(echo);
    // Frames are written at once, and should leave at once.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        let _ = watch.changed().await;
    });
    tokio::spawn(server.into_future());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    shutdown.send_replace(());
    // Whoever has not closed by then is dropped with the runtime.
    let _ = timeout(Duration::from_secs(6), shutdown.closed()).await;
    Ok(())
}

/// Accepts, and echoes on the stream that there is once the response has been sent.
async fn upgrade(State(echo): State<Echo>, mut request: Request) -> Response {
    let upgrade_request = match UpgradeRequest::from_http(&request) {
        Ok(upgrade_request) => upgrade_request.configured(&echo.config),
        Err(error) => {
            return match error.response_http(request.version()) {
                Some(response) => response.map(|()| Body::empty()),
                None => StatusCode::BAD_REQUEST.into_response(),
            };
        }
    };
    let accepted = match upgrade_request.accept(support::accept(&upgrade_request)) {
        Ok(accepted) => accepted,
        Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    };
    let response = accepted.response_http().map(|()| Body::empty());
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Err(error) = serve(upgraded, &accepted.into_negotiated(), echo).await {
            eprintln!("{error}");
        }
    });
    response
}

async fn serve(upgraded: OnUpgrade, negotiated: &Negotiated, mut echo: Echo) -> Result<(), Error> {
    let stream = TokioIo::new(upgraded.await.map_err(std::io::Error::other)?);
    let mut websocket = WebSocket::from_negotiated(stream, negotiated, &echo.config);
    loop {
        tokio::select! {
            received = websocket.recv_split() => match received? {
                Some((message, outbound)) => outbound.feed(message)?,
                None => return Ok(()),
            },
            _ = echo.shutdown.changed() => return websocket.close(CloseCode::GOING_AWAY).await,
        }
    }
}
