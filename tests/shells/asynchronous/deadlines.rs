//! Deadlines, on tokio's paused clock: the time jumps to the next timer whenever nothing else is to be done.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    time::{Instant, advance, sleep, timeout},
};
use websocket_proto::{
    CloseCode, Config, Error, Negotiated, ProtocolError, Role, Timer, Timers,
    handshake::{ClientRequest, HandshakeError},
    tokio::WebSocket,
};

use crate::support::{FIN, PING, PONG, TEXT, close, frames, masked};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn server(timers: Timers) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(256);
    let config = Config::new().timers(timers);
    (
        WebSocket::from_negotiated(ours, &Negotiated::new(Role::Server), &config),
        theirs,
    )
}

/// What came of it, and the time that it took.
async fn timed<O>(future: impl Future<Output = O>) -> (O, Duration) {
    let start = Instant::now();
    let output = future.await;
    (output, start.elapsed())
}

fn timer(result: Result<impl Sized, Error>) -> Timer {
    match result {
        Err(Error::Protocol(ProtocolError::TimedOut(timer))) => timer,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it did not fail"),
    }
}

/// SEC-11: a client that sends no request, or only the start of one, is told 408.
#[tokio::test(start_paused = true)]
async fn a_silent_client_is_told_408() {
    for start in [&b""[..], b"GET / HTTP/1.1\r\nHost:"] {
        let (ours, mut theirs) = duplex(1024);
        theirs.write_all(start).await.unwrap();
        let peer = tokio::spawn(async move {
            let mut response = String::new();
            theirs.read_to_string(&mut response).await.unwrap();
            response
        });
        let (accepted, elapsed) = timed(WebSocket::accept(ours)).await;
        assert!(
            matches!(accepted, Err(Error::Handshake(HandshakeError::TimedOut))),
            "{accepted:?}"
        );
        assert!((secs(10)..secs(11)).contains(&elapsed), "{elapsed:?}");
        let response = peer.await.unwrap();
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    }
}

/// SEC-11: a refused client that neither reads nor closes is given up soon.
#[tokio::test(start_paused = true)]
async fn a_refused_client_is_given_up() {
    let (ours, mut theirs) = duplex(40);
    let accepting = tokio::spawn(timed(WebSocket::accept(ours)));
    theirs.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
    let (accepted, elapsed) = accepting.await.unwrap();
    assert!(matches!(accepted, Err(Error::Handshake(_))), "{accepted:?}");
    assert!((secs(2)..secs(3)).contains(&elapsed), "{elapsed:?}");
}

/// SEC-11: so is a server that does not answer, or takes no request.
#[tokio::test(start_paused = true)]
async fn a_silent_server_times_out() {
    for capacity in [1024, 20] {
        let (ours, _theirs) = duplex(capacity);
        let request = ClientRequest::new("ws://example.com/".parse().unwrap());
        let (opened, elapsed) = timed(WebSocket::client(ours, request)).await;
        assert!(
            matches!(opened, Err(Error::Handshake(HandshakeError::TimedOut))),
            "{opened:?}"
        );
        assert_eq!(elapsed.as_secs(), 10);
    }
}

/// SEC-11: a client that sends its request and then takes no response.
#[tokio::test(start_paused = true)]
async fn a_response_that_nobody_takes_times_out() {
    let (ours, theirs) = duplex(20);
    let (mut read, mut write) = tokio::io::split(theirs);
    let request = b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let peer = tokio::spawn(async move { write.write_all(request).await });
    let accepted = timeout(secs(60), WebSocket::accept(ours)).await.expect("no hang");
    assert_eq!(timer(accepted), Timer::Write);
    peer.await.unwrap().unwrap();
    let _ = read.read(&mut [0]).await;
}

/// CL-27: the wait for the peer's Close, and for the end of the stream behind it, is bounded.
#[tokio::test(start_paused = true)]
async fn the_closing_handshake_is_bounded() {
    let (mut websocket, peer) = server(Timers::new());
    let (closed, elapsed) = timed(websocket.close(CloseCode::NORMAL)).await;
    assert_eq!((timer(closed), elapsed.as_secs()), (Timer::Close, 5));
    drop(peer);

    // The Close came, but not the end: that is clean enough.
    let (mut websocket, mut peer) = server(Timers::new());
    peer.write_all(&close(1000)).await.unwrap();
    let (received, elapsed) = timed(websocket.recv()).await;
    assert!(matches!(received, Ok(None)), "{received:?}");
    assert_eq!(elapsed.as_secs(), 5);

    // Traffic does not renew it.
    let (mut websocket, peer) = server(Timers::new());
    let (mut read, mut write) = tokio::io::split(peer);
    let flood = tokio::spawn(async move {
        while write.write_all(&masked(FIN | TEXT, b"still here")).await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    });
    let (closed, elapsed) = timed(websocket.close(CloseCode::NORMAL)).await;
    assert_eq!((timer(closed), elapsed.as_secs()), (Timer::Close, 5));
    drop(websocket);
    flood.await.unwrap();
    let _ = read.read(&mut [0]).await;
}

