//! Measures the example `socket_io` beside npm's `socket.io` and socketioxide. See `README.md`.

#![forbid(unsafe_code)]

mod child;
mod client;
mod rows;

use std::{fs, io};

use clap::Parser;

use crate::rows::{FULL, QUICK, ROWS, Unit};

/// Measures Socket.IO servers, and prints a table. Each server is given as NAME=COMMAND
#[derive(Parser)]
struct Arguments {
    /// Runs, in which the servers take turns
    #[arg(long, default_value_t = 2)]
    runs: usize,
    /// Everything as short as can be, to see that it runs
    #[arg(long)]
    quick: bool,
    /// Servers, with the name and the command of each
    #[arg(value_parser = parse_server, required = true)]
    servers: Vec<(String, Vec<String>)>,
}

fn parse_server(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, command) = text.split_once('=').ok_or("expected NAME=COMMAND")?;
    Ok((name.to_owned(), command.split_whitespace().map(str::to_owned).collect()))
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let amount = if arguments.quick { QUICK } else { FULL };
    child::allow_many_files()?;
    let load = fs::read_to_string("/proc/loadavg")?;
    eprintln!("load average at the start: {}", load.trim());

    let mut figures = vec![Vec::new(); arguments.servers.len()];
    for run in 1..=arguments.runs {
        for ((name, command), samples) in arguments.servers.iter().zip(&mut figures) {
            eprintln!("run {run}: {name}");
            samples.push(rows::measure(command, amount)?);
        }
    }

    let names: Vec<_> = arguments.servers.iter().map(|(name, _)| name.as_str()).collect();
    println!("| | {} |", names.join(" | "));
    println!("|---|{}", "---:|".repeat(names.len()));
    for (row, (title, unit)) in ROWS.iter().enumerate() {
        let cells: Vec<_> = figures
            .iter()
            .map(|samples| range(samples.iter().map(|sample| sample[row]), *unit))
            .collect();
        println!("| {title} | {} |", cells.join(" | "));
    }
    Ok(())
}

/// The least and the greatest figure, as `46–59 µs`.
fn range(values: impl Iterator<Item = f64> + Clone, unit: Unit) -> String {
    let (least, greatest) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max));
    let unit = match unit {
        Unit::Micros => "µs",
        Unit::Millis => "ms",
        Unit::KiB => "KiB",
    };
    let [least, greatest] = [least, greatest].map(|value| match value {
        10.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    });
    if least == greatest {
        format!("{least} {unit}")
    } else {
        format!("{least}–{greatest} {unit}")
    }
}
