//! Sessions that break leave nothing behind: counted, first on a virtual clock, then with real connections.

use std::time::Duration;

use socket_io_server::engine::{Drain, Reason, Settings};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

use crate::{
    running::{Running, response},
    support::World,
};

const BROKEN: usize = 10_000;

/// The ways in which a connection breaks.
const KINDS: usize = 10;

/// 10,000 sessions that end in every way, with everything that a session can own.
#[test]
fn broken_sessions_leave_nothing() {
    let mut world = World::new();
    let mut websockets = Vec::new();
    for number in 0..BROKEN {
        let (client, _) = world.polling();
        world
            .post(
                client.key,
                "40\u{1e}40/other\u{1e}42[\"join\",\"a\"]\u{1e}42[\"ask\"]\u{1e}42[\"later\"]",
            )
            .expect("posted");
        let probing = world.connect(client.key);
        let websocket = probing.websocket.expect("a WebSocket");
        websockets.push((probing, websocket));
        match number % 8 {
            0 => world
                .engine
                .websocket_lost(client.key, websocket, Reason::TransportClose),
            1 => world.send(probing, "2probe"),
            2 => {
                world.send(probing, "2probe");
                world.send(probing, "5");
                world.send(probing, "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]");
                world
                    .engine
                    .websocket_lost(client.key, websocket, Reason::TransportError);
            }
            3 => {
                world.poll(client.key).expect("polled");
                world.poll(client.key).expect("polled");
                world.engine.poll_lost(client.key);
            }
            4 => {
                world.engine.post(client.key).expect("posted");
                world.engine.post_lost(client.key);
            }
            5 => world.post(client.key, "42[\"kick\",\"close\"]").expect("posted"),
            6 => world.post(client.key, "x").expect("posted"),
            _ => {}
        }
        if number % 1000 == 0 {
            assert!(world.counts().0.sessions > 0);
        }
    }
    // Those that are silent time out, and every WebSocket is told to close.
    world.advance(Duration::from_secs(120));
    assert_eq!(world.counts().0.open, 0);
    for (client, websocket) in websockets {
        assert_eq!(world.drain(client), (vec![], Drain::Close));
        world.engine.detach(client.key, websocket);
    }
    world.assert_empty();
    assert_eq!(world.server.app().gone.len(), 2 * BROKEN);
}

/// 10,000 sessions over connections that are dropped or reset in the middle of something, or that bring what is refused.
#[tokio::test(flavor = "current_thread")]
async fn broken_connections_leave_nothing() {
    let mut settings = Settings::default();
    settings.ping_interval = Duration::from_millis(700);
    settings.ping_timeout = Duration::from_millis(500);
    settings.upgrade_timeout = Duration::from_millis(500);
    let server = Running::new(settings).await;
    // Some at a time, so that the kernel has room for their connections.
    for _ in 0..BROKEN / 100 {
        let breaking = (0..100).map(|kind| break_one(&server, kind % KINDS));
        let mut tasks: Vec<_> = breaking.map(Box::pin).collect();
        for task in &mut tasks {
            task.await;
        }
    }
    server.empty().await;
    let gone = server.hub.with(|_, server| server.app().gone.len());
    assert_eq!(gone, BROKEN / KINDS, "those that had joined a namespace");
    assert!(server.shutdown.finish(Duration::from_secs(1)).await.is_graceful());
}

/// Ends a connection with a RST.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().expect("set");
}

async fn break_one(server: &Running, kind: usize) {
    match kind {
        // A client that is never heard of again.
        0 => {
            server.open().await;
        }
        // A poll that is dropped.
        1 => {
            let query = server.open().await;
            let poll = server.request("GET", &query, "", "").await;
            sleep(Duration::from_micros(200)).await;
            drop(poll);
        }
        // A post that is cut off.
        2 => {
            let query = server.open().await;
            let mut post = server.connect().await;
            let head = format!("POST /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n4");
            post.write_all(head.as_bytes()).await.expect("sent");
        }
        // A probe that does not go on.
        3 => {
            let query = server.open().await.replace("polling", "websocket");
            let mut probe = server.websocket(&query).await;
            probe.send("2probe").await.expect("sent");
        }
        // A poll that is reset.
        4 => {
            let query = server.open().await;
            reset(server.request("GET", &query, "", "").await);
        }
        // A post that is too long, and one that is no packet.
        5 => {
            let query = server.open().await;
            let mut post = server.connect().await;
            let head = format!(
                "POST /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000001\r\n\r\n"
            );
            post.write_all(head.as_bytes()).await.expect("sent");
            assert!(response(post).await.starts_with("HTTP/1.1 413 "));
        }
        6 => {
            let query = server.open().await;
            let refused = server.response("POST", &query, "", "x").await;
            assert!(refused.starts_with("HTTP/1.1 400 "));
        }
        // A handshake that is cut off.
        7 => {
            let mut stream = server.connect().await;
            let head = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgr";
            stream.write_all(head).await.expect("sent");
        }
        // A WebSocket that is reset in the middle of a frame.
        8 => {
            let websocket = server.websocket("EIO=4&transport=websocket").await;
            let mut stream = websocket.into_parts().0.into_stream();
            stream.write_all(b"\x81\xff\0").await.expect("sent");
            reset(stream);
        }
        // A WebSocket that is dropped, in the middle of a packet with attachments.
        _ => {
            let mut websocket = server.websocket("EIO=4&transport=websocket").await;
            for packet in [
                "40",
                "42[\"join\",\"a\"]",
                "42[\"ask\"]",
                "452-[\"echo\",{\"_placeholder\":true,\"num\":0}]",
            ] {
                websocket.send(packet).await.expect("sent");
            }
            // What was sent has arrived before the connection is reset.
            while let Some(message) = websocket.recv().await.expect("received") {
                if message.as_text().is_some_and(|text| text.contains("question")) {
                    break;
                }
            }
        }
    }
}
