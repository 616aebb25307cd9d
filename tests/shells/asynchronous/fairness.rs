//! A peer that floods the connection leaves the other tasks of a thread their turn.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::StreamExt;
use websocket_proto::{Config, Error, Limits, Negotiated, Role, futures};

use crate::support::{BINARY, CONTINUATION, FIN, PING, Pipe, TEXT, Task, masked, server};

/// Reads in one poll that are still fair.
const FAIR: usize = 200;

fn flood(script: &crate::support::Script, frame: &[u8]) {
    for _ in 0..4_000 {
        script.bytes(frame);
    }
}

/// A flood of Pings, of Pongs, of empty fragments: in each poll a bounded number of reads, then others get their turn.
#[test]
fn a_flood_is_taken_in_turns() {
    let config = Config::new().limits(Limits::new().max_fragments(u32::MAX));
    for frame in [
        masked(FIN | PING, b"x"),
        masked(FIN | 10, b""),
        masked(CONTINUATION, b""),
    ] {
        for way in 0..4 {
            let (mut websocket, script) = server(&config);
            if frame[0] == CONTINUATION {
                script.bytes(masked(BINARY, b""));
            }
            flood(&script, &frame);
            match way {
                0 => rests(&script, Task::new(websocket.recv())),
                1 => rests(&script, Task::new(async { websocket.recv_ref().await.map(|_| ()) })),
                2 => rests(&script, Task::new(websocket.next())),
                _ => rests(&script, Task::new(websocket.split().1.recv())),
            }
        }
    }
}

/// Whatever the peer sends while this side closes is discarded, in turns as well.
#[test]
fn closing_discards_in_turns() {
    for frame in [
        masked(FIN | PING, b"x"),
        masked(FIN | TEXT, b"x"),
        masked(FIN | TEXT, b"\xFF"),
    ] {
        let (mut websocket, script) = server(&Config::new());
        flood(&script, &frame);
        rests(&script, Task::new(websocket.close(None)));
    }
}

/// A failed connection discards in turns.
#[test]
fn failing_discards_in_turns() {
    let (mut websocket, script) = server(&Config::new());
    script.bytes(masked(FIN | 3, b""));
    flood(&script, &[0; 100]);
    rests(&script, Task::new(websocket.recv()));
    let (mut websocket, script) = server(&Config::new());
    script.bytes(masked(FIN | TEXT, b"\xFF"));
    flood(&script, &[0; 100]);
    rests(&script, Task::new(async { websocket.recv_ref().await.map(|_| ()) }));
}

fn rests<O>(script: &crate::support::Script, mut task: Task<'_, O>) {
    let mut before = 0;
    for _ in 0..10 {
        assert!(task.poll().is_pending());
        let reads = script.reads() - before;
        assert!(reads <= FAIR, "{reads} reads in one poll");
        assert!(task.is_woken(), "it goes on");
        before = script.reads();
    }
}

/// On a thread with one executor, whose streams have no budget of their own: a ticking task keeps ticking.
#[test]
fn others_get_their_turn() {
    let (pipe, script) = Pipe::new();
    flood(&script, &masked(FIN | PING, b"x"));
    let ticks = AtomicUsize::new(0);
    let executor = smol::LocalExecutor::new();
    executor
        .spawn(async {
            let mut websocket =
                futures::WebSocket::from_negotiated(pipe, &Negotiated::new(Role::Server), &Config::new());
            let _: Result<_, Error> = websocket.recv().await;
        })
        .detach();
    let ticking = executor.spawn(async {
        while !script.is_exhausted() {
            ticks.fetch_add(1, Ordering::Relaxed);
            smol::future::yield_now().await;
        }
    });
    smol::block_on(smol::future::or(executor.run(ticking), async {
        smol::Timer::after(Duration::from_secs(20)).await;
        panic!("a hang");
    }));
    let ticks = ticks.load(Ordering::Relaxed);
    assert!(ticks >= 20, "{ticks} turns among 4,000 reads");
}
