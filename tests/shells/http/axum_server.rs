//! Connections through a router of axum.

use std::net::SocketAddr;

use axum::{Router, body::Body, extract::Request, response::Response, routing::get};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use websocket_proto::{
    CloseCode, Config, Error,
    handshake::{Accept, ClientRequest, HandshakeError, UpgradeRequest},
    tokio::WebSocket,
};

use crate::support::{Draft, parts_of, run};

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let router = Router::new()
        .route("/", get(async || "a page"))
        .route("/ws", get(upgrade));
    tokio::spawn(axum::serve(listener, router).into_future());
    addr
}

async fn upgrade(mut request: Request) -> Response {
    let upgrade_request = match UpgradeRequest::from_http(&request) {
        Ok(upgrade_request) => upgrade_request,
        Err(error) => {
            let response = error.response_http(request.version()).expect("an answer");
            return response.map(|()| Body::empty());
        }
    };
    let accepted = upgrade_request.accept(Accept::new()).expect("a valid answer");
    let response = accepted.response_http().map(|()| Body::empty());
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let stream = TokioIo::new(upgraded.await.expect("the response was sent"));
        let mut websocket = WebSocket::from_negotiated(stream, &accepted.into_negotiated(), &Config::new());
        while let Some((message, outbound)) = websocket.recv_split().await? {
            outbound.feed(message)?;
        }
        Ok::<(), Error>(())
    });
    response
}

/// HS-S-42: an axum handler upgrades and echoes.
#[test]
fn echo() {
    run(async {
        let addr = serve().await;
        let request: ClientRequest = format!("ws://{addr}/ws").parse().expect("a URI");
        let stream = TcpStream::connect(addr).await.expect("a connection");
        let mut websocket = WebSocket::client(stream, request).await.expect("a connection");
        websocket.send("hello").await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert_eq!(message.as_text(), Some("hello"));
        websocket.send(&[0_u8, 1, 2][..]).await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert_eq!(message.as_bytes(), [0, 1, 2]);
        websocket.close(CloseCode::NORMAL).await.expect("closed");
    });
}

/// HS-S-04, HS-S-21, HS-C-21: other routes and refusals are ordinary responses.
#[test]
fn refused() {
    run(async {
        let addr = serve().await;
        let request: ClientRequest = format!("ws://{addr}/other").parse().expect("a URI");
        let stream = TcpStream::connect(addr).await.expect("a connection");
        match WebSocket::client(stream, request).await {
            Err(Error::Handshake(HandshakeError::Refused(refusal))) => assert_eq!(refusal.status(), 404),
            other => panic!("{other:?}"),
        }
        let upgrade = Draft::upgrade().target("/ws");
        for (draft, status) in [
            (upgrade.clone().with("Sec-WebSocket-Version", "8"), 426),
            (upgrade.with("Sec-WebSocket-Key", "short"), 400),
            (
                Draft::upgrade()
                    .target("/")
                    .without("Upgrade")
                    .with("Connection", "close"),
                200,
            ),
        ] {
            let mut stream = TcpStream::connect(addr).await.expect("a connection");
            stream.write_all(&draft.bytes()).await.expect("written");
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.expect("read to the end");
            assert_eq!(parts_of(&received).0, status, "{draft:?}");
        }
    });
}
