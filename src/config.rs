//! The limits and timers of a connection, with their defaults and their memory cost.

mod worst_case;

use core::{fmt, time::Duration};

pub use self::worst_case::WorstCase;

use crate::{
    deflate::params::DeflateConfig,
    entropy::{Entropy, EntropyError, OsEntropy},
    sync::Arc,
};

/// Settings of an endpoint, shared by the opening handshake and the connection.
///
/// A `Config` is plain data. Build it once and use it for any number of connections.
///
/// ```
/// use core::time::Duration;
/// use websocket_proto::{Config, Limits, Timers};
///
/// let config = Config::new()
///     .limits(Limits::new().max_message_size(1 << 20))
///     .timers(Timers::new().keepalive(Duration::from_secs(20)));
/// assert_eq!(config.limits.max_message_size, 1 << 20);
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Config {
    /// Limits on what the peer can make this endpoint hold. All are on by default.
    pub limits: Limits,
    /// Deadlines. Those of the opening and closing handshakes and of stalled writes are on by default.
    pub timers: Timers,
    /// How messages reach the application: whole (the default) or in chunks as they arrive.
    pub delivery: Delivery,
    /// How Pings are handled: answered at once (the default), or left to the application.
    pub pings: PingPolicy,
    /// Where masking keys and nonces come from; `None` means the operating system.
    pub entropy: Option<Arc<dyn Entropy>>,
    /// How permessage-deflate is negotiated and used; `None`, the default, disables it.
    #[cfg(feature = "deflate")]
    pub deflate: Option<DeflateConfig>,
}

impl Config {
    /// Creates the default settings, which are safe against hostile peers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Replaces the timers.
    #[must_use]
    pub fn timers(mut self, timers: Timers) -> Self {
        self.timers = timers;
        self
    }

    /// Sets whether messages are delivered whole or in chunks as they arrive.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Sets who answers Pings.
    #[must_use]
    pub fn pings(mut self, pings: PingPolicy) -> Self {
        self.pings = pings;
        self
    }

    /// Sets permessage-deflate: a client offers it, and a server accepts it. `None` disables it.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<DeflateConfig>>) -> Self {
        self.deflate = deflate.into();
        self
    }

    /// Returns how permessage-deflate is used, if this build supports it.
    pub(crate) const fn deflate_config(&self) -> Option<DeflateConfig> {
        #[cfg(feature = "deflate")]
        return self.deflate;
        #[cfg(not(feature = "deflate"))]
        return None;
    }

    /// Returns a nonce for a client's opening handshake, different for each connection ([RFC 6455 §4.1]).
    ///
    /// # Errors
    ///
    /// [`EntropyError`] if no entropy is available.
    ///
    /// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
    pub fn nonce(&self) -> Result<[u8; 16], EntropyError> {
        let mut nonce = [0; 16];
        match &self.entropy {
            Some(entropy) => entropy.fill(&mut nonce)?,
            None => OsEntropy.fill(&mut nonce)?,
        }
        Ok(nonce)
    }

    /// Sets the source of masking keys and nonces, in place of the operating system.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = Some(entropy);
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("limits", &self.limits)
            .field("timers", &self.timers)
            .field("delivery", &self.delivery)
            .field("pings", &self.pings)
            .field("deflate", &self.deflate_config())
            .finish_non_exhaustive()
    }
}

/// How messages reach the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Delivers whole messages only, as [`Event::Message`](crate::Event::Message).
    #[default]
    Messages,
    /// Delivers every piece of a message as it arrives, as [`Event::Fragment`](crate::Event::Fragment), so that a
    /// message of any size needs constant memory only.
    Fragments,
}

/// Who answers Pings ([RFC 6455 §5.5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PingPolicy {
    /// The connection answers; the application only sees the Ping.
    #[default]
    Answer,
    /// The application answers with `pong`, as the RFC then requires of it.
    Report,
}

