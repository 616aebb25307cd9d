//! What a session has to send: one queue, in order, bounded in bytes.

use std::{collections::VecDeque, slice, sync::Arc};

use websocket_proto::{MessageKind, PreparedMessage};

/// What is sent as one: a message, or the text of a binary packet and its attachments. Nothing comes between them.
///
/// It is encoded once, and a clone only increments a reference count: a broadcast costs no memory for each receiver
/// beyond its place in the queue.
#[derive(Clone, Debug)]
pub enum Unit {
    /// One message.
    One(PreparedMessage),
    /// Several messages.
    Many(Arc<[PreparedMessage]>),
}

impl Unit {
    /// Creates a unit of one text message: a packet with its digit.
    #[must_use]
    pub fn text(packet: impl Into<String>) -> Self {
        Self::One(PreparedMessage::text(packet.into()))
    }

    /// Returns the messages, in order.
    #[must_use]
    pub fn messages(&self) -> &[PreparedMessage] {
        match self {
            Self::One(message) => slice::from_ref(message),
            Self::Many(messages) => messages,
        }
    }

    /// Returns what the unit counts in a queue: its payload and its bookkeeping.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.messages().iter().map(|message| message.len() + OVERHEAD).sum()
    }
}

impl From<PreparedMessage> for Unit {
    fn from(message: PreparedMessage) -> Self {
        Self::One(message)
    }
}

/// What the bookkeeping of a message counts, in bytes.
const OVERHEAD: usize = 96;

/// The most packets in the answer to one poll. Clients of the Python library refuse more.
pub const MAX_PACKETS: usize = 16;

/// The bytes after which an answer to a poll is not made longer.
const MAX_ANSWER: usize = 1 << 20;

/// The capacity that an empty queue keeps, so that a conversation does not allocate for each message.
const KEPT: usize = 4;

/// The queue of a session.
#[derive(Debug)]
pub(super) struct Queue {
    units: VecDeque<Unit>,
    /// Messages of the first unit that were taken.
    taken: usize,
    cost: usize,
    limit: usize,
}

/// The queue is full.
#[derive(Debug)]
pub(super) struct Overflow;

impl Queue {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            units: VecDeque::new(),
            taken: 0,
            cost: 0,
            limit,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Adds a unit. An empty queue takes a unit of any size.
    pub(super) fn push(&mut self, unit: Unit) -> Result<(), Overflow> {
        let cost = self.cost + unit.cost();
        if cost > self.limit && !self.is_empty() {
            return Err(Overflow);
        }
        self.cost = cost;
        self.units.push_back(unit);
        Ok(())
    }

    /// Puts a unit before everything else.
    pub(super) fn push_front(&mut self, unit: Unit) {
        self.cost += unit.cost();
        self.units.push_front(unit);
    }

    /// Returns the next message.
    pub(super) fn front(&self) -> Option<&PreparedMessage> {
        self.units.front()?.messages().get(self.taken)
    }

    /// Removes the message that [`front`](Self::front) returned.
    pub(super) fn pop_front(&mut self) {
        self.taken += 1;
        if self
            .units
            .front()
            .is_some_and(|unit| unit.messages().len() == self.taken)
        {
            self.pop_unit();
        }
    }

    fn pop_unit(&mut self) {
        if let Some(unit) = self.units.pop_front() {
            self.cost -= unit.cost();
        }
        self.taken = 0;
        // An idle session holds no buffer.
        if self.units.is_empty() && self.units.capacity() > KEPT {
            self.units = VecDeque::new();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    /// Removes the units that fit into one answer to a poll, and calls `add` with each message. A unit is not divided.
    pub(super) fn take_answer(&mut self, mut add: impl FnMut(MessageKind, &[u8])) {
        let (mut packets, mut bytes) = (0, 0);
        while let Some(unit) = self.units.front() {
            packets += unit.messages().len();
            if (packets > MAX_PACKETS || bytes > MAX_ANSWER) && bytes > 0 {
                break;
            }
            for message in unit.messages() {
                bytes += message.len() + 1;
                add(message.kind(), message.as_bytes());
            }
            self.pop_unit();
        }
    }
}
