//! Streams that fail or end at any moment: the error is reported, nothing is invented, and nothing hangs.

use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use websocket_proto::{CloseCode, Error, ProtocolError, handshake::HandshakeError};

use crate::{
    script::{Act, ENDPOINTS, Endpoint, Op, Run, run, undisturbed},
    support::within_seconds,
};

/// Bytes that one operation moves: few, so that there are many operations.
const WIDTH: usize = 9;

/// Runs the conversation with one act at every operation of the given kind in turn. A stream that has failed keeps failing.
fn with_fault_everywhere(op: Op, act: Act, mut check: impl FnMut(Endpoint, &Run, &Run)) {
    for endpoint in ENDPOINTS {
        let input = endpoint.conversation();
        let expected = run(endpoint, &input, |_, _| Act::Move(WIDTH));
        let mut faults = 0;
        for at in 0..expected.log.ops {
            let hit = Arc::new(AtomicBool::new(false));
            let plan = {
                let hit = Arc::clone(&hit);
                move |this, n| {
                    if this == op && (n == at || hit.load(Ordering::Relaxed)) {
                        hit.store(true, Ordering::Relaxed);
                        act
                    } else {
                        Act::Move(WIDTH)
                    }
                }
            };
            let found = run(endpoint, &input, plan);
            if hit.load(Ordering::Relaxed) {
                faults += 1;
                assert_is_beginning(&expected, &found, at);
                check(endpoint, &expected, &found);
            }
        }
        assert!(faults >= 5, "only {faults} faults");
    }
}

/// Nothing was delivered or written that would be missing without the fault.
fn assert_is_beginning(expected: &Run, found: &Run, at: usize) {
    assert!(
        expected.events.starts_with(&found.events),
        "fault at {at}: {:?}",
        found.events
    );
    assert!(expected.log.written.starts_with(&found.log.written), "fault at {at}");
}

/// Whether this side's Close was written and the peer's was received, so nothing more is expected.
fn is_over(run: &Run) -> bool {
    run.events.last().is_some_and(|event| event.starts_with("Close"))
}

fn assert_failed_with(kind: ErrorKind, endpoint: Endpoint, expected: &Run, found: &Run) {
    match &found.end {
        Err(Error::Io(error)) => assert_eq!(error.kind(), kind),
        // After both Close frames, a failure is only the end of the stream.
        Ok(()) => assert!(is_over(found)),
        other => panic!("{endpoint:?}: {other:?}"),
    }
    let Some(closure) = &found.closure else { return };
    if is_over(found) {
        // The close is clean only if this side's Close was written.
        let (whole, expected) = (expected, expected.closure.as_ref().expect("an end"));
        let is_written = found.log.written.len() == whole.log.written.len();
        assert!(!closure.clean || (expected.clean && is_written && found.end.is_ok()));
        assert_eq!((closure.code, &closure.reason), (expected.code, &expected.reason));
        assert_eq!(closure.failure, None);
    } else {
        assert_eq!(closure.failure, Some(ProtocolError::ConnectionLost));
        assert_eq!((closure.code, closure.sent), (CloseCode::ABNORMAL, None));
    }
}

/// DRV-02: everything that the peer has sent is received, including its Close, although nothing can be written any more.
fn assert_all_received(kind: ErrorKind, endpoint: Endpoint, expected: &Run, found: &Run) {
    assert_failed_with(kind, endpoint, expected, found);
    if found.closure.is_some() {
        assert_eq!(found.events, expected.events, "{endpoint:?}");
        assert!(is_over(found));
    }
}

/// CL-22: a stream whose reads fail is a lost connection, wherever it happens.
#[test]
fn a_read_error_surfaces_once_and_ends_the_connection() {
    within_seconds(20, || {
        for kind in [ErrorKind::ConnectionReset, ErrorKind::Other] {
            with_fault_everywhere(Op::Read, Act::Fail(kind), |endpoint, expected, found| {
                assert_failed_with(kind, endpoint, expected, found);
            });
        }
    });
}

#[test]
fn a_write_error_surfaces_once_and_ends_the_connection() {
    within_seconds(20, || {
        for kind in [ErrorKind::BrokenPipe, ErrorKind::Other] {
            with_fault_everywhere(Op::Write, Act::Fail(kind), |endpoint, expected, found| {
                assert_all_received(kind, endpoint, expected, found);
            });
        }
    });
}

#[test]
fn a_flush_error_surfaces_once_and_ends_the_connection() {
    within_seconds(20, || {
        with_fault_everywhere(
            Op::Flush,
            Act::Fail(ErrorKind::BrokenPipe),
            |endpoint, expected, found| {
                assert_all_received(ErrorKind::BrokenPipe, endpoint, expected, found);
            },
        );
    });
}

#[test]
fn a_stream_that_takes_no_byte_is_an_error() {
    within_seconds(20, || {
        with_fault_everywhere(Op::Write, Act::End, |endpoint, expected, found| {
            assert_all_received(ErrorKind::WriteZero, endpoint, expected, found);
        });
    });
}

/// CL-20, CL-22: the end of the stream without a Close is a lost connection, and 1006.
#[test]
fn an_early_end_is_a_lost_connection() {
    within_seconds(20, || {
        with_fault_everywhere(Op::Read, Act::End, |endpoint, expected, found| match &found.end {
            Err(Error::Handshake(HandshakeError::Eof)) => assert!(found.events.is_empty()),
            Err(Error::Protocol(ProtocolError::ConnectionLost)) => {
                let closure = found.closure.as_ref().expect("an end");
                assert_eq!(
                    (closure.code, closure.sent, closure.clean),
                    (CloseCode::ABNORMAL, None, false)
                );
            }
            Ok(()) => {
                assert!(is_over(found));
                assert_eq!(found.closure, expected.closure);
            }
            other => panic!("{endpoint:?}: {other:?}"),
        });
    });
}

/// Whatever fails after the connection has failed, the first failure is the one reported.
#[test]
fn the_protocol_error_is_not_hidden_by_a_later_stream_failure() {
    within_seconds(20, || {
        for endpoint in ENDPOINTS {
            let input = endpoint.violation();
            let expected = run(endpoint, &input, undisturbed);
            let before = run(endpoint, &input, |_, _| Act::Move(WIDTH)).log.ops;
            for act in [Act::Fail(ErrorKind::ConnectionReset), Act::End] {
                for at in 0..before {
                    let plan = move |_, n| if n < at { Act::Move(WIDTH) } else { act };
                    let found = run(endpoint, &input, plan);
                    assert!(found.end.is_err(), "{endpoint:?}, {act:?} at {at}");
                    assert_is_beginning(&expected, &found, at);
                    let closure = found.closure.as_ref();
                    let failure = closure.and_then(|closure| closure.failure);
                    if failure == Some(ProtocolError::UnexpectedContinuation) {
                        assert!(
                            // A call that could not write reports that first.
                            matches!(found.end, Err(Error::Protocol(error)) if Some(error) == failure)
                                || matches!(found.end, Err(Error::Io(_))),
                            "{endpoint:?}, {act:?} at {at}: {:?}",
                            found.end
                        );
                    }
                }
            }
        }
    });
}
