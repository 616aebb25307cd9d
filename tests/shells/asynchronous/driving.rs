//! The order of reads, writes and the end (DRV), over real sockets and in tasks of a runtime.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use websocket_proto::{
    CloseInfo, Config, Error, Message, Negotiated, ProtocolError, Role, Timer, Timers, tokio::WebSocket,
};

use crate::support::{BINARY, CLOSE, FIN, PING, Pipe, TEXT, Task, close, masked};

const SOON: Duration = Duration::from_secs(20);

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn server<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: S, timers: Timers) -> WebSocket<S> {
    WebSocket::from_negotiated(stream, &Negotiated::new(Role::Server), &Config::new().timers(timers))
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

fn last_words() -> Vec<u8> {
    let banned = [&4001_u16.to_be_bytes()[..], b"banned"].concat();
    [masked(FIN | TEXT, b"last words"), masked(FIN | CLOSE, &banned)].concat()
}

fn check_banned(
    received: Result<Option<Message<'_>>, Error>,
    ended: &Result<Option<Message<'_>>, Error>,
    closure: &CloseInfo,
) {
    assert_eq!(received.unwrap().unwrap().as_text(), Some("last words"));
    assert!(matches!(ended, Ok(None)), "{ended:?}");
    assert_eq!((closure.code.value(), &*closure.reason), (4001, "banned"));
}

/// DRV-02: the peer has said why, and is gone, so that every write meets a reset. What it said is still there.
#[tokio::test]
async fn last_words_are_heard_behind_a_reset() {
    for sends in [true, false] {
        for splits in [true, false] {
            let (mut peer, ours) = sockets().await;
            peer.write_all(&last_words()).await.unwrap();
            drop(peer);
            let mut websocket = server(ours, Timers::new());
            // The first write makes the peer's system answer with a reset, which the second one meets.
            websocket.send("x").await.unwrap();
            sleep(millis(50)).await;
            if splits {
                let (mut send, mut recv) = websocket.split();
                match sends {
                    true => assert!(matches!(send.send("y").await, Err(Error::Io(_)))),
                    false => send.feed("y").await.unwrap(),
                }
                let received = recv.recv().await;
                let ended = recv.recv().await;
                check_banned(received, &ended, &recv.close_info().unwrap());
            } else {
                match sends {
                    true => assert!(matches!(websocket.send("y").await, Err(Error::Io(_)))),
                    false => websocket.feed("y").await.unwrap(),
                }
                let received = websocket.recv().await;
                let ended = websocket.recv().await;
                check_banned(received, &ended, &websocket.close_info().unwrap());
            }
        }
    }
}

/// DRV-02: the same over a stream that is closed the other way: in memory, a write fails at once.
#[tokio::test]
async fn last_words_are_heard_in_memory() {
    let (mut peer, ours) = duplex(1 << 10);
    peer.write_all(&last_words()).await.unwrap();
    drop(peer);
    let mut websocket = server(ours, Timers::new());
    assert!(websocket.send("x").await.is_err());
    assert!(matches!(
        websocket.send("x").await,
        Err(Error::Protocol(ProtocolError::ConnectionLost))
    ));
    let received = websocket.recv().await;
    let ended = websocket.recv().await;
    check_banned(received, &ended, &websocket.close_info().unwrap());
}

/// DRV-20: both ends send more than any buffer holds, and only then receive.
#[tokio::test]
async fn two_ends_that_send_at_once_do_not_stop_each_other() {
    let (near, far) = sockets().await;
    let client = WebSocket::from_negotiated(near, &Negotiated::new(Role::Client), &Config::new());
    let both = [client, server(far, Timers::new())].map(|mut websocket| async move {
        websocket.send(vec![7; 15 << 20]).await?;
        let message = websocket.recv().await?.expect("a message");
        assert!(message.len() == 15 << 20);
        Ok::<_, Error>(())
    });
    for ended in timeout(SOON, futures_util::future::join_all(both))
        .await
        .expect("no hang")
    {
        ended.unwrap();
    }
}

/// DRV-20: the peer closes and ends its side while a long message waits for it: that ends the wait, and its code is known.
#[tokio::test]
async fn the_close_of_the_peer_ends_a_send_that_waits() {
    for gives_up in [false, true] {
        let (mut peer, ours) = sockets().await;
        let mut websocket = server(ours, Timers::new());
        let closing = async {
            sleep(millis(100)).await;
            peer.write_all(&close(1011)).await.unwrap();
            peer.shutdown().await.unwrap();
        };
        let began = Instant::now();
        if gives_up {
            assert!(timeout(millis(50), websocket.send(vec![0; 15 << 20])).await.is_err());
            closing.await;
            let _ = websocket.close(None).await;
        } else {
            let (sent, ()) = futures_util::future::join(websocket.send(vec![0; 15 << 20]), closing).await;
            assert!(sent.is_err(), "it was not taken");
        }
        assert!(websocket.recv().await.unwrap().is_none());
        assert!(began.elapsed() < millis(2000), "{:?}", began.elapsed());
        let closure = websocket.close_info().unwrap();
        assert_eq!((closure.code.value(), closure.clean), (1011, false));
        drop(peer);
    }
}

/// DRV-12: the sending half keeps its own deadline, also when nobody receives any more.
#[tokio::test(start_paused = true)]
async fn a_sending_half_alone_is_not_stuck() {
    let (peer, ours) = duplex(100);
    let (mut send, recv) = server(ours, Timers::new().write(millis(500))).split();
    drop(recv);
    let began = tokio::time::Instant::now();
    let sent = send.send(vec![0; 1000]).await;
    assert!(
        matches!(sent, Err(Error::Protocol(ProtocolError::TimedOut(Timer::Write)))),
        "{sent:?}"
    );
    assert!(
        (millis(500)..=millis(626)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    drop(peer);
}

/// DRV-13: a loop that receives what lies in its buffer lets others have their turn.
#[tokio::test]
async fn a_burst_of_messages_is_received_in_turns() {
    const MESSAGES: usize = 10_000;
    for way in 0..4 {
        let (mut peer, ours) = duplex(1 << 20);
        peer.write_all(&masked(FIN | TEXT, b"").repeat(MESSAGES)).await.unwrap();
        drop(peer);
        let mut websocket = server(ours, Timers::new());
        let (turns, counter) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (ticks, messages) = (Arc::clone(&turns), Arc::clone(&counter));
        let ticker = tokio::spawn(async move {
            while messages.load(Ordering::Relaxed) < MESSAGES {
                ticks.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        if way == 3 {
            let (_send, mut recv) = websocket.split();
            while let Ok(Some(_)) = recv.recv_ref().await {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            loop {
                let is_there = match way {
                    0 => websocket.recv().await.is_ok(),
                    1 => websocket.recv_ref().await.is_ok(),
                    _ => websocket.next().await.unwrap().is_ok(),
                };
                if !is_there {
                    break;
                }
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        assert_eq!(counter.load(Ordering::Relaxed), MESSAGES);
        ticker.await.unwrap();
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns >= MESSAGES / 64, "{turns} turns, way {way}");
    }
}

/// DRV-19: whatever waits, one write is given a bounded part of it.
#[test]
fn a_write_is_given_a_bounded_part() {
    let (pipe, script) = Pipe::new();
    script.vectored();
    let mut websocket = server(pipe, Timers::off());
    let mut sending = Task::new(websocket.send(vec![0; 4 << 20]));
    assert!(sending.settle().is_ready());
    let longest = script.writes().iter().map(Vec::len).max().unwrap();
    assert!((100_000..=128 << 10).contains(&longest), "{longest}");
}

/// DRV-07: one task sends much through the sink while another reads small messages from the stream; then the peer, which has
/// read nothing so far, reads everything.
#[tokio::test]
async fn a_sink_and_a_stream_in_two_tasks() {
    let (near, far) = sockets().await;
    let timers = Timers::new().keepalive(millis(100)).pong(None);
    let (mut sink, mut stream) = StreamExt::split(server(far, timers));
    let sending = tokio::spawn(async move {
        for _ in 0..12 {
            sink.send(Message::from(vec![5; 1 << 20])).await?;
        }
        Ok::<_, Error>(sink)
    });
    let reading = tokio::spawn(async move {
        let mut got = 0;
        while let Some(message) = stream.next().await {
            got += usize::from(message?.as_text() == Some("small"));
        }
        Ok::<_, Error>((got, stream))
    });
    let (mut input, mut output) = near.into_split();
    for _ in 0..100 {
        output.write_all(&masked(FIN | TEXT, b"small")).await.unwrap();
        sleep(millis(1)).await;
    }
    let taking = tokio::spawn(async move {
        let (mut taken, mut pings) = (0, 0);
        while taken < 12 {
            let first = input.read_u8().await.unwrap();
            let len = match input.read_u8().await.unwrap() {
                126 => u64::from(input.read_u16().await.unwrap()),
                127 => input.read_u64().await.unwrap(),
                len => u64::from(len),
            };
            tokio::io::copy(&mut (&mut input).take(len), &mut tokio::io::sink())
                .await
                .unwrap();
            taken += usize::from(first == FIN | BINARY);
            pings += usize::from(first == FIN | PING);
        }
        (input, pings)
    });
    let mut sink = timeout(SOON, sending).await.expect("no hang").unwrap().unwrap();
    let (mut input, _) = timeout(SOON, taking).await.expect("no hang").unwrap();
    // Nothing is sent now, but there are still two tasks, so the Pings go on.
    let mut ping = [0];
    timeout(SOON, input.read_exact(&mut ping))
        .await
        .expect("a Ping")
        .unwrap();
    assert_eq!(ping[0], FIN | PING);

    // To close is not to read: what comes meanwhile is for the other task.
    timeout(SOON, sink.close()).await.expect("no hang").unwrap();
    output.write_all(&masked(FIN | TEXT, b"small")).await.unwrap();
    output.write_all(&close(1000)).await.unwrap();
    output.shutdown().await.unwrap();
    let (got, stream) = timeout(SOON, reading).await.expect("no hang").unwrap().unwrap();
    assert_eq!(got, 101);
    assert!(stream.reunite(sink).unwrap().close_info().unwrap().clean);
}

/// DRV-07: the combinators that people use on a whole connection.
#[tokio::test]
async fn combinators_of_streams_and_sinks() {
    fn pair() -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
        let (near, far) = duplex(1 << 10);
        let client = WebSocket::from_negotiated(near, &Negotiated::new(Role::Client), &Config::new());
        (client, server(far, Timers::new()))
    }
    async fn numbers(mut websocket: WebSocket<DuplexStream>) -> Vec<u32> {
        let mut got = Vec::new();
        while let Ok(Some(message)) = websocket.recv().await {
            got.push(message.as_text().unwrap().parse().unwrap());
        }
        assert!(websocket.close_info().unwrap().clean);
        got
    }
    let messages = || futures_util::stream::iter((0..1000_u32).map(|n| Ok(Message::from(n.to_string()))));
    let expected: Vec<u32> = (0..1000).collect();

    // `send_all`, then the end.
    let (mut client, far) = pair();
    let got = tokio::spawn(numbers(far));
    client.send_all(&mut messages()).await.unwrap();
    client.close(None).await.unwrap();
    assert_eq!(got.await.unwrap(), expected);

    // `forward` sends the Close, but leaves nobody to wait for the peer's: the other half of the same connection is.
    let (client, far) = pair();
    let got = tokio::spawn(numbers(far));
    let (sink, mut stream) = StreamExt::split(client);
    let ended = futures_util::future::join(messages().forward(sink), async {
        while stream.next().await.transpose().unwrap().is_some() {}
    });
    timeout(SOON, ended).await.expect("no hang").0.unwrap();
    assert_eq!(got.await.unwrap(), expected);

    // An echo of one stream into its own sink, through `buffered`, in one task.
    let (client, far) = pair();
    let (sink, stream) = StreamExt::split(far);
    let echo = tokio::spawn(stream.map(|message| async move { message }).buffered(10).forward(sink));
    let (mut sink, mut stream) = StreamExt::split(client);
    let sending = tokio::spawn(async move {
        for n in 0..1000_u32 {
            sink.send(Message::from(n.to_string())).await.unwrap();
        }
        sink
    });
    for n in 0..1000_u32 {
        let message = timeout(SOON, stream.next()).await.expect("no hang").unwrap().unwrap();
        assert_eq!(message.as_text(), Some(&*n.to_string()));
    }
    let mut sink = sending.await.unwrap();
    sink.close().await.unwrap();
    assert!(timeout(SOON, stream.next()).await.expect("no hang").is_none());
    echo.await.unwrap().unwrap();

    // `select!` in one task, whichever branch is dropped.
    let (client, mut far) = pair();
    let got = tokio::spawn(async move {
        let (mut sink, mut stream) = StreamExt::split(client);
        let (mut sent, mut received) = (0_u32, 0);
        while received < 500 {
            let mut sending = pin!(sink.send(Message::from(sent.to_string())));
            tokio::select! {
                done = &mut sending, if sent < 500 => {
                    done.unwrap();
                    sent += 1;
                }
                message = stream.next() => {
                    assert_eq!(message.unwrap().unwrap().as_text(), Some(&*received.to_string()));
                    received += 1;
                    if sent < 500 {
                        sending.await.unwrap();
                        sent += 1;
                    }
                }
            }
        }
    });
    while let Ok(Some(message)) = far.recv().await {
        far.send(message).await.unwrap();
    }
    timeout(SOON, got).await.expect("no hang").unwrap();
}
