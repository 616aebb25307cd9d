//! Follows a price feed and prints the prices. The guide shows its main part next to the same client with tokio-tungstenite.

#[path = "support/feed.rs"]
mod feed;
#[path = "support/program.rs"]
mod program;

use std::{error::Error, process::ExitCode};

use clap::Parser;
use websocket_proto::{handshake::ClientRequest, reconnect::Policy};

/// Subscribes to prices, prints each, and reconnects when the connection is lost.
///
/// The subscription is {"subscribe":["SYMBOL",…]}, and a price is {"symbol":"SYMBOL","price":1.5}, one or more per message.
#[derive(Parser)]
struct Options {
    /// URL of the feed, such as wss://feed.example.com/prices
    url: String,

    /// What to subscribe to
    #[arg(required = true)]
    symbols: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::exit(run(&program::options()).await)
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let request: ClientRequest = options.url.parse()?;
    feed::follow(&request, &options.symbols, Policy::new(), |symbol, price| {
        println!("{symbol} {price}");
    })
    .await?;
    Ok(())
}
