//! The opening handshake over HTTP/2 and HTTP/3: an extended CONNECT ([RFC
//! 8441](https://www.rfc-editor.org/rfc/rfc8441), [RFC 9220](https://www.rfc-editor.org/rfc/rfc9220)).

use alloc::{boxed::Box, string::ToString, vec::Vec};

use ::http::{HeaderMap, Method, Request, Response, Uri, Version, request::Parts, uri::InvalidUri};

use super::{
    client::{UpgradeResponse, log_accepted, log_refused},
    error::{HandshakeError, RequestError},
    head::{RequestHead, ResponseHead},
    http::{is_multiplexed, received_fields, written_fields},
    request::{ClientRequest, Offers},
    server::{UpgradeRequest, log_refused as log_request_refused},
    uri::UriError,
};
use crate::config::Config;

/// The value of `:protocol`.
const PROTOCOL: &str = "websocket";

impl UpgradeRequest {
    /// Checks an extended CONNECT, with which a connection is opened over HTTP/2 or HTTP/3 (feature `http`; [RFC 8441],
    /// [RFC 9220]).
    ///
    /// `protocol` is the value of the `:protocol` pseudo-header field, which the HTTP stack provides separately from
    /// the request: hyper and h2 store it in an extension of the request, each in its own type.
    ///
    /// Everything after this is the same as for an upgrade: inspect the request, then [accept](Self::accept) or reject
    /// it. There is no key and no accept value, and the accepting response has status 200
    /// ([`Accepted::response_http`](super::Accepted::response_http)).
    ///
    /// ```
    /// use websocket_proto::handshake::{Accept, UpgradeRequest};
    ///
    /// # let request = http::Request::connect("https://example.com/chat")
    /// #     .version(http::Version::HTTP_2)
    /// #     .header("Sec-WebSocket-Version", "13")
    /// #     .body(())?;
    /// // With hyper: request.extensions().get::<hyper::ext::Protocol>().map(|protocol| protocol.as_str())
    /// let request = UpgradeRequest::from_connect(&request, "websocket")?;
    /// assert_eq!((request.host(), request.path()), ("example.com", "/chat"));
    /// let accepted = request.accept(Accept::new())?;
    /// assert_eq!(accepted.response_http::<websocket_proto::Bytes>().status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # The stream
    ///
    /// The HTTP stack must announce `SETTINGS_ENABLE_CONNECT_PROTOCOL`; otherwise no client tries ([RFC 8441 §3]).
    /// Frames then travel in the DATA frames of the request's stream, masked by the client as usual. For the
    /// connection, that stream takes the place of TCP ([RFC 8441 §5]):
    ///
    /// | TCP | HTTP/2 | to the connection |
    /// |---|---|---|
    /// | orderly close | END_STREAM | the end of the stream: read 0 bytes, or [`receive_eof`](crate::Connection::receive_eof) |
    /// | reset | RST_STREAM with CANCEL | an I/O error, and so an abnormal closure (1006) |
    ///
    /// In the other direction, shutting down the write side means sending END_STREAM, and dropping the stream before
    /// that means sending RST_STREAM with CANCEL.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Protocol`] for another protocol, which is answered with 501 and never with a tunnel;
    /// [`HandshakeError::HttpVersion`], [`HandshakeError::Method`] or [`HandshakeError::Target`] for a request that is
    /// not an extended CONNECT; [`HandshakeError::ForbiddenField`] for `Connection`, `Upgrade` or `Host`. Other errors
    /// occur for the same reasons as in [`from_http`](Self::from_http).
    ///
    /// [RFC 8441]: https://www.rfc-editor.org/rfc/rfc8441
    /// [RFC 8441 §3]: https://www.rfc-editor.org/rfc/rfc8441#section-3
    /// [RFC 8441 §5]: https://www.rfc-editor.org/rfc/rfc8441#section-5
    /// [RFC 9220]: https://www.rfc-editor.org/rfc/rfc9220
    pub fn from_connect<B>(request: &Request<B>, protocol: &str) -> Result<Self, HandshakeError> {
        let (method, uri) = (request.method(), request.uri());
        Self::from_connect_http(method, uri, request.version(), request.headers(), protocol)
            .inspect_err(log_request_refused)
    }

    /// Checks the head of an extended CONNECT, as axum's extractors receive it (feature `http`).
    ///
    /// # Errors
    ///
    /// The errors of [`from_connect`](Self::from_connect).
    pub fn from_connect_parts(head: &Parts, protocol: &str) -> Result<Self, HandshakeError> {
        Self::from_connect_http(&head.method, &head.uri, head.version, &head.headers, protocol)
            .inspect_err(log_request_refused)
    }

