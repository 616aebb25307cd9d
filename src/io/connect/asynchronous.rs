//! Connecting to a URI, for the runtimes of the async shells.

#[cfg(feature = "rustls")]
use alloc::sync::Arc;
use alloc::{boxed::Box, string::String, vec::Vec};
use core::{future::poll_fn, net::SocketAddr, pin::Pin};
use std::io::{self, IoSlice};
#[cfg(unix)]
use std::path::PathBuf;

#[cfg(feature = "rustls")]
use rustls::{ClientConfig, pki_types::ServerName};

#[cfg(feature = "rustls")]
use super::Peer;
use super::{
    ConnectOptions, Destination, Plan,
    destination::Kind,
    race,
    route::{self, Route},
    thread::unblock,
    tunnel::Tunnel,
};
use crate::{
    config::Config,
    connection::Time,
    error::{Error, Phase},
    handshake::{ClientRequest, UpgradeResponse, Uri},
    io::{
        asynchronous::{Connector, RuntimeTimer, Transport, WebSocket},
        bounded::bounded,
    },
};

/// What a runtime provides for connecting.
pub(in crate::io) trait Runtime {
    /// A client's stream: TCP or a Unix socket, with or without TLS.
    type Stream;
    type Transport: Transport + From<Self::Stream>;

    /// Whether TLS is supported.
    const HAS_TLS: bool;

    /// Connects and sets `TCP_NODELAY`: messages are written as a whole, so there is nothing to gain from delaying
    /// them.
    fn connect_tcp(address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;

    #[cfg(unix)]
    fn connect_unix(path: PathBuf) -> impl Future<Output = io::Result<Self::Stream>>;

    fn into_stream(transport: Self::Transport) -> Self::Stream;

    /// Performs the TLS handshake of a client.
    #[cfg(feature = "rustls")]
    fn secure(
        stream: Self::Stream,
        peer: Peer,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    ) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// A WebSocket of a runtime, and the response that opened it.
pub(in crate::io) type Connected<R> = (WebSocket<<R as Runtime>::Transport>, UpgradeResponse);

/// Connects to the request's host and opens a connection. The future borrows nothing.
///
/// It is boxed. Otherwise all the state of connecting would be part of the caller's future for as long as the connection
/// lasts.
pub(in crate::io) fn connect_with<R: Runtime>(
    request: ClientRequest,
    options: &ConnectOptions,
) -> Pin<Box<impl Future<Output = Result<Connected<R>, Error>> + use<R>>> {
    let plan = Plan::new(request, options);
    Box::pin(async move { connect::<R>(plan?).await })
}

async fn connect<R: Runtime>(mut plan: Plan) -> Result<Connected<R>, Error> {
    let mut deadline = Deadline::<R>::new(&plan.options.config);
    loop {
        let stream = deadline.open(plan.request.uri(), &plan.options).await?;
        let mut connector = Connector::<R::Transport>::new(stream, plan.request.clone(), &plan.options.config)?;
        if let Some(due) = deadline.due {
            connector.set_time_left(due.since(deadline.timer.now()));
        }
        match connector.recv_response().await {
            Ok(response) => return Ok((connector.open(response.clone()), response)),
            Err(error) => plan.redirect(error)?,
        }
    }
}

/// Opens a stream to the host of a URI, with TLS for `wss`. Boxed for the same reason.
pub(in crate::io) async fn open_stream<R: Runtime>(uri: &Uri, options: &ConnectOptions) -> Result<R::Stream, Error> {
    Box::pin(async { Deadline::<R>::new(&options.config).open(uri, options).await }).await
}

/// The deadline for all of connecting, on the clock of a runtime.
struct Deadline<R: Runtime> {
    timer: <R::Transport as Transport>::Timer,
    due: Option<Time>,
}

impl<R: Runtime> Deadline<R> {
    /// Starts the time now.
    fn new(config: &Config) -> Self {
        let timer = <R::Transport as Transport>::Timer::new();
        let due = config.timers.handshake.map(|timeout| timer.now() + timeout);
        Self { timer, due }
    }

    /// Runs a step until it completes or the deadline passes.
    async fn bound<V, E: Into<Error>>(
        &mut self,
        phase: Phase,
        step: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Error> {
        bounded(self.due, |due, cx| self.timer.poll_until(due, cx), phase, step).await
    }

    async fn open(&mut self, uri: &Uri, options: &ConnectOptions) -> Result<R::Stream, Error> {
        // Settings are validated before connecting.
        let route = Route::new(uri, options, R::HAS_TLS)?;
        #[cfg(feature = "rustls")]
        let route = Route {
            tls: match route.has_tls() {
                true => Some(self.bound(Phase::Tls, client_config(options)).await?),
                false => None,
            },
            ..route
        };
        let addresses = match route.name_for_proxy() {
            Some((name, port)) => Some(self.lookup(name, port).await?),
            None => None,
        };
        let mut targets = route.targets(addresses).into_iter();
        loop {
            let target = targets.next().unwrap_or_else(|| route.destination.clone());
            match self.reach(&route, &target, options).await {
                Err(error) if error.is_about_address() && targets.len() > 0 => {}
                reached => return reached,
            }
        }
    }

    /// Connects to the target, directly or through the proxy.
    async fn reach(
        &mut self,
        route: &Route<'_>,
        target: &Destination,
        options: &ConnectOptions,
    ) -> Result<R::Stream, Error> {
        let stream = match route.proxy {
            None => self.dial(target).await?,
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy, target, &options.config.limits)?;
                let stream = self.dial(&proxy.destination()).await?;
                #[cfg(feature = "rustls")]
                let stream = self
                    .secure(stream, Peer::Proxy, route)
                    .await
                    .map_err(Error::with_proxy)?;
                match self.bound(Phase::Proxy, pass_through::<R>(&mut tunnel, stream)).await {
                    Err(Error::TimedOut(_)) => return Err(tunnel.handle_timeout()),
                    passed => passed?,
                }
            }
        };
        #[cfg(feature = "rustls")]
        let stream = self.secure(stream, Peer::Server, route).await?;
        Ok(stream)
    }

    /// Connects to an address of the destination.
    async fn dial(&mut self, destination: &Destination) -> Result<R::Stream, Error> {
        let addresses = match &destination.0 {
            Kind::Name(name, port) => self.lookup(name, *port).await?,
            Kind::Address(address) => [*address].into(),
            #[cfg(unix)]
            Kind::Unix(path) => {
                let connecting = async { R::connect_unix(path.clone()).await.map_err(Error::Connect) };
                return self.bound(Phase::Connect, connecting).await;
            }
        };
        let race = race::race::<_, <R::Transport as Transport>::Timer, _>(addresses, R::connect_tcp);
        self.bound(Phase::Connect, race).await
    }

    async fn lookup(&mut self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        self.lookup_with(name, move |name| route::lookup(name, port)).await
    }

    /// Calls a function that looks up a name, which may block for longer than the deadline allows.
    async fn lookup_with(
        &mut self,
        name: &str,
        lookup: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> Result<Vec<SocketAddr>, Error> {
        let name = String::from(name);
        let looked_up = async {
            let found = unblock(move || lookup(&name)).map_err(Error::Lookup)?.await;
            found.and_then(|found| found).map_err(Error::Lookup)
        };
        self.bound(Phase::Lookup, looked_up).await
    }

    /// Sets up TLS with this peer, if it is used.
    #[cfg(feature = "rustls")]
    async fn secure(&mut self, stream: R::Stream, peer: Peer, route: &Route<'_>) -> Result<R::Stream, Error> {
        let Some((name, config)) = route.tls_with(peer)? else {
            return Ok(stream);
        };
        self.bound(Phase::Tls, R::secure(stream, peer, name, config)).await
    }
}

/// Asks the proxy to connect to the host (RFC 6455 §4.1 item 3).
async fn pass_through<R: Runtime>(tunnel: &mut Tunnel, stream: R::Stream) -> Result<R::Stream, Error> {
    let mut transport = R::Transport::from(stream);
    let mut buffer = [0; 1024];
    loop {
        let output = tunnel.take_output();
        let mut rest = &output[..];
        while !rest.is_empty() {
            match poll_fn(|cx| transport.poll_write(cx, &[IoSlice::new(rest)])).await? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                n => rest = &rest[n..],
            }
        }
        poll_fn(|cx| transport.poll_flush(cx)).await?;
        match poll_fn(|cx| transport.poll_read(cx, &mut buffer)).await? {
            0 => return Err(tunnel.receive_eof().into()),
            n if tunnel.receive(&buffer[..n])? => return Ok(R::into_stream(transport)),
            _ => {}
        }
    }
}

/// Returns the TLS configuration.
#[cfg(feature = "rustls")]
async fn client_config(options: &ConnectOptions) -> Result<Arc<ClientConfig>, Error> {
    if options.tls.is_ready() {
        return Ok(options.tls.client_config()?);
    }
    // This reads files.
    let tls = options.tls.clone();
    Ok(unblock(move || tls.client_config())?.await??)
}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use core::time::Duration;
    use std::{sync::mpsc, time::Instant};

