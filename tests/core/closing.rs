//! CL: the closing handshake.

mod codes;
mod failures;

use websocket_proto::{CloseCode, CloseFrame, Config, Connection, Fragment, ReadyState, Role, SendError, Side};

use crate::{
    pair::{Pair, seconds},
    raw::{Ended, Got, Scenario, receive, take_events, take_frames},
    wire::{self, BINARY, CLOSE, CONTINUATION, FIN, PONG, ROLES, TEXT, sample},
};

fn normal() -> CloseFrame<'static> {
    CloseFrame::new(CloseCode::NORMAL, "bye")
}

/// CL-01, CL-09, CL-20: a Close without a body counts as 1005, and the answer has no body either.
#[test]
fn an_empty_close_is_answered_with_an_empty_one() {
    for role in ROLES {
        let outcome = receive(role, wire::frame(role.peer(), FIN | CLOSE, b""));
        assert_eq!(
            (outcome.events.as_slice(), outcome.error),
            (&[Got::Close(None)][..], None)
        );
        assert_eq!(outcome.sent(), [(FIN | CLOSE, &b""[..])]);
        let expected = Ended {
            initiator: Side::Peer,
            code: 1005,
            reason: String::new(),
            sent: Some(1005),
            failure: None,
            clean: false,
        };
        assert_eq!(outcome.closure, Some(expected.clone()));
        assert_eq!(
            outcome.at_eof,
            (
                ReadyState::Closed,
                Some(Ended {
                    clean: true,
                    ..expected
                })
            )
        );
    }
}

/// CL-09, CL-12, CL-13, CL-20, CL-24: a complete closing handshake, begun by either end: the code is echoed, the server shuts
/// down first, and both ends close cleanly.
#[test]
fn the_closing_handshake_is_clean_at_both_ends() {
    for first in ROLES {
        let pair = Pair::run(&Config::new(), |pair| {
            pair.client.connection.feed("last words").unwrap();
            let end = if first == Role::Client {
                &mut pair.client
            } else {
                &mut pair.server
            };
            end.connection.close(normal()).unwrap();
            assert_eq!(end.connection.ready_state(), ReadyState::Closing);
            assert_eq!(pair.run_to_end(), seconds(0), "no deadline is needed");
        });
        for end in [&pair.client, &pair.server] {
            let began = end.role == first;
            let expected = Ended {
                initiator: if began { Side::Local } else { Side::Peer },
                code: 1000,
                reason: if began { String::new() } else { "bye".into() },
                sent: Some(1000),
                failure: None,
                clean: true,
            };
            assert_eq!(end.close_info(), Some(expected));
            assert_eq!(end.error, None, "a clean close is not an error");
            let closes = end.frames().iter().filter(|frame| frame.opcode() == CLOSE).count();
            assert_eq!(closes, 1);
        }
        let words = Got::text("last words");
        if first == Role::Client {
            assert_eq!(pair.server.events, [words, Got::close(1000, "bye")]);
            assert_eq!(pair.client.events, [Got::close(1000, "")]);
        } else {
            assert_eq!(pair.server.events, [words, Got::close(1000, "")]);
            assert_eq!(pair.client.events, [Got::close(1000, "bye")]);
        }
    }
}

/// CL-12, CL-23: once both Close frames are exchanged and its own is written, the server asks to shut down its write side, and
/// keeps reading.
#[test]
fn a_server_shuts_down_as_soon_as_its_close_is_written() {
    let mut server = Connection::new(Role::Server, &Config::new());
    server.receive(&wire::close(Role::Client, 1000, ""));
    take_events(&mut server, &mut Vec::new()).unwrap();
    assert!(server.wants_write() && !server.wants_shutdown(), "the Close goes first");
    take_frames(Role::Server, &mut server);
    assert!(server.wants_shutdown());
    assert!(server.wants_read(), "bytes in flight are drained");
    assert_eq!(server.ready_state(), ReadyState::Closing);
    server.receive_eof();
    assert_eq!(server.next_event(), Ok(None));
    assert_eq!(server.ready_state(), ReadyState::Closed);
    assert!(!server.wants_read());

    // If it began the handshake: not before the peer's Close arrives.
    let mut server = Connection::new(Role::Server, &Config::new());
    server.close(None).unwrap();
    take_frames(Role::Server, &mut server);
    assert!(!server.wants_shutdown());
    server.receive(&wire::close(Role::Client, 1000, ""));
    take_events(&mut server, &mut Vec::new()).unwrap();
    assert!(server.wants_shutdown());
}