/// CL-21: a failed connection waits for the peer's end only so long, also if the peer keeps sending.
#[tokio::test(start_paused = true)]
async fn a_failed_connection_lingers_for_a_bounded_time() {
    let (mut websocket, peer) = server(Timers::new());
    let (mut read, mut write) = tokio::io::split(peer);
    let peer = tokio::spawn(async move {
        while write.write_all(&masked(FIN | 3, b"")).await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    });
    let (received, elapsed) = timed(websocket.recv()).await;
    assert!(
        matches!(received, Err(Error::Protocol(ProtocolError::Frame(_)))),
        "{received:?}"
    );
    assert_eq!(elapsed.as_secs(), 5);
    drop(websocket);
    peer.await.unwrap();
    let mut written = vec![];
    read.read_to_end(&mut written).await.unwrap();
    assert_eq!(frames(&written), [(0x88, 1002_u16.to_be_bytes().to_vec())]);
}

/// The peer is given up between 1 and 1.25 times the limit after its last byte.
#[tokio::test(start_paused = true)]
async fn an_idle_peer_is_given_up() {
    for talks_for in [0, 1, 33, 70] {
        let (mut websocket, mut peer) = server(Timers::new().idle(secs(20)));
        let talk = tokio::spawn(async move {
            for _ in 0..talks_for {
                sleep(secs(1)).await;
                peer.write_all(&masked(FIN | PONG, b"")).await.unwrap();
            }
            let last = Instant::now();
            let mut written = vec![];
            peer.read_to_end(&mut written).await.unwrap();
            (last.elapsed(), written)
        });
        let received = websocket.recv().await;
        assert_eq!(timer(received), Timer::Idle);
        drop(websocket);
        let (silent, written) = talk.await.unwrap();
        assert!(
            (secs(20)..=secs(25)).contains(&silent),
            "{silent:?} after {talks_for} s of talk"
        );
        assert_eq!(frames(&written), [(0x88, 1001_u16.to_be_bytes().to_vec())]);
    }
}

/// A dead peer: a Ping after the interval, and the end if it is not answered in time.
#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_found() {
    let (mut websocket, mut peer) = server(Timers::new().keepalive(secs(30)).pong(secs(10)));
    let (received, elapsed) = timed(websocket.recv()).await;
    assert_eq!((timer(received), elapsed.as_secs()), (Timer::Keepalive, 40));
    drop(websocket);
    let mut written = vec![];
    peer.read_to_end(&mut written).await.unwrap();
    let frames = frames(&written);
    assert!(
        matches!(&frames[..], [(first, _)] if *first == FIN | PING),
        "{frames:?}"
    );
}

/// A peer that answers stays, and the time of its answers is known.
#[tokio::test(start_paused = true)]
async fn a_live_peer_is_measured() {
    let (mut websocket, peer) = server(Timers::new().keepalive(secs(30)).pong(secs(10)));
    let (mut read, mut write) = tokio::io::split(peer);
    tokio::spawn(async move {
        for _ in 0..5 {
            let mut head = [0; 2];
            read.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(head[1])];
            read.read_exact(&mut payload).await.unwrap();
            sleep(Duration::from_millis(1500)).await;
            write.write_all(&masked(FIN | PONG, &payload)).await.unwrap();
        }
        write.write_all(&masked(FIN | TEXT, b"alive")).await.unwrap();
        sleep(secs(1)).await;
    });
    assert_eq!(websocket.latency(), None);
    let (received, elapsed) = timed(websocket.recv()).await;
    assert_eq!(received.unwrap().unwrap().as_text(), Some("alive"));
    assert!(elapsed > secs(150), "{elapsed:?}");
    let latency = websocket.latency().unwrap();
    assert!((1499..=1502).contains(&latency.as_millis()), "{latency:?}");
}

