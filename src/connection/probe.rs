//! A Ping whose answer is timed.
//!
//! The core reads no clock, so the two moments are noted a little late: the probe asks for the time once it was sent
//! and once it was answered, as a deadline that is due at once.

use core::time::Duration;

use crate::connection::{Time, deadlines::Span};

/// Bytes of a probe's payload: its number.
pub(super) const PAYLOAD_LEN: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Probe {
    number: u64,
    state: State,
    latency: Option<Span>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// Sent, but nobody has told the time yet.
    Sent,
    Timed(Time),
    /// Answered, but nobody has told the time yet.
    Answered(Time),
}

impl Probe {
    /// The payload of the next probe, or `None` while one is under way.
    pub(super) fn start(&mut self) -> Option<[u8; PAYLOAD_LEN]> {
        if !matches!(self.state, State::Idle) {
            return None;
        }
        self.number += 1;
        self.state = State::Sent;
        Some(self.number.to_be_bytes())
    }

    /// Gives the probe up, which could not be sent or was not answered.
    pub(super) fn cancel(&mut self) {
        self.state = State::Idle;
    }

    pub(super) fn on_pong(&mut self, payload: &[u8]) {
        if payload == self.number.to_be_bytes() {
            self.state = match self.state {
                State::Timed(sent) => State::Answered(sent),
                State::Answered(sent) => State::Answered(sent),
                // Answered before anybody told the time: nothing to measure.
                State::Sent | State::Idle => State::Idle,
            };
        }
    }

    /// Whether the time must be told at once.
    pub(super) fn wants_time(&self) -> bool {
        matches!(self.state, State::Sent | State::Answered(_))
    }

    pub(super) fn on_time(&mut self, now: Time) {
        match self.state {
            State::Sent => self.state = State::Timed(now),
            State::Answered(sent) => {
                self.latency = Some(Span::new(now.since(sent)));
                self.state = State::Idle;
            }
            State::Idle | State::Timed(_) => {}
        }
    }

    /// The latest measurement.
    pub(super) const fn latency(&self) -> Option<Duration> {
        match self.latency {
            Some(latency) => Some(latency.duration()),
            None => None,
        }
    }
}
