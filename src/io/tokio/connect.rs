//! From a URI to a connection.

use alloc::boxed::Box;
use core::future::{Future, poll_fn};
use std::io::{self, IoSlice};

use ::tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{Connector, Io, MaybeTls, WebSocket, dial};
use crate::{
    config::Config,
    error::{Error, Phase, ProxyError},
    handshake::{ClientRequest, UpgradeResponse},
    io::{
        asynchronous::Transport,
        connect::{Plan, Proxy, Tunnel, builder},
    },
};

/// Connects to a `ws` or `wss` URI and opens a connection, with default settings. `wss://` requires the
/// `tokio-rustls` feature.
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
/// As for [`Connect::connect`], and [`Error::Uri`].
///
/// # Cancel safety
///
/// Dropped before it completes, the connection is dropped with it.
pub async fn connect(uri: &str) -> Result<WebSocket<MaybeTls>, Error> {
    connect_with(uri.parse::<ClientRequest>()?, &Config::new()).await
}

/// Connects to the host of the request and opens a connection. For everything else that can be chosen, see [`Connect`].
///
/// # Errors
///
/// As for [`Connect::connect`].
///
/// # Cancel safety
///
/// Dropped before it completes, the connection is dropped with it.
pub async fn connect_with(request: ClientRequest, config: &Config) -> Result<WebSocket<MaybeTls>, Error> {
    let (websocket, _) = Connect::new(request).config(config).connect().await?;
    Ok(websocket)
}

/// How to get to a server: limits, trust, a proxy, redirects.
///
/// ```no_run
/// use core::time::Duration;
/// use websocket_proto::{Config, Timers, handshake::ClientRequest, tokio::Connect};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let request: ClientRequest = "ws://example.com/chat".parse()?;
/// let (websocket, response) = Connect::new(request.header("Authorization", "Bearer c2VjcmV0"))
///     .config(&Config::new().timers(Timers::new().handshake(Duration::from_secs(20))))
///     .proxy("http://proxy.example:3128".parse::<websocket_proto::Proxy>()?)
///     .redirects(5)
///     .connect()
///     .await?;
/// println!("{:?}", response.headers().get("server"));
/// # Ok(())
/// # }
/// ```
///
/// The addresses of a host are tried in the order of the system, the families in turns; each has a quarter of a second to
/// itself before the next one is tried beside it ([RFC 8305]). `TCP_NODELAY` is set. [RFC 6455 §4.1] allows one connection
/// being opened per address at a time: a client that opens many to one host should open them one after the other.
///
/// [RFC 8305]: https://www.rfc-editor.org/rfc/rfc8305
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
#[derive(Clone, Debug)]
pub struct Connect {
    plan: Plan,
}

builder!();

impl Connect {
    /// Connects, and opens a connection. Returns the response of the server with it.
    ///
    /// # Errors
    ///
    /// - [`Error::Request`] for a request that cannot be sent, and [`Error::TlsUnavailable`] for `wss://` without the
    ///   `tokio-rustls` feature: no connection is made then;
    /// - [`Error::Lookup`] for a name that is unknown, [`Error::Connect`] if no address can be reached;
    /// - [`Error::Proxy`] if the proxy does not lead to the host;
    #[cfg_attr(
        feature = "tokio-rustls",
        doc = "- [`Error::Tls`] for a server that is not to be trusted or does not speak TLS;"
    )]
    /// - [`Error::Handshake`] if the server refuses, with its status, header fields and the beginning of the body
    ///   ([`HandshakeError::Refused`](crate::handshake::HandshakeError::Refused)), or if its answer is not valid;
    /// - [`Error::Redirect`] for a redirect that is not followed, of those that are to be;
    /// - [`Error::TimedOut`] or [`HandshakeError::TimedOut`](crate::handshake::HandshakeError::TimedOut) if all of it
    ///   took longer than [`Timers::handshake`](crate::Timers::handshake);
    /// - [`Error::Io`] if the stream fails behind that; [`Error::Entropy`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the connection is dropped with it.
    pub async fn connect(self) -> Result<(WebSocket<MaybeTls>, UpgradeResponse), Error> {
        // Boxed, or all that connecting takes would be part of the caller's future for as long as the connection lasts.
        Box::pin(async move {
            let mut plan = self.plan;
            let deadline = deadline(&plan);
            loop {
                let stream = open_stream(&plan, deadline).await?;
                let mut connector = Connector::new(stream, plan.request.clone(), &plan.config)?;
                if let Some(deadline) = deadline {
                    connector.set_time_left(deadline.saturating_duration_since(Instant::now()));
                }
                match connector.recv_response().await {
                    Ok(response) => return Ok((connector.open(response.clone()), response)),
                    Err(error) => plan.redirect(error)?,
                }
            }
        })
        .await
    }

    /// Makes the stream to the host of the request, with TLS for `wss`, and sends nothing of the opening handshake.
    ///
    /// For [`WebSocket::client_with`] or a [`Connector`].
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect) that come before the opening handshake.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the stream is dropped with it.
    pub async fn open_stream(&self) -> Result<MaybeTls, Error> {
        open_stream(&self.plan, deadline(&self.plan)).await
    }
}

