//! What is decided about an upgrade request, and what is left of the request afterwards.

use std::{cell::Cell, future::Future, rc::Rc, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use websocket_proto::{
    CloseCode, Config, Error, futures,
    handshake::{Accept, AcceptError, HandshakeError, RejectError, Rejection, UpgradeRequest},
    tokio::{Acceptor, Connector, WebSocket},
};

const REQUEST: &[u8] = b"GET /chat?room=b%C3%A4r HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Cookie: user=ann; theme=dark\r\n\r\n";

/// A database, as far as the runtime sees it.
async fn role_of(user: &str) -> Option<String> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    (user == "ann").then(|| "admin".to_owned())
}

fn user_of(request: &UpgradeRequest) -> Option<&str> {
    let (_, user) = request.cookies().find(|(name, _)| *name == "user")?;
    Some(user)
}

/// A decision that is a function.
async fn only_known(request: &UpgradeRequest) -> Result<Accept, Rejection> {
    let user = user_of(request).ok_or(Rejection::new(401))?;
    match role_of(user).await {
        Some(role) => Ok(Accept::new().header("X-Role", role)),
        None => Err(Rejection::new(403)),
    }
}

/// The status line of the response, and the connection's outcome.
async fn opened<W>(
    request: &[u8],
    open: impl AsyncFnOnce(tokio::io::DuplexStream) -> Result<W, Error>,
) -> (String, Result<W, Error>) {
    let (mut near, far) = duplex(64 << 10);
    near.write_all(request).await.unwrap();
    let peer = async move {
        let mut response = vec![0; 1000];
        let n = near.read(&mut response).await.unwrap();
        let text = String::from_utf8_lossy(&response[..n]).into_owned();
        (text, near)
    };
    let ((response, _near), outcome) = tokio::join!(peer, open(far));
    (response, outcome)
}

#[tokio::test(start_paused = true)]
async fn the_request_comes_with_the_connection() {
    let (response, outcome) = opened(REQUEST, async |far| {
        WebSocket::accept_with(far, &Config::new(), only_known).await
    })
    .await;
    let (_websocket, request) = outcome.unwrap();
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    assert!(response.contains("X-Role: admin\r\n"), "{response}");
    assert_eq!((request.path(), user_of(&request)), ("/chat", Some("ann")));
    assert!(request.query_pairs().eq([("room".into(), "b\u{e4}r".into())]));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_and_an_invalid_decision() {
    let stranger = String::from_utf8_lossy(REQUEST).replace("user=ann", "user=eve");
    let (response, outcome) = opened(stranger.as_bytes(), async |far| {
        WebSocket::accept_with(far, &Config::new(), only_known).await
    })
    .await;
    assert!(matches!(outcome, Err(Error::Rejected(403))), "{outcome:?}");
    assert!(response.starts_with("HTTP/1.1 403 "), "{response}");

    let (response, outcome) = opened(REQUEST, async |far| {
        WebSocket::accept_with(far, &Config::new(), async |_| Ok(Accept::new().subprotocol("x"))).await
    })
    .await;
    assert!(matches!(outcome, Err(Error::Accept(error)) if *error == AcceptError::UnofferedSubprotocol));
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");

    let (response, outcome) = opened(REQUEST, async |far| {
        WebSocket::accept_with(far, &Config::new(), async |_| Err(Rejection::new(101))).await
    })
    .await;
    assert!(matches!(outcome, Err(Error::Reject(error)) if *error == RejectError::Status));
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");

    let (response, outcome) = opened(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", async |far| {
        WebSocket::accept_with(far, &Config::new(), async |_| panic!("there is nothing to decide")).await
    })
    .await;
    assert!(matches!(outcome, Err(Error::Handshake(HandshakeError::Method))));
    assert!(response.starts_with("HTTP/1.1 405 "), "{response}");
}

