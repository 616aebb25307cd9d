//! Where to connect to.

use alloc::{boxed::Box, format};
use core::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};
#[cfg(unix)]
use std::path::{Path, PathBuf};

use crate::handshake::{Uri, UriError};

/// Where a client connects to, if not to the host and port of the URI: `HOST:PORT`, an address, or a Unix socket. See
/// [`ConnectOptions::to`](crate::ConnectOptions::to).
///
/// ```
/// use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
/// use websocket_proto::Destination;
///
/// let host: Destination = "backend.internal:9001".parse()?;
/// let address = Destination::from(SocketAddr::from(([127, 0, 0, 1], 9001)));
/// // A link-local address with the number of the interface, for which a URI has no form.
/// let zone = Destination::from(SocketAddr::from(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 9001, 0, 2)));
/// # #[cfg(unix)]
/// let socket = Destination::from(std::path::Path::new("/run/backend.socket"));
/// # Ok::<(), websocket_proto::handshake::UriError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Destination(pub(super) Kind);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name to look up, and the port.
    Name(Box<str>, u16),
    Address(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Destination {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self(match host.parse::<IpAddr>() {
            Ok(address) => Kind::Address(SocketAddr::new(address, port)),
            Err(_) => Kind::Name(host.into(), port),
        })
    }

    /// The host and port of a URI.
    pub(super) fn of(uri: &Uri) -> Self {
        Self::new(uri.host(), uri.port())
    }

    pub(super) const fn is_local(&self) -> bool {
        #[cfg(unix)]
        return matches!(self.0, Kind::Unix(_));
        #[cfg(not(unix))]
        return false;
    }
}

/// Splits text into a host, which is a name, an IPv4 address or an IPv6 address in brackets, and a port.
pub(super) fn host_and_port(text: &str) -> Result<(Box<str>, Option<u16>), UriError> {
    if text.contains(['/', '?', '#', '@']) {
        return Err(UriError::Host);
    }
    let uri: Uri = format!("ws://{text}").parse()?;
    // What follows the last colon, unless that is part of an address. A port may be empty.
    let port = text.rsplit_once(':').map_or("", |(_, port)| port);
    let has_port = !port.is_empty() && !port.ends_with(']');
    Ok((uri.host().into(), has_port.then(|| uri.port())))
}

/// Parses `HOST:PORT`.
impl FromStr for Destination {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        // An IPv6 address may have a zone, as a number.
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let (host, port) = host_and_port(text)?;
        Ok(Self::new(&host, port.ok_or(UriError::Port)?))
    }
}

impl TryFrom<&str> for Destination {
    type Error = UriError;

    fn try_from(text: &str) -> Result<Self, UriError> {
        text.parse()
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Self {
        Self(Kind::Address(address))
    }
}

/// A Unix socket.
#[cfg(unix)]
impl From<PathBuf> for Destination {
    fn from(path: PathBuf) -> Self {
        Self(Kind::Unix(path))
    }
}

/// A Unix socket.
#[cfg(unix)]
impl From<&Path> for Destination {
    fn from(path: &Path) -> Self {
        path.to_path_buf().into()
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Name(host, port) => write!(f, "{host}:{port}"),
            Kind::Address(address) => address.fmt(f),
            #[cfg(unix)]
            Kind::Unix(path) => path.fmt(f),
        }
    }
}
