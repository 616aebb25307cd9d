//! When deadlines are armed, when they pass, and when they are judged.

use super::*;

/// DRV-01: available bytes are read before a deadline about the peer is judged, however late the caller comes.
#[test]
fn available_bytes_are_read_before_a_deadline_is_judged() {
    let timers = [
        keepalive(200, 300),
        Timers::new().idle(millis(450)),
        Timers::new().keepalive(millis(1)).pong(millis(1)),
    ];
    for (timers, arrives) in timers.into_iter().flat_map(|timers| [(timers, true), (timers, false)]) {
        let mut world = World::new(Role::Server, timers);
        world.turn();
        world.now = 210;
        world.turn();
        if arrives {
            world.waiting = [wire::pong(Role::Client, b""), wire::text(Role::Client, "here")].concat();
        }
        world.now = 100_000;
        let ended = world.until(100_001);
        if arrives {
            assert_eq!((ended, &world.got[..]), (None, &["here".to_owned()][..]));
            assert_eq!(world.connection.ready_state(), ReadyState::Open);
        } else {
            assert_ne!(
                world.connection.ready_state(),
                ReadyState::Open,
                "after a grace of 1 ms"
            );
        }
    }
}

/// DRV-01: bytes that a runtime notices only after other tasks had their turn are read, too.
#[test]
fn a_runtime_that_notices_late_gets_a_grace_period() {
    let mut world = World::new(Role::Server, keepalive(200, 300));
    world.until(210);
    world.now = 1210;
    assert_eq!(world.turn(), Step::Wait(Some(ms(1211))));
    world.waiting = wire::text(Role::Client, "here");
    assert_eq!(world.until(1215), None);
    assert_eq!(world.got, ["here"]);

    // A punctual caller needs no grace period.
    let mut world = World::new(Role::Server, keepalive(200, 300));
    assert_eq!(world.until(2000), Some(500));
    assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Keepalive)));
}

/// DRV-01: the peer's Close counts if it has arrived at the transport, even long after its deadline.
#[test]
fn a_close_that_has_arrived_is_in_time() {
    for role in ROLES {
        let mut world = World::new(role, Timers::new());
        world.connection.close(CloseCode::NORMAL).unwrap();
        world.until(10);
        world.waiting = wire::close(role.peer(), 1000, "");
        world.ended = Some(Ok(()));
        world.now = 60_000;
        assert_eq!(world.until(60_001), Some(60_000));
        assert_eq!(world.outcome(), Ok(()));
        assert!(world.connection.close_info().unwrap().clean);
    }
}

/// DRV-01, SEC-11: a flood does not delay the end of the closing handshake, whether it is discarded or delivered.
#[test]
fn a_flood_does_not_delay_the_end() {
    for fails in [false, true] {
        let mut world = World::new(Role::Server, Timers::new());
        if fails {
            world.waiting = wire::frame(Role::Client, FIN | 0x3, b"");
        } else {
            world.connection.close(CloseCode::NORMAL).unwrap();
        }
        let ended = (0..40_000).find(|n| {
            world.now = n / 4;
            world.waiting.extend(wire::text(Role::Client, "flood"));
            // One message of the flood in each turn, like a caller that returns after each message.
            world.driver().turn();
            for _ in 0..4 {
                world.take_events();
                let (inbound, driver) = world.connection.drive();
                let step = driver.next(inbound);
                world.perform(step);
                if matches!(step, Step::Read | Step::Discard | Step::Ended) {
                    return step == Step::Ended;
                }
            }
            false
        });
        let ended = ended.expect("it ends") / 4;
        assert!((5000..5100).contains(&ended), "{ended}");
    }
}

/// DRV-03, DRV-05: the time of the closing handshake starts when the Close is written; before that, progress counts.
#[test]
fn the_close_deadline_begins_when_the_close_is_written() {
    let mut world = World::new(Role::Server, Timers::new());
    world.connection.feed(vec![0; 1 << 20]).unwrap();
    world.connection.close(CloseCode::NORMAL).unwrap();
    // A steady reader: 100 kB a second, so that it takes 11 s.
    world.room = Some(0);
    for second in 0..11 {
        assert_eq!(world.until(second * 1000), None, "second {second}");
        world.room = Some(100_000);
    }
    assert_eq!(world.until(11_000), None);
    assert_eq!(world.written.len(), (1 << 20) + 10 + 4);
    assert_eq!(world.until(60_000), Some(15_000));
    assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Close)));
}

/// DRV-05: the closing handshake has its own time, even if it begins while the answer to a keepalive Ping is awaited.
#[test]
fn the_close_deadline_is_not_that_of_the_answer_to_a_ping() {
    for role in ROLES {
        let mut world = World::new(role, keepalive(1000, 60_000).close(millis(5000)));
        world.until(1500);
        assert_eq!(world.pings(), 1);
        world.connection.close(CloseCode::NORMAL).unwrap();
        assert_eq!(world.until(100_000), Some(6500), "{role:?}");
        assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Close)));
    }
}

