//! The loops of the guide, which follow the rules of `reconnect` without the tokio client.

use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use websocket_proto::{
    CloseCode, Config, Message, Time,
    handshake::{Accept, Rejection},
    reconnect::{Backoff, GiveUp, Policy, Verdict},
    tokio::WebSocket,
};

async fn follow(uri: &str, policy: Policy, mut on_message: impl FnMut(Message<'static>)) -> Result<(), GiveUp> {
    let (mut backoff, origin) = (Backoff::new(policy), Instant::now());
    let now = || Time::from_origin(origin.elapsed());
    loop {
        let verdict = match websocket_proto::futures::connect(uri).await {
            Ok(mut websocket) => {
                backoff.connected(now());
                while let Ok(Some(message)) = websocket.recv().await {
                    on_message(message);
                }
                Verdict::from(websocket.close_info())
            }
            Err(error) => {
                eprintln!("cannot connect: {error}");
                Verdict::from(&error)
            }
        };
        match backoff.next_delay(now(), verdict)? {
            Some(delay) => drop(smol::Timer::after(delay).await),
            None => return Ok(()),
        }
    }
}

/// A server that refuses, loses a connection, goes away, and closes the last connection for good.
async fn serve(stream: TcpStream, number: usize) {
    let decide = async |_: &_| match number {
        0 => Err(Rejection::new(503)),
        1 => Err(Rejection::new(404)),
        _ => Ok(Accept::new()),
    };
    let Ok((mut websocket, _)) = WebSocket::accept_with(stream, &Config::new(), decide).await else {
        return;
    };
    websocket.send(number.to_string()).await.expect("it is open");
    match number {
        2 => {}
        3 => websocket.close(CloseCode::GOING_AWAY).await.expect("a clean close"),
        _ => websocket.close(CloseCode::NORMAL).await.expect("a clean close"),
    }
}

#[tokio::test]
async fn the_loop_follows_the_server_to_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri = format!("ws://{}/", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        for number in 0..5 {
            let (stream, _) = listener.accept().await.expect("a connection");
            serve(stream, number).await;
        }
    });
    let policy = Policy::new()
        .first_delay(Duration::ZERO)
        .max_delay(Duration::from_millis(5));
    let mut texts = Vec::new();
    let followed = follow(&uri, policy, |message| {
        texts.extend(message.as_text().map(str::to_owned))
    });
    let outcome = tokio::time::timeout(Duration::from_secs(20), followed).await;
    assert_eq!(outcome, Ok(Ok(())));
    assert_eq!(texts, ["2", "3", "4"]);
    server.await.expect("the server saw the expected clients");
}

#[tokio::test]
async fn the_loop_gives_up() {
    assert_eq!(follow("no URI", Policy::new(), |_| {}).await, Err(GiveUp::Fatal));
    let policy = Policy::new().first_delay(Duration::ZERO).max_retries(1);
    assert_eq!(follow("ws://127.0.0.1:1/", policy, |_| {}).await, Err(GiveUp::Retries));
}
