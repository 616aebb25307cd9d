//! Promises 9 to 11, judged at the end of a run, and the number of polls that a run may take.

use websocket_proto::{CloseCode, Limits, ProtocolError, Timers};

use crate::{
    clock,
    endpoint::{Endpoint, Kind},
    network::Record,
    observer::limit,
    raw::{Got, joined},
    wire::PING,
    wire_view::Frames,
};

/// More polls in one second of the clock than any run needs.
const POLLS: usize = 10_000;

/// Polls that each move may take.
const POLLS_PER_MOVE: usize = 20;

/// Bytes of the buffers that are kept for reads; no stream zeroes them more than once.
const KEPT: usize = (64 << 10) + 512;

/// Pongs, Pings and a Close, which have room above the mark.
const CONTROL: usize = 20 * 140;

/// Promise 4: no task spins. Counts the polls of one second.
#[derive(Default)]
pub struct Pace {
    second: u64,
    polls: usize,
    moves: usize,
}

impl Pace {
    pub fn polled(&mut self, moves: usize) {
        let second = clock::now().as_secs();
        if second != self.second {
            (self.second, self.polls, self.moves) = (second, 0, moves);
        }
        self.polls += 1;
        let most = POLLS + POLLS_PER_MOVE * (moves - self.moves);
        assert!(self.polls < most, "it spins at {:?}", clock::now());
    }
}

/// Promise 9: when a connection is lost, or ended by time, the application has every message that had arrived completely, and
/// knows of a Close that had arrived.
pub fn all_that_arrived_is_delivered(end: &Endpoint, record: &Record, is_limited: bool) {
    let Some(failed) = end.observer.failed.filter(|_| end.kind.reads_first()) else {
        return;
    };
    if !matches!(
        failed.failure,
        ProtocolError::ConnectionLost | ProtocolError::TimedOut(_)
    ) {
        return;
    }
    let Some(frames) = Frames::of(&record.read[..failed.read]) else {
        return;
    };
    let role = end.application.role;
    let got = joined(&end.application.events);
    let got = got.iter().filter(|got| matches!(got, Got::Text(_) | Got::Binary(_)));
    let (got, came) = (got.count(), frames.messages());
    // A message that is too large is the end, whatever arrived earlier.
    if end.observer.is_exact && !(is_limited || end.kind.discards() && end.application.has_closed) {
        assert!(
            got >= came,
            "promise 9: {role:?} got {got} of {came} messages before {failed:?}"
        );
    }
    let code = end.closure.as_ref().map(|closure| closure.code);
    assert!(
        !frames.has_close() || code != Some(CloseCode::ABNORMAL),
        "promise 9: {role:?} does not know of the Close that arrived before {failed:?}"
    );
}

/// Promise 10: a Ping is sent whenever the peer was silent for the interval, and no other Ping.
pub fn pings_keep_the_interval(end: &Endpoint, record: &Record, written: &[u8], timers: &Timers) {
    let Some(interval) = limit(timers.keepalive).filter(|_| end.kind.has_virtual_time()) else {
        return;
    };
    // Where writes wait, a Ping is sent when possible.
    if record.refusals > 0 || end.kind == Kind::Completing {
        return;
    }
    let (Some(frames), Some(opened)) = (Frames::of(written), end.observer.opened) else {
        return;
    };
    let is_keepalive = |payload: &[u8]| !payload.windows(4).any(|name| name == b"ping");
    for frame in frames.0.iter().filter(|frame| frame.opcode() == PING && frame.is_whole) {
        let payload = crate::wire::parse(&written[frame.start..frame.end]).0.remove(0).payload;
        if !is_keepalive(&payload) {
            continue;
        }
        let at = record.written_at(frame.start).expect("it was written");
        let before = record.reads.partition_point(|(read, _)| *read < at);
        let last_read = before
            .checked_sub(1)
            .map_or(opened, |read| record.reads[read].0.max(opened));
        assert!(
            at >= last_read + interval,
            "promise 10: a Ping at {at:?}, and the last byte arrived at {last_read:?}, of {interval:?}"
        );
    }
}

/// Promise 11: pending output is at most the mark and one message, which in UTF-8 may have twice its length in characters.
pub fn output_is_bounded(end: &Endpoint, limits: &Limits, largest: usize) {
    let most = limits.output_high_water + 2 * largest + 14 + CONTROL;
    assert!(
        end.queued <= most,
        "promise 11: {} bytes were pending, of {most}",
        end.queued
    );
}

/// Promise 11: the space that is lent to one read is in proportion to what earlier reads returned.
pub fn reads_are_bounded(end: &Endpoint, record: &Record) {
    let most = KEPT.max(4 * record.longest_read);
    assert!(
        record.lent <= most,
        "promise 11: {:?}: a read was lent {} bytes, of {most}",
        end.kind,
        record.lent
    );
}
