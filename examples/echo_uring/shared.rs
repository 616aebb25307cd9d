//! What the connections share: settings, the clock, and buffers that none of them holds.

use std::time::Instant;

use websocket_proto::{Config, Connection, Time};

use crate::buffers::SIZE;

/// The largest buffer for output that is kept, in bytes.
const LARGEST: usize = 128 << 10;

/// The most buffers of each kind that are kept.
const MOST: usize = 64;

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    /// For output. A connection has one while it has something to send.
    output: Vec<Vec<u8>>,
    /// Received into, and empty again: to be provided to the kernel.
    received: Vec<Vec<u8>>,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            clock: Clock { origin: Instant::now() },
            output: Vec::new(),
            received: Vec::new(),
        }
    }

    /// Lends a buffer to a connection that may have something to send.
    pub(crate) fn lend(&mut self, connection: &mut Connection) {
        let buffer = self.output.pop().unwrap_or_default();
        let rest = connection.split_mut().1.give_buffer(buffer);
        self.keep(rest);
    }

    /// Takes the buffers back, unless something had to be left in them, and frees what an idle connection does not need.
    pub(crate) fn reclaim(&mut self, connection: &mut Connection) {
        let (inbound, outbound) = connection.split_mut();
        if let Some(buffer) = inbound.take_buffer() {
            self.keep_received(buffer.into());
        }
        if let Some(buffer) = outbound.take_buffer() {
            self.keep(buffer);
        }
        connection.release();
    }

    /// Keeps a buffer that was received into, if it is of the size that the kernel is provided with.
    pub(crate) fn keep_received(&mut self, buffer: Vec<u8>) {
        if buffer.len() == SIZE && self.received.len() < MOST {
            self.received.push(buffer);
        }
    }

    /// Returns the last of them: it is most likely in the processor's cache.
    pub(crate) fn take_received(&mut self) -> Option<Vec<u8>> {
        self.received.pop()
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        if (1..=LARGEST).contains(&buffer.capacity()) && self.output.len() < MOST {
            self.output.push(buffer);
        }
    }
}

pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }
}
