//! Graceful server shutdown with the tokio shell. The clock is tokio's, and is paused wherever time matters.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    sync::oneshot,
    task::{JoinHandle, yield_now},
    time::{Instant, sleep},
};
use websocket_proto::{
    CloseCode, CloseInfo, Config, Error, Message, Side, Timers,
    tokio::{Shutdown, ShutdownGuard, WebSocket},
};

mod serve;

const GRACE: Duration = Duration::from_secs(10);

/// The upgrade request of peers that send nothing else.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// An echo server's connection, as the documentation recommends.
async fn echo<S>(stream: S, guard: ShutdownGuard)
where
    S: tokio::io::AsyncRead + AsyncWrite + Unpin,
{
    let _ = try_echo(stream, guard).await;
}

async fn try_echo<S>(stream: S, mut guard: ShutdownGuard) -> Result<(), Error>
where
    S: tokio::io::AsyncRead + AsyncWrite + Unpin,
{
    let Some(opened) = guard.unless_requested(WebSocket::accept(stream)).await else {
        return Ok(());
    };
    let mut websocket = opened?;
    loop {
        tokio::select! {
            received = websocket.recv_split() => match received? {
                Some((message, outbound)) => outbound.feed(message)?,
                None => return Ok(()),
            },
            () = guard.requested() => return websocket.close(CloseCode::GOING_AWAY).await,
        }
    }
}

/// An open connection to a new echo task.
async fn connect(shutdown: &Shutdown) -> WebSocket<DuplexStream> {
    let (near, far) = duplex(64 << 10);
    assert!(shutdown.spawn(|guard| echo(far, guard)));
    client(near).await
}

async fn client<S>(stream: S) -> WebSocket<S>
where
    S: tokio::io::AsyncRead + AsyncWrite + Unpin,
{
    let request = "ws://localhost/".parse().expect("a valid URI");
    WebSocket::client(stream, request).await.expect("the server accepts")
}

/// Receives until the end, and returns what arrived and how it ended.
fn drain<S>(mut websocket: WebSocket<S>) -> JoinHandle<(Vec<String>, Option<CloseInfo>)>
where
    S: tokio::io::AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let mut texts = Vec::new();
        while let Ok(Some(message)) = websocket.recv().await {
            match message {
                Message::Text(text) => texts.push(text.as_str().to_owned()),
                Message::Binary(_) => panic!("no binary message was sent"),
            }
        }
        (texts, websocket.close_info())
    })
}

fn assert_went_away(closure: Option<&CloseInfo>) {
    let closure = closure.expect("it has ended");
    assert_eq!((closure.code, closure.initiator), (CloseCode::GOING_AWAY, Side::Peer));
    assert!(closure.clean, "{closure:?}");
}

/// CL-26: a server that goes away closes every connection with 1001.
#[tokio::test(start_paused = true)]
async fn every_peer_gets_1001() {
    let shutdown = Shutdown::new();
    let mut peers = Vec::new();
    for _ in 0..20 {
        peers.push(drain(connect(&shutdown).await));
    }
    assert_eq!(shutdown.tasks(), 20);
    let began = Instant::now();
    let outcome = shutdown.finish(GRACE).await;
    assert!(outcome.is_graceful());
    assert_eq!(outcome.dropped, 0);
    assert_eq!(began.elapsed(), Duration::ZERO, "it returns as soon as all have ended");
    assert_eq!(shutdown.tasks(), 0);
    for peer in peers {
        assert_went_away(peer.await.expect("no panic").1.as_ref());
    }
}

/// CL-26: what is queued when a server goes away arrives before the Close.
#[tokio::test(start_paused = true)]
async fn queued_messages_arrive_before_the_close() {
    let shutdown = Shutdown::new();
    // So little fits that most of the messages are still queued when the shutdown begins.
    let (near, far) = duplex(256);
    shutdown.spawn(|mut guard| async move {
        let mut websocket = WebSocket::accept(far).await.expect("a valid request");
        for number in 0..1000 {
            websocket
                .feed(format!("message {number}"))
                .await
                .expect("there is room");
        }
        guard.requested().await;
        websocket.close(CloseCode::GOING_AWAY).await.expect("a clean close");
    });
    let peer = client(near).await;
    let peer = drain(peer);
    assert!(shutdown.finish(GRACE).await.is_graceful());
    let (texts, closure) = peer.await.expect("no panic");
    let expected: Vec<String> = (0..1000).map(|number| format!("message {number}")).collect();
    assert_eq!(texts, expected);
    assert_went_away(closure.as_ref());
}

