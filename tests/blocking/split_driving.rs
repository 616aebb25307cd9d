//! The rules of driving (DRV) for halves on two threads.

use std::{
    io::Write,
    net::Shutdown,
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    CloseCode, Config, Error, Limits, Message, PreparedMessage, ProtocolError, Role, Timer, Timers, frame::Opcode,
};

use crate::support::{assert_took_about, connected, millis, timed, with_raw_peer, within_seconds};

const SHORT: Duration = millis(400);

/// More than socket buffers hold.
const HUGE: usize = 16 << 20;

fn is_timer<T>(result: &Result<T, Error>, timer: Timer) -> bool {
    matches!(result, Err(Error::Protocol(ProtocolError::TimedOut(found))) if *found == timer)
}

/// DRV-12: the sending half enforces the deadline of stalled output, even when the other half is dropped or not used.
#[test]
fn the_sending_half_enforces_its_own_deadline() {
    within_seconds(20, || {
        for dropped in [true, false] {
            let (server, _peer) = with_raw_peer(Role::Server, &timed(Timers::new().write(SHORT)));
            let (mut send, recv) = server.split().unwrap();
            let recv = (!dropped).then_some(recv);
            let began = Instant::now();
            let sent = send.send(vec![0; HUGE]);
            assert!(is_timer(&sent, Timer::Write), "{sent:?}");
            assert!(began.elapsed() >= SHORT);
            assert_took_about(began, 2 * SHORT);
            // Each time, by everything that writes.
            assert!(is_timer(&send.flush(), Timer::Write));
            assert!(is_timer(&send.send("more"), Timer::Write));
            drop(recv);
        }
    });
}

/// DRV-03, CL-27: a Close of the sending half that is not answered ends the receiving half within 1.25 times the close deadline.
#[test]
fn the_receiving_half_notices_a_close_in_time() {
    within_seconds(20, || {
        for wait in [0, 50, 130] {
            let (client, _peer) = with_raw_peer(Role::Client, &timed(Timers::new().close(SHORT)));
            let (mut send, mut recv) = client.split().unwrap();
            let receiving = thread::spawn(move || recv.recv().map(|_| ()));
            thread::sleep(millis(wait));
            let began = Instant::now();
            send.close(CloseCode::NORMAL).unwrap();
            send.close(CloseCode::NORMAL).expect("it is closing already");
            let end = receiving.join().unwrap();
            let took = began.elapsed();
            assert!(is_timer(&end, Timer::Close), "{end:?}");
            assert!(took >= SHORT && took < SHORT + SHORT / 4 + millis(50), "{took:?}");
        }
    });
}

/// DRV-02: after a write that failed, the receiving half gets what has arrived, including the peer's Close, and the error is
/// reported once.
#[test]
fn a_failed_write_leaves_what_has_arrived() {
    within_seconds(20, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (mut send, mut recv) = server.split().unwrap();
        let mut words = peer.frame(true, Opcode::Text, b"last words");
        words.extend(peer.frame(true, Opcode::Close, b"\x0f\xa1banned"));
        peer.stream.write_all(&words).unwrap();
        // Like a peer that has left, but none of the received data is lost.
        peer.stream.shutdown(Shutdown::Both).unwrap();
        let mut errors = 0;
        for _ in 0..50 {
            match send.send("goes nowhere") {
                Ok(()) => thread::sleep(millis(5)),
                Err(Error::Io(_)) => errors += 1,
                Err(error) => assert!(
                    matches!(error, Error::Protocol(ProtocolError::ConnectionLost)),
                    "{error:?}"
                ),
            }
        }
        assert_eq!(errors, 1);
        assert_eq!(recv.recv().unwrap(), Some(Message::from("last words")));
        assert_eq!(recv.recv().unwrap(), None);
        assert_eq!(recv.close_info().expect("an end").code, CloseCode::new(4001));
    });
}

/// DRV-08: halves have time limits as well.
#[test]
fn limits_apply_to_halves() {
    within_seconds(20, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (send, mut recv) = server.split().unwrap();
        let began = Instant::now();
        assert!(
            recv.recv_timeout(millis(100))
                .is_err_and(|error| error.is_would_block())
        );
        let took = began.elapsed();
        assert!(took >= millis(98) && took < millis(200), "{took:?}");
        peer.send(Opcode::Text, b"in time");
        assert_eq!(
            recv.recv_timeout(Duration::MAX).unwrap(),
            Some(Message::from("in time"))
        );
        drop(send);

        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let own = server.stream().try_clone().unwrap();
        own.set_read_timeout(Some(SHORT)).unwrap();
        own.set_write_timeout(Some(SHORT)).unwrap();
        let (mut send, mut recv) = server.split().unwrap();
        let began = Instant::now();
        assert!(recv.recv().is_err_and(|error| error.is_would_block()));
        assert!(send.send(vec![0; HUGE]).is_err_and(|error| error.is_would_block()));
        assert!(began.elapsed() >= 2 * SHORT - millis(20));
        assert_took_about(began, 2 * SHORT);
        peer.send(Opcode::Text, b"nothing is lost");
        assert_eq!(recv.recv().unwrap(), Some(Message::from("nothing is lost")));
    });
}

/// DRV-09: with a mark of 0, messages are sent one by one, and no half spins.
#[test]
fn a_mark_of_zero_sends_one_message_at_a_time() {
    within_seconds(20, || {
        let config = Config::new().limits(Limits::new().output_high_water(0));
        let (client, server) = connected(&config, &config);
        let (send, _recv) = client.split().unwrap();
        let (_send, mut recv) = server.split().unwrap();
        let sending: Vec<_> = (0..4)
            .map(|_| {
                let mut send = send.clone();
                thread::spawn(move || {
                    for _ in 0..50 {
                        send.send("a message").unwrap();
                        send.feed(&PreparedMessage::text("another")).unwrap();
                    }
                    send.flush().unwrap();
                })
            })
            .collect();
        for _ in 0..400 {
            assert!(recv.recv().unwrap().is_some());
        }
        sending.into_iter().for_each(|sending| sending.join().unwrap());
    });
}

/// DRV-15: the output queued for a peer that reads nothing is bounded, however short the messages are.
#[test]
fn a_flood_of_short_prepared_messages_is_refused() {
    within_seconds(20, || {
        let (server, _peer) = with_raw_peer(Role::Server, &timed(Timers::new().write(millis(100))));
        let (mut send, _recv) = server.split().unwrap();
        let empty = PreparedMessage::text("");
        let fed = (0..4_000_000).find(|_| send.feed(&empty).is_err());
        assert!(fed.is_some(), "the stalled output ends the loop");
    });
}

/// DRV-20: the end of the peer, after its Close, ends a sender that waits, and the code is not lost.
#[test]
fn the_peers_close_ends_a_sender() {
    within_seconds(20, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (mut send, mut recv) = server.split().unwrap();
        let began = Instant::now();
        let sending = thread::spawn(move || send.send(vec![0; HUGE]));
        peer.wait_for_data();
        peer.send(Opcode::Text, b"words");
        peer.send(Opcode::Close, b"\x03\xf3");
        peer.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(recv.recv().unwrap(), Some(Message::from("words")));
        assert_eq!(recv.recv().unwrap(), None);
        let closure = recv.close_info().expect("an end");
        assert_eq!((closure.code.value(), closure.clean), (1011, false));
        assert!(sending.join().unwrap().is_err());
        assert_took_about(began, millis(500));
    });
}
