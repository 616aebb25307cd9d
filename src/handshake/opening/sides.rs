//! The differences between the two sides.

use alloc::vec::Vec;

use super::Opening;
use crate::{
    config::Config,
    connection::{Millis, Time},
    handshake::{
        Accept, AcceptError, ClientHandshake, ClientRequest, HandshakeError, RejectError, Rejection, RequestError,
        ServerHandshake, UpgradeRequest, UpgradeResponse, respond::error_head,
    },
    log,
    negotiated::Negotiated,
    role::Role,
};

/// A side of an opening handshake that an [`Opening`] drives: [`ServerHandshake`] or [`ClientHandshake`].
pub trait Handshake: Exchange {}

impl Handshake for ServerHandshake {}

impl Handshake for ClientHandshake {}

/// Receives bytes and returns a head.
pub trait Exchange {
    /// The request or the response.
    type Received: core::fmt::Debug;

    const ROLE: Role;

    fn receive(&mut self, bytes: &[u8]) -> Result<Option<Self::Received>, HandshakeError>;
    fn receive_eof(&mut self) -> HandshakeError;
    fn handle_timeout(&mut self) -> HandshakeError;
    /// Returns the response to an error, if there is one.
    fn refusal(error: &HandshakeError) -> Option<Vec<u8>>;
}

macro_rules! exchange {
    ($handshake:ty, $received:ty, $role:expr, $refusal:expr) => {
        impl Exchange for $handshake {
            type Received = $received;

            const ROLE: Role = $role;

            fn receive(&mut self, bytes: &[u8]) -> Result<Option<$received>, HandshakeError> {
                self.receive(bytes)
            }

            fn receive_eof(&mut self) -> HandshakeError {
                self.receive_eof()
            }

            fn handle_timeout(&mut self) -> HandshakeError {
                self.handle_timeout()
            }

            fn refusal(error: &HandshakeError) -> Option<Vec<u8>> {
                $refusal(error)
            }
        }
    };
}

exchange!(ServerHandshake, UpgradeRequest, Role::Server, HandshakeError::response);
// A client never answers an error.
exchange!(ClientHandshake, UpgradeResponse, Role::Client, |_| None);

fn deadline(config: &Config, now: Time) -> Option<Time> {
    Millis::new(config.timers.handshake).map(|timeout| now + timeout)
}

impl Opening<ServerHandshake> {
    /// Creates the opening handshake of a server. Its timeout starts `now`.
    #[must_use]
    pub fn server(config: &Config, now: Time) -> Self {
        Self::new(ServerHandshake::new(config), Vec::new(), deadline(config, now))
    }

    /// Accepts the request. The response is the [unsent response](Negotiated::unsent_response) of the outcome: the
    /// first output of the connection, so that frames may be sent along with it.
    ///
    /// # Errors
    ///
    /// Any [`AcceptError`]. The client is then sent status 500: continue to drive until
    /// [`Step::Ended`](crate::Step::Ended).
    pub fn accept(&mut self, request: &UpgradeRequest, accept: Accept) -> Result<Negotiated, AcceptError> {
        match request.accept(accept) {
            Ok(accepted) => {
                let (response, negotiated) = accepted.into_parts();
                Ok(negotiated.with_unsent_response(response))
            }
            Err(error) => {
                log::refused_for_mistake(500, &error);
                self.refuse(error_head(500));
                Err(error)
            }
        }
    }

    /// Rejects the request. Continue to drive until [`Step::Ended`](crate::Step::Ended).
    ///
    /// # Errors
    ///
    /// The errors of [`Rejection::to_bytes`]. The client is sent status 500 instead: continue to drive in this case,
    /// too.
    pub fn reject(&mut self, rejection: &Rejection) -> Result<(), RejectError> {
        let response = rejection.to_bytes();
        rejection.log(&response);
        let outcome = response.as_ref().map(drop).map_err(Clone::clone);
        self.refuse(response.unwrap_or_else(|_| error_head(500)));
        outcome
    }
}

impl Opening<ClientHandshake> {
    /// Creates the opening handshake of a client. Its timeout starts `now`.
    ///
    /// The nonce must be unpredictable and used only once ([RFC 6455 §4.1]), as an [`Entropy`](crate::Entropy)
    /// generates it.
    ///
    /// # Errors
    ///
    /// Any [`RequestError`] if something in the request cannot be sent.
    ///
    /// [RFC 6455 §4.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.1
    pub fn client(request: ClientRequest, nonce: [u8; 16], config: &Config, now: Time) -> Result<Self, RequestError> {
        let mut handshake = ClientHandshake::new(request, nonce, config)?;
        let request = handshake.take_request();
        Ok(Self::new(handshake, request, deadline(config, now)))
    }
}