/// CL-13, CL-24: a client waits for the server to end the transport; only then is the close clean.
#[test]
fn a_client_waits_for_the_server() {
    for begins in [true, false] {
        let mut client = Connection::new(Role::Client, &Config::new());
        if begins {
            client.close(normal()).unwrap();
        }
        client.receive(&wire::close(Role::Server, 1000, ""));
        take_events(&mut client, &mut Vec::new()).unwrap();
        take_frames(Role::Client, &mut client);
        assert!(!client.wants_shutdown());
        assert!(client.wants_read());
        assert_eq!(client.ready_state(), ReadyState::Closing);
        assert!(!client.close_info().expect("closing").clean);
        client.receive_eof();
        assert_eq!(client.next_event(), Ok(None));
        assert_eq!(client.ready_state(), ReadyState::Closed);
        assert!(client.close_info().expect("closed").clean);
    }
}

/// CL-11, CL-17: both ends close at the same time: each sends one Close, and the close is clean.
#[test]
fn simultaneous_closes_complete_the_handshake() {
    let pair = Pair::run(&Config::new(), |pair| {
        pair.client.connection.close(normal()).unwrap();
        pair.server
            .connection
            .close(CloseFrame::from(CloseCode::GOING_AWAY))
            .unwrap();
        assert_eq!(pair.run_to_end(), seconds(0));
    });
    for (end, code, sent) in [(&pair.client, 1001, 1000), (&pair.server, 1000, 1001)] {
        let closure = end.close_info().expect("closed");
        assert_eq!(
            (closure.initiator, closure.code, closure.sent),
            (Side::Local, code, Some(sent))
        );
        assert!(closure.clean);
        assert_eq!(end.frames().len(), 1);
    }
}

/// CL-11: whatever follows, an endpoint sends one Close.
#[test]
fn there_is_one_close() {
    for role in ROLES {
        let from = role.peer();
        let mut connection = Connection::new(role, &Config::new());
        connection.close(normal()).unwrap();
        assert_eq!(connection.close(normal()), Ok(()));
        connection.receive(&wire::close(from, 1001, ""));
        take_events(&mut connection, &mut Vec::new()).unwrap();
        assert_eq!(connection.close(None), Ok(()));
        assert_eq!(take_frames(role, &mut connection).len(), 1);

        // A fault after the own Close does not add another one.
        let faulty = Scenario::new(role, wire::frame(from, FIN | 0x3, b"")).before(|connection| {
            connection.close(normal()).unwrap();
        });
        let outcome = faulty.run();
        assert_eq!(outcome.sent(), [(FIN | CLOSE, &b"\x03\xe8bye"[..])]);
        let closure = outcome.closure.expect("failed");
        assert_eq!((closure.failure, closure.code), (outcome.error, 1006));
        assert!(outcome.shutdown && outcome.error.is_some());
    }
}

/// CL-14: what arrives after the peer's Close has no effect, even in the same read.
#[test]
fn nothing_counts_after_the_close_of_the_peer() {
    for role in ROLES {
        let from = role.peer();
        let bytes = [
            wire::text(from, "before"),
            wire::close(from, 1000, "first"),
            wire::text(from, "late"),
            wire::ping(from, b"late"),
            wire::close(from, 1001, "second"),
            vec![0xff; 10],
        ];
        // `Scenario::run` feeds more of it later.
        let outcome = receive(role, bytes.concat());
        assert_eq!(outcome.events, [Got::text("before"), Got::close(1000, "first")]);
        assert_eq!(
            (outcome.error, outcome.sent()),
            (None, vec![(FIN | CLOSE, &b"\x03\xe8"[..])])
        );
        assert_eq!(outcome.closure.expect("closing").reason, "first");
    }
}

