//! WebSockets in handlers of axum. This file is to be copied: it is for axum 0.8, hyper 1 with feature `http2`, hyper-util 0.1
//! with feature `tokio`, and websocket-proto with features `http` and `tokio`.

use std::io;

use axum::{
    extract::FromRequestParts,
    http::{Version, request::Parts},
    response::Response,
};
use hyper::{
    ext::Protocol,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use websocket_proto::{
    Config, Error,
    handshake::{Accept, Rejection, UpgradeRequest},
};

/// A connection that a handler has accepted.
pub(crate) type WebSocket = websocket_proto::tokio::WebSocket<TokioIo<Upgraded>>;

/// An upgrade request, as an argument of a handler.
pub(crate) struct Upgrade {
    pub(crate) request: UpgradeRequest,
    version: Version,
    upgraded: OnUpgrade,
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Response> {
        let version = head.version;
        // HTTP/2 opens connections with an extended CONNECT.
        let request = match head.extensions.get::<Protocol>() {
            Some(protocol) => UpgradeRequest::from_connect_parts(head, protocol.as_str()),
            None => UpgradeRequest::try_from(&*head),
        };
        let upgraded = head.extensions.remove::<OnUpgrade>();
        Ok(Self {
            request: request.map_err(|error| error.response_http(version))?,
            version,
            // A test without a connection has nothing to upgrade.
            upgraded: upgraded.ok_or_else(|| Rejection::new(500).response_http(version))?,
        })
    }
}

impl Upgrade {
    /// The response that rejects the request.
    pub(crate) fn reject(&self, rejection: &Rejection) -> Response {
        rejection.response_http(self.version)
    }

    /// The response, which accepts or rejects. After one that accepts was sent, `serve` runs in its own task.
    pub(crate) fn on_upgrade<F>(
        self,
        config: Config,
        decision: Result<Accept, Rejection>,
        serve: impl FnOnce(WebSocket) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let accept = match decision {
            Ok(accept) => accept,
            Err(rejection) => return self.reject(&rejection),
        };
        let accepted = match self.request.config(&config).accept(accept) {
            Ok(accepted) => accepted,
            Err(error) => return error.response_http(self.version),
        };
        let response = accepted.response_http();
        tokio::spawn(async move {
            let served = async {
                let stream = TokioIo::new(self.upgraded.await.map_err(io::Error::other)?);
                serve(WebSocket::from_negotiated(stream, &accepted.into_negotiated(), &config)).await
            };
            if let Err(error) = served.await {
                eprintln!("{error}");
            }
        });
        response
    }
}
