//! What is negotiated about permessage-deflate; nothing here compresses anything.

mod negotiate;

pub use self::negotiate::{DeflateError, DeflateOffer};

/// Whether the sender of a direction may refer back to its earlier messages ([RFC 7692 §7.1.1]).
///
/// [RFC 7692 §7.1.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextTakeover {
    /// The window goes on from one message to the next. Repetitive traffic shrinks a lot more, and both ends hold the
    /// window between the messages.
    Allow,
    /// Each message stands for itself, and nothing is held between messages.
    Forbid,
}

/// How permessage-deflate is negotiated and used ([RFC 7692 §7]).
///
/// Give it to [`Config::deflate`](crate::Config) (feature `deflate`): a server then accepts the first offer that it can
/// honour, and a client makes an offer. Without it, nothing is offered or accepted. A direction is named after its sender,
/// as on the wire: what a server sends is the server's.
///
/// # Security
///
/// The length of a compressed message tells something about its content. Where an attacker can have text of their
/// choice compressed together with a secret, and see the length of the outcome, they can guess the secret byte by byte
/// (CRIME and BREACH; [RFC 7692 §8]). Encryption does not help. Do not compress such messages: send them with
/// [`uncompressed`](crate::Outgoing::uncompressed), or accept without compression. Without context takeover,
/// the secret and the attacker's text must be in the same message to be at risk.
///
/// # Memory
///
/// Codec states (380 KiB to compress with the largest window, 60 KiB to decompress) belong to the thread, not to the
/// connection, and are borrowed for the length of one message. Without `std` there are no threads' pools, and a state is
/// made for each message. What a connection holds *between* messages is the history that the next message may refer to,
/// grown as messages come, and only once a compressed one came:
///
/// | setting | sending holds | receiving holds |
/// |---|---:|---:|
/// | takeover forbidden, any window | 0 | 0 |
/// | takeover, window bits 9 | 0.5 KiB | 0.5 KiB |
/// | takeover, window bits 10 | 1 KiB | 1 KiB |
/// | takeover, window bits 12 | 4 KiB | 4 KiB |
/// | takeover, window bits 13 to 15, memory level 8 | 276 KiB to 372 KiB | 8 KiB to 32 KiB |
///
/// Another 128 bytes know of the compression. The last line is the exception: up to 12 window bits a compressor is primed with the history for each message,
/// which takes a few microseconds. With larger windows that would cost more than compressing a short message, so
/// the connection keeps a compressor of its own. While a message is arriving or being sent in fragments, its codec state
/// stays with the connection.
///
/// # Defaults
///
/// [`new`](Self::new) forbids context takeover both ways, so that ten thousand idle connections hold nothing, and a
/// connection costs the same whatever its peer asks for. That is the setting for servers that do not know their load, and
/// as good for single messages of some KiB. [`context_takeover`](Self::context_takeover) allows it both ways with a window of
/// 4 KiB for what this side sends: the setting for many short, similar messages, at up to 8 KiB a connection.
///
/// ```
/// use websocket_proto::{ContextTakeover, DeflateConfig};
///
/// let careful = DeflateConfig::new();
/// assert_eq!(careful.server_context_takeover, ContextTakeover::Forbid);
/// let chatty = DeflateConfig::context_takeover().threshold(32).level(4);
/// assert_eq!(chatty.server_max_window_bits, 12);
/// ```
///
/// [RFC 7692 §7]: https://www.rfc-editor.org/rfc/rfc7692#section-7
/// [RFC 7692 §8]: https://www.rfc-editor.org/rfc/rfc7692#section-8
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DeflateConfig {
    /// Whether messages of the server may refer back to earlier ones. Default [`Forbid`](ContextTakeover::Forbid).
    pub server_context_takeover: ContextTakeover,
    /// Whether messages of the client may refer back to earlier ones. Default [`Forbid`](ContextTakeover::Forbid).
    ///
    /// A server can always forbid it; a client that allows it may still have to do without.
    pub client_context_takeover: ContextTakeover,
    /// Largest window for what the server sends, as a power of two: 9 to 15 for 512 bytes to 32 KiB. Default 15.
    pub server_max_window_bits: u8,
    /// Largest window for what the client sends, 9 to 15. Default 15.
    ///
    /// A server can ask for a smaller one only if the client offers that. If it does not, a server that wants less than
    /// 15 forbids the client's context takeover instead, so that its memory stays within what is set here.
    pub client_max_window_bits: u8,
    /// Effort of compression, 0 (none) to 9 (most). Default 6.
    pub level: u8,
    /// Memory of a compressor beyond its window, 1 (2 KiB) to 9 (256 KiB). Default 8. Small values compress worse.
    pub memory_level: u8,
    /// Messages shorter than this many bytes are sent as they are. Default 128. Does not hold for fragments.
    pub threshold: usize,
}

impl DeflateConfig {
    /// Smallest window that can be set. The RFC also knows 8, for which there is no compressor: an offer that demands
    /// it of this side is declined, and an answer that does so fails the handshake.
    pub const MIN_WINDOW_BITS: u8 = 9;

    /// Largest window.
    pub const MAX_WINDOW_BITS: u8 = 15;

