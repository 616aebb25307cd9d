//! An interactive client: sends the lines of standard input, prints the messages that it receives.

use std::{
    io::{self, BufRead, Write},
    net::TcpStream,
    process::ExitCode,
    thread,
};

use clap::Parser;
use websocket_proto::{
    CloseCode, Config, Error, Limits, Message,
    blocking::{self, SendHalf},
    handshake::ClientRequest,
};

/// Talks to a WebSocket server: sends each line of standard input as a text message, prints what it receives.
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

    /// Answer every message with itself until the connection ends, instead of reading standard input
    #[arg(long)]
    echo: bool,

    /// Offer permessage-deflate
    #[cfg(feature = "deflate")]
    #[arg(long)]
    deflate: bool,

    /// Largest message that is accepted, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_message_size: u64,

    /// Say on standard error what was negotiated and how the connection ended
    #[arg(short, long)]
    verbose: bool,

    /// URL of the server, such as ws://localhost:9001/
    url: String,
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("a header field has the form `Name: value`")?;
    Ok((name.trim_end().into(), value.trim().into()))
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
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
    let limits = Limits::new()
        .max_frame_size(options.max_message_size)
        .max_message_size(options.max_message_size);
    let config = Config::new().limits(limits);
    #[cfg(feature = "deflate")]
    let config = config.deflate(options.deflate.then(websocket_proto::DeflateConfig::with_takeover));
    let mut websocket = blocking::connect_with(request, &config)?;
    if options.verbose {
        eprintln!("subprotocol: {}", websocket.subprotocol().unwrap_or("none"));
    }

    if options.echo {
        while let Some((message, outbound)) = websocket.recv_ref()? {
            outbound.send(message).map_err(Error::from)?;
        }
        return Ok(());
    }
    let (send, mut recv) = websocket.split()?;
    thread::spawn(move || send_lines(&send));
    let mut stdout = io::stdout().lock();
    while let Some(message) = recv.recv()? {
        match message {
            Message::Text(text) => writeln!(stdout, "{text}")?,
            Message::Binary(payload) => writeln!(stdout, "({} bytes)", payload.len())?,
        }
        stdout.flush()?;
    }
    if let Some(closure) = recv.closure().filter(|_| options.verbose) {
        eprintln!("closed with code {} {:?}", closure.code, closure.reason);
    }
    Ok(())
}

/// Sends every line, and closes the connection at the end of the input. A failure ends the receiving side as well.
fn send_lines(send: &SendHalf<TcpStream>) -> Result<(), Error> {
    for line in io::stdin().lock().lines() {
        send.send(line?)?;
    }
    send.close(CloseCode::NORMAL)
}
