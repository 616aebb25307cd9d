//! The opening handshake over HTTP/2: an extended CONNECT ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441)).

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

/// The value of `:protocol`.
const PROTOCOL: &str = "websocket";

impl UpgradeRequest {
    /// Checks an extended CONNECT, with which a connection is opened over HTTP/2 or HTTP/3 (feature `http`; [RFC 8441],
    /// [RFC 9220]).
    ///
    /// `protocol` is the value of the `:protocol` pseudo-header field, which the HTTP stack hands over beside the
    /// request: hyper and h2 have it in an extension of the request, each in a type of its own.
    ///
    /// Everything behind it is as with an upgrade: look at the request, [accept](Self::accept) or reject it. There is no
    /// key and no accept value, and the response that accepts has status 200
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
    /// The HTTP stack must announce `SETTINGS_ENABLE_CONNECT_PROTOCOL`, or no client asks
    /// ([RFC 8441 §3]). Frames then travel in the DATA frames of the request's stream, masked by the client as ever. To
    /// the connection that stream is what TCP is otherwise ([RFC 8441 §5]):
    ///
    /// | TCP | HTTP/2 | to the connection |
    /// |---|---|---|
    /// | orderly close | END_STREAM | the end of the stream: read 0 bytes, or [`receive_eof`](crate::Connection::receive_eof) |
    /// | reset | RST_STREAM with CANCEL | an I/O error, and so an abnormal closure (1006) |
    ///
    /// In the other direction, to shut the write side down is to send END_STREAM, and to drop the stream before that is
    /// to send RST_STREAM with CANCEL.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Protocol`] for another protocol, which is answered with 501 and never with a tunnel;
    /// [`HandshakeError::HttpVersion`], [`HandshakeError::Method`], [`HandshakeError::Target`] for a request that is no
    /// extended CONNECT; [`HandshakeError::ForbiddenField`] for `Connection`, `Upgrade` or `Host`. The others have the
    /// same reasons as in [`from_http`](Self::from_http).
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

    /// The same for the head of an extended CONNECT, as extractors of axum get it (feature `http`).
    ///
    /// # Errors
    ///
    /// Those of [`from_connect`](Self::from_connect).
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
        // RFC 8441 §4, §5. RFC 9110 §16.7: the names of protocols compare without regard to case.
        if !protocol.eq_ignore_ascii_case(PROTOCOL) {
            return Err(HandshakeError::Protocol);
        }
        let head = RequestHead::from_parts(method.as_str(), &uri.to_string(), 1, received_fields(headers));
        Self::from_connect_head(head.ok_or(HandshakeError::HeadTooLarge)?)
    }
}

/// The client side of an opening handshake over HTTP/2 or HTTP/3 (feature `http`), whose request was made by
/// [`ClientRequest::into_connect`] and which waits for the response.
///
/// What becomes of the stream after it is told at [`UpgradeRequest::from_connect`].
#[derive(Clone, Debug)]
pub struct ConnectHandshake {
    offers: Offers,
}

impl ClientRequest {
    /// The request as an extended CONNECT, to send over a connection of HTTP/2 or HTTP/3 (feature `http`;
    /// [RFC 8441 §5]), and the check of the response to it.
    ///
    /// The scheme is `https` for `wss` and `http` for `ws`. There is no key, and so no nonce.
    ///
    /// It is for the HTTP stack to send `:protocol` with the value `websocket`, which is no part of the request: h2 and
    /// hyper take it from an extension of the request, each in a type of its own. It must not be sent before the server
    /// has announced `SETTINGS_ENABLE_CONNECT_PROTOCOL` ([RFC 8441 §3]): ask the stack, as with
    /// `is_extended_connect_protocol_enabled` of h2.
    ///
    /// ```
    /// use websocket_proto::handshake::ClientRequest;
    ///
    /// let request: ClientRequest = "wss://example.com/chat".parse()?;
    /// let (mut request, handshake) = request.subprotocol("chat").into_connect()?;
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
    /// Any [`RequestError`], if something in the request cannot be sent.
    ///
    /// [RFC 8441 §3]: https://www.rfc-editor.org/rfc/rfc8441#section-3
    /// [RFC 8441 §5]: https://www.rfc-editor.org/rfc/rfc8441#section-5
    pub fn into_connect(self) -> Result<(Request<()>, ConnectHandshake), RequestError> {
        let mut fields = Vec::new();
        self.write_fields(&mut fields)?;
        // RFC 8441 §5: the schemes are those of HTTP.
        let scheme = if self.uri.is_secure() { "https" } else { "http" };
        let uri = [scheme, "://", self.uri.authority(), self.uri.resource_name()].concat();
        let mut request = Request::new(());
        // Nothing else in a valid URI is refused.
        *request.uri_mut() = uri.parse::<Uri>().map_err(|_: InvalidUri| UriError::TooLong)?;
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = written_fields(&fields);
        Ok((request, ConnectHandshake { offers: self.offers }))
    }
}

impl ConnectHandshake {
    /// Checks the response. With it, the stream of the request is open for frames.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Refused`] for a status other than 2xx, with status and fields; the body is left where it is.
    /// The others have the same reasons as in [`ClientHandshake::receive`](super::ClientHandshake::receive), after which
    /// the stream is to be reset.
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
        // RFC 8441 §5: there is no accept value to look at. The rest is as in RFC 6455 §4.1.
        head.headers.check_ascii()?;
        let selected = self.offers.check_answer(&head.headers)?;
        log_accepted(&head, &selected);
        Ok(UpgradeResponse::new(head, selected))
    }
}
