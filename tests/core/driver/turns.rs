//! Turns, bounds, operations that complete later, and two tasks.

use super::*;

/// DRV-19: one write gets a bounded part of the queue.
#[test]
fn a_write_gets_a_bounded_part_of_the_queue() {
    let mut connection = Connection::new(Role::Server, &Config::new());
    for len in [10, 5000, 100_000, 10] {
        connection.feed(vec![1; len]).unwrap();
    }
    let (total, (_, driver)) = (connection.output().len(), connection.drive());
    let mut written = 0;
    while driver.outbound().wants_write() {
        let mut slices = [std::io::IoSlice::new(&[]); 16];
        let used = driver.slices(&mut slices);
        let n: usize = slices[..used].iter().map(|slice| slice.len()).sum();
        assert!(n == Driver::MAX_WRITE || n == total - written, "{n}");
        assert!(driver.chunk().len() <= n && slices[..used].iter().all(|slice| !slice.is_empty()));
        driver.wrote(n);
        written += n;
    }
    assert_eq!(written, total);
}

/// DRV-07: a change that one direction makes for the other is reported once, and only if the other waits.
#[test]
fn each_direction_reports_whom_it_wakes() {
    let mut world = World::new(Role::Server, Timers::new());
    assert_eq!(world.turn(), Step::Wait(None));
    assert!(!world.driver().has_waiting(), "the one whose turn it was");
    world.room = Some(0);
    world.connection.feed("x").unwrap();
    // The writer blocks, and now there is a deadline that the reader must watch.
    let driver = world.driver();
    driver.writable();
    assert_eq!(driver.next_write(), Step::Write);
    driver.write_blocked();
    assert_eq!(driver.next_write(), Step::Time);
    driver.at_write(ms(0));
    assert_eq!(driver.next_write(), Step::Wait(Some(ms(30_000))));
    assert!(driver.has_waiting());
    let wakes = driver.wakes();
    assert!(wakes.reader && !wakes.writer, "once");
    assert!(!driver.wakes().reader);
    // The reader finds room again and writes: the writer is woken.
    world.room = Some(100);
    assert_eq!(world.turn(), Step::Wait(None));
    assert!(world.driver().has_waiting());
    assert!(world.driver().wakes().writer);
    assert!(!world.driver().wakes().writer);
    // A Close that the writer queues gives the reader a deadline, and so does a failed write.
    world.driver().outbound().close(CloseCode::NORMAL).unwrap();
    assert!(world.driver().wakes().reader);
    assert_eq!(world.turn(), Step::Wait(Some(ms(5000))));
    let mut world = World::new(Role::Server, Timers::new());
    assert_eq!(world.turn(), Step::Wait(None));
    world.driver().writable();
    world.driver().write_failed();
    assert!(world.driver().wakes().reader);
    assert_eq!(world.driver().next_write(), Step::Ended);
}

/// DRV-07: one timer serves both: a writer that is woken by the reader's timer passes that on.
#[test]
fn the_timer_of_the_reader_is_not_lost() {
    let mut world = World::new(Role::Server, keepalive(200, 300).write(millis(10_000)));
    assert_eq!(world.turn(), Step::Wait(Some(ms(200))));
    world.connection.feed("x").unwrap();
    let driver = world.driver();
    driver.writable();
    driver.write_blocked();
    assert_eq!(driver.next_write(), Step::Time);
    driver.at_write(ms(10));
    assert_eq!(driver.next_write(), Step::Wait(Some(ms(200))));
    driver.at_write(ms(200));
    assert_eq!(driver.next_write(), Step::Wait(Some(ms(10_010))));
    let wakes = driver.wakes();
    assert!(wakes.reader && !wakes.writer);
}

