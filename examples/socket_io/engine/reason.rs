//! Why sessions end, and why requests are refused.

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The client did not answer a ping in time.
    PingTimeout,
    /// The client closed the session or the connection.
    TransportClose,
    /// The connection failed, a limit was exceeded, or requests overlapped.
    TransportError,
    /// The client sent an invalid packet.
    ParseError,
    /// The server closed the session.
    ServerClose,
}

impl Reason {
    /// Whether what is queued is still sent.
    pub(super) const fn is_orderly(self) -> bool {
        matches!(self, Self::ParseError | Self::ServerClose)
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The session uses a WebSocket.
    NotPolling,
    /// A request of the same kind is not answered yet. The session has ended.
    Overlap,
    /// The session has ended.
    Ended,
}
