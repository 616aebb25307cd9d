//! The error of the shells, which have a transport to fail as well.

mod connect;

use alloc::boxed::Box;
use std::io;

#[cfg(feature = "rustls")]
pub use self::connect::TlsError;
pub use self::connect::{Phase, ProxyError, RedirectError};
use crate::{
    connection::{Event, ProtocolError, SendError},
    entropy::EntropyError,
    handshake::{AcceptError, HandshakeError, RejectError, RequestError, UriError},
    outgoing::Outgoing,
};

/// What can go wrong with a WebSocket over a stream.
///
/// A connection that was closed as it should be is no error: `recv` returns `None` then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed. With [`is_would_block`](Self::is_would_block), nothing is lost: call again.
    #[error("I/O error: {0}")]
    Io(#[from] io::Error),
    /// The opening handshake failed. The peer was answered, if there is an answer.
    #[error("opening handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    /// The peer broke the protocol or a limit, vanished, or a deadline passed.
    #[error("connection failed: {0}")]
    Protocol(#[from] ProtocolError),
    /// What was to be sent was refused; the connection is as good as before.
    #[error("cannot send: {0}")]
    Send(#[from] SendError),
    /// The upgrade request cannot be sent as it is.
    #[error("invalid upgrade request: {0}")]
    Request(#[from] RequestError),
    /// The upgrade request cannot be accepted so.
    #[error("cannot accept so: {0}")]
    Accept(#[from] AcceptError),
    /// The upgrade request cannot be rejected so.
    #[error("cannot reject so: {0}")]
    Reject(#[from] RejectError),
    /// The application rejected the upgrade request, and the client was told so.
    #[error("the upgrade request was rejected with status {0}")]
    Rejected(u16),
    /// The URI is not one of a WebSocket.
    #[error("invalid URI: {0}")]
    Uri(#[from] UriError),
    /// No unpredictable bytes are available for the nonce of the handshake.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The name of the host, or of the proxy, could not be looked up.
    #[error("cannot look up the host: {0}")]
    Lookup(#[source] io::Error),
    /// No address of the host, or of the proxy, could be reached. The error is that of the last one tried.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// [`Timers::handshake`](crate::Timers::handshake) passed on the way to the server. When it passes in the opening
    /// handshake itself, that is [`HandshakeError::TimedOut`].
    #[error("{0} took too long")]
    TimedOut(Phase),
    /// The proxy does not lead to the host.
    #[error("proxy: {0}")]
    Proxy(#[source] Box<ProxyError>),
    /// The server redirected the client to where it does not go.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// There is no TLS stream to the server.
    #[cfg(feature = "rustls")]
    #[error("TLS: {0}")]
    Tls(#[source] Box<TlsError>),
    /// `wss://` requires the `rustls` feature in the blocking shell, `tokio-rustls` in the tokio shell, and `futures-rustls` in the
    /// futures-io shell.
    #[error("`wss://` requires the `rustls` feature, or `tokio-rustls` or `futures-rustls` in the shell of that name")]
    TlsUnavailable,
    /// `recv` delivers whole messages only; with [`Delivery::Fragments`](crate::Delivery::Fragments), take
    /// `recv_event`.
    #[error("fragments are delivered as events")]
    FragmentDelivery,
    /// `recv` delivers messages only; a frame for an [extension](crate::ExtensionFrame) of the application arrived, and is lost.
    /// On a connection with claimed reserved bits, use `recv_event`.
    #[error("a frame for an extension arrived: receive with `recv_event`")]
    ExtensionFrame,
}

impl Error {
    /// Whether a non-blocking stream was not ready. Nothing is lost: call again when it is.
    #[must_use]
    pub fn is_would_block(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Why `recv` cannot return this event, which is neither a message nor a control frame.
    pub(crate) const fn no_message(event: &Event<'_>) -> Self {
        match event {
            Event::Extension(_) => Self::ExtensionFrame,
            _ => Self::FragmentDelivery,
        }
    }
}

impl From<SendError<Outgoing<'_>>> for Error {
    fn from(error: SendError<Outgoing<'_>>) -> Self {
        Self::Send(error.without_unsent())
    }
}

impl From<ProxyError> for Error {
    fn from(error: ProxyError) -> Self {
        Self::Proxy(Box::new(error))
    }
}

#[cfg(feature = "rustls")]
impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        Self::Tls(Box::new(error))
    }
}

#[cfg(feature = "rustls")]
impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Self {
        TlsError::from(error).into()
    }
}

/// Errors are returned on the hot path, where a large one would cost every success.
const _: () = assert!(size_of::<Error>() <= 24);

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn errors_name_the_feature_that_is_missing() {
        let message = Error::TlsUnavailable.to_string();
        assert_eq!(
            message,
            "`wss://` requires the `rustls` feature, or `tokio-rustls` or `futures-rustls` in the shell of that name"
        );
        let message = Error::from(ProxyError::SocksUnavailable).to_string();
        assert_eq!(message, "proxy: a SOCKS proxy requires the `socks` feature");
        #[cfg(feature = "rustls")]
        {
            let message = Error::from(TlsError::NoCryptoProvider).to_string();
            assert!(
                message.contains("the `rustls-ring` or `rustls-aws-lc` feature"),
                "{message}"
            );
        }
    }
}
