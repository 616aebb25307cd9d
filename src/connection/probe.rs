//! A Ping whose answer is timed.
//!
//! The core reads no clock, so the two moments are noted a little late: the probe asks for the time once it was sent
//! and once it was answered, as a deadline that is due at once.

use core::time::Duration;

use crate::connection::time::{Span, Time};

/// Bytes of a probe's payload: its number.
pub(super) const PAYLOAD_LEN: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Probe {
    latency: Option<Span>,
    /// When it was sent, if it was and the time was told.
    sent: Option<Time>,
    /// It wraps.
    number: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// Sent, but nobody has told the time yet.
    Sent,
    Timed,
    /// Answered, but nobody has told the time yet.
    Answered,
}

impl Probe {
    /// The payload of the next probe, or `None` while one is under way.
    pub(super) fn start(&mut self) -> Option<[u8; PAYLOAD_LEN]> {
        if self.state != State::Idle {
            return None;
        }
        self.number = self.number.wrapping_add(1);
        self.state = State::Sent;
        Some(self.payload())
    }

    fn payload(&self) -> [u8; PAYLOAD_LEN] {
        u64::from(self.number).to_be_bytes()
    }

    /// Gives the probe up, which could not be sent or was not answered.
    pub(super) fn cancel(&mut self) {
        self.state = State::Idle;
    }

    pub(super) fn on_pong(&mut self, payload: &[u8]) {
        if payload == self.payload() {
            self.state = match self.state {
                State::Timed | State::Answered => State::Answered,
                // Answered before anybody told the time: nothing to measure.
                State::Sent | State::Idle => State::Idle,
            };
        }
    }

    /// Whether the time must be told at once.
    pub(super) fn wants_time(&self) -> bool {
        matches!(self.state, State::Sent | State::Answered)
    }

    pub(super) fn on_time(&mut self, now: Time) {
        match self.state {
            State::Sent => (self.state, self.sent) = (State::Timed, Some(now)),
            State::Answered => {
                self.latency = self.sent.map(|sent| Span::new(now.since(sent)));
                self.state = State::Idle;
            }
            State::Idle | State::Timed => {}
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
