//! Boxed streams, whose type is unknown: with the abilities that a box keeps, and without those that it loses.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    CloseCode, Config, Error, Message, ProtocolError, Timers,
    blocking::{Plain, Stream, WebSocket},
    handshake::HandshakeError,
};

use crate::support::{tcp, within_seconds};

/// The trait that an application would define, because a trait object allows only one trait that is not an auto trait.
trait ReadWrite: Read + Write {}
impl<S: Read + Write> ReadWrite for S {}

fn talk(near: impl Stream, far: impl Stream + Send + 'static) {
    let server = thread::spawn(move || -> Result<(), Error> {
        let mut websocket = WebSocket::accept(far)?;
        while let Some((message, outbound)) = websocket.recv_split()? {
            outbound.feed(message)?;
        }
        Ok(())
    });
    let mut websocket = WebSocket::client(near, "ws://localhost/".parse().unwrap()).unwrap();
    websocket.send("hello").unwrap();
    assert_eq!(websocket.recv().unwrap(), Some(Message::from("hello")));
    websocket.close(CloseCode::NORMAL).unwrap();
    assert!(websocket.close_info().unwrap().clean);
    server.join().unwrap().unwrap();
}

#[test]
fn boxed_streams_talk() {
    within_seconds(10, || {
        let (near, far) = tcp();
        let (near, far): (Box<dyn Stream + Send>, Box<dyn Stream + Send>) = (Box::new(near), Box::new(far));
        talk(near, far);
        let (near, far) = tcp();
        let (near, far): (Box<dyn ReadWrite + Send>, Box<dyn ReadWrite + Send>) = (Box::new(near), Box::new(far));
        talk(Plain(near), Plain(far));
    });
}

fn silent_server(stream: impl Stream) -> (Error, Duration) {
    let config = Config::new().timers(Timers::new().handshake(Duration::from_millis(200)));
    let began = Instant::now();
    let accepted = WebSocket::accept_with(stream, &config, |_| panic!("nobody asks"));
    (accepted.map(drop).unwrap_err(), began.elapsed())
}

/// A boxed [`Stream`] keeps its time limits, so deadlines end a read.
#[test]
fn a_boxed_stream_keeps_its_time_limits() {
    within_seconds(10, || {
        let (near, far) = tcp();
        let boxed: Box<dyn Stream + Send> = Box::new(far);
        let server = thread::spawn(move || silent_server(boxed));
        let mut response = String::new();
        let mut near: TcpStream = near;
        near.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        drop(near);
        let (error, _) = server.join().unwrap();
        assert!(matches!(error, Error::Handshake(HandshakeError::TimedOut)), "{error:?}");
    });
}

/// A stream that can only read and write has none: a deadline is noticed after the stream has returned a few times.
#[test]
fn a_plain_stream_has_no_time_limits() {
    within_seconds(10, || {
        let (mut near, far) = tcp();
        let boxed: Box<dyn ReadWrite + Send> = Box::new(far);
        let server = thread::spawn(move || silent_server(Plain(boxed)));
        thread::sleep(Duration::from_millis(500));
        let mut dripping = near.try_clone().unwrap();
        let drip = thread::spawn(move || {
            while dripping.write_all(b"G").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        // It cannot be shut down either: the stream is dropped at once, and the client sees that end.
        let _ = io::copy(&mut near, &mut io::sink());
        let (error, took) = server.join().unwrap();
        drip.join().unwrap();
        assert!(matches!(error, Error::Handshake(HandshakeError::TimedOut)), "{error:?}");
        assert!(took >= Duration::from_millis(500), "{took:?}");
    });
}

/// The end of the stream without a Close is reported through a box as well.
#[test]
fn a_boxed_stream_that_ends_is_lost() {
    within_seconds(10, || {
        let (near, far) = tcp();
        let boxed: Box<dyn ReadWrite + Send> = Box::new(far);
        let server = thread::spawn(move || WebSocket::accept(Plain(boxed))?.recv().map(drop));
        drop(WebSocket::client(near, "ws://localhost/".parse().unwrap()).unwrap());
        let error = server.join().unwrap().unwrap_err();
        assert!(
            matches!(error, Error::Protocol(ProtocolError::ConnectionLost)),
            "{error:?}"
        );
    });
}
