//! The latency between a Ping and its Pong.

use core::time::Duration;

use websocket_proto::{Config, Connection, Role, Time, Timers};

use super::{Clock, at};
use crate::{
    pair::seconds,
    raw::{take_events, take_frames},
    wire::{self, FIN, PONG, ROLES},
};

/// The latency is the time from the Ping to its Pong, by the caller's clock, and other Pongs do not affect it.
#[test]
fn latency_is_measured() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        assert_eq!(connection.latency(), None);
        connection.measure_latency();
        connection.measure_latency();
        assert_eq!(connection.poll_timeout(), Some(Time::ZERO));
        connection.handle_timeout(at(10.0));
        let frames = take_frames(role, &mut connection);
        assert_eq!(frames.len(), 1, "one at a time");
        assert_eq!(connection.poll_timeout(), None, "written, so nothing is due");
        connection.handle_timeout(at(10.1));

        let pongs = [
            wire::pong(role.peer(), b"other"),
            wire::pong(role.peer(), &frames[0].payload),
        ];
        connection.receive(&pongs[0]);
        take_events(&mut connection, &mut Vec::new()).unwrap();
        connection.handle_timeout(at(10.2));
        assert_eq!(connection.latency(), None);
        connection.receive(&pongs[1]);
        take_events(&mut connection, &mut Vec::new()).unwrap();
        assert_eq!(connection.poll_timeout(), Some(Time::ZERO));
        // A Pong that arrives twice changes nothing.
        connection.receive(&pongs[1]);
        take_events(&mut connection, &mut Vec::new()).unwrap();
        connection.handle_timeout(at(10.25));
        assert_eq!(connection.latency(), Some(Duration::from_millis(250)));

        // The next measurement has its own payload.
        connection.measure_latency();
        let again = take_frames(role, &mut connection);
        assert_ne!(again[0].payload, frames[0].payload);
    }
}

/// No latency is reported if it cannot be measured: the connection is closing, or the peer's Pong has another payload.
#[test]
fn latency_needs_an_open_connection() {
    let mut connection = Connection::new(Role::Server, &Config::new());
    connection.close(None).unwrap();
    take_frames(Role::Server, &mut connection);
    connection.measure_latency();
    assert!(!connection.wants_write());
    connection.handle_timeout(at(1.0));
    assert_eq!(connection.latency(), None);
    assert_eq!(connection.poll_timeout(), Some(at(6.0)), "the close deadline only");
}

/// SEC-11: a peer that answers the keepalive Ping is measured at the same time.
#[test]
fn the_keepalive_measures_latency() {
    let mut clock = Clock::new(Role::Server, Timers::new().keepalive(seconds(10)));
    clock.after(10.0);
    let frames = take_frames(Role::Server, &mut clock.connection);
    clock.after(0.5);
    clock.receive(&wire::frame(Role::Client, FIN | PONG, &frames[0].payload));
    clock.after(0.0);
    assert_eq!(clock.connection.latency(), Some(Duration::from_millis(500)));
}