/// The future goes to another thread if all in it can, and needs nothing that the caller lends: neither the configuration nor
/// what the decision borrows from the request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_future_can_be_spawned() {
    let known = std::sync::Arc::new(std::sync::Mutex::new(vec!["ann".to_owned()]));
    let (near, far) = duplex(64 << 10);
    let seen = known.clone();
    let opening = {
        let config = Config::new();
        WebSocket::accept_with(far, &config, async move |request| {
            let user = user_of(request).ok_or(Rejection::new(401))?;
            if role_of(user).await.is_none() {
                return Err(Rejection::new(403));
            }
            seen.lock().unwrap().push(user.to_owned());
            Ok(Accept::new())
        })
    };
    let server = tokio::spawn(async move {
        let (mut websocket, request) = opening.await?;
        websocket.send(user_of(&request).unwrap()).await?;
        websocket.close(CloseCode::NORMAL).await
    });
    let request = "ws://localhost/".parse::<websocket_proto::handshake::ClientRequest>();
    let request = request.unwrap().header("Cookie", "user=ann");
    let opening = {
        let config = Config::new();
        WebSocket::client_with(near, request, &config)
    };
    let (mut client, response) = tokio::spawn(opening).await.unwrap().unwrap();
    assert_eq!(response.headers().get("Upgrade"), Some("websocket"));
    assert_eq!(client.recv().await.unwrap().unwrap().as_text(), Some("ann"));
    assert!(client.recv().await.unwrap().is_none());
    server.await.unwrap().unwrap();
    assert_eq!(*known.lock().unwrap(), ["ann", "ann"]);
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn futures_are_send_where_their_parts_are() {
    let config = Config::new();
    drop(assert_send(WebSocket::accept(tokio::io::empty())));
    drop(assert_send(WebSocket::accept_with(
        tokio::io::empty(),
        &config,
        only_known,
    )));
    let borrowed = String::from("lent");
    drop(assert_send(WebSocket::accept_with(
        tokio::io::empty(),
        &config,
        async |request| {
            let length = borrowed.len() + request.path().len();
            only_known(request)
                .await
                .map(|accept| accept.header("X", length.to_string()))
        },
    )));
    drop(assert_send(futures::WebSocket::accept_with(
        smol::io::Cursor::new(Vec::new()),
        &config,
        only_known,
    )));
}

/// What cannot go to another thread is not forced to.
#[tokio::test(start_paused = true)]
async fn a_decision_need_not_be_send() {
    let count = Rc::new(Cell::new(0));
    let (_, outcome) = opened(REQUEST, async |far| {
        let decide = async |request: &UpgradeRequest| {
            let accept = only_known(request).await;
            count.set(count.get() + 1);
            accept
        };
        WebSocket::accept_with(far, &Config::new(), decide).await
    })
    .await;
    assert!(outcome.is_ok());
    assert_eq!(count.get(), 1);
}

/// The time of the handshake is the client's: what the server decides may take longer, and the connection then works.
#[tokio::test(start_paused = true)]
async fn a_decision_may_take_its_time() {
    let (response, outcome) = opened(REQUEST, async |far| {
        WebSocket::accept_with(far, &Config::new(), async |_| {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(Accept::new())
        })
        .await
    })
    .await;
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    assert!(outcome.is_ok());
}

/// Dropped while it is decided, both the connection and the decision are gone.
#[tokio::test(start_paused = true)]
async fn a_dropped_decision_drops_the_connection() {
    let (mut near, far) = duplex(64 << 10);
    near.write_all(REQUEST).await.unwrap();
    let witness = Rc::new(());
    let held = Rc::clone(&witness);
    let opening = WebSocket::accept_with(far, &Config::new(), async move |_| {
        let _held = held;
        std::future::pending().await
    });
    assert!(tokio::time::timeout(Duration::from_secs(1), opening).await.is_err());
    assert_eq!(Rc::strong_count(&witness), 1);
    let mut response = Vec::new();
    near.read_to_end(&mut response).await.unwrap();
    assert!(response.is_empty(), "nothing was decided");
}

/// Step by step, with no transport in sight.
#[tokio::test(start_paused = true)]
async fn step_by_step() {
    let (near, far) = duplex(64 << 10);
    let server = async {
        let mut acceptor = Acceptor::new(far, &Config::new());
        let request = acceptor.recv_request().await?;
        let accept = only_known(&request).await.unwrap_or_default();
        acceptor.accept(&request, accept).await
    };
    let client = async {
        let request = "ws://localhost/".parse::<websocket_proto::handshake::ClientRequest>()?;
        let mut connector = Connector::new(near, request.header("Cookie", "user=ann"), &Config::new())?;
        let response = connector.recv_response().await?;
        assert_eq!(response.headers().get("x-role"), Some("admin"));
        Ok::<_, Error>(connector.open(response))
    };
    let (server, client) = tokio::join!(server, client);
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    client.send("hello").await.unwrap();
    assert_eq!(server.recv().await.unwrap().unwrap().as_text(), Some("hello"));
    assert_eq!(size_of_val(server.stream()), size_of::<tokio::io::DuplexStream>());
}

/// A generic server, as applications write it: the stream is known to be one of tokio, and nothing else of it.
#[test]
fn constructors_work_with_any_stream() {
    async fn generic<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: S) -> Result<usize, Error> {
        let mut websocket = WebSocket::accept(stream).await?;
        Ok(websocket.recv().await?.map_or(0, |message| message.len()))
    }
    fn boxed(stream: Box<dyn Stream>) -> impl Future<Output = Result<usize, Error>> {
        generic(stream)
    }
    trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {}
    impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Stream for S {}
    drop(boxed(Box::new(tokio::io::empty())));
}
