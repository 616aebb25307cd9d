//! Bytes of heap that an idle connection costs, counted by the allocator.
#![allow(clippy::unwrap_used, reason = "in helpers of tests, too")]

use std::{
    alloc::System,
    task::{Context, Waker},
};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use websocket_proto::{Config, Negotiated, Role, Timers, tokio::WebSocket};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

const CONNECTIONS: usize = 200;

/// Capacity of the streams between both ends. It is not counted: the streams are empty whenever memory is measured.
const STREAM: usize = 1 << 17;

fn frame(first: u8, len: usize) -> Vec<u8> {
    let mut frame = vec![first];
    match len {
        0..=125 => frame.push(0x80 | u8::try_from(len).unwrap()),
        126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    // The key 0 masks nothing.
    frame.extend([0; 4]);
    frame.extend(vec![b'x'; len]);
    frame
}

/// Polls once, and drops the future.
fn poll(websocket: &mut WebSocket<DuplexStream>) -> bool {
    let mut recv = std::pin::pin!(websocket.recv());
    recv.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn poll_ref(websocket: &mut WebSocket<DuplexStream>) -> Option<usize> {
    let mut recv = std::pin::pin!(websocket.recv_ref());
    match recv.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(Ok(Some(message))) => Some(message.len()),
        _ => None,
    }
}

async fn fill(peer: &mut DuplexStream, bytes: &[u8], websocket: &mut WebSocket<DuplexStream>) {
    for piece in bytes.chunks(STREAM / 2) {
        peer.write_all(piece).await.unwrap();
        if bytes.len() > STREAM / 2 {
            let _ = poll_ref(websocket);
        }
    }
}

/// Without the test harness, whose own thread would be counted as well.
fn main() {
    // Printing allocates a buffer once.
    println!("{CONNECTIONS} connections");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for (name, role, timers, most) in [
            ("server", Role::Server, Timers::new(), 0),
            // A client keeps masking keys.
            ("client", Role::Client, Timers::new(), 1024),
            (
                "server with keepalive",
                Role::Server,
                Timers::new().keepalive(std::time::Duration::from_secs(30)),
                512,
            ),
        ] {
            let config = Config::new().timers(timers);
            // The first connection fills the pool of the thread.
            let (ours, _theirs) = duplex(STREAM);
            let mut first = WebSocket::from_negotiated(ours, &Negotiated::new(role), &config);
            assert!(!poll(&mut first));

            let (mut idle, mut peers) = (Vec::with_capacity(CONNECTIONS), Vec::with_capacity(CONNECTIONS));
            for _ in 0..CONNECTIONS {
                let (ours, theirs) = duplex(STREAM);
                idle.push(WebSocket::from_negotiated(ours, &Negotiated::new(role), &config));
                peers.push(theirs);
            }
            // The streams allocate their buffers on first use.
            for (websocket, peer) in idle.iter_mut().zip(&mut peers) {
                websocket.stream_mut().write_all(&[0; 64]).await.unwrap();
                peer.read_exact(&mut [0; 64]).await.unwrap();
            }

            let before = allocated();
            for websocket in &mut idle {
                assert!(!poll(websocket));
            }
            report(name, "idle from the start", before, most);
            for (websocket, peer) in idle.iter_mut().zip(&mut peers) {
                websocket.send("hello").await.unwrap();
                assert!(peer.read(&mut [0; 64]).await.unwrap() > 0);
                assert!(!poll(websocket));
            }
            report(name, "idle after it has sent", before, most);
        }

        // After traffic: small, large and fragmented messages, received either way, and echoed.
        let config = Config::new();
        let (ours, mut peer) = duplex(STREAM);
        let mut websocket = WebSocket::from_negotiated(ours, &Negotiated::new(Role::Server), &config);
        let mut drain = vec![0; 1 << 20];
        warm_up(&mut websocket, &mut peer, &mut drain).await;
        let before = allocated();
        for _ in 0..3 {
            warm_up(&mut websocket, &mut peer, &mut drain).await;
        }
        assert!(!poll(&mut websocket));
        let held = allocated().saturating_sub(before);
        println!("a server after traffic: {held} bytes more");
        assert!(held <= 256, "{held} bytes");

        // A large message that was only lent: its buffer is freed at the next wait.
        for len in [300_000, 1_000_000] {
            let frame = frame(0x82, len);
            fill(&mut peer, &frame[..frame.len() - 1], &mut websocket).await;
            assert_eq!(poll_ref(&mut websocket), None);
            assert!(allocated() > before + len / 2, "the message is held while it arrives");
            peer.write_all(&frame[frame.len() - 1..]).await.unwrap();
            assert_eq!(poll_ref(&mut websocket), Some(len));
            assert!(!poll(&mut websocket));
            drop(frame);
            let held = allocated().saturating_sub(before);
            println!("a server after a lent message of {len} bytes: {held} bytes more");
            assert!(held <= 1024, "{held} bytes");
        }

        println!(
            "size of a server or client itself: {} bytes",
            size_of::<WebSocket<tokio::net::TcpStream>>()
        );
        assert!(size_of::<WebSocket<tokio::net::TcpStream>>() <= 640);
        let task = size_of_task(echo);
        println!("size of a task that accepts one and echoes: {task} bytes");
        // Tokio allocates tasks in size steps: above 784 bytes, each task would use another 128.
        assert!(task <= 768, "{task} bytes");
        let opening = size_of_task(WebSocket::accept);
        println!("size of the opening handshake within it: {opening} bytes");
        assert!(opening <= 16, "{opening} bytes");
    });
}

/// The task of a server for one connection. The opening handshake must not leave its own size in the future.
async fn echo(stream: tokio::net::TcpStream) -> Result<(), websocket_proto::Error> {
    let mut websocket = WebSocket::accept(stream).await?;
    while let Some((message, outbound)) = websocket.recv_split().await? {
        outbound.feed(message)?;
    }
    Ok(())
}

fn size_of_task<F>(_: fn(tokio::net::TcpStream) -> F) -> usize {
    size_of::<F>()
}

/// A burst of messages, answered, and received by the peer.
async fn warm_up(websocket: &mut WebSocket<DuplexStream>, peer: &mut DuplexStream, drain: &mut [u8]) {
    for len in [200, 70_000, 10] {
        peer.write_all(&frame(0x82, len)).await.unwrap();
        let message = websocket.recv().await.unwrap().unwrap();
        websocket.send(message).await.unwrap();
        let mut taken = 0;
        while taken < len {
            taken += peer.read(drain).await.unwrap();
        }
    }
}

#[track_caller]
fn report(name: &str, what: &str, before: usize, most: usize) {
    let held = allocated().saturating_sub(before);
    println!("a {name}, {what}: {} bytes of heap per connection", held / CONNECTIONS);
    // The runtime itself may allocate a little.
    assert!(
        held <= most * CONNECTIONS + 1024,
        "{held} bytes in {CONNECTIONS} connections"
    );
}
