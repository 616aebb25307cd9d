//! What the scenarios share: sockets, peers, tasks and time.

use std::{
    future::{Future, poll_fn},
    io::Read,
    net::{TcpListener, TcpStream},
    pin::pin,
    thread,
    time::Duration,
};

use futures_util::{
    future::{Either, LocalBoxFuture, select},
    stream::{FuturesUnordered, StreamExt},
};
use websocket_proto::{
    Config, Error, Negotiated, Role, Time,
    asynchronous::{RuntimeTimer, Transport},
    blocking,
};

use crate::shell::{Shell, WebSocket};

/// Longer than anything takes that makes progress.
const HANG: Duration = Duration::from_secs(30);

pub(crate) const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Runs a scenario on the runtime of a shell.
pub(crate) fn run<S: Shell>(scenario: impl Future<Output = ()>) {
    S::run(async {
        assert!(within::<S, _>(HANG, scenario).await.is_some(), "a hang");
    });
}

/// Waits, by the timer of the shell.
pub(crate) async fn sleep<S: Shell>(duration: Duration) {
    let mut timer = <<S::Io as Transport>::Timer as RuntimeTimer>::new();
    let due = Time::from_origin(timer.now().since(Time::ZERO) + duration);
    poll_fn(|cx| timer.poll_until(due, cx)).await;
}

/// Drops a future after some time.
pub(crate) async fn within<S: Shell, T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(sleep::<S>(limit))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// Runs tasks until all are done. Each has a waker of its own, so that one that is not woken stands still.
pub(crate) async fn tasks<T>(tasks: impl IntoIterator<Item = LocalBoxFuture<'_, T>>) -> Vec<T> {
    tasks.into_iter().collect::<FuturesUnordered<_>>().collect().await
}

/// Two connected sockets. Reading from the second one fails rather than hang.
pub(crate) fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    for socket in [&near, &far] {
        socket.set_nodelay(true).unwrap();
    }
    far.set_read_timeout(Some(HANG)).unwrap();
    (near, far)
}

/// An open connection of the shell, over a socket.
pub(crate) fn open<S: Shell>(socket: TcpStream, role: Role, config: &Config) -> WebSocket<S> {
    WebSocket::<S>::from_negotiated(S::wrap(socket).unwrap(), &Negotiated::new(role), config)
}

/// A server of the shell, and the socket of a client.
pub(crate) fn server<S: Shell>(config: &Config) -> (WebSocket<S>, TcpStream) {
    let (near, far) = sockets();
    (open::<S>(near, Role::Server, config), far)
}

/// A client and a server of the shell, connected to each other.
pub(crate) fn pair<S: Shell>(config: &Config) -> (WebSocket<S>, WebSocket<S>) {
    let (near, far) = sockets();
    (
        open::<S>(near, Role::Client, config),
        open::<S>(far, Role::Server, config),
    )
}

/// A peer in a thread, with the blocking shell, which sends every message back.
pub(crate) fn echo(socket: TcpStream, role: Role) -> thread::JoinHandle<Result<(), Error>> {
    thread::spawn(move || {
        let mut websocket = blocking::WebSocket::from_negotiated(socket, &Negotiated::new(role), &Config::new());
        while let Some(message) = websocket.recv()? {
            websocket.send(message)?;
        }
        Ok(())
    })
}

/// Waits for a thread. Meanwhile the runtime has its turns, as some need to close a socket.
pub(crate) async fn ended<S: Shell, T>(thread: thread::JoinHandle<T>) -> T {
    while !thread.is_finished() {
        sleep::<S>(millis(1)).await;
    }
    thread.join().unwrap()
}

/// Everything that a socket receives until its end.
pub(crate) fn read_all(mut socket: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    bytes
}
