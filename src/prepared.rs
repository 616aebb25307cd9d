//! Messages that are encoded once and sent over many connections.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

#[cfg(feature = "deflate")]
use crate::deflate::{Compressor, Settings, params::DeflateConfig};
use crate::{
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
    message::{Message, MessageKind, Payload, Text},
    sync::Arc,
};

/// A message that is encoded once, to be sent over many connections.
///
/// It holds the complete frame that a server sends. A connection queues a reference to it, so the payload is not copied
/// for each connection, and the cost of sending does not depend on its length. A clone only increments a reference
/// count. (A client has to mask the payload with its own key, which requires a copy.)
///
/// ```
/// use websocket_proto::{Buf, Config, Connection, PreparedMessage, Role};
///
/// let mut room: Vec<Connection> = (0..3).map(|_| Connection::new(Role::Server, &Config::new())).collect();
/// let message = PreparedMessage::text("hello, all");
/// for connection in &mut room {
///     connection.feed(&message)?;
///     assert_eq!(connection.output().chunk(), b"\x81\x0ahello, all");
/// }
/// # Ok::<(), websocket_proto::Error>(())
/// ```
///
/// # Compression
#[cfg_attr(
    feature = "deflate",
    doc = "\nIt goes out as it is, unless it was [`deflated`](Self::deflated) beforehand.\n"
)]
#[cfg_attr(
    not(feature = "deflate"),
    doc = "\nIt goes out as it is, unless it was `deflated` beforehand (feature `deflate`).\n"
)]
/// One message serves all connections, whatever they have negotiated:
///
/// | connection | what it sends |
/// |---|---|
/// | no compression, or the message is shorter than its [threshold](crate::DeflateConfig::threshold) | the plain form |
/// | no context takeover | the compressed form |
/// | context takeover | the compressed form; the connection's next message then refers to nothing before it |
/// | a window smaller than the message and than that of the compressed form | the message, compressed for this connection |
#[derive(Clone)]
pub struct PreparedMessage {
    forms: Arc<Forms>,
}

#[derive(Clone)]
struct Forms {
    kind: MessageKind,
    plain: Form,
    deflated: Option<Deflated>,
}

/// A frame as sent by a server.
#[derive(Clone)]
pub(crate) struct Form {
    frame: Bytes,
    /// The length of the header before the payload, in bytes.
    header_len: usize,
    rsv: Rsv,
}

/// The compressed form.
#[derive(Clone)]
struct Deflated {
    form: Form,
    /// The base-two logarithm of the window that it needs.
    window_bits: u8,
}

