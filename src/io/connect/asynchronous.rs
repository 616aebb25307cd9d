//! Connecting to a URI, for the runtimes of the async shells.

#[cfg(feature = "rustls")]
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::{
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    pin::pin,
    task::Poll,
};
use std::{
    io::{self, IoSlice},
    net::ToSocketAddrs,
};

#[cfg(feature = "rustls")]
use rustls::{ClientConfig, pki_types::ServerName};

use super::{ConnectOptions, Plan, Proxy, Tunnel, race};
use crate::{
    config::Config,
    connection::Time,
    error::{Error, Phase, ProxyError},
    handshake::{ClientRequest, UpgradeResponse, Uri},
    io::asynchronous::{Connector, RuntimeTimer, Transport, WebSocket},
};

/// What a runtime provides for connecting.
pub(in crate::io) trait Runtime {
    type Tcp;
    /// TCP as a transport.
    type Hop: Transport + From<Self::Tcp>;
    /// A client's stream: TCP, or TLS over it.
    type Stream;
    type Transport: Transport + From<Self::Stream>;

    /// Whether `wss` is supported.
    const HAS_TLS: bool;

    /// An error if SOCKS proxies cannot be used.
    const SOCKS: Result<(), ProxyError>;

    /// Connects and sets `TCP_NODELAY`: messages are written as a whole, so there is nothing to gain from delaying
    /// them.
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>>;

    fn plain(tcp: Self::Tcp) -> Self::Stream;

    fn into_tcp(hop: Self::Hop) -> Self::Tcp;

    /// Runs a blocking function on another thread.
    fn unblock<V: Send + 'static>(work: impl FnOnce() -> V + Send + 'static) -> impl Future<Output = io::Result<V>>;

    /// Asks a SOCKS proxy to connect to the host.
    fn through_socks(proxy: &Proxy, tcp: Self::Tcp, uri: &Uri) -> impl Future<Output = Result<Self::Tcp, Error>>;

    /// Performs the TLS handshake of a client over TCP.
    #[cfg(feature = "rustls")]
    fn secure(
        tcp: Self::Tcp,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
    ) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// A validated request and the options. Owned, so that a future does not borrow them.
#[derive(Debug)]
pub(in crate::io) struct Attempt(Plan);

impl Attempt {
    pub(in crate::io) fn new(request: ClientRequest, options: &ConnectOptions) -> Result<Self, Error> {
        Plan::new(request, options).map(Self)
    }

    pub(in crate::io) async fn connect<R: Runtime>(self) -> Result<(WebSocket<R::Transport>, UpgradeResponse), Error> {
        let Self(mut plan) = self;
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
}

pub(in crate::io) async fn open_stream<R: Runtime>(uri: &Uri, options: &ConnectOptions) -> Result<R::Stream, Error> {
    Deadline::<R>::new(&options.config).open(uri, options).await
}

/// The deadline for all of connecting, on the clock of a runtime.
struct Deadline<R: Runtime> {
    timer: <R::Hop as Transport>::Timer,
    due: Option<Time>,
}

impl<R: Runtime> Deadline<R> {
    /// Starts the time now.
    fn new(config: &Config) -> Self {
        let timer = <R::Hop as Transport>::Timer::new();
        let due = config.timers.handshake.map(|timeout| timer.now() + timeout);
        Self { timer, due }
    }

    /// Runs a step until it completes or the deadline passes.
    async fn bound<V>(&mut self, phase: Phase, step: impl Future<Output = Result<V, Error>>) -> Result<V, Error> {
        let mut step = pin!(step);
        poll_fn(|cx| match (step.as_mut().poll(cx), self.due) {
            (Poll::Pending, Some(due)) => {
                let elapsed = self.timer.poll_until(due, cx);
                elapsed.map(|()| Err(Error::TimedOut(phase)))
            }
            (polled, _) => polled,
        })
        .await
    }

    async fn open(&mut self, uri: &Uri, options: &ConnectOptions) -> Result<R::Stream, Error> {
        // Settings are validated before connecting.
        options.check(uri, R::HAS_TLS, R::SOCKS)?;
        #[cfg(feature = "rustls")]
        let tls = match uri.is_secure() {
            true => Some(self.bound(Phase::Tls, tls::<R>(uri, options)).await?),
            false => None,
        };
        let (host, port) = options.first_hop(uri);
        let addresses = self.bound(Phase::Lookup, lookup::<R>(host, port)).await?;
        let connecting = race::race::<R::Tcp, <R::Hop as Transport>::Timer, _>(addresses, R::connect);
        let mut tcp = self.bound(Phase::Connect, connecting).await?;
        if let Some(proxy) = &options.proxy {
            tcp = self.bound(Phase::Proxy, through::<R>(proxy, tcp, uri, options)).await?;
        }
        #[cfg(feature = "rustls")]
        if let Some((name, config)) = tls {
            let secured = async { R::secure(tcp, name, config).await.map_err(tls_error) };
            return self.bound(Phase::Tls, secured).await;
        }
        Ok(R::plain(tcp))
    }
}

/// Returns all addresses of a host, at least one, in the order in which to try them.
async fn lookup<R: Runtime>(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok([SocketAddr::new(address, port)].into());
    }
    let host = alloc::string::String::from(host);
    let found = R::unblock(move || Ok((host, port).to_socket_addrs()?.collect())).await;
    let addresses = race::in_turns(found.and_then(|found| found).map_err(Error::Lookup)?);
    if addresses.is_empty() {
        return Err(Error::Lookup(io::ErrorKind::NotFound.into()));
    }
    Ok(addresses)
}

/// Asks the proxy to connect to the host (RFC 6455 §4.1 item 3).
async fn through<R: Runtime>(proxy: &Proxy, tcp: R::Tcp, uri: &Uri, options: &ConnectOptions) -> Result<R::Tcp, Error> {
    if proxy.is_socks() {
        return R::through_socks(proxy, tcp, uri).await;
    }
    let mut tunnel = Tunnel::new(proxy, uri, &options.config.limits)?;
    let mut hop = R::Hop::from(tcp);
    let mut rest = tunnel.request();
    while !rest.is_empty() {
        match poll_fn(|cx| hop.poll_write(cx, &[IoSlice::new(rest)])).await? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            n => rest = &rest[n..],
        }
    }
    poll_fn(|cx| hop.poll_flush(cx)).await?;
    let mut buffer = [0; 1024];
    loop {
        match poll_fn(|cx| hop.poll_read(cx, &mut buffer)).await? {
            0 => return Err(ProxyError::Eof.into()),
            n if tunnel.receive(&buffer[..n])? => return Ok(R::into_tcp(hop)),
            _ => {}
        }
    }
}

/// Returns the name that the host's certificate must contain, and the TLS configuration.
#[cfg(feature = "rustls")]
async fn tls<R: Runtime>(
    uri: &Uri,
    options: &ConnectOptions,
) -> Result<(ServerName<'static>, Arc<ClientConfig>), Error> {
    let name = crate::io::tls::server_name(uri.host())?;
    if options.tls.is_ready() {
        return Ok((name, options.tls.client_config()?));
    }
    // This reads files.
    let tls = options.tls.clone();
    Ok((name, R::unblock(move || tls.client_config()).await??))
}

/// Unwraps the TLS error that the runtime has wrapped in an I/O error.
#[cfg(feature = "rustls")]
fn tls_error(error: io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(inner) => inner.clone().into(),
        None => error.into(),
    }
}