    fn from_connect_http(
        method: &Method,
        uri: &Uri,
        version: Version,
        headers: &HeaderMap,
        protocol: &str,
    ) -> Result<Self, HandshakeError> {
        if !is_multiplexed(version) {
            return Err(HandshakeError::HttpVersion);
        }
        // RFC 8441 §4: no other method has a protocol.
        if method != Method::CONNECT {
            return Err(HandshakeError::Method);
        }
        // RFC 8441 §4, §5. RFC 9110 §16.7: protocol names are compared ignoring case.
        if !protocol.eq_ignore_ascii_case(PROTOCOL) {
            return Err(HandshakeError::Protocol);
        }
        let head = RequestHead::from_parts(method.as_str(), &uri.to_string(), 1, received_fields(headers));
        Self::from_connect_head(head.ok_or(HandshakeError::HeadTooLarge)?)
    }
}

/// The client side of an opening handshake over HTTP/2 or HTTP/3 (feature `http`). [`ClientRequest::into_connect`]
/// creates it with the request; it waits for the response.
///
/// See [`UpgradeRequest::from_connect`] for how the stream is used afterwards.
#[derive(Clone, Debug)]
pub struct ConnectHandshake {
    offers: Offers,
}

impl ClientRequest {
    /// Converts the request into an extended CONNECT, to send over an HTTP/2 or HTTP/3 connection (feature `http`; [RFC
    /// 8441 §5], [RFC 9220 §3]). Also returns the handshake that checks the response.
    ///
    /// It offers what an HTTP/1.1 request with this configuration offers, permessage-deflate included. The scheme is
    /// `https` for `wss` and `http` for `ws`. There is no key, and so no nonce.
    ///
    /// The request is the same for both versions, so its [`version`](Request::version) is not set. h2, hyper and h3
    /// write that of their connection. Set it for a stack that chooses a connection by it, such as a client with a pool
    /// of connections.
    ///
    /// The HTTP stack must send `:protocol` with the value `websocket`, which is not part of the request: h2 and hyper
    /// take it from an extension of the request, each in its own type. It must not be sent before the server has
    /// announced `SETTINGS_ENABLE_CONNECT_PROTOCOL` ([RFC 8441 §3]): ask the stack, for example with h2's
    /// `is_extended_connect_protocol_enabled`.
    ///
    /// ```
    /// use websocket_proto::{Config, handshake::ClientRequest};
    ///
    /// let config = Config::new();
    /// let request: ClientRequest = "wss://example.com/chat".parse()?;
    /// let (mut request, handshake) = request.subprotocol("chat").into_connect(&config)?;
    /// assert_eq!(request.uri(), "https://example.com/chat");
    /// // With h2: request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    /// # request.extensions_mut().insert("websocket");
    ///
    /// // Send the request, and then:
    /// # let response = http::Response::builder().header("sec-websocket-protocol", "chat").body(())?;
    /// let response = handshake.receive(&response)?;
    /// assert_eq!(response.subprotocol(), Some("chat"));
    /// let negotiated = response.into_negotiated();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Any [`RequestError`] if something in the request cannot be sent.
    ///
    /// [RFC 8441 §3]: https://www.rfc-editor.org/rfc/rfc8441#section-3
    /// [RFC 8441 §5]: https://www.rfc-editor.org/rfc/rfc8441#section-5
    /// [RFC 9220 §3]: https://www.rfc-editor.org/rfc/rfc9220#section-3
    pub fn into_connect(mut self, config: &Config) -> Result<(Request<()>, ConnectHandshake), RequestError> {
        self.offers.add_configured(config)?;
        let mut fields = Vec::new();
        self.write_fields(&mut fields)?;
        // RFC 8441 §5: the schemes are those of HTTP.
        let scheme = if self.uri.is_secure() { "https" } else { "http" };
        let uri = [scheme, "://", self.authority()?, self.uri.resource_name()].concat();
        let mut request = Request::new(());
        // Nothing else is refused in a valid URI.
        *request.uri_mut() = uri.parse::<Uri>().map_err(|_: InvalidUri| UriError::TooLong)?;
        *request.method_mut() = Method::CONNECT;
        *request.headers_mut() = written_fields(&fields);
        Ok((request, ConnectHandshake { offers: self.offers }))
    }
}

impl ConnectHandshake {
    /// Checks the response. After it, the stream of the request is open for frames.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Refused`] for a status other than 2xx, with status and fields; the body is not read. Other
    /// errors occur for the same reasons as in [`ClientHandshake::receive`](super::ClientHandshake::receive). After an
    /// error, reset the stream.
    pub fn receive<B>(self, response: &Response<B>) -> Result<UpgradeResponse, HandshakeError> {
        self.check(response).inspect_err(log_refused)
    }

    fn check<B>(&self, response: &Response<B>) -> Result<UpgradeResponse, HandshakeError> {
        let fields = received_fields(response.headers());
        let head = ResponseHead::from_parts(response.status().as_u16(), fields).ok_or(HandshakeError::HeadTooLarge)?;
        // RFC 8441 §5, RFC 9113 §8.5: any 2xx accepts.
        if !response.status().is_success() {
            return Err(HandshakeError::Refused(Box::new(head.into())));
        }
        // RFC 8441 §5: there is no accept value to check. The rest is as in RFC 6455 §4.1.
        head.headers.check_ascii()?;
        let selected = self.offers.check_answer(&head.headers)?;
        log_accepted(&head, &selected);
        Ok(UpgradeResponse::new(head, selected))
    }
}
