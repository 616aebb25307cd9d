//! The halves of a connection in tasks of a runtime.

use std::time::Duration;

use futures_util::future::join;
use tokio::{io::DuplexStream, time::timeout};
use websocket_proto::{
    CloseCode, Config, Error, Limits, Message, Negotiated, ProtocolError, Role, Timer, Timers, tokio::WebSocket,
};

use crate::support::narrow;

/// Either half goes on alone; the stream is dropped with the second.
#[tokio::test]
async fn halves_go_on_alone() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let mut peer = client(ours);
    let (send, mut recv) = on_server(theirs, &Config::new()).split();
    drop(send);
    peer.send("to the receiver").await.unwrap();
    assert_eq!(recv.recv().await.unwrap().unwrap().as_text(), Some("to the receiver"));
    drop(recv);
    assert!(peer.recv().await.is_err(), "the stream has ended");

    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let mut peer = client(ours);
    let (mut send, recv) = on_server(theirs, &Config::new()).split();
    drop(recv);
    send.send("from the sender").await.unwrap();
    assert_eq!(peer.recv().await.unwrap().unwrap().as_text(), Some("from the sender"));
}

fn client(stream: DuplexStream) -> WebSocket<DuplexStream> {
    WebSocket::from_negotiated(stream, &Negotiated::new(Role::Client), &Config::new())
}

fn on_server(stream: DuplexStream, config: &Config) -> WebSocket<DuplexStream> {
    WebSocket::from_negotiated(stream, &Negotiated::new(Role::Server), config)
}

/// Full duplex over a narrow stream, so that both sides wait for each other all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tasks_each_full_duplex() {
    const MESSAGES: u32 = 2_000;
    let (ours, theirs) = tokio::io::duplex(300);
    let (mut senders, mut receivers) = (vec![], vec![]);
    for side in [client(ours), on_server(theirs, &narrow())] {
        let (mut send, mut recv) = side.split();
        senders.push(tokio::spawn(async move {
            for n in 0..MESSAGES {
                let payload: Vec<u8> = n.to_be_bytes().repeat(1 + n as usize % 50);
                send.send(payload).await.unwrap();
                if n % 100 == 0 {
                    send.ping(b"and a ping").await.unwrap();
                }
            }
            send
        }));
        receivers.push(tokio::spawn(async move {
            for n in 0..MESSAGES {
                let message = recv.recv().await.unwrap().unwrap();
                assert_eq!(message.as_bytes(), n.to_be_bytes().repeat(1 + n as usize % 50));
            }
            recv
        }));
    }
    let mut sides = vec![];
    for (sender, receiver) in senders.into_iter().zip(receivers) {
        let both = async { sender.await.unwrap().reunite(receiver.await.unwrap()).unwrap() };
        sides.push(timeout(Duration::from_secs(20), both).await.expect("no hang"));
    }
    let (server, client) = (sides.pop().unwrap(), sides.pop().unwrap());
    let closed = timeout(Duration::from_secs(20), join(close_it(client), close_it(server)));
    assert!(matches!(closed.await.expect("no hang"), (Ok(()), Ok(()))));
}

/// Between the moment that there is room and the message that takes it, Pongs of the other half may fill the queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pongs_take_no_room_from_messages() {
    const MESSAGES: u32 = 300_000;
    let (ours, theirs) = tokio::io::duplex(1 << 12);
    let (mut send, mut recv) = on_server(theirs, &Config::new().limits(Limits::new().output_high_water(1))).split();
    let (mut pings, mut messages) = client(ours).split();
    let answering = tokio::spawn(async move { recv.recv().await.map(|message| message.is_none()) });
    let pinging = tokio::spawn(async move { while pings.ping(b"a ping").await.is_ok() {} });
    let reading = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            messages.recv().await.unwrap().unwrap();
        }
    });
    let sending = async {
        for n in 0..MESSAGES {
            send.feed(&n.to_be_bytes()[..]).await.unwrap();
        }
        send.flush().await.unwrap();
    };
    timeout(Duration::from_secs(60), sending).await.expect("no hang");
    timeout(Duration::from_secs(60), reading)
        .await
        .expect("no hang")
        .unwrap();
    pinging.abort();
    answering.abort();
}

async fn close_it(mut websocket: WebSocket<DuplexStream>) -> Result<(), Error> {
    websocket.close(CloseCode::NORMAL).await
}

/// A sender that a full peer blocks goes on when the peer reads.
#[tokio::test]
async fn a_blocked_sender_resumes() {
    let (ours, theirs) = tokio::io::duplex(64);
    let mut peer = client(ours);
    let (mut send, mut recv) = on_server(theirs, &Config::new()).split();
    let sender = tokio::spawn(async move { send.send(Message::binary(vec![1; 100_000])).await });
    let receiver = tokio::spawn(async move { recv.recv().await });
    tokio::task::yield_now().await;
    assert!(!sender.is_finished());
    let message = timeout(Duration::from_secs(10), peer.recv())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(message.len(), 100_000);
    sender.await.unwrap().unwrap();
    peer.close(CloseCode::NORMAL).await.unwrap();
    assert!(receiver.await.unwrap().unwrap().is_none());
}

/// SEC-11: deadlines that the sending half gives cause for fire through the receiving half.
#[tokio::test(start_paused = true)]
async fn deadlines_of_the_sender_fire_through_the_receiver() {
    // The peer takes nothing.
    let (ours, theirs) = tokio::io::duplex(64);
    let config = Config::new().timers(Timers::new().write(Duration::from_secs(7)));
    let (mut send, mut recv) = on_server(theirs, &config).split();
    let receiver = tokio::spawn(async move { recv.recv().await });
    tokio::task::yield_now().await;
    let start = tokio::time::Instant::now();
    let error = send.send(vec![0; 1000]).await.unwrap_err();
    assert!(
        matches!(error, Error::Protocol(ProtocolError::TimedOut(Timer::Write))),
        "{error:?}"
    );
    assert_eq!(start.elapsed().as_secs(), 7);
    let error = receiver.await.unwrap().unwrap_err();
    assert!(
        matches!(error, Error::Protocol(ProtocolError::TimedOut(Timer::Write))),
        "{error:?}"
    );
    drop(ours);

    // The peer does not answer the Close.
    let (ours, theirs) = tokio::io::duplex(64);
    let (mut send, mut recv) = on_server(theirs, &Config::new()).split();
    let receiver = tokio::spawn(async move { recv.recv().await });
    tokio::task::yield_now().await;
    let start = tokio::time::Instant::now();
    send.close(CloseCode::NORMAL).await.unwrap();
    let error = receiver.await.unwrap().unwrap_err();
    assert!(
        matches!(error, Error::Protocol(ProtocolError::TimedOut(Timer::Close))),
        "{error:?}"
    );
    assert_eq!(start.elapsed().as_secs(), 5);
    drop(ours);
}
