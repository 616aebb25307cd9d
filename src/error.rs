//! The error type of the shells.

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
/// A clean close is not an error: `recv` then returns `None`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed. With [`is_would_block`](Self::is_would_block), nothing is lost: call again later.
    #[error("I/O error: {0}")]
    Io(#[from] io::Error),
    /// The opening handshake failed. A server has answered with an error response, if one could be sent.
    #[error("opening handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    /// The peer violated the protocol or a limit, the connection was lost, or a deadline passed.
    #[error("connection failed: {0}")]
    Protocol(#[from] ProtocolError),
    /// A message was refused; the connection is unaffected.
    #[error("cannot send: {0}")]
    Send(#[from] SendError),
    /// The upgrade request cannot be sent as it is.
    #[error("invalid upgrade request: {0}")]
    Request(#[from] RequestError),
    /// The upgrade request cannot be accepted with this response.
    #[error("invalid response: {0}")]
    Accept(#[from] AcceptError),
    /// The upgrade request cannot be rejected with this response.
    #[error("invalid rejection: {0}")]
    Reject(#[from] RejectError),
    /// The application rejected the upgrade request, and the client was sent this status.
    #[error("upgrade request rejected with status {0}")]
    Rejected(u16),
    /// The URI is not a valid WebSocket URI.
    #[error("invalid URI: {0}")]
    Uri(#[from] UriError),
    /// No unpredictable bytes are available for the handshake's nonce.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The name of the host, or of the proxy, could not be looked up.
    #[error("name look-up failed: {0}")]
    Lookup(#[source] io::Error),
    /// No address of the host, or of the proxy, could be reached. The error is that of the last address tried.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// [`Timers::handshake`](crate::Timers::handshake) passed before the opening handshake began. If it passes during
    /// the opening handshake, the error is [`HandshakeError::TimedOut`].
    #[error("{0} timed out")]
    TimedOut(Phase),
    /// Connecting through the proxy failed.
    #[error("cannot connect through the proxy: {0}")]
    Proxy(#[source] Box<ProxyError>),
    /// The server redirected the client to a target that is not followed.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// TLS could not be set up with the server.
    #[cfg(feature = "rustls")]
    #[error("cannot set up TLS: {0}")]
    Tls(#[source] Box<TlsError>),
    /// `wss://` requires a feature: `rustls` in the blocking shell, `tokio-rustls` in the tokio shell, `futures-rustls`
    /// in the futures-io shell.
    #[error("`wss://` requires the `rustls` feature (`tokio-rustls` for tokio, `futures-rustls` for futures-io)")]
    TlsUnavailable,
    /// `recv` returns whole messages only. With [`Delivery::Fragments`](crate::Delivery::Fragments), use `recv_event`.
    #[error("a fragment arrived: receive with `recv_event`")]
    FragmentDelivery,
    /// `recv` returns messages only, but a frame for an [extension](crate::ExtensionFrame) arrived, and is lost. On a
    /// connection with claimed reserved bits, use `recv_event`.
    #[error("a frame for an extension arrived: receive with `recv_event`")]
    ExtensionFrame,
}

impl Error {
    /// Returns whether a non-blocking stream was not ready. Nothing is lost: call again when it is.
    #[must_use]
    pub fn is_would_block(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Returns the error for an event that `recv` cannot return: neither a message nor a control frame.
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

/// Errors are returned on the hot path, where a large type would slow down every success.
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
            "`wss://` requires the `rustls` feature (`tokio-rustls` for tokio, `futures-rustls` for futures-io)"
        );
        let message = Error::from(ProxyError::SocksUnavailable).to_string();
        assert_eq!(
            message,
            "cannot connect through the proxy: a SOCKS proxy requires the `socks` feature"
        );
        #[cfg(feature = "rustls")]
        {
            let message = Error::from(TlsError::NoCryptoProvider).to_string();
            assert!(
                message.contains("the `rustls-ring` or `rustls-aws-lc` feature"),
                "{message}"
            );
        }
    }

    #[test]
    fn errors_name_the_setting_that_helps() {
        let message = Error::from(ProtocolError::MessageTooBig).to_string();
        assert_eq!(message, "connection failed: message exceeds `Limits::max_message_size`");
        let message = Error::from(ProxyError::Url).to_string();
        assert!(message.contains("expected `http://HOST:PORT`"), "{message}");
        #[cfg(feature = "rustls")]
        {
            use rustls::CertificateError;
            let error = TlsError::Certificate(CertificateError::UnknownIssuer).to_string();
            assert!(error.ends_with("add it with `TlsConfig::add_root`"), "{error}");
            let error = TlsError::Certificate(CertificateError::Expired).to_string();
            assert!(!error.contains("add_root"), "{error}");
        }
    }
}
