//! What is sent: one type for everything that can be.

use alloc::{borrow::Cow, string::String, vec::Vec};

use bytes::Bytes;

use crate::{
    frame::Opcode,
    message::{ExtensionFrame, Fragment, Message, Payload, Text},
    prepared::PreparedMessage,
};

/// What is sent: a message, a fragment of one, a message that was encoded beforehand, or a frame for an extension.
///
/// Everything that sends takes whatever converts into it: `&str`, `String`, `&[u8]`, `Vec<u8>`, [`Bytes`], [`Message`],
/// [`Fragment`], `&`[`PreparedMessage`] and [`ExtensionFrame`]. Make one by [`From`] to set an option:
///
/// ```
/// use websocket_proto::{Config, Connection, Fragment, Outgoing, PreparedMessage, Role};
///
/// let mut server = Connection::new(Role::Server, &Config::new());
/// server.feed("text")?;
/// server.feed(vec![1, 2, 3])?;
/// let for_many = PreparedMessage::text("tick");
/// server.feed(&for_many)?;
/// server.feed(Fragment::more("the first half, "))?;
/// server.feed(Fragment::last("and the second"))?;
/// server.feed(Outgoing::from("a secret").uncompressed())?;
/// # Ok::<(), websocket_proto::Error>(())
/// ```
///
/// It is handed back when it is refused; see [`SendError`](crate::SendError).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    pub(crate) content: Content<'a>,
    pub(crate) compress: bool,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    Message(Message<'a>),
    Fragment(Fragment<'a>),
    Prepared(&'a PreparedMessage),
    Extension(ExtensionFrame<'a>),
    /// A Ping or a Pong.
    Control(Opcode, &'a [u8]),
}

impl<'a> Outgoing<'a> {
    #[inline]
    const fn new(content: Content<'a>) -> Self {
        Self {
            content,
            compress: true,
        }
    }

    pub(crate) const fn ping(payload: &'a [u8]) -> Self {
        Self::new(Content::Control(Opcode::Ping, payload))
    }

    pub(crate) const fn pong(payload: &'a [u8]) -> Self {
        Self::new(Content::Control(Opcode::Pong, payload))
    }

    /// The same, but it is not compressed, whatever was negotiated: for secrets, which their compressed length could give
    /// away ([RFC 7692 §8]), and for data that is compressed already.
    ///
    /// Compressed and uncompressed messages may follow each other in any order ([RFC 7692 §6]). The first fragment of a
    /// message decides for all of it.
    ///
    /// [RFC 7692 §6]: https://www.rfc-editor.org/rfc/rfc7692#section-6
    /// [RFC 7692 §8]: https://www.rfc-editor.org/rfc/rfc7692#section-8
    #[must_use]
    pub fn uncompressed(mut self) -> Self {
        self.compress = false;
        self
    }

    /// The payload.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.content {
            Content::Message(message) => message.as_bytes(),
            Content::Fragment(fragment) => fragment.data.as_bytes(),
            Content::Prepared(message) => message.as_bytes(),
            Content::Extension(frame) => frame.payload,
            Content::Control(_, payload) => payload,
        }
    }

    /// The message, if it is a whole one that was not encoded beforehand.
    #[must_use]
    pub fn into_message(self) -> Option<Message<'a>> {
        match self.content {
            Content::Message(message) => Some(message),
            _ => None,
        }
    }
}

impl<'a> From<Message<'a>> for Outgoing<'a> {
    #[inline]
    fn from(message: Message<'a>) -> Self {
        Self::new(Content::Message(message))
    }
}

impl<'a> From<Fragment<'a>> for Outgoing<'a> {
    #[inline]
    fn from(fragment: Fragment<'a>) -> Self {
        Self::new(Content::Fragment(fragment))
    }
}

impl<'a> From<ExtensionFrame<'a>> for Outgoing<'a> {
    #[inline]
    fn from(frame: ExtensionFrame<'a>) -> Self {
        Self::new(Content::Extension(frame))
    }
}

impl<'a> From<&'a PreparedMessage> for Outgoing<'a> {
    #[inline]
    fn from(message: &'a PreparedMessage) -> Self {
        Self::new(Content::Prepared(message))
    }
}

macro_rules! outgoing_from {
    ($($from:ty),*) => {$(
        impl<'a> From<$from> for Outgoing<'a> {
            #[inline]
            fn from(data: $from) -> Self {
                Message::from(data).into()
            }
        }
    )*};
}

outgoing_from! {
    &'a Message<'_>, Text<'a>, &'a str, &'a String, String, Cow<'a, str>,
    Payload<'a>, &'a [u8], &'a Vec<u8>, Vec<u8>, Bytes, Cow<'a, [u8]>
}

impl<'a, const N: usize> From<&'a [u8; N]> for Outgoing<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Message::from(data).into()
    }
}
