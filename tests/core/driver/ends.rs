//! The ends of the two directions, and what waits for them.

use websocket_proto::Fragment;

use super::*;

/// Waits in a `send` until everything is written; a message may remain in the receive buffer.
pub(super) fn flush(world: &mut World) -> Step {
    world.driver().turn();
    for _ in 0..1000 {
        let (inbound, driver) = world.connection.drive();
        let step = driver.next_flush(inbound);
        if !world.perform(step) && step != Step::Yield {
            return step;
        }
    }
    panic!("it spins");
}

/// Waits in a `send` until the end. Returns the time of the end.
pub(super) fn ended(world: &mut World) -> u64 {
    loop {
        match flush(world) {
            Step::Wait(Some(due)) => {
                let due = due.since_origin().as_nanos().div_ceil(1_000_000);
                world.now = world.now.max(u64::try_from(due).unwrap());
            }
            step => {
                assert_eq!(step, Step::Ended);
                return world.now;
            }
        }
    }
}

/// DRV-02: a failed write ends one direction; what has arrived is delivered, including the peer's Close.
#[test]
fn a_failed_write_ends_one_direction() {
    for (closes, ended) in [(true, Ok(())), (false, Ok(())), (true, Err(())), (false, Err(()))] {
        let mut world = World::new(Role::Client, Timers::new());
        world.connection.feed("x").unwrap();
        world.room = None;
        world.waiting = wire::text(Role::Server, "last words");
        if closes {
            world.waiting.extend(wire::close(Role::Server, 4001, "banned"));
        }
        world.ended = Some(ended);
        assert_eq!(world.until(100), Some(0));
        assert_eq!(world.got[0], "last words");
        let closure = world.connection.close_info().unwrap();
        assert_eq!(closure.code.value(), if closes { 4001 } else { 1006 });
        assert_eq!(
            (closure.initiator, closure.sent, closure.clean),
            (Side::Peer, None, false)
        );
        let lost = if closes {
            Ok(())
        } else {
            Err(ProtocolError::ConnectionLost)
        };
        assert_eq!(world.outcome(), lost);
        assert_eq!(
            world.driver().write_outcome(),
            Err(ProtocolError::ConnectionLost),
            "each time"
        );
        assert_eq!(world.connection.feed("y"), Err(SendError::Closing("y".into())));
    }
}

/// DRV-02: reading then continues for a bounded time, in which answers are accepted and dropped.
#[test]
fn after_a_failed_write_reading_is_bounded() {
    let mut world = World::new(Role::Client, Timers::new());
    world.connection.feed("x").unwrap();
    world.room = None;
    assert_eq!(world.until(4000), None);
    let connection = &mut world.connection;
    assert_eq!(connection.ready_state(), ReadyState::Closing);
    let prepared = PreparedMessage::text("prepared");
    connection.feed("an answer").unwrap();
    connection.feed(&[0; 10_000]).unwrap();
    connection.feed(Fragment::last("an answer")).unwrap();
    connection.feed(&prepared).unwrap();
    connection.ping(b"").unwrap();
    connection.close(CloseCode::NORMAL).unwrap();
    assert_eq!((connection.output().len(), connection.wants_shutdown()), (0, false));
    assert_eq!(world.until(60_000), Some(5000));
    assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Close)));
    let closure = world.connection.close_info().unwrap();
    assert_eq!((closure.code.value(), closure.sent, closure.clean), (1006, None, false));
}

/// Completes reads after the end: they bring no event, and the outcome stays.
fn assert_late_data_is_ignored(world: &mut World, role: Role, outcome: Result<(), ProtocolError>) {
    for late in [wire::text(role.peer(), "late"), wire::close(role.peer(), 1000, "late")] {
        let (inbound, driver) = world.connection.drive();
        inbound.receive(&late);
        driver.read(late.len());
        assert_eq!(inbound.next_event(driver.outbound()).map(drop), outcome, "{late:?}");
        assert_eq!(world.outcome(), outcome);
    }
    assert_eq!(world.got, [""; 0]);
}