/// CL-27: a peer that does not answer the Close is awaited no longer than the closing handshake may take.
#[tokio::test(start_paused = true)]
async fn silent_peers_end_with_the_closing_handshake() {
    let shutdown = Shutdown::new();
    let silent = connect(&shutdown).await;
    let began = Instant::now();
    assert!(shutdown.finish(GRACE).await.is_graceful());
    assert_eq!(
        began.elapsed(),
        Duration::from_secs(5),
        "the default of `Timers::close`"
    );
    drop(silent);
}

/// CL-27: a peer that does not answer the Close is dropped at the deadline.
#[tokio::test(start_paused = true)]
async fn silent_peers_are_dropped_at_the_deadline() {
    let shutdown = Shutdown::new();
    let (mut silent, far) = duplex(64 << 10);
    shutdown.spawn(|mut guard| async move {
        let config = Config::new().timers(Timers::new().close(None));
        let accepted = WebSocket::accept_with(far, &config, async |_| Ok(Default::default())).await;
        let (mut websocket, _) = accepted.expect("a valid request");
        guard.requested().await;
        let _ = websocket.close(CloseCode::GOING_AWAY).await;
        unreachable!("the peer never answers");
    });
    silent.write_all(REQUEST).await.expect("there is room");
    let lively = drain(connect(&shutdown).await);
    let began = Instant::now();
    let outcome = shutdown.finish(GRACE).await;
    assert_eq!(outcome.dropped, 1, "the responsive one ended by itself");
    assert_eq!(began.elapsed(), GRACE);
    assert_eq!(shutdown.tasks(), 0);
    assert_went_away(lively.await.expect("no panic").1.as_ref());
    // The stream is dropped, after a Close with 1001.
    let mut received = Vec::new();
    silent.read_to_end(&mut received).await.expect("what was written");
    assert!(
        received.ends_with(b"\r\n\r\n\x88\x02\x03\xe9"),
        "{}",
        received.escape_ascii()
    );
}

#[tokio::test(start_paused = true)]
async fn tasks_that_ignore_the_request_are_dropped() {
    let shutdown = Shutdown::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        let probe = Probe(Arc::clone(&dropped));
        shutdown.spawn(|_| async move {
            let _probe = probe;
            pending().await
        });
    }
    yield_now().await;
    let outcome = shutdown.finish(GRACE).await;
    assert!(!outcome.is_graceful());
    assert_eq!(outcome.dropped, 3);
    // They are dropped when `finish` returns, not later.
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn opening_handshakes_are_dropped_at_once() {
    let shutdown = Shutdown::new();
    let (mut near, far) = duplex(1 << 10);
    shutdown.spawn(|guard| echo(far, guard));
    near.write_all(&REQUEST[..40]).await.expect("there is room");
    yield_now().await;
    let began = Instant::now();
    assert!(shutdown.finish(GRACE).await.is_graceful());
    assert_eq!(began.elapsed(), Duration::ZERO);
    let mut received = Vec::new();
    near.read_to_end(&mut received).await.expect("the end");
    assert_eq!(received, b"");
}

#[tokio::test(start_paused = true)]
async fn no_task_is_started_after_the_request() {
    let shutdown = Shutdown::new();
    let clone = shutdown.clone();
    assert!(clone.spawn(|_| async {}));
    let guard = shutdown.guard();
    assert!(!guard.is_requested());
    shutdown.request();
    assert!(guard.is_requested());
    let ran = Arc::new(AtomicUsize::new(0));
    let probe = Probe(Arc::clone(&ran));
    let started = clone.spawn(|_| async move {
        drop(probe);
        panic!("it must not run");
    });
    assert!(!started);
    assert_eq!(ran.load(Ordering::Relaxed), 1, "what the task owned is dropped");
    drop(guard);
    assert!(shutdown.finish(GRACE).await.is_graceful());
}

