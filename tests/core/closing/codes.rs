//! CL: codes and reasons.

use websocket_proto::{
    CloseCode, CloseFrame, Config, Connection, ProtocolError, ReadyState, Role, SendError, frame::ClosePayloadError,
};

use crate::{
    raw::{Got, receive, take_events, take_frames},
    wire::{self, CLOSE, FIN, ROLES},
};

/// Codes that an endpoint may put on the wire.
fn is_valid(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// CL-02: a body of one byte fails the connection.
#[test]
fn a_close_body_of_one_byte_fails_the_connection() {
    for role in ROLES {
        let error = receive(role, wire::frame(role.peer(), FIN | CLOSE, b"\x03")).assert_failed(&[], 1002);
        assert_eq!(error, ProtocolError::ClosePayload(ClosePayloadError::Truncated));
    }
}

/// CL-03: a reason that is not UTF-8 fails the connection with 1007.
#[test]
fn a_close_reason_must_be_utf8() {
    for role in ROLES {
        for reason in [&b"\xff"[..], b"bye \xc3", b"\xed\xa0\x80"] {
            let payload = [b"\x03\xe8", reason].concat();
            let error = receive(role, wire::frame(role.peer(), FIN | CLOSE, &payload)).assert_failed(&[], 1007);
            assert_eq!(error, ProtocolError::ClosePayload(ClosePayloadError::InvalidUtf8));
        }
    }
}

/// CL-04: the longest reason is 123 bytes, in both directions.
#[test]
fn the_longest_reason_passes() {
    let reason = "é".repeat(61) + "!";
    assert_eq!(reason.len(), CloseFrame::MAX_REASON_LEN);
    for role in ROLES {
        let outcome = receive(role, wire::close(role.peer(), 1000, &reason));
        assert_eq!(outcome.events, [Got::close(1000, &reason)]);
        assert_eq!(outcome.closure.expect("closing").reason, reason);
        let longer = wire::close(role.peer(), 1000, &(reason.clone() + "!"));
        receive(role, longer).assert_failed(&[], 1002);

        let mut connection = Connection::new(role, &Config::new());
        let longer = reason.clone() + "!";
        let refused = connection.close(CloseFrame::new(CloseCode::NORMAL, &longer));
        assert_eq!(refused, Err(SendError::ReasonTooLong));
        connection.close(CloseFrame::new(CloseCode::NORMAL, &reason)).unwrap();
        assert_eq!(
            take_frames(role, &mut connection)[0].payload,
            wire::close_payload(1000, &reason)
        );
        let info = connection.close_info().expect("closing");
        assert_eq!((info.sent, info.sent_reason), (Some(CloseCode::NORMAL), reason.clone()));
    }
}

/// CL-05, CL-06, CL-07, CL-08, CL-09: of all codes, the valid ones are reported and echoed, without the reason; the others fail
/// the connection.
#[test]
fn every_close_code_is_judged() {
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut connection = Connection::new(role, &Config::new());
            connection.receive(&wire::close(role.peer(), code, "why"));
            let mut events = Vec::new();
            let result = take_events(&mut connection, &mut events);
            let frames = take_frames(role, &mut connection);
            assert_eq!(frames.len(), 1, "{code}");
            if is_valid(code) {
                assert_eq!((result, events), (Ok(()), vec![Got::close(code, "why")]));
                assert_eq!(frames[0].payload, code.to_be_bytes());
            } else {
                let error = ProtocolError::ClosePayload(ClosePayloadError::InvalidCode(code.into()));
                assert_eq!((result, events), (Err(error), vec![]));
                assert_eq!(frames[0].payload, 1002u16.to_be_bytes());
            }
        }
        for code in [
            1000,
            1014,
            3000,
            4999,
            0,
            999,
            1004,
            1005,
            1006,
            1015,
            1016,
            2999,
            5000,
            u16::MAX,
        ] {
            let outcome = receive(role, wire::close(role.peer(), code, "why"));
            assert_eq!(outcome.close_sent(), Some(if is_valid(code) { code } else { 1002 }));
        }
    }
}

/// CL-06, CL-07, CL-08, CL-25: of all codes, only the valid ones are sent, and 1010 only by clients; a refused close changes
/// nothing.
#[test]
fn every_close_code_is_judged_when_sent() {
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut connection = Connection::new(role, &Config::new());
            let result = connection.close(CloseFrame::new(code.into(), "why"));
            if is_valid(code) && (code != 1010 || role == Role::Client) {
                assert_eq!(result, Ok(()));
                assert_eq!(
                    take_frames(role, &mut connection)[0].payload,
                    wire::close_payload(code, "why")
                );
            } else {
                assert_eq!(result, Err(SendError::InvalidCloseCode(code.into())));
                assert!(!connection.wants_write());
                assert_eq!(connection.ready_state(), ReadyState::Open);
            }
        }
    }
}

/// A code is displayed as its number, alone and inside errors.
#[test]
fn codes_are_shown_as_numbers() {
    let code = CloseCode::new(4321);
    assert_eq!(
        (code.to_string(), format!("{code:?}")),
        ("4321".into(), "CloseCode(4321)".into())
    );
    assert_eq!(format!("{code:>6}"), "  4321");
    assert_eq!((u16::from(code), CloseCode::from(4321)), (4321, code));
    let error = ClosePayloadError::InvalidCode(CloseCode::ABNORMAL);
    assert_eq!(error.to_string(), "close code 1006 may not be sent");
}

/// CL-29: a received reason has at most 123 bytes, and no error repeats it.
#[test]
fn errors_do_not_repeat_the_reason() {
    for role in ROLES {
        let outcome = receive(role, wire::close(role.peer(), 1006, "<script>"));
        let error = outcome.error.expect("1006 must not be sent on the wire");
        assert!(!format!("{error} {error:?}").contains("script"));
        assert_eq!(
            outcome.closure.expect("failed").reason,
            "",
            "the reason of an invalid Close is not kept"
        );
    }
}
