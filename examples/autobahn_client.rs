//! The client side of the Autobahn test suite: runs all cases of a fuzzing server, and echoes the messages.

#[path = "support/program.rs"]
mod program;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use websocket_proto::{Config, ConnectOptions, Error, Limits, blocking, futures, handshake::ClientRequest};

/// Runs all cases of an Autobahn fuzzing server.
#[derive(Parser)]
struct Options {
    /// The shell that is tested
    #[arg(long, value_enum)]
    shell: Shell,

    /// Offer permessage-deflate
    #[cfg(feature = "deflate")]
    #[arg(long)]
    deflate: bool,

    /// URL of the fuzzing server
    url: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Blocking,
    Tokio,
    Futures,
}

fn main() -> ExitCode {
    program::exit(run(&program::options()))
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let (shell, url, config) = (options.shell, &options.url, options.config());
    let agent = match shell {
        Shell::Blocking => "websocket-proto-blocking",
        Shell::Tokio => "websocket-proto-tokio",
        Shell::Futures => "websocket-proto-futures",
    };
    let mut count = String::new();
    shell.run(&format!("{url}/getCaseCount"), &config, &mut |text| {
        text.clone_into(&mut count)
    })?;
    for case in 1..=count.parse()? {
        let case: u32 = case;
        // Many cases end with a fault of the server, which is what they test.
        if let Err(error) = shell.run(
            &format!("{url}/runCase?case={case}&agent={agent}"),
            &config,
            &mut |_| (),
        ) {
            println!("case {case}: {error}");
        }
    }
    shell.run(&format!("{url}/updateReports?agent={agent}"), &config, &mut |_| ())?;
    Ok(())
}

impl Options {
    fn config(&self) -> Config {
        let limits = Limits::new().max_frame_size(64 << 20).max_message_size(64 << 20);
        let config = Config::new().limits(limits);
        #[cfg(feature = "deflate")]
        // The suite grants a larger window than requested, which is an error, so the largest window is requested.
        let config = config.deflate(self.deflate.then(|| {
            websocket_proto::DeflateConfig::context_takeover()
                .server_max_window_bits(15)
                .client_max_window_bits(15)
        }));
        config
    }
}

impl Shell {
    /// Echoes until the server closes the connection, and returns what it sent as text.
    fn run(self, url: &str, config: &Config, show: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let request: ClientRequest = url.parse()?;
        let options = ConnectOptions::new().config(config);
        match self {
            Self::Blocking => {
                let (mut websocket, _) = blocking::connect_with(request, &options)?;
                while let Some((message, outbound)) = websocket.recv_split()? {
                    message.as_text().into_iter().for_each(&mut *show);
                    outbound.feed(message)?;
                }
            }
            Self::Tokio => tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(async {
                    let (mut websocket, _) = websocket_proto::tokio::connect_with(request, &options).await?;
                    while let Some((message, outbound)) = websocket.recv_split().await? {
                        message.as_text().into_iter().for_each(&mut *show);
                        outbound.feed(message)?;
                    }
                    Ok::<(), Error>(())
                })?,
            Self::Futures => smol::block_on(async {
                let (mut websocket, _) = futures::connect_with(request, &options).await?;
                while let Some((message, outbound)) = websocket.recv_split().await? {
                    message.as_text().into_iter().for_each(&mut *show);
                    outbound.feed(message)?;
                }
                Ok::<(), Error>(())
            })?,
        }
        Ok(())
    }
}
