//! The options for connecting to a server.

use super::Proxy;
use crate::config::Config;
#[cfg(feature = "rustls")]
use crate::io::tls::TlsConfig;

/// The options for connecting to a server: limits and timers, TLS, a proxy, redirects. See
/// [`blocking::connect_with`](crate::blocking::connect_with) and its async counterparts.
///
/// By default, a client connects directly, follows no redirects, and trusts the platform's certificate authorities. One
/// value serves any number of connections.
///
/// ```no_run
/// use std::time::Duration;
/// use websocket_proto::{Config, ConnectOptions, Proxy, Timers, blocking, handshake::ClientRequest};
///
/// let options = ConnectOptions::new()
///     .config(&Config::new().timers(Timers::new().handshake(Duration::from_secs(20))))
///     .proxy("http://proxy.example:3128".parse::<Proxy>()?)
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
    pub(super) proxy: Option<Proxy>,
    pub(super) max_redirects: u32,
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

    /// Sets which certificate authorities a client trusts with `wss`.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(mut self, tls: impl Into<TlsConfig>) -> Self {
        self.tls = tls.into();
        self
    }

    /// Connects through a proxy. By default no proxy is used, whatever the environment says; see [`Proxy::from_env`].
    ///
    /// All shells support HTTP proxies. SOCKS5 requires the tokio shell and the `socks` feature.
    #[must_use]
    pub fn proxy(mut self, proxy: impl Into<Option<Proxy>>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// Follows up to this many redirects (301, 302, 303, 307, 308). By default none is followed, and a redirect is
    /// [`HandshakeError::Refused`](crate::handshake::HandshakeError::Refused) like any other refusal.
    ///
    /// `Location` may be relative, and is read as browsers do; `http` and `https` in it stand for `ws` and `wss`. A
    /// redirect from `wss` to `ws`, or with user information, is not followed.
    ///
    /// If scheme, host or port change, whatever may be a credential is not sent: the user information of the URI, the
    /// origin, the added header fields except `User-Agent` and `Accept-Language`, the subprotocols, and an own `Host`.
    #[must_use]
    pub const fn redirects(mut self, limit: u32) -> Self {
        self.max_redirects = limit;
        self
    }
}
