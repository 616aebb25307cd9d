//! TLS for servers, from PEM files.

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::TlsAcceptor;
use websocket_proto::tls::rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// The TLS options of a server.
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct TlsOptions {
    /// PEM file with the server's certificate and intermediate certificates
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// PEM file with the private key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

impl TlsOptions {
    /// Returns a TLS acceptor, if the options request TLS. `alpn` are the protocols to choose from, the preferred one first.
    pub(crate) fn acceptor(&self, alpn: &[&[u8]]) -> Result<Option<TlsAcceptor>, Box<dyn Error>> {
        let (Some(certificates), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        let unusable = |path: &Path| {
            let path = path.display().to_string();
            move |error| format!("{path}: {error}")
        };
        let certificates = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect)
            .map_err(unusable(certificates))?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(unusable(key))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates, key)?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Some(Arc::new(config).into()))
    }
}