/// CL-21, DRV-17: after the end was reported, data from a late read changes nothing. A loop whose operations complete later may
/// have one in flight.
#[test]
fn after_the_end_nothing_that_arrives_counts() {
    for (role, delivery) in ROLES
        .into_iter()
        .flat_map(|role| [(role, Delivery::Messages), (role, Delivery::Fragments)])
    {
        let mut world = World::with(role, &Config::new().delivery(delivery));
        world.connection.close(CloseCode::NORMAL).unwrap();
        assert_eq!(world.until(60_000), Some(5000));
        let timed_out = Err(ProtocolError::TimedOut(Timer::Close));
        assert_eq!(world.outcome(), timed_out);
        assert_late_data_is_ignored(&mut world, role, timed_out);
    }
}

/// CL-21: the same for an end that is judged and reported in one step, since the write side is not ready to be shut down.
#[test]
fn after_an_end_in_one_step_nothing_that_arrives_counts() {
    let stalled = Timers::new().write(millis(300));
    for (role, timers) in ROLES
        .into_iter()
        .flat_map(|role| [(role, keepalive(200, 300)), (role, stalled)])
    {
        let mut world = World::new(role, timers);
        world.room = Some(0);
        world.connection.feed("x").unwrap();
        assert!(world.until(60_000).is_some());
        assert_eq!(world.steps[world.steps.len() - 2..], [Step::Read, Step::Ended]);
        let lost = world.outcome();
        assert!(matches!(lost, Err(ProtocolError::TimedOut(_))), "{lost:?}");
        assert_late_data_is_ignored(&mut world, role, lost);
    }
}

/// DRV-20: after a failed write, only the peer's Close is still awaited.
#[test]
fn after_a_failed_write_the_close_of_the_peer_is_the_end() {
    let mut world = World::new(Role::Client, Timers::new());
    world.connection.feed("x").unwrap();
    world.room = None;
    world.waiting = wire::close(Role::Server, 4001, "banned");
    assert_eq!(world.until(60_000), Some(0));
    assert_eq!(world.outcome(), Ok(()));
    assert_eq!(world.got, ["close Some(4001)"]);
}

/// DRV-17: the write side is shut down once.
#[test]
fn shutdown_is_requested_once() {
    for role in ROLES {
        let mut world = World::new(role, Timers::new());
        world.waiting = wire::close(role.peer(), 1000, "");
        for _ in 0..5 {
            world.turn();
        }
        let shutdowns = |world: &World| world.steps.iter().filter(|step| **step == Step::Shutdown).count();
        assert_eq!(shutdowns(&world), usize::from(role == Role::Server));
        world.ended = Some(Ok(()));
        assert_eq!(world.until(10), Some(0));
        assert_eq!(world.turn(), Step::Ended);
        assert_eq!(shutdowns(&world), 1);
        assert!(world.connection.close_info().unwrap().clean);
    }
}

/// SEC-16: the write side is shut down before the end, whatever its cause, so that TLS can send its `close_notify`. A transport
/// that has failed is left alone.
#[test]
fn every_end_is_preceded_by_a_shutdown() {
    let half = [0x81];
    for role in ROLES {
        for (waiting, ended, timers, expected) in [
            (&[][..], Some(Ok(())), Timers::new(), ProtocolError::ConnectionLost),
            (&half, Some(Ok(())), Timers::new(), ProtocolError::ConnectionLost),
            (
                &[],
                None,
                keepalive(200, 300),
                ProtocolError::TimedOut(Timer::Keepalive),
            ),
            (&[], Some(Err(())), Timers::new(), ProtocolError::ConnectionLost),
        ] {
            let mut world = World::new(role, timers);
            world.waiting = waiting.to_vec();
            world.ended = ended;
            assert!(world.until(10_000).is_some());
            assert_eq!(world.outcome(), Err(expected));
            let works = ended != Some(Err(()));
            let shutdowns = world.steps.iter().filter(|step| **step == Step::Shutdown).count();
            assert_eq!(shutdowns, usize::from(works), "{role:?}: {:?}", world.steps);
            let last = if works { Step::Shutdown } else { Step::Read };
            assert_eq!(world.steps[world.steps.len() - 2..], [last, Step::Ended]);
        }
    }
}

