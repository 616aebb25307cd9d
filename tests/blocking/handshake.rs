//! The opening handshake over real sockets.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    Config, Error, Limits, Message, Role, Timers,
    blocking::{self, Acceptor, Connector, Stream, WebSocket},
    frame::Opcode,
    handshake::{Accept, AcceptError, ClientRequest, HandshakeError, RejectError, Rejection, RequestError},
};

use crate::{
    script::Endpoint,
    support::{RawPeer, tcp, within_seconds},
};

fn request() -> ClientRequest {
    "ws://localhost/chat?room=1".parse().expect("a valid URI")
}

/// Serves one connection with this decision, and returns both ends.
fn open(
    request: ClientRequest,
    decide: impl FnOnce(&websocket_proto::handshake::UpgradeRequest) -> Result<Accept, Rejection> + Send + 'static,
) -> (Result<WebSocket<TcpStream>, Error>, Result<WebSocket<TcpStream>, Error>) {
    within_seconds(10, move || {
        let (near, far) = tcp();
        let server = thread::spawn(move || WebSocket::accept_with(far, &Config::new(), decide));
        let client = WebSocket::client(near, request);
        (client, server.join().unwrap().map(|(websocket, _)| websocket))
    })
}

#[test]
fn both_sides_agree_on_a_subprotocol_and_see_the_headers_of_the_other() {
    within_seconds(10, || {
        let (near, far) = tcp();
        let server = thread::spawn(move || {
            let mut acceptor = Acceptor::new(far, &Config::new());
            let request = acceptor.recv_request()?;
            assert_eq!(
                (request.path(), request.query(), request.host()),
                ("/chat", Some("room=1"), "localhost")
            );
            assert_eq!(request.origin(), Some("https://example.com"));
            assert_eq!(request.headers().get("Authorization"), Some("Bearer token"));
            let subprotocol = request.select_subprotocol(&["v2", "v1"]).expect("one of ours");
            let accept = Accept::new().subprotocol(subprotocol).header("Set-Cookie", "session=1");
            acceptor.accept(&request, accept)
        });
        let request = request()
            .origin("https://example.com")
            .subprotocol("v3")
            .subprotocol("v1")
            .header("Authorization", "Bearer token");
        let mut connector = Connector::new(near, request, &Config::new()).unwrap();
        let response = connector.recv_response().unwrap();
        assert_eq!(response.headers().get("set-cookie"), Some("session=1"));
        let client = connector.open(response);
        let server = server.join().unwrap().unwrap();
        assert_eq!((client.subprotocol(), server.subprotocol()), (Some("v1"), Some("v1")));

        let (_, recv) = client.split().unwrap();
        assert_eq!(recv.subprotocol(), Some("v1"));
    });
}

#[test]
fn a_client_connects_by_uri() {
    within_seconds(10, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("ws://{}/", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut server = WebSocket::accept(listener.accept().unwrap().0).unwrap();
            server.send("welcome").unwrap();
            server.recv().map(|message| message.is_none())
        });
        let mut client = blocking::connect(&uri).unwrap();
        assert!(client.stream().tcp().unwrap().nodelay().unwrap());
        assert_eq!(client.recv().unwrap(), Some(Message::from("welcome")));
        client.close(None).unwrap();
        assert!(server.join().unwrap().unwrap());
    });
}

