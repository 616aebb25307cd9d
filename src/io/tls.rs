//! TLS for `wss` with [rustls](https://docs.rs/rustls): the certificate authorities that a client trusts, and the
//! cryptography.
//!
//! The cryptography is the first available of: a provider passed to [`TlsConfig::provider`]; the one that the process
//! has installed ([`CryptoProvider::install_default`]); the one of this crate's features (`rustls-aws-lc` before
//! `rustls-ring`, if different crates enable both). If there is none, an error is returned; this never panics.
//!
//! Servers pass in a stream with TLS already set up, for example of tokio-rustls, or [`blocking::TlsStream`]. With
//! [`blocking::Acceptor::over`] and its async counterpart, one deadline limits TLS and the opening handshake together.
//!
//! # Certificates for tests
//!
//! OpenSSL makes a certificate for a server on this machine, which is its own authority, with:
//!
//! ```sh
//! openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 365 -subj /CN=localhost \
//!     -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost,IP:127.0.0.1
//! ```
//!
//! Both extensions are necessary: without the first, the certificate is one of an authority, which a server may not
//! use, and the name is looked for in the second only. Clients add `cert.pem` with [`TlsConfig::add_root`].
//!
//! [`blocking::TlsStream`]: crate::blocking::TlsStream
//! [`blocking::Acceptor::over`]: crate::blocking::Acceptor::over

pub(super) mod stream;

use alloc::{sync::Arc, vec, vec::Vec};
use core::fmt;
use std::sync::OnceLock;

use ::rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName},
};

/// The version of rustls that the types of this module belong to.
pub use ::rustls;

#[cfg(feature = "async")]
use crate::error::Error;
pub use crate::error::TlsError;

/// The certificate authorities that a client trusts.
///
/// By default these are the platform's authorities. They are read for the first connection, which takes some
/// milliseconds. Clones share them, and the sessions that shorten later handshakes, so use one value for all
/// connections.
///
/// ```no_run
/// use websocket_proto::tls::{TlsConfig, rustls::pki_types::{CertificateDer, pem::PemObject}};
///
/// let root = CertificateDer::from_pem_file("own-authority.pem")?;
/// let tls = TlsConfig::new().add_root(root);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The certificate and the host name are always verified ([RFC 6455 §10.6]). Anything else, such as client
/// certificates, requires an `Arc<ClientConfig>`, which converts into this type with [`From`].
///
/// [RFC 6455 §10.6]: https://www.rfc-editor.org/rfc/rfc6455#section-10.6
#[derive(Clone)]
pub struct TlsConfig {
    without_platform: bool,
    roots: Vec<CertificateDer<'static>>,
    provider: Option<Arc<CryptoProvider>>,
    is_given: bool,
    /// The resulting configuration, once it was asked for.
    ready: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl TlsConfig {
    /// Trusts the platform's authorities.
    #[must_use]
    pub fn new() -> Self {
        Self {
            without_platform: false,
            roots: Vec::new(),
            provider: None,
            is_given: false,
            ready: Arc::default(),
        }
    }

    /// Also trusts this authority. Has no effect on a value created from a [`ClientConfig`].
    #[must_use]
    pub fn add_root(mut self, certificate: CertificateDer<'static>) -> Self {
        self.roots.push(certificate);
        self.changed()
    }

    /// Trusts only the authorities that are added. Has no effect on a value created from a [`ClientConfig`].
    #[must_use]
    pub fn without_platform_roots(mut self) -> Self {
        self.without_platform = true;
        self.changed()
    }

    /// Uses the cryptography of this provider. Has no effect on a value created from a [`ClientConfig`].
    #[must_use]
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self.changed()
    }

    /// Returns the rustls configuration. The first call reads the platform's roots; later calls, also those on clones,
    /// return the same configuration.
    ///
    /// # Errors
    ///
    /// [`TlsError::NoCryptoProvider`]; [`TlsError::NoRoots`]; [`TlsError::InvalidRoot`]; [`TlsError::Failed`] for a
    /// provider that lacks what TLS needs.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        match self.ready.get() {
            Some(config) => Ok(Arc::clone(config)),
            None => {
                let config = Arc::new(self.build()?);
                // If several are built at the same time, one is shared.
                Ok(Arc::clone(self.ready.get_or_init(|| config)))
            }
        }
    }

    /// Returns whether the next connection has nothing to read.
    #[cfg(any(feature = "tokio", feature = "futures-io"))]
    pub(super) fn is_ready(&self) -> bool {
        self.ready.get().is_some()
    }

    fn changed(mut self) -> Self {
        if !self.is_given {
            self.ready = Arc::default();
        }
        self
    }

    fn build(&self) -> Result<ClientConfig, TlsError> {
        let provider = self.provider.clone().or_else(default_provider);
        let provider = provider.ok_or(TlsError::NoCryptoProvider)?;
        let mut roots = RootCertStore::empty();
        if !self.without_platform {
            // Platforms have unreadable certificates, and sometimes broken paths. The others are used.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        for root in &self.roots {
            roots.add(root.clone()).map_err(TlsError::InvalidRoot)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoRoots);
        }
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // RFC 7301: a server that also offers HTTP/2 must not choose it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Arc<ClientConfig>> for TlsConfig {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self {
            is_given: true,
            ready: Arc::new(OnceLock::from(config)),
            ..Self::new()
        }
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("is_given", &self.is_given)
            .field("without_platform", &self.without_platform)
            .field("roots", &self.roots.len())
            .finish_non_exhaustive()
    }
}

/// Returns the provider of the process, or else that of the features.
fn default_provider() -> Option<Arc<CryptoProvider>> {
    // rustls could find one by its own features, but panics if they are ambiguous.
    CryptoProvider::get_default().cloned().or_else(provider_of_features)
}

#[cfg(feature = "rustls-aws-lc")]
fn provider_of_features() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(::rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "rustls-ring", not(feature = "rustls-aws-lc")))]
fn provider_of_features() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(::rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "rustls-ring", feature = "rustls-aws-lc")))]
const fn provider_of_features() -> Option<Arc<CryptoProvider>> {
    None
}

/// Returns the TLS error that an async library has wrapped in an I/O error, or else the error unchanged.
#[cfg(feature = "async")]
pub(super) fn unwrap_error(error: Error) -> Error {
    let Error::Io(wrapper) = &error else { return error };
    let inner = wrapper
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<::rustls::Error>());
    inner.cloned().map_or(error, Error::from)
}

/// Returns the name that the host's certificate must contain.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    match ServerName::try_from(host) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(TlsError::ServerName),
    }
}

#[cfg(all(test, not(any(feature = "rustls-ring", feature = "rustls-aws-lc"))))]
mod tests {
    use crate::error::{Error, TlsError};

    fn assert_names_the_provider(error: &Error) {
        let is_missing = matches!(error, Error::Tls(error) if matches!(**error, TlsError::NoCryptoProvider));
        assert!(is_missing, "{error:?}");
    }

    /// A missing provider is an error that names it, and no panic, before anything is looked up.
    #[test]
    fn a_missing_provider_is_an_error() {
        let connected = crate::blocking::connect("wss://name.invalid/");
        assert_names_the_provider(&connected.expect_err("no cryptography"));
    }

    #[cfg(feature = "tokio-rustls")]
    #[test]
    fn a_missing_provider_is_an_error_of_the_tokio_shell() {
        let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build();
        let connected = runtime
            .expect("a runtime")
            .block_on(crate::tokio::connect("wss://name.invalid/"));
        assert_names_the_provider(&connected.expect_err("no cryptography"));
    }
}
