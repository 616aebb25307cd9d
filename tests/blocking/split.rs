//! The two halves of a connection on two threads.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    CloseCode, CloseFrame, Config, Delivery, Error, Event, Fragment, Limits, Message, Negotiated, ProtocolError, Role,
    SendError, Side, Timer, Timers,
    blocking::{RecvHalf, SplitStream, Stream, WebSocket},
    frame::Opcode,
};

use crate::support::{RawPeer, assert_took_about, connected, millis, tcp, timed, with_raw_peer, within_seconds};

const SHORT: Duration = millis(120);

/// More than socket buffers take.
const HUGE: usize = 16 << 20;

/// A payload that tells its number.
fn numbered(n: u64, len: usize) -> Vec<u8> {
    n.to_be_bytes().into_iter().cycle().take(len).collect()
}

/// What came, how it ended, and the half that received it.
type Received = (Vec<String>, Result<(), Error>, RecvHalf<TcpStream>);

/// Receives until the end on a thread of its own.
fn receiving(mut recv: RecvHalf<TcpStream>) -> thread::JoinHandle<Received> {
    thread::spawn(move || {
        let mut texts = Vec::new();
        let end = loop {
            match recv.recv() {
                Ok(Some(message)) => texts.push(message.as_text().expect("text").to_string()),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        (texts, end, recv)
    })
}

#[test]
fn both_directions_run_at_full_speed() {
    const MESSAGES: u32 = 100_000;
    within_seconds(20, || {
        let (client, server) = connected(&Config::new(), &Config::new());
        let mut threads = Vec::new();
        for websocket in [client, server] {
            let (mut send, mut recv) = websocket.split().unwrap();
            threads.push(thread::spawn(move || {
                for n in 0..MESSAGES {
                    send.feed(&n.to_be_bytes()).unwrap();
                    if n % 64 == 0 {
                        send.flush().unwrap();
                    }
                }
                send.flush().unwrap();
            }));
            threads.push(thread::spawn(move || {
                for n in 0..MESSAGES {
                    let message = recv.recv().unwrap().expect("a message");
                    assert_eq!(message.as_bytes(), n.to_be_bytes());
                }
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn messages_of_many_senders_stay_whole_and_in_order() {
    const SENDERS: usize = 8;
    const MESSAGES: usize = 400;
    within_seconds(20, || {
        let (client, mut server) = connected(&Config::new(), &Config::new());
        let (send, recv) = client.split().unwrap();
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let mut send = send.clone();
                thread::spawn(move || {
                    for n in 0..MESSAGES {
                        // Short and long ones, of which the content tells the sender, the number and the length.
                        let len = if n % 50 == 0 { 100_000 } else { n };
                        send.send(format!("{sender} {n} {}", "x".repeat(len))).unwrap();
                    }
                })
            })
            .collect();
        drop(send);
        let mut next = [0; SENDERS];
        for _ in 0..SENDERS * MESSAGES {
            let message = server.recv().unwrap().expect("a message");
            let mut words = message.as_text().expect("text").splitn(3, ' ');
            let sender: usize = words.next().unwrap().parse().unwrap();
            let n: usize = words.next().unwrap().parse().unwrap();
            let rest = words.next().unwrap();
            assert_eq!(n, next[sender], "of sender {sender}");
            next[sender] += 1;
            assert_eq!(rest.len(), if n % 50 == 0 { 100_000 } else { n });
            assert!(rest.bytes().all(|byte| byte == b'x'));
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        drop(recv);
    });
}

#[test]
fn the_receiver_answers_pings_while_nobody_sends() {
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (_send, recv) = server.split().unwrap();
        let receiving = receiving(recv);
        for n in 0..3_u8 {
            peer.send(Opcode::Ping, &[n]);
            assert_eq!(peer.recv(), Some((Opcode::Pong, vec![n])));
        }
        peer.send(Opcode::Text, b"and a message");
        peer.send(Opcode::Close, b"");
        assert_eq!(peer.recv(), Some((Opcode::Close, Vec::new())));
        drop(peer);
        let (texts, end, _) = receiving.join().unwrap();
        assert_eq!(texts, ["and a message"]);
        end.unwrap();
    });
}

/// A peer that does not read for a while blocks a sender, but not the receiver; later it finds whole frames.
#[test]
fn the_receiver_goes_on_while_a_sender_is_blocked() {
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (mut send, mut recv) = server.split().unwrap();
        let sending = thread::spawn(move || send.send(vec![7; HUGE]));
        peer.wait_for_data();
        peer.send(Opcode::Ping, b"still there?");
        peer.send(Opcode::Text, b"a message");
        assert_eq!(recv.recv().unwrap(), Some(Message::from("a message")));
        assert!(!sending.is_finished(), "the sender is blocked");

        let receiving = receiving(recv);
        assert!(peer.recv() == Some((Opcode::Binary, vec![7; HUGE])));
        assert_eq!(peer.recv(), Some((Opcode::Pong, b"still there?".to_vec())));
        sending.join().unwrap().unwrap();
        peer.send(Opcode::Close, b"");
        assert_eq!(peer.recv(), Some((Opcode::Close, Vec::new())));
        drop(peer);
        receiving.join().unwrap().1.unwrap();
    });
}

#[test]
fn a_sender_that_waits_for_room_does_not_block_the_receiver() {
    within_seconds(10, || {
        let config = Config::new().limits(Limits::new().output_high_water(1000));
        let (server, mut peer) = with_raw_peer(Role::Server, &config);
        let (mut send, mut recv) = server.split().unwrap();
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let mut send = send.clone();
                thread::spawn(move || (0..8).try_for_each(|_| send.feed(vec![7; 1 << 20])))
            })
            .collect();
        thread::sleep(millis(50));
        for n in 0..10 {
            peer.send(Opcode::Text, format!("{n}").as_bytes());
            assert_eq!(recv.recv().unwrap(), Some(Message::from(format!("{n}"))));
        }
        assert!(senders.iter().any(|sender| !sender.is_finished()), "somebody waits");
        let reading = thread::spawn(move || {
            for _ in 0..32 {
                assert!(peer.recv() == Some((Opcode::Binary, vec![7; 1 << 20])));
            }
            peer
        });
        senders.into_iter().for_each(|sender| sender.join().unwrap().unwrap());
        send.flush().unwrap();
        drop(reading.join().unwrap());
    });
}

/// Nothing can be sent after the peer's Close, so that waiting for room to send is over, however long the peer reads nothing.
#[test]
fn a_sender_that_waits_for_room_learns_of_the_peers_close() {
    within_seconds(10, || {
        let config = Config::new().limits(Limits::new().output_high_water(1000));
        let (server, mut peer) = with_raw_peer(Role::Server, &config);
        let (mut send, mut recv) = server.split().unwrap();
        let sender = thread::spawn(move || {
            let fed = (0..64).try_for_each(|_| send.feed(vec![7; 1 << 20]));
            (fed, Instant::now())
        });
        let receiver = thread::spawn(move || recv.recv().map(drop));
        thread::sleep(millis(50));
        assert!(!sender.is_finished(), "it waits for room");
        let closed = Instant::now();
        peer.send(Opcode::Close, &1000_u16.to_be_bytes());
        let (fed, ended) = sender.join().unwrap();
        assert!(matches!(fed, Err(Error::Send(SendError::Closing(())))), "{fed:?}");
        assert!(ended.duration_since(closed) < Duration::from_secs(1));
        drop(peer);
        let _ = receiver.join().unwrap();
    });
}

/// Halves are put together again with what both directions hold, but only those of one connection, and all of them.
#[test]
fn halves_reunite() {
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (strange, _strange_peer) = with_raw_peer(Role::Server, &Config::new());
        let (mut send, mut recv) = server.split().unwrap();
        let (strange_send, strange_recv) = strange.split().unwrap();
        peer.send(Opcode::Text, b"first");
        peer.send(Opcode::Text, b"second");
        assert_eq!(recv.recv().unwrap(), Some("first".into()));
        send.feed("queued").unwrap();

        let error = send.reunite(strange_recv).unwrap_err();
        assert!(error.to_string().starts_with("halves belong to different connections"));
        let (send, strange_recv) = error.into_halves();
        let (strange_send, recv) = strange_send.reunite(recv).unwrap_err().into_halves();
        assert!(strange_send.reunite(strange_recv).is_ok());
        let clone = send.clone();
        let (send, recv) = send.reunite(recv).unwrap_err().into_halves();
        drop(clone);

        let mut server = send.reunite(recv).unwrap();
        assert_eq!(server.recv().unwrap(), Some("second".into()));
        server.send("after").unwrap();
        assert_eq!(peer.recv(), Some((Opcode::Text, b"queued".to_vec())));
        assert_eq!(peer.recv(), Some((Opcode::Text, b"after".to_vec())));
        // The stream blocks again for as long as it takes.
        let late = thread::spawn(move || {
            thread::sleep(millis(100));
            peer.send(Opcode::Text, b"late");
            peer
        });
        assert_eq!(server.recv().unwrap(), Some("late".into()));
        drop(late.join().unwrap());
    });
}

