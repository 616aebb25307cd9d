//! The closing handshake and the end of the stream over real sockets.

use std::{
    io::{ErrorKind, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    CloseCode, CloseFrame, CloseInfo, Config, Error, Limits, Message, ProtocolError, Role, Side, blocking::WebSocket,
    frame::Opcode,
};

use crate::support::{connected, millis, with_raw_peer, within_seconds};

/// Receives until the end, and returns how the connection ended.
fn recv_all(mut websocket: WebSocket<TcpStream>) -> (Result<Vec<String>, Error>, Option<CloseInfo>) {
    let mut texts = Vec::new();
    let end = loop {
        match websocket.recv() {
            Ok(Some(message)) => texts.push(message.as_text().expect("text").to_string()),
            Ok(None) => break Ok(texts),
            Err(error) => break Err(error),
        }
    };
    match &end {
        Ok(_) => assert!(matches!(websocket.recv(), Ok(None))),
        Err(_) => assert!(matches!(websocket.recv(), Err(Error::Protocol(_)))),
    }
    (end, websocket.close_info())
}

fn clean(initiator: Side, code: CloseCode, reason: &str, sent: CloseCode) -> impl Fn(&CloseInfo) -> bool {
    let reason = reason.to_string();
    move |closure| {
        (closure.initiator, closure.code, &closure.reason, closure.sent) == (initiator, code, &reason, Some(sent))
            && closure.clean
            && closure.failure.is_none()
    }
}

/// CL-09, CL-20, CL-24: both ends agree on how the connection ended.
#[test]
fn either_side_closes_with_code_and_reason() {
    for client_closes in [true, false] {
        within_seconds(10, move || {
            let (client, server) = connected(&Config::new(), &Config::new());
            let (mut closer, other) = if client_closes {
                (client, server)
            } else {
                (server, client)
            };
            let other = thread::spawn(move || recv_all(other));
            closer.feed("before the end").unwrap();
            let began = Instant::now();
            closer
                .close(CloseFrame::new(CloseCode::GOING_AWAY, "maintenance"))
                .unwrap();
            let (texts, closure) = other.join().unwrap();
            // Neither end waits for a deadline, or for the other end to be dropped.
            assert!(began.elapsed() < Duration::from_secs(2));
            assert_eq!(texts.unwrap(), ["before the end"]);
            let closure = closure.expect("an end");
            assert!(
                clean(Side::Peer, CloseCode::GOING_AWAY, "maintenance", CloseCode::GOING_AWAY)(&closure),
                "{closure:?}"
            );
            let closure = closer.close_info().expect("an end");
            assert!(
                clean(Side::Local, CloseCode::GOING_AWAY, "", CloseCode::GOING_AWAY)(&closure),
                "{closure:?}"
            );
            assert!(matches!(closer.recv(), Ok(None)));
            closer.close(CloseCode::NORMAL).expect("it is already closed");
        });
    }
}

/// CL-01: a Close without a code is answered with a Close without a code.
#[test]
fn a_close_without_code_is_clean() {
    within_seconds(10, || {
        let (mut client, server) = connected(&Config::new(), &Config::new());
        let server = thread::spawn(move || recv_all(server));
        client.close(None).unwrap();
        let closure = server.join().unwrap().1.expect("an end");
        assert!(
            clean(Side::Peer, CloseCode::NO_STATUS, "", CloseCode::NO_STATUS)(&closure),
            "{closure:?}"
        );
    });
}

/// CL-11, CL-17: two Close frames that cross complete the handshake.
#[test]
fn both_sides_close_at_once() {
    within_seconds(10, || {
        let (mut client, mut server) = connected(&Config::new(), &Config::new());
        let (client_code, server_code) = (CloseCode::new(3001), CloseCode::new(3002));
        let closing = thread::spawn(move || {
            server.close(server_code).unwrap();
            server.close_info()
        });
        client.close(client_code).unwrap();
        for (closure, own, peers) in [
            (client.close_info(), client_code, server_code),
            (closing.join().unwrap(), server_code, client_code),
        ] {
            let closure = closure.expect("an end");
            // The slower end may have received the other's Close first, and answered it.
            assert!(closure.clean && [own, peers].contains(&closure.code), "{closure:?}");
        }
    });
}

/// CL-12, CL-14: the server answers, ends its side at once, and ignores whatever still arrives.
#[test]
fn a_server_shuts_down_first() {
    within_seconds(10, || {
        let (server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        let server = thread::spawn(move || recv_all(server));
        peer.send(Opcode::Text, b"first");
        peer.send(Opcode::Close, b"\x0b\xb8bye");
        assert_eq!(peer.recv(), Some((Opcode::Close, b"\x0b\xb8".to_vec())));
        assert_eq!(peer.recv(), None);
        peer.send(Opcode::Text, b"too late");
        peer.send(Opcode::Ping, b"too late");
        drop(peer);
        let (texts, closure) = server.join().unwrap();
        assert_eq!(texts.unwrap(), ["first"]);
        let closure = closure.expect("an end");
        assert!(
            clean(Side::Peer, CloseCode::new(3000), "bye", CloseCode::new(3000))(&closure),
            "{closure:?}"
        );
    });
}

/// CL-13: the client waits for the server to end the TCP connection.
#[test]
fn a_client_waits_for_the_server_to_shut_down() {
    within_seconds(10, || {
        for client_begins in [true, false] {
            let (mut client, mut peer) = with_raw_peer(Role::Client, &Config::new());
            if !client_begins {
                peer.send(Opcode::Close, b"\x03\xe8");
            }
            let closing = thread::spawn(move || {
                client.close(CloseCode::NORMAL)?;
                Ok::<_, Error>(client.close_info())
            });
            assert_eq!(peer.recv(), Some((Opcode::Close, b"\x03\xe8".to_vec())));
            if client_begins {
                peer.send(Opcode::Close, b"\x03\xe8");
            }
            peer.assert_silence();
            assert!(!closing.is_finished());
            peer.stream.shutdown(Shutdown::Write).unwrap();
            assert!(closing.join().unwrap().unwrap().expect("an end").clean);
            assert_eq!(peer.recv(), None);
        }
    });
}

/// CL-15: messages that arrive between the two Close frames do not affect `close`.
#[test]
fn close_skips_messages_in_flight() {
    within_seconds(10, || {
        let (mut server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        peer.send(Opcode::Text, b"under way");
        peer.send(Opcode::Ping, b"under way");
        let closing = thread::spawn(move || server.close(CloseCode::NORMAL).map(|()| server.close_info()));
        assert_eq!(peer.recv(), Some((Opcode::Close, b"\x03\xe8".to_vec())));
        peer.send(Opcode::Binary, &[0; 100_000]);
        peer.send(Opcode::Close, b"\x03\xe8");
        assert_eq!(peer.recv(), None);
        drop(peer);
        assert!(closing.join().unwrap().unwrap().expect("an end").clean);
    });
}

/// CL-21, CL-23: the Close arrives although the peer keeps sending, and no reset destroys it.
#[test]
fn a_peer_that_breaks_the_protocol_gets_the_reason_although_it_keeps_sending() {
    let violations: [(Opcode, &[u8], u16); 4] = [
        (Opcode::Continuation, b"of nothing", 1002),
        (Opcode::Text, b"not UTF-8: \xff", 1007),
        (Opcode::Binary, &[0; 2000], 1009),
        (Opcode::Close, b"\x03\xed", 1002),
    ];
    for (opcode, payload, code) in violations {
        for role in [Role::Server, Role::Client] {
            within_seconds(10, move || {
                let config = Config::new().limits(Limits::new().max_message_size(1000));
                let (websocket, mut peer) = with_raw_peer(role, &config);
                let receiving = thread::spawn(move || recv_all(websocket));
                peer.send(Opcode::Text, b"fine");
                peer.send(opcode, payload);
                let chatter = peer.frame(true, Opcode::Binary, &[1; 500]);
                for _ in 0..2000 {
                    peer.stream.write_all(&chatter).expect("no reset");
                }
                let close = peer.recv().expect("a Close");
                assert_eq!(close, (Opcode::Close, code.to_be_bytes().to_vec()));
                assert_eq!(peer.recv(), None);
                drop(peer);
                let (end, closure) = receiving.join().unwrap();
                let Err(Error::Protocol(failure)) = end else {
                    panic!("{end:?}");
                };
                let closure = closure.expect("an end");
                assert_eq!(
                    (closure.failure, closure.sent),
                    (Some(failure), Some(CloseCode::new(code)))
                );
                assert_eq!((closure.initiator, closure.clean), (Side::Local, false));
            });
        }
    }
}

/// CL-22: an end without a Close is a failure, even inside a message.
#[test]
fn an_end_without_close_is_a_lost_connection() {
    within_seconds(10, || {
        for rest in [&b""[..], b"\x01", b"\x81\x85\x00\x00\x00\x00Hel"] {
            let (websocket, mut peer) = with_raw_peer(Role::Server, &Config::new());
            peer.send(Opcode::Text, b"last words");
            peer.stream.write_all(rest).unwrap();
            drop(peer);
            let mut websocket = websocket;
            assert_eq!(websocket.recv().unwrap(), Some(Message::from("last words")));
            let (end, closure) = recv_all(websocket);
            assert!(
                matches!(end, Err(Error::Protocol(ProtocolError::ConnectionLost))),
                "{end:?}"
            );
            let closure = closure.expect("an end");
            assert_eq!(
                (closure.code, closure.initiator, closure.clean),
                (CloseCode::ABNORMAL, Side::Peer, false)
            );
        }
    });
}

#[test]
fn a_reset_is_an_io_error_once_and_then_a_lost_connection() {
    within_seconds(10, || {
        let (mut websocket, peer) = with_raw_peer(Role::Server, &Config::new());
        // Data that the peer has not read when it closes turns its end into a reset.
        websocket.send("unread").unwrap();
        thread::sleep(millis(20));
        drop(peer);
        match websocket.recv() {
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            websocket.recv(),
            Err(Error::Protocol(ProtocolError::ConnectionLost))
        ));
        assert!(matches!(websocket.send("more"), Err(Error::Send(_))));
    });
}

/// A server whose client has left receives everything that the client sent before, although its answers cannot be delivered.
#[test]
fn what_the_peer_sent_before_it_left_is_received() {
    within_seconds(10, || {
        let (mut server, mut peer) = with_raw_peer(Role::Server, &Config::new());
        for n in 0..10 {
            peer.send(Opcode::Text, format!("{n}").as_bytes());
        }
        peer.send(Opcode::Close, b"\x03\xe8");
        drop(peer);
        for n in 0..10 {
            assert_eq!(server.recv().unwrap(), Some(Message::from(format!("{n}"))));
        }
        assert_eq!(server.recv().unwrap(), None);
        assert_eq!(server.close_info().expect("an end").code, CloseCode::NORMAL);
    });
}
