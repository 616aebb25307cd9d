//! Deadlines, with short timers: each ends what it should end, and none affects anything else.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    CloseCode, Config, Error, Message, Negotiated, ProtocolError, Role, Timer, Timers,
    blocking::WebSocket,
    frame::Opcode,
    handshake::{Accept, HandshakeError},
};

use crate::script::{Act, Op, Script};
use crate::support::{assert_took_about, connected, millis, tcp, timed, with_raw_peer, within_seconds};

/// Time that the tests let pass.
const SHORT: Duration = millis(120);

/// More than socket buffers hold.
const HUGE: usize = 16 << 20;

/// Sends one byte after another, until the other side gives up.
fn trickle(stream: &mut TcpStream, bytes: &[u8]) {
    for byte in bytes.iter().cycle() {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(millis(5));
    }
}

#[track_caller]
fn assert_timed_out<T>(result: &Result<T, Error>, timer: Timer) {
    match result {
        Err(Error::Protocol(error)) => assert_eq!(*error, ProtocolError::TimedOut(timer)),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("no error"),
    }
}

/// SEC-11: a client that sends its request too slowly gets 408, however often it sends something.
#[test]
fn a_slow_request_is_answered_with_408() {
    within_seconds(10, || {
        let (mut near, far) = tcp();
        let mut sender = near.try_clone().unwrap();
        let trickling = thread::spawn(move || trickle(&mut sender, b"GET / HTTP/1.1\r\nX: x"));
        let began = Instant::now();
        let server = thread::spawn(move || {
            let accepted = WebSocket::accept_with(far, &timed(Timers::new().handshake(SHORT)), |_| Ok(Accept::new()));
            accepted.map(|_| ())
        });
        let mut response = vec![0; 12];
        near.read_exact(&mut response).unwrap();
        assert_eq!(response, b"HTTP/1.1 408");
        assert_took_about(began, SHORT);
        near.shutdown(Shutdown::Both).unwrap();
        let accepted = server.join().unwrap();
        assert!(
            matches!(accepted, Err(Error::Handshake(HandshakeError::TimedOut))),
            "{accepted:?}"
        );
        trickling.join().unwrap();
    });
}

/// SEC-11: a server that answers too slowly, or not at all, does not block its client for ever.
#[test]
fn a_slow_response_ends_the_handshake_of_a_client() {
    within_seconds(10, || {
        for silent in [true, false] {
            let (near, mut far) = tcp();
            let trickling = thread::spawn(move || {
                if !silent {
                    trickle(&mut far, b"HTTP/1.1 101 Switching Protocols\r\nX: x");
                }
                far
            });
            let began = Instant::now();
            let config = timed(Timers::new().handshake(SHORT));
            let opened = WebSocket::client_with(near, "ws://localhost/".parse().unwrap(), &config);
            assert!(
                matches!(opened, Err(Error::Handshake(HandshakeError::TimedOut))),
                "{opened:?}"
            );
            assert_took_about(began, SHORT);
            drop(opened);
            trickling.join().unwrap();
        }
    });
}

/// CL-27, SEC-11: the wait for the peer's Close is bounded, although the peer keeps sending.
#[test]
fn a_peer_that_never_answers_a_close_is_given_up() {
    within_seconds(10, || {
        for chatty in [false, true] {
            let (mut websocket, mut peer) = with_raw_peer(Role::Server, &timed(Timers::new().close(SHORT)));
            let chatter = peer.frame(true, Opcode::Text, b"never mind");
            let began = Instant::now();
            let peer = thread::spawn(move || {
                while chatty && peer.stream.write_all(&chatter).is_ok() {
                    thread::sleep(millis(5));
                }
                peer
            });
            assert_timed_out(&websocket.close(CloseCode::NORMAL), Timer::Close);
            assert_took_about(began, SHORT);
            let closure = websocket.close_info().expect("an end");
            assert_eq!((closure.code, closure.clean), (CloseCode::ABNORMAL, false));
            assert_timed_out(&websocket.recv(), Timer::Close);
            drop(websocket);
            drop(peer.join().unwrap());
        }
    });
}

