//! An echo server on the tokio shell: one task for each connection. With a certificate, it speaks TLS.

mod support;

use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use clap::Parser;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use websocket_proto::{
    CloseCode, Config,
    tls::rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    tokio::WebSocket,
};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    echo: support::Options,

    /// Worker threads; without it, all connections share the main thread
    #[arg(long)]
    threads: Option<usize>,

    /// PEM file with the certificate of the server and those between it and its authority
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// PEM file with the private key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let runtime = match options.threads {
        None => runtime::Builder::new_current_thread().enable_all().build()?,
        Some(threads) => runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()?,
    };
    runtime.block_on(serve(&options))
}

/// What TLS takes, if there is to be any.
fn tls(options: &Options) -> Result<Option<TlsAcceptor>, Box<dyn Error>> {
    let (Some(certificates), Some(key)) = (&options.tls_cert, &options.tls_key) else {
        return Ok(None);
    };
    let certificates = CertificateDer::pem_file_iter(certificates)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    Ok(Some(Arc::new(config).into()))
}

async fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let tls = tls(options)?;
    let listener = TcpListener::bind(options.echo.addr).await?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    println!("listening on {scheme}://{}", listener.local_addr()?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    // Every connection holds a receiver, so that the sender sees when the last one is gone.
    let (shutdown, watch) = watch::channel(());
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that fails to be accepted is no concern of the others.
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(run(stream, tls.clone(), options.echo.config(), watch.clone()));
                }
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    drop(watch);
    shutdown.send_replace(());
    // Whoever has not closed by then is dropped with the runtime.
    let _ = timeout(Duration::from_secs(6), shutdown.closed()).await;
    Ok(())
}

async fn run(stream: TcpStream, tls: Option<TlsAcceptor>, config: Config, shutdown: watch::Receiver<()>) {
    // What is wrong with the stream shows with the next read.
    let _ = stream.set_nodelay(true);
    let ended = match tls {
        None => echo(stream, &config, shutdown).await,
        Some(tls) => echo_over_tls(stream, &tls, &config, shutdown).await,
    };
    if let Err(error) = ended {
        eprintln!("{error}");
    }
}

async fn echo_over_tls(
    stream: TcpStream,
    tls: &TlsAcceptor,
    config: &Config,
    mut shutdown: watch::Receiver<()>,
) -> Result<(), websocket_proto::Error> {
    // A client that says nothing is not waited for longer than in the opening handshake.
    let patience = config.timers.handshake.unwrap_or(Duration::MAX);
    let stream = tokio::select! {
        accepted = timeout(patience, tls.accept(stream)) => accepted.map_err(std::io::Error::from)??,
        _ = shutdown.changed() => return Ok(()),
    };
    echo(stream, config, shutdown).await
}

async fn echo(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    config: &Config,
    mut shutdown: watch::Receiver<()>,
) -> Result<(), websocket_proto::Error> {
    let mut websocket = WebSocket::accept_with(stream, config, |request| Ok(support::accept(request))).await?;
    loop {
        // The message is lent, and what was sent leaves before the next wait. Both futures can be dropped safely.
        tokio::select! {
            received = websocket.recv_ref() => match received? {
                Some((message, outbound)) => outbound.send(message)?,
                None => return Ok(()),
            },
            _ = shutdown.changed() => return websocket.close(CloseCode::GOING_AWAY).await,
        }
    }
}
