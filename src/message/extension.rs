//! Frames for extensions implemented by the application.

use super::MessageKind;
use crate::frame::Rsv;

/// A data frame for an extension implemented by the application, as on the wire ([RFC 6455 §9]).
///
/// It occurs only on a connection whose handshake [claimed](crate::handshake::Accept::extension_claiming) reserved
/// bits. Such a connection delivers the following data frames one by one, as
/// [`Event::Extension`](crate::Event::Extension):
///
/// - each frame with a claimed bit;
/// - each frame of a fragmented message, since any of them may have one. A message in a single frame without such a bit
///   is delivered as a [`Message`](crate::Message).
///
/// The payload is unmasked and otherwise unchanged. Text is not checked, since it need not be text until the extension
/// has processed it. Messages compressed by permessage-deflate are decompressed and delivered as one frame with the
/// other reserved bits of their first frame, or as messages if there are none. Their further frames must not have
/// reserved bits, and neither must control frames.
///
/// A frame counts against [`Limits::max_frame_size`](crate::Limits::max_frame_size), and together with the other frames
/// of its message against `max_message_size` and `max_fragments`. It is held until it is complete, even with
/// [`Delivery::Fragments`](crate::Delivery::Fragments).
///
/// [RFC 6455 §9]: https://www.rfc-editor.org/rfc/rfc6455#section-9
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionFrame<'a> {
    /// The reserved bits of this frame; may be none.
    pub rsv: Rsv,
    /// The kind of the message, from the opcode of its first frame. The other frames are continuation frames.
    pub kind: MessageKind,
    /// Whether this is the last frame of the message.
    pub is_last: bool,
    /// The payload as produced by the extension.
    pub payload: &'a [u8],
}
