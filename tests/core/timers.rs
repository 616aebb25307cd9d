//! Deadlines on a virtual clock: CL-27, SEC-11, keepalive and latency.

mod latency;
mod silence;

use core::time::Duration;

use websocket_proto::{Config, Connection, ProtocolError, ReadyState, Role, Time, Timer, Timers};

use crate::{
    pair::seconds,
    raw::{Got, take_events, take_frames, take_output},
    wire::{self, FIN, ROLES},
};

fn at(seconds: f64) -> Time {
    Time::from_origin(Duration::from_secs_f64(seconds))
}

/// One connection and the time; its deadlines are handled when they are due.
struct Clock {
    connection: Connection,
    now: Time,
    events: Vec<Got>,
    error: Option<ProtocolError>,
}

impl Clock {
    fn new(role: Role, timers: Timers) -> Self {
        let mut clock = Self {
            connection: Connection::new(role, &Config::new().timers(timers)),
            now: at(100.0),
            events: Vec::new(),
            error: None,
        };
        clock.until(at(100.0));
        clock
    }

    /// Lets time pass, and stops early if the connection fails.
    fn until(&mut self, end: Time) {
        for _ in 0..10_000 {
            if self.error.is_none() {
                self.error = take_events(&mut self.connection, &mut self.events).err();
            }
            match self.connection.poll_timeout() {
                Some(due) if due <= end => {
                    self.now = self.now.max(due);
                    self.connection.handle_timeout(self.now);
                    let failed = self.error.is_some();
                    self.error = take_events(&mut self.connection, &mut self.events).err();
                    if self.error.is_some() && !failed {
                        return;
                    }
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the deadlines never end");
    }

    fn after(&mut self, time: f64) {
        self.until(self.now + Duration::from_secs_f64(time));
    }

    /// Lets time pass until the connection fails, and returns how long that took.
    fn until_failure(&mut self, most: f64) -> (f64, Option<ProtocolError>) {
        let start = self.now;
        self.after(most);
        (self.now.since(start).as_secs_f64(), self.error)
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.connection.receive(bytes);
        assert_eq!(take_events(&mut self.connection, &mut self.events), Ok(()));
    }

    fn write(&mut self) -> usize {
        take_output(&mut self.connection, usize::MAX, &mut Vec::new())
    }
}

/// CL-27, SEC-11: a peer that never answers the Close is given up at the deadline, with 1006.
#[test]
fn the_wait_for_the_close_of_the_peer_is_bounded() {
    for role in ROLES {
        let mut clock = Clock::new(role, Timers::new());
        clock.connection.close(None).unwrap();
        clock.write();
        let (time, error) = clock.until_failure(60.0);
        assert_eq!((time, error), (5.0, Some(ProtocolError::TimedOut(Timer::Close))));
        assert_eq!(clock.connection.ready_state(), ReadyState::Closed);
        assert_eq!(clock.connection.poll_timeout(), None);
        let closure = clock.connection.close_info().expect("closed");
        assert_eq!((closure.code.value(), closure.clean), (1006, false));
        assert!(!clock.connection.wants_read());
    }
}

/// CL-13, CL-27: a server that never ends the transport is given up at the deadline. The handshake was complete, so the code is
/// the received one, and it is not a failure.
#[test]
fn the_wait_for_the_end_of_the_transport_is_bounded() {
    for role in ROLES {
        let mut clock = Clock::new(role, Timers::new());
        clock.receive(&wire::close(role.peer(), 1001, "bye"));
        clock.write();
        let (time, error) = clock.until_failure(4.999);
        assert_eq!((time, error), (4.999, None));
        assert_eq!(clock.connection.ready_state(), ReadyState::Closing);
        clock.after(0.001);
        assert_eq!(
            (clock.error, clock.connection.ready_state()),
            (None, ReadyState::Closed)
        );
        assert_eq!(clock.connection.close_info().expect("closed").code.value(), 1001);
    }
}

/// CL-27: the wait after a failure is bounded as well.
#[test]
fn the_wait_after_a_failure_is_bounded() {
    for role in ROLES {
        let mut clock = Clock::new(role, Timers::new());
        clock.connection.receive(&wire::frame(role.peer(), FIN | 0x3, b""));
        clock.error = take_events(&mut clock.connection, &mut Vec::new()).err();
        let error = clock.error;
        clock.write();
        clock.after(4.999);
        assert_eq!(clock.connection.ready_state(), ReadyState::Closing);
        clock.after(0.001);
        assert_eq!(
            (clock.error, clock.connection.ready_state()),
            (error, ReadyState::Closed)
        );
    }
}

/// CL-27: bytes that keep arriving do not delay the close deadline.
#[test]
fn traffic_does_not_extend_the_close_deadline() {
    for role in ROLES {
        let mut clock = Clock::new(role, Timers::new().idle(seconds(2)).keepalive(seconds(1)));
        clock.connection.close(None).unwrap();
        for _ in 0..49 {
            clock.write();
            clock.receive(&wire::text(role.peer(), "more"));
            clock.after(0.1);
            assert_eq!(clock.error, None);
        }
        let (_, error) = clock.until_failure(0.1);
        assert_eq!(error, Some(ProtocolError::TimedOut(Timer::Close)));
        assert_eq!(clock.events, vec![Got::text("more"); 49]);
    }
}

/// CL-21, CL-27: after the close deadline nothing that arrives has an effect, not even the peer's Close.
#[test]
fn nothing_counts_after_the_close_deadline() {
    for role in ROLES {
        let mut clock = Clock::new(role, Timers::new());
        clock.connection.close(None).unwrap();
        clock.write();
        let (_, error) = clock.until_failure(10.0);
        let late = [wire::text(role.peer(), "late"), wire::close(role.peer(), 1000, "late")];
        clock.connection.receive(&late.concat());
        let mut events = Vec::new();
        assert_eq!(take_events(&mut clock.connection, &mut events).err(), error);
        assert_eq!(events, []);
        assert_eq!(clock.connection.close_info().expect("closed").code.value(), 1006);
    }
}

/// SEC-11: output that the peer does not take ends the connection after 1 to 2 times the limit.
#[test]
fn a_stalled_write_ends_the_connection() {
    for role in ROLES {
        for taken in [0, 1, 100] {
            let mut clock = Clock::new(role, Timers::new());
            clock.connection.feed(&[1; 1000]).unwrap();
            clock.after(10.0);
            take_output(&mut clock.connection, taken, &mut Vec::new());
            let (time, error) = clock.until_failure(120.0);
            assert_eq!(error, Some(ProtocolError::TimedOut(Timer::Write)));
            assert!((20.0..=60.0).contains(&time), "{time}");
            assert!(taken > 0 || time == 20.0, "nothing was taken since the start");
            assert!(taken == 0 || time >= 30.0, "30 s without one byte");
            assert_eq!(clock.connection.ready_state(), ReadyState::Closed);
            assert!(!clock.connection.wants_write(), "pending output is dropped");
            assert_eq!(clock.connection.close_info().expect("closed").code.value(), 1006);
        }
    }
}

/// SEC-11: a peer that takes a byte from time to time is slow, not gone; and an empty queue never stalls.
#[test]
fn slow_writes_are_not_stalled() {
    let mut clock = Clock::new(Role::Server, Timers::new());
    clock.connection.feed(&[1; 100]).unwrap();
    for _ in 0..102 {
        clock.after(29.0);
        take_output(&mut clock.connection, 1, &mut Vec::new());
    }
    assert!(!clock.connection.wants_write());
    clock.after(1000.0);
    // A new message much later has the full time again.
    clock.connection.feed("new").unwrap();
    let (time, error) = clock.until_failure(29.9);
    assert_eq!((time, error), (29.9, None));
    clock.write();
    clock.after(1000.0);
    assert_eq!((clock.error, clock.connection.ready_state()), (None, ReadyState::Open));
}

/// SEC-11: a peer that takes no output cannot hold the closing handshake open, with or without the write deadline.
#[test]
fn a_close_that_cannot_be_written_ends_in_time() {
    for role in ROLES {
        let mut clock = Clock::new(role, Timers::new().write(None));
        clock.receive(&wire::close(role.peer(), 1000, ""));
        assert_eq!(clock.until_failure(4.9), (4.9, None));
        assert_eq!(clock.connection.ready_state(), ReadyState::Closing);
        // The received Close counts, so this is not a failure; but it is not clean either.
        assert_eq!(clock.until_failure(5.0), (5.0, None));
        assert_eq!(clock.connection.ready_state(), ReadyState::Closed);
        let closure = clock.connection.close_info().expect("closed");
        assert_eq!(
            (closure.code.value(), closure.clean, closure.failure),
            (1000, false, None)
        );
    }
}

/// SEC-11: the defaults bound every wait except the one for an open, silent peer; for that there is no deadline.
#[test]
fn an_open_connection_has_no_deadline_by_default() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        assert_eq!(connection.poll_timeout(), None);
        connection.feed("x").unwrap();
        assert_eq!(connection.poll_timeout(), Some(Time::ZERO), "it asks for the time");
        connection.handle_timeout(at(7.0));
        assert_eq!(connection.poll_timeout(), Some(at(37.0)));
        take_frames(role, &mut connection);
        assert_eq!(connection.poll_timeout(), None);
        connection.close(None).unwrap();
        connection.handle_timeout(at(8.0));
        assert_eq!(connection.poll_timeout(), Some(at(13.0)));
    }
}

/// SEC-11: with every deadline off, no time is requested.
#[test]
fn deadlines_can_be_switched_off() {
    let timers = Timers::new()
        .close(None)
        .write(None)
        .idle(None)
        .keepalive(None)
        .handshake(None);
    for role in ROLES {
        let mut clock = Clock::new(role, timers);
        clock.connection.feed("x").unwrap();
        clock.connection.close(None).unwrap();
        assert_eq!(clock.connection.poll_timeout(), None);
        clock.connection.handle_timeout(at(1e9));
        assert_eq!(clock.connection.ready_state(), ReadyState::Closing);
    }
}

/// SEC-11: reporting the time early, often or backwards changes nothing.
#[test]
fn reporting_the_time_too_often_is_harmless() {
    let timers = Timers::new().idle(seconds(8)).keepalive(seconds(3));
    let mut clock = Clock::new(Role::Client, timers);
    let due = clock.connection.poll_timeout();
    for i in 0..1000 {
        clock.connection.handle_timeout(at(100.0 + f64::from(i % 7) / 10.0));
        clock.connection.handle_timeout(at(0.0));
        assert_eq!(clock.connection.poll_timeout(), due);
    }
    assert_eq!(clock.connection.next_event(), Ok(None));
    assert!(!clock.connection.wants_write());
}

/// SEC-12: durations that reach past the end of time neither overflow nor fire.
#[test]
fn the_longest_durations_do_not_overflow() {
    let timers = Timers::new()
        .close(Duration::MAX)
        .write(Duration::MAX)
        .idle(Duration::MAX)
        .keepalive(Duration::MAX)
        .pong(Duration::MAX);
    for role in ROLES {
        let mut clock = Clock::new(role, timers);
        clock.connection.feed("x").unwrap();
        clock.after(1e9);
        clock.connection.close(None).unwrap();
        clock.after(1e9);
        assert_eq!(
            (clock.error, clock.connection.ready_state()),
            (None, ReadyState::Closing)
        );
    }
}

/// SEC-12: durations of zero end a connection without a hang or a panic.
#[test]
fn durations_of_zero_do_not_spin() {
    let zero = Duration::ZERO;
    let all: [Timers; 4] = [
        Timers::new().close(zero),
        Timers::new().write(zero),
        Timers::new().idle(zero),
        Timers::new().keepalive(zero).pong(zero),
    ];
    for timers in all {
        for role in ROLES {
            let mut clock = Clock {
                connection: Connection::new(role, &Config::new().timers(timers)),
                now: at(1.0),
                events: Vec::new(),
                error: None,
            };
            clock.connection.feed("x").unwrap();
            let _ = clock.connection.close(None);
            clock.after(100.0);
            clock.after(100.0);
            assert_eq!(clock.connection.ready_state(), ReadyState::Closed);
        }
    }
}
