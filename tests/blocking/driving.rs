//! The rules of driving (DRV) for a connection that one thread owns, over sockets and over streams without time limits.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    CloseCode, Config, Error, Limits, Message, Negotiated, PreparedMessage, ProtocolError, Role, Timer, Timers,
    blocking::{Plain, Stream, WebSocket},
    frame::Opcode,
};

use crate::{
    script::frame,
    support::{RawPeer, assert_took_about, connected, millis, tcp, timed, with_raw_peer, within_seconds},
};

const SHORT: Duration = millis(200);

/// More than socket buffers hold.
const HUGE: usize = 16 << 20;

/// What a peer sends before it disconnects.
fn last_words(peer: &RawPeer) -> Vec<u8> {
    let mut frames = peer.frame(true, Opcode::Text, b"last words");
    frames.extend(peer.frame(true, Opcode::Close, b"\x0f\xa1banned"));
    frames
}

#[track_caller]
fn assert_last_words<S: Stream>(websocket: &mut WebSocket<S>) {
    assert_eq!(websocket.recv().unwrap(), Some(Message::from("last words")));
    assert_eq!(websocket.recv().unwrap(), None);
    let closure = websocket.close_info().expect("an end");
    assert_eq!((closure.code.value(), closure.reason.as_str()), (4001, "banned"));
    assert!(!closure.clean);
}

/// A stream whose writes fail, but which still delivers data.
struct Deaf<S>(S);

impl<S: Read> Read for Deaf<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S> Write for Deaf<S> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Stream> Stream for Deaf<S> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(timeout)
    }
}

/// DRV-02: after a write that failed, in a `send` or before a `recv`, received data is delivered, including the peer's Close.
#[test]
fn a_failed_write_leaves_what_has_arrived() {
    within_seconds(10, || {
        fn check<S: Stream>(stream: S, feeds: bool) {
            let mut server = WebSocket::from_negotiated(Deaf(stream), &Negotiated::new(Role::Server), &Config::new());
            if feeds {
                server.feed("goes nowhere").unwrap();
            } else {
                assert!(matches!(server.send("goes nowhere"), Err(Error::Io(_))));
                // Everything that writes reports it each time, and nothing spins.
                for _ in 0..3 {
                    assert!(matches!(
                        server.flush(),
                        Err(Error::Protocol(ProtocolError::ConnectionLost))
                    ));
                    assert!(matches!(
                        server.send("more"),
                        Err(Error::Protocol(ProtocolError::ConnectionLost))
                    ));
                }
            }
            assert_last_words(&mut server);
        }
        for feeds in [true, false] {
            let (near, far) = tcp();
            let mut peer = RawPeer::new(far, Role::Server);
            let words = last_words(&peer);
            peer.stream.write_all(&words).unwrap();
            check(near, feeds);

            let input = io::Cursor::new(words.clone());
            check(Plain(Duplex(input)), feeds);
            #[cfg(unix)]
            {
                let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
                far.write_all(&words).unwrap();
                check(near, feeds);
            }
        }
    });
}

/// A stream of received data, without time limits.
struct Duplex(io::Cursor<Vec<u8>>);

