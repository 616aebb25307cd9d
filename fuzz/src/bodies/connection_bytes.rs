//! A connection that receives any bytes: however they are cut and fed, the events, the output and the end are the same, and
//! memory stays within the limits.

use websocket_proto::{Connection, Delivery, RecvBuffer, frame::Rsv};

use super::{
    plan,
    raw::{Cuts, Feed, Got, Outcome, take_output},
    rng::Rng,
    setup::Setup,
    wire::PONG,
};

/// The most automatic Pongs that are queued; of further Pings only the latest is answered.
const MAX_PONGS: usize = 16;

/// Longer streams are not fed byte by byte.
const LONG: usize = 3000;

pub fn run(data: &[u8]) {
    let Some((mut setup, rest)) = Setup::take(data) else {
        return;
    };
    let bytes = if setup.is_plan {
        plan::bytes(setup.role, setup.deflate, rest)
    } else {
        rest.to_vec()
    };
    if bytes.len() > LONG && matches!(setup.cuts, Cuts::Bytes) {
        setup.cuts = Cuts::Random(Rng::new(1));
    }
    let scenario = setup.scenario(bytes.clone());
    let whole = scenario.run_once(Feed::Space, Cuts::Whole);
    assert_same(&scenario.run_once(setup.feed, setup.cuts.clone()), &whole);
    assert_same(&scenario.run_once(Feed::Receive, Cuts::Whole), &whole);
    assert_bounded(&setup, &bytes);
}

/// Everything is the same, except which Pings of a flood are answered: that depends on how fast Pongs are written (§5.5.3 allows
/// an endpoint to answer only the latest).
fn assert_same(one: &Outcome, other: &Outcome) {
    let pings: Vec<&Vec<u8>> = one
        .events
        .iter()
        .filter_map(|event| match event {
            Got::Ping(payload) => Some(payload),
            _ => None,
        })
        .collect();
    if pings.len() <= MAX_PONGS {
        assert_eq!(one, other);
        return;
    }
    let without_pongs = |outcome: &Outcome| {
        let mut outcome = outcome.clone();
        outcome.output.retain(|frame| frame.opcode() != PONG);
        outcome
    };
    assert_eq!(without_pongs(one), without_pongs(other));
    for outcome in [one, other] {
        let pongs: Vec<_> = outcome.output.iter().filter(|frame| frame.opcode() == PONG).collect();
        let mut asked = pings.iter();
        for pong in &pongs {
            assert!(
                asked.any(|ping| **ping == pong.payload),
                "an unsolicited answer, or answers out of order"
            );
        }
        assert!(
            pongs.is_empty() || pongs.last().map(|pong| &pong.payload) == pings.last().copied(),
            "the latest Ping is answered"
        );
    }
}

/// Reads, takes every event and writes, and checks the memory after each step.
fn assert_bounded(setup: &Setup, bytes: &[u8]) {
    let message = match setup.config.delivery {
        // While it grows, a buffer may be twice as large as its contents.
        Delivery::Fragments if setup.claimed == Rsv::NONE => 0,
        // The frames of extensions are held as well.
        _ => 2 * usize::try_from(setup.config.limits.max_message_size).unwrap() + 64,
    };
    let pongs = 2 * (MAX_PONGS + 2) * 139;
    let keys = 1100;
    // The state of a decompressor (60 KiB), the largest window, and the parameters of compression.
    let deflate = if setup.deflate.is_some() {
        (60 << 10) + (32 << 10) + 300
    } else {
        0
    };
    let most = RecvBuffer::DEFAULT_CAPACITY + message + pongs + keys + deflate;

    let mut connection = Connection::from_negotiated(&setup.negotiated(), &setup.config);
    let mut cuts = setup.cuts.clone();
    let mut done = 0;
    while done < bytes.len() {
        let n = cuts.next(done, bytes.len() - done);
        let space = connection.space();
        let n = n.min(space.len());
        assert!(n > 0, "no space although all events were taken");
        space[..n].copy_from_slice(&bytes[done..done + n]);
        connection.advance(n);
        done += n;
        // A fault of the peer is an ordinary end here.
        while let Ok(Some(_)) = connection.next_event() {
            assert!(
                connection.allocated() <= most,
                "{} of {most} bytes",
                connection.allocated()
            );
        }
        assert!(
            connection.allocated() <= most,
            "{} of {most} bytes",
            connection.allocated()
        );
        take_output(&mut connection, usize::MAX, &mut Vec::new());
    }
}
