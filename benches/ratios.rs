//! The headline figures compared with the limits of the hardware, as ratios within one run.
//!
//! ```text
//! cargo bench --bench ratios [-- [--check] [ROWS ...]]
//! ```
//!
//! Each row measures this crate and a bare loop that does the same work without any checks. The two take turns, so that other
//! activity of the machine affects both; figures are medians over the rounds. With `ROWS`, only rows whose name contains one of
//! the words are measured. With `--check`, only the row that CI checks is measured, and the exit status is 1 if it is out of
//! bounds.
#![allow(clippy::std_instead_of_alloc, reason = "a bench has `std`")]

mod support;

use core::time::Duration;
use std::{env, process::ExitCode, rc::Rc, time::Instant};

use support::{
    Content::{Ascii, Binary, Mixed},
    KIB, MIB,
    limit::RecvLoop,
    recv::{self, Take},
    send::{self, Batch, Give, Keys},
    stream::Stream,
};
use websocket_proto::Role::{self, Client, Server};

/// The time that all rounds of one row may take.
const BUDGET: Duration = Duration::from_millis(500);

/// The least and the greatest number of rounds of a row.
const MIN_ROUNDS: usize = 30;
const MAX_ROUNDS: usize = 2000;

/// What `--check` tolerates for short lent messages, as a multiple of the limit.
const CHECKED_RATIO: f64 = 1.5;

/// How often `--check` measures before it reports a failure.
const CHECK_ATTEMPTS: usize = 3;

fn main() -> ExitCode {
    let (flags, words): (Vec<String>, Vec<String>) = env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    if has("--check") {
        return check();
    }
    // Cargo passes `--bench` for benchmarks; in tests, one round shows that all rows work.
    let quick = has("--test") || !has("--bench");
    println!("| row | ours | limit | ours | limit | ratio (10th to 90th percentile) |");
    println!("|---|---:|---:|---:|---:|---:|");
    for (name, row) in rows() {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            println!("| {name} {}", row().cells(quick));
        }
    }
    ExitCode::SUCCESS
}

