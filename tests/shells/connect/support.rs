//! Servers to connect to, and clients of all shells that behave the same.

use std::{future::Future, sync::Arc, time::Duration};

use rcgen::{CertificateParams, CertifiedKey, KeyPair, generate_simple_self_signed};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
};
use websocket_proto::{
    CloseCode, Config, ConnectOptions, Destination, Error, Proxies, Proxy, Timers, blocking,
    handshake::ClientRequest,
    tls::{
        TlsConfig,
        rustls::{
            ServerConfig,
            crypto::ring,
            pki_types::{CertificateDer, PrivateKeyDer},
        },
    },
    tokio as shell,
};

/// The settings of a client of any shell.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) request: ClientRequest,
    pub(crate) config: Config,
    pub(crate) tls: TlsConfig,
    pub(crate) proxies: Proxies,
    pub(crate) destination: Option<Destination>,
    pub(crate) redirects: u32,
    pub(crate) redirects_subprotocols: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Tokio,
    Blocking,
    #[cfg(feature = "futures-rustls")]
    Futures,
}

pub(crate) const SHELLS: &[Shell] = &[
    Shell::Tokio,
    Shell::Blocking,
    #[cfg(feature = "futures-rustls")]
    Shell::Futures,
];

impl Client {
    pub(crate) fn new(uri: &str) -> Self {
        Self {
            request: uri.parse().expect("a valid URI"),
            config: Config::new(),
            tls: TlsConfig::new().without_platform_roots(),
            proxies: Proxies::default(),
            destination: None,
            redirects: 0,
            redirects_subprotocols: false,
        }
    }

    pub(crate) fn trusting(mut self, certificate: &Certificate) -> Self {
        self.tls = certificate.trusted();
        self
    }

    pub(crate) fn within(mut self, time: Duration) -> Self {
        self.config = Config::new().timers(Timers::new().handshake(time));
        self
    }

    pub(crate) fn through(mut self, proxy: &str) -> Self {
        self.proxies = proxy.parse::<Proxy>().expect("a valid proxy").into();
        self
    }

    pub(crate) fn to(mut self, destination: impl Into<Destination>) -> Self {
        self.destination = Some(destination.into());
        self
    }

    pub(crate) fn redirects(mut self, limit: u32) -> Self {
        self.redirects = limit;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Connects, receives an echo of a message, and closes.
    pub(crate) async fn run(&self, shell: Shell) -> Result<(), Error> {
        let client = self.clone();
        match shell {
            Shell::Tokio => client.run_tokio().await,
            Shell::Blocking => spawn_blocking(move || client.run_blocking()).await.expect("no panic"),
            // On this runtime, which it does not use itself.
            #[cfg(feature = "futures-rustls")]
            Shell::Futures => client.run_futures().await,
        }
    }

    pub(crate) fn options(&self) -> ConnectOptions {
        let mut options = ConnectOptions::new()
            .config(&self.config)
            .tls(self.tls.clone())
            .proxy(self.proxies.clone())
            .redirects(self.redirects);
        if let Some(destination) = &self.destination {
            options = options.to(destination.clone());
        }
        if self.redirects_subprotocols {
            options = options.redirect_subprotocols();
        }
        options
    }

    #[cfg(feature = "futures-rustls")]
    async fn run_futures(self) -> Result<(), Error> {
        let (mut websocket, _) = websocket_proto::futures::connect_with(self.request.clone(), &self.options()).await?;
        for text in [String::from("hello"), "x".repeat(300_000)] {
            websocket.send(text.as_str()).await?;
            let echoed = websocket.recv().await?.expect("an echo");
            assert_eq!(echoed.as_text(), Some(text.as_str()));
        }
        websocket.close(CloseCode::NORMAL).await
    }

    async fn run_tokio(self) -> Result<(), Error> {
        let (mut websocket, _) = shell::connect_with(self.request.clone(), &self.options()).await?;
        // Larger than what TLS buffers, so that it is written and read in pieces.
        for text in [String::from("hello"), "x".repeat(300_000)] {
            websocket.send(text.as_str()).await?;
            let echoed = websocket.recv().await?.expect("an echo");
            assert_eq!(echoed.as_text(), Some(text.as_str()));
        }
        websocket.close(CloseCode::NORMAL).await
    }

    fn run_blocking(self) -> Result<(), Error> {
        let (mut websocket, _) = blocking::connect_with(self.request.clone(), &self.options())?;
        for text in [String::from("hello"), "x".repeat(300_000)] {
            websocket.send(text.as_str())?;
            let echoed = websocket.recv()?.expect("an echo");
            assert_eq!(echoed.as_text(), Some(text.as_str()));
        }
        websocket.close(CloseCode::NORMAL)
    }
}

/// A self-signed certificate.
pub(crate) struct Certificate(CertifiedKey<rcgen::KeyPair>);

impl Certificate {
    pub(crate) fn of(host: &str) -> Self {
        Self(generate_simple_self_signed([host.to_string()]).expect("a certificate"))
    }

    /// A certificate for `localhost` that differs from an ordinary one.
    pub(crate) fn altered(alter: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new([String::from("localhost")]).expect("a name");
        alter(&mut params);
        let signing_key = KeyPair::generate().expect("a key");
        let cert = params.self_signed(&signing_key).expect("a certificate");
        Self(CertifiedKey { cert, signing_key })
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.cert.der().clone()
    }

    pub(crate) fn trusted(&self) -> TlsConfig {
        TlsConfig::new()
            .without_platform_roots()
            .provider(Arc::new(ring::default_provider()))
            .add_root(self.der())
    }

    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.0.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("supported")
            .with_no_client_auth()
            .with_single_cert(vec![self.der()], key)
            .expect("fits");
        Arc::new(config)
    }
}

/// Serves every connection with a task. Returns the port.
pub(crate) async fn serve<F: Future<Output = ()> + Send + 'static>(
    handle: impl Fn(TcpStream) -> F + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    port
}

/// Accepts an upgrade, and echoes until the end.
pub(crate) async fn echo(stream: impl AsyncRead + AsyncWrite + Unpin) {
    if let Ok(mut websocket) = shell::WebSocket::accept(stream).await {
        while let Ok(Some((message, outbound))) = websocket.recv_split().await {
            outbound.feed(message).expect("open");
        }
    }
}

/// An echo server behind TLS. Returns the port.
pub(crate) async fn serve_tls(certificate: &Certificate) -> u16 {
    let acceptor = tokio_rustls::TlsAcceptor::from(certificate.server_config());
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                // The client sends the host name that it connects to (SNI).
                assert_eq!(stream.get_ref().1.server_name(), Some("localhost"));
                echo(stream).await;
            }
        }
    })
    .await
}

/// Accepts connections and sends nothing.
pub(crate) async fn serve_silence() -> u16 {
    serve(|stream| async move {
        let _stream = stream;
        std::future::pending().await
    })
    .await
}

/// Reads an HTTP head, byte by byte so that nothing after it is consumed.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).expect("a head")
}
