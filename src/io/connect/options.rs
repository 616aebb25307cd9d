//! The options for connecting to a server.

use super::{Destination, Proxies};
use crate::config::Config;
#[cfg(feature = "rustls")]
use crate::io::tls::TlsConfig;

/// The options for connecting to a server: limits and timers, TLS, proxies, redirects, another address. See
/// [`blocking::connect_with`](crate::blocking::connect_with) and its async counterparts.
///
/// By default, a client connects directly, follows no redirects, and trusts the platform's certificate authorities. One
/// value serves any number of connections.
///
/// ```no_run
/// use std::time::Duration;
/// use websocket_proto::{Config, ConnectOptions, Proxies, Timers, blocking, handshake::ClientRequest};
///
/// let options = ConnectOptions::new()
///     .config(&Config::new().timers(Timers::new().handshake(Duration::from_secs(20))))
///     .proxy(Proxies::from_env())
///     .redirects(5);
/// let request: ClientRequest = "ws://example.com/chat".parse()?;
/// let (websocket, response) = blocking::connect_with(request, &options)?;
/// println!("{:?}", response.headers().get("Server"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    pub(super) config: Config,
    #[cfg(feature = "rustls")]
    pub(super) tls: TlsConfig,
    pub(super) proxies: Proxies,
    pub(super) destination: Option<Destination>,
    pub(super) max_redirects: u32,
    pub(super) redirects_subprotocols: bool,
}

impl ConnectOptions {
    /// Creates the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets limits and timers. [`Timers::handshake`](crate::Timers::handshake) bounds all steps together: the name
    /// look-up, connecting, TLS, the proxy, redirects and the opening handshake.
    #[must_use]
    pub fn config(mut self, config: &Config) -> Self {
        self.config = config.clone();
        self
    }

    /// Sets which certificate authorities a client trusts: with `wss`, and with an `https` proxy. A client certificate in
    /// a rustls configuration is for both.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(mut self, tls: impl Into<TlsConfig>) -> Self {
        self.tls = tls.into();
        self
    }

    /// Connects through a proxy: a [`Proxy`](crate::Proxy), or whichever of [`Proxies`] is for the server. By default
    /// none is used, whatever the environment says; see [`Proxies::from_env`].
    #[must_use]
    pub fn proxy(mut self, proxy: impl Into<Proxies>) -> Self {
        self.proxies = proxy.into();
        self
    }

    /// Connects to this host, address or Unix socket instead of the URI's host and port. Everything else goes by the
    /// URI: whether TLS is used, the name that the server's certificate must contain, `Host`, and which proxy is used.
    /// A proxy is asked to connect to this host or address. A Unix socket is connected to without a proxy.
    ///
    /// A redirect to another scheme, host or port leads to the address of that host.
    ///
    /// ```no_run
    /// use std::net::SocketAddr;
    /// use websocket_proto::{ConnectOptions, blocking, handshake::ClientRequest};
    ///
    /// // `wss://example.com`, as one of its servers answers for it.
    /// let options = ConnectOptions::new().to(SocketAddr::from(([192, 0, 2, 7], 443)));
    /// let request: ClientRequest = "wss://example.com/chat".parse()?;
    /// let (websocket, _) = blocking::connect_with(request, &options)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to(mut self, destination: impl Into<Destination>) -> Self {
        self.destination = Some(destination.into());
        self
    }

    /// Follows up to this many redirects (301, 302, 303, 307, 308). By default none is followed, and a redirect is
    /// [`HandshakeError::Refused`](crate::handshake::HandshakeError::Refused) like any other refusal.
    ///
    /// `Location` may be relative, and is read as browsers do; `http` and `https` in it stand for `ws` and `wss`. A
    /// redirect from `wss` to `ws`, or with user information, is not followed. The proxy is chosen again.
    ///
    /// If scheme, host or port change, whatever may be a credential is not sent: the user information of the URI, the
    /// origin, the added header fields except `User-Agent` and `Accept-Language`, the subprotocols (see
    /// [`redirect_subprotocols`](Self::redirect_subprotocols)), and a [`Host`](crate::handshake::ClientRequest::host) that was set. Extensions are offered again.
    #[must_use]
    pub const fn redirects(mut self, limit: u32) -> Self {
        self.max_redirects = limit;
        self
    }

    /// Offers the subprotocols also where a redirect leads to another scheme, host or port. Use this only if none of them
    /// is a token: pages often send tokens as subprotocols, since they cannot add header fields.
    #[must_use]
    pub const fn redirect_subprotocols(mut self) -> Self {
        self.redirects_subprotocols = true;
        self
    }
}
