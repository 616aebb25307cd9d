//! The way to the server: options, the steps, and the calls of each kind of shell.

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

/// A request on its way to a server, which redirects may change.
#[derive(Debug)]
struct Plan {
    request: ClientRequest,
    options: ConnectOptions,
    redirects: u32,
}

impl Plan {
    /// Fails for a request that cannot be sent, so that no connection is made for it.
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

    /// Turns to where a refusal redirects to, if that is asked for; everything else is the error it was.
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
        self.request.redirect(target);
        self.check()
    }
}

impl ConnectOptions {
    /// Host and port that TCP connects to, on the way to a URI.
    fn first_hop<'a>(&'a self, uri: &'a Uri) -> (&'a str, u16) {
        match &self.proxy {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (uri.host(), uri.port()),
        }
    }

    /// Fails for a way that a shell cannot go, so that no connection is made.
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
