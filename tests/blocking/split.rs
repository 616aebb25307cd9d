//! The two halves of a connection on two threads.

use std::{net::TcpStream, thread};

use websocket_proto::{
    Config, Delivery, Error, Event, Fragment, Message, ProtocolError, Role, blocking::RecvHalf, frame::Opcode,
};

use crate::support::{connected, millis, with_raw_peer, within_seconds};

/// More than socket buffers hold.
pub(crate) const HUGE: usize = 16 << 20;

/// The received texts, how the connection ended, and the half that received.
pub(crate) type Received = (Vec<String>, Result<(), Error>, RecvHalf<TcpStream>);

/// Receives until the end on a separate thread.
pub(crate) fn receiving(mut recv: RecvHalf<TcpStream>) -> thread::JoinHandle<Received> {
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
                        // Short and long messages; the content states the sender and the number, and thereby the length.
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

/// Halves can be reunited with everything that both directions hold, but only those of one connection, and only all of them.
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
        // The stream blocks again without a limit.
        let late = thread::spawn(move || {
            thread::sleep(millis(100));
            peer.send(Opcode::Text, b"late");
            peer
        });
        assert_eq!(server.recv().unwrap(), Some("late".into()));
        drop(late.join().unwrap());
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

#[test]
fn halves_deliver_events_and_fragments_like_the_whole() {
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
            "what was fed is written before"
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