/// The keepalive goes on while the application drops its futures all the time.
#[tokio::test(start_paused = true)]
async fn dropped_futures_do_not_keep_a_dead_peer_alive() {
    let (mut websocket, _peer) = server(Timers::new().keepalive(secs(30)).pong(secs(10)));
    let start = Instant::now();
    let received = loop {
        if let Ok(received) = timeout(Duration::from_millis(700), websocket.recv()).await {
            break received;
        }
    };
    assert_eq!(timer(received), Timer::Keepalive);
    assert!((secs(40)..secs(42)).contains(&start.elapsed()), "{:?}", start.elapsed());
}

/// SEC-11: output that the peer does not take, whichever call waits for it.
#[tokio::test(start_paused = true)]
async fn a_stalled_write_ends_the_connection() {
    for call in 0..5 {
        let (mut websocket, peer) = server(Timers::new());
        websocket.try_feed(vec![0; 1000]).unwrap();
        let waiting = async {
            match call {
                0 => websocket.recv().await.map(|_| ()),
                1 => websocket.flush().await,
                2 => websocket.send("more").await,
                3 => websocket.ping(b"").await,
                _ => {
                    websocket.try_feed(vec![0; 2 << 20]).unwrap();
                    websocket.feed("no room").await
                }
            }
        };
        let (ended, elapsed) = timed(timeout(secs(100), waiting)).await;
        assert_eq!(timer(ended.expect("no hang")), Timer::Write, "call {call}");
        assert_eq!(elapsed.as_secs(), 30, "call {call}");
        assert_eq!(timer(websocket.recv().await), Timer::Write, "call {call}");
        drop(peer);
    }
}

/// A peer that takes a little now and then is slow, not gone; nor can it answer a Ping that it did not get.
#[tokio::test(start_paused = true)]
async fn a_slow_peer_is_not_stalled() {
    let (mut websocket, mut peer) = server(Timers::new().keepalive(secs(10)));
    let reader = tokio::spawn(async move {
        let mut taken = 0;
        let mut buffer = [0; 100];
        while taken < 1004 {
            sleep(secs(20)).await;
            taken += peer.read(&mut buffer).await.unwrap();
        }
        peer
    });
    let (sent, elapsed) = timed(websocket.send(vec![0; 1000])).await;
    sent.unwrap();
    assert!(elapsed > secs(100), "{elapsed:?}");
    let received = timeout(secs(5), websocket.recv()).await;
    assert!(received.is_err(), "{received:?}");
    reader.abort();
}

/// DRV-20: one who waits to write also listens, and so notices a peer that says nothing.
#[tokio::test(start_paused = true)]
async fn a_peer_is_idle_also_while_it_takes_output() {
    let (mut websocket, mut peer) = server(Timers::new().idle(secs(60)));
    let reader = tokio::spawn(async move {
        let mut buffer = [0; 10];
        while peer.read(&mut buffer).await.unwrap() > 0 {
            sleep(secs(5)).await;
        }
    });
    let (sent, elapsed) = timed(websocket.send(vec![0; 1000])).await;
    assert_eq!(timer(sent), Timer::Idle);
    // And then the peer has the time of the closing handshake to take what waits.
    assert_eq!(elapsed.as_secs(), 65);
    reader.abort();
}

/// With the defaults, an open connection sets no timer: the clock stands still, since nothing wakes the runtime.
#[tokio::test(start_paused = true)]
async fn no_timer_is_set_by_default() {
    let (mut websocket, mut peer) = server(Timers::new());
    let start = Instant::now();
    let polls = std::cell::Cell::new(0);
    let mut recv = std::pin::pin!(websocket.recv());
    let counted = std::future::poll_fn(|cx| {
        polls.set(polls.get() + 1);
        recv.as_mut().poll(cx)
    });
    let waited = timeout(secs(100_000), counted).await;
    assert!(waited.is_err());
    assert_eq!(start.elapsed().as_secs(), 100_000, "no other timer came before");
    assert!(polls.get() <= 2, "{} polls", polls.get());
    peer.write_all(&masked(FIN | TEXT, b"x")).await.unwrap();
    assert!(recv.await.unwrap().is_some());
}

/// A stream that takes everything, passes on nothing, and brings nothing.
struct Holding;