fn deadline(plan: &Plan) -> Option<Instant> {
    // A time that is too long to be reached is no bound.
    plan.config
        .timers
        .handshake
        .and_then(|timeout| Instant::now().checked_add(timeout))
}

/// Takes a step, for at most until the deadline.
async fn within<V>(
    deadline: Option<Instant>,
    phase: Phase,
    step: impl Future<Output = Result<V, Error>>,
) -> Result<V, Error> {
    match deadline {
        None => step.await,
        Some(deadline) => match timeout_at(deadline, step).await {
            Ok(done) => done,
            Err(_) => Err(Error::TimedOut(phase)),
        },
    }
}

async fn open_stream(plan: &Plan, deadline: Option<Instant>) -> Result<MaybeTls, Error> {
    plan.check()?;
    if plan.proxy.as_ref().is_some_and(Proxy::is_socks) && !cfg!(feature = "socks") {
        return Err(ProxyError::SocksUnavailable.into());
    }
    // Settings are validated before connecting.
    #[cfg(not(feature = "tokio-rustls"))]
    if plan.request.uri().is_secure() {
        return Err(Error::TlsUnavailable);
    }
    #[cfg(feature = "tokio-rustls")]
    let tls = match plan.request.uri().is_secure() {
        true => Some(within(deadline, Phase::Tls, tls_connector(plan)).await?),
        false => None,
    };
    let (host, port) = plan.first_hop();
    let addresses = within(deadline, Phase::Lookup, dial::lookup(host, port)).await?;
    let stream = within(deadline, Phase::Connect, dial::race(addresses)).await?;
    // Messages are written as a whole, so nothing is gained by holding them back.
    stream.set_nodelay(true)?;
    let stream = match &plan.proxy {
        None => stream,
        Some(proxy) => within(deadline, Phase::Proxy, through(proxy, stream, plan)).await?,
    };
    #[cfg(feature = "tokio-rustls")]
    if let Some((connector, name)) = tls {
        return within(deadline, Phase::Tls, async {
            let stream = connector.connect(name, stream).await.map_err(tls_error)?;
            Ok(MaybeTls::Tls(alloc::boxed::Box::new(stream)))
        })
        .await;
    }
    Ok(MaybeTls::Plain(stream))
}

/// Has the proxy connect to the host (RFC 6455 §4.1 item 3).
async fn through(proxy: &Proxy, stream: TcpStream, plan: &Plan) -> Result<TcpStream, Error> {
    #[cfg(feature = "socks")]
    if proxy.is_socks() {
        return super::socks::through(proxy, stream, plan.request.uri()).await;
    }
    let mut tunnel = Tunnel::new(proxy, plan.request.uri(), &plan.config.limits)?;
    let mut transport = Io::new(stream);
    let mut rest = tunnel.request();
    while !rest.is_empty() {
        match poll_fn(|cx| transport.poll_write(cx, &[IoSlice::new(rest)])).await? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            n => rest = &rest[n..],
        }
    }
    poll_fn(|cx| transport.poll_flush(cx)).await?;
    let mut buffer = [0; 1024];
    loop {
        match poll_fn(|cx| transport.poll_read(cx, &mut buffer)).await? {
            0 => return Err(ProxyError::Eof.into()),
            n if tunnel.receive(&buffer[..n])? => return Ok(transport.into_stream()),
            _ => {}
        }
    }
}

#[cfg(feature = "tokio-rustls")]
type TlsConnector = (
    tokio_rustls::TlsConnector,
    crate::tls::rustls::pki_types::ServerName<'static>,
);

#[cfg(feature = "tokio-rustls")]
async fn tls_connector(plan: &Plan) -> Result<TlsConnector, Error> {
    let name = crate::io::tls::server_name(plan.request.uri().host())?;
    let config = if plan.tls.is_ready() {
        plan.tls.client_config()?
    } else {
        // This reads files.
        let tls = plan.tls.clone();
        let read = ::tokio::task::spawn_blocking(move || tls.client_config());
        read.await.map_err(std::io::Error::other)??
    };
    Ok((config.into(), name))
}

/// What tokio-rustls wraps into an I/O error.
#[cfg(feature = "tokio-rustls")]
fn tls_error(error: std::io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(inner) => inner.clone().into(),
        None => error.into(),
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