/// A peer that writes each answer before it reads on waits for this side to read: so nobody who reads may wait for it.
#[test]
fn a_peer_that_only_echoes_does_not_lock_up_with_the_halves() {
    const MESSAGES: u64 = 1000;
    const LEN: usize = 20_000;
    within_seconds(20, || {
        let (client, mut server) = connected(&Config::new(), &Config::new());
        let echoing = thread::spawn(move || -> Result<(), Error> {
            let mut n = 0_u64;
            while let Some(message) = server.recv()? {
                let message = message.into_owned();
                n += 1;
                server.ping(&n.to_be_bytes())?;
                server.send(message)?;
            }
            Ok(())
        });
        let (mut send, mut recv) = client.split().unwrap();
        let sending = thread::spawn(move || {
            for n in 0..MESSAGES {
                send.send(numbered(n, LEN)).unwrap();
            }
            send
        });
        for n in 0..MESSAGES {
            let message = recv.recv().unwrap().expect("an echo");
            assert!(message.as_bytes() == numbered(n, LEN));
        }
        let mut send = sending.join().unwrap();
        send.close(None).unwrap();
        assert_eq!(recv.recv().unwrap(), None);
        echoing.join().unwrap().unwrap();
    });
}

/// What waits to be written does not keep the receiver from reading what a peer must get rid of before it reads.
#[test]
fn the_receiver_reads_on_while_the_peer_does_not() {
    const LEN: usize = 100_000;
    const MESSAGES: u64 = (HUGE / LEN) as u64;
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (mut send, mut recv) = server.split().unwrap();
        send.feed(vec![7; HUGE]).unwrap();
        let talking = thread::spawn(move || {
            for n in 0..MESSAGES {
                peer.send(Opcode::Binary, &numbered(n, LEN));
            }
            assert!(peer.recv() == Some((Opcode::Binary, vec![7; HUGE])));
            peer.send(Opcode::Text, b"got it");
            peer
        });
        for n in 0..MESSAGES {
            let message = recv.recv().unwrap().expect("a message");
            assert!(message.as_bytes() == numbered(n, LEN));
        }
        assert_eq!(recv.recv().unwrap(), Some(Message::from("got it")));
        drop(talking.join().unwrap());
    });
}

