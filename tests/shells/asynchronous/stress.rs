//! The halves of a connection on several threads at once, thousands of times.
//!
//! This is no model checker. All that the halves share is behind one mutex, which is held for a whole poll, and wakers;
//! there are no atomics whose order could matter. So what can happen to them is the order in which they are polled, and
//! that the simulation tries out, deterministically and with both tasks of each end. A checker such as loom or shuttle
//! would look at the same orders, for the price of other mutexes in the sources. What is left for threads to show is that
//! nothing is lost between a poll and its waker.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use futures_util::future::{Either, join, select};
use tokio::sync::oneshot;
use websocket_proto::{
    CloseCode, Config, Error, Limits, Negotiated, Role,
    asynchronous::{RecvHalf, SendHalf, Transport, WebSocket},
    futures, tokio as shell,
};

const ROUNDS: u64 = if cfg!(debug_assertions) { 1500 } else { 10_000 };

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a connection comes to its end. What is not said happens at the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    SenderCloses,
    BothEndsClose,
    SenderIsDropped,
    ReceiverIsDropped,
    BothAreDropped,
    Reunited,
}

const ENDINGS: [Ending; 6] = [
    Ending::SenderCloses,
    Ending::BothEndsClose,
    Ending::SenderIsDropped,
    Ending::ReceiverIsDropped,
    Ending::BothAreDropped,
    Ending::Reunited,
];

/// A few numbers by chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    /// Lets others go on, now and then.
    async fn pause(&mut self) {
        for _ in 0..self.below(3) {
            let mut yielded = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
    }
}

/// The n-th message of an end.
fn message(n: u64) -> Vec<u8> {
    n.to_be_bytes().repeat(1 + usize::try_from(n * 7 % 40).unwrap())
}

/// Sends until it is enough, or refused. Returns how many messages were accepted.
async fn send_some<T: Transport>(send: &mut SendHalf<T>, messages: u64, chance: &mut Chance) -> u64 {
    for n in 0..messages {
        chance.pause().await;
        if chance.below(10) == 0 && send.ping(b"?").await.is_err() {
            return n;
        }
        if send.feed(message(n)).await.is_err() {
            return n;
        }
        if chance.below(2) == 0 && send.flush().await.is_err() {
            return n + 1;
        }
    }
    let _ = send.flush().await;
    messages
}

/// Receives until the end. Returns how many messages there were.
async fn recv_all<T: Transport>(recv: &mut RecvHalf<T>, chance: &mut Chance) -> (u64, Result<(), Error>) {
    for n in 0.. {
        chance.pause().await;
        match recv.recv().await {
            Ok(Some(received)) => assert_eq!(received.as_bytes(), message(n)),
            Ok(None) => return (n, Ok(())),
            Err(error) => return (n, Err(error)),
        }
    }
    unreachable!("the loop has no end")
}

/// What became of one end: messages accepted and received, and how it ended.
type Outcome = (u64, u64, Result<(), Error>);

/// Runs something as a task of its own.
fn task<O: Send + 'static>(
    spawn: fn(Task),
    future: impl Future<Output = O> + Send + 'static,
) -> impl Future<Output = O> {
    let (done, outcome) = oneshot::channel();
    spawn(Box::pin(async move { drop(done.send(future.await)) }));
    async { outcome.await.expect("a task panicked") }
}

/// The end that does what the ending says.
async fn client<T>(websocket: WebSocket<T>, ending: Ending, seed: u64, spawn: fn(Task)) -> Outcome
where
    T: Transport<Timer: Send> + Send + 'static,
{
    let (mut send, mut recv) = websocket.split();
    let (done, is_done) = oneshot::channel::<()>();
    let messages = Chance(seed).below(60);
    let sender = task(spawn, async move {
        let mut chance = Chance(seed + 1);
        let accepted = send_some(&mut send, messages, &mut chance).await;
        if matches!(ending, Ending::SenderCloses | Ending::BothEndsClose) {
            let _ = send.close(CloseCode::NORMAL).await;
        }
        drop(done);
        let keeps = !matches!(ending, Ending::SenderIsDropped | Ending::BothAreDropped);
        (accepted, keeps.then_some(send))
    });
    let receiver = task(spawn, async move {
        let mut chance = Chance(seed + 2);
        match ending {
            Ending::ReceiverIsDropped => (0, Ok(()), None),
            Ending::BothAreDropped | Ending::Reunited => {
                // Until the sender is done, in the middle of anything.
                let ended = {
                    let received = std::pin::pin!(recv_all(&mut recv, &mut chance));
                    match select(is_done, received).await {
                        Either::Left(_) => Ok(()),
                        Either::Right(((_, ended), _)) => ended,
                    }
                };
                (0, ended, (ending == Ending::Reunited).then_some(recv))
            }
            _ => {
                let (received, ended) = recv_all(&mut recv, &mut chance).await;
                (received, ended, Some(recv))
            }
        }
    });
    let ((accepted, send), (received, mut ended, recv)) = join(sender, receiver).await;
    if let (Ending::Reunited, Some(send), Some(recv)) = (ending, send, recv) {
        let mut websocket = send.reunite(recv).expect("halves of one connection");
        ended = websocket.close(CloseCode::NORMAL).await;
    }
    (accepted, received, ended)
}

