//! Connecting to a URI with blocking calls.
//!
//! Functions that return a connection are `#[inline]`, so that they are compiled in the program, like the rest of the
//! generic shell over their stream. Otherwise the shell would also be compiled here, for every program.

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Instant,
};

use super::{ConnectOptions, MaybeTls, Plan, Tunnel};
#[cfg(feature = "rustls")]
use crate::io::tls::stream::TlsStream;
use crate::{
    config::Config,
    error::{Error, Phase, ProxyError},
    handshake::{ClientRequest, UpgradeResponse, Uri},
    io::{
        SHORTEST,
        blocking::{Connector, WebSocket},
    },
};

/// Connects to a `ws` or `wss` URI and opens a connection, with default settings.
///
/// `wss://` requires the `rustls` feature.
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
/// As for [`connect_with`], and [`Error::Uri`].
#[inline]
pub fn connect(uri: &str) -> Result<WebSocket<MaybeTls>, Error> {
    let (websocket, _) = connect_with(uri.parse()?, &ConnectOptions::new())?;
    Ok(websocket)
}

/// Connects to the request's host and opens a connection. Returns the server's response along with the connection.
///
/// All addresses of a host are tried in order, each with an equal share of the time left. The name look-up is not
/// bounded in time, since the system's call cannot be interrupted. `TCP_NODELAY` is set. [RFC 6455 §4.1] allows only
/// one connection at a time to be in the opening handshake for each address: a client that opens many connections to
/// one host should open them one after another.
///
/// # Errors
///
/// - [`Error::Request`] for a request that cannot be sent, and [`Error::TlsUnavailable`] for `wss://` without the
///   `rustls` feature, both before a connection is made;
/// - [`Error::Lookup`] if the name is unknown, [`Error::Connect`] if no address can be reached;
/// - [`Error::Proxy`] if the proxy does not connect to the host;
#[cfg_attr(
    feature = "rustls",
    doc = "- [`Error::Tls`] for a server that is not trusted or does not support TLS;"
)]
/// - [`Error::Handshake`] if the server refuses, with its status, header fields and the beginning of the body
///   ([`HandshakeError::Refused`](crate::handshake::HandshakeError::Refused)), or if its response is invalid;
/// - [`Error::Redirect`] for a redirect that cannot be followed, if following is enabled;
/// - [`Error::TimedOut`] or [`HandshakeError::TimedOut`](crate::handshake::HandshakeError::TimedOut) if all of this
///   takes longer than [`Timers::handshake`](crate::Timers::handshake);
/// - [`Error::Io`] if the stream fails after that; [`Error::Entropy`].
///
/// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
#[inline]
pub fn connect_with(
    request: ClientRequest,
    options: &ConnectOptions,
) -> Result<(WebSocket<MaybeTls>, UpgradeResponse), Error> {
    let mut plan = Plan::new(request, options)?;
    let deadline = deadline(&options.config);
    loop {
        let stream = open(plan.request.uri(), options, deadline)?;
        let mut connector = Connector::new(stream, plan.request.clone(), &options.config)?;
        connector.set_deadline(deadline);
        match connector.recv_response() {
            Ok(response) => return Ok((connector.open(response.clone()), response)),
            Err(error) => plan.redirect(error)?,
        }
    }
}

/// Opens a stream to the host of a URI, with TLS for `wss`. Sends nothing of the opening handshake.
///
/// Pass the stream to [`WebSocket::client_with`] or a [`Connector`].
///
/// # Errors
///
/// The errors of [`connect_with`] that occur before the opening handshake.
pub fn open_stream(uri: &Uri, options: &ConnectOptions) -> Result<MaybeTls, Error> {
    let stream = open(uri, options, deadline(&options.config))?;
    stream.tcp().set_read_timeout(None)?;
    stream.tcp().set_write_timeout(None)?;
    Ok(stream)
}

/// Returns the deadline of an opening handshake that starts now. A timeout too long for the clock means no deadline.
fn deadline(config: &Config) -> Option<Instant> {
    let timeout = config.timers.handshake?;
    Instant::now().checked_add(timeout)
}

fn open(uri: &Uri, options: &ConnectOptions, deadline: Option<Instant>) -> Result<MaybeTls, Error> {
    options.check(uri, cfg!(feature = "rustls"), Err(ProxyError::SocksUnsupported))?;
    // Settings are validated before connecting.
    #[cfg(feature = "rustls")]
    let tls = match uri.is_secure() {
        true => Some((crate::io::tls::server_name(uri.host())?, options.tls.client_config()?)),
        false => None,
    };
    let addresses = options.first_hop(uri).to_socket_addrs().map_err(Error::Lookup)?;
    let mut stream = dial(addresses, deadline)?;
    // Messages are written as a whole, so there is nothing to gain from delaying them.
    stream.set_nodelay(true)?;
    if let Some(proxy) = &options.proxy {
        pass_through(Tunnel::new(proxy, uri, &options.config.limits)?, &mut stream, deadline)?;
    }
    #[cfg(feature = "rustls")]
    if let Some((name, config)) = tls {
        let stream = TlsStream::client_for(stream, name, config, deadline)?;
        return Ok(MaybeTls::Tls(stream));
    }
    Ok(MaybeTls::Plain(stream))
}

/// Returns the time left until the deadline, or an error if there is none.
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

/// Asks a proxy to connect to the host (RFC 6455 §4.1 item 3).
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
