//! From the command line to an open connection.

use std::time::{Duration, Instant};

use websocket_proto::{
    Config, ConnectOptions, Error, Proxies, Proxy,
    handshake::ClientRequest,
    tls::{
        TlsConfig,
        rustls::pki_types::{CertificateDer, pem::PemObject},
    },
    tokio::{Connector, MaybeTls, WebSocket, open_stream},
};

use crate::{arguments::Options, insecure, url};

/// Where to connect, and how. It is checked once, and used for every attempt.
pub(crate) struct Target {
    request: ClientRequest,
    options: ConnectOptions,
    config: Config,
}

/// How long the two steps took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) connecting: Duration,
    pub(crate) handshake: Duration,
}

impl Target {
    /// # Errors
    ///
    /// A sentence without credentials.
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        let config = options.config();
        let proxies = match &options.proxy {
            Some(proxy) => proxy.parse::<Proxy>().map_err(|error| error.to_string())?.into(),
            None => Proxies::from_env(),
        };
        let connecting = ConnectOptions::new().config(&config).tls(tls(options)?).proxy(proxies);
        #[cfg(unix)]
        let connecting = match &options.unix_socket {
            Some(path) => connecting.to(path.as_path()),
            None => connecting,
        };
        Ok(Self {
            request: request(options)?,
            options: connecting,
            config,
        })
    }

    /// The URL, without credentials.
    pub(crate) fn shown(&self) -> String {
        url::shown(self.request.uri())
    }

    /// Connects, and opens a connection.
    pub(crate) async fn open(&self) -> Result<(WebSocket<MaybeTls>, Took), Error> {
        // `connect_with` would do all of this. These are its steps, which are timed separately.
        let began = Instant::now();
        let stream = open_stream(self.request.uri(), &self.options);
        let mut connector = Connector::over(stream, self.request.clone(), &self.config).await?;
        let connected = Instant::now();
        let response = connector.recv_response().await?;
        let took = Took {
            connecting: connected - began,
            handshake: connected.elapsed(),
        };
        Ok((connector.open(response), took))
    }
}

fn request(options: &Options) -> Result<ClientRequest, String> {
    let text = match &*options.url {
        [text] => url::complete(text)?,
        [] => return Err("a URL is required".into()),
        _ => return Err("one URL is expected, and there are more arguments".into()),
    };
    let mut request: ClientRequest = text.parse().map_err(|error| format!("invalid URL: {error}"))?;
    for (name, value) in &options.header_fields()? {
        request = request.header(name, value);
    }
    for subprotocol in &options.subprotocols {
        request = request.subprotocol(subprotocol.as_str());
    }
    if let Some(origin) = &options.origin {
        request = request.origin(origin.as_str());
    }
    Ok(request)
}

fn tls(options: &Options) -> Result<TlsConfig, String> {
    if options.insecure {
        let trusting = insecure::trust_every_server().map_err(|error| error.to_string())?;
        return Ok(trusting.into());
    }
    let mut tls = TlsConfig::new();
    if let Some(path) = &options.cacert {
        let unusable = |error| format!("{}: {error}", path.display());
        let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(unusable)?;
        if certificates.is_empty() {
            return Err(format!(
                "{}: the file contains no certificate in PEM format",
                path.display()
            ));
        }
        for certificate in certificates {
            tls = tls.add_root(certificate);
        }
    }
    Ok(tls)
}
