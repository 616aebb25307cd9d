//! Pieces of messages.

use super::Message;

/// A piece of a message: as it arrived, or to be sent ([RFC 6455 §5.4]).
///
/// # Received
///
/// With [`Delivery::Fragments`](crate::Delivery::Fragments), an [`Event::Fragment`](crate::Event::Fragment) is a piece as it
/// arrived. Where pieces begin and end has no meaning: it says nothing about the peer's frames. A piece of text is
/// whole code points.
///
/// # Sent
///
/// For a message that is not yet known as a whole, or is too large for it. The first fragment begins a message, those that
/// follow continue it, and the one that is the [last](Self::last) ends it. All are of one kind. Text must be cut between
/// code points, which `&str` ensures.
///
/// ```
/// use websocket_proto::{Config, Connection, Fragment, Role};
///
/// let mut server = Connection::new(Role::Server, &Config::new());
/// for row in ["1;2\n", "3;4\n"] {
///     server.feed(Fragment::more(row))?;
/// }
/// server.feed(Fragment::last(""))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [RFC 6455 §5.4]: https://www.rfc-editor.org/rfc/rfc6455#section-5.4
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fragment<'a> {
    /// The payload, with the kind of the message.
    pub data: Message<'a>,
    /// Whether this is the last of the message.
    pub is_last: bool,
}

impl<'a> Fragment<'a> {
    /// A fragment, the last of its message or not.
    #[must_use]
    pub fn new(data: impl Into<Message<'a>>, is_last: bool) -> Self {
        Self {
            data: data.into(),
            is_last,
        }
    }

    /// A fragment that others follow.
    #[must_use]
    pub fn more(data: impl Into<Message<'a>>) -> Self {
        Self::new(data, false)
    }

    /// The last fragment of a message.
    #[must_use]
    pub fn last(data: impl Into<Message<'a>>) -> Self {
        Self::new(data, true)
    }
}
