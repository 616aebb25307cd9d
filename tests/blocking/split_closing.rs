//! How a connection ends whose halves are on two threads: the closing handshake, violations, and lost peers.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    CloseCode, CloseFrame, Config, Error, Message, Negotiated, ProtocolError, Role, Side, Timer, Timers,
    blocking::{SplitStream, Stream, WebSocket},
    frame::Opcode,
};

use crate::{
    split::{HUGE, receiving},
    support::{RawPeer, assert_took_about, connected, millis, tcp, timed, with_raw_peer, within_seconds},
};

const SHORT: Duration = millis(120);

/// CL-24: the sending half begins the closing handshake, and the receiving half, which is blocked at that time, finishes it.
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

/// CL-27, SEC-11: the receiver is in an unbounded wait when the closing handshake begins.
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

/// CL-09, CL-12, SEC-11: the peer's Close is answered after the message that is being sent, and the stream is then shut down.
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

/// SEC-11: a peer that closes and never reads blocks neither half.
#[test]
fn a_peer_that_closes_and_never_reads_is_disconnected_at_the_deadline() {
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
            // DRV-20: the peer's Close counts, even if the answer to it was not written.
            end.unwrap();
            assert!(!recv.close_info().expect("an end").clean, "the answer was not written");
            assert_took_about(began, 2 * SHORT);
            assert!(sending.join().unwrap().is_err());
            assert_took_about(began, 2 * SHORT);
        }
    });
}

/// CL-21, CL-23: a peer that breaks the protocol while a sender is blocked gets its Close after the message that is being sent.
#[test]
fn a_violation_while_a_sender_is_blocked_is_answered_after_the_message() {
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

/// CL-22: both halves report a lost peer, including a sender that is blocked.
#[test]
fn both_halves_report_a_lost_peer() {
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

/// A socket whose writes fail from some moment on, though the peer is well.
pub(crate) struct Failing {
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

pub(crate) fn failing(config: &Config) -> (WebSocket<Failing>, Arc<AtomicBool>, Arc<AtomicUsize>, RawPeer) {
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
        assert!(matches!(send.send("cannot be delivered"), Err(Error::Io(_))));
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