/// DRV-11: an operation in flight is not requested again, whatever becomes due.
#[test]
fn operations_that_complete_later_are_started_once() {
    let mut world = World::new(Role::Server, keepalive(200, 300));
    world.connection.feed("x").unwrap();
    let (inbound, driver) = world.connection.drive();
    assert_eq!(driver.next(inbound), Step::Write);
    driver.write_started();
    assert_eq!(driver.next(inbound), Step::Time);
    driver.at(ms(0));
    assert_eq!(driver.next(inbound), Step::Read);
    driver.read_started();
    assert_eq!(driver.next(inbound), Step::Wait(Some(ms(200))));
    driver.at(ms(200));
    assert_eq!(
        driver.next(inbound),
        Step::Wait(Some(ms(30_000))),
        "the Ping waits for the write"
    );
    driver.at(ms(100_000));
    driver.turn();
    assert_eq!(
        driver.next(inbound),
        Step::Wait(Some(ms(100_001))),
        "neither is tried again"
    );
    driver.wrote(3);
    assert_eq!(driver.next(inbound), Step::Write);
    driver.write_started();
    inbound.receive(&wire::frame(Role::Client, FIN | PONG, b""));
    driver.read(6);
    assert_eq!(inbound.next_event(driver.outbound()), Ok(Some(Event::Pong(b""))));
    assert_eq!(driver.next(inbound), Step::Time);
}

/// DRV-11: a peer that has closed and ended its side may still read: a write in flight at that time is awaited.
#[test]
fn a_write_in_flight_is_awaited() {
    for gives_up in [false, true] {
        let mut connection = Connection::new(Role::Server, &Config::new());
        connection.receive(&[wire::text(Role::Client, "x"), wire::close(Role::Client, 1000, "")].concat());
        connection.feed(&[1; 10_000][..]).unwrap();
        while connection.next_event().unwrap().is_some() {}
        let (inbound, driver) = connection.drive();
        assert_eq!(driver.next(inbound), Step::Write);
        let n = driver.chunk().len();
        driver.write_started();
        assert_eq!(driver.next(inbound), Step::Time);
        driver.at(ms(0));
        assert_eq!(driver.next(inbound), Step::Read);
        driver.read_ended();
        assert_eq!(driver.next(inbound), Step::Wait(Some(ms(500))));
        if gives_up {
            driver.at(ms(500));
            assert_eq!(driver.next(inbound), Step::Ended);
        }
        driver.wrote(n);
        if !gives_up {
            assert_eq!(driver.next(inbound), Step::Flush);
            driver.flushed();
            assert_eq!(driver.next(inbound), Step::Shutdown);
            driver.shut_down();
        }
        assert_eq!(driver.next(inbound), Step::Ended);
        assert_eq!(connection.close_info().unwrap().clean, !gives_up);
    }
}

/// DRV-13: a turn is bounded, even if every read brings a message.
#[test]
fn a_turn_is_bounded() {
    for delivered in [true, false] {
        let mut world = World::new(Role::Server, Timers::new());
        let mut yielded = 0;
        for _ in 0..1000 {
            let message = wire::text(Role::Client, "x");
            world.waiting = if delivered { message } else { message[..1].to_vec() };
            if delivered {
                world.driver().turn();
            }
            let (inbound, driver) = world.connection.drive();
            match driver.next(inbound) {
                Step::Yield => yielded += 1,
                step => assert!(world.perform(step)),
            }
            world.take_events();
            if !delivered && world.connection.ready_state() != ReadyState::Open {
                break;
            }
        }
        assert!(!delivered || (25..35).contains(&yielded), "{yielded}");
    }
}

/// DRV-20, DRV-13: a loop that answers leaves events while the output is full, reads no more than fits, and continues with them
/// once there is room, although nothing reports that the transport is readable.
#[test]
fn events_are_left_while_the_output_is_full() {
    let config = Config::new()
        .timers(Timers::new().idle(millis(500)))
        .limits(Limits::new().output_high_water(1000));
    let mut world = World::with(Role::Server, &config);
    let count = 10_000;
    world.waiting = (0..count)
        .flat_map(|n| wire::text(Role::Client, &format!("message {n:05}")))
        .collect();
    world.ended = Some(Ok(()));
    world.room = Some(0);
    world.driver().turn();
    let mut turns = 0;
    let step = loop {
        let (inbound, driver) = world.connection.drive();
        while !driver.outbound().is_full() {
            match inbound.next_event(driver.outbound()) {
                Ok(Some(Event::Message(message))) => {
                    world.got.push(message.as_text().unwrap().into());
                    driver.outbound().feed(message).unwrap();
                }
                Ok(Some(event)) => panic!("{event:?}"),
                Ok(None) | Err(_) => break,
            }
        }
        let step = driver.next(inbound);
        if step == Step::Read {
            assert!(!inbound.space().is_empty(), "a read into no space looks like the end");
        }
        match step {
            Step::Read | Step::Write | Step::Time | Step::Shutdown | Step::Flush => assert!(world.perform(step)),
            Step::Wait(_) => {
                assert!(world.connection.output().len() < 2000);
                turns += 1;
                if turns % 2 == 0 {
                    // Silence is not judged in the meantime: it is this side that does not read.
                    world.now += 1000;
                    let now = ms(world.now);
                    world.driver().at(now);
                }
                world.room = Some(700);
                world.driver().writable();
            }
            Step::Yield => {}
            step => break step,
        }
        assert!(turns < 10_000);
    };
    assert_eq!((step, world.got.len()), (Step::Ended, count));
    assert!(
        world
            .got
            .iter()
            .enumerate()
            .all(|(n, text)| *text == format!("message {n:05}"))
    );
    assert!(turns > 100, "{turns}");
}

