//! A chat room in axum, with axum's own WebSockets and with this crate. The guide's page on ported programs shows both.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use websocket_proto::{
    CloseCode, Error, Message,
    handshake::{ClientRequest, HandshakeError},
    tokio::{Broadcast, WebSocket},
};

use crate::support::run;

/// With axum's feature `ws`.
mod before {
    use axum::{
        extract::{
            State,
            ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
        },
        response::Response,
    };
    use futures_util::{SinkExt, StreamExt};
    use tokio::sync::broadcast::{Sender, error::RecvError};

    pub(super) async fn chat(State(room): State<Sender<Utf8Bytes>>, upgrade: WebSocketUpgrade) -> Response {
        upgrade
            .max_message_size(4096)
            .on_upgrade(|websocket| talk(websocket, room))
    }

    async fn talk(websocket: WebSocket, room: Sender<Utf8Bytes>) {
        let mut messages = room.subscribe();
        let (mut sink, mut stream) = websocket.split();
        let mut writer = tokio::spawn(async move {
            loop {
                match messages.recv().await {
                    Ok(text) => {
                        if sink.send(Message::Text(text)).await.is_err() {
                            return;
                        }
                    }
                    // This member reads slowly. A stalled write never gets here.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        let reader = async {
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Text(text) = message {
                    let _ = room.send(text);
                }
            }
        };
        tokio::select! {
            _ = &mut writer => {}
            () = reader => {}
        }
        writer.abort();
    }
}

/// With this crate.
mod after {
    use axum::{extract::State, response::Response};
    use websocket_proto::{
        Config, Error, Limits, PreparedMessage,
        handshake::{Accept, OriginPolicy, Rejection},
        tokio::{Broadcast, WhenSlow},
    };

    use crate::axum_server::upgrade::{Upgrade, WebSocket};

    pub(super) async fn chat(State(room): State<Broadcast>, upgrade: Upgrade) -> Response {
        let config = Config::new().limits(Limits::new().max_message_size(4096));
        let decision = match upgrade.request.check_origin(&OriginPolicy::same_origin()) {
            Ok(()) => Ok(Accept::new()),
            Err(_) => Err(Rejection::new(403)),
        };
        upgrade.on_upgrade(config, decision, |websocket| talk(websocket, room))
    }

    async fn talk(websocket: WebSocket, room: Broadcast) -> Result<(), Error> {
        let mut messages = room.subscribe(64, WhenSlow::Disconnect);
        let (mut send, mut recv) = websocket.split();
        let reader = async {
            while let Some(message) = recv.recv_ref().await? {
                if let Some(text) = message.as_text() {
                    room.send(&PreparedMessage::text(text)).await;
                }
            }
            Ok(())
        };
        let ended = tokio::select! {
            ended = messages.forward(&mut send) => ended?,
            ended = reader => return ended,
        };
        // This member is too slow, or the room has closed.
        send.feed_close(ended.close_code())?;
        while recv.recv().await?.is_some() {}
        Ok(())
    }
}

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let before = axum::Router::new()
        .route("/before", axum::routing::any(before::chat))
        .with_state(tokio::sync::broadcast::Sender::new(64));
    let after = axum::Router::new()
        .route("/after", axum::routing::any(after::chat))
        .with_state(Broadcast::new());
    tokio::spawn(axum::serve(listener, before.merge(after)).into_future());
    addr
}

async fn open(addr: SocketAddr, path: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(addr).await.expect("a server");
    let request = format!("ws://{addr}/{path}").parse().expect("a URI");
    WebSocket::client(stream, request).await.expect(path)
}

/// Sends a text, which every member receives, including the sender; so its arrival shows that the member is in the room.
async fn say(member: &mut WebSocket<TcpStream>, text: &str) {
    member.send(text).await.expect(text);
    hear(member, text).await;
}

async fn hear(member: &mut WebSocket<TcpStream>, text: &str) {
    assert_eq!(member.recv().await.expect(text), Some(Message::text(text)));
}

#[test]
fn both_rooms_pass_on_messages() {
    run(async {
        let addr = serve().await;
        for path in ["before", "after"] {
            let mut ann = open(addr, path).await;
            say(&mut ann, "I am Ann").await;
            let mut bob = open(addr, path).await;
            say(&mut bob, "I am Bob").await;
            hear(&mut ann, "I am Bob").await;
            ann.close(CloseCode::NORMAL).await.expect(path);
            say(&mut bob, "Where is Ann?").await;
            // A message beyond the limit ends the member's connection, but not the room.
            let mut eve = open(addr, path).await;
            eve.send("x".repeat(5000)).await.expect(path);
            while let Ok(Some(_)) = eve.recv().await {}
            say(&mut bob, "Who was that?").await;
            bob.close(CloseCode::NORMAL).await.expect(path);
        }
    });
}

#[test]
fn the_ported_room_refuses_foreign_pages() {
    run(async {
        let addr = serve().await;
        let stream = TcpStream::connect(addr).await.expect("a server");
        let request: ClientRequest = format!("ws://{addr}/after").parse().expect("a URI");
        let refused = WebSocket::client(stream, request.origin("https://evil.example")).await;
        match refused {
            Err(Error::Handshake(HandshakeError::Refused(refusal))) => assert_eq!(refusal.status(), 403),
            other => panic!("{other:?}"),
        }
    });
}
