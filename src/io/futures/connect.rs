//! Connecting to a URI.

use alloc::{boxed::Box, sync::Arc};
use core::{
    future::poll_fn,
    net::SocketAddr,
    task::{Poll, Waker},
};
use std::{
    io,
    net::TcpStream,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use async_io::Async;
#[cfg(feature = "rustls")]
use rustls::{ClientConfig, pki_types::ServerName};

use super::{Io, MaybeTls, WebSocket};
use crate::{
    error::{Error, ProxyError},
    handshake::{ClientRequest, UpgradeResponse, Uri},
    io::connect::{
        ConnectOptions, Proxy,
        asynchronous::{self, Attempt, Runtime},
    },
};

/// Connects to a `ws` or `wss` URI and opens a connection, with default settings.
///
/// `wss://` requires the `futures-rustls` feature.
///
/// ```no_run
/// use websocket_proto::{CloseCode, futures::connect};
///
/// # async fn run() -> Result<(), websocket_proto::Error> {
/// let mut websocket = connect("ws://localhost:9001/chat").await?;
/// websocket.send("hello").await?;
/// if let Some(message) = websocket.recv().await? {
///     println!("{}", message.as_text().unwrap_or("(binary)"));
/// }
/// websocket.close(CloseCode::NORMAL).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As for [`connect_with`], and [`Error::Uri`].
///
/// # Cancel safety
///
/// If the future is dropped before it completes, the connection is dropped.
pub async fn connect(uri: &str) -> Result<WebSocket<MaybeTls>, Error> {
    let (websocket, _) = connect_with(uri.parse()?, &ConnectOptions::new()).await?;
    Ok(websocket)
}

/// Connects to the request's host and opens a connection. Returns the server's response along with the connection.
///
/// This works on any executor. Addresses are tried in the same way as by
/// [`tokio::connect_with`](crate::tokio::connect_with). A name is looked up on a separate thread, which ends when the
/// system answers, even if the future is dropped before.
///
/// # Errors
///
/// As for [`blocking::connect_with`](crate::blocking::connect_with), but `wss://` requires the `futures-rustls`
/// feature, and the name look-up is bounded in time as well.
///
/// # Cancel safety
///
/// If the future is dropped before it completes, the connection is dropped.
pub fn connect_with(
    request: ClientRequest,
    options: &ConnectOptions,
) -> impl Future<Output = Result<(WebSocket<MaybeTls>, UpgradeResponse), Error>> + use<> {
    let attempt = Attempt::new(request, options);
    // Boxed. Otherwise all the state of connecting would be part of the caller's future for as long as the connection
    // lasts.
    Box::pin(async move { attempt?.connect::<FuturesIo>().await })
}

/// Opens a stream to the host of a URI, with TLS for `wss`. Sends nothing of the opening handshake.
///
/// Pass the stream to [`WebSocket::client_with`](crate::asynchronous::WebSocket::client_with) or a
/// [`Connector`](super::Connector).
///
/// # Errors
///
/// The errors of [`connect_with`] that occur before the opening handshake.
///
/// # Cancel safety
///
/// If the future is dropped before it completes, the stream is dropped.
pub async fn open_stream(uri: &Uri, options: &ConnectOptions) -> Result<MaybeTls, Error> {
    Box::pin(asynchronous::open_stream::<FuturesIo>(uri, options)).await
}

struct FuturesIo;

impl Runtime for FuturesIo {
    type Tcp = Async<TcpStream>;
    type Hop = Io<Async<TcpStream>>;
    type Stream = MaybeTls;
    type Transport = Io<MaybeTls>;

    const HAS_TLS: bool = cfg!(feature = "futures-rustls");

    const SOCKS: Result<(), ProxyError> = Err(ProxyError::SocksUnsupported);

    async fn connect(address: SocketAddr) -> io::Result<Async<TcpStream>> {
        let stream = Async::<TcpStream>::connect(address).await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(stream)
    }

    fn plain(tcp: Async<TcpStream>) -> MaybeTls {
        MaybeTls::plain(tcp)
    }

    fn into_tcp(hop: Io<Async<TcpStream>>) -> Async<TcpStream> {
        hop.into_stream()
    }

    async fn unblock<V: Send + 'static>(work: impl FnOnce() -> V + Send + 'static) -> io::Result<V> {
        unblock(work)?.await
    }

    async fn through_socks(_: &Proxy, _: Async<TcpStream>, _: &Uri) -> Result<Async<TcpStream>, Error> {
        Err(ProxyError::SocksUnsupported.into())
    }

    #[cfg(feature = "futures-rustls")]
    async fn secure(
        tcp: Async<TcpStream>,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    ) -> io::Result<MaybeTls> {
        let stream = futures_rustls::TlsConnector::from(config).connect(name, tcp).await?;
        Ok(MaybeTls::tls(stream))
    }

    /// `rustls` without `futures-rustls`. The missing TLS is reported before this is called.
    #[cfg(all(feature = "rustls", not(feature = "futures-rustls")))]
    async fn secure(_: Async<TcpStream>, _: ServerName<'static>, _: Arc<ClientConfig>) -> io::Result<MaybeTls> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The result of a thread, and the task that waits for it.
struct Work<V> {
    value: Option<V>,
    is_over: bool,
    waiter: Option<Waker>,
}

/// Runs a blocking function on a separate thread.
fn unblock<V: Send + 'static>(
    work: impl FnOnce() -> V + Send + 'static,
) -> io::Result<impl Future<Output = io::Result<V>> + Send> {
    let ours = Arc::new(Mutex::new(Work {
        value: None,
        is_over: false,
        waiter: None,
    }));
    let theirs = Over(Arc::clone(&ours));
    thread::Builder::new().spawn(move || {
        let value = work();
        lock(&theirs.0).value = Some(value);
    })?;
    Ok(poll_fn(move |cx| {
        let mut work = lock(&ours);
        match (work.value.take(), work.is_over) {
            (Some(value), _) => Poll::Ready(Ok(value)),
            (None, true) => Poll::Ready(Err(io::Error::other("the thread panicked"))),
            (None, false) => {
                work.waiter = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }))
}

/// Wakes the waiting task when a thread is over, even after a panic.
struct Over<V>(Arc<Mutex<Work<V>>>);

impl<V> Drop for Over<V> {
    fn drop(&mut self) {
        let mut work = lock(&self.0);
        work.is_over = true;
        let waiter = work.waiter.take();
        drop(work);
        waiter.into_iter().for_each(Waker::wake);
    }
}

fn lock<V>(work: &Mutex<Work<V>>) -> MutexGuard<'_, Work<V>> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_runs_elsewhere() {
        let here = thread::current().id();
        let there = async_io::block_on(unblock(|| thread::current().id()).expect("a thread"));
        assert_ne!(there.expect("no panic"), here);
        // A panic is reported as an error, and leaves no task waiting.
        let lost = async_io::block_on(unblock(|| panic!("as expected")).expect("a thread"));
        assert!(lost.is_err());
        // The result need not be waited for.
        drop(unblock(|| 1).expect("a thread"));
    }

    #[cfg(not(feature = "futures-rustls"))]
    #[test]
    fn a_missing_feature_is_reported_before_connecting() {
        let connected = async_io::block_on(connect("wss://localhost:1/"));
        assert!(matches!(connected, Err(Error::TlsUnavailable)));
    }
}
