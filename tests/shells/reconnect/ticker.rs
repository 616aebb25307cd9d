//! The ported client of the guide: the feed of the example `ticker`, through lost and closed connections.

#[path = "../../../examples/support/feed.rs"]
mod feed;

use std::time::Duration;

use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use websocket_proto::{
    CloseCode, Config, Error, Message,
    handshake::{ClientRequest, Rejection},
    reconnect::Policy,
    tokio::WebSocket,
};

async fn accept(listener: &TcpListener) -> WebSocket<TcpStream> {
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut websocket = WebSocket::accept(stream).await.expect("an upgrade request");
    let subscription = websocket.recv().await.expect("a subscription");
    assert_eq!(subscription, Some(Message::text(r#"{"subscribe":["A","B"]}"#)));
    websocket
}

/// A feed that loses one connection, closes another, and refuses the third.
async fn serve(listener: TcpListener) {
    let mut lost = accept(&listener).await;
    lost.send(r#"{"symbol":"A","price":1.5}"#).await.expect("a price");
    drop(lost);

    let mut closed = accept(&listener).await;
    closed.send(r#"{"heartbeat":7}"#).await.expect("a heartbeat");
    closed.send("no JSON").await.expect("a message");
    let lines = "{\"symbol\":\"A\",\"price\":2}\n{\"symbol\":\"B\",\"price\":0.25}\n";
    closed.send(lines).await.expect("two prices");
    closed.close(CloseCode::NORMAL).await.expect("the client answers");

    let (stream, _) = listener.accept().await.expect("a connection");
    let refused = WebSocket::accept_with(stream, &Config::new(), async |_| Err(Rejection::new(401))).await;
    assert!(matches!(refused, Err(Error::Rejected(401))), "{refused:?}");
}

#[tokio::test]
async fn the_ported_client_subscribes_again_until_it_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let server = tokio::spawn(serve(listener));
    let request: ClientRequest = format!("ws://{addr}/prices").parse().expect("a URI");
    let policy = Policy::new()
        .first_delay(Duration::ZERO)
        .base_delay(Duration::from_millis(1));
    let mut prices = Vec::new();
    let symbols = ["A".into(), "B".into()];
    let following = feed::follow(&request, &symbols, policy, |symbol, price| {
        prices.push((symbol.to_owned(), price));
    });
    let gave_up = timeout(Duration::from_secs(20), following)
        .await
        .expect("an end")
        .expect_err("a refusal is final");
    assert_eq!(gave_up.attempts(), 3);
    server.await.expect("the server saw the expected clients");
    assert_eq!(
        prices,
        [("A".to_owned(), 1.5), ("A".to_owned(), 2.0), ("B".to_owned(), 0.25)]
    );
}