/// CL-27: the wait for the end of the stream is bounded, too; both Close frames were exchanged, so the end is clean.
#[test]
fn a_server_that_never_shuts_down_is_disconnected() {
    within_seconds(10, || {
        let (mut client, mut peer) = with_raw_peer(Role::Client, &timed(Timers::new().close(SHORT)));
        peer.send(Opcode::Close, b"\x03\xe8");
        let began = Instant::now();
        assert_eq!(client.recv().unwrap(), None);
        assert_took_about(began, SHORT);
        assert_eq!(client.close_info().expect("an end").code, CloseCode::NORMAL);
        assert_eq!(peer.recv(), Some((Opcode::Close, b"\x03\xe8".to_vec())));
        assert_eq!(peer.recv(), None, "the client has left");
    });
}

/// SEC-11: a peer that broke the protocol and never ends its side is disconnected.
#[test]
fn the_wait_for_a_peer_that_broke_the_protocol_is_bounded() {
    within_seconds(10, || {
        for payload in [&b"not UTF-8: \xff"[..], b"unmasked"] {
            let (mut server, mut peer) = with_raw_peer(Role::Server, &timed(Timers::new().close(SHORT)));
            let mut frame = peer.frame(true, Opcode::Text, payload);
            if payload == b"unmasked" {
                frame = b"\x81\x00".to_vec();
            }
            peer.stream.write_all(&frame).unwrap();
            let began = Instant::now();
            assert!(matches!(server.recv(), Err(Error::Protocol(_))));
            assert_took_about(began, SHORT);
            assert!(matches!(peer.recv(), Some((Opcode::Close, _))));
        }
    });
}

#[test]
fn an_idle_peer_is_closed_with_going_away() {
    within_seconds(10, || {
        let (mut server, mut peer) = with_raw_peer(Role::Server, &timed(Timers::new().idle(SHORT).close(SHORT)));
        let began = Instant::now();
        let waiting = thread::spawn(move || server.recv().map(|_| ()));
        assert_eq!(peer.recv(), Some((Opcode::Close, b"\x03\xe9".to_vec())));
        assert_took_about(began, SHORT);
        assert_eq!(peer.recv(), None);
        drop(peer);
        assert_timed_out(&waiting.join().unwrap(), Timer::Idle);
    });
}

#[test]
fn a_peer_that_sends_anything_in_time_is_not_idle() {
    within_seconds(10, || {
        let (mut server, mut peer) = with_raw_peer(Role::Server, &timed(Timers::new().idle(millis(400))));
        let talking = thread::spawn(move || {
            for _ in 0..12 {
                thread::sleep(millis(50));
                peer.send(Opcode::Pong, b"");
            }
            peer.send(Opcode::Text, b"done");
            peer
        });
        assert_eq!(server.recv().unwrap(), Some(Message::from("done")));
        drop(talking.join().unwrap());
    });
}

#[test]
fn keepalive_pings_measure_the_latency_and_keep_a_peer_that_answers() {
    within_seconds(10, || {
        let (mut client, mut server) =
            connected(&timed(Timers::new().keepalive(millis(40)).pong(SHORT)), &Config::new());
        let answering = thread::spawn(move || {
            assert!(matches!(server.recv(), Ok(None)));
        });
        assert_eq!(client.latency(), None);
        let mut pongs = 0;
        while pongs < 4 {
            match client.recv_event().unwrap() {
                Some(websocket_proto::Event::Pong(_)) => pongs += 1,
                event => panic!("{event:?}"),
            }
        }
        let latency = client.latency().expect("a measurement");
        assert!(latency < Duration::from_secs(2), "{latency:?}");
        client.close(None).unwrap();
        answering.join().unwrap();
    });
}

