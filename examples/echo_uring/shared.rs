//! What the connections share: settings, the clock, and buffers for output.

use std::time::Instant;

use websocket_proto::{Config, Connection, Time};

/// The largest buffer for output that is kept, in bytes.
const LARGEST: usize = 128 << 10;

/// The most that are kept.
const MOST: usize = 64;

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    /// A connection has one while it has something to send.
    buffers: Vec<Vec<u8>>,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            clock: Clock { origin: Instant::now() },
            buffers: Vec::new(),
        }
    }

    /// Lends a buffer to a connection that may have something to send.
    pub(crate) fn lend(&mut self, connection: &mut Connection) {
        let buffer = self.buffers.pop().unwrap_or_default();
        let rest = connection.split_mut().1.give_buffer(buffer);
        self.keep(rest);
    }

    /// Takes it back, unless something is in it, and frees what an idle connection does not need.
    pub(crate) fn reclaim(&mut self, connection: &mut Connection) {
        let buffer = connection.split_mut().1.take_buffer();
        self.keep(buffer.unwrap_or_default());
        connection.release();
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        if (1..=LARGEST).contains(&buffer.capacity()) && self.buffers.len() < MOST {
            self.buffers.push(buffer);
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
