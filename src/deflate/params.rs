//! The negotiated parameters of permessage-deflate; nothing here compresses anything.

mod element;
mod negotiate;

pub use self::{element::DeflateError, negotiate::DeflateOffer};

/// Whether the sender of a direction may refer to its earlier messages ([RFC 7692 §7.1.1]).
///
/// [RFC 7692 §7.1.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextTakeover {
    /// The window is kept from one message to the next. Repetitive traffic becomes much smaller, and both ends hold the
    /// window between messages.
    Allow,
    /// Each message is independent, and nothing is held between messages.
    Forbid,
}

/// Which offers of permessage-deflate a client makes ([RFC 7692 §5.1, §7.1.3]).
///
/// Several offers are alternatives in order of preference: a server accepts the first one that it can honour. Many
/// servers cannot limit their window, or always use context takeover, or ignore all parameters. Servers do not use this
/// setting.
///
/// [RFC 7692 §5.1, §7.1.3]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1.3
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OfferPolicy {
    /// First what the settings ask for, and last what every deployed server understands, which demands nothing of the
    /// server. This is the default.
    ///
    /// A server that accepts only the last offer chooses its own window and context takeover. The connection then holds
    /// up to 32 KiB to receive, whatever the settings say; what this side sends stays within them.
    #[default]
    Lenient,
    /// Only offers with which this side holds no more than the settings allow.
    ///
    /// A server that cannot honour them declines, and the connection opens without compression. If a server accepts
    /// without confirming what was asked for, the handshake fails with [`DeflateError::ServerContextTakeover`] or
    /// [`DeflateError::ServerWindow`].
    Strict,
    /// A single offer without parameters, for servers that cannot read others: some answer several offers, or
    /// parameters that they do not know, with status 400. libwebsockets from 4.4 on cuts off its response to
    /// [`new`](DeflateConfig::new), and mixes up the two sides.
    ///
    /// As with [`Lenient`](Self::Lenient), the connection may hold 32 KiB to receive.
    Bare,
}

/// How permessage-deflate is negotiated and used ([RFC 7692 §7]).
///
/// Pass it to [`Config::deflate`](crate::Config) (feature `deflate`): a server then accepts the first offer that it can
/// honour, and a client makes the offers of its [`offer_policy`](Self::offer_policy). Without it, nothing is offered or
/// accepted. A direction is named after its sender, as on the wire: the server's direction is what the server sends.
///
/// # Security
///
/// The length of a compressed message reveals something about its content. An attacker who can have chosen text
/// compressed together with a secret, and observes the length of the result, can guess the secret byte by byte (CRIME
/// and BREACH; [RFC 7692 §8]). Encryption does not help. Do not compress such messages: send them with
/// [`uncompressed`](crate::Outgoing::uncompressed), or accept without compression. Without context takeover, the secret
/// is at risk only if it is in the same message as the attacker's text.
///
/// # Memory
///
/// Codec states (380 KiB for compressing with the largest window, 60 KiB for decompressing) belong to the thread, not
/// to the connection, and are borrowed for one message at a time. Without `std` there are no per-thread pools, and a
/// state is created for each message. *Between* messages, a connection holds the history that its next message may
/// refer to. It grows with the messages, and only once a compressed one has passed:
///
/// | setting | sending holds | receiving holds |
/// |---|---:|---:|
/// | takeover forbidden, any window | 0 | 0 |
/// | takeover, window bits 9 | 0.5 KiB | 0.5 KiB |
/// | takeover, window bits 10 | 1 KiB | 1 KiB |
/// | takeover, window bits 12 | 4 KiB | 4 KiB |
/// | takeover, window bits 13 to 15, memory level 8 | 276 KiB to 372 KiB | 8 KiB to 32 KiB |
///
/// The compression state adds 128 bytes to a connection. The last line is the exception: with up to 12 window bits, a
/// compressor is primed with the history for each message, which takes a few microseconds. With larger windows that
/// would cost more than compressing a short message, so the connection keeps its own compressor. While a message is
/// arriving, or being sent in fragments, its codec state stays with the connection.
///
/// A sender always stays within its own settings, whatever was negotiated, and so does a server. Only for what a
/// *client receives*, the server's response decides: with an [`OfferPolicy`] other than
/// [`Strict`](OfferPolicy::Strict), the server may use context takeover and the largest window, which takes up to
/// 32 KiB. No response takes more. If a server allows the client only a window of 8 bits, which the compressor does not
/// support, the client sends its messages uncompressed.
///
/// # Defaults
///
/// [`new`](Self::new) forbids context takeover in both directions. Idle connections of a server then hold nothing, and
/// a connection costs the same whatever its peer asks for. Use it for servers whose load is unknown; for individual
/// messages of some KiB, it compresses as well. [`context_takeover`](Self::context_takeover) allows context takeover in
/// both directions, with windows of 4 KiB. Use it for many short, similar messages; it costs up to 8 KiB per
/// connection. A client with either can hold 32 KiB to receive, as described above.
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
    /// Whether messages of the server may refer to earlier ones. Default [`Forbid`](ContextTakeover::Forbid).
    pub server_context_takeover: ContextTakeover,
    /// Whether messages of the client may refer to earlier ones. Default [`Forbid`](ContextTakeover::Forbid).
    ///
    /// A server can always forbid it, even if the client allows it.
    pub client_context_takeover: ContextTakeover,
    /// The largest window for what the server sends, in bits: 9 to 15, for 512 bytes to 32 KiB. Default 15.
    pub server_max_window_bits: u8,
    /// The largest window for what the client sends, 9 to 15. Default 15.
    ///
    /// A server can ask for a smaller window only if the client offers that. If it does not, a server with a setting
    /// below 15 forbids the client's context takeover instead, so that its memory stays within the setting.
    pub client_max_window_bits: u8,
    /// The effort of compression, from 0 (none) to 9 (most). Default 6.
    pub level: u8,
    /// The memory of a compressor beyond its window, from 1 (2 KiB) to 9 (256 KiB). Default 8. Small values compress
    /// worse.
    pub memory_level: u8,
    /// Messages shorter than this, in bytes, are sent uncompressed. Default 128. Does not apply to fragments.
    pub threshold: usize,
    /// Which offers a client makes. Default [`Lenient`](OfferPolicy::Lenient). Servers do not use it.
    pub offer_policy: OfferPolicy,
}

