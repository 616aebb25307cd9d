//! From a URI to a connection, with calls that block.
//!
//! What returns a connection is `#[inline]`: it is compiled in the program, as the rest of the generic shell over its stream is.
//! Otherwise that shell would be compiled here as well, for every program.

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
/// As for [`connect_with`], and [`Error::Uri`].
#[inline]
pub fn connect(uri: &str) -> Result<WebSocket<MaybeTls>, Error> {
    let (websocket, _) = connect_with(uri.parse()?, &ConnectOptions::new())?;
    Ok(websocket)
}

/// Connects to the host of the request and opens a connection. Returns the response of the server with it.
///
/// All addresses of a host are tried in their order; of the time that is left, each gets an equal part. The look-up of a
/// name is not bounded in time, since the system does not return before it is done. `TCP_NODELAY` is set.
/// [RFC 6455 §4.1] allows one connection being opened per address at a time: a client that opens many to one host should
/// open them one after the other.
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
///   ([`HandshakeError::Refused`](crate::handshake::HandshakeError::Refused)), or if its response is invalid;
/// - [`Error::Redirect`] for a redirect that is not followed, of those that are to be;
/// - [`Error::TimedOut`] or [`HandshakeError::TimedOut`](crate::handshake::HandshakeError::TimedOut) if all of it
///   took longer than [`Timers::handshake`](crate::Timers::handshake);
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

/// Makes the stream to the host of a URI, with TLS for `wss`, and sends nothing of the opening handshake.
///
/// For [`WebSocket::client_with`] or a [`Connector`].
///
/// # Errors
///
/// Those of [`connect_with`] that come before the opening handshake.
pub fn open_stream(uri: &Uri, options: &ConnectOptions) -> Result<MaybeTls, Error> {
    let stream = open(uri, options, deadline(&options.config))?;
    stream.tcp().set_read_timeout(None)?;
    stream.tcp().set_write_timeout(None)?;
    Ok(stream)
}

/// The end of an opening handshake that begins now. A time that is too long to be reached is no bound.
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
    // Messages are written as a whole, so nothing is gained by holding them back.
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