impl AsyncRead for Holding {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Holding {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// SEC-11: output that a buffering stream took, as TLS does, but cannot pass on, is stalled as well.
#[tokio::test(start_paused = true)]
async fn a_stalled_flush_times_out() {
    let config = Config::new().timers(Timers::new().write(secs(7)));
    let open = || WebSocket::from_negotiated(Holding, &Negotiated::new(Role::Server), &config);
    let (sent, elapsed) = timed(open().send("x")).await;
    assert_eq!(timer(sent), Timer::Write);
    assert!((secs(7)..=secs(14)).contains(&elapsed), "{elapsed:?}");
    let mut receiving = open();
    receiving.try_feed("x").unwrap();
    let (received, elapsed) = timed(receiving.recv()).await;
    assert_eq!(timer(received), Timer::Write);
    assert!((secs(7)..=secs(14)).contains(&elapsed), "{elapsed:?}");
    let (mut send, mut recv) = open().split();
    let receiving = tokio::spawn(async move { recv.recv().await.map(|_| ()) });
    let (sent, elapsed) = timed(send.send("x")).await;
    assert_eq!(timer(sent), Timer::Write);
    assert!((secs(7)..=secs(14)).contains(&elapsed), "{elapsed:?}");
    assert_eq!(timer(receiving.await.unwrap()), Timer::Write);
}

/// The longest duration there is means never, and overflows nothing.
#[tokio::test(start_paused = true)]
async fn the_longest_deadline_is_never() {
    let never = Duration::MAX;
    let timers = Timers::new()
        .handshake(never)
        .close(never)
        .write(never)
        .keepalive(never)
        .idle(never);
    let (mut websocket, mut peer) = server(timers);
    assert!(timeout(secs(1000), websocket.recv()).await.is_err());
    websocket.try_feed(vec![0; 1000]).unwrap();
    assert!(timeout(secs(1000), websocket.flush()).await.is_err());
    assert!(timeout(secs(1000), websocket.close(None)).await.is_err());
    peer.write_all(&close(1000)).await.unwrap();
    drop(peer);
    // DRV-02: that the output was not taken changes nothing about what the peer said.
    assert!(websocket.recv().await.unwrap().is_none());
    assert!(!websocket.close_info().unwrap().clean);

    let (ours, _theirs) = duplex(10);
    let config = Config::new().timers(timers);
    let accepted = timeout(
        secs(1000),
        WebSocket::accept_with(ours, &config, async |_| Ok(Default::default())),
    )
    .await;
    assert!(accepted.is_err(), "it waits");
}

/// A timeout of the application leaves the connection as it was.
#[tokio::test(start_paused = true)]
async fn a_timeout_of_the_application_breaks_nothing() {
    let (mut websocket, mut peer) = server(Timers::new());
    let text = masked(FIN | TEXT, b"in pieces");
    for byte in &text {
        assert!(timeout(secs(1), websocket.recv()).await.is_err());
        peer.write_all(&[*byte]).await.unwrap();
    }
    advance(secs(1)).await;
    assert_eq!(websocket.recv().await.unwrap().unwrap().as_text(), Some("in pieces"));
}

/// DRV-01: a task that looks too late finds what the peer sent in time, not that the peer was silent.
#[tokio::test(start_paused = true)]
async fn what_waits_is_read_before_silence_is_judged() {
    let timers = Timers::new().keepalive(secs(2)).pong(secs(3)).idle(secs(20));
    let (mut websocket, mut peer) = server(timers);
    for late in [4, 60] {
        // The Ping is sent, and its answer lies in the transport while the task does something else.
        assert!(timeout(Duration::from_millis(2600), websocket.recv()).await.is_err());
        let mut ping = [0; 128];
        let len = peer.read(&mut ping).await.unwrap();
        assert_eq!(ping[0], FIN | PING, "{len} bytes");
        peer.write_all(&masked(FIN | PONG, &ping[2..len])).await.unwrap();
        peer.write_all(&masked(FIN | TEXT, b"here")).await.unwrap();
        advance(secs(late)).await;
        let message = websocket.recv().await.expect("the peer is there");
        assert_eq!(message.expect("a message").as_text(), Some("here"));
    }
}

/// DRV-14: on a runtime without timers, a connection whose deadlines are off works, from its opening to its end.
#[test]
fn without_deadlines_no_timer_is_needed() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = Config::new().timers(Timers::off());
        let (ours, theirs) = duplex(100);
        let request = ClientRequest::new("ws://localhost/".parse().unwrap());
        let serving = async {
            let (mut server, _) = WebSocket::accept_with(theirs, &config, async |_| Ok(Default::default())).await?;
            while let Some((message, outbound)) = server.recv_split().await? {
                outbound.feed(message)?;
            }
            Ok::<_, Error>(())
        };
        let asking = async {
            let (mut client, _) = WebSocket::client_with(ours, request, &config).await?;
            client.send(vec![1; 1000]).await?;
            assert_eq!(client.recv().await?.unwrap().len(), 1000);
            client.close(None).await
        };
        let (served, asked) = futures_util::future::join(serving, asking).await;
        served.unwrap();
        asked.unwrap();
    });
}
