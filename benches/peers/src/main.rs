//! Measures `websocket-proto` and its peers. See `README.md`.

#![deny(unsafe_code)]

mod child;
mod codec;
mod deflate;
mod echo;
mod environment;
mod handshake;
mod load;
mod memory;
mod report;
mod run;
mod samples;
mod scale;
mod servers;
mod stream;
mod wire;

use std::{io, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{run::Run, samples::Samples, servers::Server};

/// Measures websocket-proto and its peers
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one echo server, and prints its address
    Serve {
        server: Server,
        /// Accept permessage-deflate
        #[arg(long)]
        deflate: bool,
    },
    /// Writes the results again from the samples of the last runs
    Report,
    /// Measures, and writes the results
    Run {
        /// Sections to measure, instead of all
        #[arg(long, value_delimiter = ',')]
        only: Vec<Section>,
        /// Servers and codecs to measure, instead of all
        #[arg(long, value_delimiter = ',')]
        peers: Vec<Server>,
        /// Rounds that each of them is measured in
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Time for which a server is measured in a round, in milliseconds
        #[arg(long, default_value_t = 1000)]
        millis: u64,
        /// Everything once and as short as possible, to check that it runs; writes nothing
        #[arg(long)]
        quick: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    Receive,
    Send,
    Echo,
    Deflate,
    Handshake,
    Memory,
    Scale,
    Stream,
}

fn main() -> io::Result<()> {
    match Arguments::parse().command {
        Command::Serve { server, deflate } => server.serve(deflate),
        Command::Report => {
            let samples = Samples::load(&directory().join("samples.tsv"))?;
            report::write(&samples, &directory())
        }
        Command::Run {
            only,
            peers,
            rounds,
            millis,
            quick,
        } => {
            child::allow_many_files()?;
            let mut run = Run::new(rounds, millis, quick, peers);
            for &section in Section::value_variants() {
                if only.is_empty() || only.contains(&section) {
                    match section {
                        Section::Receive => codec::run_receive(&mut run),
                        Section::Send => codec::run_send(&mut run),
                        Section::Echo => echo::run(&mut run),
                        Section::Deflate => deflate::run(&mut run),
                        Section::Handshake => handshake::run(&mut run),
                        Section::Memory => memory::run(&mut run),
                        Section::Scale => scale::run(&mut run),
                        Section::Stream => stream::run(&mut run),
                    }
                }
            }
            if quick && run.failures > 0 {
                return Err(io::Error::other("not everything could be measured"));
            }
            if !quick {
                let path = directory().join("samples.tsv");
                let mut samples = Samples::load(&path)?;
                samples.replace(run.finish());
                samples.save(&path)?;
                report::write(&samples, &directory())?;
            }
            Ok(())
        }
    }
}

/// The folder of the package.
fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
