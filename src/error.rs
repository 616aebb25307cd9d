//! The error type of the shells.

#[cfg(feature = "rustls")]
mod certificate;
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
///
/// The text includes the cause, so [`source`](core::error::Error::source) does not return it again: match the variant to
/// examine it. Causes that are rare and large are boxed. Where an [`io::Error`] is expected, `?` converts into one of a
/// fitting [kind](io::Error::kind).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed. With [`is_would_block`](Self::is_would_block), nothing is lost: call again later.
    #[error("I/O error: {0}")]
    Io(io::Error),
    /// The opening handshake failed. A server has answered with an error response, if one could be sent.
    #[error("opening handshake failed: {0}")]
    Handshake(HandshakeError),
    /// The peer violated the protocol or a limit, the connection was lost, or a deadline passed.
    #[error("connection failed: {0}")]
    Protocol(ProtocolError),
    /// A message was refused; the connection is unaffected.
    #[error("cannot send: {0}")]
    Send(SendError),
    /// The upgrade request cannot be sent as it is.
    #[error("invalid upgrade request: {0}")]
    Request(Box<RequestError>),
    /// The upgrade request cannot be accepted with this response.
    #[error("invalid response: {0}")]
    Accept(Box<AcceptError>),
    /// The upgrade request cannot be rejected with this response.
    #[error("invalid rejection: {0}")]
    Reject(Box<RejectError>),
    /// The application rejected the upgrade request, and the client was sent this status.
    #[error("upgrade request rejected with status {0}")]
    Rejected(u16),
    /// The URI is not a valid WebSocket URI.
    #[error("invalid URI: {0}")]
    Uri(UriError),
    /// No unpredictable bytes are available for the handshake's nonce.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The name of the host, or of the proxy, could not be looked up.
    #[error("name look-up failed: {0}")]
    Lookup(io::Error),
    /// No address of the host, or of the proxy, could be reached. The error is that of the last address tried.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// [`Timers::handshake`](crate::Timers::handshake) passed before the opening handshake began, or
    /// [`Policy::attempt_timeout`](crate::reconnect::Policy::attempt_timeout) passed. If the first passes during the
    /// opening handshake, the error is [`HandshakeError::TimedOut`].
    #[error("{0} timed out")]
    TimedOut(Phase),
    /// Connecting through the proxy failed.
    #[error("cannot connect through the proxy: {0}")]
    Proxy(Box<ProxyError>),
    /// The server redirected the client to a target that is not followed.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// TLS could not be set up with the server.
    #[cfg(feature = "rustls")]
    #[error("cannot set up TLS: {0}")]
    Tls(Box<TlsError>),
    /// `wss://`, or a proxy with `https://`, requires a feature: `rustls` in the blocking shell, `tokio-rustls` in the
    /// tokio shell, `futures-rustls` in the futures-io shell.
    #[error("TLS requires the `rustls` feature (`tokio-rustls` for tokio, `futures-rustls` for futures-io)")]
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

/// `thiserror` would make a cause the source as well, and reports that print both would say everything twice.
macro_rules! error_from {
    ($($cause:ty => $variant:ident,)*) => {$(
        impl From<$cause> for Error {
            fn from(cause: $cause) -> Self {
                Self::$variant(cause.into())
            }
        }
    )*};
}

error_from! {
    io::Error => Io,
    HandshakeError => Handshake,
    ProtocolError => Protocol,
    SendError => Send,
    RequestError => Request,
    AcceptError => Accept,
    RejectError => Reject,
    UriError => Uri,
}

