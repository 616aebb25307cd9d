//! axum's own WebSockets next to this crate's. The guide's page on HTTP servers shows both handlers.

use std::net::SocketAddr;

use ::tokio::net::{TcpListener, TcpStream};
use websocket_proto::{
    CloseCode, Config, Error, Message,
    handshake::{ClientRequest, HandshakeError},
    tokio,
};

use crate::{h2_stream::H2Stream, over_h2, support::run};

/// axum's own, with axum's feature `ws`.
mod theirs {
    use axum::{
        extract::ws::{Message, WebSocket, WebSocketUpgrade},
        response::Response,
    };

    pub(super) async fn chat(upgrade: WebSocketUpgrade) -> Response {
        upgrade.max_message_size(1 << 20).protocols(["chat"]).on_upgrade(serve)
    }

    async fn serve(mut websocket: WebSocket) {
        while let Some(Ok(message)) = websocket.recv().await {
            // The answer to a Ping or a Close is sent by the next call of `recv`.
            let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
            if is_data && websocket.send(message).await.is_err() {
                return;
            }
        }
    }
}

/// This crate's.
mod ours {
    use axum::response::Response;
    use websocket_proto::{
        Config, Error, Limits,
        handshake::{Accept, OriginPolicy, Rejection},
    };

    use crate::axum_server::upgrade::{Upgrade, WebSocket};

    pub(super) async fn chat(upgrade: Upgrade) -> Response {
        let config = Config::new().limits(Limits::new().max_message_size(1 << 20));
        let request = &upgrade.request;
        let decision = match request.check_origin(&OriginPolicy::same_origin()) {
            Err(_) => Err(Rejection::new(403)),
            Ok(()) => Ok(match request.select_subprotocol(&["chat"]) {
                Some(subprotocol) => Accept::new().subprotocol(subprotocol),
                None => Accept::new(),
            }),
        };
        upgrade.on_upgrade(config, decision, serve)
    }

    async fn serve(mut websocket: WebSocket) -> Result<(), Error> {
        while let Some((message, outbound)) = websocket.recv_split().await? {
            outbound.feed(message)?;
        }
        Ok(())
    }
}

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let router = axum::Router::new()
        .route("/theirs", axum::routing::any(theirs::chat))
        .route("/ours", axum::routing::any(ours::chat));
    ::tokio::spawn(axum::serve(listener, router).into_future());
    addr
}

async fn open(addr: SocketAddr, path: &str, origin: &str) -> Result<tokio::WebSocket<TcpStream>, Error> {
    let request: ClientRequest = format!("ws://{addr}/{path}").parse()?;
    let request = request.subprotocol("chat").origin(origin);
    tokio::WebSocket::client(TcpStream::connect(addr).await?, request).await
}

/// HS-S-42: clients see no difference between the two handlers.
#[test]
fn both_handlers_echo() {
    run(async {
        let addr = serve().await;
        for path in ["theirs", "ours"] {
            let mut websocket = open(addr, path, &format!("http://{addr}")).await.expect(path);
            assert_eq!(websocket.subprotocol(), Some("chat"), "{path}");
            for message in [Message::from("hello"), Message::from(vec![0_u8; 100_000])] {
                websocket.send(message.clone()).await.expect(path);
                assert_eq!(websocket.recv().await.expect(path), Some(message), "{path}");
            }
            websocket.close(CloseCode::NORMAL).await.expect(path);
            assert!(websocket.close_info().is_some_and(|closure| closure.clean), "{path}");
        }
    });
}

/// HS-S-30: what the page states about origins.
#[test]
fn only_one_checks_the_origin() {
    run(async {
        let addr = serve().await;
        open(addr, "theirs", "https://evil.example").await.expect("not checked");
        match open(addr, "ours", "https://evil.example").await {
            Err(Error::Handshake(HandshakeError::Refused(refusal))) => assert_eq!(refusal.status(), 403),
            other => panic!("{other:?}"),
        }
    });
}

/// H2-02: over HTTP/2, too, both handlers accept an extended CONNECT.
#[test]
fn both_handlers_echo_over_http2() {
    run(async {
        let addr = serve().await;
        let mut client = over_h2::client(TcpStream::connect(addr).await.expect("a connection")).await;
        over_h2::until_enabled(&client).await;
        for path in ["theirs", "ours"] {
            let (request, handshake) = over_h2::request(&format!("ws://{addr}/{path}"));
            let (response, stream) = over_h2::send(&mut client, request, "websocket").await.expect(path);
            let negotiated = handshake.receive(&response).expect(path).into_negotiated();
            assert_eq!(negotiated.subprotocol(), Some("chat"), "{path}");
            let stream = H2Stream::new(stream, response.into_body());
            let mut websocket = tokio::WebSocket::from_negotiated(stream, &negotiated, &Config::new());
            websocket.send("hello").await.expect(path);
            assert_eq!(websocket.recv().await.expect(path), Some(Message::from("hello")));
            websocket.close(CloseCode::NORMAL).await.expect(path);
        }
    });
}