/// The halves, and the connection made from them, can be owned by two tasks.
#[test]
fn halves_can_be_owned_by_two_tasks() {
    fn is_send<T: Send>(_: &T) {}
    let connection = Connection::new(Role::Server, &Config::new());
    let (mut inbound, mut driver): (Inbound, Driver) = connection.into_halves();
    is_send(&inbound);
    is_send(&driver);
    inbound.receive(&wire::frame(Role::Client, FIN | TEXT, b"x"));
    assert!(matches!(
        inbound.next_event(driver.outbound()),
        Ok(Some(Event::Message(_)))
    ));
    driver.outbound().feed("y").unwrap();
    let mut connection = Connection::from_halves(inbound, driver);
    assert_eq!(connection.output().len(), 3);
    connection.receive(&wire::frame(Role::Client, FIN | CLOSE, b""));
    assert_eq!(connection.next_event(), Ok(Some(Event::Close(None))));
}

/// A connection stays small, although it contains its driver.
#[test]
fn a_connection_is_small() {
    // A flag that its end was logged, with padding.
    let logged = if cfg!(feature = "tracing") { 8 } else { 0 };
    assert!(size_of::<Connection>() <= 528 + logged, "{}", size_of::<Connection>());
}

/// Halves of two connections that were combined by mistake harm nobody else: they judge input by the rules of one connection,
/// answer through the other, and come to an end.
#[test]
fn swapped_halves_come_to_an_end() {
    let input = [
        wire::text(Role::Client, "x"),
        wire::ping(Role::Client, b""),
        wire::close(Role::Client, 1000, ""),
    ]
    .concat();
    let input = [
        input,
        wire::text(Role::Server, "x"),
        wire::close(Role::Server, 1000, ""),
    ]
    .concat();
    for begun in 0..input.len() {
        let [(one, two), (three, four)] = ROLES.map(|role| {
            let mut connection = Connection::new(role, &Config::new());
            connection.receive(&input[..begun]);
            while let Ok(Some(_)) = connection.next_event() {}
            connection.feed("y").ok();
            connection.into_halves()
        });
        for (inbound, driver) in [(one, four), (three, two)] {
            let mut world = World::new(Role::Server, Timers::new());
            world.connection = Connection::from_halves(inbound, driver);
            world.waiting = input[begun..].to_vec();
            world.ended = Some(Ok(()));
            assert!(world.until(60_000).is_some(), "{begun}");
        }
    }
}

/// DRV-07, DRV-12: when another task queues something while the reader waits, the reader is woken: it writes it and watches its
/// deadline, even if nobody has had a turn since.
#[test]
fn a_reader_that_waits_is_woken_for_what_is_queued() {
    for queue in [
        |driver: &mut Driver| driver.outbound().close(CloseCode::NORMAL),
        |driver: &mut Driver| driver.outbound().ping(b"x"),
    ] {
        let (mut inbound, mut driver) = Connection::new(Role::Server, &Config::new()).into_halves();
        driver.turn();
        assert_eq!(driver.next(&mut inbound), Step::Read);
        driver.read_blocked();
        assert_eq!(driver.next(&mut inbound), Step::Wait(None));
        assert!(!driver.has_waiting(), "nothing has changed");
        queue(&mut driver).unwrap();
        assert!(driver.has_waiting() && driver.wakes().reader);
        assert!(!driver.has_waiting(), "it is reported once");
    }
}