/// DRV-03, DRV-05: a peer that takes nothing gets at most the time of the closing handshake, or of `write`.
#[test]
fn a_close_that_cannot_be_written_is_given_up() {
    for (write, ended, timer) in [(30_000, 15_000, Timer::Close), (1_000, 11_000, Timer::Write)] {
        let mut world = World::new(Role::Server, Timers::new().write(millis(write)));
        world.until(10_000);
        world.room = Some(0);
        world.connection.feed(vec![0; 1 << 20]).unwrap();
        if write > 10_000 {
            world.now = 1000;
            world.until(10_000);
        }
        world.connection.close(CloseCode::NORMAL).unwrap();
        assert_eq!(world.until(60_000), Some(ended));
        assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(timer)));
    }
}

/// DRV-04: a silent peer that answers at once is pinged at every interval, and a peer that sends from time to time is pinged
/// between 1 and 1.25 times the interval after its last byte.
#[test]
fn pings_come_whenever_the_peer_was_silent() {
    for (interval, pong) in [
        (5000, Some(20_000)),
        (45_000, Some(20_000)),
        (5000, None),
        (1, Some(1000)),
    ] {
        let timers = Timers::new().keepalive(millis(interval)).pong(pong.map(millis));
        let mut world = World::new(Role::Server, timers);
        let mut last = 0;
        for n in 1..=20 {
            while world.pings() < n {
                let next = world.now + (interval / 50).max(1);
                assert_eq!(world.until(next), None);
                assert!(world.now <= last + interval + 1000, "{interval}: ping {n} after {last}");
            }
            assert!(world.now >= last + interval);
            world.waiting = wire::pong(Role::Client, b"");
            last = world.now;
        }
    }
    for talks in [1, 9, 100, 1249, 1250, 1251, 4000, 7000] {
        let mut world = World::new(Role::Server, keepalive(5000, 20_000));
        let mut last = 0;
        for n in 1..20 {
            world.until(n * talks);
            if world.pings() > 0 {
                break;
            }
            world.waiting = wire::text(Role::Client, "x");
            last = world.now;
        }
        while world.pings() == 0 {
            let now = world.now;
            world.until(now + 1);
        }
        let silence = world.now - last;
        assert!(talks > 5000 || (5000..=6251).contains(&silence), "{talks}: {silence}");
    }
}

/// DRV-04: the wait for the answer begins when the Ping is written; a peer that is slow to read is not dead.
#[test]
fn a_queued_ping_needs_no_answer() {
    let mut world = World::new(Role::Server, keepalive(1000, 3000));
    world.connection.feed(vec![0; 1 << 20]).unwrap();
    world.room = Some(0);
    for tenth in 0..200 {
        assert_eq!(world.until(tenth * 100), None);
        world.room = Some(5000);
    }
    world.room = Some(usize::MAX);
    assert_eq!(world.until(60_000), Some(19_900 + 3000));
    assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Keepalive)));
}

/// DRV-10: no value of any timer panics, spins or hangs; zero means one millisecond, and the longest one means no deadline.
#[test]
fn no_timer_panics_or_spins() {
    let timers = |value: Option<Duration>| {
        let timers = Timers::new().close(value).write(value).idle(value);
        timers.keepalive(value).pong(value).message(value)
    };
    for value in [
        Some(Duration::ZERO),
        Some(Duration::from_nanos(1)),
        Some(millis(1)),
        Some(Duration::MAX),
        None,
    ] {
        for (role, now) in ROLES
            .into_iter()
            .flat_map(|role| [(role, 0), (role, u64::MAX / 2_000_000)])
        {
            let never = value.is_none_or(|value| value > millis(1));
            for closes in [true, false] {
                let mut world = World::new(role, timers(value));
                (world.now, world.room) = (now, Some(0));
                world.connection.feed("x").unwrap();
                world.waiting = wire::header(FIN | BINARY, 10, (role == Role::Server).then_some(wire::KEY));
                if closes {
                    world.connection.close(None).unwrap();
                }
                let ended = world.until(now + 1_000_000);
                assert_eq!(ended, (!never).then(|| now + 1), "{value:?}");
            }
        }
    }
}

/// DRV-03: a connection that fails as idle during the wait for a Pong gets the time of the closing handshake, not that of the
/// Pong.
#[test]
fn a_failure_during_the_wait_for_a_pong_has_the_time_of_a_close() {
    let timers = keepalive(1000, 20_000).idle(millis(1500)).close(millis(500));
    let mut world = World::new(Role::Server, timers);
    assert_eq!(world.until(60_000), Some(2000));
    assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Idle)));
}

