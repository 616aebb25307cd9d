//! The way to the server: what the shells that make their own streams have in common, without a byte of I/O.

mod builder;
pub(super) mod maybe_tls;
mod proxy;
mod redirect;

#[cfg(feature = "rustls")]
use super::tls::TlsConfig;
use crate::{
    config::Config,
    error::{Error, RedirectError},
    handshake::{ClientHandshake, ClientRequest, HandshakeError, UriError},
};

pub use self::proxy::Proxy;
pub(super) use self::{builder::builder, proxy::Tunnel};

/// What to connect to, and how.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) request: ClientRequest,
    pub(super) config: Config,
    pub(super) proxy: Option<Proxy>,
    #[cfg(feature = "rustls")]
    pub(super) tls: TlsConfig,
    pub(super) max_redirects: u32,
    redirects: u32,
}

impl Plan {
    pub(super) fn new(request: ClientRequest) -> Self {
        Self {
            request,
            config: Config::new(),
            proxy: None,
            #[cfg(feature = "rustls")]
            tls: TlsConfig::new(),
            max_redirects: 0,
            redirects: 0,
        }
    }

    /// Fails for a request that cannot be sent, so that no connection is made for it.
    pub(super) fn check(&self) -> Result<(), Error> {
        ClientHandshake::new(self.request.clone(), [0; 16], &self.config)?;
        if self.request.uri().is_secure() && !cfg!(feature = "rustls") {
            return Err(Error::TlsUnavailable);
        }
        Ok(())
    }

    /// Host and port that TCP connects to.
    pub(super) fn first_hop(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (self.request.uri().host(), self.request.uri().port()),
        }
    }

    /// Turns to where a refusal redirects to, if that is asked for; everything else is the error it was.
    pub(super) fn redirect(&mut self, error: Error) -> Result<(), Error> {
        let Error::Handshake(HandshakeError::Refused(refusal)) = &error else {
            return Err(error);
        };
        if self.max_redirects == 0 || !matches!(refusal.status(), 301 | 302 | 303 | 307 | 308) {
            return Err(error);
        }
        let Some(location) = refusal.headers().get_bytes("Location") else {
            return Err(error);
        };
        if self.redirects == self.max_redirects {
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