impl From<Error> for io::Error {
    /// An error of the stream, of the look-up or of connecting becomes itself. Any other one becomes the payload of an
    /// [`io::Error`] of the kind that fits: for example `TimedOut` where a deadline passed, `UnexpectedEof` where the
    /// peer was lost, `InvalidData` where it violated the protocol or a limit, `BrokenPipe` where the connection is
    /// closing, `InvalidInput` where a call was invalid.
    fn from(error: Error) -> Self {
        use io::ErrorKind;
        let kind = match error {
            Error::Io(cause) | Error::Lookup(cause) | Error::Connect(cause) => return cause,
            Error::TimedOut(_)
            | Error::Handshake(HandshakeError::TimedOut)
            | Error::Protocol(ProtocolError::TimedOut(_)) => ErrorKind::TimedOut,
            Error::Handshake(HandshakeError::Eof) | Error::Protocol(ProtocolError::ConnectionLost) => {
                ErrorKind::UnexpectedEof
            }
            Error::Handshake(HandshakeError::Refused(_)) | Error::Rejected(_) => ErrorKind::Other,
            Error::Handshake(_) | Error::Protocol(_) => ErrorKind::InvalidData,
            Error::Send(SendError::Full(())) => ErrorKind::WouldBlock,
            Error::Send(SendError::Closing(())) => ErrorKind::BrokenPipe,
            Error::Send(_) | Error::Request(_) | Error::Accept(_) | Error::Reject(_) | Error::Uri(_) => {
                ErrorKind::InvalidInput
            }
            Error::TlsUnavailable => ErrorKind::Unsupported,
            _ => ErrorKind::Other,
        };
        Self::new(kind, error)
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
            "TLS requires the `rustls` feature (`tokio-rustls` for tokio, `futures-rustls` for futures-io)"
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
    fn no_error_repeats_its_cause() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let errors = [
            Error::Io(refused()),
            Error::Connect(refused()),
            Error::Lookup(refused()),
            HandshakeError::Eof.into(),
            ProtocolError::from(crate::frame::FrameError::LongControl).into(),
            SendError::Closing(()).into(),
            RequestError::Uri(UriError::Scheme).into(),
            RedirectError::Location(UriError::Scheme).into(),
            ProxyError::Head(HandshakeError::Eof).into(),
        ];
        for error in errors {
            let mut said = error.to_string();
            let mut cause = core::error::Error::source(&error);
            while let Some(lower) = cause {
                assert!(!said.contains(&lower.to_string()), "{error:?} says `{lower}` twice");
                said = lower.to_string();
                cause = lower.source();
            }
        }
    }

    #[test]
    fn io_errors_have_a_fitting_kind() {
        use io::ErrorKind as Kind;
        let cases = [
            (Error::Io(Kind::ConnectionReset.into()), Kind::ConnectionReset),
            (Error::Connect(Kind::ConnectionRefused.into()), Kind::ConnectionRefused),
            (Error::TimedOut(Phase::Tls), Kind::TimedOut),
            (HandshakeError::TimedOut.into(), Kind::TimedOut),
            (HandshakeError::Eof.into(), Kind::UnexpectedEof),
            (HandshakeError::MalformedHead.into(), Kind::InvalidData),
            (ProtocolError::ConnectionLost.into(), Kind::UnexpectedEof),
            (ProtocolError::InvalidUtf8.into(), Kind::InvalidData),
            (SendError::Full(()).into(), Kind::WouldBlock),
            (SendError::Closing(()).into(), Kind::BrokenPipe),
            (SendError::<()>::ControlTooLong.into(), Kind::InvalidInput),
            (UriError::Scheme.into(), Kind::InvalidInput),
            (Error::TlsUnavailable, Kind::Unsupported),
            (Error::Rejected(403), Kind::Other),
        ];
        for (error, kind) in cases {
            let text = error.to_string();
            let error = io::Error::from(error);
            assert_eq!(error.kind(), kind, "{text}");
            // The stream's own errors are handed back as they were, without "I/O error".
            assert!(text.ends_with(&error.to_string()), "{text}: {error}");
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
            assert!(error.ends_with("with `TlsConfig::add_root`"), "{error}");
            let error = TlsError::Certificate(CertificateError::Expired).to_string();
            assert!(!error.contains("add_root"), "{error}");
        }
    }
}
