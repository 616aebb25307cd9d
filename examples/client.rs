//! An interactive client: sends the lines of standard input, and prints the messages that it receives.

#[path = "support/insecure.rs"]
mod insecure;
#[path = "support/program.rs"]
mod program;

use std::{
    collections::VecDeque,
    error::Error,
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use tokio::sync::mpsc;
use websocket_proto::{
    CloseCode, CloseInfo, Config, ConnectOptions, Event, Limits, Message, Proxies, Proxy, Timers,
    handshake::ClientRequest,
    tls::{
        TlsConfig,
        rustls::pki_types::{CertificateDer, pem::PemObject},
    },
    tokio::{Connector, MaybeTls, RecvHalf, SendHalf, WebSocket, open_stream},
};

/// Talks to a WebSocket server: sends each line of standard input as a text message, and prints the messages it receives.
#[derive(Parser)]
struct Options {
    /// Additional header field of the request
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    headers: Vec<(String, String)>,

    /// Subprotocol to offer; the preferred one first
    #[arg(long = "subprotocol", value_name = "NAME")]
    subprotocols: Vec<String>,

    /// Origin to send, as a browser would
    #[arg(long)]
    origin: Option<String>,

    /// Proxy to connect through, such as http://user:password@localhost:3128 or socks5h://localhost; by default that of the
    /// variables http_proxy, https_proxy, all_proxy and no_proxy
    #[arg(long, value_name = "URL")]
    proxy: Option<Proxy>,

    /// Connect to this Unix socket, whatever the host and port of the URL are
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    unix_socket: Option<PathBuf>,

    /// Also trust the certificate authorities in this PEM file
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,

    /// Accept any certificate. Attackers on the network can then read and change everything
    #[arg(long, conflicts_with = "cacert")]
    insecure: bool,

    /// Ping the server after this many seconds of silence, and end if it does not answer within the same time
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    ping: Option<Duration>,

    /// Echo every message until the connection ends, instead of reading standard input
    #[arg(long)]
    echo: bool,

    /// Offer permessage-deflate
    #[cfg(feature = "deflate")]
    #[arg(long)]
    deflate: bool,

    /// Offer it without parameters, for servers that answer 400 to several offers
    #[cfg(feature = "deflate")]
    #[arg(long, requires = "deflate")]
    bare_offer: bool,

    /// Largest message that is accepted, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_message_size: u64,

    /// Report on standard error how long it took to connect, to open the connection, and to get an answer to each line
    #[arg(long)]
    timing: bool,

    /// Report on standard error what was negotiated, how fast pings were answered, and how the connection ended
    #[arg(short, long)]
    verbose: bool,

    /// URL of the server, such as ws://localhost:9001/ or wss://example.com/
    url: String,
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("a header field has the form `Name: value`")?;
    Ok((name.trim_end().into(), value.trim().into()))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number")?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() {
        Err("not above zero".into())
    } else {
        Ok(duration)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::exit(run(&program::options()).await)
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut websocket = open(options).await?;
    if options.verbose {
        eprintln!("subprotocol: {}", websocket.subprotocol().unwrap_or("none"));
    }
    if options.echo {
        while let Some((message, outbound)) = websocket.recv_split().await? {
            outbound.feed(message).map_err(websocket_proto::Error::from)?;
        }
        report(options, websocket.close_info());
        return Ok(());
    }
    let sent = Arc::default();
    let (send, recv) = websocket.split();
    let sender = tokio::spawn(send_lines(send, Arc::clone(&sent)));
    print_messages(options, recv, &sent).await?;
    // The thread may still wait for a line, or may have ended the connection because it cannot read one.
    if sender.is_finished() {
        sender.await??;
    }
    Ok(())
}

/// Connects, and opens a connection.
async fn open(options: &Options) -> Result<WebSocket<MaybeTls>, Box<dyn Error>> {
    let request = request(options)?;
    let config = config(options);
    let proxies = match &options.proxy {
        Some(proxy) => proxy.clone().into(),
        None => Proxies::from_env(),
    };
    let connecting = ConnectOptions::new().config(&config).tls(tls(options)?).proxy(proxies);
    #[cfg(unix)]
    let connecting = match &options.unix_socket {
        Some(path) => connecting.to(path.as_path()),
        None => connecting,
    };

    // `connect_with` would do all of this. These are its steps, which are timed separately.
    let began = Instant::now();
    let uri = request.uri().clone();
    let mut connector = Connector::over(open_stream(&uri, &connecting), request, &config).await?;
    let connected = Instant::now();
    let response = connector.recv_response().await?;
    if options.timing {
        eprintln!("connect: {:.1?}", connected - began);
        eprintln!("handshake: {:.1?}", connected.elapsed());
    }
    Ok(connector.open(response))
}

fn request(options: &Options) -> Result<ClientRequest, Box<dyn Error>> {
    let mut request: ClientRequest = options.url.parse()?;
    for (name, value) in &options.headers {
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

fn config(options: &Options) -> Config {
    let limits = Limits::new()
        .max_frame_size(options.max_message_size)
        .max_message_size(options.max_message_size);
    let mut timers = Timers::new();
    if let Some(interval) = options.ping {
        timers = timers.keepalive(interval).pong(interval);
    }
    let config = Config::new().limits(limits).timers(timers);
    #[cfg(feature = "deflate")]
    let config = config.deflate(options.deflate.then(|| {
        let policy = match options.bare_offer {
            true => websocket_proto::OfferPolicy::Bare,
            false => websocket_proto::OfferPolicy::Lenient,
        };
        websocket_proto::DeflateConfig::context_takeover().offer_policy(policy)
    }));
    config
}

fn tls(options: &Options) -> Result<TlsConfig, Box<dyn Error>> {
    if options.insecure {
        return Ok(insecure::trust_every_server()?.into());
    }
    let mut tls = TlsConfig::new();
    if let Some(path) = &options.cacert {
        let unusable = |error| format!("{}: {error}", path.display());
        let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(unusable)?;
        if certificates.is_empty() {
            return Err(format!("{}: the file contains no certificate in PEM format", path.display()).into());
        }
        for certificate in certificates {
            tls = tls.add_root(certificate);
        }
    }
    Ok(tls)
}

/// The times at which the unanswered lines were sent.
type Sent = Arc<Mutex<VecDeque<Instant>>>;

/// Sends every line, and closes the connection at the end of the input. A failure ends the receiving side as well.
async fn send_lines(mut send: SendHalf<MaybeTls>, sent: Sent) -> Result<(), websocket_proto::Error> {
    let sending = send_all(&mut send, &sent).await;
    send.close(CloseCode::NORMAL).await?;
    sending
}

async fn send_all(send: &mut SendHalf<MaybeTls>, sent: &Sent) -> Result<(), websocket_proto::Error> {
    let (sender, mut lines) = mpsc::channel(16);
    // A separate thread, which does not delay the end of the program.
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        let line = line?;
        sent.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(Instant::now());
        send.send(line).await?;
    }
    Ok(())
}

async fn print_messages(options: &Options, mut recv: RecvHalf<MaybeTls>, sent: &Sent) -> Result<(), Box<dyn Error>> {
    let mut stdout = io::stdout().lock();
    let mut latency = None;
    loop {
        // A Pong's time is available when the connection is polled next, so it is printed with the next event.
        if options.verbose && recv.latency() != latency {
            latency = recv.latency();
            eprintln!("ping: {:.1?}", latency.unwrap_or_default());
        }
        match recv.recv_event().await? {
            None => break,
            Some(Event::Message(message)) => {
                let answered = sent.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                if let Some(sent) = answered.filter(|_| options.timing) {
                    eprintln!("echo: {:.1?}", sent.elapsed());
                }
                match message {
                    Message::Text(text) => writeln!(stdout, "{text}")?,
                    Message::Binary(payload) => writeln!(stdout, "({} bytes)", payload.len())?,
                }
                stdout.flush()?;
            }
            Some(_) => {}
        }
    }
    report(options, recv.close_info());
    Ok(())
}

fn report(options: &Options, info: Option<CloseInfo>) {
    if let Some(info) = info.filter(|_| options.verbose) {
        eprintln!("closed with code {} {:?}", info.code, info.reason);
    }
}
