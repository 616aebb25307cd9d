//! Connecting to a server: options, the steps, and the functions of each kind of shell.

#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(super) mod asynchronous;
pub(super) mod blocking;
mod maybe_tls;
mod options;
mod proxy;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod race;
mod redirect;

use self::proxy::Tunnel;
pub use self::{maybe_tls::MaybeTls, options::ConnectOptions, proxy::Proxy};
use crate::{
    error::{Error, ProxyError, RedirectError},
    handshake::{ClientHandshake, ClientRequest, HandshakeError, Uri, UriError},
};

/// A request and its options. Redirects may change the request.
#[derive(Debug)]
struct Plan {
    request: ClientRequest,
    options: ConnectOptions,
    redirects: u32,
}

impl Plan {
    /// Fails for a request that cannot be sent, before a connection is made.
    fn new(request: ClientRequest, options: &ConnectOptions) -> Result<Self, Error> {
        let plan = Self {
            request,
            options: options.clone(),
            redirects: 0,
        };
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), Error> {
        ClientHandshake::new(self.request.clone(), [0; 16], &self.options.config)?;
        Ok(())
    }

    /// Follows the redirect that a refusal asks for, if enabled. Any other error is returned unchanged.
    fn redirect(&mut self, error: Error) -> Result<(), Error> {
        let Error::Handshake(HandshakeError::Refused(refusal)) = &error else {
            return Err(error);
        };
        if self.options.max_redirects == 0 || !matches!(refusal.status(), 301 | 302 | 303 | 307 | 308) {
            return Err(error);
        }
        let Some(location) = refusal.headers().get_bytes("Location") else {
            return Err(error);
        };
        if self.redirects == self.options.max_redirects {
            return Err(RedirectError::TooMany.into());
        }
        let location = core::str::from_utf8(location).map_err(|_| RedirectError::Location(UriError::Character))?;
        let base = self.request.uri();
        let target = redirect::resolve(base, location).map_err(RedirectError::Location)?;
        if base.is_secure() && !target.is_secure() {
            return Err(RedirectError::Insecure.into());
        }
        self.redirects += 1;
        self.request.redirect(target, false);
        self.check()
    }
}

impl ConnectOptions {
    /// Returns the host and port of the first TCP connection: the proxy's, or the URI's.
    fn first_hop<'a>(&'a self, uri: &'a Uri) -> (&'a str, u16) {
        match &self.proxy {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (uri.host(), uri.port()),
        }
    }

    /// Fails if the shell does not support the URI or the proxy, before a connection is made.
    fn check(&self, uri: &Uri, has_tls: bool, socks: Result<(), ProxyError>) -> Result<(), Error> {
        if uri.is_secure() && !has_tls {
            return Err(Error::TlsUnavailable);
        }
        match &self.proxy {
            Some(proxy) if proxy.is_socks() => Ok(socks?),
            _ => Ok(()),
        }
    }
}
