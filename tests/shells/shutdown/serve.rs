//! `Shutdown::serve`: accepting connections until the shutdown is requested.

use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use websocket_proto::{
    CloseCode, Message,
    tokio::{Shutdown, WebSocket},
};

use crate::{GRACE, assert_went_away, client, drain, echo};

/// The request closes the listener, even while connections are still ending.
#[tokio::test]
async fn serve_ends_with_the_request() {
    let shutdown = Shutdown::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let server = shutdown.clone();
    let serving = tokio::spawn(async move { server.serve(listener, |stream, _, guard| echo(stream, guard)).await });
    let mut peers = Vec::new();
    for _ in 0..10 {
        let stream = TcpStream::connect(addr).await.expect("the server listens");
        let mut websocket = client(stream).await;
        websocket.send("hello").await.expect("it is open");
        let echoed = websocket.recv().await.expect("it is open").expect("an echo");
        assert!(matches!(echoed, Message::Text(text) if text.as_str() == "hello"));
        peers.push(websocket);
    }
    shutdown.request();
    serving.await.expect("no panic");
    assert_eq!(shutdown.tasks(), 10, "they wait for their peers");
    let refused = TcpStream::connect(addr).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let peers: Vec<_> = peers.into_iter().map(drain).collect();
    assert!(shutdown.finish(GRACE).await.is_graceful());
    for peer in peers {
        assert_went_away(peer.await.expect("no panic").1.as_ref());
    }
}

/// Dropping `serve` closes the listener; the connections remain until they are asked to end.
#[tokio::test]
async fn serve_can_be_dropped() {
    let shutdown = Shutdown::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let mut websocket = tokio::select! {
        () = shutdown.serve(listener, |stream, _, guard| echo(stream, guard)) => panic!("no end was requested"),
        websocket = async { client(TcpStream::connect(addr).await.expect("the server listens")).await } => websocket,
    };
    assert!(TcpStream::connect(addr).await.is_err(), "nobody listens");
    websocket.send("still here").await.expect("it is open");
    assert!(websocket.recv().await.expect("it is open").is_some());
    let peer = drain(websocket);
    assert!(shutdown.finish(GRACE).await.is_graceful());
    assert_went_away(peer.await.expect("no panic").1.as_ref());
}

/// Each handler gets the address of its own peer.
#[tokio::test]
async fn serve_passes_the_address_of_the_peer() {
    let shutdown = Shutdown::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let server = shutdown.clone();
    let serving = tokio::spawn(async move {
        let greet = |stream, peer: std::net::SocketAddr, _| async move {
            let mut websocket = WebSocket::accept(stream).await.expect("a valid request");
            websocket.send(peer.to_string()).await.expect("it is open");
            let _ = websocket.close(CloseCode::NORMAL).await;
        };
        server.serve(listener, greet).await;
    });
    for _ in 0..3 {
        let stream = TcpStream::connect(addr).await.expect("the server listens");
        let own = stream.local_addr().expect("an address").to_string();
        let mut websocket = client(stream).await;
        let received = websocket.recv().await.expect("it is open").expect("a message");
        assert_eq!(received.as_text(), Some(own.as_str()));
        assert!(websocket.recv().await.expect("a clean close").is_none());
    }
    shutdown.request();
    serving.await.expect("no panic");
    assert!(shutdown.finish(GRACE).await.is_graceful());
}

/// Short messages are sent at once, not only after the client has acknowledged the previous one.
#[tokio::test]
async fn serve_sets_nodelay() {
    let shutdown = Shutdown::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let (sender, accepted) = oneshot::channel();
    let mut sender = Some(sender);
    let server = shutdown.clone();
    let serving = tokio::spawn(async move {
        let look = |stream: TcpStream, _, _| {
            let sent = sender.take().map(|sender| sender.send(stream.nodelay()));
            async move {
                assert!(sent.is_some_and(|sent| sent.is_ok()), "one client");
            }
        };
        server.serve(listener, look).await;
    });
    let _stream = TcpStream::connect(addr).await.expect("the server listens");
    assert!(accepted.await.expect("a connection").expect("an option of the socket"));
    shutdown.request();
    serving.await.expect("no panic");
    assert!(shutdown.finish(GRACE).await.is_graceful());
}