/// One who has to answer a Ping must not be kept writing for others who never stop to feed.
#[test]
fn feeding_without_end_does_not_keep_the_receiver_from_receiving() {
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let (mut send, mut recv) = server.split().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let feeding = thread::spawn({
            let done = Arc::clone(&done);
            move || {
                while !done.load(Ordering::Relaxed) {
                    send.feed("a feed").unwrap();
                }
            }
        });
        let mut discarding = peer.stream.try_clone().unwrap();
        let discarding = thread::spawn(move || io::copy(&mut discarding, &mut io::sink()));
        for n in 0..50 {
            peer.send(Opcode::Ping, b"answer me");
            peer.send(Opcode::Text, format!("{n}").as_bytes());
            assert_eq!(recv.recv().unwrap(), Some(Message::from(format!("{n}"))));
        }
        done.store(true, Ordering::Relaxed);
        feeding.join().unwrap();
        drop(recv);
        let _ = peer.stream.shutdown(Shutdown::Both);
        let _ = discarding.join().unwrap();
    });
}

/// CL-24: the sending half begins, the receiving half finishes, though it is blocked when that happens.
#[test]
fn a_close_of_the_sending_half_finishes_through_the_receiving_half() {
    within_seconds(10, || {
        let (client, server) = connected(&Config::new(), &Config::new());
        let (mut send, recv) = client.split().unwrap();
        let (_server_send, server_recv) = server.split().unwrap();
        let (at_client, at_server) = (receiving(recv), receiving(server_recv));
        let began = Instant::now();
        send.feed("last words").unwrap();
        send.close(CloseFrame::new(CloseCode::GOING_AWAY, "enough")).unwrap();
        let (texts, end, recv) = at_server.join().unwrap();
        assert_eq!(texts, ["last words"]);
        end.unwrap();
        let closure = recv.close_info().expect("an end");
        assert_eq!(
            (closure.initiator, closure.code, closure.clean),
            (Side::Peer, CloseCode::GOING_AWAY, true)
        );
        assert_eq!(closure.reason, "enough");
        let (_, end, mut recv) = at_client.join().unwrap();
        end.unwrap();
        assert_took_about(began, Duration::ZERO);
        assert_eq!(recv.close_info(), send.close_info());
        let closure = send.close_info().expect("an end");
        assert_eq!(
            (closure.initiator, closure.code, closure.clean),
            (Side::Local, CloseCode::GOING_AWAY, true)
        );
        assert_eq!(recv.recv().unwrap(), None);
        assert!(matches!(send.send("more"), Err(Error::Send(_))));
        send.flush().unwrap();
    });
}

