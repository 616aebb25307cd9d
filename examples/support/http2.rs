//! A hyper server for HTTP/1.1 and HTTP/2 on the same port, set up for WebSockets.

use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto,
};

/// The most streams, and thereby WebSocket connections, that one HTTP/2 connection may have at the same time.
const STREAMS: u32 = 100;

/// The bytes that a client may send on one stream before the server has read them. More is faster over long distances.
const STREAM_WINDOW: u32 = 128 << 10;

/// The bytes that a client may send on all streams together: enough for all of them. A WebSocket whose client reads nothing is
/// not read either, and what the client has sent counts here. If this window were that of a stream, a single stream could stop
/// all others.
const CONNECTION_WINDOW: u32 = STREAMS * STREAM_WINDOW;

/// The protocols to offer in TLS (ALPN), the preferred one first.
pub(crate) const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

pub(crate) fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        // RFC 8441 §3: without this announcement, no client asks for a WebSocket over HTTP/2.
        .enable_connect_protocol()
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}
