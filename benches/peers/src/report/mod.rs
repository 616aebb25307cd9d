//! `RESULTS.md`, written from the samples.

mod figures;
mod plot;
mod tables;

use std::{fmt::Write as _, fs, io, path::Path};

use self::{
    figures::{BARS, LINES},
    tables::{SECTIONS, Table},
};
use crate::samples::{Sample, Samples};

const HEAD: &str = "\
# Results

Written by `benches/peers/run`, from the samples in `samples.tsv`; not to be edited. See [README.md](README.md).

A cell holds the median of all rounds; in brackets, its ratio to the best peer in Rust, and half of the distance between the
least and the greatest value, as a share of the median. Peers take turns within each round. Only ratios within one run mean
anything. The best peer in Rust is **bold**; `raw-*` and `limit:*` do the same without the protocol, and show what the machine allows.
`*-batched` are loops that gather messages and flush by hand; all others are the loops that the documentation of the library shows.
Times are those of the process or thread, as the kernel accounts for them.
";

/// Writes the results and the plots.
pub fn write(samples: &Samples, directory: &Path) -> io::Result<()> {
    let read = |path| fs::read_to_string(directory.join(path));
    let manifests = Manifests {
        rust: &read("Cargo.toml")?,
        cpp: &read("uwebsockets/Cargo.toml")?,
        node: &read("node/package.json")?,
    };
    fs::write(directory.join("RESULTS.md"), markdown(samples, &manifests))?;
    let plots = directory.join("plots");
    fs::create_dir_all(&plots)?;
    let failed = |error: Box<dyn std::error::Error>| io::Error::other(error.to_string());
    for bars in BARS {
        plot::bars(samples, bars, &plots).map_err(failed)?;
    }
    for lines in LINES {
        plot::lines(samples, lines, &plots).map_err(failed)?;
    }
    Ok(())
}

/// The file that pins the versions of the peers.
struct Manifests<'a> {
    rust: &'a str,
    cpp: &'a str,
    node: &'a str,
}

fn markdown(samples: &Samples, manifests: &Manifests) -> String {
    let mut text = String::from(HEAD);
    let _ = writeln!(
        text,
        "\nPeers: {}; in other languages uWebSockets (C++, as libuwebsockets-sys {} has it, without TLS and compression) and \
         Node's ws {}.",
        versions(manifests.rust).join(", "),
        version(manifests.cpp, "libuwebsockets-sys"),
        version(manifests.node, "ws"),
    );
    for section in SECTIONS {
        let tables: Vec<String> = section
            .tables
            .iter()
            .filter_map(|table| render(samples, table))
            .collect();
        if tables.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n## {}\n\n{}", section.title, section.about);
        for name in section.samples {
            for note in samples.notes_of(name) {
                let _ = writeln!(text, "\n> {note}");
            }
        }
        for plot in section.plots {
            let _ = writeln!(text, "\n![{}](plots/{plot}.svg)", section.title);
        }
        for table in tables {
            let _ = write!(text, "\n{table}");
        }
    }
    text
}

/// The pinned peers of the manifest, which come first in it.
fn versions(manifest: &str) -> Vec<String> {
    let peers = manifest.split("# The peers.").nth(1).unwrap_or_default();
    let peers = peers.split("\n\n").next().unwrap_or_default();
    peers
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(" = ")?;
            let (_, version) = rest.split_once("\"=")?;
            Some(format!("{name} {}", version.split('"').next()?))
        })
        .collect()
}

/// The first version after a name.
fn version<'a>(manifest: &'a str, name: &str) -> &'a str {
    let is_digit = |character: char| character.is_ascii_digit();
    let rest = manifest
        .lines()
        .find_map(|line| line.trim_start_matches([' ', '"']).strip_prefix(name));
    let version = rest.and_then(|rest| rest.get(rest.find(is_digit)?..));
    version
        .and_then(|version| version.split('"').next())
        .unwrap_or_default()
}

fn is_peer(subject: &str) -> bool {
    !["limit:", "raw-", "ours", "zlib-rs alone"]
        .iter()
        .any(|prefix| subject.starts_with(prefix))
}

fn is_rust_peer(subject: &str) -> bool {
    is_peer(subject) && !["uwebsockets", "node-ws"].contains(&subject)
}

/// The best median of the Rust peers.
fn best_peer<'a>(samples: &'a Samples, table: &Table, workload: &str) -> Option<&'a Sample> {
    let peers = samples
        .all
        .iter()
        .filter(|sample| sample.section == table.section && sample.metric == table.metric)
        .filter(|sample| sample.workload == workload && is_rust_peer(&sample.subject));
    let better = |a: &&Sample, b: &&Sample| a.median().total_cmp(&b.median());
    if table.is_rate {
        peers.max_by(better)
    } else {
        peers.min_by(better)
    }
}

fn render(samples: &Samples, table: &Table) -> Option<String> {
    let mut subjects: Vec<&str> = Vec::new();
    for sample in &samples.all {
        let is_here = sample.section == table.section && sample.metric == table.metric;
        if is_here && table.has(&sample.workload) && !subjects.contains(&sample.subject.as_str()) {
            subjects.push(&sample.subject);
        }
    }
    if subjects.is_empty() {
        return None;
    }
    let mut text = format!("| {} |", table.title);
    for column in table.columns {
        let _ = write!(text, " {} |", column.0);
    }
    let _ = writeln!(text, "\n|---|{}", "---:|".repeat(table.columns.len()));
    for subject in subjects {
        let _ = write!(text, "| {subject} |");
        for (_, workload) in table.columns {
            let _ = match samples.find(table.section, workload, table.metric, subject) {
                Some(sample) => write!(text, " {} |", cell(sample, best_peer(samples, table, workload))),
                None => write!(text, " – |"),
            };
        }
        text.push('\n');
    }
    for (name, targets) in table.targets {
        let _ = writeln!(text, "| *to reach: {name}* | *{}* |", targets.join("* | *"));
    }
    Some(text)
}

fn cell(sample: &Sample, best: Option<&Sample>) -> String {
    let median = sample.median();
    let spread = (sample.max() - sample.min()) / 2.0 / median * 100.0;
    match best {
        Some(best) if best.subject == sample.subject => format!("**{}** (±{spread:.0} %)", number(median)),
        Some(best) => format!("{} ({:.2}×, ±{spread:.0} %)", number(median), median / best.median()),
        None => format!("{} (±{spread:.0} %)", number(median)),
    }
}

/// Three significant digits, and all digits before the decimal point.
fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => {
            let digits = format!("{value:.0}");
            let mut text = String::new();
            for (i, digit) in digits.chars().enumerate() {
                if i > 0 && (digits.len() - i) % 3 == 0 {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
