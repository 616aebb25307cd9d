//! Pieces of messages.

use super::Message;

/// A piece of a message, received or to be sent ([RFC 6455 §5.4]).
///
/// # Received
///
/// With [`Delivery::Fragments`](crate::Delivery::Fragments), an [`Event::Fragment`](crate::Event::Fragment) is a piece
/// of a message as it arrived. Its boundaries have no meaning: they need not be those of the peer's frames. A piece of
/// text contains whole code points only.
///
/// # Sent
///
/// Use fragments for a message that is not yet complete, or too large to hold. The first fragment begins a message, the
/// following ones continue it, and the [last](Self::last) one ends it. All have the same kind. Text must be cut between
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
    /// Whether this is the last fragment of the message.
    pub is_last: bool,
}

impl<'a> Fragment<'a> {
    /// Creates a fragment, which may be the last of its message.
    #[must_use]
    pub fn new(data: impl Into<Message<'a>>, is_last: bool) -> Self {
        Self {
            data: data.into(),
            is_last,
        }
    }

    /// Creates a fragment that others follow.
    #[must_use]
    pub fn more(data: impl Into<Message<'a>>) -> Self {
        Self::new(data, false)
    }

    /// Creates the last fragment of a message.
    #[must_use]
    pub fn last(data: impl Into<Message<'a>>) -> Self {
        Self::new(data, true)
    }
}
