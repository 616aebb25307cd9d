//! The costs of a handshake for a server.

use core::time::Duration;
use std::time::Instant;

use websocket_proto::{
    Config, Limits,
    handshake::{HandshakeError, ServerHandshake},
};

use crate::support::{Head, serve, serve_with};

fn limited(size: usize, fields: usize) -> Config {
    Config::new().limits(Limits::new().max_head_size(size).max_head_fields(fields))
}

/// HS-S-52: the head is bounded in bytes, and a head that just fits is accepted.
#[test]
fn bytes() {
    let request = Head::request().add(format!("X: {}", "y".repeat(500))).bytes();
    assert!(serve_with(&limited(request.len(), 128), request.clone()).is_ok());
    let error = serve_with(&limited(request.len() - 1, 128), request).expect_err("too large");
    assert!(matches!(error, HandshakeError::HeadTooLarge));
    assert_eq!(error.status(), Some(431));
    // Also without an end.
    let endless = [&b"GET / HTTP/1.1\r\n"[..], &b"x".repeat(100_000)].concat();
    assert!(matches!(serve(endless), Err(HandshakeError::HeadTooLarge)));
    assert!(matches!(
        serve_with(&limited(0, 128), "G"),
        Err(HandshakeError::TargetTooLong)
    ));
}

/// HS-S-52: a request line that is too long by itself gets its own status.
#[test]
fn request_line() {
    let line = format!("GET /{} HTTP/1.1", "y".repeat(16 << 10));
    let error = serve(Head::request().start_line(line)).expect_err("too long");
    assert!(matches!(error, HandshakeError::TargetTooLong));
    assert_eq!(error.status(), Some(414));
}

/// HS-S-52: the number of fields is bounded, below and above the number that is parsed without a table on the heap.
#[test]
fn fields() {
    for limit in [5, 63, 64, 65, 128, 300] {
        let mut request = Head::request();
        for index in 5..limit {
            request = request.add(format!("x-{index}: {index}"));
        }
        let (served, _) = serve_with(&limited(16 << 10, limit), request.clone()).expect("as many as allowed");
        assert_eq!(served.headers().len(), limit);
        let error = serve_with(&limited(16 << 10, limit), request.add("one: more")).expect_err("too many");
        assert!(matches!(error, HandshakeError::TooManyFields));
        assert_eq!(error.status(), Some(431));
    }
}

/// HS-S-52: the time is bounded by a deadline that the caller enforces.
#[test]
fn deadline() {
    let mut handshake = ServerHandshake::new(&Config::new());
    assert!(matches!(handshake.receive(b"GET / HT"), Ok(None)));
    let error = handshake.handle_timeout();
    assert_eq!(
        error.response().expect("a response"),
        b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    assert!(matches!(handshake.receive(b"TP/1.1\r\n"), Err(HandshakeError::Ended)));
}

/// HS-S-43, HS-S-52: bytes that arrive with the head do not count as part of it.
#[test]
fn large_frame_after_the_head() {
    let request = Head::request().bytes();
    let mut handshake = ServerHandshake::new(&limited(request.len(), 128));
    let frame = vec![0x82; 1 << 20];
    let received = handshake
        .receive(&[&request[..], &frame].concat())
        .expect("a valid request");
    let accepted = received
        .expect("a whole request")
        .accept(Default::default())
        .expect("nothing selected");
    assert_eq!(accepted.into_negotiated().leftover(), frame);
}

/// HS-S-53: the work is linear in the size of the head, however slowly it arrives.
///
/// Starting over at each byte of this head would scan 8,000,000,000,000 bytes, which takes minutes at best.
#[test]
fn byte_by_byte() {
    const SIZE: usize = 4 << 20;
    let started = Instant::now();
    for line in ["y".repeat(SIZE), "y\r\nX: ".repeat(SIZE / 6)] {
        let mut handshake = ServerHandshake::new(&limited(2 * SIZE, SIZE));
        let request = Head::request().add(format!("X: {line}")).bytes();
        let (last, others) = request.split_last().expect("some bytes");
        for byte in others {
            assert!(matches!(handshake.receive(core::slice::from_ref(byte)), Ok(None)));
        }
        assert!(matches!(handshake.receive(core::slice::from_ref(last)), Ok(Some(_))));
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// HS-S-53, HS-S-26: many subprotocols are not compared pairwise.
#[test]
fn many_subprotocols() {
    const COUNT: usize = 300_000;
    let list: Vec<String> = (0..COUNT).map(|index| format!("p{index}")).collect();
    let started = Instant::now();
    let config = limited(8 << 20, 128);
    let request = Head::request().with("Sec-WebSocket-Protocol", list.join(","));
    let mut handshake = ServerHandshake::new(&config);
    let received = handshake
        .receive(&request.bytes())
        .expect("a valid request")
        .expect("a whole request");
    assert_eq!(received.subprotocols().count(), COUNT);
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// SEC-12: a handshake is small, and so is its error.
#[test]
fn sizes() {
    assert!(size_of::<HandshakeError>() <= 16);
    assert!(size_of::<ServerHandshake>() <= 96);
}
