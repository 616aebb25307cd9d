//! Compares what one end wrote and received with what the other one did.

use websocket_proto::{Message, MessageKind};

use super::end::{End, lent};
use crate::bodies::{
    raw::{Got, joined},
    wire::{self, CLOSE, PING, PONG},
};

/// At most one Close: the application's, or the answer to the peer's.
pub(super) fn check_close(end: &End, frames: &[wire::Sent]) {
    let closes: Vec<_> = frames.iter().filter(|frame| frame.opcode() == CLOSE).collect();
    assert!(closes.len() <= 1);
    let (Some(frame), Some((code, reason))) = (closes.first(), &end.close) else {
        return;
    };
    let expected = if *code == 1005 {
        Vec::new()
    } else {
        wire::close_payload(*code, reason)
    };
    assert_eq!(frame.payload, expected, "{:?}", end.role);
}

/// `end` received the messages that `peer` sent, from the first on; all of them, if the peer's Close arrived.
pub(super) fn check_messages(end: &End, peer: &End) {
    let is_data = |event: &Got| matches!(event, Got::Text(_) | Got::Binary(_));
    let got: Vec<Got> = joined(&end.events).into_iter().filter(is_data).collect();
    assert!(
        peer.sent.starts_with(&got),
        "{:?} got {got:?} of {:?}",
        end.role,
        peer.sent
    );
    if end.events.iter().any(|event| matches!(event, Got::Close(_))) {
        assert_eq!(
            got.len(),
            peer.sent.len(),
            "{:?} did not get all before the Close",
            end.role
        );
    }
    // An incomplete message: its delivered part is a beginning of it.
    let is_open = |event: &&Got| !matches!(event, Got::Piece(_, _, true));
    let mut begun: Vec<&Got> = end.events.iter().rev().take_while(is_open).collect();
    begun.reverse();
    let mut bytes = Vec::new();
    for event in begun {
        if let Got::Piece(kind, piece, _) = event {
            assert!(*kind == MessageKind::Binary || std::str::from_utf8(piece).is_ok());
            bytes.extend_from_slice(piece);
        }
    }
    let next = peer.sent.get(got.len()).or(peer.open.as_ref()).map(lent);
    let next = next.as_ref().map_or(&[][..], Message::as_bytes);
    assert!(next.starts_with(&bytes), "{:?} got a piece that was not sent", end.role);
}

/// The Pings and Pongs that `end` received were sent, in this order.
pub(super) fn check_pings(end: &End, peer: &End) {
    let (sent, _) = wire::parse(&peer.written);
    let sent = |opcode| {
        sent.iter()
            .filter(move |frame| frame.opcode() == opcode)
            .map(|frame| &frame.payload)
    };
    let got = |event: &Got| match event {
        Got::Ping(payload) => Some((PING, payload.clone())),
        Got::Pong(payload) => Some((PONG, payload.clone())),
        _ => None,
    };
    for opcode in [PING, PONG] {
        let got: Vec<Vec<u8>> = end
            .events
            .iter()
            .filter_map(got)
            .filter(|(have, _)| *have == opcode)
            .map(|(_, payload)| payload)
            .collect();
        assert!(sent(opcode).take(got.len()).eq(&got), "{:?}", end.role);
    }
}

/// The Pongs that `end` wrote are its application's and the answers to Pings, both in order.
pub(super) fn check_pongs(end: &End, peer: &End, frames: &[wire::Sent]) {
    let (asked, _) = wire::parse(&peer.written);
    let asked: Vec<&Vec<u8>> = asked
        .iter()
        .filter(|frame| frame.opcode() == PING)
        .map(|frame| &frame.payload)
        .collect();
    if end.reports_pings {
        let pongs = frames
            .iter()
            .filter(|frame| frame.opcode() == PONG)
            .map(|frame| &frame.payload);
        assert!(pongs.zip(&end.pongs).all(|(one, other)| one == other), "{:?}", end.role);
        return;
    }
    // Equal ones cannot be attributed, so each is looked for in both.
    let mut pool: Vec<&Vec<u8>> = end.pongs.iter().chain(asked).collect();
    for frame in frames.iter().filter(|frame| frame.opcode() == PONG) {
        let at = pool.iter().position(|pong| **pong == frame.payload);
        let at = at.unwrap_or_else(|| panic!("{:?}: {frame:?} was not requested", end.role));
        pool.remove(at);
    }
}
