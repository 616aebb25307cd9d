//! Why there is no stream to open a connection over.

use core::fmt;

use crate::handshake::{HandshakeError, UriError};

/// A step on the way to the server, before the opening handshake; see [`Error::TimedOut`](crate::Error::TimedOut).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// The name of the host, or of the proxy, is looked up.
    Lookup,
    /// TCP connects to the host, or to the proxy.
    Connect,
    /// The proxy connects to the host.
    Proxy,
    /// TLS comes to terms with the host.
    Tls,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup => "name look-up",
            Self::Connect => "TCP connect",
            Self::Proxy => "connect through the proxy",
            Self::Tls => "TLS handshake",
        })
    }
}

/// Why a [`Proxy`](crate::Proxy) leads nowhere.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The text is no URL of a proxy.
    #[error("not the URL of a proxy")]
    Url,
    /// A SOCKS proxy requires the `socks` feature.
    #[error("a SOCKS proxy requires the `socks` feature")]
    SocksUnavailable,
    /// The blocking shell and the futures-io shell do not support SOCKS proxies, whatever the features.
    #[error("only the tokio shell supports SOCKS proxies")]
    SocksUnsupported,
    /// The user name or the password cannot be sent: a control character, a colon in the user name, or too long for
    /// SOCKS (255 bytes).
    #[error("the credentials cannot be sent")]
    InvalidCredentials,
    /// The proxy answered with this HTTP status. 407 asks for (other) credentials.
    #[error("the proxy refused with status {0}")]
    Refused(u16),
    /// The proxy refused with this reply code of SOCKS ([RFC 1928 §6](https://www.rfc-editor.org/rfc/rfc1928#section-6)).
    #[error("the proxy refused with SOCKS reply {0}")]
    SocksRefused(u8),
    /// The SOCKS proxy asks for (other) credentials.
    #[error("the proxy asks for other credentials")]
    SocksCredentials,
    /// The head of the proxy's answer breaks the grammar or a limit.
    #[error("the answer of the proxy is not valid: {0}")]
    Head(#[source] HandshakeError),
    /// The proxy broke its protocol.
    #[error("the proxy broke its protocol")]
    Malformed,
    /// The proxy ended the connection without an answer.
    #[error("the proxy ended the connection")]
    Eof,
}

/// Why a redirect was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// There were as many redirects as were allowed.
    #[error("too many redirects")]
    TooMany,
    /// The server redirects to something that is no URI to connect to.
    #[error("invalid redirect: {0}")]
    Location(#[source] UriError),
    /// The server redirects from `wss` to `ws`.
    #[error("redirect from wss to ws")]
    Insecure,
}

/// Why there is no TLS stream.
#[cfg(feature = "rustls")]
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// There is no cryptography: enable the `rustls-ring` or `rustls-aws-lc` feature, pass a provider with
    /// [`TlsConfig::provider`](crate::tls::TlsConfig::provider), or install one for the process.
    #[error("TLS requires the `rustls-ring` or `rustls-aws-lc` feature, or another crypto provider")]
    NoCryptoProvider,
    /// There is no root certificate: the platform has none, and none was added.
    #[error("no root certificates")]
    NoRoots,
    /// A root certificate that was added is none.
    #[error("invalid root certificate: {0}")]
    InvalidRoot(#[source] rustls::Error),
    /// No certificate can be made out to the host of the URI.
    #[error("the host cannot have a certificate")]
    ServerName,
    /// The certificate of the server is made out to other hosts.
    #[error("the certificate is for another host: {}", rustls::Error::InvalidCertificate(.0.clone()))]
    HostName(rustls::CertificateError),
    /// The certificate of the server is not to be trusted.
    #[error("{}", rustls::Error::InvalidCertificate(.0.clone()))]
    Certificate(rustls::CertificateError),
    /// TLS failed otherwise.
    #[error(transparent)]
    Failed(rustls::Error),
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
