//! Connections: a WebSocket begins with its handshake, and everything else is for an HTTP server.
//!
//! A client opens a connection for its WebSocket, so that the handshake is the first request on it. Then no HTTP server is
//! needed: this crate reads the handshake, its response leaves in one write with the first frames, and nothing of HTTP stays
//! in memory. Whatever is not such a handshake, or cannot be accepted, goes to hyper with what was read of it. It also serves
//! handshakes that follow other requests, which proxies may send.

use std::{convert::Infallible, pin::Pin, time::Duration};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use websocket_proto::{
    Config,
    handshake::{ServerHandshake, UpgradeRequest},
    tokio::ShutdownGuard,
};

use crate::{http::Body, replayed::Replayed};

/// The most that is buffered for the head of a request, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// What the head of a request mostly needs, in bytes.
const HEAD: usize = 512;

/// How long the head of the first request may take to arrive. hyper has the same limit for each.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// What answers the requests of connections.
pub trait Routes: Send + Sync + 'static {
    /// Answers a request.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;

    /// Returns what takes the WebSockets of a path, as an [`Endpoint`](crate::http::Endpoint) does. Without it, each
    /// handshake is a request to [`answer`](Self::answer).
    fn websockets(&self, path: &str) -> Option<&dyn TakeWebSockets> {
        let _ = path;
        None
    }
}

impl<H, F> Routes for H
where
    H: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send,
{
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self(request).await
    }
}

/// Takes WebSockets whose handshake was the first request of their connection.
pub trait TakeWebSockets: Send + Sync {
    /// Accepts a handshake. Returns `None` for one that is to be refused with an answer.
    fn take(&self, request: UpgradeRequest) -> Option<Taken>;
}

/// Carries an accepted WebSocket over its stream.
pub type Taken = Box<dyn FnOnce(TcpStream, ShutdownGuard) -> Carried + Send>;

/// Done when the WebSocket is closed.
pub type Carried = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves a connection until the client closes it, or until shutdown and the end of its last request.
pub async fn serve(mut stream: TcpStream, mut guard: ShutdownGuard, routes: &impl Routes) {
    let read = guard.unless_requested(timeout(HEAD_TIMEOUT, read_head(&mut stream)));
    let Some(Ok(Some(read))) = read.await else { return };
    match take(&read, routes) {
        Some(taken) => {
            drop(read);
            taken(stream, guard).await;
        }
        // Boxed, since a WebSocket would reserve space for it.
        None => Box::pin(serve_http(Replayed::new(stream, read), guard, routes)).await,
    }
}

/// Reads until the first request may be complete, or is not a handshake. Returns `None` if the client has gone.
async fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::with_capacity(HEAD);
    loop {
        let searched = read.len().saturating_sub(3);
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return (!read.is_empty()).then_some(read);
        }
        let is_handshake = b"GET ".iter().zip(&read).all(|(expected, byte)| expected == byte);
        // Mostly it ends with what was read.
        let is_complete = read.ends_with(b"\r\n\r\n") || read[searched..].windows(4).any(|end| end == b"\r\n\r\n");
        if !is_handshake || is_complete || read.len() >= MAX_HEAD {
            return Some(read);
        }
    }
}

/// Accepts a handshake, if that is what was read. What is wrong with one is for the HTTP server to say.
fn take(read: &[u8], routes: &impl Routes) -> Option<Taken> {
    let path = read.strip_prefix(b"GET ")?;
    let path = &path[..path.iter().position(|byte| b"? \r\n".contains(byte))?];
    let websockets = routes.websockets(std::str::from_utf8(path).ok()?)?;
    let mut lines = read.split(|&byte| byte == b'\n');
    let is_upgrade = |line: &[u8]| {
        line.get(..8)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"upgrade:"))
    };
    if !lines.any(is_upgrade) {
        return None;
    }
    let request = ServerHandshake::new(&Config::new()).receive(read).ok()??;
    websockets.take(request)
}

async fn serve_http(stream: Replayed, mut guard: ShutdownGuard, routes: &impl Routes) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(routes.answer(request).await) });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).max_buf_size(MAX_HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    // How a connection ends is of no concern here: its sessions notice.
    let _ = tokio::select! {
        served = &mut connection => served,
        () = guard.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}
