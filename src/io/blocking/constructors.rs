//! Opening a WebSocket over an existing stream.

use super::{Acceptor, Connector, Stream, WebSocket};
use crate::{
    config::Config,
    connection::Connection,
    error::Error,
    handshake::{Accept, ClientRequest, Rejection, UpgradeRequest, UpgradeResponse},
    negotiated::Negotiated,
};

/// Opening a WebSocket.
impl<S: Stream> WebSocket<S> {
    /// Accepts a client's upgrade request, with default settings and no subprotocol.
    ///
    /// A server that serves only certain websites should check the `Origin` that browsers send: see
    /// [`accept_with`](Self::accept_with).
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for an invalid request, after an error response was sent; [`Error::Io`].
    pub fn accept(stream: S) -> Result<Self, Error> {
        let (websocket, _) = Self::accept_with(stream, &Config::new(), |_| Ok(Accept::new()))?;
        Ok(websocket)
    }

    /// Accepts or rejects a client's upgrade request, as `decide` returns. Returns the request along with the
    /// connection.
    ///
    /// ```no_run
    /// use websocket_proto::{Config, blocking::WebSocket, handshake::{Accept, OriginPolicy, Rejection}};
    ///
    /// # fn serve(stream: std::net::TcpStream) -> Result<(), websocket_proto::Error> {
    /// let origins = OriginPolicy::same_origin();
    /// let (websocket, request) = WebSocket::accept_with(stream, &Config::new(), |request| {
    ///     if request.check_origin(&origins).is_err() {
    ///         return Err(Rejection::new(403));
    ///     }
    ///     if request.path() != "/chat" {
    ///         return Err(Rejection::new(404).body("There is only /chat here.\n"));
    ///     }
    ///     Ok(match request.select_subprotocol(&["chat.v2", "chat.v1"]) {
    ///         Some(subprotocol) => Accept::new().subprotocol(subprotocol),
    ///         None => Accept::new(),
    ///     })
    /// })?;
    /// println!("{:?} has joined", request.cookies().find(|(name, _)| *name == "user"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for an invalid request, after an error response was sent; [`Error::Rejected`] if `decide`
    /// rejected the request; [`Error::Accept`] or [`Error::Reject`] for a decision that cannot be sent, after a
    /// response with status 500 was sent; [`Error::Io`].
    pub fn accept_with(
        stream: S,
        config: &Config,
        decide: impl FnOnce(&UpgradeRequest) -> Result<Accept, Rejection>,
    ) -> Result<(Self, UpgradeRequest), Error> {
        let mut acceptor = Acceptor::new(stream, config);
        let request = acceptor.recv_request()?;
        match decide(&request) {
            Ok(accept) => Ok((acceptor.accept(&request, accept)?, request)),
            Err(rejection) => Err(acceptor.reject(&request, &rejection)),
        }
    }

    /// Opens a connection over a stream connected to the server, with default settings.
    ///
    /// To establish the connection as well, see [`blocking::connect`](super::connect).
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the server refuses or its response is invalid; [`Error::Request`] for a request that cannot be
    /// sent; [`Error::Entropy`]; [`Error::Io`].
    pub fn client(stream: S, request: ClientRequest) -> Result<Self, Error> {
        let (websocket, _) = Self::client_with(stream, request, &Config::new())?;
        Ok(websocket)
    }

    /// Opens a connection over a stream connected to the server. Returns the server's response along with the
    /// connection.
    ///
    /// # Errors
    ///
    /// As for [`client`](Self::client).
    pub fn client_with(stream: S, request: ClientRequest, config: &Config) -> Result<(Self, UpgradeResponse), Error> {
        let mut connector = Connector::new(stream, request, config)?;
        let response = connector.recv_response()?;
        Ok((connector.open(response.clone()), response))
    }

    /// Creates a WebSocket whose opening handshake was done elsewhere.
    #[must_use]
    pub fn from_negotiated(stream: S, negotiated: &Negotiated, config: &Config) -> Self {
        Self::from_parts(stream, Connection::from_negotiated(negotiated, config))
    }
}