/// CL-27, SEC-11: the receiver is in the middle of a wait without a bound when the closing handshake begins.
#[test]
fn a_peer_that_never_answers_a_close_of_the_sending_half_is_given_up() {
    within_seconds(10, || {
        let (client, _peer) = with_raw_peer(Role::Client, &timed(Timers::new().close(SHORT)));
        let (mut send, recv) = client.split().unwrap();
        let receiving = receiving(recv);
        thread::sleep(millis(50));
        let began = Instant::now();
        send.close(CloseCode::NORMAL).unwrap();
        let (_, end, mut recv) = receiving.join().unwrap();
        assert!(
            matches!(end, Err(Error::Protocol(ProtocolError::TimedOut(Timer::Close)))),
            "{end:?}"
        );
        assert_took_about(began, 2 * SHORT);
        assert!(matches!(recv.recv(), Err(Error::Protocol(_))));
    });
}

/// CL-09, CL-12, SEC-11: the Close of the peer is answered behind what is being sent, and the stream then shut down.
#[test]
fn a_peer_that_closes_while_a_sender_is_blocked_gets_its_answer_and_the_end() {
    within_seconds(10, || {
        for halfway_closed in [false, true] {
            let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
            let (mut send, recv) = server.split().unwrap();
            let receiving = receiving(recv);
            let sending = thread::spawn(move || send.send(vec![7; HUGE]));
            peer.wait_for_data();
            peer.send(Opcode::Close, b"\x03\xe8");
            if halfway_closed {
                peer.stream.shutdown(Shutdown::Write).unwrap();
            }
            thread::sleep(millis(50));
            let began = Instant::now();
            assert!(peer.recv() == Some((Opcode::Binary, vec![7; HUGE])));
            assert_eq!(peer.recv(), Some((Opcode::Close, b"\x03\xe8".to_vec())));
            assert_eq!(peer.recv(), None);
            drop(peer);
            assert_took_about(began, Duration::ZERO);
            sending.join().unwrap().unwrap();
            let (_, end, recv) = receiving.join().unwrap();
            end.unwrap();
            assert!(recv.close_info().expect("an end").clean);
            assert_took_about(began, Duration::ZERO);
        }
    });
}

