//! Connecting through a SOCKS5 proxy.

use std::io;

use ::tokio::net::TcpStream;
use tokio_socks::{Error as SocksError, tcp::Socks5Stream};

use crate::{
    error::{Error, ProxyError},
    handshake::Uri,
    io::connect::Proxy,
};

/// Asks the proxy to look up the host and connect to it ([RFC 1928](https://www.rfc-editor.org/rfc/rfc1928)).
pub(super) async fn through(proxy: &Proxy, stream: TcpStream, uri: &Uri) -> Result<TcpStream, Error> {
    let target = (uri.host(), uri.port());
    let connected = match proxy.user_and_password() {
        None => Socks5Stream::connect_with_socket(stream, target).await,
        Some((user, password)) => Socks5Stream::connect_with_password_and_socket(stream, target, user, password).await,
    };
    Ok(connected.map_err(own_error)?.into_inner())
}

fn own_error(error: SocksError) -> Error {
    match error {
        SocksError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ProxyError::Eof,
        SocksError::Io(error) => return error.into(),
        SocksError::InvalidAuthValues(_) => ProxyError::InvalidCredentials,
        SocksError::PasswordAuthFailure(_)
        | SocksError::NoAcceptableAuthMethods
        | SocksError::AuthorizationRequired => ProxyError::SocksCredentials,
        SocksError::GeneralSocksServerFailure => ProxyError::SocksRefused(1),
        SocksError::ConnectionNotAllowedByRuleset => ProxyError::SocksRefused(2),
        SocksError::NetworkUnreachable => ProxyError::SocksRefused(3),
        SocksError::HostUnreachable => ProxyError::SocksRefused(4),
        SocksError::ConnectionRefused => ProxyError::SocksRefused(5),
        SocksError::TtlExpired => ProxyError::SocksRefused(6),
        SocksError::CommandNotSupported => ProxyError::SocksRefused(7),
        SocksError::AddressTypeNotSupported => ProxyError::SocksRefused(8),
        _ => ProxyError::Malformed,
    }
    .into()
}
