//! Messages over real sockets: lending, batching, flushing, fragments, and full queues.

use std::{
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use websocket_proto::{
    CloseCode, CloseFrame, Config, Delivery, Error, Event, Fragment, Limits, Message, Negotiated, PreparedMessage,
    Role, SendError,
    blocking::{Stream, WebSocket},
    frame::Opcode,
};

use crate::support::{RawPeer, connected, tcp, with_raw_peer, within_seconds};

/// A socket that counts its writes.
struct Counting {
    stream: TcpStream,
    writes: Arc<AtomicUsize>,
}

impl Counting {
    fn new(stream: TcpStream) -> (Self, Arc<AtomicUsize>) {
        let writes = Arc::new(AtomicUsize::new(0));
        let counting = Self {
            stream,
            writes: Arc::clone(&writes),
        };
        (counting, writes)
    }
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.stream.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Counting {
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }
}

/// A server that counts its writes, with a raw client.
fn counting_server() -> (WebSocket<Counting>, Arc<AtomicUsize>, RawPeer) {
    let (near, far) = tcp();
    let (stream, writes) = Counting::new(near);
    let server = WebSocket::from_negotiated(stream, &Negotiated::new(Role::Server), &Config::new());
    (server, writes, RawPeer::new(far, Role::Server))
}

#[test]
fn messages_of_every_size_and_kind_are_echoed() {
    within_seconds(10, || {
        let (mut client, mut server) = connected(&Config::new(), &Config::new());
        let echo = thread::spawn(move || -> Result<_, Error> {
            while let Some((message, outbound)) = server.recv_split()? {
                outbound.feed(message)?;
            }
            Ok(server.close_info())
        });
        for len in [0, 1, 125, 126, 4000, 65_535, 65_536, 300_000, 3_000_000] {
            let text = "ä".repeat(len / 2);
            client.send(&text).unwrap();
            assert_eq!(client.recv().unwrap().expect("an echo").as_text(), Some(text.as_str()));
            let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
            client.send(payload.clone()).unwrap();
            assert!(client.recv().unwrap() == Some(Message::from(payload)), "{len} bytes");
        }
        client.close(CloseFrame::new(CloseCode::NORMAL, "done")).unwrap();
        assert!(echo.join().unwrap().unwrap().expect("an end").clean);
    });
}

#[test]
fn unix_sockets_carry_messages_too() {
    within_seconds(10, || {
        let (near, far) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            let mut server = WebSocket::accept(far)?;
            while let Some((message, outbound)) = server.recv_split()? {
                outbound.feed(message)?;
            }
            Ok::<_, Error>(())
        });
        let mut client = WebSocket::client(near, "ws://localhost/".parse().unwrap()).unwrap();
        client.send("over a file").unwrap();
        assert_eq!(client.recv().unwrap(), Some(Message::from("over a file")));
        client.close(CloseCode::NORMAL).unwrap();
        server.join().unwrap().unwrap();
    });
}

#[test]
fn events_include_what_recv_skips() {
    within_seconds(10, || {
        let (mut client, mut server) = connected(&Config::new(), &Config::new());
        client.ping(b"1").unwrap();
        client.pong(b"2").unwrap();
        client.send("3").unwrap();
        let closing = thread::spawn(move || {
            client.close(CloseFrame::new(CloseCode::GOING_AWAY, "4")).unwrap();
        });
        assert_eq!(server.recv_event().unwrap(), Some(Event::Ping(b"1")));
        assert_eq!(server.recv_event().unwrap(), Some(Event::Pong(b"2")));
        assert_eq!(server.recv_event().unwrap(), Some(Event::Message("3".into())));
        let close = CloseFrame::new(CloseCode::GOING_AWAY, "4");
        assert_eq!(server.recv_event().unwrap(), Some(Event::Close(Some(close))));
        assert_eq!(server.recv_event().unwrap(), None);
        closing.join().unwrap();
    });
}

