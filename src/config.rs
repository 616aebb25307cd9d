//! Every bound and timer of a connection, with its default and what it costs in memory.

use core::{fmt, time::Duration};

use crate::{
    deflate::params::DeflateConfig,
    entropy::{Entropy, EntropyError, OsEntropy},
    sync::Arc,
};

/// Settings of an endpoint, shared by the opening handshake and the connection.
///
/// A `Config` is plain data that can be built once and used for any number of connections.
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
    /// Bounds on what the peer can make this endpoint hold. All are on by default.
    pub limits: Limits,
    /// Deadlines. Those of the opening and closing handshakes and of stalled writes are on by default.
    pub timers: Timers,
    /// How messages reach the application: whole (the default) or in chunks as they arrive.
    pub delivery: Delivery,
    /// What is done about a Ping: answered at once (the default), or left to the application.
    pub pings: PingPolicy,
    /// Where masking keys and nonces come from; `None` is the operating system.
    pub entropy: Option<Arc<dyn Entropy>>,
    /// How permessage-deflate is negotiated and used; `None`, the default, is not at all.
    #[cfg(feature = "deflate")]
    pub deflate: Option<DeflateConfig>,
}

impl Config {
    /// The defaults, which are safe against hostile peers.
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

    /// Chooses whole messages or chunks as they arrive.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Chooses who answers Pings.
    #[must_use]
    pub fn pings(mut self, pings: PingPolicy) -> Self {
        self.pings = pings;
        self
    }

    /// Offers permessage-deflate as a client and accepts it as a server; with `None`, it does neither.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<DeflateConfig>>) -> Self {
        self.deflate = deflate.into();
        self
    }

    /// How permessage-deflate is used, if this build can.
    pub(crate) const fn deflate_config(&self) -> Option<DeflateConfig> {
        #[cfg(feature = "deflate")]
        return self.deflate;
        #[cfg(not(feature = "deflate"))]
        return None;
    }

    /// A nonce for the opening handshake of a client, different for each connection ([RFC 6455 §4.1]).
    ///
    /// # Errors
    ///
    /// [`EntropyError`] when no entropy is available.
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

    /// Takes masking keys and nonces from `entropy` instead of the operating system.
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
    /// Only whole messages are delivered, as [`Event::Message`](crate::Event::Message).
    #[default]
    Messages,
    /// Every piece of a message is delivered as it arrives, as [`Event::Fragment`](crate::Event::Fragment), so that
    /// a message of any size passes in constant memory.
    Fragments,
}

/// Who answers Pings ([RFC 6455 §5.5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PingPolicy {
    /// The connection answers; the application only sees the Ping.
    #[default]
    Answer,
    /// The application answers with `pong`, as the RFC demands of it.
    Report,
}

/// Bounds on what the peer can make this endpoint hold or do.
///
/// Nothing is allocated because the peer announced it: memory grows with the bytes received, at most to twice their
/// number, and never past these limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of an HTTP head, request or response. Default 16 KiB. Costs up to this much memory during the opening
    /// handshake only. A request past it is answered with 431, or 414 if its request line alone is.
    pub max_head_size: usize,
    /// Header fields of an HTTP head. Default 128. A request past it is answered with 431.
    pub max_head_fields: usize,
    /// Bytes that a client keeps of the body of a refusal. Default 8 KiB.
    pub max_error_body: usize,
    /// Payload bytes of one frame, as they are on the wire. Default 16 MiB. A frame past it fails the connection with 1009 as soon as its
    /// header has arrived.
    pub max_frame_size: u64,
    /// Payload bytes of one message, over all its fragments. Default 16 MiB. A message past it fails the connection
    /// with 1009. A compressed message is measured twice: as it is on the wire, and as it becomes, byte by byte while
    /// it is decompressed. With [`Delivery::Messages`], a connection holds at most this much for a message that arrives, and
    /// twice as much for the moment in which its buffer grows; with [`Delivery::Fragments`] the limit still counts, but
    /// nothing is held except a frame for an [extension](crate::ExtensionFrame).
    pub max_message_size: u64,
    /// Fragments of one message, empty ones included. Default 131,072. A message past it fails the connection with
    /// 1008.
    pub max_fragments: u32,
    /// Bytes queued for the peer beyond which data is refused with [`SendError::Full`](crate::SendError::Full).
    /// Default 1 MiB. One message may start below the mark and end above it, so what waits is at most this much, one
    /// message, 17 automatic Pongs and a Close. The buffer that it waits in can be larger: with a largest message of `L`
    /// bytes it takes up to four times this much and three times `L` while it grows. The least value is 1, by which a message is
    /// queued only when nothing else is; 0 counts as that. The greatest is 4 GiB.
    pub output_high_water: usize,
    /// Bytes of the buffer that a connection makes for itself to receive into, when it was lent none. Default 16 KiB
    /// ([`RecvBuffer::DEFAULT_CAPACITY`](crate::RecvBuffer::DEFAULT_CAPACITY)). It is rounded up to a power of two, and at least
    /// 256. The connection has it while bytes of an event are in it, and until [`release`](crate::Connection::release). The async
    /// shells lend buffers of their own, which they share.
    pub recv_buffer_size: usize,
}

