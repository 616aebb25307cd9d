//! An axum server with a page at `/` and an echo at `/ws`, on the same port.

mod support;
#[path = "support/axum.rs"]
mod upgrade;

use std::{process::ExitCode, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{Html, Response},
    routing::{any, get},
    serve::ListenerExt,
};
use support::{Options, listen::cannot_listen, program};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};
use upgrade::{Upgrade, WebSocket};
use websocket_proto::{CloseCode, Config, Error};

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
    let state = Echo {
        config: options.config(),
        shutdown: watch.clone(),
    };
    let router = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/ws", any(echo))
        .with_state(state);
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

async fn echo(State(echo): State<Echo>, upgrade: Upgrade) -> Response {
    let accept = support::accept(&upgrade.request);
    upgrade.on_upgrade(echo.config, Ok(accept), |websocket| serve(websocket, echo.shutdown))
}

async fn serve(mut websocket: WebSocket, mut shutdown: watch::Receiver<()>) -> Result<(), Error> {
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
