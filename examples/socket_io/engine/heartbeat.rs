//! The heartbeat of a session: a ping after each interval, and a pong in time.

use super::Settings;
use crate::timers::Time;

/// There is one for each session, whatever carries it.
#[derive(Debug)]
pub(super) enum Heartbeat {
    /// The next ping is due at a time.
    Quiet(Time),
    /// The answer to a ping is due at a time.
    Asked(Time),
}

impl Heartbeat {
    pub(super) fn new(settings: &Settings, now: Time) -> Self {
        Self::Quiet(now + settings.ping_interval)
    }

    pub(super) const fn due(&self) -> Time {
        match self {
            Self::Quiet(at) | Self::Asked(at) => *at,
        }
    }

    /// Advances to the time that was due. Returns whether a ping is to be sent; otherwise the client has not answered.
    pub(super) fn handle_timeout(&mut self, settings: &Settings, now: Time) -> bool {
        let Self::Quiet(at) = *self else { return false };
        // From when the ping was due: small delays of timers do not add up. After a long delay, the client still has time.
        *self = Self::Asked((at + settings.ping_timeout).max(now + settings.ping_timeout / 2));
        true
    }

    /// A pong that was not asked for changes nothing.
    pub(super) fn pong(&mut self, settings: &Settings, now: Time) {
        if matches!(self, Self::Asked(_)) {
            *self = Self::new(settings, now);
        }
    }

    /// Pings were held back until now: the client has all its time to answer.
    pub(super) fn resume(&mut self, settings: &Settings, now: Time) {
        if let Self::Asked(at) = self {
            *at = (*at).max(now + settings.ping_timeout);
        }
    }
}
