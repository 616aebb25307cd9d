//! The opening handshake, step by step.

use std::{
    io::{self, IoSlice},
    task::{Context, Poll},
};

use websocket_proto::{
    Config, Error, Time,
    asynchronous::{Acceptor, Connector, RuntimeTimer, Transport},
    handshake::{Accept, ClientRequest, HandshakeError, Rejection},
};

use crate::support::{Cut, Driver, FIN, Pipe, Step, TEXT, Task, block_on, masked};

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Dropped at any poll, or at every second one.
fn under_every_cut(scenario: impl Fn(Cut) -> usize) {
    let polls = scenario(Cut::Never);
    for cut in (1..=polls).map(Cut::At).chain((1..=3).map(Cut::Every)) {
        scenario(cut);
    }
}

#[test]
fn a_request_survives_dropped_futures() {
    under_every_cut(|cut| {
        let (pipe, script) = Pipe::new();
        let behind = masked(FIN | TEXT, b"early");
        script.trickle(&[REQUEST, &behind].concat(), 20);
        script.write_width(7);
        script.write_pauses();
        let mut acceptor = Acceptor::<Pipe>::new(pipe, &Config::new());
        let mut driver = Driver::new(&script, cut);
        let request = driver.repeat(|driver| driver.run(acceptor.recv_request())).unwrap();
        assert_eq!(request.path(), "/chat");
        let mut websocket = block_on(&script, acceptor.accept(&request, Accept::new())).unwrap();
        let message = driver.repeat(|driver| driver.run(websocket.recv())).unwrap().unwrap();
        assert_eq!(message.as_text(), Some("early"));
        assert!(script.written().starts_with(b"HTTP/1.1 101 "));
        driver.polls
    });
}

/// The answer to a request that is not valid leaves once, whatever is dropped meanwhile.
#[test]
fn a_refusal_survives_dropped_futures() {
    under_every_cut(|cut| {
        let (pipe, script) = Pipe::new();
        script.trickle(b"POST / HTTP/1.1\r\nHost: example.com\r\n\r\n", 10);
        script.trickle(&[b'x'; 50], 10);
        script.push(Step::Eof);
        script.write_width(20);
        script.write_pauses();
        let mut acceptor = Acceptor::<Pipe>::new(pipe, &Config::new());
        let mut driver = Driver::new(&script, cut);
        let error = driver.repeat(|driver| driver.run(acceptor.recv_request())).unwrap_err();
        assert!(matches!(error, Error::Handshake(HandshakeError::Method)), "{error:?}");
        let written = String::from_utf8(script.written()).unwrap();
        assert!(written.starts_with("HTTP/1.1 405 "), "{written}");
        assert_eq!(written.matches("HTTP/1.1").count(), 1, "{written}");
        assert_eq!(script.shutdowns(), 1);
        driver.polls
    });
}

#[test]
fn a_response_survives_dropped_futures() {
    // The key is not known, so the response cannot be valid; what counts is that it is read as a whole, once.
    under_every_cut(|cut| {
        let (pipe, script) = Pipe::new();
        script.write_width(30);
        script.write_pauses();
        script.trickle(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", 7);
        let request = ClientRequest::new("ws://example.com/chat".parse().unwrap());
        let mut connector = Connector::<Pipe>::new(pipe, request, &Config::new()).unwrap();
        let mut driver = Driver::new(&script, cut);
        let error = driver
            .repeat(|driver| driver.run(connector.recv_response()))
            .unwrap_err();
        match error {
            Error::Handshake(HandshakeError::Refused(refusal)) => {
                assert_eq!((refusal.status(), refusal.body()), (404, &b"gone"[..]))
            }
            error => panic!("{error:?}"),
        }
        let written = String::from_utf8(script.written()).unwrap();
        assert!(
            written.starts_with("GET /chat HTTP/1.1\r\n") && written.ends_with("\r\n\r\n"),
            "{written}"
        );
        assert_eq!(written.matches("GET ").count(), 1);
        driver.polls
    });
}

/// A refusal ends when the client has closed, and does not sit out its time.
#[test]
fn a_refusal_ends_with_the_clients_end() {
    let (pipe, script) = Pipe::new();
    script.bytes(REQUEST);
    let mut acceptor = Acceptor::<Pipe>::new(pipe, &Config::new());
    let request = block_on(&script, acceptor.recv_request()).unwrap();
    let rejection = Rejection::new(403);
    let mut rejected = Task::new(acceptor.reject(&request, &rejection));
    assert!(rejected.settle().is_pending(), "the client has not closed yet");
    assert_eq!(script.shutdowns(), 1);
    script.push(Step::Eof);
    assert!(matches!(
        rejected.settle(),
        std::task::Poll::Ready(Error::Rejected(403))
    ));
    assert!(script.written().starts_with(b"HTTP/1.1 403 "));
}

/// A refusal to a client that is gone ends at once.
#[test]
fn a_refusal_that_cannot_be_sent_ends_at_once() {
    let (pipe, script) = Pipe::new();
    script.bytes(b"BREW / HTTP/1.1\r\n\r\n".as_slice());
    script.fail_writes_after(0);
    let error = block_on(&script, Acceptor::<Pipe>::new(pipe, &Config::new()).recv_request()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Handshake(HandshakeError::Method | HandshakeError::MissingField(_))
        ),
        "{error:?}"
    );
}

