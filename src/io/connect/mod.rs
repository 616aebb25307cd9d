//! Connecting to a server: options, the steps, and the functions of each kind of shell.

#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(super) mod asynchronous;
pub(super) mod blocking;
mod destination;
mod maybe_tls;
mod no_proxy;
mod options;
mod proxies;
mod proxy;
mod race;
mod redirect;
mod route;
mod socks;
#[cfg(any(feature = "tokio", feature = "futures-io"))]
mod thread;
mod tunnel;

#[cfg(feature = "rustls")]
pub(super) use self::route::Peer;
pub use self::{
    destination::Destination, maybe_tls::MaybeTls, options::ConnectOptions, proxies::Proxies, proxy::Proxy,
};
use crate::{
    error::{Error, RedirectError},
    handshake::{ClientHandshake, ClientRequest, HandshakeError, UriError},
};

/// A request and its options. Redirects may change both.
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
        if !target.is_same_origin(base) {
            // Another server is at its own address.
            self.options.destination = None;
        }
        self.redirects += 1;
        self.request.redirect(target, self.options.redirects_subprotocols);
        self.check()
    }
}
