//! The blocking TLS stream by itself: two handles for one session, time limits, ends, and peers that misbehave.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    Config, Error, Role,
    blocking::{Acceptor, SplitStream, Stream},
    handshake::HandshakeError,
    tls::rustls::Connection,
};

use crate::tls_peer::{stream_with_raw_peer, tcp, tls, within_seconds};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A socket that reads and writes a few bytes at a time.
struct Cut(TcpStream, usize);

impl Read for Cut {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.1);
        self.0.read(&mut buffer[..len])
    }
}

impl Write for Cut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(self.1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Cut {
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

impl SplitStream for Cut {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?, self.1))
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

/// However the bytes are cut, above and below TLS, both directions deliver what was written, at the same time.
#[test]
fn cuts_do_not_change_the_data() {
    within_seconds(60, || {
        for (cut, read, len) in [
            (1, 4096, 3_000),
            (7, 1, 5_000),
            (4096, 3, 40_000),
            (20_000, 100_000, 600_000),
        ] {
            let (near, far) = tcp();
            let (client, server) = tls(Cut(near, cut), Cut(far, cut));
            let mut threads = Vec::new();
            for mut reading in [client, server] {
                let mut writing = reading.try_clone().expect("a second handle");
                threads.push(thread::spawn(move || {
                    writing.write_all(&pattern(len)).expect("written");
                    writing.flush().expect("flushed");
                    writing.shutdown(Shutdown::Write).expect("shut down");
                }));
                threads.push(thread::spawn(move || {
                    let (mut received, mut buffer) = (Vec::new(), vec![0; read]);
                    loop {
                        match reading.read(&mut buffer).expect("read") {
                            0 => break,
                            n => received.extend_from_slice(&buffer[..n]),
                        }
                    }
                    assert!(received == pattern(len), "cut {cut}, read {read}");
                }));
            }
            for thread in threads {
                thread.join().expect("no panic");
            }
        }
    });
}

/// Records reach the wire in the order in which they were encrypted, however many threads write: TLS fails otherwise.
#[test]
fn records_stay_in_order() {
    within_seconds(60, || {
        const THREADS: usize = 4;
        const LINES: usize = 2_000;
        let (near, far) = tcp();
        let (client, mut server) = tls(near, far);
        let mut threads = Vec::new();
        for id in 0..THREADS {
            let mut handle = client.try_clone().expect("another handle");
            threads.push(thread::spawn(move || {
                for line in 0..LINES {
                    // Short enough to be accepted as a whole.
                    assert_eq!(handle.write(format!("{id} {line}\n").as_bytes()).expect("written"), {
                        format!("{id} {line}\n").len()
                    });
                }
            }));
        }
        let reader = thread::spawn(move || {
            let mut received = String::new();
            server.read_to_string(&mut received).expect("read");
            received
        });
        for thread in threads {
            thread.join().expect("no panic");
        }
        let mut client = client;
        client.shutdown(Shutdown::Write).expect("shut down");
        let received = reader.join().expect("no panic");
        for id in 0..THREADS {
            let lines: Vec<_> = received
                .lines()
                .filter(|line| line.starts_with(&format!("{id} ")))
                .collect();
            let expected: Vec<_> = (0..LINES).map(|line| format!("{id} {line}")).collect();
            assert_eq!(lines, expected);
        }
    });
}

/// While one handle waits to read and another waits to write, a shutdown through a third handle ends both waits at once.
#[test]
fn a_shutdown_does_not_wait() {
    within_seconds(20, || {
        let (near, far) = tcp();
        let (client, _server) = tls(near, far);
        let mut reading = client.try_clone().expect("another handle");
        let mut writing = client.try_clone().expect("another handle");
        let mut client = client;
        let reader = thread::spawn(move || reading.read(&mut [0; 100]));
        let writer = thread::spawn(move || writing.write_all(&vec![0; 64 << 20]));
        // The writer has filled all buffers by then.
        thread::sleep(millis(500));
        assert!(!reader.is_finished() && !writer.is_finished(), "both wait");
        let began = Instant::now();
        client.shutdown(Shutdown::Both).expect("shut down");
        assert_eq!(reader.join().expect("no panic").expect("the end"), 0);
        writer.join().expect("no panic").expect_err("nobody reads");
        assert!(began.elapsed() < millis(3000), "{:?}", began.elapsed());
    });
}

/// A time limit for reads applies to a read as a whole, even if bytes of a record keep arriving; and only to one direction.
#[test]
fn single_bytes_do_not_extend_a_read() {
    within_seconds(20, || {
        for role in ROLES {
            let (mut reading, mut peer) = stream_with_raw_peer(role);
            let mut writing = reading.try_clone().expect("a second handle");
            writing.set_write_timeout(Some(millis(5000))).expect("a socket");
            reading.set_read_timeout(Some(millis(300))).expect("a socket");
            let (ended, has_ended) = mpsc::channel::<()>();
            let drip = thread::spawn(move || {
                // A record of 16 KiB that is never completed. The read ends long before the drip ends by itself.
                let mut drip = peer.tcp.try_clone().expect("a socket");
                let _ = drip.write_all(&[23, 3, 3, 0x40, 0]);
                for _ in 0..150 {
                    let _ = drip.write_all(&[0]);
                    if has_ended.recv_timeout(millis(20)).is_ok() {
                        break;
                    }
                }
                // What is written in the meantime arrives.
                let mut received = [0; 5];
                peer.read_exact(&mut received).map(|()| received)
            });
            let began = Instant::now();
            let late = reading.read(&mut [0; 100]).expect_err("too late");
            assert!(
                matches!(late.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{late:?}"
            );
            let took = began.elapsed();
            assert!(took >= millis(250) && took < millis(2000), "{took:?}");
            ended.send(()).expect("the drip still runs");
            writing.write_all(b"hello").expect("written");
            assert_eq!(&drip.join().expect("no panic").expect("read"), b"hello");
        }
    });
}

/// The same for a time limit on writes, to a peer that reads nothing; accepted bytes are not lost, and reading continues.
#[test]
fn a_time_limit_on_writes_does_not_affect_reads() {
    within_seconds(30, || {
        for role in ROLES {
            let (mut reading, mut peer) = stream_with_raw_peer(role);
            let mut writing = reading.try_clone().expect("a second handle");
            writing.set_write_timeout(Some(millis(200))).expect("a socket");
            let mut sent = 0;
            loop {
                let began = Instant::now();
                match writing.write(&[7; 64 << 10]) {
                    Ok(n) => sent += n,
                    Err(error) => {
                        assert!(
                            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                            "{error:?}"
                        );
                        assert!(began.elapsed() < millis(2000), "{:?}", began.elapsed());
                        break;
                    }
                }
                assert!(sent < 64 << 20, "writes must block at some point");
            }
            peer.write_all(b"still there?").expect("written");
            let mut received = [0; 12];
            reading.read_exact(&mut received).expect("read");
            assert_eq!(&received, b"still there?");
            // Once the peer reads, it gets everything that was accepted.
            let peer = thread::spawn(move || {
                let mut received = vec![0; sent];
                peer.read_exact(&mut received).expect("read");
                assert!(received.iter().all(|byte| *byte == 7));
            });
            while let Err(error) = writing.flush() {
                assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                    "{error:?}"
                );
            }
            peer.join().expect("no panic");
        }
    });
}

/// Over a non-blocking stream, an operation that returned `WouldBlock` continues when it is repeated.
#[test]
fn operations_on_non_blocking_streams_continue() {
    within_seconds(30, || {
        const LEN: usize = 8 << 20;
        let (mut stream, mut peer) = stream_with_raw_peer(Role::Server);
        stream.stream().set_nonblocking(true).expect("a socket");
        assert_eq!(
            stream.read(&mut [0; 10]).expect_err("nothing").kind(),
            ErrorKind::WouldBlock
        );
        let (begin, may_begin) = mpsc::channel();
        let peer = thread::spawn(move || {
            may_begin.recv().expect("a refused write");
            let mut received = vec![0; LEN];
            peer.read_exact(&mut received).expect("read");
            assert!(received == pattern(LEN));
            peer.write_all(&received[..100_000]).expect("written");
            peer
        });
        let bytes = pattern(LEN);
        let mut written = 0;
        while written < LEN {
            match stream.write(&bytes[written..]) {
                Ok(n) => written += n,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    let _ = begin.send(());
                    thread::sleep(millis(1));
                }
            }
        }
        while stream.flush().is_err() {
            thread::sleep(millis(1));
        }
        let mut received = Vec::new();
        while received.len() < 100_000 {
            let mut buffer = [0; 5000];
            match stream.read(&mut buffer) {
                Ok(n) => received.extend_from_slice(&buffer[..n]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    thread::sleep(millis(1));
                }
            }
        }
        assert!(received == bytes[..100_000]);
        drop(peer.join().expect("no panic"));
    });
}

