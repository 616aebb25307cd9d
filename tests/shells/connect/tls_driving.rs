//! The rules of driving (DRV) over blocking TLS streams, for a connection that one thread owns.

use std::{
    net::Shutdown,
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    CloseCode, Config, Error, Message, ProtocolError, Role, Timer, Timers, blocking, blocking::Stream, frame::Opcode,
};

use crate::tls_peer::{connected, with_raw_peer, within_seconds};

/// More than all buffers in between hold.
const HUGE: usize = 16 << 20;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// DRV-02: the messages and the Close of a peer whose socket accepts no more bytes.
#[test]
fn a_failed_write_leaves_what_has_arrived() {
    within_seconds(20, || {
        for feeds in [true, false] {
            let (mut server, mut peer) = with_raw_peer(Role::Server, &Config::new());
            peer.send(Opcode::Text, b"last words");
            peer.send(Opcode::Close, b"\x0f\xa1banned");
            // The write side of the socket is closed, below TLS.
            let tcp = server.stream().stream().try_clone().expect("cloned");
            tcp.shutdown(Shutdown::Write).expect("shut down");
            if feeds {
                server.feed("goes nowhere").expect("queued");
            } else {
                assert!(server.send("goes nowhere").is_err() || server.flush().is_err());
            }
            assert_eq!(server.recv().expect("open"), Some(Message::from("last words")));
            assert_eq!(server.recv().expect("closed"), None);
            let closure = server.close_info().expect("an end");
            assert_eq!((closure.code.value(), closure.clean), (4001, false));
        }
    });
}

/// DRV-20: two ends that send a long message to each other at once do not block each other.
#[test]
fn two_ends_that_send_at_once_do_not_block_each_other() {
    within_seconds(60, || {
        let (client, server) = connected(&Config::new());
        let ends = [client, server].map(|mut websocket: blocking::WebSocket<_>| {
            thread::spawn(move || {
                websocket.send(vec![7; HUGE]).expect("sent");
                let len = websocket.recv().expect("open").map(|message| message.as_bytes().len());
                assert_eq!(len, Some(HUGE));
                websocket.close(CloseCode::NORMAL).expect("closed");
            })
        });
        for end in ends {
            end.join().expect("no panic");
        }
    });
}

/// DRV-03, DRV-12: a caller that waits to write gives up, in time, a peer that reads nothing.
#[test]
fn stalled_output_is_given_up_in_time() {
    within_seconds(20, || {
        for halves in [false, true] {
            let timers = Timers::new().write(millis(300));
            let (mut server, _peer) = with_raw_peer(Role::Server, &Config::new().timers(timers));
            let began = Instant::now();
            let sent = if halves {
                let (mut send, _) = server.split().expect("split");
                send.send(vec![0; HUGE])
            } else {
                server.send(vec![0; HUGE])
            };
            assert!(
                matches!(sent, Err(Error::Protocol(ProtocolError::TimedOut(Timer::Write)))),
                "{sent:?}"
            );
            assert!(began.elapsed() < millis(2000), "{:?}", began.elapsed());
        }
    });
}

/// DRV-08: the application's own limit, and that of one call.
#[test]
fn limits_apply_over_tls() {
    within_seconds(20, || {
        let (mut server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        for _ in 0..2 {
            assert!(
                server
                    .recv_timeout(millis(50))
                    .is_err_and(|error| error.is_would_block())
            );
        }
        server.stream_mut().set_read_timeout(Some(millis(200))).expect("set");
        peer.send(Opcode::Binary, &[1; 20_000]);
        assert!(server.recv().expect("open").is_some());
        let began = Instant::now();
        assert!(server.recv().is_err_and(|error| error.is_would_block()));
        assert!(began.elapsed() >= millis(190) && began.elapsed() < millis(600));
        peer.send(Opcode::Text, b"nothing is lost");
        assert_eq!(server.recv().expect("open"), Some(Message::from("nothing is lost")));
    });
}
