//! The two halves of a connection, and a whole one as a stream and a sink, in tasks of their own.

use std::{io::Write, thread};

use futures_util::{FutureExt, SinkExt, StreamExt, future::LocalBoxFuture};
use websocket_proto::{CloseCode, Config, Error, Limits, Message, Role};

use crate::{
    shell::Shell,
    support::{echo, ended, millis, open, pair, read_all, server, sleep, sockets, tasks},
    wire::{BINARY, FIN, TEXT, close, frames, masked},
};

fn narrow() -> Config {
    Config::new().limits(Limits::new().output_high_water(1000))
}

fn payload(n: u32) -> Vec<u8> {
    n.to_be_bytes().repeat(1 + n as usize % 700)
}

/// Both ends send and receive in four tasks, and find together again.
pub(crate) async fn full_duplex<S: Shell>() {
    const MESSAGES: u32 = 3000;
    let (client, server) = pair::<S>(&narrow());
    let mut all: Vec<LocalBoxFuture<'_, ()>> = Vec::new();
    let mut halves = Vec::new();
    for side in [client, server] {
        let (mut send, mut recv) = side.split();
        let (mut sent, mut received) = (None, None);
        halves.push(async move {
            let sending = async {
                for n in 0..MESSAGES {
                    send.send(payload(n)).await.unwrap();
                    if n % 100 == 0 {
                        send.ping(b"and a ping").await.unwrap();
                    }
                }
                sent = Some(send);
            };
            let receiving = async {
                for n in 0..MESSAGES {
                    let message = recv.recv().await.unwrap().unwrap();
                    assert!(message.as_bytes() == payload(n), "message {n}");
                }
                received = Some(recv);
            };
            tasks([sending.boxed_local(), receiving.boxed_local()]).await;
            let mut whole = sent.unwrap().reunite(received.unwrap()).unwrap();
            whole.close(CloseCode::NORMAL).await.unwrap();
            assert!(whole.close_info().unwrap().clean);
        });
    }
    all.extend(halves.into_iter().map(FutureExt::boxed_local));
    tasks(all).await;
}

/// A sender that waits for the peer to read does not hold up the receiver.
pub(crate) async fn a_waiting_sender<S: Shell>() {
    const LEN: usize = 24 << 20;
    let (websocket, mut peer) = server::<S>(&Config::new());
    let (mut send, mut recv) = websocket.split();
    let (heard, taking) = std::sync::mpsc::channel();
    let peer = thread::spawn(move || {
        for n in 0..100 {
            peer.write_all(&masked(FIN | TEXT, format!("{n}").as_bytes())).unwrap();
        }
        // Nothing is taken before all that was received.
        taking.recv().unwrap();
        peer.write_all(&close(1000)).unwrap();
        read_all(&peer)
    });
    let sending = async move {
        send.send(vec![3; LEN]).await.unwrap();
    };
    let receiving = async move {
        for n in 0..100 {
            assert_eq!(recv.recv().await.unwrap().unwrap().as_text(), Some(&*n.to_string()));
        }
        heard.send(()).unwrap();
        assert_eq!(recv.recv().await.unwrap(), None);
    };
    tasks([sending.boxed_local(), receiving.boxed_local()]).await;
    let frames = frames(&ended::<S, _>(peer).await);
    assert_eq!((frames[0].0, frames[0].1.len()), (FIN | BINARY, LEN));
}

/// Each half goes on without the other one.
pub(crate) async fn alone<S: Shell>() {
    let (mut client, server) = pair::<S>(&Config::new());
    let (send, mut recv) = server.split();
    drop(send);
    client.send("to the receiver").await.unwrap();
    assert_eq!(recv.recv().await.unwrap(), Some("to the receiver".into()));
    drop(recv);
    assert!(client.recv().await.is_err(), "the stream has ended");

    let (mut client, server) = pair::<S>(&Config::new());
    let (mut send, recv) = server.split();
    drop(recv);
    send.send("from the sender").await.unwrap();
    assert_eq!(client.recv().await.unwrap(), Some("from the sender".into()));
}

