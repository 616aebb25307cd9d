//! The constructors that every runtime's shell has, for its own kind of streams.

/// Implements the constructors of `WebSocket<S>` and `Io<S>` for the stream traits of a runtime.
macro_rules! shell {
    ($read:ident, $write:ident) => {
        impl<S: $read + $write + Unpin> WebSocket<S> {
            /// Accepts the upgrade request of a client, with default settings and no subprotocol.
            ///
            /// A server that is meant for certain web sites should check the origin of browsers: see
            /// [`accept_with`](Self::accept_with).
            ///
            /// # Errors
            ///
            /// [`Error::Handshake`](crate::Error::Handshake) for a request that is not valid, which was then answered;
            /// [`Error::Io`](crate::Error::Io).
            ///
            /// # Cancel safety
            ///
            /// Dropped before it completes, the connection is dropped with it.
            pub fn accept(stream: S) -> impl Future<Output = Result<Self, crate::Error>> {
                alloc::boxed::Box::pin(async move {
                    Self::respond(stream, &crate::Config::new(), |_| {
                        Ok(crate::handshake::Accept::new())
                    })
                    .await
                })
            }

            /// Accepts or rejects the upgrade request of a client, as `decide` says. For a decision that takes its
            /// time, see [`Acceptor`](crate::asynchronous::Acceptor).
            ///
            /// # Errors
            ///
            /// [`Error::Handshake`](crate::Error::Handshake) for a request that is not valid, which was then answered;
            /// [`Error::Rejected`](crate::Error::Rejected) if `decide` said so; [`Error::Accept`](crate::Error::Accept)
            /// or [`Error::Reject`](crate::Error::Reject) for a decision that cannot be sent, in which case the client
            /// was told 500; [`Error::Io`](crate::Error::Io).
            ///
            /// # Cancel safety
            ///
            /// Dropped before it completes, the connection is dropped with it.
            pub fn accept_with(
                stream: S,
                config: &crate::Config,
                decide: impl FnOnce(
                    &crate::handshake::UpgradeRequest,
                ) -> Result<crate::handshake::Accept, crate::handshake::Rejection>,
            ) -> impl Future<Output = Result<Self, crate::Error>> {
                // Boxed, and at once: its state, or the stream alone, would be part of the caller's future for as long as the
                // connection lasts.
                alloc::boxed::Box::pin(Self::respond(stream, config, decide))
            }

            async fn respond(
                stream: S,
                config: &crate::Config,
                decide: impl FnOnce(
                    &crate::handshake::UpgradeRequest,
                ) -> Result<crate::handshake::Accept, crate::handshake::Rejection>,
            ) -> Result<Self, crate::Error> {
                let mut acceptor = crate::asynchronous::Acceptor::new(Io::new(stream), config);
                let request = acceptor.recv_request().await?;
                match decide(&request) {
                    Ok(accept) => acceptor.accept(&request, accept).await,
                    Err(rejection) => Err(acceptor.reject(&request, &rejection).await),
                }
            }

            /// Opens a connection over a stream that leads to the server, with default settings.
            ///
            /// # Errors
            ///
            /// [`Error::Handshake`](crate::Error::Handshake) if the server refuses or its answer is not valid;
            /// [`Error::Request`](crate::Error::Request); [`Error::Io`](crate::Error::Io).
            ///
            /// # Cancel safety
            ///
            /// Dropped before it completes, the connection is dropped with it.
            pub fn client(
                stream: S,
                request: crate::handshake::ClientRequest,
            ) -> impl Future<Output = Result<Self, crate::Error>> {
                alloc::boxed::Box::pin(async move { Self::request(stream, request, &crate::Config::new()).await })
            }

            /// Opens a connection over a stream that leads to the server.
            ///
            /// # Errors
            ///
            /// As for [`client`](Self::client).
            ///
            /// # Cancel safety
            ///
            /// Dropped before it completes, the connection is dropped with it.
            pub fn client_with(
                stream: S,
                request: crate::handshake::ClientRequest,
                config: &crate::Config,
            ) -> impl Future<Output = Result<Self, crate::Error>> {
                alloc::boxed::Box::pin(Self::request(stream, request, config))
            }

            async fn request(
                stream: S,
                request: crate::handshake::ClientRequest,
                config: &crate::Config,
            ) -> Result<Self, crate::Error> {
                let mut connector = crate::asynchronous::Connector::new(Io::new(stream), request, config)?;
                let response = connector.recv_response().await?;
                Ok(connector.open(response))
            }

            /// A WebSocket whose opening handshake was done elsewhere.
            #[must_use]
            pub fn from_negotiated(stream: S, negotiated: &crate::Negotiated, config: &crate::Config) -> Self {
                Self::from_parts(
                    Io::new(stream),
                    crate::Connection::from_negotiated(negotiated, config),
                )
            }

            /// The stream.
            #[must_use]
            pub const fn stream(&self) -> &S {
                &self.transport().stream
            }

            /// The stream. Reading from it or writing to it breaks the connection.
            #[must_use]
            pub const fn stream_mut(&mut self) -> &mut S {
                &mut self.transport_mut().stream
            }
        }

        impl<S> Io<S> {
            /// The stream as a transport.
            #[must_use]
            pub const fn new(stream: S) -> Self {
                Self { stream }
            }

            /// The stream.
            #[must_use]
            pub fn into_stream(self) -> S {
                self.stream
            }
        }
    };
}

pub(crate) use shell;
