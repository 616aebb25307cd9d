//! An echo server on the tokio shell: one task for each connection.

mod support;

use std::time::Duration;

use clap::Parser;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};
use websocket_proto::{CloseCode, Config, Error, tokio::WebSocket};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    echo: support::Options,

    /// Worker threads; without it, all connections share the main thread
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let runtime = match options.threads {
        None => runtime::Builder::new_current_thread().enable_all().build()?,
        Some(threads) => runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()?,
    };
    runtime.block_on(serve(&options.echo))
}

async fn serve(options: &support::Options) -> std::io::Result<()> {
    let listener = TcpListener::bind(options.addr).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    // Every connection holds a receiver, so that the sender sees when the last one is gone.
    let (shutdown, watch) = watch::channel(());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that fails to be accepted is no concern of the others.
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(run(stream, options.config(), watch.clone()));
                }
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    drop(watch);
    shutdown.send_replace(());
    // Whoever has not closed by then is dropped with the runtime.
    let _ = timeout(Duration::from_secs(6), shutdown.closed()).await;
    Ok(())
}

async fn run(stream: TcpStream, config: Config, shutdown: watch::Receiver<()>) {
    if let Err(error) = echo(stream, &config, shutdown).await {
        eprintln!("{error}");
    }
}

async fn echo(stream: TcpStream, config: &Config, mut shutdown: watch::Receiver<()>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut websocket = WebSocket::accept_with(stream, config, |request| Ok(support::accept(request))).await?;
    loop {
        // The message is lent, and what was sent leaves before the next wait. Both futures can be dropped safely.
        tokio::select! {
            received = websocket.recv_ref() => match received? {
                Some((message, outbound)) => outbound.send(message)?,
                None => return Ok(()),
            },
            _ = shutdown.changed() => return websocket.close(CloseCode::GOING_AWAY).await,
        }
    }
}
