//! An echo server on a runtime of its own: the async engine over a reactor of 200 lines.
//!
//! The crate has no shell for this runtime. [`transport`] makes one, by implementing `Transport` and `RuntimeTimer`; the
//! rest is as with the shells for tokio and futures-io.

mod reactor;
#[path = "../support/mod.rs"]
mod support;
mod transport;

use std::{
    future::poll_fn,
    io,
    process::ExitCode,
    rc::Rc,
    time::{Duration, Instant},
};

use async_channel::Receiver;
use async_executor::LocalExecutor;
use futures_lite::future;
use mio::{
    Interest,
    net::{TcpListener, TcpStream},
};
use reactor::{Alarm, Direction, Registered};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use support::{Options, listen::cannot_listen, program};
use transport::Io;
use websocket_proto::{CloseCode, Config, Error, asynchronous::Acceptor};

/// How long the peers have to close when the server ends.
const PATIENCE: Duration = Duration::from_secs(6);

fn main() -> ExitCode {
    let executor = LocalExecutor::new();
    let served = reactor::run(&executor, serve(&program::options(), &executor));
    program::exit(served.and_then(|served| served))
}

async fn serve(options: &Options, executor: &LocalExecutor<'_>) -> io::Result<()> {
    let listener = TcpListener::bind(options.addr).map_err(cannot_listen(options.addr))?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut listener = Registered::new(listener, Interest::READABLE)?;
    let mut signals = Registered::new(Signals::new([SIGINT, SIGTERM])?, Interest::READABLE)?;
    let config = Rc::new(options.config());
    // Nothing is ever sent: the channel closes when the server is to end.
    let (running, ended) = async_channel::bounded(1);
    // Each task has a sender. When the last one is gone, so are the tasks.
    let (task, all_gone) = async_channel::bounded::<()>(1);
    loop {
        let accepted = poll_fn(|cx| {
            listener
                .poll_io(Direction::Read, cx, |listener| listener.accept())
                .map(Some)
        });
        let stop = poll_fn(|cx| {
            let signal = signals.poll_io(Direction::Read, cx, |signals| {
                signals.pending().next().ok_or_else(|| io::ErrorKind::WouldBlock.into())
            });
            signal.map(|_| None)
        });
        match future::or(accepted, stop).await {
            Some(Ok((stream, _))) => {
                let (config, ended, task) = (Rc::clone(&config), ended.clone(), task.clone());
                let served = async move {
                    if let Err(error) = echo(stream, &config, &ended).await {
                        eprintln!("{error}");
                    }
                    drop(task);
                };
                executor.spawn(served).detach();
            }
            // Most likely there are too many open files. Other connections may end meanwhile.
            Some(Err(_)) => sleep(Duration::from_millis(10)).await,
            None => break,
        }
    }
    drop((listener, running, task));
    let all_gone = async {
        let _ = all_gone.recv().await;
    };
    future::or(all_gone, sleep(PATIENCE)).await;
    Ok(())
}

async fn sleep(duration: Duration) {
    let (due, mut alarm) = (Instant::now() + duration, Alarm::default());
    poll_fn(|cx| alarm.poll_until(due, cx)).await;
}

async fn echo(stream: TcpStream, config: &Config, ended: &Receiver<()>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut acceptor = Acceptor::<Io>::new(Io::new(stream)?, config);
    let stop = async {
        let _ = ended.recv().await;
        Ok(None)
    };
    let opening = async {
        let request = acceptor.recv_request().await?;
        acceptor.accept(&request, support::accept(&request)).await.map(Some)
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
