//! Connection state recovery: a client that was lost and comes back keeps its id, its rooms and what it has missed.
//!
//! Each event carries its offset, a number, as an argument after its own. A client sends the secret that it was given upon
//! joining, and the offset of the last event that it has received.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::state::Id;
use crate::{
    engine::Unit,
    timers::{Time, TimerId},
};

/// The most sockets whose state is kept. Those that are lost beyond cannot recover it.
const MAX_SAVED: usize = 1 << 16;

/// The most bytes of events that are kept, in each namespace. Those who have missed older ones cannot recover.
const MAX_BYTES: usize = 16 << 20;

/// To whom an event was sent.
#[derive(Clone, Debug)]
pub(super) enum Receivers {
    All,
    Room(Box<str>),
    One(Id),
}

/// What is kept of a namespace.
#[derive(Debug)]
pub(super) struct Recovery {
    patience: Duration,
    events: VecDeque<Sent>,
    /// The offset of the next event.
    next: u64,
    bytes: usize,
    saved: HashMap<Id, Saved>,
}

#[derive(Debug)]
struct Sent {
    at: Time,
    unit: Unit,
    receivers: Receivers,
    except: Option<Id>,
}

/// What is kept of a socket.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) id: Id,
    pub(super) rooms: Vec<Box<str>>,
    /// The offset of the first event after it had joined.
    pub(super) since: u64,
    pub(super) timer: TimerId,
}

impl Recovery {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            events: VecDeque::new(),
            next: 0,
            bytes: 0,
            saved: HashMap::new(),
        }
    }

    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// Returns the offset of the next event.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Keeps an event, and forgets those that are too old.
    pub(super) fn add(&mut self, at: Time, unit: Unit, receivers: Receivers, except: Option<Id>) {
        self.next += 1;
        self.bytes += unit.cost();
        self.events.push_back(Sent {
            at,
            unit,
            receivers,
            except,
        });
        while let Some(first) = self.events.front() {
            if first.at + self.patience >= at && self.bytes <= MAX_BYTES {
                break;
            }
            self.bytes -= first.unit.cost();
            self.events.pop_front();
        }
    }

    /// Keeps the state of a socket. Returns whether there was room for it.
    pub(super) fn save(&mut self, secret: Id, id: Id, rooms: Vec<Box<str>>, since: u64, timer: TimerId) -> bool {
        let has_room = self.saved.len() < MAX_SAVED;
        if has_room {
            let saved = Saved {
                id,
                rooms,
                since,
                timer,
            };
            self.saved.insert(secret, saved);
        }
        has_room
    }

    pub(super) fn forget(&mut self, secret: Id) {
        self.saved.remove(&secret);
    }

    /// Returns the state of a socket and what it has missed, if all of that is still here. `offset` is that of the last
    /// event that it has received, if any.
    pub(super) fn restore(&mut self, secret: Id, offset: Option<u64>) -> Option<(Saved, Vec<Unit>)> {
        let since = self.saved.get(&secret)?.since;
        let first_missed = match offset {
            Some(offset) => offset.checked_add(1).filter(|&next| next > since)?,
            None => since,
        };
        let first_kept = self.next - self.events.len() as u64;
        if first_missed < first_kept || first_missed > self.next {
            return None;
        }
        let skip = usize::try_from(first_missed - first_kept).ok()?;
        let saved = self.saved.remove(&secret)?;
        let missed = self.events.iter().skip(skip).filter(|sent| {
            let is_receiver = match &sent.receivers {
                Receivers::All => true,
                Receivers::Room(room) => saved.rooms.contains(room),
                Receivers::One(id) => *id == saved.id,
            };
            is_receiver && sent.except != Some(saved.id)
        });
        let missed = missed.map(|sent| sent.unit.clone()).collect();
        Some((saved, missed))
    }

    /// Returns the number of sockets whose state is kept.
    pub(super) fn len(&self) -> usize {
        self.saved.len()
    }
}
