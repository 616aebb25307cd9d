//! An echo server on compio, a runtime whose operations own their buffers: io_uring on Linux, IOCP on Windows.
//!
//! The crate has no shell for compio. [`transport`] makes one, by implementing `Transport` and `RuntimeTimer`; the rest is as
//! with the shells for tokio and futures-io.

#[path = "../support/mod.rs"]
mod support;
mod transport;

use std::{io, process::ExitCode, rc::Rc, thread, time::Duration};

use async_channel::Receiver;
use compio::{
    net::{TcpListener, TcpStream},
    runtime::{Runtime, spawn},
    time::{sleep, timeout},
};
use futures_lite::future;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use support::{Options, listen::cannot_listen, program};
use transport::Io;
use websocket_proto::{CloseCode, Config, Error, asynchronous::Acceptor};

/// How long the peers have to close when the server ends.
const PATIENCE: Duration = Duration::from_secs(6);

fn main() -> ExitCode {
    program::exit(run(&program::options()))
}

fn run(options: &Options) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    // Nothing is ever sent: the channel closes when the server is to end.
    let (running, ended) = async_channel::bounded(1);
    thread::spawn(move || {
        signals.forever().next();
        drop(running);
    });
    Runtime::new()?.block_on(serve(options, ended))
}

async fn serve(options: &Options, ended: Receiver<()>) -> io::Result<()> {
    let listener = TcpListener::bind(options.addr)
        .await
        .map_err(cannot_listen(options.addr))?;
    println!("listening on ws://{}", listener.local_addr()?);
    let config = Rc::new(options.config());
    // Each task has a sender. When the last one is gone, so are the tasks.
    let (task, all_gone) = async_channel::bounded::<()>(1);
    loop {
        let accepted = async { Some(listener.accept().await) };
        let stop = async {
            let _ = ended.recv().await;
            None
        };
        match future::or(accepted, stop).await {
            Some(Ok((stream, _))) => {
                let (config, ended, task) = (Rc::clone(&config), ended.clone(), task.clone());
                spawn(async move {
                    if let Err(error) = echo(stream, &config, &ended).await {
                        eprintln!("{error}");
                    }
                    drop(task);
                })
                .detach();
            }
            // Most likely there are too many open files. Other connections may end meanwhile.
            Some(Err(_)) => sleep(Duration::from_millis(10)).await,
            None => break,
        }
    }
    drop((listener, task));
    let _ = timeout(PATIENCE, all_gone.recv()).await;
    Ok(())
}

async fn echo(stream: TcpStream, config: &Config, ended: &Receiver<()>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut acceptor = Acceptor::<Io>::new(Io::new(stream), config);
    let opening = async {
        let request = acceptor.recv_request().await?;
        acceptor.accept(&request, support::accept(&request)).await.map(Some)
    };
    let stop = async {
        let _ = ended.recv().await;
        Ok::<_, Error>(None)
    };
    let Some(mut websocket) = future::or(opening, stop).await? else {
        return Ok(());
    };
    loop {
        // The message is lent, and what was sent leaves before the next wait. Both futures can be dropped safely.
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
