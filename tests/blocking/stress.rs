//! The halves of a connection on separate threads, hundreds of times.
//!
//! This is not a model checker. The halves share one mutex and one condition variable, and no atomics; but a half writes without
//! holding the lock, and both halves block in the stream for bounded times. Loom and shuttle have no streams and no time, so they
//! could not check what can go wrong here: a thread that waits for a writer that is gone, or for a stream that nobody shuts down.

use std::{
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use websocket_proto::{
    CloseCode, Config, Error, Limits, Negotiated, Role,
    blocking::{RecvHalf, SendHalf, WebSocket},
};

use crate::support::within_seconds;

const ROUNDS: u64 = if cfg!(debug_assertions) { 400 } else { 2000 };

/// Rounds that run at the same time, since a round mostly waits.
const AT_A_TIME: usize = 4;

/// How a connection ends. Unless stated otherwise, it happens at the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    SenderCloses,
    BothEndsClose,
    SendersAreDropped,
    AllIsDropped,
}

const ENDINGS: [Ending; 4] = [
    Ending::SenderCloses,
    Ending::BothEndsClose,
    Ending::SendersAreDropped,
    Ending::AllIsDropped,
];

/// A random number.
fn chance(seed: u64, n: u64) -> u64 {
    let mut x = (seed << 20 ^ n).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33
}

/// The n-th message of a sender.
fn message(sender: u64, n: u64) -> String {
    format!("{sender} {n} {}", "x".repeat(usize::try_from(n * 37 % 900).unwrap()))
}

/// Sends until the number is reached or a message is refused. Returns how many messages were accepted.
fn send_some(send: &mut SendHalf<UnixStream>, sender: u64, seed: u64) -> u64 {
    let messages = chance(seed, sender) % 30;
    for n in 0..messages {
        let way = chance(seed, n + 100 * sender);
        if way % 3 == 0 {
            thread::yield_now();
        }
        if way % 7 == 0 && send.ping(b"?").is_err() {
            return n;
        }
        if send.feed(message(sender, n)).is_err() {
            return n;
        }
        if way % 2 == 0 && send.flush().is_err() {
            return n + 1;
        }
    }
    let _ = send.flush();
    messages
}

/// Receives until the end. Returns how many messages arrived from each sender.
fn recv_all(recv: &mut RecvHalf<UnixStream>) -> ([u64; 2], Result<(), Error>) {
    let mut next = [0; 2];
    loop {
        match recv.recv() {
            Ok(Some(received)) => {
                let text = received.as_text().expect("text");
                let sender = usize::from(text.starts_with('1'));
                assert_eq!(text, message(sender as u64, next[sender]));
                next[sender] += 1;
            }
            Ok(None) => return (next, Ok(())),
            Err(error) => return (next, Err(error)),
        }
    }
}

/// The result of one end: messages accepted and received, and how it ended.
type Outcome = ([u64; 2], [u64; 2], Result<(), Error>);

/// One end: two senders and a receiver, each on a thread. After its senders have finished it closes, or not.
fn run(websocket: WebSocket<UnixStream>, seed: u64, closes: bool, receives: bool) -> Outcome {
    let (mut send, mut recv) = websocket.split().unwrap();
    let receiver = thread::spawn(move || {
        if receives {
            recv_all(&mut recv)
        } else {
            ([0; 2], Ok(()))
        }
    });
    let senders = [0, 1].map(|sender| {
        let mut send = send.clone();
        thread::spawn(move || send_some(&mut send, sender, seed))
    });
    let accepted = senders.map(|sender| sender.join().unwrap());
    if closes {
        let _ = send.close(CloseCode::NORMAL);
    }
    drop(send);
    let (received, ended) = receiver.join().unwrap();
    (accepted, received, ended)
}

fn round(seed: u64) {
    let ending = ENDINGS[usize::try_from(seed % 4).unwrap()];
    let config = Config::new().limits(Limits::new().output_high_water(1000));
    let (ours, theirs) = UnixStream::pair().unwrap();
    let client = WebSocket::from_negotiated(ours, &Negotiated::new(Role::Client), &config);
    let server = WebSocket::from_negotiated(theirs, &Negotiated::new(Role::Server), &config);
    let server_closes = matches!(ending, Ending::BothEndsClose | Ending::SendersAreDropped);
    let server = thread::spawn(move || run(server, seed + 5000, server_closes, true));
    let client_closes = matches!(ending, Ending::SenderCloses | Ending::BothEndsClose);
    let (sent, got, ended) = run(client, seed, client_closes, ending != Ending::AllIsDropped);
    let (server_sent, server_got, server_ended) = server.join().unwrap();
    if ending == Ending::AllIsDropped {
        assert!(server_ended.is_err(), "round {seed}");
        assert!(server_got[0] <= sent[0] && server_got[1] <= sent[1], "round {seed}");
    } else {
        assert!(
            ended.is_ok() && server_ended.is_ok(),
            "round {seed}, {ending:?}: {ended:?} {server_ended:?}"
        );
        assert_eq!((server_got, got), (sent, server_sent), "round {seed}, {ending:?}");
    }
}

#[test]
fn halves_on_threads() {
    let next = Arc::new(AtomicU64::new(0));
    let rounds = Arc::clone(&next);
    let outcome = thread::spawn(move || {
        within_seconds(100, move || {
            thread::scope(|scope| {
                for _ in 0..AT_A_TIME {
                    scope.spawn(|| {
                        while let n @ ..ROUNDS = rounds.fetch_add(1, Ordering::Relaxed) {
                            round(n);
                        }
                    });
                }
            });
        });
    });
    let outcome = outcome.join();
    let next = next.load(Ordering::Relaxed);
    assert!(outcome.is_ok(), "it was one of the {AT_A_TIME} rounds before {next}");
}
