//! Connecting to a URI.

#[cfg(feature = "rustls")]
use alloc::sync::Arc;
use core::net::SocketAddr;
use std::{io, net::TcpStream};
#[cfg(unix)]
use std::{os::unix::net::UnixStream, path::PathBuf};

use async_io::Async;
#[cfg(feature = "rustls")]
use rustls::{ClientConfig, pki_types::ServerName};

use super::{Io, MaybeTls, WebSocket};
#[cfg(feature = "rustls")]
use crate::io::connect::Peer;
use crate::{
    error::Error,
    handshake::{ClientRequest, UpgradeResponse, Uri},
    io::connect::{
        ConnectOptions,
        asynchronous::{self, Runtime},
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
/// [`blocking::connect_with`](crate::blocking::connect_with). A name is looked up on a separate thread, which ends when
/// the system answers, even if the future is dropped before; the process does not wait for it when it ends.
///
/// # Errors
///
/// As for [`blocking::connect_with`](crate::blocking::connect_with), but `wss://` requires the `futures-rustls`
/// feature.
///
/// # Cancel safety
///
/// If the future is dropped before it completes, the connection is dropped.
pub fn connect_with(
    request: ClientRequest,
    options: &ConnectOptions,
) -> impl Future<Output = Result<(WebSocket<MaybeTls>, UpgradeResponse), Error>> + use<> {
    asynchronous::connect_with::<FuturesIo>(request, options)
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
    asynchronous::open_stream::<FuturesIo>(uri, options).await
}

struct FuturesIo;

impl Runtime for FuturesIo {
    type Stream = MaybeTls;
    type Transport = Io<MaybeTls>;

    const HAS_TLS: bool = cfg!(feature = "futures-rustls");

    async fn connect_tcp(address: SocketAddr) -> io::Result<MaybeTls> {
        let stream = Async::<TcpStream>::connect(address).await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(MaybeTls::of_tcp(stream))
    }

    #[cfg(unix)]
    async fn connect_unix(path: PathBuf) -> io::Result<MaybeTls> {
        Async::<UnixStream>::connect(path).await.map(MaybeTls::of_unix)
    }

    fn into_stream(transport: Io<MaybeTls>) -> MaybeTls {
        transport.into_stream()
    }

    #[cfg(feature = "futures-rustls")]
    async fn secure(
        stream: MaybeTls,
        peer: Peer,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    ) -> io::Result<MaybeTls> {
        let stream = futures_rustls::TlsConnector::from(config).connect(name, stream).await?;
        Ok(MaybeTls::of_tls(stream, peer))
    }

    /// `rustls` without `futures-rustls`. The missing TLS is reported before this is called.
    #[cfg(all(feature = "rustls", not(feature = "futures-rustls")))]
    async fn secure(_: MaybeTls, _: Peer, _: ServerName<'static>, _: Arc<ClientConfig>) -> io::Result<MaybeTls> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, not(feature = "futures-rustls")))]
mod tests {
    use super::*;

    #[test]
    fn a_missing_feature_is_reported_before_connecting() {
        let connected = async_io::block_on(connect("wss://localhost:1/"));
        assert!(matches!(connected, Err(Error::TlsUnavailable)));
    }
}