/// The other end, which sends as well, and goes on to the end.
async fn server<T>(websocket: WebSocket<T>, ending: Ending, seed: u64, spawn: fn(Task)) -> Outcome
where
    T: Transport<Timer: Send> + Send + 'static,
{
    let (mut send, mut recv) = websocket.split();
    let closes = matches!(ending, Ending::BothEndsClose | Ending::SenderIsDropped);
    let sender = task(spawn, async move {
        let mut chance = Chance(seed + 3);
        let messages = chance.below(60);
        let accepted = send_some(&mut send, messages, &mut chance).await;
        if closes {
            let _ = send.close(CloseCode::GOING_AWAY).await;
        }
        (accepted, send)
    });
    let receiver = task(spawn, async move { recv_all(&mut recv, &mut Chance(seed + 4)).await });
    let ((accepted, _send), (received, ended)) = join(sender, receiver).await;
    (accepted, received, ended)
}

async fn round<T>(ends: [WebSocket<T>; 2], seed: u64, spawn: fn(Task))
where
    T: Transport<Timer: Send> + Send + 'static,
{
    let ending = ENDINGS[usize::try_from(seed % 6).unwrap()];
    let [at_client, at_server] = ends;
    let (client, server) = join(
        client(at_client, ending, seed, spawn),
        server(at_server, ending, seed, spawn),
    )
    .await;
    let ((client_sent, client_got, client_end), (server_sent, server_got, server_end)) = (client, server);
    match ending {
        Ending::SenderCloses | Ending::BothEndsClose | Ending::SenderIsDropped => {
            assert!(
                client_end.is_ok() && server_end.is_ok(),
                "{client_end:?} {server_end:?}"
            );
            assert_eq!((server_got, client_got), (client_sent, server_sent), "{ending:?}");
        }
        Ending::Reunited => {
            assert!(
                client_end.is_ok() && server_end.is_ok(),
                "{client_end:?} {server_end:?}"
            );
            assert_eq!(server_got, client_sent);
        }
        Ending::ReceiverIsDropped | Ending::BothAreDropped => {
            assert!(server_end.is_err());
            assert!(server_got <= client_sent);
        }
    }
}

/// Runs all rounds, and fails if one of them makes no progress.
fn all_rounds(run: impl FnOnce(&dyn Fn(u64)) + Send + 'static) {
    let round = Arc::new(AtomicU64::new(0));
    let at = Arc::clone(&round);
    let running = thread::spawn(move || run(&|n| at.store(n, Ordering::Relaxed)));
    let (mut last, mut still) = (u64::MAX, 0);
    while !running.is_finished() {
        thread::sleep(Duration::from_millis(100));
        let now = round.load(Ordering::Relaxed);
        still = if now == last { still + 1 } else { 0 };
        last = now;
        assert!(
            still < 300,
            "round {now} hangs ({:?})",
            ENDINGS[usize::try_from(now % 6).unwrap()]
        );
    }
    if let Err(panic) = running.join() {
        eprintln!("that was round {last}");
        std::panic::resume_unwind(panic);
    }
}

fn narrow() -> Config {
    Config::new().limits(Limits::new().output_high_water(200))
}

/// On tokio's threads, over pipes in memory that are full all the time.
#[test]
fn halves_on_threads_of_tokio() {
    all_rounds(|progress| {
        let runtime = ::tokio::runtime::Builder::new_multi_thread()
            .worker_threads(3)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for n in 0..ROUNDS {
                progress(n);
                let (ours, theirs) = ::tokio::io::duplex(100 + usize::try_from(n % 7 * 100).unwrap());
                let ends = [(ours, Role::Client), (theirs, Role::Server)]
                    .map(|(stream, role)| shell::WebSocket::from_negotiated(stream, &Negotiated::new(role), &narrow()));
                round(ends, n, |task| drop(::tokio::spawn(task))).await;
            }
        });
    });
}

/// On threads of smol, over sockets.
#[cfg(unix)]
#[test]
fn halves_on_threads_of_smol() {
    static EXECUTOR: smol::Executor<'static> = smol::Executor::new();
    for _ in 0..3 {
        thread::spawn(|| smol::block_on(EXECUTOR.run(std::future::pending::<()>())));
    }
    all_rounds(|progress| {
        for n in 0..ROUNDS / 3 {
            progress(n);
            let (ours, theirs) = async_net::unix::UnixStream::pair().unwrap();
            let ends = [(ours, Role::Client), (theirs, Role::Server)]
                .map(|(stream, role)| futures::WebSocket::from_negotiated(stream, &Negotiated::new(role), &narrow()));
            smol::block_on(round(ends, n, |task| EXECUTOR.spawn(task).detach()));
        }
    });
}