/// CL-15, CL-16: after the own Close, messages are still received, Pings are not answered, and the peer's Close is recognised.
#[test]
fn input_is_still_read_after_the_own_close() {
    for role in ROLES {
        let from = role.peer();
        let bytes = [
            wire::text(from, "on its way"),
            wire::ping(from, b"?"),
            wire::fragments(from, BINARY, &[b"one", b"two"]),
            wire::close(from, 1000, "done"),
        ];
        let outcome = Scenario::new(role, bytes.concat())
            .before(|connection| connection.close(normal()).unwrap())
            .run();
        let expected = [
            Got::text("on its way"),
            Got::ping(b"?"),
            Got::binary(b"onetwo"),
            Got::close(1000, "done"),
        ];
        assert_eq!((outcome.events.as_slice(), outcome.error), (&expected[..], None));
        assert_eq!(outcome.sent(), [(FIN | CLOSE, &b"\x03\xe8bye"[..])]);
        assert!(outcome.at_eof.1.expect("closed").clean);
    }
}

/// CL-18: a Close that arrives while a fragmented message is being sent is answered at once, and that message is abandoned.
#[test]
fn a_close_ends_the_own_fragmented_message() {
    for role in ROLES {
        let outcome = Scenario::new(role, wire::close(role.peer(), 1000, "")).before(|connection| {
            connection.feed(Fragment::more("begun")).unwrap();
        });
        assert_eq!(
            outcome.run().sent(),
            [(TEXT, &b"begun"[..]), (FIN | CLOSE, b"\x03\xe8")]
        );

        // The application may also close at this point.
        let mut connection = Connection::new(role, &Config::new());
        connection.feed(Fragment::more("begun")).unwrap();
        connection.close(normal()).unwrap();
        let refused = connection.feed(Fragment::last("end"));
        assert_eq!(refused, Err(SendError::Closing(Fragment::last("end").into())));
        assert_eq!(take_frames(role, &mut connection).len(), 2);
    }
}

/// CL-19: a Close inside an incoming fragmented message is answered, and the message is not delivered.
#[test]
fn a_close_ends_an_incoming_fragmented_message() {
    for role in ROLES {
        let bytes = [
            wire::frame(role.peer(), TEXT, b"begun"),
            wire::close(role.peer(), 1001, "bye"),
            wire::frame(role.peer(), FIN | CONTINUATION, b"end"),
        ];
        let outcome = receive(role, bytes.concat());
        assert_eq!(
            (outcome.events.as_slice(), outcome.error),
            (&[Got::close(1001, "bye")][..], None)
        );
        assert_eq!(outcome.close_sent(), Some(1001));
        assert!(outcome.at_eof.1.expect("closed").clean);
    }
}

/// CL-23: all queued output is written before the write side is shut down, with the Close last.
#[test]
fn output_is_written_before_the_shutdown() {
    let pair = Pair::run(&Config::new(), |pair| {
        for i in 0..50 {
            pair.server.connection.feed(sample(i * 200)).unwrap();
        }
        pair.server.connection.close(normal()).unwrap();
        assert_eq!(pair.run_to_end(), seconds(0));
    });
    assert_eq!(pair.client.events.len(), 51);
    assert_eq!(pair.client.events.last(), Some(&Got::close(1000, "bye")));
    assert!(pair.client.close_info().expect("closed").clean);
}

/// CL-24: a peer that ends its side right after its Close still gets the answer.
#[test]
fn the_answer_is_written_after_the_end_of_input() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.feed(&sample(1000)).unwrap();
        connection.receive(&wire::close(role.peer(), 1000, ""));
        connection.receive_eof();
        take_events(&mut connection, &mut Vec::new()).unwrap();
        assert_eq!(connection.ready_state(), ReadyState::Closing);
        assert!(connection.wants_write());
        assert!(!connection.close_info().expect("closing").clean);
        assert_eq!(take_frames(role, &mut connection).len(), 2);
        assert_eq!(connection.ready_state(), ReadyState::Closed);
        assert!(connection.close_info().expect("closed").clean);
    }
}

/// CL-16: a Ping that arrived before the own Close is answered before it; the Close is the last frame.
#[test]
fn pending_pongs_go_before_the_close() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        for i in 0..100 {
            connection.receive(&wire::ping(role.peer(), &[i]));
            take_events(&mut connection, &mut Vec::new()).unwrap();
        }
        connection.close(normal()).unwrap();
        let frames = take_frames(role, &mut connection);
        let (close, pongs) = frames.split_last().expect("frames");
        assert_eq!(close.opcode(), CLOSE);
        assert!(pongs.iter().all(|frame| frame.first == FIN | PONG));
        assert_eq!(
            pongs.last().expect("a Pong").payload,
            [99],
            "the latest Ping is answered"
        );
    }
}
