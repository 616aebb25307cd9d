//! The way to a server, as all shells take it: which proxy, which addresses, which TLS.

#[cfg(feature = "rustls")]
use alloc::sync::Arc;
use alloc::{vec, vec::Vec};
use core::net::SocketAddr;
use std::{
    io::{self, ErrorKind},
    net::ToSocketAddrs,
};

#[cfg(feature = "rustls")]
use rustls::{ClientConfig, pki_types::ServerName};

use super::{ConnectOptions, Destination, Proxy, destination::Kind, proxy::Scheme, race};
#[cfg(feature = "rustls")]
use crate::io::tls::server_name;
use crate::{
    error::{Error, ProxyError},
    handshake::Uri,
};

/// The other side of TLS.
#[cfg(feature = "rustls")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) enum Peer {
    Proxy,
    Server,
}

/// The way to the server of a URI.
pub(super) struct Route<'a> {
    pub(super) destination: Destination,
    pub(super) proxy: Option<&'a Proxy>,
    /// The names that certificates must contain, if TLS is used.
    #[cfg(feature = "rustls")]
    pub(super) proxy_name: Option<ServerName<'static>>,
    #[cfg(feature = "rustls")]
    pub(super) server_name: Option<ServerName<'static>>,
    /// The configuration of TLS, once it is known.
    #[cfg(feature = "rustls")]
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl<'a> Route<'a> {
    /// Fails if the shell does not support the URI or the proxy, before a connection is made.
    pub(super) fn new(uri: &Uri, options: &'a ConnectOptions, has_tls: bool) -> Result<Self, Error> {
        let destination = match &options.destination {
            Some(destination) => destination.clone(),
            None => Destination::of(uri),
        };
        let proxy = match destination.is_local() {
            true => None,
            false => options.proxies.select(uri)?,
        };
        let has_secure_proxy = proxy.is_some_and(|proxy| proxy.scheme == Scheme::Https);
        if (uri.is_secure() || has_secure_proxy) && !has_tls {
            return Err(Error::TlsUnavailable);
        }
        Ok(Self {
            destination,
            #[cfg(feature = "rustls")]
            proxy_name: match proxy.filter(|_| has_secure_proxy) {
                Some(proxy) => Some(server_name(&proxy.host).map_err(ProxyError::Tls)?),
                None => None,
            },
            #[cfg(feature = "rustls")]
            server_name: match uri.is_secure() {
                true => Some(server_name(uri.host())?),
                false => None,
            },
            #[cfg(feature = "rustls")]
            tls: None,
            proxy,
        })
    }

    /// Returns whether TLS is used with the server or with the proxy.
    #[cfg(feature = "rustls")]
    pub(super) const fn has_tls(&self) -> bool {
        self.proxy_name.is_some() || self.server_name.is_some()
    }

    /// Returns the name and the configuration for TLS with a peer, if it is used.
    #[cfg(feature = "rustls")]
    pub(super) fn tls_with(&self, peer: Peer) -> Result<Option<(ServerName<'static>, Arc<ClientConfig>)>, Error> {
        let name = match peer {
            Peer::Proxy => &self.proxy_name,
            Peer::Server => &self.server_name,
        };
        match (name, &self.tls) {
            (None, _) => Ok(None),
            (Some(name), Some(config)) => Ok(Some((name.clone(), Arc::clone(config)))),
            // TLS is never skipped.
            (Some(_), None) => Err(Error::TlsUnavailable),
        }
    }

    /// Returns the name to look up for a proxy that is told an address.
    pub(super) fn name_for_proxy(&self) -> Option<(&str, u16)> {
        match (self.proxy?.scheme, &self.destination.0) {
            (Scheme::Socks5, Kind::Name(name, port)) => Some((name, *port)),
            _ => None,
        }
    }

    /// Returns what a proxy is asked to connect to, one after the other: the destination, or its addresses.
    pub(super) fn targets(&self, addresses: Option<Vec<SocketAddr>>) -> Vec<Destination> {
        match addresses {
            Some(addresses) => addresses.into_iter().map(Destination::from).collect(),
            None => vec![self.destination.clone()],
        }
    }
}

/// Looks up a name. Returns all addresses, at least one, in the order in which to try them.
pub(super) fn lookup(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addresses = race::in_turns((name, port).to_socket_addrs()?.collect());
    match addresses.is_empty() {
        true => Err(ErrorKind::NotFound.into()),
        false => Ok(addresses),
    }
}

impl Error {
    /// Returns whether a proxy cannot reach an address, so that another one may do.
    pub(super) fn is_about_address(&self) -> bool {
        // RFC 1928 §6: network or host unreachable, connection refused, TTL expired, unsupported type of address.
        matches!(self, Self::Proxy(error) if matches!(**error, ProxyError::SocksRefused(3..=6 | 8)))
    }

    /// Says that a failure of TLS is that with the proxy.
    #[cfg(feature = "rustls")]
    pub(super) fn with_proxy(self) -> Self {
        match self {
            Self::Tls(error) => ProxyError::Tls(*error).into(),
            error => error,
        }
    }
}