/// Fails if the shortest lent messages cost too much.
///
/// Noise only ever adds time, so the fastest pass of either side has the least noise.
fn check() -> ExitCode {
    for attempt in 1..=CHECK_ATTEMPTS {
        let rounds = headline().measure(false);
        let ratio = rounds.at(0.0, |round| round.ours) / rounds.at(0.0, |round| round.limit);
        println!("masked 16 B lent: {ratio:.2} times the limit, {CHECKED_RATIO} allowed (attempt {attempt})");
        if ratio <= CHECKED_RATIO {
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::FAILURE
}

type Make = Box<dyn Fn() -> Row>;

/// All rows. Each is created when its turn comes, so that the others use no memory in the meantime.
fn rows() -> Vec<(String, Make)> {
    let mut rows: Vec<(String, Make)> = Vec::new();
    let mut add = |name: String, make: Make| rows.push((name, make));
    let sizes = [16, 125, KIB, 16 * KIB, 256 * KIB, 4 * MIB];
    let short = [16, 125, KIB, 16 * KIB];

    for (word, take) in [("lent", Take::Lent), ("owned", Take::Owned)] {
        for len in sizes {
            let make = move || receive(Stream::new(Server, Binary, len), take);
            add(format!("recv masked {} {word}", human(len)), Box::new(make));
        }
    }
    for len in sizes {
        let make = move || receive(Stream::new(Client, Binary, len), Take::Lent);
        add(format!("recv unmasked {} lent", human(len)), Box::new(make));
    }
    for (word, content) in [("ASCII", Ascii), ("mixed", Mixed)] {
        for len in sizes {
            let make = move || receive(Stream::new(Server, content, len), Take::Lent);
            add(format!("recv masked text {word} {} lent", human(len)), Box::new(make));
        }
    }
    for (word, content) in [("binary", Binary), ("text mixed", Mixed)] {
        let make = move || {
            let stream = Stream::fragmented(Server, content, 64 * KIB, KIB);
            receive(stream, Take::Lent)
        };
        add(
            format!("recv masked {word} 64 KiB in 1 KiB frames lent"),
            Box::new(make),
        );
    }
    for len in short {
        let make = move || receive(Stream::new(Server, Binary, len).one_per_read(), Take::Lent);
        add(format!("recv masked {} lent, one a read", human(len)), Box::new(make));
    }

    for (word, role) in [("server", Server), ("client", Client)] {
        for len in [16, KIB, 16 * KIB] {
            let make = move || transmit(role, Keys::System, Batch::new(len, Give::Lent, 32));
            add(format!("send {word} {} lent, 32 a flush", human(len)), Box::new(make));
        }
        for (how, give) in [("Bytes", Give::Bytes), ("Vec", Give::Vec)] {
            let make = move || transmit(role, Keys::System, Batch::new(16 * KIB, give, 32));
            add(format!("send {word} 16 KiB owned {how}, 32 a flush"), Box::new(make));
        }
        let make = move || transmit(role, Keys::System, Batch::new(16, Give::Lent, 1));
        add(format!("send {word} 16 B lent, 1 a flush"), Box::new(make));
    }
    for len in [16, KIB] {
        let make = move || transmit(Client, Keys::Free, Batch::new(len, Give::Lent, 32));
        add(
            format!("send client {} lent, 32 a flush, keys for free", human(len)),
            Box::new(make),
        );
    }
    rows
}

/// A size with its unit.
fn human(bytes: usize) -> String {
    match bytes {
        n if n >= MIB => format!("{} MiB", n / MIB),
        n if n >= KIB => format!("{} KiB", n / KIB),
        n => format!("{n} B"),
    }
}

/// The row that [`check`] watches.
fn headline() -> Row {
    receive(Stream::new(Server, Binary, 16), Take::Lent)
}

/// A pass over one workload, which returns the time it took.
type Pass = Box<dyn FnMut() -> Duration>;

/// Two ways to do the same.
struct Row {
    messages: usize,
    payload_bytes: usize,
    ours: Pass,
    limit: Pass,
}

fn receive(stream: Stream, take: Take) -> Row {
    let stream = Rc::new(stream);
    let (mut connection, mut bare) = (recv::Ours::new(&stream), RecvLoop::new());

    // A limit that does something else is not a limit.
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    connection.receive(&stream, |message| found.extend_from_slice(message.as_bytes()));
    bare.receive(&stream, |payload| expected.extend_from_slice(payload.as_bytes()));
    assert!(found == expected && found.len() == stream.payload_bytes());

    Row {
        messages: stream.messages,
        payload_bytes: stream.payload_bytes(),
        ours: Box::new({
            let stream = Rc::clone(&stream);
            move || timed(|| connection.pass(&stream, take))
        }),
        limit: Box::new(move || timed(|| recv::limit_pass(&mut bare, &stream, take))),
    }
}

fn transmit(role: Role, keys: Keys, batch: Batch) -> Row {
    let batch = Rc::new(batch);
    let (mut connection, mut bare) = (send::Ours::new(role, keys), send::limit(role));
    Row {
        messages: batch.messages,
        payload_bytes: batch.payload_bytes(),
        ours: Box::new({
            let batch = Rc::clone(&batch);
            move || {
                let vecs = batch.vecs();
                timed(|| connection.pass(&batch, vecs))
            }
        }),
        limit: Box::new(move || timed(|| send::limit_pass(&mut bare, &batch))),
    }
}

fn timed(pass: impl FnOnce()) -> Duration {
    let start = Instant::now();
    pass();
    start.elapsed()
}

/// The time of one turn of each, in seconds.
#[derive(Clone, Copy)]
struct Round {
    ours: f64,
    limit: f64,
}

struct Rounds(Vec<Round>);

impl Row {
    fn measure(&mut self, quick: bool) -> Rounds {
        let (min, max) = if quick { (1, 1) } else { (MIN_ROUNDS, MAX_ROUNDS) };
        // To warm up: buffers grow, pages are touched, branches are learnt.
        for _ in 0..min.div_ceil(10) {
            (self.ours)();
            (self.limit)();
        }
        let mut rounds = Vec::new();
        let start = Instant::now();
        while rounds.len() < max && (rounds.len() < min || start.elapsed() < BUDGET) {
            // The first one may find the caches in a worse state, so the order alternates.
            let (ours, limit) = if rounds.len() % 2 == 0 {
                let ours = (self.ours)();
                (ours, (self.limit)())
            } else {
                let limit = (self.limit)();
                ((self.ours)(), limit)
            };
            rounds.push(Round {
                ours: ours.as_secs_f64(),
                limit: limit.as_secs_f64(),
            });
        }
        Rounds(rounds)
    }

    /// The cells of a table row after the name.
    fn cells(&mut self, quick: bool) -> String {
        let rounds = self.measure(quick);
        let (ours, limit) = (rounds.at(0.5, |round| round.ours), rounds.at(0.5, |round| round.limit));
        let [low, ratio, high] = [0.1, 0.5, 0.9].map(|part| rounds.at(part, |round| round.ours / round.limit));
        let nanos = |seconds: f64| format!("{:.1} ns", seconds * 1e9 / self.messages as f64);
        let speed = |seconds: f64| format!("{:.1} GB/s", self.payload_bytes as f64 / seconds / 1e9);
        format!(
            "| {} | {} | {} | {} | {ratio:.2} ({low:.2} to {high:.2}) |",
            nanos(ours),
            nanos(limit),
            speed(ours),
            speed(limit)
        )
    }
}

impl Rounds {
    /// The value below which this share of the rounds is.
    fn at(&self, part: f64, value: impl Fn(&Round) -> f64) -> f64 {
        let mut values: Vec<f64> = self.0.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index below the length"
        )]
        let index = (part * (values.len() - 1) as f64).round() as usize;
        values[index]
    }
}