/// SEC-11: whoever closes and never reads holds neither half.
#[test]
fn a_peer_that_closes_and_never_reads_is_left_at_the_deadline() {
    within_seconds(10, || {
        for ends in [false, true] {
            let (server, mut peer) = with_raw_peer(Role::Server, &timed(Timers::new().close(SHORT)));
            let (mut send, recv) = server.split().unwrap();
            let receiving = receiving(recv);
            let sending = thread::spawn(move || send.send(vec![7; HUGE]));
            peer.wait_for_data();
            peer.send(Opcode::Close, b"\x03\xe8");
            if ends {
                peer.stream.shutdown(Shutdown::Write).unwrap();
            }
            let began = Instant::now();
            let (_, end, recv) = receiving.join().unwrap();
            // DRV-20: the peer's Close counts, also if the answer to it was not written.
            end.unwrap();
            assert!(!recv.close_info().expect("an end").clean, "the answer was not written");
            assert_took_about(began, 2 * SHORT);
            assert!(sending.join().unwrap().is_err());
            assert_took_about(began, 2 * SHORT);
        }
    });
}

/// CL-21, CL-23: a peer that breaks the protocol while a sender is blocked gets its Close behind what is being sent.
#[test]
fn a_violation_while_a_sender_is_blocked_is_answered_behind_what_is_sent() {
    within_seconds(10, || {
        for (opcode, payload, code) in [
            (Opcode::Continuation, &b"of nothing"[..], 1002_u16),
            (Opcode::Text, b"not UTF-8: \xff", 1007),
        ] {
            let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
            let (mut send, recv) = server.split().unwrap();
            let receiving = receiving(recv);
            let sending = thread::spawn(move || send.send(vec![7; HUGE]));
            peer.wait_for_data();
            peer.send(opcode, payload);
            thread::sleep(millis(50));
            let began = Instant::now();
            assert!(peer.recv() == Some((Opcode::Binary, vec![7; HUGE])));
            assert_eq!(peer.recv(), Some((Opcode::Close, code.to_be_bytes().to_vec())));
            assert_eq!(peer.recv(), None);
            drop(peer);
            sending.join().unwrap().unwrap();
            let (_, end, _) = receiving.join().unwrap();
            assert!(matches!(end, Err(Error::Protocol(_))), "{end:?}");
            assert_took_about(began, Duration::ZERO);
        }
    });
}

#[test]
fn either_half_may_be_dropped_first() {
    within_seconds(10, || {
        let (client, mut server) = connected(&Config::new(), &Config::new());
        let (mut send, recv) = client.split().unwrap();
        drop(recv);
        send.send("without a receiver").unwrap();
        assert_eq!(server.recv().unwrap(), Some(Message::from("without a receiver")));
        drop(send);
        assert!(matches!(
            server.recv(),
            Err(Error::Protocol(ProtocolError::ConnectionLost))
        ));

        let (client, mut peer) = with_raw_peer(Role::Client, &Config::new());
        let (send, recv) = client.split().unwrap();
        let (other, receiving) = (send.clone(), receiving(recv));
        drop((send, other));
        peer.send(Opcode::Ping, b"without a sender");
        assert_eq!(peer.recv(), Some((Opcode::Pong, b"without a sender".to_vec())));
        drop(peer);
        let (_, end, _) = receiving.join().unwrap();
        assert!(
            matches!(end, Err(Error::Protocol(ProtocolError::ConnectionLost))),
            "{end:?}"
        );
    });
}

