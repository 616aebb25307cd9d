//! Conversations over streams that are cut, interrupted and not ready, but do not fail: none of it affects the result.

use std::io::ErrorKind;

use websocket_proto::{CloseCode, Side};

use crate::{
    script::{Act, ENDPOINTS, Endpoint, Op, Run, run, undisturbed},
    support::within_seconds,
};

/// Runs the conversation and the violation undisturbed, then with the plan, and compares them.
fn assert_unnoticed<P: FnMut(Op, usize) -> Act + Send + 'static>(plan: impl Fn() -> P, what: &str) {
    for endpoint in ENDPOINTS {
        for input in [endpoint.conversation(), endpoint.violation()] {
            assert_same(
                &run(endpoint, &input, undisturbed),
                &run(endpoint, &input, plan()),
                endpoint,
                what,
            );
        }
    }
}

fn assert_same(expected: &Run, found: &Run, endpoint: Endpoint, what: &str) {
    assert_eq!(found.events, expected.events, "{endpoint:?}, {what}");
    assert_eq!(
        format!("{:?}", found.end),
        format!("{:?}", expected.end),
        "{endpoint:?}, {what}"
    );
    assert_eq!(found.closure, expected.closure, "{endpoint:?}, {what}");
    assert_eq!(found.log.written, expected.log.written, "{endpoint:?}, {what}");
    assert_eq!(found.log.shut_down, expected.log.shut_down, "{endpoint:?}, {what}");
    assert!(
        !found.log.unflushed,
        "{endpoint:?}, {what}: bytes are left in the stream"
    );
}

#[test]
fn an_undisturbed_conversation_is_complete() {
    for endpoint in ENDPOINTS {
        let run = run(endpoint, &endpoint.conversation(), undisturbed);
        assert_eq!(run.events.len(), 9, "{:?}", run.events);
        assert!(run.end.is_ok(), "{:?}", run.end);
        let closure = run.closure.expect("an end");
        assert_eq!((closure.initiator, closure.code), (Side::Peer, CloseCode::NORMAL));
        assert_eq!(
            (closure.reason.as_str(), closure.sent),
            ("bye", Some(CloseCode::NORMAL))
        );
        assert!(closure.clean);
        assert!(run.log.shut_down, "{endpoint:?}");
    }
}

#[test]
fn a_violation_is_answered_with_its_code_after_the_echo_of_earlier_messages() {
    for endpoint in ENDPOINTS {
        let run = run(endpoint, &endpoint.violation(), undisturbed);
        assert_eq!(run.events.len(), 1, "{:?}", run.events);
        assert!(run.end.is_err());
        let closure = run.closure.expect("an end");
        assert_eq!(
            (closure.initiator, closure.sent),
            (Side::Local, Some(CloseCode::PROTOCOL_ERROR))
        );
        assert!(run.log.shut_down, "{endpoint:?}");
        if endpoint == Endpoint::Server {
            assert!(run.log.written.ends_with(b"\x81\x04fine\x88\x02\x03\xea"));
        }
    }
}

#[test]
fn reads_and_writes_of_any_width_give_the_same_result() {
    within_seconds(20, || {
        for width in (1..=40).chain([64, 100, 255, 300]) {
            assert_unnoticed(|| move |_, _| Act::Move(width), &format!("width {width}"));
        }
    });
}

#[test]
fn a_cut_anywhere_gives_the_same_result() {
    within_seconds(20, || {
        for endpoint in ENDPOINTS {
            for input in [endpoint.conversation(), endpoint.violation()] {
                let expected = run(endpoint, &input, undisturbed);
                for cut in 1..input.len() {
                    let mut first = true;
                    let plan = move |op, _| match op {
                        Op::Read if core::mem::take(&mut first) => Act::Move(cut),
                        _ => Act::Move(usize::MAX),
                    };
                    assert_same(
                        &expected,
                        &run(endpoint, &input, plan),
                        endpoint,
                        &format!("cut at {cut}"),
                    );
                }
            }
        }
    });
}

/// A plan that fails every other time, and moves a few bytes in between.
fn every_other(kind: ErrorKind, width: usize) -> impl FnMut(Op, usize) -> Act + Send + 'static {
    move |_, n| if n % 2 == 0 { Act::Fail(kind) } else { Act::Move(width) }
}

#[test]
fn a_stream_that_is_not_ready_before_every_operation_loses_and_repeats_nothing() {
    within_seconds(20, || {
        for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut] {
            for width in [1, 2, 7, 50, usize::MAX] {
                assert_unnoticed(|| every_other(kind, width), &format!("{kind:?}, width {width}"));
            }
        }
    });
}

#[test]
fn a_stream_that_is_not_ready_several_times_in_a_row_loses_and_repeats_nothing() {
    within_seconds(20, || {
        for period in 3..8 {
            let plan = move || {
                move |_, n| match n % period {
                    0 => Act::Move(5),
                    _ => Act::Fail(ErrorKind::WouldBlock),
                }
            };
            assert_unnoticed(plan, &format!("ready once in {period}"));
        }
    });
}

#[test]
fn interrupted_operations_give_the_same_result() {
    within_seconds(20, || {
        for width in [1, 2, 7, 50, usize::MAX] {
            assert_unnoticed(|| every_other(ErrorKind::Interrupted, width), &format!("width {width}"));
        }
    });
}

/// One operation of the undisturbed run is not ready or is interrupted, for each operation in turn.
#[test]
fn one_operation_that_is_not_ready_changes_nothing() {
    within_seconds(20, || {
        for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted] {
            for at in 0..40 {
                let plan = move || {
                    move |_, n| {
                        if n == at { Act::Fail(kind) } else { Act::Move(20) }
                    }
                };
                assert_unnoticed(plan, &format!("{kind:?} at operation {at}"));
            }
        }
    });
}
