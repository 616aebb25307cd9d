//! Errors of connecting a stream to the server.

use alloc::boxed::Box;
use core::fmt;

#[cfg(feature = "rustls")]
use super::certificate::Words;
use crate::handshake::{HandshakeError, Refusal, UriError};

/// What timed out while connecting; see [`Error::TimedOut`](crate::Error::TimedOut).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Looking up the name of the host, or of the proxy.
    Lookup,
    /// Connecting to the host, or to the proxy, with TCP or a Unix socket.
    Connect,
    /// Connecting to the host through the proxy.
    Proxy,
    /// Negotiating TLS with the host, or with the proxy.
    Tls,
    /// A whole attempt to connect; see [`Policy::attempt_timeout`](crate::reconnect::Policy::attempt_timeout).
    Attempt,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup => "name look-up",
            Self::Connect => "connecting",
            Self::Proxy => "connect through the proxy",
            Self::Tls => "TLS handshake",
            Self::Attempt => "connection attempt",
        })
    }
}

/// Why connecting through a [`Proxy`](crate::Proxy) failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The text is not a valid proxy URL.
    #[error("invalid proxy URL: expected `http://HOST:PORT` or `socks5://HOST:PORT`")]
    Url,
    /// The scheme of the proxy's URL is none of `http`, `https`, `socks5` and `socks5h`.
    #[error("unsupported scheme of a proxy URL: expected http, https, socks5 or socks5h")]
    Scheme,
    /// The user name or the password cannot be sent: for HTTP, one contains a control character or the user name a
    /// colon; for SOCKS, one is longer than 255 bytes.
    #[error("invalid proxy credentials")]
    InvalidCredentials,
    /// The host's name is longer than 255 bytes, the most that SOCKS can send.
    #[error("the name of the host is too long for a SOCKS proxy")]
    HostTooLong,
    /// TLS could not be set up with the proxy.
    #[cfg(feature = "rustls")]
    #[error("cannot set up TLS with the proxy: {0}")]
    Tls(TlsError),
    /// The proxy answered with an HTTP status other than 2xx. 407 requires credentials, or other ones. The [`Refusal`]
    /// has the details.
    #[error("the proxy refused with status {}", .0.status())]
    Refused(Box<Refusal>),
    /// The proxy refused with this SOCKS reply code ([RFC 1928 §6](https://www.rfc-editor.org/rfc/rfc1928#section-6)).
    #[error("the proxy refused with SOCKS reply {0}")]
    SocksRefused(u8),
    /// The SOCKS proxy requires credentials, or other ones.
    #[error("the proxy did not accept the credentials")]
    SocksCredentials,
    /// The head of the proxy's response violates the grammar or a limit.
    #[error("invalid response from the proxy: {0}")]
    Head(HandshakeError),
    /// The proxy violated its protocol.
    #[error("the proxy violated its protocol")]
    Malformed,
    /// The proxy closed the connection without a response.
    #[error("the proxy closed the connection")]
    Eof,
}

/// Why a redirect was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// More redirects followed one another than are allowed.
    #[error("too many redirects")]
    TooMany,
    /// The target of the redirect is not a URI to connect to.
    #[error("invalid redirect: {0}")]
    Location(UriError),
    /// The server redirects from `wss` to `ws`.
    #[error("redirect from wss to ws")]
    Insecure,
}

/// Why TLS could not be set up.
#[cfg(feature = "rustls")]
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// No cryptography is available: enable the `rustls-ring` or `rustls-aws-lc` feature, pass a provider with
    /// [`TlsConfig::provider`](crate::tls::TlsConfig::provider), or install one for the process.
    #[error("TLS requires the `rustls-ring` or `rustls-aws-lc` feature, or another crypto provider")]
    NoCryptoProvider,
    /// No root certificate is available: the platform has none, and none was added.
    #[error("no root certificates available: add one with `TlsConfig::add_root`")]
    NoRoots,
    /// An added root certificate is invalid.
    #[error("invalid root certificate: {0}")]
    InvalidRoot(rustls::Error),
    /// The URI's host cannot be the name in a certificate.
    #[error("the host is not a valid name in a certificate")]
    ServerName,
    /// The server's certificate is for other hosts.
    #[error("{}", Words(.0))]
    HostName(rustls::CertificateError),
    /// The server's certificate is not trusted. The message says what is wrong with it and, for mistakes that are often
    /// made with certificates for tests, how to make a valid one.
    #[error("{}", Words(.0))]
    Certificate(rustls::CertificateError),
    /// TLS failed for another reason.
    #[error("{prefix}{0}", prefix = prefix(.0))]
    Failed(rustls::Error),
}

/// What an error of TLS usually means, if its own message does not say it.
#[cfg(feature = "rustls")]
const fn prefix(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidMessage(_) => "the peer does not seem to speak TLS: ",
        rustls::Error::AlertReceived(_) => "the peer refused: ",
        _ => "",
    }
}

#[cfg(feature = "rustls")]
impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        use rustls::CertificateError;
        match error {
            rustls::Error::InvalidCertificate(
                error @ (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
            ) => Self::HostName(error),
            rustls::Error::InvalidCertificate(error) => Self::Certificate(error),
            error => Self::Failed(error),
        }
    }
}
