//! All measurements as they are stored: one line per figure of each row, one value per round.

use std::{fmt::Write as _, fs, io, path::Path};

/// The values of one figure in the rounds of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The part of the tool that measured it.
    pub section: String,
    /// What was done.
    pub workload: String,
    /// What was measured, with its unit.
    pub metric: String,
    /// The measured server or codec.
    pub subject: String,
    pub values: Vec<f64>,
}

#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// The machine, the compiler and the command of each section.
    pub notes: Vec<(String, String)>,
    pub all: Vec<Sample>,
}

impl Samples {
    pub fn push(&mut self, section: &str, workload: &str, metric: &str, subject: &str, value: f64) {
        let found = self
            .all
            .iter_mut()
            .find(|sample| sample.is(section, workload, metric, subject));
        match found {
            Some(sample) => sample.values.push(value),
            None => self.all.push(Sample {
                section: section.to_owned(),
                workload: workload.to_owned(),
                metric: metric.to_owned(),
                subject: subject.to_owned(),
                values: vec![value],
            }),
        }
    }

    /// Adds a note to a section, once.
    pub fn note(&mut self, section: &str, text: impl Into<String>) {
        let note = (section.to_owned(), text.into().replace(['\t', '\n'], " "));
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub fn notes_of<'a>(&'a self, section: &'a str) -> impl Iterator<Item = &'a str> {
        let notes = self.notes.iter().filter(move |(of, _)| of == section);
        notes.map(|(_, text)| text.as_str())
    }

    pub fn find(&self, section: &str, workload: &str, metric: &str, subject: &str) -> Option<&Sample> {
        self.all
            .iter()
            .find(|sample| sample.is(section, workload, metric, subject))
    }

    pub fn rows<'a>(
        &'a self,
        section: &'a str,
        workload: &'a str,
        metric: &'a str,
    ) -> impl Iterator<Item = &'a Sample> {
        self.all
            .iter()
            .filter(move |sample| sample.section == section && sample.workload == workload && sample.metric == metric)
    }

    /// Replaces the old sections by those of a new run.
    pub fn replace(&mut self, new: Self) {
        let is_new = |section: &str| new.all.iter().any(|sample| sample.section == section);
        self.notes.retain(|(section, _)| !is_new(section));
        self.all.retain(|sample| !is_new(&sample.section));
        self.notes.extend(new.notes);
        self.all.extend(new.all);
    }

    pub fn load(path: &Path) -> io::Result<Self> {
        let mut samples = Self::default();
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(samples),
            text => text?,
        };
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[..] {
                ["note", section, text] => samples.note(section, text),
                [section, workload, metric, subject, values] => {
                    for value in values.split(' ').filter_map(|value| value.parse().ok()) {
                        samples.push(section, workload, metric, subject, value);
                    }
                }
                _ => return Err(io::Error::other(format!("not a sample: {line}"))),
            }
        }
        Ok(samples)
    }

    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut text = String::new();
        for (section, note) in &self.notes {
            let _ = writeln!(text, "note\t{section}\t{note}");
        }
        for sample in &self.all {
            let values: Vec<String> = sample.values.iter().map(|value| format!("{value:.4}")).collect();
            let Sample {
                section,
                workload,
                metric,
                subject,
                ..
            } = sample;
            let _ = writeln!(text, "{section}\t{workload}\t{metric}\t{subject}\t{}", values.join(" "));
        }
        fs::write(path, text)
    }
}

impl Sample {
    fn is(&self, section: &str, workload: &str, metric: &str, subject: &str) -> bool {
        self.section == section && self.workload == workload && self.metric == metric && self.subject == subject
    }

    pub fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.is_empty() {
            f64::NAN
        } else if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        }
    }

    pub fn min(&self) -> f64 {
        self.values.iter().copied().fold(f64::NAN, f64::min)
    }

    pub fn max(&self) -> f64 {
        self.values.iter().copied().fold(f64::NAN, f64::max)
    }
}
