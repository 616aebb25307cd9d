//! An echo server with the futures-io shell, on the smol executor: one task per connection.

mod support;

use std::{io, process::ExitCode, time::Duration};

use async_io::Timer;
use async_net::{TcpListener, TcpStream};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use smol::{
    channel::{self, Receiver},
    future::{self, FutureExt},
};
use support::{Options, listen::cannot_listen, program};
use websocket_proto::{CloseCode, Config, Error, futures::WebSocket};

fn main() -> ExitCode {
    program::exit(run(&program::options()))
}

fn run(options: &Options) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    // Nothing is ever sent: the channel closes when the server must end.
    let (running, ended) = channel::bounded(1);
    std::thread::spawn(move || {
        signals.forever().next();
        drop(running);
    });
    smol::block_on(serve(options, &ended))
}

async fn serve(options: &Options, ended: &Receiver<()>) -> io::Result<()> {
    let listener = TcpListener::bind(options.addr)
        .await
        .map_err(cannot_listen(options.addr))?;
    println!("listening on ws://{}", listener.local_addr()?);
    let executor = smol::Executor::new();
    let accept_all = async {
        loop {
            // A connection that cannot be accepted does not affect the others.
            if let Ok((stream, _)) = listener.accept().await {
                executor
                    .spawn(serve_one(stream, options.config(), ended.clone()))
                    .detach();
            }
        }
    };
    executor
        .run(accept_all.or(async {
            let _ = ended.recv().await;
        }))
        .await;
    // Connections that are still open then are dropped with the executor.
    let all_gone = async {
        while !executor.is_empty() {
            executor.tick().await;
        }
    };
    all_gone
        .or(async {
            Timer::after(Duration::from_secs(6)).await;
        })
        .await;
    Ok(())
}

async fn serve_one(stream: TcpStream, config: Config, ended: Receiver<()>) {
    if let Err(error) = echo(stream, &config, &ended).await {
        eprintln!("{error}");
    }
}

async fn echo(stream: TcpStream, config: &Config, ended: &Receiver<()>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let (mut websocket, _) =
        WebSocket::accept_with(stream, config, async |request| Ok(support::accept(request))).await?;
    loop {
        // The message is lent, and the echo is written before the next wait. Both futures can be dropped safely.
        let received = async { websocket.recv_split().await.map(Some) };
        let stop = async {
            let _ = ended.recv().await;
            Ok(None)
        };
        match future::or(received, stop).await? {
            Some(Some((message, outbound))) => outbound.feed(message)?,
            Some(None) => return Ok(()),
            None => return websocket.close(CloseCode::GOING_AWAY).await,
        }
    }
}
