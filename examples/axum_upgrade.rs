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
};
use upgrade::{Upgrade, WebSocket};
use websocket_proto::{
    CloseCode, Config, Error,
    tokio::{Shutdown, ShutdownGuard},
};

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
    shutdown: Shutdown,
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

    let shutdown = Shutdown::new();
    let state = Echo {
        config: options.config(),
        shutdown: shutdown.clone(),
    };
    let router = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/ws", any(echo))
        .with_state(state);
    // Frames are written at once, and should be sent at once.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let mut guard = shutdown.guard();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move { guard.requested().await });
    tokio::spawn(server.into_future());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // Waits for the connections, because each holds a guard. Connections that are still open then are dropped with the runtime.
    let _ = shutdown.finish(Duration::from_secs(6)).await;
    Ok(())
}

async fn echo(State(echo): State<Echo>, upgrade: Upgrade) -> Response {
    let accept = support::accept(&upgrade.request);
    let guard = echo.shutdown.guard();
    upgrade.on_upgrade(echo.config, Ok(accept), |websocket| serve(websocket, guard))
}

async fn serve(mut websocket: WebSocket, mut guard: ShutdownGuard) -> Result<(), Error> {
    loop {
        tokio::select! {
            received = websocket.recv_split() => match received? {
                Some((message, outbound)) => outbound.feed(message)?,
                None => return Ok(()),
            },
            () = guard.requested() => return websocket.close(CloseCode::GOING_AWAY).await,
        }
    }
}
