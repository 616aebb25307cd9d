//! The command line.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgGroup, Parser};
use websocket_proto::{Config, DeflateConfig, Limits, OfferPolicy, Timers};

use crate::compression;

/// Talks to a WebSocket server.
///
/// On a terminal: a prompt, with line editing and history; /help lists the commands. Otherwise each line of standard input is
/// sent as a text message, and the messages that are received are written to standard output, one a line.
///
/// The exit status is 0 after a clean close, 1 after a failure, with one line on standard error, and 2 for invalid arguments.
#[derive(Parser)]
#[command(group = ArgGroup::new("where").args(["url", "listen"]).required(true))]
pub(crate) struct Options {
    /// URL of the server, such as wss://example.com/chat. Without a scheme it is ws://, and :9001 is on this machine
    // One URL, but clap would print a second one, and URLs may have credentials.
    #[arg(num_args = 0..)]
    pub(crate) url: Vec<String>,

    /// Be a server at this address or port: print what clients send, and send what is typed to all of them
    #[arg(long, value_name = "[HOST:]PORT", value_parser = parse_address, conflicts_with = "url")]
    pub(crate) listen: Option<SocketAddr>,

    /// Additional header field of the request, or a file with one a line, which other users of the machine cannot see
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE|@FILE")]
    pub(crate) headers: Vec<String>,

    /// Subprotocol to offer, or with --listen to accept; the preferred one first
    #[arg(long = "subprotocol", value_name = "NAME")]
    pub(crate) subprotocols: Vec<String>,

    /// Origin to send, as a browser would; with --listen, the web pages that may connect
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Option<String>,

    /// Proxy to connect through, such as http://user:password@localhost:3128 or socks5h://localhost; by default that of the
    /// variables http_proxy, https_proxy, all_proxy and no_proxy
    // Parsed later, because clap prints invalid values, and this one may have credentials.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,

    /// Connect to this Unix socket, whatever the host and port of the URL are
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    pub(crate) unix_socket: Option<PathBuf>,

    /// Also trust the certificate authorities in this PEM file
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,

    /// Accept any certificate. Attackers on the network can then read and change everything
    #[arg(long, conflicts_with = "cacert")]
    pub(crate) insecure: bool,

    /// Connect again when the connection is lost or cannot be opened, unless the server says that it is pointless
    #[arg(long, conflicts_with = "listen")]
    pub(crate) reconnect: bool,

    /// Ping the peer after this many seconds of silence, and end if it does not answer within the same time
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) ping: Option<Duration>,

    /// Echo every message until the connection ends, instead of reading standard input
    #[arg(long)]
    pub(crate) echo: bool,

    /// Keep the connection open at the end of standard input, until the peer closes it
    #[arg(short, long)]
    pub(crate) no_close: bool,

    /// Send standard input as binary messages, as it arrives, and write messages as they are, without line ends
    #[arg(short, long, conflicts_with = "null")]
    pub(crate) binary: bool,

    /// Messages end with a NUL instead of a line break, in both directions, so that they can have several lines
    #[arg(short = '0', long)]
    pub(crate) null: bool,

    /// Offer or accept permessage-deflate; the parameters are those of RFC 7692, such as
    /// client_no_context_takeover,server_max_window_bits=10, and level=LEVEL and threshold=BYTES
    #[arg(long, value_name = "PARAMETERS", num_args = 0..=1, require_equals = true, default_missing_value = "",
        value_parser = compression::parse)]
    pub(crate) deflate: Option<DeflateConfig>,

    /// Offer it without parameters, for servers that answer 400 to several offers
    #[arg(long, requires = "deflate")]
    pub(crate) bare_offer: bool,

    /// Largest message that is accepted, and longest line that is sent, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    pub(crate) max_message_size: u64,

    /// Report how long it took to connect, to open the connection, and to get an answer to each line
    #[arg(long)]
    pub(crate) timing: bool,

    /// Report on standard error what was negotiated and how the connection ended; always done on a terminal
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

impl Options {
    pub(crate) fn config(&self) -> Config {
        let limits = Limits::new()
            .max_frame_size(self.max_message_size)
            .max_message_size(self.max_message_size);
        let mut timers = Timers::new();
        if let Some(interval) = self.ping {
            timers = timers.keepalive(interval).pong(interval);
        }
        let deflate = self.deflate.map(|deflate| match self.bare_offer {
            true => deflate.offer_policy(OfferPolicy::Bare),
            false => deflate,
        });
        Config::new().limits(limits).timers(timers).deflate(deflate)
    }

    /// The additional header fields, those of files included.
    ///
    /// # Errors
    ///
    /// A sentence, which does not contain the field, since it may be a credential.
    pub(crate) fn header_fields(&self) -> Result<Vec<(String, String)>, String> {
        let mut fields = Vec::new();
        for text in &self.headers {
            let Some(path) = text.strip_prefix('@') else {
                fields.push(parse_header(text)?);
                continue;
            };
            let lines = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
            for line in lines.lines().filter(|line| !line.trim().is_empty()) {
                fields.push(parse_header(line).map_err(|error| format!("{path}: {error}"))?);
            }
        }
        Ok(fields)
    }
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

/// An address, or a port on this machine. Not a name: a server should not listen on more than was meant.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let address = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    address
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| "expected PORT, 127.0.0.1:PORT or another IP address and port".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::try_parse_from([&["client"], arguments].concat()).map_err(|error| error.to_string())
    }

    #[test]
    fn either_a_url_or_an_address() {
        assert_eq!(parse(&["localhost"]).expect("valid").url, ["localhost"]);
        assert!(parse(&["--listen", "9001"]).expect("valid").listen.is_some());
        assert!(parse(&[]).is_err());
        assert!(parse(&["--listen", "9001", "localhost"]).is_err());
    }

    #[test]
    fn addresses_may_be_short() {
        for text in ["9001", ":9001", "127.0.0.1:9001", "localhost:9001"] {
            assert_eq!(
                parse_address(text),
                Ok(SocketAddr::from(([127, 0, 0, 1], 9001))),
                "{text}"
            );
        }
        assert!(parse_address("[::]:9001").is_ok());
        for text in ["", "example.com:80", "127.0.0.1", "65536"] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deflate_takes_parameters_after_an_equals_sign_only() {
        let options = parse(&["--deflate", "localhost"]).expect("valid");
        assert_eq!(options.deflate, Some(DeflateConfig::context_takeover()));
        let options = parse(&["--deflate=server_max_window_bits=10", "localhost"]).expect("valid");
        assert_eq!(options.deflate.map(|deflate| deflate.server_max_window_bits), Some(10));
        assert!(parse(&["--deflate=nonsense", "localhost"]).is_err());
        assert!(parse(&["--bare-offer", "localhost"]).is_err());
    }

    #[test]
    fn no_error_contains_a_credential() {
        let options = parse(&["-H", "Authorization secret", "localhost"]).expect("checked later");
        let error = options.header_fields().expect_err("no colon");
        assert!(!error.contains("secret"), "{error}");
        assert!(
            parse(&["ws://user:secret@one", "ws://user:secret@two"]).is_ok(),
            "checked later"
        );
    }
}
