//! Connections through a router of axum, with the extractor of the examples.

#[path = "../../../examples/support/axum.rs"]
pub(crate) mod upgrade;

use std::net::SocketAddr;

use ::tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use axum::{
    Router,
    response::Response,
    routing::{any, get},
};
use websocket_proto::{
    CloseCode, Config, Error,
    handshake::{Accept, ClientRequest, HandshakeError, Rejection},
    tokio,
};

use self::upgrade::{Upgrade, WebSocket};
use crate::support::{Draft, parts_of, run};

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let router = Router::new()
        .route("/", get(async || "a page"))
        .route("/ws", any(echo))
        .route("/private", any(private));
    ::tokio::spawn(axum::serve(listener, router).into_future());
    addr
}

async fn echo(upgrade: Upgrade) -> Response {
    upgrade.on_upgrade(Config::new(), Ok(Accept::new()), async |mut websocket: WebSocket| {
        while let Some((message, outbound)) = websocket.recv_split().await? {
            outbound.feed(message)?;
        }
        Ok(())
    })
}

/// Sends users their names, and rejects everybody else.
async fn private(upgrade: Upgrade) -> Response {
    let user = upgrade.request.cookies().find(|(name, _)| *name == "user");
    let user = user.map(|(_, user)| user.to_owned());
    let decision = match &user {
        Some(user) if user == "eve" => Err(Rejection::new(403).body("Not you.")),
        // An answer that cannot be sent, neither as an acceptance nor as a rejection.
        Some(user) if user == "fault" => Ok(Accept::new().subprotocol("not offered")),
        Some(user) if user == "failure" => Err(Rejection::new(101)),
        Some(_) => Ok(Accept::new()),
        None => Err(Rejection::new(401).header("WWW-Authenticate", "Basic")),
    };
    upgrade.on_upgrade(Config::new(), decision, async |mut websocket: WebSocket| {
        websocket.send(user.unwrap_or_default()).await?;
        websocket.close(CloseCode::NORMAL).await
    })
}

/// HS-S-42: an axum handler upgrades and echoes.
#[test]
fn messages_are_echoed() {
    run(async {
        let addr = serve().await;
        let request: ClientRequest = format!("ws://{addr}/ws").parse().expect("a URI");
        let stream = TcpStream::connect(addr).await.expect("a connection");
        let mut websocket = tokio::WebSocket::client(stream, request).await.expect("a connection");
        websocket.send("hello").await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert_eq!(message.as_text(), Some("hello"));
        websocket.send(&[0_u8, 1, 2][..]).await.expect("sent");
        let message = websocket.recv().await.expect("received").expect("a message");
        assert_eq!(message.as_bytes(), [0, 1, 2]);
        websocket.close(CloseCode::NORMAL).await.expect("closed");
    });
}

/// HS-S-04, HS-S-21, HS-C-21: other routes and refusals get ordinary responses.
#[test]
fn refused() {
    run(async {
        let addr = serve().await;
        let request: ClientRequest = format!("ws://{addr}/other").parse().expect("a URI");
        let stream = TcpStream::connect(addr).await.expect("a connection");
        match tokio::WebSocket::client(stream, request).await {
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

/// HS-S-44, HS-S-54: a handler decides by the contents of the request, and an invalid answer becomes a 500.
#[test]
fn decisions() {
    run(async {
        let addr = serve().await;
        let open = async |cookie: Option<&str>| {
            let mut request: ClientRequest = format!("ws://{addr}/private").parse().expect("a URI");
            if let Some(cookie) = cookie {
                request = request.header("Cookie", cookie);
            }
            let stream = TcpStream::connect(addr).await.expect("a connection");
            tokio::WebSocket::client(stream, request).await
        };
        let mut websocket = open(Some("theme=dark; user=ann")).await.expect("a connection");
        let name = websocket.recv().await.expect("received").expect("a message");
        assert_eq!(name.as_text(), Some("ann"));
        assert!(websocket.recv().await.expect("closed").is_none());
        for (cookie, status, body) in [
            (None, 401, ""),
            (Some("user=eve"), 403, "Not you."),
            (Some("user=fault"), 500, ""),
            (Some("user=failure"), 500, ""),
        ] {
            match open(cookie).await {
                Err(Error::Handshake(HandshakeError::Refused(refusal))) => {
                    assert_eq!(
                        (refusal.status(), refusal.body()),
                        (status, body.as_bytes()),
                        "{cookie:?}"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    });
}
