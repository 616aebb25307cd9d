//! The two halves of a blocking WebSocket over TLS, on two threads.

use std::{
    net::TcpStream,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    CloseCode, CloseInfo, Config, ConnectOptions, Error, Message, ProtocolError, Role, Timer, Timers, blocking,
    frame::Opcode,
};

use crate::{
    support::{Certificate, echo, serve, serve_tls},
    tls_peer::{connected, with_raw_peer, within_seconds},
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

type Stream = blocking::TlsStream<TcpStream>;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn text(message: &Message<'_>) -> String {
    message.as_text().expect("text").to_owned()
}

/// The streams of `connect` can be split, with TLS and without.
#[tokio::test]
async fn a_client_can_be_split() {
    let certificate = Certificate::of("localhost");
    let tls = serve_tls(&certificate).await;
    let plain = serve(echo).await;
    tokio::task::spawn_blocking(move || {
        for uri in [format!("wss://localhost:{tls}/"), format!("ws://localhost:{plain}/")] {
            let options = ConnectOptions::new().tls(certificate.trusted());
            let request = uri.parse().expect("valid");
            let (websocket, _) = blocking::connect_with(request, &options).expect("open");
            assert_eq!(websocket.stream().is_tls(), uri.starts_with("wss"));
            let (mut send, mut recv) = websocket.split().expect("split");
            send.send("hello").expect("sent");
            assert_eq!(recv.recv().expect("open"), Some(Message::from("hello")));
            send.close(CloseCode::NORMAL).expect("sent");
            assert_eq!(recv.recv().expect("closed cleanly"), None);
        }
    })
    .await
    .expect("no panic");
}

/// Both ends send more than all buffers in between hold before they receive anything.
#[test]
fn both_directions_are_busy_at_once() {
    const LEN: usize = 16 << 20;
    within_seconds(120, || {
        let (client, server) = connected(&Config::new());
        let mut threads = Vec::new();
        for (websocket, own, other) in [(client, 1, 2), (server, 2, 1)] {
            let (mut send, mut recv) = websocket.split().expect("split");
            threads.push(thread::spawn(move || {
                for _ in 0..2 {
                    send.send(&vec![own; LEN][..]).expect("sent");
                }
            }));
            threads.push(thread::spawn(move || {
                for _ in 0..2 {
                    let message = recv.recv().expect("open").expect("a message");
                    assert!(message.as_bytes() == vec![other; LEN]);
                }
            }));
        }
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

/// A half that waits for a message, for however long, does not block the other half.
#[test]
fn a_waiting_reader_does_not_block_the_writer() {
    within_seconds(30, || {
        for role in ROLES {
            let (websocket, mut peer) = with_raw_peer(role, &Config::new());
            let (mut send, mut recv) = websocket.split().expect("split");
            let reader = thread::spawn(move || recv.recv().expect("open").as_ref().map(text));
            thread::sleep(millis(100));
            for round in 0..200 {
                let began = Instant::now();
                send.send(format!("message {round}").as_str()).expect("sent");
                let (_, payload) = peer.recv().expect("a frame");
                assert_eq!(payload, format!("message {round}").as_bytes());
                assert!(began.elapsed() < millis(3000), "{:?}", began.elapsed());
            }
            assert!(!reader.is_finished(), "nothing was sent to it");
            peer.send(Opcode::Text, b"at last");
            assert_eq!(reader.join().expect("no panic").as_deref(), Some("at last"));
        }
    });
}

/// A peer that reads nothing blocks the sending half, but not the receiving half.
#[test]
fn a_blocked_writer_does_not_block_the_reader() {
    within_seconds(60, || {
        for role in ROLES {
            let (websocket, mut peer) = with_raw_peer(role, &Config::new());
            let (mut send, mut recv) = websocket.split().expect("split");
            let writer = thread::spawn(move || send.send(&vec![0; 16 << 20][..]));
            thread::sleep(millis(300));
            assert!(!writer.is_finished(), "the peer reads nothing");
            let sender = thread::spawn(move || {
                for _ in 0..64 {
                    peer.send(Opcode::Binary, &[7; 64 << 10]);
                    // Its answer is queued.
                    peer.send(Opcode::Ping, b"there?");
                }
                peer
            });
            for _ in 0..64 {
                let message = recv.recv().expect("open").expect("a message");
                assert!(message.as_bytes() == [7; 64 << 10]);
            }
            assert!(!writer.is_finished(), "the peer still reads nothing");
            // The end of the peer releases it.
            drop(sender.join().expect("no panic"));
            writer.join().expect("no panic").expect_err("gone");
        }
    });
}

/// A Ping is answered by the receiving half, even while the other half sleeps.
#[test]
fn pings_are_answered() {
    within_seconds(20, || {
        for role in ROLES {
            let (websocket, mut peer) = with_raw_peer(role, &Config::new());
            let (_send, mut recv) = websocket.split().expect("split");
            let reader = thread::spawn(move || recv.recv().expect("open").as_ref().map(text));
            for round in 0..50_u8 {
                peer.send(Opcode::Ping, &[round]);
                assert_eq!(peer.recv(), Some((Opcode::Pong, vec![round])));
            }
            peer.send(Opcode::Text, b"end");
            assert_eq!(reader.join().expect("no panic").as_deref(), Some("end"));
        }
    });
}

/// The peer updates its keys while the reader waits: the answer is sent with the next message.
#[test]
fn keys_are_updated_during_a_read() {
    within_seconds(20, || {
        for role in ROLES {
            let (websocket, mut peer) = with_raw_peer(role, &Config::new());
            let (mut send, mut recv) = websocket.split().expect("split");
            let (done, received) = mpsc::channel();
            let reader = thread::spawn(move || {
                while let Some(message) = recv.recv().expect("closed cleanly") {
                    done.send(text(&message)).expect("the test waits");
                }
            });
            for round in 0..30 {
                let sent = format!("round {round}");
                peer.tls.refresh_traffic_keys().expect("TLS 1.3");
                peer.send(Opcode::Text, sent.as_bytes());
                assert_eq!(received.recv().expect("a message"), sent);
                send.send(sent.as_str()).expect("sent");
                assert_eq!(peer.recv(), Some((Opcode::Text, sent.into_bytes())));
            }
            peer.send(Opcode::Close, &[3, 232]);
            assert_eq!(peer.recv(), Some((Opcode::Close, vec![3, 232])));
            if role == Role::Client {
                // The server ends the transport (RFC 6455 §7.1.1).
                peer.send_close_notify();
            }
            assert_eq!(peer.recv(), None, "`close_notify`");
            peer.send_close_notify();
            reader.join().expect("no panic");
        }
    });
}

/// The closing handshake is finished by the receiving half, whichever side began it, and TLS ends with `close_notify`.
#[test]
fn the_closing_handshake_ends_both_halves() {
    within_seconds(20, || {
        for role in ROLES {
            for begins in [true, false] {
                let (websocket, mut peer) = with_raw_peer(role, &Config::new());
                let (mut send, mut recv) = websocket.split().expect("split");
                let reader = thread::spawn(move || {
                    assert!(recv.recv().expect("closed cleanly").is_none());
                    recv.close_info()
                });
                if begins {
                    send.close(CloseCode::NORMAL).expect("sent");
                    assert_eq!(peer.recv(), Some((Opcode::Close, vec![3, 232])));
                    peer.send(Opcode::Close, &[3, 232]);
                } else {
                    peer.send(Opcode::Close, &[3, 232]);
                    assert_eq!(peer.recv(), Some((Opcode::Close, vec![3, 232])));
                }
                if role == Role::Client {
                    peer.send_close_notify();
                }
                assert_eq!(peer.recv(), None, "`close_notify`");
                peer.send_close_notify();
                let closure = reader.join().expect("no panic");
                assert!(closure.as_ref().is_some_and(|closure| closure.clean), "{closure:?}");
                send.send("too late").expect_err("closed");
            }
        }
    });
}

/// `close_notify` without a Close ends a connection, but not cleanly; the peer gets an answer.
#[test]
fn close_notify_without_a_close_is_a_failure() {
    within_seconds(20, || {
        for role in ROLES {
            let (websocket, mut peer) = with_raw_peer(role, &Config::new());
            let (mut send, mut recv) = websocket.split().expect("split");
            let reader = thread::spawn(move || recv.recv().map(|message| message.is_some()));
            send.send("hello").expect("sent");
            assert_eq!(peer.recv(), Some((Opcode::Text, b"hello".to_vec())));
            peer.send_close_notify();
            reader.join().expect("no panic").expect_err("no Close");
            drop(send);
            peer.read_to_close_notify();
        }
    });
}

/// A peer that accepts nothing for the time of `Timers::write` fails the connection, although this side keeps receiving.
#[test]
fn writes_have_a_deadline() {
    within_seconds(60, || {
        let config = Config::new().timers(Timers::new().write(millis(400)));
        for role in ROLES {
            let (websocket, mut peer) = with_raw_peer(role, &config);
            let (mut send, mut recv) = websocket.split().expect("split");
            let began = Instant::now();
            let writer = thread::spawn(move || send.send(&vec![0; 16 << 20][..]));
            let sender = thread::spawn(move || {
                // Until the connection fails.
                while peer.try_send(Opcode::Pong, b"").is_ok() && began.elapsed() < Duration::from_secs(10) {
                    thread::sleep(millis(20));
                }
            });
            let reader = thread::spawn(move || recv.recv().map(|message| message.is_some()));
            let error = writer.join().expect("no panic").expect_err("nobody reads");
            let took = began.elapsed();
            assert!(
                matches!(error, Error::Protocol(ProtocolError::TimedOut(Timer::Write))),
                "{error:?}"
            );
            assert!(took >= millis(400) && took < millis(10_000), "{took:?}");
            reader.join().expect("no panic").expect_err("failed");
            sender.join().expect("no panic");
        }
    });
}

/// A peer that does not answer a Close ends the receiving half at the deadline.
#[test]
fn the_closing_handshake_has_a_deadline() {
    within_seconds(20, || {
        let config = Config::new().timers(Timers::new().close(millis(300)));
        for role in ROLES {
            let (websocket, peer) = with_raw_peer(role, &config);
            let (mut send, mut recv) = websocket.split().expect("split");
            send.close(CloseCode::NORMAL).expect("sent");
            let began = Instant::now();
            let error = recv.recv().expect_err("no answer");
            assert!(
                matches!(error, Error::Protocol(ProtocolError::TimedOut(Timer::Close))),
                "{error:?}"
            );
            assert!(began.elapsed() < millis(3000), "{:?}", began.elapsed());
            drop(peer);
        }
    });
}

/// Either half continues without the other.
#[test]
fn a_half_that_is_dropped_leaves_the_other() {
    within_seconds(20, || {
        for role in ROLES {
            let (websocket, mut peer) = with_raw_peer(role, &Config::new());
            let (send, mut recv) = websocket.split().expect("split");
            drop(send);
            peer.send(Opcode::Text, b"hello");
            assert_eq!(recv.recv().expect("open"), Some(Message::from("hello")));

            let (websocket, mut peer) = with_raw_peer(role, &Config::new());
            let (mut send, recv) = websocket.split().expect("split");
            drop(recv);
            send.send("hello").expect("sent");
            assert_eq!(peer.recv(), Some((Opcode::Text, b"hello".to_vec())));
        }
    });
}

/// A connection that breaks, in either direction, ends both halves.
#[test]
fn a_broken_connection_ends_both_halves() {
    within_seconds(20, || {
        for role in ROLES {
            let (websocket, peer) = with_raw_peer(role, &Config::new());
            let (mut send, mut recv) = websocket.split().expect("split");
            let reader = thread::spawn(move || {
                recv.recv().map(|message| message.is_some()).expect_err("cut");
                recv.close_info()
            });
            drop(peer);
            let closure: Option<CloseInfo> = reader.join().expect("no panic");
            assert!(closure.as_ref().is_none_or(|closure| !closure.clean), "{closure:?}");
            send.send("hello").expect_err("cut");
        }
    });
}

/// Halves can be sent to two threads, whatever the stream.
#[test]
fn halves_can_be_sent() {
    const fn assert_send<T: Send>() {}
    assert_send::<blocking::SendHalf<Stream>>();
    assert_send::<blocking::RecvHalf<Stream>>();
    assert_send::<blocking::RecvHalf<blocking::MaybeTls>>();
}