/// Several tasks send through clones of one half: every message is whole, and those of a task keep their order.
pub(crate) async fn clones<S: Shell>() {
    let (near, far) = sockets();
    let peer = echo(far, Role::Client);
    let (send, mut recv) = open::<S>(near, Role::Server, &narrow()).split();
    let mut all: Vec<LocalBoxFuture<'_, ()>> = Vec::new();
    for task in 0..4 {
        let mut send = send.clone();
        all.push(
            async move {
                for n in 0..200 {
                    send.send(format!("{task}:{n}")).await.unwrap();
                }
            }
            .boxed_local(),
        );
    }
    all.push(
        async move {
            let mut next = [0; 4];
            for _ in 0..800 {
                let message = recv.recv().await.unwrap().unwrap();
                let (task, n) = message.as_text().unwrap().split_once(':').unwrap();
                let next = &mut next[task.parse::<usize>().unwrap()];
                assert_eq!(n, next.to_string());
                *next += 1;
            }
        }
        .boxed_local(),
    );
    tasks(all).await;
    drop(send);
    let _ = ended::<S, _>(peer).await;
}

/// One half closes while the other receives, and both learn of the end.
pub(crate) async fn one_closes<S: Shell>() {
    let (client, mut server) = pair::<S>(&Config::new());
    let (mut send, mut recv) = client.split();
    let receiving = async {
        assert_eq!(recv.recv().await.unwrap(), Some("before the end".into()));
        assert_eq!(recv.recv().await.unwrap(), None);
        assert!(recv.close_info().unwrap().clean);
    };
    let closing = async {
        sleep::<S>(millis(20)).await;
        send.close(CloseCode::NORMAL).await.unwrap();
        assert!(matches!(send.send("more").await, Err(Error::Send(_))));
    };
    let serving = async {
        server.send("before the end").await.unwrap();
        assert_eq!(server.recv().await.unwrap(), None);
    };
    tasks([receiving.boxed_local(), closing.boxed_local(), serving.boxed_local()]).await;
}

/// DRV-07: a whole connection as a stream and a sink, in two tasks.
pub(crate) async fn a_stream_and_a_sink<S: Shell>() {
    const MESSAGES: usize = 500;
    let (near, far) = sockets();
    let peer = echo(far, Role::Client);
    let (mut sink, mut stream) = StreamExt::split(open::<S>(near, Role::Server, &narrow()));
    let sending = async move {
        for n in 0..MESSAGES {
            sink.send(Message::from(vec![5; n * 10])).await.unwrap();
        }
        sleep::<S>(millis(50)).await;
        sink.close().await.unwrap();
    };
    let receiving = async move {
        let mut got = 0;
        while let Some(message) = stream.next().await {
            assert_eq!(message.unwrap().len(), got * 10);
            got += 1;
        }
        assert_eq!(got, MESSAGES);
    };
    tasks([sending.boxed_local(), receiving.boxed_local()]).await;
    ended::<S, _>(peer).await.unwrap();
}

/// `forward` from one connection to another.
pub(crate) async fn forwarded<S: Shell>() {
    let (mut source, through) = pair::<S>(&Config::new());
    let (on, mut target) = pair::<S>(&Config::new());
    let sending = async {
        for n in 0..1000 {
            source.feed(format!("{n}")).await.unwrap();
        }
        source.close(CloseCode::NORMAL).await.unwrap();
    };
    let forwarding = async {
        through.forward(on).await.unwrap();
    };
    let receiving = async {
        for n in 0..1000 {
            assert_eq!(target.recv().await.unwrap().unwrap().as_text(), Some(&*n.to_string()));
        }
        assert_eq!(target.recv().await.unwrap(), None);
    };
    tasks([sending.boxed_local(), forwarding.boxed_local(), receiving.boxed_local()]).await;
}
