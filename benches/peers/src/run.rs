//! One run of the tool: what to measure, for how long, and the results.

use std::{
    io::Error,
    time::{Duration, Instant},
};

use crate::{environment, samples::Samples, servers::Server};

#[derive(Debug)]
pub struct Run {
    pub rounds: usize,
    pub quick: bool,
    duration: Duration,
    /// The sections that `duration` applies to.
    timed: Vec<String>,
    /// The sections to measure, if not all.
    only: Vec<Server>,
    pub samples: Samples,
    pub failures: usize,
    started: Instant,
    /// The load of the machine at the start.
    load: String,
}

impl Run {
    pub fn new(rounds: usize, millis: u64, quick: bool, only: Vec<Server>) -> Self {
        Self {
            rounds: if quick { 1 } else { rounds },
            quick,
            duration: Duration::from_millis(if quick { 30 } else { millis }),
            timed: Vec::new(),
            only,
            samples: Samples::default(),
            failures: 0,
            started: Instant::now(),
            load: environment::load_average(),
        }
    }

    /// The samples, each section with the conditions of this run.
    pub fn finish(mut self) -> Samples {
        let mut sections: Vec<String> = Vec::new();
        for sample in &self.samples.all {
            if !sections.contains(&sample.section) {
                sections.push(sample.section.clone());
            }
        }
        let mut conditions = Samples::default();
        for section in sections {
            let samples = self.samples.all.iter().filter(|sample| sample.section == section);
            let rounds = samples.map(|sample| sample.values.len()).max().unwrap_or(0);
            conditions.note(&section, environment::describe(rounds, &self.load));
            if self.timed.contains(&section) {
                let millis = self.duration.as_millis();
                conditions.note(&section, format!("A server is measured for {millis} ms at a time."));
            }
        }
        conditions.notes.append(&mut self.samples.notes);
        conditions.all = self.samples.all;
        conditions
    }

    /// The servers that take part and can run here.
    pub fn servers(&mut self, section: &str, takes_part: impl Fn(Server) -> bool) -> Vec<Server> {
        let mut servers = Vec::new();
        for &server in <Server as clap::ValueEnum>::value_variants() {
            if !takes_part(server) || !(self.only.is_empty() || self.only.contains(&server)) {
                continue;
            }
            match server.obstacle() {
                None => servers.push(server),
                Some(obstacle) => {
                    eprintln!("note: without {}: {obstacle}", server.name());
                    self.samples
                        .note(section, format!("Without {}: {obstacle}.", server.name()));
                }
            }
        }
        servers
    }

    /// Another one begins each round, so that none has a fixed position.
    pub fn turns<T>(round: usize, all: &mut [T]) {
        if round > 0 && !all.is_empty() {
            // A number without a common divisor with most lengths.
            all.rotate_left(7 % all.len());
        }
    }

    /// Whether a codec takes part. Subjects named after a server are selected with it; limits always take part.
    pub fn takes_part(&self, subject: &str) -> bool {
        self.only.is_empty()
            || subject.starts_with("limit")
            || self.only.iter().any(|server| {
                let server = server.name();
                server.starts_with(subject)
                    || server.ends_with(subject)
                    || subject.starts_with("ours") && server.starts_with("ours")
            })
    }

    pub fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 10 } else { 200 })
    }

    /// The time to measure a server in this section.
    pub fn duration(&mut self, section: &str) -> Duration {
        if !self.timed.iter().any(|timed| timed == section) {
            self.timed.push(section.to_owned());
        }
        self.duration
    }

    pub fn push(&mut self, section: &str, workload: &str, metric: &str, server: Server, value: f64) {
        self.samples.push(section, workload, metric, &server.name(), value);
    }

    pub fn progress(&self, section: &str, round: usize, what: &str, result: &str) {
        let elapsed = self.started.elapsed().as_secs();
        let (minutes, seconds, rounds) = (elapsed / 60, elapsed % 60, self.rounds);
        eprintln!(
            "{minutes:02}:{seconds:02} {section} {}/{rounds}  {what}: {result}",
            round + 1
        );
    }

    /// Records a failure, which the results contain as well.
    pub fn failed(&mut self, section: &str, what: &str, error: &Error) {
        self.failures += 1;
        eprintln!("FAILED {section}  {what}: {error}");
        self.samples.note(section, format!("Failed: {what}: {error}."));
    }
}
