//! A Ping that measures the round-trip time.
//!
//! The core reads no clock, so the two times are noted slightly late: the probe asks for the time, as a deadline that
//! is due at once, after it was sent and after it was answered.

use core::time::Duration;

use crate::connection::time::{Span, Time};

/// The length of a probe's payload: its number.
pub(super) const PAYLOAD_LEN: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Probe {
    latency: Option<Span>,
    /// When it was sent, if it was and the time was reported.
    sent: Option<Time>,
    /// The number wraps.
    number: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// Sent, but the time was not reported yet.
    Sent,
    Timed,
    /// Answered, but the time was not reported yet.
    Answered,
}

impl Probe {
    /// Returns the payload of the next probe, or `None` while one is pending.
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

    /// Gives up a probe that could not be sent or was not answered.
    pub(super) fn cancel(&mut self) {
        self.state = State::Idle;
    }

    pub(super) fn on_pong(&mut self, payload: &[u8]) {
        if payload == self.payload() {
            self.state = match self.state {
                State::Timed | State::Answered => State::Answered,
                // Answered before the time was reported: there is nothing to measure.
                State::Sent | State::Idle => State::Idle,
            };
        }
    }

    /// Returns whether the time must be reported at once.
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

    /// Returns the latest measurement.
    pub(super) const fn latency(&self) -> Option<Duration> {
        match self.latency {
            Some(latency) => Some(latency.duration()),
            None => None,
        }
    }
}
