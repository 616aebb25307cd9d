//! Frames for extensions that the application implements.

use super::MessageKind;
use crate::frame::Rsv;

/// A data frame for an extension that the application implements, as it is on the wire ([RFC 6455 §9]).
///
/// It occurs only on a connection whose handshake [claimed](crate::handshake::Accept::extension_claiming) reserved bits. Such a
/// connection delivers these data frames one by one, as [`Event::Extension`](crate::Event::Extension):
///
/// - each frame that has a claimed bit;
/// - each frame of a fragmented message, since any of them may have one. A message of a single frame without such a bit is a
///   [`Message`](crate::Message) as ever.
///
/// The payload is unmasked, and that is all: text is not checked, since it need not be text before the extension has undone its
/// work. Messages that permessage-deflate has compressed are decompressed, and then are one frame with the other bits of their
/// first; if there are none, they are messages as ever. On their further frames no reserved bit is accepted, and on control frames
/// none at all.
///
/// A frame counts against [`Limits::max_frame_size`](crate::Limits::max_frame_size), and together with the other frames of its
/// message against `max_message_size` and `max_fragments`. It is held until it is complete, also with
/// [`Delivery::Fragments`](crate::Delivery::Fragments).
///
/// [RFC 6455 §9]: https://www.rfc-editor.org/rfc/rfc6455#section-9
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionFrame<'a> {
    /// The reserved bits of this frame, which may be none.
    pub rsv: Rsv,
    /// The kind of the message. The opcode of the first frame says it; the others are continuation frames.
    pub kind: MessageKind,
    /// Whether the message ends with this frame.
    pub is_last: bool,
    /// The payload as the extension made it.
    pub payload: &'a [u8],
}