/// CL-22: a peer that is gone shows at both halves, also at a sender that is blocked.
#[test]
fn a_lost_peer_shows_at_both_halves() {
    within_seconds(10, || {
        let (server, peer) = with_raw_peer(Role::Server, &Config::new());
        let (mut send, recv) = server.split().unwrap();
        let receiving = receiving(recv);
        let sending = thread::spawn({
            let mut send = send.clone();
            move || send.send(vec![7; HUGE])
        });
        peer.wait_for_data();
        let began = Instant::now();
        drop(peer);
        assert!(matches!(
            sending.join().unwrap(),
            Err(Error::Io(_) | Error::Protocol(_))
        ));
        let (_, end, mut recv) = receiving.join().unwrap();
        assert!(matches!(end, Err(Error::Io(_) | Error::Protocol(_))), "{end:?}");
        assert!(matches!(
            recv.recv(),
            Err(Error::Protocol(ProtocolError::ConnectionLost))
        ));
        assert!(matches!(send.send("more"), Err(Error::Send(_))));
        assert!(matches!(
            send.flush(),
            Err(Error::Protocol(ProtocolError::ConnectionLost))
        ));
        assert_took_about(began, Duration::ZERO);
    });
}

#[test]
fn halves_show_events_and_fragments_as_the_whole_does() {
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new().delivery(Delivery::Fragments));
        let (mut send, mut recv) = server.split().unwrap();
        peer.send(Opcode::Ping, b"1");
        peer.send(Opcode::Pong, b"2");
        peer.send(Opcode::Text, b"3");
        assert_eq!(recv.recv_event().unwrap(), Some(Event::Ping(b"1")));
        assert_eq!(recv.recv_event().unwrap(), Some(Event::Pong(b"2")));
        match recv.recv_event().unwrap() {
            Some(Event::Fragment(fragment)) => assert_eq!((fragment.data, fragment.is_last), ("3".into(), true)),
            event => panic!("{event:?}"),
        }
        send.ping(b"4").unwrap();
        send.pong(b"5").unwrap();
        send.feed(Fragment::more("6")).unwrap();
        send.feed(Fragment::last("7")).unwrap();
        peer.send(Opcode::Text, b"8");
        assert!(
            matches!(recv.recv(), Err(Error::FragmentDelivery)),
            "and what was fed is written before"
        );
        for (opcode, payload) in [
            (Opcode::Pong, b"1"),
            (Opcode::Ping, b"4"),
            (Opcode::Pong, b"5"),
            (Opcode::Text, b"6"),
            (Opcode::Continuation, b"7"),
        ] {
            assert_eq!(peer.recv(), Some((opcode, payload.to_vec())));
        }
    });
}

/// A pong that waits behind a large message, which the peer takes slowly, is no stalled write.
#[test]
fn a_pong_that_waits_for_a_slow_reader_does_not_end_the_connection() {
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &timed(Timers::new().write(millis(400))));
        let (mut send, recv) = server.split().unwrap();
        let receiving = receiving(recv);
        let sending = thread::spawn(move || send.send(vec![7; HUGE]).map(|()| send));
        peer.wait_for_data();
        let chatter = peer.frame(true, Opcode::Ping, b"slow");
        // In all, this takes longer than a write may wait.
        let mut part = vec![0; HUGE / 16];
        for _ in 0..16 {
            peer.stream.write_all(&chatter).unwrap();
            thread::sleep(millis(40));
            peer.stream.read_exact(&mut part).expect("the connection lives");
        }
        let send = sending.join().unwrap().unwrap();
        assert_eq!(send.close_info(), None);
        drop(peer);
        assert!(receiving.join().unwrap().1.is_err());
    });
}

/// A socket whose writes fail from some moment on, though the peer is well.
struct Failing {
    stream: TcpStream,
    fails: Arc<AtomicBool>,
    reads: Arc<AtomicUsize>,
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.stream.read(buffer)
    }
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.fails.load(Ordering::Relaxed) {
            Err(io::ErrorKind::BrokenPipe.into())
        } else {
            self.stream.write(bytes)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Failing {
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }
}

impl SplitStream for Failing {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            stream: self.stream.try_clone()?,
            fails: Arc::clone(&self.fails),
            reads: Arc::clone(&self.reads),
        })
    }
}

