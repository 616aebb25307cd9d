//! Opening a WebSocket over an existing stream.

use alloc::boxed::Box;

use super::{Acceptor, Connector, Transport, WebSocket};
use crate::{
    config::Config,
    connection::Connection,
    error::Error,
    handshake::{Accept, ClientRequest, Rejection, UpgradeRequest, UpgradeResponse},
    negotiated::Negotiated,
};

/// Opening a WebSocket.
///
/// A `stream` is any type that converts into the transport: the transport itself and, for
/// [`tokio::WebSocket`](crate::tokio::WebSocket) and [`futures::WebSocket`](crate::futures::WebSocket), a stream of the
/// runtime.
// The futures are boxed at once. Otherwise their state, or at least the stream, would be part of the caller's future
// for as long as the connection lasts.
impl<T: Transport> WebSocket<T> {
    /// Accepts a client's upgrade request, with default settings and no subprotocol.
    ///
    /// A server that serves only certain websites should check the `Origin` that browsers send: see
    /// [`accept_with`](Self::accept_with).
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for an invalid request, after an error response was sent; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the connection is dropped.
    pub fn accept(stream: impl Into<T>) -> impl Future<Output = Result<Self, Error>> {
        let mut acceptor = Acceptor::new(stream, &Config::new());
        Box::pin(async move {
            let request = acceptor.recv_request().await?;
            acceptor.accept(&request, Accept::new()).await
        })
    }

    /// Accepts or rejects a client's upgrade request, as `decide` returns. Returns the request along with the
    /// connection.
    ///
    /// `decide` may wait, for a database for example. The client waits meanwhile; this time counts towards no deadline.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # async fn serve(stream: tokio::net::TcpStream) -> Result<(), websocket_proto::Error> {
    /// use websocket_proto::{Config, handshake::{Accept, OriginPolicy, Rejection}, tokio::WebSocket};
    ///
    /// # async fn is_known(_: &str) -> bool { true }
    /// let origins = OriginPolicy::same_origin();
    /// let (websocket, request) = WebSocket::accept_with(stream, &Config::new(), async |request| {
    ///     if request.check_origin(&origins).is_err() {
    ///         return Err(Rejection::new(403));
    ///     }
    ///     match request.cookies().find(|(name, _)| *name == "session") {
    ///         Some((_, session)) if is_known(session).await => Ok(Accept::new()),
    ///         _ => Err(Rejection::new(401)),
    ///     }
    /// })
    /// .await?;
    /// println!("{} was opened", request.path());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A closure without `await` must be `async`, too: `async |_| Ok(Accept::new())`. The future is [`Send`] if the
    /// stream, `decide` and what it awaits are. To decide outside of a closure, use an [`Acceptor`].
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for an invalid request, after an error response was sent; [`Error::Rejected`] if `decide`
    /// rejected the request; [`Error::Accept`] or [`Error::Reject`] for a decision that cannot be sent, after a
    /// response with status 500 was sent; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the connection is dropped.
    pub fn accept_with<S, D>(
        stream: S,
        config: &Config,
        decide: D,
    ) -> impl Future<Output = Result<(Self, UpgradeRequest), Error>> + use<T, S, D>
    where
        S: Into<T>,
        D: AsyncFnOnce(&UpgradeRequest) -> Result<Accept, Rejection>,
    {
        let mut acceptor = Acceptor::new(stream, config);
        Box::pin(async move {
            let request = acceptor.recv_request().await?;
            match decide(&request).await {
                Ok(accept) => Ok((acceptor.accept(&request, accept).await?, request)),
                Err(rejection) => Err(acceptor.reject(&request, &rejection).await),
            }
        })
    }

    /// Opens a connection over a stream connected to the server, with default settings.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the server refuses or its response is invalid; [`Error::Request`] for a request that cannot be
    /// sent; [`Error::Entropy`]; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the connection is dropped.
    pub fn client(stream: impl Into<T>, request: ClientRequest) -> impl Future<Output = Result<Self, Error>> {
        let opening = Self::client_with(stream, request, &Config::new());
        Box::pin(async move { Ok(opening.await?.0) })
    }

    /// Opens a connection over a stream connected to the server. Returns the server's response along with the
    /// connection.
    ///
    /// # Errors
    ///
    /// As for [`client`](Self::client).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the connection is dropped.
    pub fn client_with<S: Into<T>>(
        stream: S,
        request: ClientRequest,
        config: &Config,
    ) -> impl Future<Output = Result<(Self, UpgradeResponse), Error>> + use<T, S> {
        let connector = Connector::new(stream, request, config);
        Box::pin(async move {
            let mut connector = connector?;
            let response = connector.recv_response().await?;
            Ok((connector.open(response.clone()), response))
        })
    }

    /// Creates a WebSocket whose opening handshake was done elsewhere.
    #[must_use]
    pub fn from_negotiated(stream: impl Into<T>, negotiated: &Negotiated, config: &Config) -> Self {
        Self::from_parts(stream.into(), Connection::from_negotiated(negotiated, config))
    }
}