/// Whoever is refused and goes on sending gets no more than its share of the thread.
#[test]
fn a_refused_client_cannot_hog_the_thread() {
    let (pipe, script) = Pipe::new();
    script.bytes(b"GET / HTTP/1.1\r\n\r\n".as_slice());
    for _ in 0..10_000 {
        script.bytes([0; 16].as_slice());
    }
    let mut acceptor = Acceptor::<Pipe>::new(pipe, &Config::new());
    let mut refused = Task::new(acceptor.recv_request());
    assert!(refused.poll().is_pending());
    assert!(script.reads() < 100, "{} reads in one poll", script.reads());
    assert!(refused.is_woken(), "it goes on later");
}

/// A server that just closes.
#[test]
fn an_end_in_the_response_is_told() {
    let (pipe, script) = Pipe::new();
    script.push(Step::Eof);
    let request = ClientRequest::new("ws://example.com/".parse().unwrap());
    let error = block_on(
        &script,
        Connector::<Pipe>::new(pipe, request, &Config::new())
            .unwrap()
            .recv_response(),
    )
    .unwrap_err();
    assert!(matches!(error, Error::Handshake(HandshakeError::Eof)), "{error:?}");
}

/// An error of the stream, in any read or write of the handshake, is returned as it is.
#[test]
fn errors_of_the_stream_are_returned() {
    let (pipe, script) = Pipe::new();
    script.bytes(b"GET ".as_slice());
    script.push(Step::Error(std::io::ErrorKind::ConnectionReset));
    let error = block_on(&script, Acceptor::<Pipe>::new(pipe, &Config::new()).recv_request()).unwrap_err();
    assert!(
        matches!(&error, Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionReset),
        "{error:?}"
    );

    let (pipe, script) = Pipe::new();
    script.fail_writes_after(0);
    script.push(Step::Eof);
    let request = ClientRequest::new("ws://example.com/".parse().unwrap());
    let error = block_on(
        &script,
        Connector::<Pipe>::new(pipe, request, &Config::new())
            .unwrap()
            .recv_response(),
    )
    .unwrap_err();
    assert!(
        matches!(&error, Error::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe),
        "{error:?}"
    );
}

/// DRV-02: what a server has said is received although it does not take the request.
#[test]
fn a_refusal_counts_more_than_a_failed_write() {
    let (pipe, script) = Pipe::new();
    script.fail_writes_after(10);
    script.bytes(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".as_slice());
    let request = ClientRequest::new("ws://example.com/".parse().unwrap());
    let mut connector = Connector::<Pipe>::new(pipe, request, &Config::new()).unwrap();
    let error = block_on(&script, connector.recv_response()).unwrap_err();
    assert!(
        matches!(&error, Error::Handshake(HandshakeError::Refused(refusal)) if refusal.status() == 503),
        "{error:?}"
    );
}

/// A pipe whose timer must not be set: with tokio, that costs a system call.
#[derive(Debug)]
struct Untimed(Pipe);

#[derive(Debug)]
struct Unset;

impl RuntimeTimer for Unset {
    fn new() -> Self {
        Self
    }

    fn now(&self) -> Time {
        Time::ZERO
    }

    fn poll_until(&mut self, _: Time, _: &mut Context<'_>) -> Poll<()> {
        panic!("a timer was set");
    }
}

impl Transport for Untimed {
    type Timer = Unset;

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}

/// A request that is there at once, as it mostly is, sets no timer; nor does what follows it.
#[test]
fn a_request_that_is_there_needs_no_timer() {
    let (pipe, script) = Pipe::new();
    script.bytes(REQUEST);
    script.bytes(masked(FIN | TEXT, b"at once"));
    block_on(&script, async {
        let mut acceptor = Acceptor::<Untimed>::new(Untimed(pipe), &Config::new());
        let request = acceptor.recv_request().await.unwrap();
        let mut websocket = acceptor.accept(&request, Accept::new()).await.unwrap();
        let message = websocket.recv().await.unwrap().unwrap();
        assert_eq!(message.as_text(), Some("at once"));
    });
    assert!(script.written().starts_with(b"HTTP/1.1 101 "));
}
