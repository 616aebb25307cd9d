//! CL: ends that are not clean: lost transports and violations.

use websocket_proto::{CloseCode, Config, Connection, ProtocolError, ReadyState, Role, Side};

use super::normal;
use crate::{
    pair::{Pair, seconds},
    raw::{Ended, Got, Scenario, take_events, take_frames},
    wire::{self, BINARY, CONTINUATION, FIN, ROLES, TEXT, sample},
};

/// CL-20, CL-22: without a Close the code is 1006, and the end is a failure.
#[test]
fn a_lost_transport_is_not_clean() {
    for role in ROLES {
        for close_first in [false, true] {
            let mut connection = Connection::new(role, &Config::new());
            if close_first {
                connection.close(normal()).unwrap();
            }
            connection.receive(&wire::text(role.peer(), "last"));
            connection.receive_eof();
            let mut events = Vec::new();
            let result = take_events(&mut connection, &mut events);
            assert_eq!(
                (events, result),
                (vec![Got::text("last")], Err(ProtocolError::ConnectionLost))
            );
            let expected = Ended {
                initiator: if close_first { Side::Local } else { Side::Peer },
                code: 1006,
                reason: String::new(),
                sent: close_first.then_some(1000),
                failure: Some(ProtocolError::ConnectionLost),
                clean: false,
            };
            assert_eq!(connection.close_info().map(Ended::from), Some(expected));
            assert_eq!(connection.ready_state(), ReadyState::Closed);
            assert!(!connection.wants_write() && !connection.wants_read());
        }
    }
}

/// CL-21: a failure sends a Close with the matching code after what is queued, and the peer's Close no longer counts.
#[test]
fn a_failure_sends_its_close_and_ends_input() {
    let cases: [(Vec<u8>, u16); 3] = [
        (wire::frame(Role::Client, FIN | 0x3, b""), 1002),
        (wire::frame(Role::Client, FIN | TEXT, b"\xff"), 1007),
        (wire::header(FIN | BINARY, 1 << 40, Some([0; 4])), 1009),
    ];
    for (fault, code) in cases {
        let bytes = [fault, wire::close(Role::Client, 1000, "")].concat();
        let scenario = Scenario::new(Role::Server, bytes).before(|connection| {
            connection.feed("queued before").unwrap();
        });
        let outcome = scenario.run();
        outcome.assert_failed(&[], code);
        assert_eq!(outcome.sent()[0], (FIN | TEXT, &b"queued before"[..]));
        let closure = outcome.closure.expect("failed");
        assert_eq!(
            (closure.initiator, closure.code, closure.sent),
            (Side::Local, 1006, Some(code))
        );
    }
}

/// CL-21, CL-24: the peer of a connection that failed receives a Close and answers it, but neither end reports a clean close.
#[test]
fn a_failure_reaches_the_peer() {
    for faulty in ROLES {
        let pair = Pair::run(&Config::new(), |pair| {
            let end = if faulty == Role::Client {
                &mut pair.server
            } else {
                &mut pair.client
            };
            end.connection.receive(&wire::frame(faulty, FIN | 0x7, b""));
            end.poll();
            assert_eq!(pair.run_to_end(), seconds(0));
        });
        let (judge, judged) = match faulty {
            Role::Client => (&pair.server, &pair.client),
            Role::Server => (&pair.client, &pair.server),
        };
        assert_eq!(judged.events, [Got::close(1002, "")]);
        assert_eq!(
            judged.close_info().map(|closure| (closure.code, closure.clean)),
            Some((1002, true))
        );
        assert_eq!(
            judge.close_info().map(|closure| (closure.code, closure.clean)),
            Some((1006, false))
        );
    }
}

/// CL-23: a Close in flight is not destroyed: after a failure, reads continue until the transport ends.
#[test]
fn input_is_drained_after_a_failure() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.receive(&wire::frame(role.peer(), FIN | 0x3, b""));
        take_events(&mut connection, &mut Vec::new()).unwrap_err();
        assert!(!connection.wants_shutdown(), "the Close goes first");
        take_frames(role, &mut connection);
        assert!(connection.wants_shutdown());
        for _ in 0..100 {
            assert!(connection.wants_read());
            let n = connection.space().len();
            assert!(n > 0);
            connection.advance(n);
            take_events(&mut connection, &mut Vec::new()).unwrap_err();
        }
        assert!(connection.allocated() <= 64 << 10);
        connection.receive_eof();
        assert_eq!(
            connection.ready_state(),
            ReadyState::Closing,
            "not known before it is requested"
        );
        take_events(&mut connection, &mut Vec::new()).unwrap_err();
        assert_eq!(connection.ready_state(), ReadyState::Closed);
    }
}

/// CL-24: a connection that is given up while its Close is still queued was not closed cleanly.
#[test]
fn a_close_that_was_not_written_is_not_clean() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.receive(&wire::close(role.peer(), 1000, "bye"));
        take_events(&mut connection, &mut Vec::new()).unwrap();
        connection.abort();
        let closure = connection.close_info().expect("closed");
        assert_eq!((closure.code, closure.clean), (CloseCode::NORMAL, false));

        // Once its Close is written, it was closed cleanly.
        let mut connection = Connection::new(role, &Config::new());
        connection.receive(&wire::close(role.peer(), 1000, "bye"));
        take_events(&mut connection, &mut Vec::new()).unwrap();
        take_frames(role, &mut connection);
        connection.abort();
        assert!(connection.close_info().expect("closed").clean);
    }
}

/// CL-22, FR-22: the transport ends at every byte of a conversation: what was complete before is delivered, the rest is not, and
/// the end is clean only after the whole Close.
#[test]
fn the_transport_may_end_at_every_byte() {
    for role in ROLES {
        let from = role.peer();
        let parts = [
            (wire::text(from, "é one"), Some(Got::text("é one"))),
            (wire::frame(from, BINARY, &sample(130)), None),
            (wire::ping(from, b"two"), Some(Got::ping(b"two"))),
            (wire::frame(from, CONTINUATION, b""), None),
            (
                wire::frame(from, FIN | CONTINUATION, b"three"),
                Some(Got::Binary([&sample(130)[..], b"three"].concat())),
            ),
            (wire::close(from, 1000, "bye"), Some(Got::close(1000, "bye"))),
        ];
        let bytes: Vec<u8> = parts.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        for end in 0..=bytes.len() {
            let mut left = end;
            let whole = parts.iter().take_while(|(bytes, _)| {
                let fits = bytes.len() <= left;
                left = left.saturating_sub(bytes.len());
                fits
            });
            let expected: Vec<Got> = whole.filter_map(|(_, event)| event.clone()).collect();
            let clean = end == bytes.len();
            let outcome = Scenario::new(role, &bytes[..end]).run();
            assert_eq!(outcome.events, expected, "{end} bytes");
            let (state, closure) = outcome.at_eof;
            let closure = closure.expect("closed");
            assert_eq!((state, closure.clean), (ReadyState::Closed, clean), "{end} bytes");
            assert_eq!(closure.code, if clean { 1000 } else { 1006 });
            assert_eq!(closure.failure, (!clean).then_some(ProtocolError::ConnectionLost));
        }
    }
}