/// DRV-12: a writer enforces its own deadline, even if nobody reads.
#[test]
fn a_writer_alone_keeps_its_deadline() {
    let mut world = World::new(Role::Server, Timers::new().write(millis(500)));
    world.room = Some(0);
    world.connection.feed("x").unwrap();
    world.driver().writable();
    let mut ended = None;
    for _ in 0..20 {
        let (now, driver) = (world.now, world.driver());
        match driver.next_write() {
            Step::Write => driver.write_blocked(),
            Step::Time => driver.at_write(ms(now)),
            Step::Wait(Some(due)) if due <= ms(now) => driver.at_write(ms(now)),
            Step::Wait(Some(due)) => world.now = u64::try_from(due.since_origin().as_millis()).unwrap(),
            step => {
                assert_eq!(step, Step::Ended);
                ended = Some(now);
                break;
            }
        }
    }
    assert_eq!(ended, Some(500));
    assert_eq!(
        world.driver().write_outcome(),
        Err(ProtocolError::TimedOut(Timer::Write))
    );
    // A caller that reads after all still gets what has arrived, and then the same failure.
    world.waiting = wire::text(Role::Client, "last words");
    assert_eq!(world.until(600), Some(500));
    assert_eq!(world.got, ["last words"]);
    assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Write)));
    let closure = world.connection.close_info().unwrap();
    assert_eq!(closure.failure, Some(ProtocolError::TimedOut(Timer::Write)));
}

/// DRV-16: a message that makes no progress ends the connection with 1008; one that makes progress is awaited.
#[test]
fn an_unfinished_message_has_a_deadline() {
    let begun: [Vec<u8>; 3] = [
        wire::frame(Role::Client, BINARY, b"a fragment"),
        wire::binary(Role::Client, &[0; 1000])[..500].to_vec(),
        wire::binary(Role::Client, &[0; 300_000])[..299_000].to_vec(),
    ];
    for (begun, delivery) in begun
        .iter()
        .flat_map(|b| [(b, Delivery::Messages), (b, Delivery::Fragments)])
    {
        let mut world = World::with(Role::Server, &Config::new().delivery(delivery));
        world.waiting.clone_from(begun);
        world.now = 1000;
        assert_eq!(world.until(20_000), None);
        // A Ping between fragments does not count as progress.
        if begun.len() < 100 {
            world.waiting = wire::ping(Role::Client, b"x");
        }
        assert_eq!(world.until(30_999), None);
        assert_eq!(world.connection.ready_state(), ReadyState::Open);
        world.until(31_000);
        assert_eq!(world.connection.ready_state(), ReadyState::Closing);
        assert_eq!(world.until(60_000), Some(36_000), "its Close is given its time");
        assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Message)));
        let (frames, _) = wire::parse(&world.written);
        assert_eq!(&frames.last().unwrap().payload[..2], 1008_u16.to_be_bytes());
    }
    let mut world = World::new(Role::Server, Timers::new());
    let message = wire::binary(Role::Client, &[0; 100]);
    for (n, byte) in message.iter().enumerate() {
        world.waiting = vec![*byte];
        assert_eq!(world.until(n as u64 * 29_000), None);
    }
    world.until(10_000_000);
    assert_eq!(world.got, ["binary"]);
    assert_eq!(world.connection.ready_state(), ReadyState::Open, "it is finished");
}

/// DRV-16: a message that has arrived completely is not unfinished, even if the application has not taken it yet.
#[test]
fn a_message_that_was_not_taken_is_not_unfinished() {
    for fragments in [false, true] {
        let mut config = Config::new();
        if fragments {
            config = config.delivery(Delivery::Fragments);
        }
        let mut connection = Connection::new(Role::Server, &config);
        connection.receive(&wire::binary(Role::Client, &[7; 20_000])[..10_000]);
        while connection.next_event().unwrap().is_some() {}
        connection.receive(&wire::binary(Role::Client, &[7; 20_000])[10_000..]);
        for now in [0, 20, 40, 1000, 100_000] {
            connection.handle_timeout(Time::from_origin(Duration::from_secs(now)));
            assert_eq!(connection.ready_state(), ReadyState::Open, "after {now} s");
        }
        assert!(connection.next_event().unwrap().is_some());

        // The last fragment of a message, which is short.
        let mut connection = Connection::new(Role::Server, &config);
        connection.receive(&wire::frame(Role::Client, BINARY, b"first"));
        while connection.next_event().unwrap().is_some() {}
        connection.receive(&wire::frame(Role::Client, FIN, b"last"));
        for now in [0, 20, 40, 1000, 100_000] {
            connection.handle_timeout(Time::from_origin(Duration::from_secs(now)));
            assert_eq!(connection.ready_state(), ReadyState::Open, "after {now} s");
        }
    }
}