/// `finish` also waits for a task that another server runs, such as that of an HTTP upgrade, and for its clones of the guard.
#[tokio::test(start_paused = true)]
async fn tasks_elsewhere_are_awaited_while_they_hold_a_guard() {
    let shutdown = Shutdown::new();
    let mut guard = shutdown.guard();
    let clone = guard.clone();
    assert_eq!(shutdown.tasks(), 1, "a clone is not another task");
    tokio::spawn(async move {
        guard.requested().await;
        sleep(GRACE / 4).await;
        drop(guard);
        sleep(GRACE / 4).await;
        drop(clone);
    });
    let began = Instant::now();
    assert!(shutdown.finish(GRACE).await.is_graceful());
    assert_eq!(began.elapsed(), GRACE / 2);

    // What begins after the request is not awaited, and a guard that is kept does not delay the end for ever.
    let late = shutdown.guard();
    assert!(late.is_requested());
    assert!(shutdown.finish(GRACE).await.is_graceful());
    let shutdown = Shutdown::new();
    let kept = shutdown.guard();
    assert_eq!(shutdown.finish(GRACE).await.dropped, 1);
    drop(kept);
    assert_eq!(shutdown.tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn finish_without_tasks_returns_at_once() {
    let began = Instant::now();
    assert!(Shutdown::default().finish(GRACE).await.is_graceful());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_is_gone() {
    let shutdown = Shutdown::new();
    shutdown.spawn(|_| async { std::panic::resume_unwind(Box::new("on purpose")) });
    shutdown.spawn(|mut guard| async move { guard.requested().await });
    assert!(shutdown.finish(GRACE).await.is_graceful());
    assert_eq!(shutdown.tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn ended_tasks_are_forgotten() {
    let shutdown = Shutdown::new();
    for _ in 0..1000 {
        shutdown.spawn(|_| async {});
    }
    while shutdown.tasks() > 0 {
        yield_now().await;
    }
}

/// The request reaches every clone of a guard, and waiting for it can be cancelled at any poll.
#[tokio::test(start_paused = true)]
async fn waiting_for_the_request_is_cancel_safe() {
    let shutdown = Shutdown::new();
    let mut guard = shutdown.guard();
    let mut other = guard.clone();
    for _ in 0..5 {
        tokio::select! {
            biased;
            () = guard.requested() => panic!("no end was requested"),
            () = yield_now() => {}
        }
    }
    let waiting = tokio::spawn(async move {
        other.requested().await;
        other.requested().await;
    });
    yield_now().await;
    shutdown.request();
    guard.requested().await;
    waiting.await.expect("no panic");
    assert_eq!(guard.unless_requested(async { 1 }).await, None);
}

/// Dropping `finish` drops no task, and the next call continues.
#[tokio::test(start_paused = true)]
async fn finish_is_cancel_safe() {
    let shutdown = Shutdown::new();
    let (end, ended) = oneshot::channel::<()>();
    shutdown.spawn(|_| async {
        let _ = ended.await;
    });
    for _ in 0..3 {
        tokio::select! {
            biased;
            _ = shutdown.finish(GRACE) => panic!("the task is still there"),
            () = tokio::time::sleep(GRACE / 2) => {}
        }
        assert_eq!(shutdown.tasks(), 1);
    }
    end.send(()).expect("the task waits");
    assert!(shutdown.finish(GRACE).await.is_graceful());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads() {
    let shutdown = Shutdown::new();
    let mut peers = Vec::new();
    for _ in 0..50 {
        peers.push(drain(connect(&shutdown).await));
    }
    // Tasks are started from several threads while the shutdown begins.
    let starting: Vec<_> = (0..4)
        .map(|_| {
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                while shutdown.spawn(|mut guard| async move { guard.requested().await }) {
                    yield_now().await;
                }
            })
        })
        .collect();
    assert!(shutdown.finish(GRACE).await.is_graceful());
    assert_eq!(shutdown.tasks(), 0);
    for peer in peers {
        assert_went_away(peer.await.expect("no panic").1.as_ref());
    }
    for task in starting {
        task.await.expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_threads_drop_what_is_left() {
    let shutdown = Shutdown::new();
    for _ in 0..100 {
        shutdown.spawn(|_| pending());
    }
    let outcome = shutdown.finish(Duration::ZERO).await;
    assert_eq!(outcome.dropped, 100);
    assert_eq!(shutdown.tasks(), 0);
}

/// A runtime that ends drops the tasks, without a hang or a panic; a runtime that has ended starts none.
#[test]
fn a_runtime_may_end_first() {
    let shutdown = Shutdown::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        shutdown.spawn(|_| pending());
    });
    drop(runtime);
    assert_eq!(shutdown.tasks(), 0);
    let _entered = handle.enter();
    shutdown.spawn(|_| pending());
    assert_eq!(shutdown.tasks(), 0, "the runtime dropped it at once");
}

/// Counts its drops.
struct Probe(Arc<AtomicUsize>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