/// DRV-20: a caller that waits to write also reads, as much as fits, and loses nothing.
#[test]
fn a_caller_that_waits_to_write_also_reads() {
    let mut world = World::new(Role::Server, keepalive(200, 300));
    world.connection.feed(vec![0; 1 << 20]).unwrap();
    world.room = Some(0);
    let messages: Vec<u8> = (0..10_000).flat_map(|_| wire::text(Role::Client, "word")).collect();
    world.waiting.clone_from(&messages);
    assert!(matches!(flush(&mut world), Step::Wait(Some(_))));
    let read = messages.len() - world.waiting.len();
    assert!((10_000..20_000).contains(&read), "{read}");
    // Nothing more fits, which does not count as silence of the peer.
    for n in 1..100 {
        world.now = n * 100;
        assert!(matches!(flush(&mut world), Step::Wait(Some(_))), "at {n}");
        assert_eq!(world.connection.ready_state(), ReadyState::Open);
    }
    world.room = Some(usize::MAX);
    assert_eq!(flush(&mut world), Step::Written);
    world.until(10_000);
    assert_eq!(world.got.len(), 10_000);
}

/// DRV-20: the peer's Close and the end of the transport end the wait, and are not lost.
#[test]
fn the_close_of_the_peer_ends_the_wait_to_write() {
    for fails in [false, true] {
        let mut world = World::new(Role::Client, Timers::new());
        world.connection.feed(vec![0; 1 << 20]).unwrap();
        world.room = Some(0);
        world.waiting = wire::close(Role::Server, 1011, "");
        world.ended = Some(if fails { Err(()) } else { Ok(()) });
        assert_eq!(ended(&mut world), if fails { 0 } else { 500 });
        assert_eq!(
            world.driver().write_outcome(),
            Err(ProtocolError::ConnectionLost),
            "not all was written"
        );
        world.take_events();
        assert_eq!(world.got, ["close Some(1011)"]);
        assert_eq!(world.until(60_000), Some(world.now), "nothing is left to wait for");
        assert_eq!(world.connection.close_info().unwrap().code.value(), 1011);
    }
}

/// DRV-20: two ends that each send a long message at once, and then receive, do not block each other: the part of a message that
/// has arrived moves to its own buffer, and what follows it is not lost.
#[test]
fn a_long_message_is_received_while_waiting_to_write() {
    for (kind, has_ping) in [(BINARY, false), (TEXT, false), (TEXT, true)] {
        let mut world = World::new(Role::Client, Timers::new());
        world.connection.feed(vec![0; 1 << 20]).unwrap();
        world.room = Some(0);
        let payload = vec![b'x'; 1 << 20];
        let (first, rest) = payload.split_at(300_000);
        world.waiting = wire::frame(Role::Server, kind, first);
        if has_ping {
            // An event that stops parsing until it is taken.
            world.waiting.extend(wire::ping(Role::Server, b"ping"));
        }
        world.waiting.extend(wire::frame(Role::Server, FIN, rest));
        world.waiting.extend(wire::text(Role::Server, "after"));
        for _ in 0..3 {
            assert!(matches!(flush(&mut world), Step::Wait(Some(_))));
            assert_eq!(world.waiting.is_empty(), !has_ping);
        }
        world.room = Some(usize::MAX);
        assert_eq!(flush(&mut world), Step::Written);
        world.until(1000);
        assert_eq!(world.got.len(), 2);
        let expected = if kind == TEXT {
            std::str::from_utf8(&payload).unwrap()
        } else {
            "binary"
        };
        assert!(world.got[0] == expected, "{} bytes", world.got[0].len());
        assert_eq!(world.got[1], "after");
    }
}