#[test]
fn a_ping_is_answered_while_a_message_is_awaited() {
    within_seconds(10, || {
        for role in [Role::Server, Role::Client] {
            let (mut websocket, mut peer) = with_raw_peer(role, &Config::new());
            let waiting = thread::spawn(move || websocket.recv().map(|message| message.map(Message::into_owned)));
            peer.send(Opcode::Ping, b"hello?");
            assert_eq!(peer.recv(), Some((Opcode::Pong, b"hello?".to_vec())));
            peer.send(Opcode::Text, b"thanks");
            assert_eq!(waiting.join().unwrap().unwrap(), Some(Message::from("thanks")));
        }
    });
}

#[test]
fn messages_that_arrive_together_are_answered_with_one_write() {
    within_seconds(10, || {
        let (mut server, writes, mut peer) = counting_server();
        let batch: Vec<u8> = (0..50)
            .flat_map(|n| peer.frame(true, Opcode::Text, format!("{n}").as_bytes()))
            .chain(peer.frame(true, Opcode::Ping, b"and a ping"))
            .collect();
        peer.stream.write_all(&batch).unwrap();
        let echo = thread::spawn(move || -> Result<(), Error> {
            while let Some((message, outbound)) = server.recv_split()? {
                outbound.feed(message)?;
            }
            Ok(())
        });
        for n in 0..50 {
            assert_eq!(peer.recv(), Some((Opcode::Text, format!("{n}").into_bytes())));
        }
        assert_eq!(peer.recv(), Some((Opcode::Pong, b"and a ping".to_vec())));
        assert_eq!(writes.load(Ordering::Relaxed), 1);
        peer.send(Opcode::Close, b"");
        drop(peer);
        echo.join().unwrap().unwrap();
    });
}

#[test]
fn fed_messages_wait_for_a_flush_or_for_the_next_wait() {
    within_seconds(10, || {
        let (mut server, writes, mut peer) = counting_server();
        for text in ["a", "b", "c"] {
            server.feed(text).unwrap();
        }
        assert_eq!(writes.load(Ordering::Relaxed), 0);
        server.flush().unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 1);
        server.flush().unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 1, "nothing was left to write");
        server.send("d").unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 2);

        server.feed("e").unwrap();
        server.ping(b"with it").unwrap();
        assert_eq!(writes.load(Ordering::Relaxed), 3);
        server.feed("f").unwrap();
        let waiting = thread::spawn(move || server.recv().map(|message| message.is_some()));
        for text in ["a", "b", "c", "d", "e"] {
            assert_eq!(peer.recv(), Some((Opcode::Text, text.as_bytes().to_vec())));
        }
        assert_eq!(peer.recv(), Some((Opcode::Ping, b"with it".to_vec())));
        assert_eq!(peer.recv(), Some((Opcode::Text, b"f".to_vec())));
        peer.send(Opcode::Text, b"now");
        assert!(waiting.join().unwrap().unwrap());
    });
}

/// SEC-10: the queue is bounded; past the mark, part of it is written first.
#[test]
fn a_full_queue_is_written_before_more_is_queued() {
    within_seconds(10, || {
        let (near, far) = tcp();
        let (stream, writes) = Counting::new(near);
        let config = Config::new().limits(Limits::new().output_high_water(1000));
        let mut server = WebSocket::from_negotiated(stream, &Negotiated::new(Role::Server), &config);
        let mut peer = RawPeer::new(far, Role::Server);
        for n in 0..4_u8 {
            server.feed(&[n; 400]).unwrap();
        }
        assert_eq!(
            writes.load(Ordering::Relaxed),
            1,
            "three reach the mark, the fourth finds it"
        );
        for n in 4..6_u8 {
            server.feed(&[n; 400]).unwrap();
        }
        assert_eq!(writes.load(Ordering::Relaxed), 1);
        server.ping(b"past the mark").unwrap();
        server.feed(Fragment::more(&[6; 1100])).unwrap();
        server.pong(b"inside a message").unwrap();
        server.feed(Fragment::more(&[6; 1100])).unwrap();
        server.feed(Fragment::last(&[6; 1100])).unwrap();
        server.flush().unwrap();
        for n in 0..6 {
            assert_eq!(peer.recv(), Some((Opcode::Binary, vec![n; 400])));
        }
        assert_eq!(peer.recv(), Some((Opcode::Ping, b"past the mark".to_vec())));
        assert_eq!(peer.recv(), Some((Opcode::Binary, vec![6; 1100])));
        assert_eq!(peer.recv(), Some((Opcode::Pong, b"inside a message".to_vec())));
        assert_eq!(peer.recv(), Some((Opcode::Continuation, vec![6; 1100])));
        assert_eq!(peer.recv(), Some((Opcode::Continuation, vec![6; 1100])));
    });
}