impl Limits {
    /// The defaults.
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

    /// Sets the limit on the bytes of an HTTP head.
    #[must_use]
    pub const fn max_head_size(mut self, bytes: usize) -> Self {
        self.max_head_size = bytes;
        self
    }

    /// Sets the limit on the header fields of an HTTP head.
    #[must_use]
    pub const fn max_head_fields(mut self, fields: usize) -> Self {
        self.max_head_fields = fields;
        self
    }

    /// Sets how much of the body of a refusal a client keeps.
    #[must_use]
    pub const fn max_error_body(mut self, bytes: usize) -> Self {
        self.max_error_body = bytes;
        self
    }

    /// Sets the limit on the payload of one frame.
    #[must_use]
    pub const fn max_frame_size(mut self, bytes: u64) -> Self {
        self.max_frame_size = bytes;
        self
    }

    /// Sets the limit on the payload of one message.
    #[must_use]
    pub const fn max_message_size(mut self, bytes: u64) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// Sets the limit on the fragments of one message.
    #[must_use]
    pub const fn max_fragments(mut self, fragments: u32) -> Self {
        self.max_fragments = fragments;
        self
    }

    /// Sets the size of the buffer that a connection makes for itself to receive into.
    #[must_use]
    pub const fn recv_buffer_size(mut self, bytes: usize) -> Self {
        self.recv_buffer_size = bytes;
        self
    }

    /// Sets the mark beyond which queued output refuses more data.
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

/// Deadlines of a connection, as data: the core reports the next one and never reads a clock.
///
/// `None` switches a deadline off. A connection rounds a duration up to whole milliseconds; zero counts as one, and more than
/// 49 days as none. A deadline about the peer is judged only when everything that has arrived was read, so it can fire
/// later by the time which that takes, and by how late the time was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timers {
    /// How long the whole opening handshake may take, but for the time in which a server decides. Default 10 s. It begins with
    /// the acceptor, the connector or the [`Opening`](crate::handshake::Opening), and fires then; a client that is refused has
    /// [2 s](crate::handshake::Opening::LAST_WAIT) more to read why.
    pub handshake: Option<Duration>,
    /// How long the closing handshake may take: for the peer's Close, and then for the end of the transport. Default 5 s.
    /// It begins when the Close of this side is written, or when the connection turned out not to be writable. Before that,
    /// output that waits may stand still for no longer than this, or than `write`, if that is shorter.
    pub close: Option<Duration>,
    /// How long output may wait without one byte being taken by the transport. Default 30 s. It fires between 1 and 1.25
    /// times this duration after the last byte. In the shells, a flush that a buffering stream does not finish counts as
    /// output that waits.
    pub write: Option<Duration>,
    /// How long the peer may send nothing at all before the connection is given up. Off by default. It fires between
    /// 1 and 1.25 times this duration after the last byte.
    pub idle: Option<Duration>,
    /// How long the peer may send nothing before it is sent a Ping. Off by default. The Ping is sent between 1 and 1.25
    /// times this duration after the last byte, and at the beginning of this range if the peer sends little.
    pub keepalive: Option<Duration>,
    /// How long the peer may send nothing after a keepalive Ping before it is given up as dead. Default 20 s, of no
    /// effect without `keepalive`. It begins when the Ping is written.
    pub pong: Option<Duration>,
    /// How long an unfinished message may make no progress before the connection fails with 1008. Default 30 s. What has
    /// arrived of a message is held until then. It fires between 1 and 1.25 times this duration after the last byte of the
    /// message. Switch it off, or set it longer, if the peer sends a message in fragments with long pauses between them.
    pub message: Option<Duration>,
}

impl Timers {
    /// The defaults.
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

    /// No deadline at all: for a runtime without timers, or a server that keeps deadlines of its own. A peer can then hold a
    /// connection for as long as it likes.
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

    /// Sets or, with `None`, switches off the deadline of the opening handshake.
    #[must_use]
    pub fn handshake(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.handshake = timeout.into();
        self
    }

    /// Sets or switches off the deadline of the closing handshake.
    #[must_use]
    pub fn close(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.close = timeout.into();
        self
    }

    /// Sets or switches off the deadline of stalled output.
    #[must_use]
    pub fn write(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.write = timeout.into();
        self
    }

    /// Sets or switches off the deadline of a silent peer.
    #[must_use]
    pub fn idle(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle = timeout.into();
        self
    }

    /// Sets or switches off the interval of keepalive Pings.
    #[must_use]
    pub fn keepalive(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.keepalive = interval.into();
        self
    }

    /// Sets or switches off the deadline of the answer to a keepalive Ping.
    #[must_use]
    pub fn pong(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.pong = timeout.into();
        self
    }

    /// Sets or switches off the deadline of a message that makes no progress.
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
