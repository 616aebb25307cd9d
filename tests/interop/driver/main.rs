//! The driving program of the interoperability tests: plays scenarios with a foreign peer that only echoes.
//!
//! `driver client URL` connects to an echo server, once for each scenario. `driver server` waits for an echo client, which
//! connects once for each scenario. Both print a line for each: `ok NAME: DETAIL` or `FAIL NAME: COMPLAINT`. Exit status: 0 all
//! passed, 1 a scenario failed, 2 wrong arguments.

#[path = "../../../examples/support/program.rs"]
mod program;

mod deflate;
mod scenarios;
mod talk;

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use talk::{Complaint, Talk, complain};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use websocket_proto::{
    Config, ConnectOptions, Limits, OfferPolicy, Proxy, Timers,
    asynchronous::{self, Transport},
    handshake::{Accept, Rejection},
    tls::{
        TlsConfig,
        rustls::pki_types::{CertificateDer, pem::PemObject},
    },
    tokio::WebSocket,
};

/// How long the server waits for the next connection.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Plays scenarios with a foreign peer that echoes messages.
#[derive(Parser)]
enum Options {
    /// Print the names of the scenarios
    List,
    /// Connect to an echo server for each scenario, with its name as the path
    Client {
        /// Also trust the certificate authorities in this PEM file
        #[arg(long, value_name = "FILE")]
        cacert: Option<PathBuf>,

        /// Proxy to connect through
        #[arg(long, value_name = "URL")]
        proxy: Option<Proxy>,

        /// Make a single offer of compression, without parameters
        #[arg(long)]
        bare_offer: bool,

        /// URL of the echo server, without a path
        url: String,

        /// Scenarios to play; by default all
        scenarios: Vec<String>,
    },
    /// Wait for an echo client to connect for each scenario, with its name as the path
    Server {
        /// Address to listen on; with port 0 the system picks one
        #[arg(long, default_value = "127.0.0.1:0")]
        addr: SocketAddr,

        /// Scenarios to play, in the order of the connections; by default all
        scenarios: Vec<String>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::exit(run(program::options()).await)
}

async fn run(options: Options) -> Result<(), Complaint> {
    let mut failed = 0;
    match options {
        Options::List => scenarios::names().iter().for_each(|name| println!("{name}")),
        Options::Client {
            cacert,
            proxy,
            bare_offer,
            url,
            scenarios,
        } => {
            let tls = tls(cacert)?;
            for name in known(scenarios)? {
                let options = ConnectOptions::new()
                    .config(&config(&name, bare_offer))
                    .tls(tls.clone())
                    .proxy(proxy.clone());
                failed += report(&name, as_client(&name, &url, &options)).await;
            }
        }
        Options::Server { addr, scenarios } => {
            let scenarios = known(scenarios)?;
            let listener = TcpListener::bind(addr).await?;
            println!("listening on ws://{}", listener.local_addr()?);
            for name in scenarios {
                // The time starts with the connection: a foreign program may be slow to start.
                let (stream, _) = timeout(ARRIVAL, listener.accept())
                    .await
                    .map_err(|_| format!("no connection within {ARRIVAL:?} for {name}"))??;
                failed += report(&name, as_server(&name, stream)).await;
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => complain(format!("{failed} scenarios failed")),
    }
}

/// The requested scenarios, which must exist.
fn known(asked: Vec<String>) -> Result<Vec<String>, Complaint> {
    let all = scenarios::names();
    if let Some(unknown) = asked.iter().find(|name| !all.contains(name)) {
        return complain(format!("there is no scenario {unknown}"));
    }
    Ok(if asked.is_empty() { all } else { asked })
}

fn config(name: &str, bare_offer: bool) -> Config {
    let policy = if bare_offer {
        OfferPolicy::Bare
    } else {
        OfferPolicy::Lenient
    };
    let limits = Limits::new().max_frame_size(64 << 20).max_message_size(64 << 20);
    Config::new()
        .limits(limits)
        .timers(Timers::new().close(Duration::from_secs(10)))
        .deflate(deflate::settings(name).map(|settings| settings.offer_policy(policy)))
}

fn tls(cacert: Option<PathBuf>) -> Result<TlsConfig, Complaint> {
    let mut tls = TlsConfig::new();
    if let Some(path) = cacert {
        for certificate in CertificateDer::pem_file_iter(path)? {
            tls = tls.add_root(certificate?);
        }
    }
    Ok(tls)
}

/// Plays one scenario within its time limit, and prints the result. Returns the number of failures.
async fn report(name: &str, playing: impl Future<Output = Result<String, Complaint>>) -> u32 {
    let began = Instant::now();
    let outcome = timeout(scenarios::PATIENCE, playing)
        .await
        .unwrap_or_else(|_| complain(format!("timeout: not over after {:?}", scenarios::PATIENCE)));
    let (verdict, detail) = match &outcome {
        Ok(detail) => ("ok", detail.clone()),
        Err(complaint) => ("FAIL", complaint.to_string()),
    };
    let seconds = began.elapsed().as_secs_f64();
    println!("{verdict} {name} {seconds:.1}: {detail}");
    outcome.is_err().into()
}

async fn as_client(name: &str, url: &str, options: &ConnectOptions) -> Result<String, Complaint> {
    let url = format!("{}/{name}", url.trim_end_matches('/'));
    let (websocket, _) = websocket_proto::tokio::connect_with(url.parse()?, options).await?;
    play(name, websocket).await
}

async fn as_server(name: &str, stream: TcpStream) -> Result<String, Complaint> {
    stream.set_nodelay(true)?;
    let opening = WebSocket::accept_with(stream, &config(name, false), async |request| {
        if request.path().trim_start_matches('/') == name {
            Ok(Accept::new())
        } else {
            Err(Rejection::new(404))
        }
    });
    let (websocket, _) = opening.await?;
    play(name, websocket).await
}

/// Plays a scenario on an open connection. The detail is what was negotiated.
async fn play<T: Transport>(name: &str, websocket: asynchronous::WebSocket<T>) -> Result<String, Complaint> {
    let negotiated = deflate::describe(websocket.deflate());
    match scenarios::play(name, &mut Talk::new(websocket)).await {
        Ok(()) => Ok(negotiated),
        Err(complaint) => complain(format!("{complaint} ({negotiated})")),
    }
}
