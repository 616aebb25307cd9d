//! One type for everything that can be sent.

use alloc::{borrow::Cow, string::String, vec::Vec};

use bytes::Bytes;

use crate::{
    frame::Opcode,
    message::{ExtensionFrame, Fragment, Message, Payload, Text},
    prepared::PreparedMessage,
};

/// Something to send: a message, a fragment of one, a prepared message, or a frame for an extension.
///
/// All sending methods accept any type that converts into this one: `&str`, `String`, `&[u8]`, `Vec<u8>`, [`Bytes`],
/// [`Message`], [`Fragment`], `&`[`PreparedMessage`] and [`ExtensionFrame`]. To set an option, convert with [`From`]
/// first:
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
/// A method that refuses it hands it back; see [`SendError`](crate::SendError).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    pub(crate) content: Content<'a>,
    pub(crate) compress: bool,
}

/// What is sent.
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

    /// Sends the message uncompressed, whatever was negotiated. Use it for secrets, which the length of the compressed
    /// message could reveal ([RFC 7692 §8]), and for data that is already compressed.
    ///
    /// Compressed and uncompressed messages may alternate freely ([RFC 7692 §6]). The first fragment of a message
    /// decides for the whole message.
    ///
    /// [RFC 7692 §6]: https://www.rfc-editor.org/rfc/rfc7692#section-6
    /// [RFC 7692 §8]: https://www.rfc-editor.org/rfc/rfc7692#section-8
    #[must_use]
    pub fn uncompressed(mut self) -> Self {
        self.compress = false;
        self
    }

    /// Returns the payload.
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

    /// Returns the message, if this is a whole one that was not prepared.
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
