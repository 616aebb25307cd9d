//! From a URI to a connection.

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Instant,
};

use super::{Connector, MaybeTls, WebSocket};
use crate::{
    config::Config,
    error::{Error, Phase, ProxyError},
    handshake::{ClientRequest, UpgradeResponse},
    io::{
        SHORTEST,
        connect::{Plan, Proxy, Tunnel, builder},
    },
};

/// Connects to a `ws` or `wss` URI and opens a connection, with default settings. `wss://` requires
/// the `rustls` feature.
///
/// ```no_run
/// use websocket_proto::{CloseCode, blocking};
///
/// let mut websocket = blocking::connect("ws://localhost:9001/chat")?;
/// websocket.send("hello")?;
/// if let Some(message) = websocket.recv()? {
///     println!("{}", message.as_text().unwrap_or("(binary)"));
/// }
/// websocket.close(CloseCode::NORMAL)?;
/// # Ok::<(), websocket_proto::Error>(())
/// ```
///
/// # Errors
///
/// As for [`Connect::connect`], and [`Error::Uri`].
pub fn connect(uri: &str) -> Result<WebSocket<MaybeTls>, Error> {
    connect_with(uri.parse::<ClientRequest>()?, &Config::new())
}

/// Connects to the host of the request and opens a connection. For everything else that can be chosen, see [`Connect`].
///
/// # Errors
///
/// As for [`Connect::connect`].
pub fn connect_with(request: ClientRequest, config: &Config) -> Result<WebSocket<MaybeTls>, Error> {
    let (websocket, _) = Connect::new(request).config(config).connect()?;
    Ok(websocket)
}

/// How to get to a server: limits, trust, a proxy, redirects.
///
/// ```no_run
/// use websocket_proto::{blocking::Connect, handshake::ClientRequest};
///
/// let request: ClientRequest = "ws://example.com/chat".parse()?;
/// let (websocket, response) = Connect::new(request).redirects(5).connect()?;
/// println!("{:?}", response.headers().get("server"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// All addresses of a host are tried in their order; of the time that is left, each gets an equal part. The look-up of a
/// name is not bounded in time, since the system does not return before it is done. `TCP_NODELAY` is set.
/// [RFC 6455 §4.1] allows one connection being opened per address at a time: a client that opens many to one host should
/// open them one after the other. Of the proxies, those that speak HTTP can be used.
///
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
    ///   `rustls` feature: no connection is made then;
    /// - [`Error::Lookup`] for a name that is unknown, [`Error::Connect`] if no address can be reached;
    /// - [`Error::Proxy`] if the proxy does not lead to the host;
    #[cfg_attr(
        feature = "rustls",
        doc = "- [`Error::Tls`] for a server that is not to be trusted or does not speak TLS;"
    )]
    /// - [`Error::Handshake`] if the server refuses, with its status, header fields and the beginning of the body
    ///   ([`HandshakeError::Refused`](crate::handshake::HandshakeError::Refused)), or if its answer is not valid;
    /// - [`Error::Redirect`] for a redirect that is not followed, of those that are to be;
    /// - [`Error::TimedOut`] or [`HandshakeError::TimedOut`](crate::handshake::HandshakeError::TimedOut) if all of it
    ///   took longer than [`Timers::handshake`](crate::Timers::handshake);
    /// - [`Error::Io`] if the stream fails behind that; [`Error::Entropy`].
    pub fn connect(self) -> Result<(WebSocket<MaybeTls>, UpgradeResponse), Error> {
        let mut plan = self.plan;
        let deadline = deadline(&plan.config);
        loop {
            let stream = open_stream(&plan, deadline)?;
            let mut connector = Connector::new(stream, plan.request.clone(), &plan.config)?;
            connector.set_deadline(deadline);
            match connector.recv_response() {
                Ok(response) => return Ok((connector.open(response.clone())?, response)),
                Err(error) => plan.redirect(error)?,
            }
        }
    }

    /// Makes the stream to the host of the request, with TLS for `wss`, and sends nothing of the opening handshake.
    ///
    /// For [`WebSocket::client_with`] or a [`Connector`].
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect) that come before the opening handshake.
    pub fn open_stream(&self) -> Result<MaybeTls, Error> {
        let stream = open_stream(&self.plan, deadline(&self.plan.config))?;
        stream.tcp().set_read_timeout(None)?;
        stream.tcp().set_write_timeout(None)?;
        Ok(stream)
    }
}

/// The end of an opening handshake that begins now. A time that is too long to be reached is no bound.
fn deadline(config: &Config) -> Option<Instant> {
    let timeout = config.timers.handshake?;
    Instant::now().checked_add(timeout)
}

fn open_stream(plan: &Plan, deadline: Option<Instant>) -> Result<MaybeTls, Error> {
    plan.check()?;
    if plan.proxy.as_ref().is_some_and(Proxy::is_socks) {
        return Err(ProxyError::SocksUnsupported.into());
    }
    let uri = plan.request.uri();
    // What is wrong with the settings shows before a connection is made.
    #[cfg(feature = "rustls")]
    let tls = match uri.is_secure() {
        true => Some((crate::io::tls::server_name(uri.host())?, plan.tls.client_config()?)),
        false => None,
    };
    let addresses = plan.first_hop().to_socket_addrs().map_err(Error::Lookup)?;
    let mut stream = dial(addresses, deadline)?;
    // Messages are written as a whole, so nothing is gained by holding them back.
    stream.set_nodelay(true)?;
    if let Some(proxy) = &plan.proxy {
        pass_through(Tunnel::new(proxy, uri, &plan.config.limits)?, &mut stream, deadline)?;
    }
    #[cfg(feature = "rustls")]
    if let Some((name, config)) = tls {
        let stream = super::TlsStream::client_for(stream, name, config, deadline)?;
        return Ok(MaybeTls::Tls(stream));
    }
    Ok(MaybeTls::Plain(stream))
}

/// The time until the deadline, which is an error if there is none left.
fn time_left(deadline: Option<Instant>, phase: Phase) -> Result<Option<Duration>, Error> {
    match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
        Some(left) if left < SHORTEST => Err(Error::TimedOut(phase)),
        left => Ok(left),
    }
}

/// Connects to the first address that answers.
fn dial(addresses: impl ExactSizeIterator<Item = SocketAddr>, deadline: Option<Instant>) -> Result<TcpStream, Error> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "the host has no address");
    let count = addresses.len();
    for (index, address) in addresses.enumerate() {
        let connected = match time_left(deadline, Phase::Connect)? {
            Some(left) => {
                let parts = u32::try_from(count - index).unwrap_or(u32::MAX);
                TcpStream::connect_timeout(&address, (left / parts).max(SHORTEST))
            }
            None => TcpStream::connect(address),
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    time_left(deadline, Phase::Connect)?;
    Err(Error::Connect(failure))
}

/// Has a proxy connect to the host (RFC 6455 §4.1 item 3).
fn pass_through(mut tunnel: Tunnel, stream: &mut TcpStream, deadline: Option<Instant>) -> Result<(), Error> {
    stream.set_write_timeout(time_left(deadline, Phase::Proxy)?)?;
    stream.write_all(tunnel.request())?;
    let mut buffer = [0; 1024];
    loop {
        stream.set_read_timeout(time_left(deadline, Phase::Proxy)?)?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(ProxyError::Eof.into()),
            Ok(n) if tunnel.receive(&buffer[..n])? => return Ok(()),
            Ok(_) => {}
            Err(error) => match error.kind() {
                ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                _ => return Err(error.into()),
            },
        }
    }
}