/// Limits on what the peer can make this endpoint hold or do.
///
/// Memory is allocated for bytes received, never for a length that the peer announces. It grows to at most twice the
/// number of bytes received, and never past these limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest HTTP head, request or response, in bytes. Default 16 KiB. Costs up to this much memory, during the
    /// opening handshake only. A larger request is answered with 431, or with 414 if its request line alone is too
    /// long.
    pub max_head_size: usize,
    /// The most header fields in an HTTP head. Default 128. A request with more is answered with 431.
    pub max_head_fields: usize,
    /// How much of the body of a refusal a client keeps, in bytes. Default 8 KiB.
    pub max_error_body: usize,
    /// The largest payload of one frame on the wire, in bytes. Default 16 MiB. A larger frame fails the connection with
    /// 1009 as soon as its header has arrived.
    pub max_frame_size: u64,
    /// The largest payload of one message over all its fragments, in bytes. Default 16 MiB. A larger message fails the
    /// connection with 1009.
    ///
    /// A compressed message is measured twice: on the wire, and as it is decompressed, byte by byte. With
    /// [`Delivery::Messages`], a connection holds at most this much for an incoming message, and twice as much while
    /// its buffer grows. With [`Delivery::Fragments`] the limit still applies, but nothing is held except a frame for
    /// an [extension](crate::ExtensionFrame).
    pub max_message_size: u64,
    /// The most fragments in one message, empty ones included. Default 131,072. A message with more fails the
    /// connection with 1008.
    pub max_fragments: u32,
    /// How many bytes may be queued for the peer before messages are refused with
    /// [`SendError::Full`](crate::SendError::Full). Default 1 MiB. The minimum is 1, which queues a message only if
    /// nothing else is queued; 0 is treated as 1. The maximum is 4 GiB.
    ///
    /// A message may start below the mark and end above it, so at most this much, one message, 17 automatic Pongs (fewer
    /// if the mark is below 2 KiB) and a Close are queued. Their buffer can be larger: up to 2⅔ times as much, and four
    /// times as much while it grows.
    pub output_high_water: usize,
    /// The size of the receive buffer that a connection allocates if it was lent none, in bytes. Default 16 KiB
    /// ([`RecvBuffer::DEFAULT_CAPACITY`](crate::RecvBuffer::DEFAULT_CAPACITY)). Rounded up to a power of two, and to at
    /// least 256.
    ///
    /// The connection keeps it while it holds bytes of an event, and until [`release`](crate::Connection::release). The
    /// async shells lend their own shared buffers instead.
    pub recv_buffer_size: usize,
}