    use ::tokio::{net::TcpStream, runtime};

    use super::*;
    use crate::{config::Timers, io::tokio::Io};

    struct Test;

    impl Runtime for Test {
        type Stream = TcpStream;
        type Transport = Io<TcpStream>;

        const HAS_TLS: bool = false;

        async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
            TcpStream::connect(address).await
        }

        #[cfg(unix)]
        async fn connect_unix(_: PathBuf) -> io::Result<TcpStream> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn into_stream(transport: Io<TcpStream>) -> TcpStream {
            transport.into_stream()
        }

        #[cfg(feature = "rustls")]
        async fn secure(_: TcpStream, _: Peer, _: ServerName<'static>, _: Arc<ClientConfig>) -> io::Result<TcpStream> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// HS-C-45: a name server that does not answer holds neither the call beyond its deadline nor the runtime when it ends.
    #[test]
    fn a_look_up_ends_at_the_deadline() {
        let (_answer, answered) = mpsc::channel::<()>();
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let config = Config::new().timers(Timers::new().handshake(Duration::from_millis(100)));
        let began = Instant::now();
        let looked_up = runtime.block_on(async {
            let mut deadline = Deadline::<Test>::new(&config);
            let lookup = move |_: &str| {
                let _ = answered.recv_timeout(Duration::from_secs(5));
                Ok(Vec::new())
            };
            deadline.lookup_with("h", lookup).await
        });
        assert!(matches!(looked_up, Err(Error::TimedOut(Phase::Lookup))));
        drop(runtime);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}
