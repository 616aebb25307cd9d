//! Connecting to a URI with blocking calls.
//!
//! Functions that return a connection are `#[inline]`, so that they are compiled in the program, like the rest of the
//! generic shell over their stream. Otherwise the shell would also be compiled here, for every program.

use alloc::{string::String, vec::Vec};
use core::{net::SocketAddr, time::Duration};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Instant,
};

#[cfg(feature = "rustls")]
use super::Peer;
use super::{
    ConnectOptions, Destination, MaybeTls, Plan,
    destination::Kind,
    race::ATTEMPT_DELAY,
    route::{self, Route},
    tunnel::Tunnel,
};
#[cfg(feature = "rustls")]
use crate::io::tls::stream::TlsStream;
use crate::{
    config::Config,
    error::{Error, Phase},
    handshake::{ClientRequest, UpgradeResponse, Uri},
    io::{
        SHORTEST,
        blocking::{Connector, Stream, WebSocket},
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
/// The addresses of a host are tried in the order of the system, alternating between IPv4 and IPv6. Each attempt has a
/// quarter of a second before the next one starts alongside it ([RFC 8305]). `TCP_NODELAY` is set. [RFC 6455 §4.1]
/// allows only one connection at a time to be in the opening handshake for each address: a client that opens many
/// connections to one host should open them one after another.
///
/// Calls of the system that cannot be interrupted, such as a name look-up, run on separate threads, which end when the
/// system answers, even if that is after the deadline. The process does not wait for them when it ends.
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
/// [RFC 8305]: https://www.rfc-editor.org/rfc/rfc8305
#[inline]
pub fn connect_with(
    request: ClientRequest,
    options: &ConnectOptions,
) -> Result<(WebSocket<MaybeTls>, UpgradeResponse), Error> {
    let mut plan = Plan::new(request, options)?;
    let deadline = deadline(&options.config);
    loop {
        let stream = open(plan.request.uri(), &plan.options, deadline)?;
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
    let mut stream = open(uri, options, deadline(&options.config))?;
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    Ok(stream)
}

/// Returns the deadline of an opening handshake that starts now. A timeout too long for the clock means no deadline.
fn deadline(config: &Config) -> Option<Instant> {
    let timeout = config.timers.handshake?;
    Instant::now().checked_add(timeout)
}

fn open(uri: &Uri, options: &ConnectOptions, deadline: Option<Instant>) -> Result<MaybeTls, Error> {
    // Settings are validated before connecting.
    let route = Route::new(uri, options, cfg!(feature = "rustls"))?;
    #[cfg(feature = "rustls")]
    let route = Route {
        tls: match route.has_tls() {
            true => Some(options.tls.client_config()?),
            false => None,
        },
        ..route
    };
    let addresses = match route.name_for_proxy() {
        Some((name, port)) => Some(lookup(name, port, deadline)?),
        None => None,
    };
    let mut targets = route.targets(addresses).into_iter();
    loop {
        let target = targets.next().unwrap_or_else(|| route.destination.clone());
        match reach(&route, &target, options, deadline) {
            Err(error) if error.is_about_address() && targets.len() > 0 => {}
            reached => return reached,
        }
    }
}

/// Connects to the target, directly or through the proxy.
fn reach(
    route: &Route<'_>,
    target: &Destination,
    options: &ConnectOptions,
    deadline: Option<Instant>,
) -> Result<MaybeTls, Error> {
    let stream = match route.proxy {
        None => dial(target, deadline)?,
        Some(proxy) => {
            let tunnel = Tunnel::new(proxy, target, &options.config.limits)?;
            let stream = dial(&proxy.destination(), deadline)?;
            #[cfg(feature = "rustls")]
            let stream = secure(stream, Peer::Proxy, route, deadline).map_err(Error::with_proxy)?;
            pass_through(tunnel, stream, deadline)?
        }
    };
    #[cfg(feature = "rustls")]
    let stream = secure(stream, Peer::Server, route, deadline)?;
    Ok(stream)
}

/// Sets up TLS with this peer, if it is used.
#[cfg(feature = "rustls")]
fn secure(stream: MaybeTls, peer: Peer, route: &Route<'_>, deadline: Option<Instant>) -> Result<MaybeTls, Error> {
    match route.tls_with(peer)? {
        Some((name, config)) => {
            let stream = TlsStream::client_for(stream, name, config, deadline)?;
            Ok(MaybeTls::of_tls(stream, peer))
        }
        None => Ok(stream),
    }
}

/// Connects to an address of the destination.
fn dial(destination: &Destination, deadline: Option<Instant>) -> Result<MaybeTls, Error> {
    let addresses = match &destination.0 {
        Kind::Name(name, port) => lookup(name, *port, deadline)?,
        Kind::Address(address) => [*address].into(),
        #[cfg(unix)]
        Kind::Unix(path) => {
            let path = path.clone();
            let connected = within(deadline, Phase::Connect, move || UnixStream::connect(path))?;
            return Ok(MaybeTls::of_unix(connected.map_err(Error::Connect)?));
        }
    };
    let stream = race(addresses, deadline)?;
    // Messages are written as a whole, so there is nothing to gain from delaying them.
    stream.set_nodelay(true)?;
    Ok(MaybeTls::of_tcp(stream))
}

fn lookup(name: &str, port: u16, deadline: Option<Instant>) -> Result<Vec<SocketAddr>, Error> {
    let name = String::from(name);
    within(deadline, Phase::Lookup, move || route::lookup(&name, port))?.map_err(Error::Lookup)
}

/// Calls a function that may block for longer than the deadline allows. It then continues on a thread that nothing
/// waits for.
fn within<V: Send + 'static>(
    deadline: Option<Instant>,
    phase: Phase,
    call: impl FnOnce() -> V + Send + 'static,
) -> Result<V, Error> {
    let Some(left) = time_left(deadline, phase)? else {
        return Ok(call());
    };
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || sender.send(call()))?;
    match receiver.recv_timeout(left) {
        Ok(value) => Ok(value),
        Err(RecvTimeoutError::Timeout) => Err(Error::TimedOut(phase)),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the thread panicked").into()),
    }
}

/// Returns the time left until the deadline, or an error if there is none.
fn time_left(deadline: Option<Instant>, phase: Phase) -> Result<Option<Duration>, Error> {
    match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
        Some(left) if left < SHORTEST => Err(Error::TimedOut(phase)),
        left => Ok(left),
    }
}