/// DRV-16, DRV-20: bytes that a caller has read while waiting to write, but not looked at, are progress of an unfinished message.
#[test]
fn a_message_that_keeps_arriving_during_a_flush_is_not_given_up() {
    let timers = Timers::new().message(millis(1000)).write(None);
    let mut world = World::new(Role::Server, timers);
    world.waiting = wire::frame(Role::Client, TEXT, b"it ");
    world.until(10);
    world.room = Some(0);
    world.connection.feed("an answer").unwrap();
    for _ in 0..20 {
        world.waiting = wire::frame(Role::Client, wire::CONTINUATION, b"continues ");
        assert!(matches!(flush(&mut world), Step::Wait(_)));
        assert_eq!(world.connection.close_info(), None, "at {}", world.now);
        world.now += 500;
    }
    // The end of the message is progress, too, no matter how late it is looked at.
    world.waiting = wire::frame(Role::Client, FIN | wire::CONTINUATION, b"and ends");
    for _ in 0..4 {
        flush(&mut world);
        world.now += 500;
    }
    world.turn();
    assert_eq!(world.got.len(), 1);

    // If nothing arrives, the caller that receives gives it up.
    world.waiting = wire::frame(Role::Client, TEXT, b"it ");
    world.turn();
    let begun = world.now;
    world.until(begun + 5000);
    let failure = world.connection.close_info().and_then(|closure| closure.failure);
    assert_eq!(failure, Some(ProtocolError::TimedOut(Timer::Message)));
}

/// DRV-02, DRV-20: a flush gives up a peer that takes nothing, while nothing more fits into the receive buffer. This ends one
/// direction: the messages that did not fit are received afterwards.
#[test]
fn a_flush_that_gives_up_leaves_what_did_not_fit() {
    let mut world = World::new(Role::Server, Timers::new().write(millis(1000)));
    world.room = Some(0);
    world.connection.feed("an answer").unwrap();
    let message = wire::text(Role::Client, &"x".repeat(1000));
    world.waiting = message.repeat(100);
    assert!(matches!(flush(&mut world), Step::Wait(_)));
    assert!(!world.waiting.is_empty(), "not everything fits");
    world.now = 1000;
    assert_eq!(flush(&mut world), Step::Ended);
    assert_eq!(
        world.driver().write_outcome(),
        Err(ProtocolError::TimedOut(Timer::Write))
    );

    assert_eq!(world.until(1000), Some(1000));
    assert_eq!(world.got.len(), 100);
    assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Write)));
}

/// DRV-16: a long message that was read to its end while a caller waits to write makes no more progress, and need not.
#[test]
fn a_message_that_waits_to_be_taken_is_not_unfinished() {
    let timers = Timers::new().message(millis(1000)).write(millis(100_000));
    let mut world = World::new(Role::Client, timers);
    let message = wire::binary(Role::Server, &[7; 60_000]);
    world.waiting = message[..40_000].to_vec();
    assert!(matches!(world.turn(), Step::Wait(Some(_))));
    world.connection.feed(vec![0; 1 << 20]).unwrap();
    world.room = Some(0);
    world.waiting = message[40_000..].to_vec();
    for now in [0, 900, 1300, 5000, 50_000] {
        world.now = now;
        assert!(matches!(flush(&mut world), Step::Wait(Some(_))), "at {now}");
        assert_eq!(world.connection.ready_state(), ReadyState::Open, "at {now}");
    }
    world.room = Some(usize::MAX);
    assert_eq!(flush(&mut world), Step::Written);
    world.turn();
    assert_eq!(world.got, ["binary"]);
}

/// DRV-07, DRV-17: when a writer has given up the peer, a reader that comes late to a flood ends with the same deadline.
#[test]
fn the_end_names_the_deadline_that_the_writer_reported() {
    let mut world = World::new(Role::Server, Timers::new().write(millis(1000)));
    world.until(1);
    world.room = Some(0);
    world.connection.feed("an answer").unwrap();
    for now in [1, 1001, 1001] {
        world.now = now;
        world.driver().writable();
        loop {
            let step = world.driver().next_write();
            match step {
                Step::Write => world.driver().write_blocked(),
                Step::Time => world.driver().at_write(ms(now)),
                Step::Wait(Some(due)) if due <= ms(now) => world.driver().at_write(ms(now)),
                _ => break,
            }
        }
        // Reporting the same time again starts the time of the closing handshake.
        world.driver().at_write(ms(now));
    }
    let _ = world.driver().next_write();
    assert_eq!(
        world.driver().write_outcome(),
        Err(ProtocolError::TimedOut(Timer::Write))
    );

    world.waiting = wire::text(Role::Client, &"x".repeat(1000)).repeat(1000);
    world.now = 60_000;
    world.until(60_001);
    assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Write)));
}