#[test]
fn a_message_is_sent_in_fragments_and_received_whole() {
    within_seconds(10, || {
        let (mut client, mut server) = connected(&Config::new(), &Config::new());
        client.feed(Fragment::more("one, ")).unwrap();
        client.feed(Fragment::more("two, ")).unwrap();
        assert!(matches!(
            client.send("no"),
            Err(Error::Send(SendError::MessageOpen(())))
        ));
        assert!(matches!(
            client.feed(Fragment::last(b"no")),
            Err(Error::Send(SendError::MessageOpen(())))
        ));
        client.ping(b"in between").unwrap();
        client.feed(Fragment::last("three")).unwrap();
        client.send("whole").unwrap();
        assert_eq!(server.recv().unwrap(), Some(Message::from("one, two, three")));
        assert_eq!(server.recv().unwrap(), Some(Message::from("whole")));
    });
}

#[test]
fn a_message_of_any_size_passes_in_fragments() {
    const LEN: usize = 3_000_000;
    within_seconds(10, || {
        let config = Config::new().delivery(Delivery::Fragments);
        let (mut client, mut server) = connected(&Config::new(), &config);
        let sender = thread::spawn(move || {
            client.send(vec![7; LEN]).unwrap();
            client.send("then text").unwrap();
            client
        });
        let mut received = 0;
        loop {
            let Some(Event::Fragment(fragment)) = server.recv_event().unwrap() else {
                panic!("no fragment");
            };
            received += fragment.data.len();
            assert!(fragment.data.as_bytes().iter().all(|&byte| byte == 7));
            assert!(fragment.data.len() < LEN / 4, "delivered as it arrives");
            if fragment.is_last {
                break;
            }
        }
        assert_eq!(received, LEN);
        let _client = sender.join().unwrap();
        assert!(matches!(server.recv(), Err(Error::FragmentDelivery)));
    });
}

#[test]
fn refused_messages_do_not_change_the_connection() {
    within_seconds(10, || {
        let (mut client, mut server) = connected(&Config::new(), &Config::new());
        assert!(matches!(
            client.ping(&[0; 126]),
            Err(Error::Send(SendError::ControlTooLong))
        ));
        let code = CloseCode::NO_STATUS;
        assert!(matches!(
            client.close(code),
            Err(Error::Send(SendError::InvalidCloseCode(_)))
        ));
        let reason = "x".repeat(124);
        let frame = CloseFrame::new(CloseCode::NORMAL, &reason);
        assert!(matches!(
            client.close(frame),
            Err(Error::Send(SendError::ReasonTooLong))
        ));
        assert_eq!(client.close_info(), None);
        client.send("still open").unwrap();
        assert_eq!(server.recv().unwrap(), Some(Message::from("still open")));
    });
}

/// Prepared messages can be sent through whole connections and halves of both roles; a full queue is written first.
#[test]
fn prepared_messages_arrive() {
    within_seconds(20, || {
        let config = Config::new().limits(Limits::new().output_high_water(10_000));
        let (mut client, mut server) = connected(&config, &config);
        let message = PreparedMessage::binary(vec![5; 9000]);
        let echo = thread::spawn({
            let message = message.clone();
            move || {
                for _ in 0..4 {
                    let received = server.recv().unwrap().expect("a message");
                    assert_eq!(received.as_bytes(), message.as_bytes());
                    server.feed(&message).unwrap();
                }
                server.flush().unwrap();
                let (mut send, _recv) = server.split().unwrap();
                send.send(&message).unwrap();
            }
        });
        client.send(&message).unwrap();
        for _ in 0..3 {
            client.feed(&message).unwrap();
        }
        for _ in 0..5 {
            let received = client.recv().unwrap().expect("a message");
            assert_eq!(received.as_bytes(), message.as_bytes());
        }
        echo.join().unwrap();
    });
}
