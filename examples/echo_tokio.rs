//! An echo server on the tokio shell: one task for each connection.

mod support;

use std::time::Duration;

use clap::Parser;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    signal::unix::{SignalKind, signal},
};
use websocket_proto::{
    CloseCode, Config, Error,
    tokio::{Shutdown, ShutdownGuard, WebSocket},
};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    echo: support::Options,

    /// Worker threads; without it, all connections share the main thread
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let runtime = match arguments.threads {
        None => runtime::Builder::new_current_thread().enable_all().build()?,
        Some(threads) => runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()?,
    };
    runtime.block_on(serve(&arguments.echo))
}

async fn serve(options: &support::Options) -> std::io::Result<()> {
    let listener = TcpListener::bind(options.addr).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let shutdown = Shutdown::new();
    tokio::select! {
        () = shutdown.serve(listener, |stream, guard| run(stream, options.config(), guard)) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // A little longer than a closing handshake may take.
    let outcome = shutdown.finish(Duration::from_secs(6)).await;
    if !outcome.is_graceful() {
        eprintln!("{} connections were dropped", outcome.dropped);
    }
    Ok(())
}

async fn run(stream: TcpStream, config: Config, guard: ShutdownGuard) {
    if let Err(error) = echo(stream, &config, guard).await {
        eprintln!("{error}");
    }
}

async fn echo(stream: TcpStream, config: &Config, mut guard: ShutdownGuard) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let opening = WebSocket::accept_with(stream, config, |request| Ok(support::accept(request)));
    let Some(opened) = guard.unless_requested(opening).await else {
        return Ok(());
    };
    let mut websocket = opened?;
    loop {
        // The message is lent, and what was sent leaves before the next wait. Both futures can be dropped safely.
        tokio::select! {
            received = websocket.recv_ref() => match received? {
                Some((message, outbound)) => outbound.send(message)?,
                None => return Ok(()),
            },
            () = guard.requested() => return websocket.close(CloseCode::GOING_AWAY).await,
        }
    }
}