impl PreparedMessage {
    /// Creates a text message.
    #[must_use]
    pub fn text<'a>(text: impl Into<Text<'a>>) -> Self {
        Self::new(&Message::Text(text.into()))
    }

    /// Creates a binary message.
    #[must_use]
    pub fn binary<'a>(payload: impl Into<Payload<'a>>) -> Self {
        Self::new(&Message::Binary(payload.into()))
    }

    fn new(message: &Message<'_>) -> Self {
        let forms = Forms {
            kind: message.kind(),
            plain: Form::new(message.kind(), Rsv::NONE, message.as_bytes()),
            deflated: None,
        };
        Self { forms: Arc::new(forms) }
    }

    /// Adds a compressed form, for connections that negotiated permessage-deflate.
    ///
    /// Pass the settings of the connections. The level, the memory level, the threshold and the server's window are
    /// used: a connection can send the compressed form if it negotiated this window or a larger one, and every
    /// connection can if the message is no longer than the window (4 KiB for 12 bits). There is no compressed form if
    /// the message is shorter than the threshold, or would not become shorter.
    ///
    /// Do not compress secrets together with data that others may choose; see [`DeflateConfig`].
    ///
    /// ```
    /// use websocket_proto::{Config, DeflateConfig, PreparedMessage};
    ///
    /// let deflate = DeflateConfig::context_takeover();
    /// let config = Config::new().deflate(deflate); // for the connections
    /// let message = PreparedMessage::text("tick tock ".repeat(100)).deflated(deflate);
    /// assert!(message.deflated_len().is_some_and(|len| len < 40));
    /// ```
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflated(mut self, config: DeflateConfig) -> Self {
        let config = config.bounded();
        let window_bits = config.server_max_window_bits;
        let settings = Settings {
            takeover: false,
            window_bits,
            level: config.level,
            memory_level: config.memory_level,
            threshold: config.threshold,
        };
        let mut deflated = None;
        let payload = self.forms.plain.payload();
        let compressor = Compressor::new(settings).filter(|compressor| compressor.wants(payload.len()));
        if let Some(mut compressor) = compressor {
            deflated = compressor.compress(payload).map(|compressed| Deflated {
                form: Form::new(self.forms.kind, Rsv::RSV1, compressed),
                window_bits,
            });
        }
        Arc::make_mut(&mut self.forms).deflated = deflated;
        self
    }

    /// Returns the kind of the message.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.forms.kind
    }

    /// Returns the payload, uncompressed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.forms.plain.payload()
    }

    /// Returns the length of the payload in bytes, uncompressed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty, which is valid.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Returns the length of the compressed payload in bytes, if there is a compressed form.
    #[must_use]
    pub fn deflated_len(&self) -> Option<usize> {
        let deflated = self.forms.deflated.as_ref();
        deflated.map(|deflated| deflated.form.payload().len())
    }

    pub(crate) fn plain(&self) -> &Form {
        &self.forms.plain
    }

    pub(crate) fn has_deflated(&self) -> bool {
        self.forms.deflated.is_some()
    }

    /// Returns the compressed form, if a receiver with this window can decompress it.
    pub(crate) fn deflated_for(&self, window_bits: u8) -> Option<&Form> {
        let deflated = self.forms.deflated.as_ref()?;
        // It refers only to itself, so no distance exceeds its length.
        let fits = window_bits >= deflated.window_bits || self.len() <= 1 << window_bits;
        fits.then_some(&deflated.form)
    }
}

impl Form {
    fn new(kind: MessageKind, rsv: Rsv, payload: &[u8]) -> Self {
        let mut header = [0; FrameHeader::MAX_LEN];
        let header_len = frame_header(kind, rsv, None, payload).encode(&mut header);
        let mut frame = Vec::with_capacity(header_len + payload.len());
        frame.extend_from_slice(&header[..header_len]);
        frame.extend_from_slice(payload);
        Self {
            frame: frame.into(),
            header_len,
            rsv,
        }
    }

    /// Returns a server's frame.
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Returns the header of a client's frame.
    pub(crate) fn masked_header(&self, kind: MessageKind, key: MaskingKey) -> FrameHeader {
        frame_header(kind, self.rsv, Some(key), self.payload())
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.frame[self.header_len..]
    }
}

fn frame_header(kind: MessageKind, rsv: Rsv, masking_key: Option<MaskingKey>, payload: &[u8]) -> FrameHeader {
    FrameHeader {
        fin: true,
        rsv,
        opcode: match kind {
            MessageKind::Text => Opcode::Text,
            MessageKind::Binary => Opcode::Binary,
        },
        masking_key,
        payload_len: payload.len() as u64,
    }
}

/// Compares the messages, not their encodings.
impl PartialEq for PreparedMessage {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PreparedMessage {}

impl<'a, T: Into<Message<'a>>> From<T> for PreparedMessage {
    /// Encodes a message, or whatever converts into one, such as `&str` and `Vec<u8>`.
    fn from(message: T) -> Self {
        Self::new(&message.into())
    }
}

impl fmt::Debug for PreparedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedMessage")
            .field("kind", &self.kind())
            .field("len", &self.len())
            .field("deflated_len", &self.deflated_len())
            .finish()
    }
}
