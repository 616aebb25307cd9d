//! The two sides of a connection.

/// Which side of the connection an endpoint is ([RFC 6455 §2]).
///
/// The role determines who masks: a client masks every frame it sends and refuses masked frames, and a server does the
/// opposite ([RFC 6455 §5.1]). It also determines who closes the TCP connection first ([RFC 6455 §7.1.1]).
///
/// The role is an ordinary value and not a type parameter, so one event loop can hold both kinds of endpoints.
///
/// [RFC 6455 §2]: https://www.rfc-editor.org/rfc/rfc6455#section-2
/// [RFC 6455 §5.1]: https://www.rfc-editor.org/rfc/rfc6455#section-5.1
/// [RFC 6455 §7.1.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The endpoint that opened the connection and sent the upgrade request.
    Client,
    /// The endpoint that accepted the connection and answered the upgrade request.
    Server,
}

impl Role {
    /// Returns the role of the other side.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
