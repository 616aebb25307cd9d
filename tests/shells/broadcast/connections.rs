//! Subscriptions that feed connections.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, DuplexStream, duplex},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use websocket_proto::{
    CloseCode, CloseInfo, Config, Error, Negotiated, Role,
    tokio::{Broadcast, Shutdown, ShutdownGuard, Subscription, SubscriptionEnd, WebSocket, WhenSlow},
};

use crate::text;

/// Both ends of a connection, over a stream that holds this number of bytes.
fn connected(buffer: usize) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = duplex(buffer);
    let end = |stream, role| WebSocket::from_negotiated(stream, &Negotiated::new(role), &Config::new());
    (end(near, Role::Client), end(far, Role::Server))
}

/// Everything that a client receives, and how it ends.
fn client(mut websocket: WebSocket<DuplexStream>) -> JoinHandle<(Vec<String>, Option<CloseInfo>)> {
    tokio::spawn(async move {
        let mut got = Vec::new();
        while let Ok(Some(message)) = websocket.recv().await {
            got.push(message.as_text().unwrap().to_owned());
        }
        (got, websocket.close_info())
    })
}

/// A connection whose sending half is fed only by the subscription, as the documentation recommends.
async fn pump(websocket: WebSocket<DuplexStream>, mut subscription: Subscription) -> Result<SubscriptionEnd, Error> {
    let (mut send, mut recv) = websocket.split();
    tokio::select! {
        end = subscription.forward(&mut send) => {
            let end = end?;
            send.feed_close(end.close_code())?;
            while recv.recv().await?.is_some() {}
            Ok(end)
        }
        ended = async {
            while recv.recv_ref().await?.is_some() {}
            Ok::<_, Error>(SubscriptionEnd::Closed)
        } => ended,
    }
}

/// A connection that is served by one task, as the documentation recommends: an echo, and a subscriber.
async fn serve(
    mut websocket: WebSocket<DuplexStream>,
    mut subscription: Subscription,
    mut guard: ShutdownGuard,
) -> Result<(), Error> {
    loop {
        tokio::select! {
            received = websocket.recv_split() => match received? {
                Some((message, outbound)) => outbound.feed(message)?,
                None => return Ok(()),
            },
            next = subscription.recv() => {
                let end = match next {
                    Ok(message) => match subscription.unless_too_slow(websocket.feed(&message)).await {
                        Some(fed) => {
                            fed?;
                            continue;
                        }
                        None => SubscriptionEnd::TooSlow,
                    },
                    Err(end) => end,
                };
                return websocket.close(end.close_code()).await;
            }
            () = guard.requested() => return websocket.close(CloseCode::GOING_AWAY).await,
        }
    }
}

/// A thousand connections get everything, in order, followed by the Close.
#[tokio::test]
async fn a_thousand_receivers() {
    let room = Broadcast::new();
    let (mut clients, mut pumps) = (Vec::new(), JoinSet::new());
    let wait = WhenSlow::Wait {
        at_most: Duration::from_secs(60),
    };
    for i in 0..1000 {
        let (near, far) = connected(1000);
        clients.push(client(near));
        pumps.spawn(pump(far, room.subscribe(1 + i % 8, wait)));
    }
    let texts: Vec<String> = (0..30).map(|i| format!("{i} {}", "x".repeat(i * 10))).collect();
    for message in &texts {
        assert_eq!(room.send(&text(message)).await.queued, 1000);
    }
    drop(room);
    for client in clients {
        let (got, closure) = client.await.unwrap();
        assert_eq!(got, texts);
        let closure = closure.unwrap();
        assert_eq!((closure.code, closure.clean), (CloseCode::NORMAL, true));
    }
    assert!(
        pumps
            .join_all()
            .await
            .iter()
            .all(|end| matches!(end, Ok(SubscriptionEnd::Closed)))
    );
}