impl Limits {
    /// Creates the default limits.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_head_size: 16 << 10,
            max_head_fields: 128,
            max_error_body: 8 << 10,
            max_frame_size: 16 << 20,
            max_message_size: 16 << 20,
            max_fragments: 128 << 10,
            output_high_water: 1 << 20,
            recv_buffer_size: 16 << 10,
        }
    }

    /// Creates limits for a device with little memory, for messages of at most this many bytes.
    ///
    /// Heads may have 1 KiB and 32 fields, and messages 128 fragments; the receive buffer, and what may be queued, is as
    /// long as a message. With 512 bytes, a server's connection holds at most 6.2 KiB, and one call at a time uses 10 KiB
    /// more; [`Config::worst_case`] returns the exact numbers. Browsers that send cookies need longer heads.
    #[must_use]
    pub const fn small(message: usize) -> Self {
        Self {
            max_head_size: 1 << 10,
            max_head_fields: 32,
            max_error_body: 256,
            max_frame_size: message as u64,
            max_message_size: message as u64,
            max_fragments: 128,
            output_high_water: message,
            recv_buffer_size: message,
        }
    }

    /// Sets the largest HTTP head, in bytes.
    #[must_use]
    pub const fn max_head_size(mut self, bytes: usize) -> Self {
        self.max_head_size = bytes;
        self
    }

    /// Sets the most header fields in an HTTP head.
    #[must_use]
    pub const fn max_head_fields(mut self, fields: usize) -> Self {
        self.max_head_fields = fields;
        self
    }

    /// Sets how much of the body of a refusal a client keeps, in bytes.
    #[must_use]
    pub const fn max_error_body(mut self, bytes: usize) -> Self {
        self.max_error_body = bytes;
        self
    }

    /// Sets the largest payload of one frame, in bytes.
    #[must_use]
    pub const fn max_frame_size(mut self, bytes: u64) -> Self {
        self.max_frame_size = bytes;
        self
    }

    /// Sets the largest payload of one message, in bytes.
    #[must_use]
    pub const fn max_message_size(mut self, bytes: u64) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// Sets the most fragments in one message.
    #[must_use]
    pub const fn max_fragments(mut self, fragments: u32) -> Self {
        self.max_fragments = fragments;
        self
    }

    /// Sets the size of the receive buffer that a connection allocates, in bytes.
    #[must_use]
    pub const fn recv_buffer_size(mut self, bytes: usize) -> Self {
        self.recv_buffer_size = bytes;
        self
    }

    /// Sets how many bytes may be queued before messages are refused.
    #[must_use]
    pub const fn output_high_water(mut self, bytes: usize) -> Self {
        self.output_high_water = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// The deadlines of a connection, as data: the core reports the next one and never reads a clock.
///
/// `None` switches a deadline off. A connection rounds a duration up to whole milliseconds; zero counts as one, and
/// more than 49 days as off. A deadline about the peer is judged only after everything that has arrived was read. So it
/// can fire later by the time that this takes, and by the delay with which the time is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timers {
    /// How long the whole opening handshake may take, except the time in which a server decides. Default 10 s. It
    /// starts with the acceptor, the connector or the [`Opening`](crate::handshake::Opening), and fires after exactly
    /// this time. An acceptor that sets TLS up with its `over` limits TLS by the same time. A client that is refused has
    /// another [2 s](crate::handshake::Opening::LAST_WAIT) to read the reason.
    pub handshake: Option<Duration>,
    /// How long the closing handshake may take: for the peer's Close, and then for the end of the transport. Default 5
    /// s. It starts when this side's Close is written, or when writing has failed. Before that, queued output may make
    /// no progress for at most this time, or for `write` if that is shorter.
    pub close: Option<Duration>,
    /// How long output may wait while the transport accepts no bytes. Default 30 s. It fires between 1 and 1.25 times
    /// this duration after the last byte. In the shells, a flush that a buffering stream does not finish counts as
    /// waiting output.
    pub write: Option<Duration>,
    /// How long the peer may be silent before the connection is given up. Off by default. It fires between 1 and 1.25
    /// times this duration after the last byte.
    pub idle: Option<Duration>,
    /// How long the peer may be silent before it is sent a Ping. Off by default. The Ping is sent between 1 and 1.25
    /// times this duration after the last byte, and at the beginning of this range if the peer sends little.
    pub keepalive: Option<Duration>,
    /// How long the peer may be silent after a keepalive Ping before it is considered dead. Default 20 s; no effect
    /// without `keepalive`. It starts when the Ping is written.
    pub pong: Option<Duration>,
    /// How long an unfinished message may make no progress before the connection fails with 1008. Default 30 s. The
    /// part of the message that has arrived is held until then. It fires between 1 and 1.25 times this duration after
    /// the last byte of the message. Switch it off, or set it longer, if the peer sends fragments with long pauses
    /// between them.
    pub message: Option<Duration>,
}

impl Timers {
    /// Creates the default timers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            handshake: Some(Duration::from_secs(10)),
            close: Some(Duration::from_secs(5)),
            write: Some(Duration::from_secs(30)),
            idle: None,
            keepalive: None,
            pong: Some(Duration::from_secs(20)),
            message: Some(Duration::from_secs(30)),
        }
    }

    /// Switches all deadlines off, for a runtime without timers or a server with its own deadlines. A peer can then
    /// hold a connection for as long as it likes.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            handshake: None,
            close: None,
            write: None,
            idle: None,
            keepalive: None,
            pong: None,
            message: None,
        }
    }

    /// Sets the deadline of the opening handshake, or switches it off with `None`.
    #[must_use]
    pub fn handshake(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.handshake = timeout.into();
        self
    }

    /// Sets the deadline of the closing handshake, or switches it off.
    #[must_use]
    pub fn close(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.close = timeout.into();
        self
    }

    /// Sets the deadline of stalled output, or switches it off.
    #[must_use]
    pub fn write(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.write = timeout.into();
        self
    }

    /// Sets the deadline of a silent peer, or switches it off.
    #[must_use]
    pub fn idle(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle = timeout.into();
        self
    }

    /// Sets the interval of keepalive Pings, or switches them off.
    #[must_use]
    pub fn keepalive(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.keepalive = interval.into();
        self
    }

    /// Sets the deadline of the answer to a keepalive Ping, or switches it off.
    #[must_use]
    pub fn pong(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.pong = timeout.into();
        self
    }

    /// Sets the deadline of a message that makes no progress, or switches it off.
    #[must_use]
    pub fn message(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.message = timeout.into();
        self
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}
