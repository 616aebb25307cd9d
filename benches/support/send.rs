//! Sending: a connection and the limit to compare it with, each as one pass over a number of messages.

use core::hint::black_box;
use std::sync::Arc;

use websocket_proto::{Buf, Bytes, Config, Connection, Entropy, EntropyError, Limits, PreparedMessage, Role};

use super::{MIB, PASS, keys, limit::SendLoop, random};

/// How the message is passed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Give {
    /// A slice owned by the application.
    Lent,
    /// A clone of shared bytes.
    Bytes,
    /// The same, and the output is taken, as completion-based I/O does.
    Taken,
    /// A vector by value, created beforehand.
    Vec,
    /// A reference to a message that was encoded beforehand.
    Prepared,
}

/// What a pass sends.
#[derive(Clone)]
pub(crate) struct Batch {
    payload: Bytes,
    prepared: PreparedMessage,
    give: Give,
    per_flush: usize,
    pub(crate) messages: usize,
}

impl Batch {
    pub(crate) fn new(len: usize, give: Give, per_flush: usize) -> Self {
        let messages = (PASS / len).clamp(32, 4096) / per_flush * per_flush;
        let payload = Bytes::from(random(len));
        Self {
            prepared: PreparedMessage::binary(payload.clone()),
            payload,
            give,
            per_flush,
            messages,
        }
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        self.payload.len() * self.messages
    }

    /// The vectors that a pass sends by value. Creating them is the application's part and is not measured.
    pub(crate) fn vecs(&self) -> Vec<Vec<u8>> {
        match self.give {
            Give::Vec => vec![self.payload.to_vec(); self.messages],
            Give::Lent | Give::Bytes | Give::Taken | Give::Prepared => Vec::new(),
        }
    }
}

/// The source of a client's masking keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    System,
    /// Bytes that cost next to nothing, which shows the remaining work.
    Free,
}

#[derive(Debug)]
struct FreeEntropy;

impl Entropy for FreeEntropy {
    fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError> {
        dest.fill(0x5A);
        Ok(())
    }
}

/// A connection that is kept from pass to pass, so that its buffers are warm.
pub(crate) struct Ours(Connection);

impl Ours {
    pub(crate) fn new(role: Role, keys: Keys) -> Self {
        // 32 of the longest messages fit.
        let mut config = Config::new().limits(Limits::new().output_high_water(4 * MIB));
        if keys == Keys::Free {
            config = config.entropy(Arc::new(FreeEntropy));
        }
        Self(Connection::new(role, &config))
    }

    pub(crate) fn pass(&mut self, batch: &Batch, vecs: Vec<Vec<u8>>) {
        match batch.give {
            Give::Lent => self.send(batch, |to| to.feed(black_box(&batch.payload[..])).is_ok()),
            Give::Bytes => self.send(batch, |to| to.feed(batch.payload.clone()).is_ok()),
            Give::Taken => self.send_taken(batch),
            Give::Vec => {
                let mut vecs = vecs.into_iter();
                self.send(batch, |to| to.feed(vecs.next().unwrap_or_default()).is_ok());
            }
            Give::Prepared => self.send(batch, |to| to.feed(black_box(&batch.prepared)).is_ok()),
        }
    }

    fn send_taken(&mut self, batch: &Batch) {
        for _ in 0..batch.messages / batch.per_flush {
            let driver = self.0.drive().1;
            for _ in 0..batch.per_flush {
                assert!(driver.outbound().feed(batch.payload.clone()).is_ok(), "below the mark");
            }
            let mut output = driver.take_output();
            while output.has_remaining() {
                let n = black_box(output.chunk()).len();
                output.advance(n);
            }
            driver.return_output(output);
        }
    }

    #[inline]
    fn send(&mut self, batch: &Batch, mut send: impl FnMut(&mut Connection) -> bool) {
        for _ in 0..batch.messages / batch.per_flush {
            for _ in 0..batch.per_flush {
                assert!(send(&mut self.0), "below the mark");
            }
            let output = self.0.output();
            while output.has_remaining() {
                let n = black_box(output.chunk()).len();
                output.advance(n);
            }
        }
    }
}

/// The bare loop, which copies whatever it gets.
pub(crate) fn limit(role: Role) -> SendLoop {
    let keys = match role {
        Role::Server => Vec::new(),
        Role::Client => keys(1024),
    };
    SendLoop::new(keys)
}

pub(crate) fn limit_pass(limit: &mut SendLoop, batch: &Batch) {
    for _ in 0..batch.messages / batch.per_flush {
        for _ in 0..batch.per_flush {
            limit.send(black_box(&batch.payload));
        }
        limit.flush();
    }
}