/// A connection whose peer reads nothing delays no other, misses messages, and continues when it can.
#[tokio::test(start_paused = true)]
async fn a_stalled_peer_misses_messages() {
    let room = Broadcast::new();
    let (mut stalled, far) = connected(1000);
    let stalled_pump = tokio::spawn(pump(far, room.subscribe(4, WhenSlow::DropMessage)));
    let (near, far) = connected(1000);
    let other = client(near);
    tokio::spawn(pump(far, room.subscribe(4, WhenSlow::Disconnect)));
    let began = tokio::time::Instant::now();
    let mut missed = 0;
    for i in 0..50 {
        missed += room.send(&text(format!("{i:400}"))).await.missed;
        tokio::task::yield_now().await;
        sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(missed > 30, "{missed}");
    drop(room);
    assert_eq!(other.await.unwrap().0.len(), 50);
    let mut got = 0;
    while let Ok(Some(message)) = stalled.recv().await {
        assert_eq!(message.as_text(), Some(&*format!("{got:400}")), "from the beginning");
        got += 1;
    }
    assert_eq!(got, 50 - missed);
    assert_eq!(stalled_pump.await.unwrap().unwrap(), SubscriptionEnd::Closed);
}

/// DRV-13: a member that sends a flood in one write harms no member that reads, whatever the capacity of their queues.
#[tokio::test]
async fn a_flood_from_one_member_harms_no_reader() {
    for messages in [1, 64, 65, 10_000] {
        let room = Broadcast::new();
        let mut members = Vec::new();
        for _ in 0..3 {
            let (near, far) = connected(1 << 16);
            members.push(client(near));
            tokio::spawn(pump(far, room.subscribe(64, WhenSlow::Disconnect)));
        }
        let (mut flooding, far) = connected(1 << 20);
        let (_send, mut recv) = far.split();
        for n in 0..messages {
            flooding.feed(n.to_string()).await.unwrap();
        }
        flooding.flush().await.unwrap();
        drop(flooding);
        while let Ok(Some(message)) = recv.recv_ref().await {
            let outcome = room.send(&text(message.as_text().unwrap())).await;
            assert_eq!((outcome.queued, outcome.disconnected), (3, 0), "of {messages}");
        }
        drop(room);
        for member in members {
            let (got, _) = member.await.unwrap();
            assert_eq!(got.len(), messages);
            assert!(got.iter().enumerate().all(|(n, got)| *got == n.to_string()));
        }
    }
}

/// A connection whose peer reads nothing is recognised, and closed, while its writes are stalled.
#[tokio::test(start_paused = true)]
async fn a_stalled_peer_is_disconnected() {
    for one_task in [false, true] {
        let room = Broadcast::new();
        let shutdown = Shutdown::new();
        let (mut stalled, far) = connected(1000);
        let subscription = room.subscribe(4, WhenSlow::Disconnect);
        let served = if one_task {
            tokio::spawn(serve(far, subscription, shutdown.guard()))
        } else {
            tokio::spawn(async { pump(far, subscription).await.map(drop) })
        };
        let (near, far) = connected(1000);
        let other = client(near);
        tokio::spawn(pump(far, room.subscribe(4, WhenSlow::Disconnect)));
        let mut disconnected = 0;
        let big = "x".repeat(if one_task { 200_000 } else { 400 });
        for _ in 0..50 {
            disconnected += room.send(&text(&big)).await.disconnected;
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!((disconnected, room.receivers()), (1, 1), "one task: {one_task}");
        drop(room);
        assert_eq!(other.await.unwrap().0.len(), 50);
        // What its connection had accepted before still arrives, followed by the Close.
        let mut got = 0;
        while let Ok(Some(_)) = stalled.recv().await {
            got += 1;
        }
        assert!(got < 20, "{got}");
        assert_eq!(stalled.close_info().unwrap().code, CloseCode::TRY_AGAIN_LATER);
        served.await.unwrap().unwrap();
    }
}

/// A peer that never reads again does not keep the task alive: the deadlines of the connection end it.
#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_is_given_up() {
    let room = Broadcast::new();
    let (_near, far) = connected(1000);
    let pumped = tokio::spawn(pump(far, room.subscribe(4, WhenSlow::Disconnect)));
    for _ in 0..50 {
        room.send(&text("x".repeat(400))).await;
        sleep(Duration::from_millis(1)).await;
    }
    let error = timeout(Duration::from_secs(60), pumped).await.unwrap().unwrap();
    assert!(matches!(error, Err(Error::Protocol(_))), "{error:?}");
}

/// The connection that a receiver feeds ends: this is reported, and the receiver leaves.
#[tokio::test]
async fn a_peer_that_closes() {
    let room = Broadcast::new();
    let (mut near, far) = connected(1000);
    let pumped = tokio::spawn(pump(far, room.subscribe(4, WhenSlow::Disconnect)));
    near.close(CloseCode::NORMAL).await.unwrap();
    pumped.await.unwrap().unwrap();
    assert_eq!(room.receivers(), 0);

    // If nothing receives, the end is noticed with the next message.
    let (mut near, far) = connected(1000);
    let (mut send, mut recv) = far.split();
    let mut subscription = room.subscribe(4, WhenSlow::Disconnect);
    let closing = tokio::spawn(async move { near.close(CloseCode::NORMAL).await });
    assert!(recv.recv().await.unwrap().is_none());
    closing.await.unwrap().unwrap();
    room.send(&text("?")).await;
    let ended = subscription.forward(&mut send).await;
    assert!(matches!(ended, Err(Error::Send(_))), "{ended:?}");
}

/// Broadcasts and answers of one task, in one connection.
#[tokio::test]
async fn one_task_serves_both() {
    let room = Broadcast::new();
    let shutdown = Shutdown::new();
    let (mut near, far) = connected(1000);
    let served = tokio::spawn(serve(far, room.subscribe(100, WhenSlow::Disconnect), shutdown.guard()));
    let (mut broadcast, mut echoed) = (0, 0);
    for i in 0..200 {
        match i % 3 {
            0 => near.send("echo").await.unwrap(),
            _ => assert_eq!(room.send(&text("news")).await.queued, 1),
        }
        if i % 10 == 9 {
            while broadcast < (i + 1) * 2 / 3 || echoed < (i + 1) / 3 {
                match near.recv().await.unwrap().unwrap().as_text() {
                    Some("echo") => echoed += 1,
                    Some("news") => broadcast += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    room.close();
    assert!(near.recv().await.unwrap().is_none());
    served.await.unwrap().unwrap();
}

/// Graceful server shutdown: each connection is closed, whether it waits for messages or for its peer.
#[tokio::test(start_paused = true)]
async fn together_with_a_shutdown() {
    let room = Broadcast::new();
    let shutdown = Shutdown::new();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let (near, far) = connected(1000);
        clients.push(client(near));
        let subscription = room.subscribe(4, WhenSlow::DropMessage);
        shutdown.spawn(|guard| async {
            let _ = serve(far, subscription, guard).await;
        });
    }
    assert_eq!(room.send(&text("news")).await.queued, 50);
    sleep(Duration::from_millis(1)).await;
    assert!(shutdown.finish(Duration::from_secs(10)).await.is_graceful());
    assert_eq!(room.receivers(), 0);
    for client in clients {
        let (got, closure) = client.await.unwrap();
        assert_eq!(got, ["news"]);
        assert_eq!(closure.unwrap().code, CloseCode::GOING_AWAY);
    }
}

/// `forward` is dropped after any number of polls: nothing is lost or repeated.
#[tokio::test]
async fn a_forward_that_is_dropped_loses_nothing() {
    let texts: Vec<String> = (0..20).map(|i| format!("{i} {}", "x".repeat(i * 3))).collect();
    let expected: Vec<u8> = texts
        .iter()
        .flat_map(|text| [&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat())
        .collect();
    for polls in 1..8 {
        let config = Config::new().limits(websocket_proto::Limits::new().output_high_water(40));
        let (mut near, far) = duplex(7);
        let (mut send, _recv) = WebSocket::from_negotiated(far, &Negotiated::new(Role::Server), &config).split();
        let room = Broadcast::new();
        let mut subscription = room.subscribe(100, WhenSlow::Disconnect);
        let (mut sent, mut read) = (0, Vec::new());
        while read.len() < expected.len() {
            if sent < texts.len() {
                room.send(&text(&texts[sent])).await;
                sent += 1;
            }
            let mut forward = pin!(subscription.forward(&mut send));
            for _ in 0..polls {
                assert!(
                    forward
                        .as_mut()
                        .poll(&mut Context::from_waker(Waker::noop()))
                        .is_pending()
                );
            }
            let mut piece = [0; 3];
            let n = timeout(Duration::from_secs(5), near.read(&mut piece))
                .await
                .expect("no hang")
                .unwrap();
            read.extend_from_slice(&piece[..n]);
        }
        assert_eq!(read, expected, "{polls} polls");
    }
}

/// One compressed message for connections that negotiated different parameters, with messages of their own in between.
#[cfg(feature = "deflate")]
#[tokio::test]
async fn connections_with_different_parameters() {
    use websocket_proto::{ContextTakeover, DeflateConfig, DeflateParams};

    let room = Broadcast::new();
    let shutdown = Shutdown::new();
    let deflate = DeflateConfig::context_takeover();
    let config = Config::new().deflate(deflate);
    let takeovers = [ContextTakeover::Allow, ContextTakeover::Forbid];
    let params = takeovers.into_iter().flat_map(|takeover| {
        let params = DeflateParams::new().server_context_takeover(takeover);
        (9..=15).map(move |bits| Some(params.server_max_window_bits(bits)))
    });
    let mut clients = Vec::new();
    for params in params.chain([None]) {
        let (near, far) = duplex(1000);
        let end = |stream, role| {
            let negotiated = Negotiated::new(role);
            let negotiated = match params {
                Some(params) => negotiated.with_deflate(params),
                None => negotiated,
            };
            WebSocket::from_negotiated(stream, &negotiated, &config)
        };
        let subscription = room.subscribe(100, WhenSlow::Disconnect);
        tokio::spawn(serve(end(far, Role::Server), subscription, shutdown.guard()));
        clients.push(end(near, Role::Client));
    }
    for i in 0..20 {
        let news = format!("{{\"round\":{i},\"news\":\"the same for everybody\"}}").repeat(1 + i * 10);
        let message = text(&news).deflated(deflate);
        assert_eq!(
            message.deflated_len().is_some(),
            i > 1 || news.len() >= deflate.threshold
        );
        assert_eq!(room.send(&message).await.queued, clients.len());
        for client in &mut clients {
            let received = client.recv().await.unwrap().unwrap();
            assert_eq!(received.as_text(), Some(&*news));
            let own = format!("{i} {}", "an answer, ".repeat(i * 7));
            client.send(&own).await.unwrap();
            let received = client.recv().await.unwrap().unwrap();
            assert_eq!(received.as_text(), Some(&*own));
        }
    }
}
