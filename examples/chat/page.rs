//! The page and its parts, as ordinary HTTP.

use http_body_util::Full;
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use websocket_proto::handshake::Rejection;

pub(crate) type Body = Full<Bytes>;

/// Path, type and text.
type Part = (&'static str, &'static str, &'static str);

const PARTS: [Part; 5] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/chat.css", "text/css; charset=utf-8", include_str!("page/chat.css")),
    (
        "/chat.js",
        "text/javascript; charset=utf-8",
        include_str!("page/chat.js"),
    ),
    ("/log.js", "text/javascript; charset=utf-8", include_str!("page/log.js")),
    (
        "/wire.js",
        "text/javascript; charset=utf-8",
        include_str!("page/wire.js"),
    ),
];

/// The page needs its own parts and the connection to this server, and nothing else.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    // After an update of the server, the page fits it.
    (CACHE_CONTROL, "no-cache"),
];

pub(crate) fn answer(request: &Request<Incoming>) -> Response<Body> {
    let Some((_, kind, text)) = PARTS.iter().find(|(path, ..)| *path == request.uri().path()) else {
        return Rejection::new(404).response_http(request.version());
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Rejection::new(405)
            .header("Allow", "GET, HEAD")
            .response_http(request.version());
    }
    let mut response = Response::new(Body::from(*text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
