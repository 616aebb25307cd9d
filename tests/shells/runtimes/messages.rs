//! Messages of every size, in every way to send and to receive them.

use std::{io::Write, thread};

use futures_util::FutureExt;
use websocket_proto::{CloseCode, Config, Event, Fragment, Limits, Message, PreparedMessage, Role};

use crate::{
    shell::Shell,
    support::{echo, ended, open, pair, read_all, server, sockets, tasks},
    wire::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, close, frames, masked},
};

/// Both roles, against the blocking shell.
pub(crate) async fn every_size<S: Shell>() {
    for (ours, theirs) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
        let (near, far) = sockets();
        let peer = echo(far, theirs);
        let mut websocket = open::<S>(near, ours, &Config::new());
        for len in [0, 1, 125, 126, 127, 4096, 65_535, 65_536, 100_000, 1 << 20, 5 << 20] {
            let text = "ü".repeat(len / 2);
            websocket.send(text.as_str()).await.unwrap();
            let echoed = websocket.recv().await.unwrap().unwrap();
            assert!(echoed.as_text() == Some(&text), "a text of {len} bytes");
            let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
            websocket.send(bytes.as_slice()).await.unwrap();
            let echoed = websocket.recv_ref().await.unwrap().unwrap();
            assert!(echoed.as_bytes() == bytes, "{len} bytes");
        }
        websocket.close(CloseCode::NORMAL).await.unwrap();
        ended::<S, _>(peer).await.unwrap();
        assert!(websocket.close_info().unwrap().clean);
    }
}

/// More than any buffer can hold arrives at once, in small messages, followed by a Close.
pub(crate) async fn a_burst<S: Shell>() {
    const MESSAGES: usize = 50_000;
    let (mut websocket, mut peer) = server::<S>(&Config::new());
    let peer = thread::spawn(move || {
        let mut burst: Vec<u8> = (0..MESSAGES)
            .flat_map(|n| masked(FIN | TEXT, n.to_string().as_bytes()))
            .collect();
        burst.extend(close(1000));
        peer.write_all(&burst).unwrap();
        read_all(&peer)
    });
    for n in 0..MESSAGES {
        let message = websocket.recv_ref().await.unwrap().unwrap();
        assert_eq!(message.as_text(), Some(n.to_string().as_str()));
    }
    assert_eq!(websocket.recv().await.unwrap(), None);
    assert_eq!(
        frames(&ended::<S, _>(peer).await),
        [(FIN | CLOSE, 1000_u16.to_be_bytes().to_vec())]
    );
}

/// The peer sends one byte at a time, and pings between fragments.
pub(crate) async fn single_bytes<S: Shell>() {
    let (mut websocket, mut peer) = server::<S>(&Config::new());
    let peer = thread::spawn(move || {
        let conversation = [
            masked(TEXT, b"in "),
            masked(FIN | PING, b"are you there?"),
            masked(CONTINUATION, "thrée".as_bytes()),
            masked(FIN | CONTINUATION, b" fragments"),
            masked(FIN | BINARY, &[7; 300]),
            close(1000),
        ];
        for byte in conversation.concat() {
            peer.write_all(&[byte]).unwrap();
        }
        read_all(&peer)
    });
    assert_eq!(
        websocket.recv().await.unwrap(),
        Some(Message::text("in thrée fragments"))
    );
    assert_eq!(websocket.recv().await.unwrap(), Some(Message::binary(&[7; 300])));
    assert_eq!(websocket.recv().await.unwrap(), None);
    let answers = frames(&ended::<S, _>(peer).await);
    assert_eq!(answers[0], (FIN | PONG, b"are you there?".to_vec()));
    assert_eq!(answers[1].0, FIN | CLOSE);
    assert_eq!(answers.len(), 2);
}

/// Answers to lent messages leave before the next wait.
pub(crate) async fn answers_to_lent_messages<S: Shell>() {
    let (near, far) = sockets();
    let (mut websocket, peer) = (
        open::<S>(near, Role::Client, &Config::new()),
        thread::spawn(move || {
            S::run(async {
                let mut websocket = open::<S>(far, Role::Server, &Config::new());
                while let Some((message, outbound)) = websocket.recv_split().await.unwrap() {
                    outbound.feed(message).unwrap();
                }
            });
        }),
    );
    for round in 0..20 {
        for n in 0..50 {
            websocket.feed(format!("{round}.{n}")).await.unwrap();
        }
        for n in 0..50 {
            let answer = websocket.recv().await.unwrap().unwrap();
            assert_eq!(answer.as_text(), Some(format!("{round}.{n}").as_str()));
        }
    }
    websocket.close(CloseCode::NORMAL).await.unwrap();
    ended::<S, _>(peer).await;
}

/// Everything that can be sent, and events for all that arrives.
pub(crate) async fn every_kind<S: Shell>() {
    let (mut client, mut server) = pair::<S>(&Config::new());
    let sending = async {
        client.send(Fragment::more("in ")).await.unwrap();
        client.ping(b"ping").await.unwrap();
        client.send(Fragment::last("two")).await.unwrap();
        client.send(&PreparedMessage::binary(vec![1; 5000])).await.unwrap();
        client.pong(b"pong").await.unwrap();
        client.close(None).await.unwrap();
    };
    let receiving = async {
        let mut events = Vec::new();
        while let Some(event) = server.recv_event().await.unwrap() {
            events.push(match event {
                Event::Message(message) => format!("message of {} bytes", message.len()),
                other => format!("{other:?}"),
            });
        }
        events
    };
    let ((), events) = futures_util::join!(sending, receiving);
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event.split(['(', ' ']).next().unwrap())
        .collect();
    assert_eq!(kinds, ["Ping", "message", "message", "Pong", "Close"], "{events:?}");
}

/// DRV-20: both ends send more than any buffer holds, and only then receive.
pub(crate) async fn two_ends_that_send_at_once<S: Shell>() {
    const LEN: usize = 15 << 20;
    let (client, server) = pair::<S>(&Config::new());
    let both = [client, server].map(|mut websocket| {
        async move {
            websocket.send(vec![7; LEN]).await.unwrap();
            assert!(websocket.recv().await.unwrap().unwrap().len() == LEN);
        }
        .boxed_local()
    });
    tasks(both).await;
}

/// A queue that is full refuses a message, and has room again once it was written.
pub(crate) async fn a_full_queue<S: Shell>() {
    let narrow = Config::new().limits(Limits::new().output_high_water(100));
    let (mut client, mut server) = pair::<S>(&narrow);
    client.try_feed([0; 200].as_slice()).unwrap();
    assert!(client.try_feed("more").is_err(), "the queue is full");
    assert!(client.queued() >= 200);
    client.ready().await.unwrap();
    client.try_feed("more").unwrap();
    client.flush().await.unwrap();
    assert_eq!(client.queued(), 0);
    assert_eq!(server.recv().await.unwrap().unwrap().len(), 200);
    assert_eq!(server.recv().await.unwrap(), Some("more".into()));
}