/// Key updates by the peer, and key updates that it requests from this side (RFC 8446 §4.6.3), take effect in both directions.
#[test]
fn keys_are_updated() {
    within_seconds(30, || {
        for role in ROLES {
            let (mut reading, mut peer) = stream_with_raw_peer(role);
            let mut writing = reading.try_clone().expect("a second handle");
            let reader = thread::spawn(move || {
                for round in 0..20 {
                    let mut received = [0; 1];
                    reading.read_exact(&mut received).expect("read");
                    assert_eq!(received, [round]);
                }
                reading
            });
            for round in 0..20 {
                peer.tls.refresh_traffic_keys().expect("TLS 1.3");
                peer.write_all(&[round]).expect("written");
                writing.write_all(&[round]).expect("written");
                let mut received = [0; 1];
                peer.read_exact(&mut received).expect("read");
                assert_eq!(received, [round]);
            }
            drop(reader.join().expect("no panic"));
        }
    });
}

/// A peer that keeps updating keys, and reads nothing, fails the connection in bounded time.
#[test]
fn endless_key_updates_are_an_error() {
    within_seconds(30, || {
        for role in ROLES {
            let (mut reading, mut peer) = stream_with_raw_peer(role);
            let mut writing = reading.try_clone().expect("a second handle");
            // Nothing reads this, so the socket does not accept an answer either.
            let writer = thread::spawn(move || writing.write_all(&vec![0; 64 << 20]));
            thread::sleep(millis(200));
            let flood = thread::spawn(move || {
                for _ in 0..1000 {
                    peer.tls.refresh_traffic_keys().expect("TLS 1.3");
                    if peer.flush().is_err() {
                        break;
                    }
                }
                peer
            });
            let error = reading.read(&mut [0; 100]).expect_err("too many");
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error:?}");
            // The failure is permanent, and no call waits.
            let error = reading.read(&mut [0; 100]).expect_err("too many");
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error:?}");
            reading.shutdown(Shutdown::Both).expect("shut down");
            writer.join().expect("no panic").expect_err("nobody reads");
            drop(flood.join().expect("no panic"));
        }
    });
}

