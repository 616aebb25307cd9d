//! Invariants of every run.

use std::time::Duration;

use websocket_proto::{CloseCode, CloseInfo, Config, Error, MessageKind, ProtocolError, Side, Timers};

use crate::{
    application::Application,
    endpoint::Endpoint,
    promise,
    raw::{Got, joined},
    wire::{self, CLOSE, PING, PONG, Sent},
};

/// Delivery order: an application received the messages that the other one sent, from the first on, each of them whole; and if
/// the other end's Close arrived, all of them. Nothing follows that Close.
pub fn messages_arrive_in_order(application: &Application, peer: &Application, closure: Option<&CloseInfo>) {
    let events = &application.events;
    let close = events.iter().position(|event| matches!(event, Got::Close(_)));
    assert!(
        close.is_none_or(|at| at + 1 == events.len()),
        "an event after the Close"
    );
    let got: Vec<Got> = joined(events)
        .into_iter()
        .filter(|event| matches!(event, Got::Text(_) | Got::Binary(_)))
        .collect();
    let role = application.role;
    assert!(peer.sent.starts_with(&got), "{role:?} got {got:?} of {:?}", peer.sent);
    let close_came = closure.is_some_and(|closure| closure.code != CloseCode::ABNORMAL);
    // After a call of `close`, received messages are discarded.
    if close.is_some() || (close_came && !application.has_closed) {
        assert_eq!(got.len(), peer.sent.len(), "{role:?} did not get all before the Close");
    }
    // Of an incomplete message, a beginning was received.
    let is_open = |event: &&Got| !matches!(event, Got::Piece(_, _, true));
    let open: Vec<&Got> = events.iter().rev().take_while(is_open).collect();
    let mut begun = Vec::new();
    for event in open.into_iter().rev() {
        if let Got::Piece(kind, piece, _) = event {
            assert!(*kind == MessageKind::Binary || std::str::from_utf8(piece).is_ok());
            begun.extend_from_slice(piece);
        }
    }
    let next: &[u8] = match peer.sent.get(got.len()).or(peer.open.as_ref()) {
        Some(Got::Text(text)) => text.as_bytes(),
        Some(Got::Binary(payload)) => payload,
        _ => &[],
    };
    assert!(next.starts_with(&begun), "{role:?} got a piece that was not sent");
}

/// Pongs: the application's own in order, and others that answer Pings in order.
pub fn pongs_answer_pings(frames: &[Sent], application: &Application, asked: &[Sent]) {
    let pongs = frames.iter().filter(|frame| frame.opcode() == PONG);
    let (users, answers): (Vec<_>, Vec<_>) = pongs
        .map(|frame| &frame.payload)
        .partition(|pong| pong.starts_with(b"user"));
    assert!(application.pongs.iter().take(users.len()).eq(users));
    let mut pings = asked
        .iter()
        .filter(|frame| frame.opcode() == PING)
        .map(|frame| &frame.payload);
    for answer in answers {
        let asked = pings.any(|ping| ping == answer);
        assert!(asked, "{answer:?} was not asked, or not in this order");
    }
}

/// The frames after the head of the opening handshake, all valid: nothing follows a Close, so there is at most one. Only a stream
/// that failed, or is given up, ends inside a frame.
pub fn frames_are_valid(endpoint: &Endpoint, written: &[u8], may_be_cut: bool) -> Vec<Sent> {
    let Some(head) = written.windows(4).position(|end| end == b"\r\n\r\n") else {
        assert!(may_be_cut, "no whole head");
        return Vec::new();
    };
    let (frames, rest) = wire::parse(&written[head + 4..]);
    let role = endpoint.application.role;
    assert!(rest.is_empty() || may_be_cut, "{role:?} ended inside a frame");
    wire::check_sent(role, &frames);
    frames
}

/// The number of Close frames.
pub fn closes(frames: &[Sent]) -> usize {
    frames.iter().filter(|frame| frame.opcode() == CLOSE).count()
}

/// `close_info()` is true: it contains the reported error, and the Close that it says was sent is the one that was written.
pub fn closure_is_true(endpoint: &Endpoint, frames: &[Sent]) {
    let Some(closure) = &endpoint.closure else { return };
    if let Some(Error::Protocol(error)) = &endpoint.application.error {
        // DRV-02: a failed write is a failure for the sender, and the connection ends in another way.
        let is_cut = *error == ProtocolError::ConnectionLost && !closure.clean;
        assert!(closure.failure == Some(*error) || is_cut, "{closure:?}, {error:?}");
    }
    assert!(endpoint.application.error.is_none() || !closure.clean);
    let close = frames.iter().find(|frame| frame.opcode() == CLOSE);
    if let Some(close) = close {
        let code = close
            .payload
            .first_chunk()
            .map_or(1005, |code| u16::from_be_bytes(*code));
        assert_eq!(closure.sent.map(CloseCode::value), Some(code));
    }
    assert!(!closure.clean || close.is_some(), "clean without a Close");
}

/// Two clean ends agree on both codes and on who began.
pub fn closures_agree(one: &CloseInfo, other: &CloseInfo) {
    assert_eq!(Some(one.code), other.sent);
    assert_eq!(one.sent, Some(other.code));
    assert_ne!(
        (one.initiator, other.initiator),
        (Side::Peer, Side::Peer),
        "one end began"
    );
}

/// An error has a cause: a lost or failed stream, a deadline that a bad stream exceeded, or a limit.
pub fn errors_have_a_cause(endpoint: &Endpoint, is_bad: bool, is_limited: bool) {
    match &endpoint.application.error {
        None => {}
        Some(Error::Protocol(ProtocolError::MessageTooBig | ProtocolError::FrameTooBig)) => assert!(is_limited),
        Some(
            Error::Io(_)
            | Error::Handshake(_)
            | Error::Protocol(ProtocolError::ConnectionLost | ProtocolError::TimedOut(_)),
        ) => assert!(is_bad, "{:?}: {:?}", endpoint.kind, endpoint.application.error),
        Some(error) => panic!("{:?}: {error:?}", endpoint.kind),
    }
}

/// Memory stays within what is promised for a connection. This is checked on one thread only: the buffers that the shells share
/// are counted for the thread that allocated them.
pub fn memory_is_bounded(endpoint: &Endpoint, config: &Config, largest: usize) {
    // State that the other end leaves in the thread is freed by this one.
    let most = promise::in_a_shell(config, endpoint.application.role, largest) + promise::SHELL_BUFFER;
    let peak = usize::try_from(endpoint.peak).unwrap_or_default();
    assert!(
        peak <= most,
        "{:?} held {peak} bytes, but {most} are promised",
        endpoint.kind
    );
}

/// Timers lead to an end: the longest time that a connection lives once no application acts any more.
pub fn longest_end(timers: &Timers) -> Duration {
    let write = timers.write.unwrap_or_default() * 2;
    let silence = timers.keepalive.unwrap_or_default() + timers.pong.unwrap_or_default();
    let idle = timers.idle.unwrap_or_default() * 2;
    let rest = timers.handshake.unwrap_or_default() + timers.close.unwrap_or_default() * 2;
    write + silence * 2 + idle + rest
}