#[test]
fn latency_is_measured_on_demand() {
    within_seconds(10, || {
        let (mut server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        server.measure_latency();
        server.measure_latency();
        let answering = thread::spawn(move || {
            let (opcode, payload) = peer.recv().expect("a Ping");
            assert_eq!(opcode, Opcode::Ping);
            thread::sleep(millis(30));
            peer.send(Opcode::Pong, &payload);
            peer.send(Opcode::Text, b"one ping only");
            assert_eq!(peer.recv().map(|(opcode, _)| opcode), Some(Opcode::Text));
            peer
        });
        assert!(server.recv().unwrap().is_some());
        server.send("answer").unwrap();
        // The clock was checked, and nothing else has arrived.
        assert!(
            server
                .recv_timeout(millis(1))
                .is_err_and(|error| error.is_would_block())
        );
        let latency = server.latency().expect("a measurement");
        assert!(latency >= millis(30) && latency < Duration::from_secs(2), "{latency:?}");
        drop(answering.join().unwrap());
    });
}

/// SEC-11: a peer that has disappeared without a trace.
#[test]
fn a_peer_that_does_not_answer_a_keepalive_ping_is_dead() {
    within_seconds(10, || {
        let (mut client, mut peer) = with_raw_peer(Role::Client, &timed(Timers::new().keepalive(SHORT).pong(SHORT)));
        let began = Instant::now();
        assert_timed_out(&client.recv(), Timer::Keepalive);
        assert_took_about(began, 2 * SHORT);
        assert_timed_out(&client.recv(), Timer::Keepalive);
        assert_eq!(peer.recv().map(|(opcode, _)| opcode), Some(Opcode::Ping));
        assert_eq!(peer.recv(), None, "the stream is shut down, and no Close was sent");
    });
}

/// DRV-04: a peer that answers at once and is silent otherwise is pinged at every interval, however long it may take to answer.
#[test]
fn pings_come_at_every_interval_of_silence() {
    within_seconds(10, || {
        for halves in [false, true] {
            let timers = Timers::new().keepalive(millis(50)).pong(Duration::from_secs(5));
            let (mut server, mut peer) = with_raw_peer(Role::Server, &timed(timers));
            let answering = thread::spawn(move || {
                let mut pings = 0;
                while let Some((Opcode::Ping, payload)) = peer.recv() {
                    pings += 1;
                    peer.send(Opcode::Pong, &payload);
                }
                pings
            });
            let received = if halves {
                let (_send, mut recv) = server.split().unwrap();
                recv.recv_timeout(millis(600)).map(drop)
            } else {
                let received = server.recv_timeout(millis(600)).map(drop);
                drop(server);
                received
            };
            assert!(received.is_err_and(|error| error.is_would_block()));
            let pings = answering.join().unwrap();
            assert!((4..=12).contains(&pings), "{pings} Pings in 600 ms, halves: {halves}");
        }
    });
}

/// DRV-16: a peer that begins a message and falls silent.
#[test]
fn an_unfinished_message_is_given_up() {
    within_seconds(10, || {
        for halves in [false, true] {
            let (mut server, mut peer) = with_raw_peer(Role::Server, &timed(Timers::new().message(SHORT).close(SHORT)));
            let begun = peer.frame(false, Opcode::Text, b"once upon");
            peer.stream.write_all(&begun).unwrap();
            let began = Instant::now();
            let received = if halves {
                server.split().unwrap().1.recv().map(drop)
            } else {
                server.recv().map(drop)
            };
            assert_timed_out(&received, Timer::Message);
            assert_took_about(began, 2 * SHORT);
        }
    });
}

/// SEC-11: a write that is stalled by a peer that never reads.
#[test]
fn a_peer_that_never_reads_is_given_up() {
    within_seconds(10, || {
        let (mut server, _peer) = with_raw_peer(Role::Server, &timed(Timers::new().write(SHORT)));
        let began = Instant::now();
        assert_timed_out(&server.send(vec![0; HUGE]), Timer::Write);
        assert_took_about(began, 2 * SHORT);
        assert_timed_out(&server.recv(), Timer::Write);
        assert!(matches!(server.send("more"), Err(Error::Send(_))));
        assert_eq!(
            server.close_info().and_then(|closure| closure.failure),
            Some(ProtocolError::TimedOut(Timer::Write))
        );
    });
}

/// SEC-11: the same for halves, and the half that waits for messages reports it as well.
#[test]
fn a_peer_that_never_reads_is_given_up_by_both_halves() {
    within_seconds(10, || {
        let (server, _peer) = with_raw_peer(Role::Server, &timed(Timers::new().write(SHORT)));
        let (mut send, mut recv) = server.split().unwrap();
        let began = Instant::now();
        let receiving = thread::spawn(move || recv.recv().map(|_| ()));
        assert_timed_out(&send.send(vec![0; HUGE]), Timer::Write);
        assert_timed_out(&receiving.join().unwrap(), Timer::Write);
        assert_took_about(began, 2 * SHORT);
        assert!(matches!(send.send("more"), Err(Error::Send(_))));
    });
}

/// A peer that reads from time to time stalls many writes, but never for too long.
#[test]
fn a_slow_reader_is_not_given_up() {
    within_seconds(10, || {
        for halves in [false, true] {
            let (mut server, mut peer) = with_raw_peer(Role::Server, &timed(Timers::new().write(millis(500))));
            let reading = thread::spawn(move || {
                // In total, this takes longer than one write may wait.
                let mut part = vec![0; HUGE / 16];
                for _ in 0..16 {
                    thread::sleep(millis(40));
                    peer.stream.read_exact(&mut part).expect("the connection is still open");
                }
                peer
            });
            if halves {
                let (mut send, _recv) = server.split().unwrap();
                send.send(vec![0; HUGE]).unwrap();
            } else {
                server.send(vec![0; HUGE]).unwrap();
            }
            drop(reading.join().unwrap());
        }
    });
}

/// A blocking stream stays one: a write that had to wait earlier is no reason to return `WouldBlock`.
#[test]
fn earlier_stalls_do_not_count() {
    within_seconds(10, || {
        // Every other write makes no progress for as long as it may wait.
        let mut writes = 0;
        let stream = Script::endless_with(b"", move |op, _| {
            writes += usize::from(op == Op::Write);
            if op != Op::Write || writes % 2 == 0 {
                return Act::Move(usize::MAX);
            }
            thread::sleep(millis(30));
            Act::Fail(ErrorKind::WouldBlock)
        });
        let config = timed(Timers::new().write(millis(30)));
        let mut server = WebSocket::from_negotiated(stream, &Negotiated::new(Role::Server), &config);
        for _ in 0..4 {
            server.send("late, but not too late").unwrap();
        }
    });
}

/// SEC-11: output that a buffering stream accepted, such as TLS, but cannot pass on, is stalled as well.
#[test]
fn a_stalled_flush_times_out() {
    within_seconds(10, || {
        let stream = Script::endless_with(b"", |op, _| {
            if op != Op::Flush {
                return Act::Move(usize::MAX);
            }
            thread::sleep(SHORT);
            Act::Fail(ErrorKind::WouldBlock)
        });
        let config = timed(Timers::new().write(SHORT));
        let mut server = WebSocket::from_negotiated(stream, &Negotiated::new(Role::Server), &config);
        let began = Instant::now();
        assert_timed_out(&server.send("x"), Timer::Write);
        assert_took_about(began, 2 * SHORT);
        assert_timed_out(&server.recv(), Timer::Write);
    });
}

#[test]
fn no_time_limit_is_left_on_reads_of_an_open_connection() {
    within_seconds(10, || {
        let (mut client, mut server) = connected(&Config::new(), &Config::new());
        client.send("hello").unwrap();
        server.recv().unwrap();
        assert_eq!(server.stream().read_timeout().unwrap(), None);
        server.measure_latency();
        client.send("hello").unwrap();
        server.recv().unwrap();
        assert_eq!(server.stream().read_timeout().unwrap(), None);

        // A limit that the shell has set itself is removed together with it.
        assert!(server.stream().write_timeout().unwrap().is_some());
        let (stream, _) = server.into_parts();
        assert_eq!(
            (stream.read_timeout().unwrap(), stream.write_timeout().unwrap()),
            (None, None)
        );
    });
}

/// An event loop with a non-blocking stream can ask when to come back, and the deadline fires then.
#[test]
fn deadlines_pass_on_a_stream_that_is_not_ready() {
    within_seconds(10, || {
        let (mut server, _peer) = with_raw_peer(Role::Server, &timed(Timers::new().close(SHORT).write(SHORT)));
        server.stream().set_nonblocking(true).unwrap();
        assert!(server.recv().is_err_and(|error| error.is_would_block()));
        assert_eq!(server.poll_timeout(), None);
        let began = Instant::now();
        let closed = loop {
            match server.close(CloseCode::NORMAL) {
                Err(error) if error.is_would_block() => {
                    let due = server.poll_timeout().expect("a deadline");
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                closed => break closed,
            }
        };
        assert_timed_out(&closed, Timer::Close);
        assert_took_about(began, SHORT);

        let (mut server, _peer) = with_raw_peer(Role::Server, &timed(Timers::new().write(SHORT)));
        server.stream().set_nonblocking(true).unwrap();
        let began = Instant::now();
        let mut sent = server.send(vec![0; HUGE]);
        while sent.as_ref().is_err_and(|error| error.is_would_block()) {
            let due = server.poll_timeout().expect("a deadline");
            thread::sleep(due.saturating_duration_since(Instant::now()));
            sent = server.flush();
        }
        assert_timed_out(&sent, Timer::Write);
        assert_took_about(began, 2 * SHORT);
    });
}
