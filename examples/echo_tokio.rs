//! An echo server with the tokio shell, over TCP or TLS: one task per connection.

#[path = "support/echo.rs"]
mod echo;
mod support;

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use echo::echo;
use support::{listen::cannot_listen, program};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_rustls::TlsAcceptor;
use websocket_proto::{
    Config,
    tls::{
        TlsError,
        rustls::{
            ServerConfig,
            crypto::ring,
            pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        },
    },
    tokio::{Acceptor, Shutdown, ShutdownGuard},
};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    echo: support::Options,

    /// Worker threads; by default, all connections share the main thread
    #[arg(long)]
    threads: Option<usize>,

    /// PEM file with the server's certificate and intermediate certificates
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// PEM file with the private key of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

fn main() -> ExitCode {
    program::exit(run(&program::options()))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = match arguments.threads {
        None => runtime::Builder::new_current_thread().enable_all().build()?,
        Some(threads) => runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()?,
    };
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let tls = tls(arguments)?;
    let listener = TcpListener::bind(arguments.echo.addr)
        .await
        .map_err(cannot_listen(arguments.echo.addr))?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    println!("listening on {scheme}://{}", listener.local_addr()?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let shutdown = Shutdown::new();
    let config = Arc::new(arguments.echo.config());
    tokio::select! {
        () = shutdown.serve(listener, |stream, _, guard| serve_one(stream, tls.clone(), Arc::clone(&config), guard)) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // A little longer than a closing handshake may take.
    let outcome = shutdown.finish(Duration::from_secs(6)).await;
    if !outcome.is_graceful() {
        eprintln!("{} connections were dropped", outcome.dropped);
    }
    Ok(())
}

/// The TLS acceptor, if TLS is configured.
fn tls(arguments: &Arguments) -> Result<Option<TlsAcceptor>, Box<dyn Error>> {
    let (Some(certificates), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) else {
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
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(TlsError::from)?;
    Ok(Some(Arc::new(config).into()))
}

async fn serve_one(stream: TcpStream, tls: Option<TlsAcceptor>, config: Arc<Config>, guard: ShutdownGuard) {
    let ended = match tls {
        None => echo(async { Ok(Acceptor::new(stream, &config)) }, guard).await,
        // One deadline for TLS and the opening handshake. In a box, so that TLS does not enlarge the tasks of plain connections.
        Some(tls) => Box::pin(echo(Acceptor::over(tls.accept(stream), &config), guard)).await,
    };
    if let Err(error) = ended {
        eprintln!("{error}");
    }
}