fn failing(config: &Config) -> (WebSocket<Failing>, Arc<AtomicBool>, Arc<AtomicUsize>, RawPeer) {
    let (near, far) = tcp();
    let (fails, reads) = (Arc::default(), Arc::default());
    let stream = Failing {
        stream: near,
        fails: Arc::clone(&fails),
        reads: Arc::clone(&reads),
    };
    let websocket = WebSocket::from_negotiated(stream, &Negotiated::new(Role::Server), config);
    (websocket, fails, reads, RawPeer::new(far, Role::Server))
}

#[test]
fn a_write_that_fails_wakes_the_receiver() {
    within_seconds(10, || {
        let (server, fails, _, mut peer) = failing(&timed(Timers::new().close(SHORT)));
        let (mut send, mut recv) = server.split().unwrap();
        let receiving = thread::spawn(move || {
            let message = recv.recv().map(|message| message.map(Message::into_owned));
            (message, recv.recv().map(|_| ()))
        });
        thread::sleep(millis(50));
        fails.store(true, Ordering::Relaxed);
        assert!(matches!(send.send("goes nowhere"), Err(Error::Io(_))));
        assert!(matches!(
            send.send("nor this"),
            Err(Error::Protocol(ProtocolError::ConnectionLost))
        ));
        // DRV-02: what the peer sends is still received, for as long as the closing handshake may take.
        peer.send(Opcode::Text, b"still here");
        let (message, end) = receiving.join().unwrap();
        assert_eq!(message.unwrap(), Some(Message::from("still here")));
        assert!(
            matches!(end, Err(Error::Protocol(ProtocolError::TimedOut(Timer::Close)))),
            "{end:?}"
        );
        assert!(matches!(send.send("nor this"), Err(Error::Send(_))));
    });
}

/// The receiver sleeps while a sender writes to a peer that has ended its side.
#[test]
fn the_end_of_the_stream_does_not_make_the_receiver_spin() {
    within_seconds(10, || {
        let (server, _, reads, mut peer) = failing(&Config::new());
        let (mut send, mut recv) = server.split().unwrap();
        let receiving = thread::spawn(move || recv.recv().map(|message| message.is_none()));
        let sending = thread::spawn(move || send.send(vec![7; HUGE]));
        peer.wait_for_data();
        peer.send(Opcode::Close, b"");
        peer.stream.shutdown(Shutdown::Write).unwrap();
        thread::sleep(millis(150));
        assert!(reads.load(Ordering::Relaxed) < 20, "{reads:?} reads");
        assert!(peer.recv() == Some((Opcode::Binary, vec![7; HUGE])));
        assert_eq!(peer.recv(), Some((Opcode::Close, Vec::new())));
        assert_eq!(peer.recv(), None);
        sending.join().unwrap().unwrap();
        assert!(receiving.join().unwrap().unwrap());
    });
}

/// An event loop can use the halves of a non-blocking stream, too.
#[test]
fn halves_of_a_stream_that_is_not_ready_lose_nothing() {
    within_seconds(10, || {
        let limits = Limits::new().output_high_water(2 * HUGE);
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new().limits(limits));
        server.stream().set_nonblocking(true).unwrap();
        let (mut send, mut recv) = server.split().unwrap();
        assert!(recv.recv().is_err_and(|error| error.is_would_block()));
        let (done, reading) = mpsc::channel();
        assert!(send.send(vec![7; HUGE]).is_err_and(|error| error.is_would_block()));
        send.feed("behind it").unwrap();
        let reader = thread::spawn(move || {
            assert!(peer.recv() == Some((Opcode::Binary, vec![7; HUGE])));
            assert_eq!(peer.recv(), Some((Opcode::Text, b"behind it".to_vec())));
            peer.send(Opcode::Text, b"thanks");
            done.send(()).unwrap();
            peer
        });
        let message = loop {
            match recv.recv() {
                Err(error) if error.is_would_block() => thread::sleep(millis(1)),
                message => break message.unwrap().map(Message::into_owned),
            }
        };
        assert_eq!(message, Some(Message::from("thanks")));
        reading.recv().unwrap();
        drop(reader.join().unwrap());
    });
}