/// Connects to the first address that answers. The next one is tried when the previous one has failed, or has not
/// answered for a while; then both continue in parallel, each on a thread of its own.
fn race(addresses: Vec<SocketAddr>, deadline: Option<Instant>) -> Result<TcpStream, Error> {
    let connect = |address, left| match left {
        Some(left) => TcpStream::connect_timeout(&address, left),
        None => TcpStream::connect(address),
    };
    let (sender, receiver) = mpsc::channel();
    let mut waiting = addresses.into_iter();
    let mut running = 0_u32;
    let mut failure = io::Error::from(ErrorKind::NotFound);
    loop {
        let left = time_left(deadline, Phase::Connect)?;
        match waiting.next() {
            // There is nothing to wait for besides the only attempt.
            Some(address) if running == 0 && waiting.len() == 0 => {
                let connected = connect(address, left);
                time_left(deadline, Phase::Connect)?;
                return connected.map_err(Error::Connect);
            }
            Some(address) => {
                let sender = sender.clone();
                // Without a receiver, the stream is dropped.
                thread::Builder::new().spawn(move || drop(sender.send(connect(address, left))))?;
                running += 1;
            }
            None if running == 0 => return Err(Error::Connect(failure)),
            None => {}
        }
        let delay = (waiting.len() > 0).then_some(ATTEMPT_DELAY);
        let patience = [delay, left].into_iter().flatten().min();
        let ended = match patience {
            Some(patience) => receiver.recv_timeout(patience),
            None => receiver.recv().map_err(RecvTimeoutError::from),
        };
        match ended {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                running -= 1;
                failure = error;
            }
            Err(_) => {}
        }
    }
}

/// Asks a proxy to connect to the host (RFC 6455 §4.1 item 3).
fn pass_through(mut tunnel: Tunnel, mut stream: MaybeTls, deadline: Option<Instant>) -> Result<MaybeTls, Error> {
    let mut buffer = [0; 1024];
    loop {
        let output = tunnel.take_output();
        if !output.is_empty() {
            stream.set_write_timeout(time_left(deadline, Phase::Proxy)?)?;
            stream.write_all(&output)?;
            stream.flush()?;
        }
        match time_left(deadline, Phase::Proxy) {
            Ok(left) => stream.set_read_timeout(left)?,
            Err(_) => return Err(tunnel.handle_timeout()),
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err(tunnel.receive_eof().into()),
            Ok(n) if tunnel.receive(&buffer[..n])? => return Ok(stream),
            Ok(_) => {}
            Err(error) => match error.kind() {
                ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                _ => return Err(error.into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn soon(millis: u64) -> Option<Instant> {
        Instant::now().checked_add(Duration::from_millis(millis))
    }

    /// A listener that accepts nothing, whose queue is full: attempts to connect get no answer.
    fn silent() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("bound");
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queued.push(stream);
        }
        (address, listener, queued)
    }

    /// HS-C-44: an address that does not answer delays the others by a quarter of a second, and all end at the deadline.
    #[test]
    fn addresses_that_refuse_or_are_silent_are_passed_over() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let good = listener.local_addr().expect("bound");
        // Closed at once. Nothing else listens there in so short a time.
        let refusing = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let refusing = refusing.expect("an address");
        let (silent, _listener, _queued) = silent();
        for addresses in [
            [good].to_vec(),
            [refusing, good].to_vec(),
            [silent, good].to_vec(),
            [silent, refusing, good].to_vec(),
        ] {
            for deadline in [soon(10_000), None] {
                let began = Instant::now();
                let stream = race(addresses.clone(), deadline).expect("connected");
                assert_eq!(stream.peer_addr().expect("connected"), good);
                assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
            }
        }
        for addresses in [
            [silent].to_vec(),
            [silent, refusing].to_vec(),
            [refusing, silent, silent].to_vec(),
        ] {
            let outcome = race(addresses, soon(400));
            assert!(matches!(outcome, Err(Error::TimedOut(Phase::Connect))), "{outcome:?}");
        }
        for addresses in [[refusing].to_vec(), [refusing, refusing].to_vec()] {
            let outcome = race(addresses, soon(10_000));
            assert!(matches!(outcome, Err(Error::Connect(_))), "{outcome:?}");
        }
    }

    /// HS-C-45: a name server that does not answer does not hold the call beyond its deadline.
    #[test]
    fn a_call_ends_at_the_deadline() {
        let (_answer, answered) = mpsc::channel::<()>();
        let began = Instant::now();
        let outcome = within(soon(100), Phase::Lookup, move || {
            answered.recv_timeout(Duration::from_secs(5))
        });
        assert!(matches!(outcome, Err(Error::TimedOut(Phase::Lookup))));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert!(matches!(within(soon(5_000), Phase::Lookup, || 7), Ok(7)));
        assert!(matches!(within(None, Phase::Lookup, || 7), Ok(7)));
        assert!(matches!(
            within(soon(5_000), Phase::Lookup, || panic!("as expected")),
            Err::<(), _>(Error::Io(_))
        ));
    }
}
