//! The opening handshake, in both roles.

use std::{io::Write, thread};

use futures_util::join;
use websocket_proto::{
    Config, Error, Timers,
    asynchronous::Acceptor,
    handshake::{Accept, ClientRequest, HandshakeError, OriginPolicy, Rejection},
};

use crate::{
    shell::{Shell, WebSocket},
    support::{ended, millis, read_all, sockets, within},
    wire::{FIN, TEXT, close, frames, masked},
};

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn request() -> ClientRequest {
    "ws://localhost/chat?room=1".parse().unwrap()
}

/// A client and a server of the shell.
pub(crate) async fn accepted<S: Shell>() {
    let (near, far) = sockets();
    let (config, client) = (Config::new(), request().subprotocol("superchat").subprotocol("chat"));
    let accepting = WebSocket::<S>::accept_with(S::wrap(far).unwrap(), &config, async |request| {
        assert_eq!(request.target(), "/chat?room=1");
        Ok(Accept::new().subprotocol("chat"))
    });
    let connecting = WebSocket::<S>::client_with(S::wrap(near).unwrap(), client, &config);
    let (accepted, connected) = join!(accepting, connecting);
    let ((mut server, request), (mut client, response)) = (accepted.unwrap(), connected.unwrap());
    assert_eq!(request.path(), "/chat");
    assert_eq!(response.subprotocol(), Some("chat"));
    assert_eq!(
        (client.subprotocol(), server.subprotocol()),
        (Some("chat"), Some("chat"))
    );
    client.send("hello").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("hello".into()));
}

/// The server rejects, and the client learns why.
pub(crate) async fn rejected<S: Shell>() {
    let (near, far) = sockets();
    let config = Config::new();
    let accepting = WebSocket::<S>::accept_with(S::wrap(far).unwrap(), &config, async |request| {
        match request.check_origin(&OriginPolicy::same_origin()) {
            Ok(()) => Err(Rejection::new(401).body("who are you?")),
            Err(_) => Err(Rejection::new(403)),
        }
    });
    let connecting = WebSocket::<S>::client_with(S::wrap(near).unwrap(), request(), &config);
    let (accepted, connected) = join!(accepting, connecting);
    assert!(matches!(accepted.err(), Some(Error::Rejected(401))));
    let refused = match connected.err() {
        Some(Error::Handshake(HandshakeError::Refused(refused))) => refused,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.body(), b"who are you?");
}

/// A request that asks for no upgrade is answered, and reported.
pub(crate) async fn no_request<S: Shell>() {
    let (near, mut far) = sockets();
    let peer = thread::spawn(move || {
        far.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        read_all(&far)
    });
    let accepted = WebSocket::<S>::accept(S::wrap(near).unwrap()).await;
    let error = accepted.err();
    assert!(matches!(error, Some(Error::Handshake(_))), "{error:?}");
    let answer = String::from_utf8(ended::<S, _>(peer).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}

/// The request comes byte by byte, and a frame in the segment of its last byte.
pub(crate) async fn single_bytes<S: Shell>() {
    let (near, mut far) = sockets();
    let peer = thread::spawn(move || {
        let (last, first) = REQUEST.as_bytes().split_last().unwrap();
        for byte in first {
            far.write_all(&[*byte]).unwrap();
        }
        let rest = [vec![*last], masked(FIN | TEXT, b"early"), close(1000)];
        far.write_all(&rest.concat()).unwrap();
        read_all(&far)
    });
    let mut acceptor = Acceptor::<S::Io>::new(S::wrap(near).unwrap(), &Config::new());
    let request = acceptor.recv_request().await.unwrap();
    let mut websocket = acceptor.accept(&request, Accept::new()).await.unwrap();
    assert_eq!(websocket.recv().await.unwrap(), Some("early".into()));
    assert_eq!(websocket.recv().await.unwrap(), None);
    let answer = ended::<S, _>(peer).await;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    assert_eq!(frames(&answer[end..]).len(), 1);
}

/// A client that says nothing is told so, and given up in time.
pub(crate) async fn a_silent_client<S: Shell>() {
    let (near, far) = sockets();
    let peer = thread::spawn(move || read_all(&far));
    let config = Config::new().timers(Timers::new().handshake(millis(80)));
    let mut acceptor = Acceptor::<S::Io>::new(S::wrap(near).unwrap(), &config);
    let received = acceptor.recv_request().await;
    assert!(
        matches!(received, Err(Error::Handshake(HandshakeError::TimedOut))),
        "{received:?}"
    );
    drop(acceptor);
    let answer = ended::<S, _>(peer).await;
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", answer.escape_ascii());
}

/// Whoever drops an acceptor or a connector drops the socket.
pub(crate) async fn dropped<S: Shell>() {
    let (near, far) = sockets();
    let peer = thread::spawn(move || read_all(&far));
    let mut acceptor = Acceptor::<S::Io>::new(S::wrap(near).unwrap(), &Config::new());
    let waited = within::<S, _>(millis(20), acceptor.recv_request()).await;
    assert!(waited.is_none());
    drop(acceptor);
    assert_eq!(ended::<S, _>(peer).await, b"");
}