impl DeflateConfig {
    /// The smallest window that can be set. The RFC also defines 8, which the compressor does not support: a server
    /// declines an offer that requires it, and a client whose server requires it sends its messages uncompressed.
    pub const MIN_WINDOW_BITS: u8 = 9;

    /// The largest window.
    pub const MAX_WINDOW_BITS: u8 = 15;

    /// Creates settings without context takeover, with the largest windows and level 6.
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
            offer_policy: OfferPolicy::Lenient,
        }
    }

    /// Creates settings with context takeover in both directions, with windows of 4 KiB (12 bits).
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

    /// Sets whether messages of the server may refer to earlier ones.
    #[must_use]
    pub const fn server_context_takeover(mut self, takeover: ContextTakeover) -> Self {
        self.server_context_takeover = takeover;
        self
    }

    /// Sets whether messages of the client may refer to earlier ones.
    #[must_use]
    pub const fn client_context_takeover(mut self, takeover: ContextTakeover) -> Self {
        self.client_context_takeover = takeover;
        self
    }

    /// Sets the largest window for what the server sends. Values outside of 9 to 15 are clamped.
    #[must_use]
    pub const fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = nearest(bits, Self::MIN_WINDOW_BITS, Self::MAX_WINDOW_BITS);
        self
    }

    /// Sets the largest window for what the client sends. Values outside of 9 to 15 are clamped.
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

    /// Sets the memory of a compressor beyond its window. Values outside of 1 to 9 are clamped.
    #[must_use]
    pub const fn memory_level(mut self, level: u8) -> Self {
        self.memory_level = nearest(level, 1, 9);
        self
    }

    /// Sets the length, in bytes, below which messages are sent uncompressed.
    #[must_use]
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Sets which offers a client makes.
    #[must_use]
    pub const fn offer_policy(mut self, policy: OfferPolicy) -> Self {
        self.offer_policy = policy;
        self
    }

    /// Returns the settings with every number within its limits, since the fields can be set directly.
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

/// The negotiated parameters of permessage-deflate, as the response states them ([RFC 7692 §7.1]).
///
/// They bound what a sender may do. Within them, its own settings apply: a server with a smaller window uses that one,
/// without stating it if the client did not ask.
///
/// A connection gets them from [`Negotiated::deflate`](crate::Negotiated::deflate).
///
/// [RFC 7692 §7.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DeflateParams {
    /// Whether messages of the server may refer to earlier ones.
    pub server_context_takeover: ContextTakeover,
    /// Whether messages of the client may refer to earlier ones.
    pub client_context_takeover: ContextTakeover,
    /// The largest window for what the server sends, 8 to 15; the client decompresses with it. A server only uses a
    /// window of 9 or more.
    pub server_max_window_bits: u8,
    /// The largest window for what the client sends, 8 to 15; the server decompresses with it. A client only uses a
    /// window of 9 or more.
    pub client_max_window_bits: u8,
}

impl DeflateParams {
    /// Creates the parameters that apply by default: context takeover in both directions, and the largest windows ([RFC
    /// 7692 §7.1]).
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

    /// Sets whether messages of the server may refer to earlier ones.
    #[must_use]
    pub const fn server_context_takeover(mut self, takeover: ContextTakeover) -> Self {
        self.server_context_takeover = takeover;
        self
    }

    /// Sets whether messages of the client may refer to earlier ones.
    #[must_use]
    pub const fn client_context_takeover(mut self, takeover: ContextTakeover) -> Self {
        self.client_context_takeover = takeover;
        self
    }

    /// Sets the window for what the server sends. Values outside of 8 to 15 are clamped.
    #[must_use]
    pub const fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = nearest(bits, 8, DeflateConfig::MAX_WINDOW_BITS);
        self
    }

    /// Sets the window for what the client sends. Values outside of 8 to 15 are clamped.
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