impl Read for Duplex {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Duplex {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// DRV-02: the same with a real reset, caused by the answers of a loop.
#[test]
fn a_reset_between_messages_leaves_what_has_arrived() {
    within_seconds(20, || {
        let (mut server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let words = peer.frame(true, Opcode::Text, b"a word");
        for _ in 0..1000 {
            peer.stream.write_all(&words).unwrap();
        }
        let close = peer.frame(true, Opcode::Close, b"\x0f\xa1");
        peer.stream.write_all(&close).unwrap();
        let mut count = 0;
        let mut peer = Some(peer);
        while let Some((message, outbound)) = server.recv_split().unwrap() {
            outbound.feed(message).unwrap();
            count += 1;
            if count == 10 {
                // The answers that the peer has not read cause a reset.
                server.flush().unwrap();
                drop(peer.take());
                thread::sleep(millis(20));
                let _ = server.send("meets the reset");
                thread::sleep(millis(20));
                let _ = server.send("meets the reset");
            }
        }
        // What the kernel discarded with the reset is lost; what was read before is not.
        assert!(count >= 10);
    });
}

/// Sends more than the socket buffers hold, to a peer that reads nothing.
fn fill(websocket: &mut WebSocket<TcpStream>) {
    websocket.stream().set_nonblocking(true).unwrap();
    let mut sent = websocket.send(vec![0; HUGE]);
    for _ in 0..10 {
        assert!(sent.is_err_and(|error| error.is_would_block()));
        thread::sleep(millis(20));
        sent = websocket.flush();
    }
    websocket.stream().set_nonblocking(false).unwrap();
}

/// DRV-03, DRV-05: when the peer reads nothing, closing takes as long as it may, and no longer.
#[test]
fn closing_is_bounded_although_output_is_pending() {
    within_seconds(10, || {
        let (mut server, _peer) = with_raw_peer(Role::Server, &timed(Timers::new().close(SHORT)));
        fill(&mut server);
        let began = Instant::now();
        let closed = server.close(CloseCode::NORMAL);
        assert!(
            matches!(closed, Err(Error::Protocol(ProtocolError::TimedOut(Timer::Close)))),
            "{closed:?}"
        );
        let took = began.elapsed();
        assert!(took >= SHORT && took < 3 * SHORT, "{took:?}");
    });
}

/// DRV-05: a peer that reads steadily gets everything, however long that takes.
#[test]
fn a_steady_reader_gets_everything_before_the_close() {
    within_seconds(20, || {
        let (mut server, mut peer) = with_raw_peer(Role::Server, &timed(Timers::new().close(millis(500))));
        server.feed(vec![7; HUGE]).unwrap();
        let reading = thread::spawn(move || {
            let mut part = vec![0; HUGE / 16];
            for _ in 0..16 {
                thread::sleep(millis(50));
                peer.stream.read_exact(&mut part).expect("the connection is still open");
            }
            // The rest of the frame, and the Close.
            peer.stream.read_exact(&mut part[..14]).unwrap();
            assert_eq!(&part[10..14], b"\x88\x02\x03\xe8");
            peer.send(Opcode::Close, b"\x03\xe8");
        });
        server.close(CloseCode::NORMAL).unwrap();
        assert!(server.close_info().expect("an end").clean);
        reading.join().unwrap();
    });
}

/// DRV-08: the application's own limits apply, whatever the shell sets for itself, and stay set on the stream.
#[test]
fn limits_of_the_application_apply() {
    within_seconds(20, || {
        for timers in [
            Timers::new(),
            Timers::new()
                .keepalive(Duration::from_secs(60))
                .idle(Duration::from_secs(40)),
        ] {
            let limits = Limits::new().output_high_water(2 * HUGE);
            let (mut server, mut peer) = with_raw_peer(Role::Server, &timed(timers).limits(limits));
            server.stream().set_read_timeout(Some(SHORT)).unwrap();
            server.stream().set_write_timeout(Some(SHORT)).unwrap();
            peer.send(Opcode::Binary, &[1; 20_000]);
            assert_eq!(server.recv().unwrap().expect("a message").as_bytes().len(), 20_000);
            for _ in 0..2 {
                let began = Instant::now();
                assert!(server.recv().is_err_and(|error| error.is_would_block()));
                let took = began.elapsed();
                assert!(took >= SHORT - millis(10) && took < 2 * SHORT, "{took:?}");
            }
            let began = Instant::now();
            assert!(server.send(vec![0; HUGE]).is_err_and(|error| error.is_would_block()));
            assert!(began.elapsed() >= SHORT - millis(10));
            assert_took_about(began, SHORT);
            peer.send(Opcode::Text, b"nothing is lost");
            assert_eq!(server.recv().unwrap(), Some(Message::from("nothing is lost")));
            let (stream, connection) = server.into_parts();
            assert!(connection.poll_timeout().is_some(), "output waits");
            assert_eq!(
                (stream.read_timeout().unwrap(), stream.write_timeout().unwrap()),
                (Some(SHORT), Some(SHORT))
            );
        }
    });
}

/// DRV-08: a call that receives can be limited; nothing is lost when its time is up.
#[test]
fn receiving_can_be_limited() {
    within_seconds(10, || {
        let (mut server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        for timeout in [Duration::ZERO, millis(1), SHORT] {
            let began = Instant::now();
            assert!(server.recv_timeout(timeout).is_err_and(|error| error.is_would_block()));
            let took = began.elapsed();
            assert!(
                took + millis(2) >= timeout && took < timeout + millis(100),
                "{took:?} for {timeout:?}"
            );
        }
        let message = peer.frame(true, Opcode::Text, b"in two parts");
        peer.stream.write_all(&message[..10]).unwrap();
        assert!(
            server
                .recv_timeout(millis(20))
                .is_err_and(|error| error.is_would_block())
        );
        peer.stream.write_all(&message[10..]).unwrap();
        let received = server.recv_timeout(Duration::MAX).unwrap();
        assert_eq!(received, Some(Message::from("in two parts")));
        // Endless Pings do not count as a message.
        let pings = thread::spawn(move || while peer.stream.write_all(&peer.frame(true, Opcode::Ping, b"")).is_ok() {});
        let began = Instant::now();
        assert!(server.recv_timeout(SHORT).is_err_and(|error| error.is_would_block()));
        assert_took_about(began, SHORT);
        drop(server);
        pings.join().unwrap();
    });
}

/// DRV-01: bytes in the socket are read before silence is judged, however late the call comes.
#[test]
fn a_late_call_reads_before_it_judges() {
    within_seconds(10, || {
        let timers = Timers::new().keepalive(millis(100)).pong(millis(100));
        let (mut server, mut peer) = with_raw_peer(Role::Server, &timed(timers));
        for _ in 0..2 {
            assert!(
                server
                    .recv_timeout(millis(120))
                    .is_err_and(|error| error.is_would_block())
            );
            assert!(matches!(peer.recv(), Some((Opcode::Ping, _))));
            peer.send(Opcode::Pong, b"");
            peer.send(Opcode::Text, b"here");
            thread::sleep(millis(400));
            assert_eq!(server.recv().unwrap(), Some(Message::from("here")));
        }
        thread::sleep(millis(400));
        let dead = server.recv();
        assert!(
            matches!(dead, Err(Error::Protocol(ProtocolError::TimedOut(Timer::Keepalive)))),
            "{dead:?}"
        );
    });
}

/// DRV-09: with a mark of 0, messages are sent one by one, and nothing spins.
#[test]
fn a_mark_of_zero_sends_one_message_at_a_time() {
    within_seconds(10, || {
        let config = Config::new().limits(Limits::new().output_high_water(0));
        let (mut client, mut server) = connected(&config, &config);
        for n in 0..10 {
            client.feed(format!("{n}")).unwrap();
            client.feed(&PreparedMessage::text("prepared")).unwrap();
        }
        client.flush().unwrap();
        for n in 0..10 {
            assert_eq!(server.recv().unwrap(), Some(Message::from(format!("{n}"))));
            let (message, outbound) = server.recv_split().unwrap().expect("a message");
            outbound.feed(message).unwrap();
        }
        assert_eq!(client.recv().unwrap(), Some(Message::from("prepared")));
    });
}

/// DRV-10: no value of a timer panics or hangs.
#[test]
fn no_timer_panics_or_hangs() {
    within_seconds(20, || {
        for value in [Duration::MAX, Duration::ZERO] {
            let timers = Timers::new().close(value).write(value).message(value);
            let (mut server, mut peer) = with_raw_peer(Role::Server, &timed(timers));
            peer.send(Opcode::Text, b"\xff");
            let _ = peer.stream.shutdown(std::net::Shutdown::Write);
            assert!(matches!(
                server.recv(),
                Err(Error::Protocol(ProtocolError::InvalidUtf8))
            ));
            let _ = server.poll_timeout();

            let (mut server, _peer) = with_raw_peer(Role::Server, &timed(timers.keepalive(value).idle(value)));
            let received = if value == Duration::MAX {
                server.recv_timeout(millis(50)).map(|_| ())
            } else {
                server.recv().map(|_| ())
            };
            assert_eq!(
                received.is_err_and(|error| error.is_would_block()),
                value == Duration::MAX
            );
        }
    });
}

/// DRV-20: two ends that send a long message to each other at once do not block each other.
#[test]
fn two_ends_that_send_at_once_do_not_block_each_other() {
    fn check<S: Stream + Send + 'static>(near: S, far: S) {
        let ends = [(near, Role::Client), (far, Role::Server)].map(|(stream, role)| {
            thread::spawn(move || {
                let mut websocket = WebSocket::from_negotiated(stream, &Negotiated::new(role), &Config::new());
                websocket.send(vec![7; HUGE]).unwrap();
                websocket.send("and another").unwrap();
                assert_eq!(websocket.recv().unwrap().expect("a message").as_bytes().len(), HUGE);
                assert_eq!(websocket.recv().unwrap(), Some(Message::from("and another")));
                websocket.close(CloseCode::NORMAL).unwrap();
                assert!(websocket.close_info().expect("an end").clean);
            })
        });
        for end in ends {
            end.join().unwrap();
        }
    }
    within_seconds(20, || {
        let (near, far) = tcp();
        check(near, far);
        #[cfg(unix)]
        {
            let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
            check(near, far);
        }
    });
}

/// DRV-20: the peer's Close and end, which arrive while a call waits to write, end the wait and are not lost.
#[test]
fn the_peers_close_ends_a_send() {
    within_seconds(20, || {
        for words_before in [false, true] {
            let (mut server, mut peer) = with_raw_peer(Role::Server, &Config::new());
            let closing = thread::spawn(move || {
                peer.wait_for_data();
                if words_before {
                    peer.send(Opcode::Text, b"words");
                }
                peer.send(Opcode::Close, b"\x03\xf3");
                peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
                peer
            });
            let began = Instant::now();
            assert!(server.send(vec![0; HUGE]).is_err());
            let mut words = 0;
            while server.recv().unwrap().is_some() {
                words += 1;
            }
            assert_eq!(words, usize::from(words_before));
            assert_eq!(server.close_info().expect("an end").code, CloseCode::new(1011));
            server.close(CloseCode::NORMAL).unwrap();
            assert_took_about(began, millis(500));
            drop(closing.join().unwrap());
        }
    });
}

/// DRV-19: the size of one write is bounded, over every stream.
#[test]
fn one_write_is_bounded() {
    struct Most(usize);
    impl Read for Most {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
    impl Write for Most {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.max(bytes.len());
            Ok(bytes.len())
        }
        fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
            let len = slices.iter().map(|slice| slice.len()).sum();
            self.0 = self.0.max(len);
            Ok(len)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let stream = Plain(Most(0));
    let mut server = WebSocket::from_negotiated(stream, &Negotiated::new(Role::Server), &Config::new());
    server.feed(vec![0; 1000]).unwrap();
    server.send(vec![0; HUGE]).unwrap();
    let most = server.stream().0.0;
    assert!((60_000..=websocket_proto::Driver::MAX_WRITE).contains(&most), "{most}");
}

/// A deadline does not cost a system call for each read, and an idle connection costs little.
#[test]
fn time_limits_are_seldom_set() {
    struct Counting(TcpStream, usize);
    impl Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Stream for Counting {
        fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
            self.1 += 1;
            self.0.set_read_timeout(timeout)
        }
        fn read_timeout(&self) -> io::Result<Option<Duration>> {
            self.0.read_timeout()
        }
    }
    within_seconds(10, || {
        let (near, mut far) = tcp();
        let config = timed(
            Timers::new()
                .keepalive(Duration::from_secs(45))
                .idle(Duration::from_secs(100)),
        );
        let stream = Counting(near, 0);
        let mut client = WebSocket::from_negotiated(stream, &Negotiated::new(Role::Client), &config);
        for _ in 0..200 {
            far.write_all(&frame(true, Opcode::Text, None, b"word")).unwrap();
            client.recv().unwrap();
        }
        assert!(client.stream().1 <= 3, "{} bounds for 200 reads", client.stream().1);
    });
}
