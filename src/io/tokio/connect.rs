//! Connecting to a URI.

#[cfg(feature = "rustls")]
use alloc::sync::Arc;
use core::net::SocketAddr;
use std::io;
#[cfg(unix)]
use std::path::PathBuf;

use ::tokio::net::TcpStream;
#[cfg(unix)]
use ::tokio::net::UnixStream;
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
/// `wss://` requires the `tokio-rustls` feature.
///
/// ```no_run
/// use websocket_proto::{CloseCode, tokio::connect};
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
/// ```no_run
/// use websocket_proto::{ConnectOptions, handshake::ClientRequest, tokio::connect_with};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let request: ClientRequest = "ws://example.com/chat".parse()?;
/// let request = request.header("Authorization", "Bearer c2VjcmV0");
/// let (websocket, response) = connect_with(request, &ConnectOptions::new().redirects(5)).await?;
/// println!("{:?}", response.headers().get("Server"));
/// # Ok(())
/// # }
/// ```
///
/// The addresses of a host are tried in the order of the system, alternating between IPv4 and IPv6. Each attempt has a
/// quarter of a second before the next one starts alongside it ([RFC 8305]). `TCP_NODELAY` is set. [RFC 6455 §4.1]
/// allows only one connection at a time to be in the opening handshake for each address: a client that opens many
/// connections to one host should open them one after another.
///
/// A name is looked up on a separate thread, which ends when the system answers, even if the future is dropped before.
/// Neither the runtime nor the process waits for it when they end.
///
/// # Errors
///
/// As for [`blocking::connect_with`](crate::blocking::connect_with), but `wss://` requires the `tokio-rustls` feature.
///
/// # Cancel safety
///
/// If the future is dropped before it completes, the connection is dropped.
///
/// [RFC 8305]: https://www.rfc-editor.org/rfc/rfc8305
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
pub fn connect_with(
    request: ClientRequest,
    options: &ConnectOptions,
) -> impl Future<Output = Result<(WebSocket<MaybeTls>, UpgradeResponse), Error>> + use<> {
    asynchronous::connect_with::<Tokio>(request, options)
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
    asynchronous::open_stream::<Tokio>(uri, options).await
}

struct Tokio;

impl Runtime for Tokio {
    type Stream = MaybeTls;
    type Transport = Io<MaybeTls>;

    const HAS_TLS: bool = cfg!(feature = "tokio-rustls");

    async fn connect_tcp(address: SocketAddr) -> io::Result<MaybeTls> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(MaybeTls::of_tcp(stream))
    }

    #[cfg(unix)]
    async fn connect_unix(path: PathBuf) -> io::Result<MaybeTls> {
        UnixStream::connect(path).await.map(MaybeTls::of_unix)
    }

    fn into_stream(transport: Io<MaybeTls>) -> MaybeTls {
        transport.into_stream()
    }

    #[cfg(feature = "tokio-rustls")]
    async fn secure(
        stream: MaybeTls,
        peer: Peer,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    ) -> io::Result<MaybeTls> {
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await?;
        Ok(MaybeTls::of_tls(stream, peer))
    }

    /// `rustls` without `tokio-rustls`. The missing TLS is reported before this is called.
    #[cfg(all(feature = "rustls", not(feature = "tokio-rustls")))]
    async fn secure(_: MaybeTls, _: Peer, _: ServerName<'static>, _: Arc<ClientConfig>) -> io::Result<MaybeTls> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, not(feature = "tokio-rustls")))]
mod tests {
    use super::*;

    #[test]
    fn a_missing_feature_is_reported_before_connecting() {
        let runtime = ::tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let connected = runtime.block_on(connect("wss://localhost:1/"));
        assert!(matches!(connected, Err(Error::TlsUnavailable)));
    }
}