    /// No context takeover, largest windows, level 6.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            server_context_takeover: ContextTakeover::Forbid,
            client_context_takeover: ContextTakeover::Forbid,
            server_max_window_bits: Self::MAX_WINDOW_BITS,
            client_max_window_bits: Self::MAX_WINDOW_BITS,
            level: 6,
            memory_level: 8,
            threshold: 128,
        }
    }

    /// Context takeover both ways, with windows of 4 KiB (12 bits).
    #[must_use]
    pub const fn context_takeover() -> Self {
        Self {
            server_context_takeover: ContextTakeover::Allow,
            client_context_takeover: ContextTakeover::Allow,
            server_max_window_bits: 12,
            client_max_window_bits: 12,
            ..Self::new()
        }
    }

    /// Sets whether messages of the server may refer back to earlier ones.
    #[must_use]
    pub const fn server_context_takeover(mut self, takeover: ContextTakeover) -> Self {
        self.server_context_takeover = takeover;
        self
    }

    /// Sets whether messages of the client may refer back to earlier ones.
    #[must_use]
    pub const fn client_context_takeover(mut self, takeover: ContextTakeover) -> Self {
        self.client_context_takeover = takeover;
        self
    }

    /// Sets the largest window for what the server sends. Values outside of 9 to 15 count as the nearest of these.
    #[must_use]
    pub const fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = nearest(bits, Self::MIN_WINDOW_BITS, Self::MAX_WINDOW_BITS);
        self
    }

    /// Sets the largest window for what the client sends. Values outside of 9 to 15 count as the nearest of these.
    #[must_use]
    pub const fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.client_max_window_bits = nearest(bits, Self::MIN_WINDOW_BITS, Self::MAX_WINDOW_BITS);
        self
    }

    /// Sets the effort of compression. Values above 9 count as 9.
    #[must_use]
    pub const fn level(mut self, level: u8) -> Self {
        self.level = nearest(level, 0, 9);
        self
    }

    /// Sets the memory of a compressor beyond its window. Values outside of 1 to 9 count as the nearest of these.
    #[must_use]
    pub const fn memory_level(mut self, level: u8) -> Self {
        self.memory_level = nearest(level, 1, 9);
        self
    }

    /// Sets below how many bytes messages are sent as they are.
    #[must_use]
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// The same settings with every number within its bounds, since the fields can be set past the setters.
    pub(crate) const fn bounded(self) -> Self {
        self.server_max_window_bits(self.server_max_window_bits)
            .client_max_window_bits(self.client_max_window_bits)
            .level(self.level)
            .memory_level(self.memory_level)
    }
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self::new()
    }
}

const fn nearest(value: u8, least: u8, most: u8) -> u8 {
    if value < least {
        least
    } else if value > most {
        most
    } else {
        value
    }
}

/// What both sides agreed on about permessage-deflate ([RFC 7692 §7.1]).
///
/// A connection learns it from [`Negotiated::deflate`](crate::Negotiated::deflate).
///
/// [RFC 7692 §7.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DeflateParams {
    /// Whether messages of the server may refer back to earlier ones.
    pub server_context_takeover: ContextTakeover,
    /// Whether messages of the client may refer back to earlier ones.
    pub client_context_takeover: ContextTakeover,
    /// Largest window for what the server sends, 8 to 15; the client decompresses with it. A server uses a window of 9 or
    /// more only.
    pub server_max_window_bits: u8,
    /// Largest window for what the client sends, 8 to 15; the server decompresses with it. A client uses a window of 9 or
    /// more only.
    pub client_max_window_bits: u8,
}

impl DeflateParams {
    /// What holds if nothing is said: context takeover both ways, and the largest windows ([RFC 7692 §7.1]).
    ///
    /// [RFC 7692 §7.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1
    #[must_use]
    pub const fn new() -> Self {
        Self {
            server_context_takeover: ContextTakeover::Allow,
            client_context_takeover: ContextTakeover::Allow,
            server_max_window_bits: DeflateConfig::MAX_WINDOW_BITS,
            client_max_window_bits: DeflateConfig::MAX_WINDOW_BITS,
        }
    }

    /// Sets whether messages of the server may refer back to earlier ones.
    #[must_use]
    pub const fn server_context_takeover(mut self, takeover: ContextTakeover) -> Self {
        self.server_context_takeover = takeover;
        self
    }

    /// Sets whether messages of the client may refer back to earlier ones.
    #[must_use]
    pub const fn client_context_takeover(mut self, takeover: ContextTakeover) -> Self {
        self.client_context_takeover = takeover;
        self
    }

    /// Sets the window for what the server sends. Values outside of 8 to 15 count as the nearest of these.
    #[must_use]
    pub const fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = nearest(bits, 8, DeflateConfig::MAX_WINDOW_BITS);
        self
    }

    /// Sets the window for what the client sends. Values outside of 8 to 15 count as the nearest of these.
    #[must_use]
    pub const fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.client_max_window_bits = nearest(bits, 8, DeflateConfig::MAX_WINDOW_BITS);
        self
    }
}

impl Default for DeflateParams {
    fn default() -> Self {
        Self::new()
    }
}