/// A record that was modified in transit fails the connection, and the peer gets an alert that reports it.
#[test]
fn a_forged_record_is_answered_with_an_alert() {
    within_seconds(20, || {
        for role in ROLES {
            let (mut stream, mut peer) = stream_with_raw_peer(role);
            let mut forged = vec![23, 3, 3, 0, 32];
            forged.extend([0; 32]);
            peer.tcp.write_all(&forged).expect("written");
            let error = stream.read(&mut [0; 100]).expect_err("forged");
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let error = peer.read(&mut [0; 10]).expect_err("an alert");
            assert!(error.to_string().contains("BadRecordMac"), "{error}");
        }
    });
}

/// SEC-16: the peer's `close_notify` ends reading, not writing; this side's is sent when it ends, at the latest with the last
/// handle (RFC 8446 §6.1).
#[test]
fn close_notify_is_answered() {
    within_seconds(20, || {
        for role in ROLES {
            // When the write side ends.
            let (mut reading, mut peer) = stream_with_raw_peer(role);
            let mut writing = reading.try_clone().expect("a second handle");
            peer.send_close_notify();
            assert_eq!(reading.read(&mut [0; 10]).expect("the end"), 0);
            assert_eq!(reading.read(&mut [0; 10]).expect("still the end"), 0);
            writing.write_all(b"one more thing").expect("written");
            writing.shutdown(Shutdown::Write).expect("shut down");
            assert_eq!(peer.read_to_close_notify(), b"one more thing");
            let error = writing.write(b"too late").expect_err("ended");
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);

            // With the last handle, whichever it is.
            let (mut reading, mut peer) = stream_with_raw_peer(role);
            let writing = reading.try_clone().expect("a second handle");
            peer.send_close_notify();
            assert_eq!(reading.read(&mut [0; 10]).expect("the end"), 0);
            drop(reading);
            drop(writing);
            assert_eq!(peer.read_to_close_notify(), b"");
        }
    });
}

/// SEC-16: dropping the last handle of a stream ends TLS. Whether everything was written is a matter of the protocol above.
#[test]
fn a_drop_ends_tls() {
    within_seconds(20, || {
        for role in ROLES {
            let (mut stream, mut peer) = stream_with_raw_peer(role);
            let second = stream.try_clone().expect("a second handle");
            stream.write_all(b"a part").expect("written");
            drop(stream);
            drop(second);
            assert_eq!(peer.read_to_close_notify(), b"a part");
        }
    });
}

/// A peer that reads nothing does not block a drop.
#[test]
fn a_drop_does_not_wait_for_the_peer() {
    within_seconds(20, || {
        let (mut stream, _peer) = stream_with_raw_peer(Role::Server);
        stream.set_write_timeout(Some(millis(200))).expect("a socket");
        while stream.write(&[0; 64 << 10]).is_ok() {}
        let began = Instant::now();
        drop(stream);
        assert!(began.elapsed() < millis(1000), "{:?}", began.elapsed());
    });
}

/// SEC-16: a client that ends TLS instead of sending a request also gets an answer.
#[test]
fn close_notify_in_the_opening_handshake_is_answered() {
    within_seconds(20, || {
        let (stream, mut peer) = stream_with_raw_peer(Role::Server);
        let server = thread::spawn(move || Acceptor::new(stream, &Config::new()).recv_request());
        peer.send_close_notify();
        let outcome = server.join().expect("no panic");
        assert!(
            matches!(outcome, Err(Error::Handshake(HandshakeError::Eof))),
            "{outcome:?}"
        );
        assert_eq!(peer.read_to_close_notify(), b"");
    });
}

/// The state of the rustls session is available from every handle.
#[test]
fn the_state_of_tls_is_available() {
    within_seconds(20, || {
        let (near, far) = tcp();
        let (client, server) = tls(near, far);
        assert!(client.tls(|tls| tls.peer_certificates().is_some()));
        let second = server.try_clone().expect("a second handle");
        for handle in [&server, &second] {
            handle.tls(|tls| match tls {
                Connection::Server(tls) => assert_eq!(tls.server_name(), Some("localhost")),
                Connection::Client(_) => panic!("a client"),
            });
        }
    });
}
