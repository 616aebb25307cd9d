//! The timers, by the clock of each runtime.

use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{CloseCode, Config, Error, ProtocolError, Role, Timer, Timers};

use crate::{
    shell::Shell,
    support::{echo, ended, millis, open, read_all, server, sleep, sockets, within},
    wire::{FIN, PING, PONG, TEXT, frames, masked},
};

const SHORT: Duration = millis(80);

/// The timer that a connection failed by.
fn timer<T: std::fmt::Debug>(result: Result<T, Error>) -> Timer {
    match result {
        Err(Error::Protocol(ProtocolError::TimedOut(timer))) => timer,
        other => panic!("{other:?}"),
    }
}

fn with(timers: Timers) -> Config {
    Config::new().timers(timers.close(SHORT))
}

/// A peer that answers no Ping is found to be dead.
pub(crate) async fn a_dead_peer<S: Shell>() {
    let (mut websocket, peer) = server::<S>(&with(Timers::new().keepalive(SHORT).pong(SHORT)));
    let peer = thread::spawn(move || read_all(&peer));
    let began = Instant::now();
    assert_eq!(timer(websocket.recv().await), Timer::Keepalive);
    assert!(began.elapsed() >= SHORT * 2, "{:?}", began.elapsed());
    drop(websocket);
    let heard: Vec<u8> = frames(&ended::<S, _>(peer).await).iter().map(|frame| frame.0).collect();
    assert_eq!(heard, [FIN | PING]);
}

/// A peer that answers every Ping is kept, and its latency known.
pub(crate) async fn a_live_peer<S: Shell>() {
    let (near, far) = sockets();
    let peer = echo(far, Role::Client);
    let mut websocket = open::<S>(
        near,
        Role::Server,
        &with(Timers::new().keepalive(millis(20)).pong(SHORT * 10)),
    );
    websocket.measure_latency();
    assert!(
        within::<S, _>(SHORT * 4, websocket.recv()).await.is_none(),
        "nothing comes"
    );
    assert!(websocket.latency().is_some());
    websocket.close(CloseCode::NORMAL).await.unwrap();
    ended::<S, _>(peer).await.unwrap();
}

/// DRV-04: a peer that answers at once and is silent otherwise is pinged at every interval, however long it may take to answer.
pub(crate) async fn a_ping_at_every_interval<S: Shell>() {
    let (mut websocket, peer) = server::<S>(&with(Timers::new().keepalive(millis(50)).pong(SHORT * 50)));
    let mut answers = peer.try_clone().unwrap();
    let peer = thread::spawn(move || {
        let mut peer = &peer;
        let (mut pings, mut ping) = (0, [0; 2]);
        while peer.read_exact(&mut ping).is_ok() && ping[0] == FIN | PING {
            let mut payload = vec![0; usize::from(ping[1])];
            peer.read_exact(&mut payload).unwrap();
            answers.write_all(&masked(FIN | PONG, &payload)).unwrap();
            pings += 1;
        }
        pings
    });
    assert!(within::<S, _>(millis(600), websocket.recv()).await.is_none());
    drop(websocket);
    let pings = ended::<S, _>(peer).await;
    assert!((4..=12).contains(&pings), "{pings} Pings in 600 ms");
}

/// A peer that says nothing is given up, if that is wanted.
pub(crate) async fn an_idle_peer<S: Shell>() {
    let (mut websocket, peer) = server::<S>(&with(Timers::new().idle(SHORT)));
    assert_eq!(timer(websocket.recv().await), Timer::Idle);
    drop(peer);
}

/// A message that is begun and never ends.
pub(crate) async fn an_unfinished_message<S: Shell>() {
    let (mut websocket, mut peer) = server::<S>(&with(Timers::new().message(SHORT)));
    peer.write_all(&masked(TEXT, b"once upon")).unwrap();
    assert_eq!(timer(websocket.recv().await), Timer::Message);
    drop(peer);
}

/// A peer that takes nothing ends a send that waits.
pub(crate) async fn a_stalled_write<S: Shell>() {
    let (mut websocket, peer) = server::<S>(&with(Timers::new().write(SHORT)));
    let sent = async {
        loop {
            websocket.send([0; 1 << 20].as_slice()).await?;
        }
        #[expect(unreachable_code, reason = "the type of the block")]
        Ok::<(), Error>(())
    };
    assert_eq!(timer(sent.await), Timer::Write);
    drop(peer);
}

/// What waits in the socket is read before silence is judged, however late that is.
pub(crate) async fn a_late_poll<S: Shell>() {
    let (mut websocket, mut peer) = server::<S>(&with(Timers::new().idle(SHORT)));
    assert!(within::<S, _>(millis(10), websocket.recv()).await.is_none());
    peer.write_all(&masked(FIN | TEXT, b"in time")).unwrap();
    // The thread is busy, so no task has its turn.
    thread::sleep(SHORT * 3);
    assert_eq!(websocket.recv().await.unwrap(), Some("in time".into()));
}

/// Deadlines that no clock reaches, and none at all.
pub(crate) async fn the_longest<S: Shell>() {
    let never = Some(Duration::MAX);
    let longest = Timers::new()
        .handshake(never)
        .close(never)
        .write(never)
        .idle(never)
        .keepalive(never)
        .pong(never)
        .message(never);
    for timers in [longest, Timers::off()] {
        let (near, far) = sockets();
        let peer = echo(far, Role::Client);
        let mut websocket = open::<S>(near, Role::Server, &Config::new().timers(timers));
        assert!(within::<S, _>(millis(20), websocket.recv()).await.is_none());
        websocket.send("still here").await.unwrap();
        assert_eq!(websocket.recv().await.unwrap(), Some("still here".into()));
        websocket.close(CloseCode::NORMAL).await.unwrap();
        ended::<S, _>(peer).await.unwrap();
    }
}

/// A time limit of the application, which drops the future, breaks nothing.
pub(crate) async fn of_the_application<S: Shell>() {
    let (near, far) = sockets();
    let peer = echo(far, Role::Client);
    let mut websocket = open::<S>(near, Role::Server, &Config::new());
    for n in 0..20 {
        assert!(within::<S, _>(millis(1), websocket.recv()).await.is_none());
        websocket.send(format!("{n}")).await.unwrap();
        assert_eq!(
            websocket.recv().await.unwrap().unwrap().as_text(),
            Some(&*n.to_string())
        );
        sleep::<S>(millis(1)).await;
    }
    websocket.close(CloseCode::NORMAL).await.unwrap();
    ended::<S, _>(peer).await.unwrap();
}