#[test]
fn reasons_not_to_connect_are_distinguished() {
    within_seconds(10, || {
        assert!(matches!(blocking::connect("ftp://localhost/"), Err(Error::Uri(_))));
        #[cfg(not(feature = "rustls"))]
        assert!(matches!(
            blocking::connect("wss://localhost/"),
            Err(Error::TlsUnavailable)
        ));
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        match blocking::connect(&format!("ws://{closed}/")) {
            Err(Error::Connect(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
            other => panic!("{other:?}"),
        }
        let request = request().header("Host", "elsewhere");
        let refused = Connector::new(tcp().0, request, &Config::new());
        assert!(matches!(refused, Err(Error::Request(error)) if matches!(*error, RequestError::Header(_))));
    });
}

#[test]
fn a_rejection_arrives_with_status_headers_and_body() {
    let (client, server) = open(request(), |_| {
        Err(Rejection::new(404)
            .header("X-Reason", "moved")
            .body("Only /other is here.\n"))
    });
    assert!(matches!(server, Err(Error::Rejected(404))), "{server:?}");
    match client {
        Err(Error::Handshake(HandshakeError::Refused(refusal))) => {
            assert_eq!((refusal.status(), refusal.reason()), (404, "Not Found"));
            assert_eq!(refusal.headers().get("X-Reason"), Some("moved"));
            assert_eq!(refusal.body(), b"Only /other is here.\n");
            assert!(!refusal.is_truncated());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_decision_that_cannot_be_sent_is_a_500() {
    let assert_500 = |client: Result<_, Error>| match client {
        Err(Error::Handshake(HandshakeError::Refused(refusal))) => assert_eq!(refusal.status(), 500),
        other => panic!("{other:?}"),
    };
    let (client, server) = open(request(), |_| Ok(Accept::new().subprotocol("not offered")));
    assert!(
        matches!(&server, Err(Error::Accept(error)) if **error == AcceptError::UnofferedSubprotocol),
        "{server:?}"
    );
    assert_500(client.map(|_| ()));
    let (client, server) = open(request(), |_| Err(Rejection::new(101)));
    assert!(
        matches!(&server, Err(Error::Reject(error)) if **error == RejectError::Status),
        "{server:?}"
    );
    assert_500(client.map(|_| ()));
}

#[test]
fn an_invalid_request_is_answered_although_the_client_goes_on_sending() {
    const FIELDS: &str = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let cases = [
        (
            format!("POST / HTTP/1.1\r\n{FIELDS}Sec-WebSocket-Version: 13\r\n\r\n"),
            "405",
        ),
        (
            format!("GET / HTTP/1.0\r\n{FIELDS}Sec-WebSocket-Version: 13\r\n\r\n"),
            "505",
        ),
        (
            format!("GET / HTTP/1.1\r\n{FIELDS}Sec-WebSocket-Version: 8\r\n\r\n"),
            "426",
        ),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_string(), "426"),
        ("\x16\x03\x01 this is not HTTP".to_string(), "400"),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(3000)), "431"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(3000)), "414"),
    ];
    for (request, status) in cases {
        within_seconds(10, move || {
            let (mut near, far) = tcp();
            let config = Config::new().limits(Limits::new().max_head_size(2048));
            let server = thread::spawn(move || WebSocket::accept_with(far, &config, |_| Ok(Accept::new())));
            near.write_all(request.as_bytes()).unwrap();
            near.write_all(&[b'x'; 100_000]).unwrap();
            near.shutdown(Shutdown::Write).unwrap();
            let mut response = String::new();
            near.read_to_string(&mut response)
                .expect("the whole response, and no reset");
            assert!(
                response.starts_with(&format!("HTTP/1.1 {status} ")),
                "{status}: {response}"
            );
            assert!(response.ends_with("\r\n\r\n"), "{response}");
            assert!(matches!(server.join().unwrap(), Err(Error::Handshake(_))));
        });
    }
}

#[test]
fn a_client_that_leaves_ends_the_handshake() {
    within_seconds(10, || {
        let (near, far) = tcp();
        drop(near);
        let mut acceptor = Acceptor::new(far, &Config::new());
        assert!(matches!(
            acceptor.recv_request(),
            Err(Error::Handshake(HandshakeError::Eof))
        ));
        assert!(matches!(
            acceptor.recv_request(),
            Err(Error::Handshake(HandshakeError::Ended))
        ));
    });
}

/// DRV-01: a request that has already arrived is in time, although its server reads late.
#[test]
fn a_request_that_has_arrived_is_in_time() {
    within_seconds(10, || {
        for timeout in [Duration::ZERO, Duration::from_millis(50)] {
            let (mut near, far) = tcp();
            let config = Config::new().timers(Timers::new().handshake(timeout));
            let mut acceptor = Acceptor::new(far, &config);
            near.write_all(Endpoint::Server.head_of_peer()).unwrap();
            thread::sleep(Duration::from_millis(100));
            let request = acceptor.recv_request().unwrap();
            acceptor.accept(&request, Accept::new()).unwrap();
        }
    });
}

/// DRV-18: a client that was refused and does not end its side is disconnected after 2 s.
#[test]
fn a_refused_client_has_a_bounded_time() {
    within_seconds(10, || {
        let (mut near, far) = tcp();
        near.write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let began = Instant::now();
        let refused = WebSocket::accept(far);
        let took = began.elapsed();
        assert!(matches!(refused, Err(Error::Handshake(HandshakeError::Method))));
        let bounds = Duration::from_millis(1990)..Duration::from_millis(3000);
        assert!(bounds.contains(&took), "{took:?}");
        drop(near);
    });
}

/// A stream whose writes fail, and which delivers these bytes.
struct Unwritable(&'static [u8]);

impl Read for Unwritable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Unwritable {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Unwritable {}

/// DRV-02: a server's response is received although the server does not take the request.
#[test]
fn a_refusal_takes_precedence_over_a_failed_write() {
    let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    match WebSocket::client(Unwritable(refusal), request()).map(drop) {
        Err(Error::Handshake(HandshakeError::Refused(refusal))) => assert_eq!(refusal.status(), 503),
        other => panic!("{other:?}"),
    }
    match WebSocket::client(Unwritable(b""), request()).map(drop) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
}

/// Data that a peer sends together with its head is not lost.
#[test]
fn frames_after_the_head_are_delivered() {
    within_seconds(10, || {
        for endpoint in [Endpoint::Server, Endpoint::Client] {
            let (near, far) = tcp();
            let mut bytes = endpoint.head_of_peer().to_vec();
            for n in 0..500 {
                bytes.extend(endpoint.frame_of_peer(true, Opcode::Text, format!("message {n}").as_bytes()));
            }
            let peer = thread::spawn(move || {
                let role = match endpoint {
                    Endpoint::Server => Role::Server,
                    Endpoint::Client => Role::Client,
                };
                let mut peer = RawPeer::new(far, role);
                peer.stream.write_all(&bytes).unwrap();
                peer
            });
            let mut websocket = match endpoint {
                Endpoint::Server => WebSocket::accept(near).unwrap(),
                Endpoint::Client => {
                    WebSocket::client_with(near, request(), &crate::script::config())
                        .unwrap()
                        .0
                }
            };
            for n in 0..500 {
                let message = websocket.recv().unwrap().expect("a message");
                assert_eq!(message.as_text(), Some(format!("message {n}").as_str()));
            }
            drop(peer.join().unwrap());
        }
    });
}

#[test]
fn no_time_limit_is_left_on_reads_after_the_handshake() {
    let (client, server) = open(request(), |_| Ok(Accept::new()));
    for mut websocket in [client.unwrap(), server.unwrap()] {
        assert_eq!(websocket.stream().read_timeout().unwrap(), None);
        websocket.send("an open connection").unwrap();
        assert_eq!(websocket.stream().read_timeout().unwrap(), None);
        assert_eq!(websocket.poll_timeout(), None);
    }
}

/// DRV-08: an opening handshake leaves the application's time limits on the stream, whatever limits it set itself.
#[test]
fn the_applications_limits_outlive_the_handshake() {
    within_seconds(10, || {
        let (near, far) = tcp();
        let limits = (Some(Duration::from_secs(7)), Some(Duration::from_secs(9)));
        let set = |stream: &TcpStream| {
            stream.set_read_timeout(limits.0).unwrap();
            stream.set_write_timeout(limits.1).unwrap();
        };
        let limits_of = |stream: &TcpStream| (stream.read_timeout().unwrap(), stream.write_timeout().unwrap());
        set(&near);
        set(&far);
        let server = thread::spawn(move || WebSocket::accept(far).unwrap());
        let client = WebSocket::client(near, "ws://localhost/".parse().unwrap()).unwrap();
        assert_eq!(limits_of(client.stream()), limits);
        assert_eq!(limits_of(&server.join().unwrap().into_parts().0), limits);
    });
}
