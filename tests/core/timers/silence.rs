//! SEC-11: silent peers: the idle deadline and keepalive.

use core::time::Duration;

use websocket_proto::{Config, ProtocolError, ReadyState, Role, Timer, Timers};

use super::Clock;
use crate::{
    pair::{Pair, seconds},
    raw::{Cuts, Got, take_frames},
    wire::{self, CLOSE, FIN, PING, ROLES},
};

/// SEC-11: an idle peer is given up 1 to 1.25 times the limit after its last byte, with 1001.
#[test]
fn an_idle_peer_is_given_up() {
    for role in ROLES {
        for tenths in 0..25 {
            let mut clock = Clock::new(role, Timers::new().idle(seconds(8)));
            let last = f64::from(tenths) / 10.0;
            clock.after(last);
            clock.receive(&wire::pong(role.peer(), b""));
            let (time, error) = clock.until_failure(60.0);
            assert_eq!(error, Some(ProtocolError::TimedOut(Timer::Idle)));
            assert!((8.0..=10.0).contains(&time), "{time} with {last}");
            let frames = take_frames(role, &mut clock.connection);
            assert_eq!(frames.len(), 1);
            assert_eq!((frames[0].opcode(), &*frames[0].payload), (CLOSE, &b"\x03\xe9"[..]));
            // The Close gets its time, then the connection is over.
            assert_eq!(clock.connection.ready_state(), ReadyState::Closing);
            clock.after(5.0);
            assert_eq!(clock.connection.ready_state(), ReadyState::Closed);
        }
    }
}

/// SEC-11: any received byte counts as activity, even one of an unfinished frame; output does not.
#[test]
fn any_received_byte_counts_as_activity() {
    let mut clock = Clock::new(Role::Client, Timers::new().idle(seconds(8)));
    clock.receive(&wire::header(FIN | wire::BINARY, 1000, None));
    for _ in 0..500 {
        clock.after(7.9);
        clock.receive(b"x");
        assert_eq!(clock.error, None);
    }
    let mut clock = Clock::new(Role::Client, Timers::new().idle(seconds(8)));
    for _ in 0..12 {
        let _ = clock.connection.feed("are you there");
        clock.write();
        clock.after(1.0);
    }
    assert_eq!(clock.error, Some(ProtocolError::TimedOut(Timer::Idle)));
}

/// SEC-11: a silent peer is pinged after the interval, and given up if nothing arrives in time.
#[test]
fn keepalive_finds_a_dead_peer() {
    for role in ROLES {
        let mut clock = Clock::new(role, Timers::new().keepalive(seconds(10)).pong(seconds(3)));
        clock.after(9.999);
        assert!(!clock.connection.wants_write());
        clock.after(0.001);
        let frames = take_frames(role, &mut clock.connection);
        assert_eq!(frames.iter().map(|frame| frame.opcode()).collect::<Vec<_>>(), [PING]);
        let (time, error) = clock.until_failure(60.0);
        assert_eq!((time, error), (3.0, Some(ProtocolError::TimedOut(Timer::Keepalive))));
        assert_eq!(
            clock.connection.ready_state(),
            ReadyState::Closed,
            "a dead peer is not awaited"
        );
        assert_eq!(clock.connection.close_info().expect("closed").code.value(), 1006);
        assert_eq!(clock.connection.poll_timeout(), None);
    }
}

/// SEC-11: a peer that answers is kept for ever, and so is one that sends anything else; a peer that sends is not pinged.
#[test]
fn keepalive_keeps_a_live_peer() {
    let timers = Timers::new().keepalive(seconds(10)).pong(seconds(3));
    let mut clock = Clock::new(Role::Client, timers);
    for round in 0..200 {
        clock.after(1.0);
        for frame in take_frames(Role::Client, &mut clock.connection) {
            assert_eq!(frame.opcode(), PING);
            match round % 2 {
                0 => clock.receive(&wire::pong(Role::Server, &frame.payload)),
                _ => clock.receive(&wire::text(Role::Server, "busy")),
            }
        }
    }
    assert_eq!(clock.error, None);
    let answers = clock.events.len();
    assert!(
        (10..=20).contains(&answers),
        "pinged about every interval: {:?}",
        clock.events
    );

    let mut clock = Clock::new(Role::Client, timers);
    for _ in 0..300 {
        clock.after(1.0);
        clock.receive(&wire::text(Role::Server, "busy"));
    }
    assert_eq!((clock.error, clock.write()), (None, 0));
}

/// SEC-11: without the pong deadline, keepalive keeps a path open and never fails.
#[test]
fn keepalive_without_pong_deadline_never_fails() {
    let mut clock = Clock::new(Role::Server, Timers::new().keepalive(seconds(10)).pong(None));
    for _ in 0..100 {
        clock.after(10.0);
        clock.write();
    }
    assert_eq!((clock.error, clock.connection.ready_state()), (None, ReadyState::Open));
}

/// SEC-11: two ends with keepalive stay connected, in silence and over a link that passes single bytes; once unlinked, they give
/// up.
#[test]
fn keepalive_works_end_to_end() {
    let config = Config::new().timers(Timers::new().keepalive(seconds(10)).pong(seconds(5)));
    for cuts in [Cuts::Whole, Cuts::Bytes] {
        let mut pair = Pair::new(&config, &config, cuts);
        pair.pass(seconds(1000));
        assert!(pair.client.error.is_none() && pair.server.error.is_none());
        let pongs = pair.client.events.iter().filter(|event| matches!(event, Got::Pong(_)));
        let pings = pair.client.events.iter().filter(|event| matches!(event, Got::Ping(_)));
        assert!(pongs.count() + pings.count() >= 40);
        assert_eq!(pair.client.connection.latency(), Some(Duration::ZERO));

        pair.linked = false;
        pair.pass(seconds(40));
        for end in [&pair.client, &pair.server] {
            assert_eq!(end.error, Some(ProtocolError::TimedOut(Timer::Keepalive)));
            assert!(end.is_closed());
        }
    }
}
