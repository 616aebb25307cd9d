//! Owned buffers: output that is taken and confirmed later, and receive buffers that were filled elsewhere.

use bytes::Bytes;
use websocket_proto::{Buf, Limits, OwnedOutput, RecvBuffer};

use super::*;

/// Writes part of the taken output.
fn write(output: &mut OwnedOutput, n: usize, written: &mut Vec<u8>) {
    for _ in 0..n {
        written.push(output.chunk()[0]);
        output.advance(1);
    }
}

/// DRV-11: taken output counts until it is confirmed, and what is queued in the meantime comes after it.
#[test]
fn taken_output_counts_until_it_is_confirmed() {
    let limits = Limits::new().output_high_water(10);
    let mut connection = Connection::new(Role::Server, &Config::new().limits(limits));
    connection.feed("one").unwrap();
    let (inbound, driver) = connection.drive();
    assert_eq!(driver.next(inbound), Step::Write);
    let mut output = driver.take_output();
    let outbound = driver.outbound();
    assert_eq!((outbound.queued(), outbound.output().len()), (5, 0));
    outbound.feed("two").unwrap();
    assert_eq!((outbound.queued(), outbound.is_full()), (10, true));
    assert_eq!(outbound.feed("three"), Err(SendError::Full("three".into())));
    assert_eq!(driver.next(inbound), Step::Time, "the deadline of stalled output");
    driver.at(ms(0));
    assert_eq!(
        driver.next(inbound),
        Step::Read,
        "no other write before this one is done"
    );
    assert_eq!(driver.take_output().remaining(), 0);

    let mut written = vec![];
    write(&mut output, 2, &mut written);
    driver.return_output(output);
    assert_eq!(driver.outbound().queued(), 8);
    assert_eq!(driver.next(inbound), Step::Write);
    let mut output = driver.take_output();
    assert_eq!(output.remaining(), 8, "the rest, and what was queued later");
    write(&mut output, 8, &mut written);
    driver.return_output(output);
    assert_eq!(written, b"\x81\x03one\x81\x03two");
    assert_eq!((driver.outbound().queued(), driver.next(inbound)), (0, Step::Flush));
    driver.flushed();
    assert_eq!(driver.next(inbound), Step::Read);
}

/// DRV-11, SEC-09: whatever is queued between two writes, and however much each writes, the bytes stay the same.
#[test]
fn nothing_is_lost_or_reordered() {
    for seed in 0..300_u32 {
        let mut state = seed;
        let mut below = |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % n
        };
        let config = Config::new().limits(Limits::new().output_high_water(usize::MAX));
        let mut connections = [0; 2].map(|_| Connection::new(Role::Server, &config));
        let (mut taken, mut written) = (None, vec![]);
        for i in 0..60_u8 {
            let len = [3, 4097, 70_000][below(3)];
            match below(6) {
                0 => connections.iter_mut().for_each(|c| c.feed(vec![i; len]).unwrap()),
                1 => connections.iter_mut().for_each(|c| c.feed(&vec![i; len]).unwrap()),
                2 => {
                    let prepared = PreparedMessage::binary(vec![i; len]);
                    connections.iter_mut().for_each(|c| c.feed(&prepared).unwrap());
                }
                3 => connections
                    .iter_mut()
                    .for_each(|c| c.receive(&wire::ping(Role::Client, &[i]))),
                4 => taken = taken.or_else(|| Some(connections[0].drive().1.take_output())),
                _ => {
                    if let Some(mut output) = taken.take() {
                        let n = below(output.remaining() + 1);
                        write(&mut output, n, &mut written);
                        connections[0].drive().1.return_output(output);
                    }
                }
            }
            connections
                .iter_mut()
                .for_each(|c| while let Ok(Some(_)) = c.next_event() {});
        }
        if let Some(output) = taken {
            connections[0].drive().1.return_output(output);
        }
        let rest = connections[0].output();
        written.extend(rest.copy_to_bytes(rest.remaining()));
        let whole = connections[1].output();
        // During writes, more Pings are answered: only the number that may be queued is the same.
        let (whole, written) = (
            wire::parse(&whole.copy_to_bytes(whole.remaining())).0,
            wire::parse(&written).0,
        );
        let data = |frames: &[wire::Sent]| {
            let frames = frames.iter().filter(|frame| frame.opcode() != PONG);
            frames.map(|frame| frame.payload.clone()).collect::<Vec<_>>()
        };
        assert!(data(&whole) == data(&written), "seed {seed}");
        assert!(whole.len() <= written.len(), "seed {seed}: Pongs are missing");
    }
}

/// DRV-11: output that is dropped, or comes from another connection, ends the sending direction, and the loss is reported.
#[test]
fn output_that_is_not_returned_ends_the_connection() {
    let mut world = World::new(Role::Server, Timers::new());
    world.connection.feed("dropped").unwrap();
    drop(world.driver().take_output());
    assert_eq!(world.until(60_000), Some(30_000));
    assert_eq!(world.outcome(), Err(ProtocolError::TimedOut(Timer::Write)));
    assert!(world.written.is_empty());

    let mut world = World::new(Role::Server, Timers::new());
    let mut other = World::new(Role::Server, Timers::new());
    world.connection.feed("this").unwrap();
    other.connection.feed("another").unwrap();
    drop(world.driver().take_output());
    let foreign = other.driver().take_output();
    world.driver().return_output(foreign);
    assert_eq!(world.driver().write_outcome(), Err(ProtocolError::ConnectionLost));
    assert!(world.driver().drops_output());

    // Output that is returned after the connection ended has no effect.
    let mut world = World::new(Role::Server, Timers::new());
    world.connection.feed("too late").unwrap();
    let output = world.driver().take_output();
    world.ended = Some(Ok(()));
    assert_eq!(world.until(10), Some(0));
    world.driver().return_output(output);
    assert_eq!(world.turn(), Step::Ended);
    assert_eq!(world.connection.output().len(), 0);
}

/// A payload that is sent without copying is handed out without a copy; a chunk is no longer than one write may be.
#[test]
fn payloads_are_not_copied() {
    let payload = Bytes::from(vec![7; 200_000]);
    for owned in [false, true] {
        let mut connection = Connection::new(Role::Server, &Config::new());
        connection.feed(payload.clone()).unwrap();
        let mut output;
        let buf: &mut dyn Buf = if owned {
            output = connection.drive().1.take_output();
            &mut output
        } else {
            connection.output()
        };
        assert_eq!(buf.copy_to_bytes(10), wire::header(FIN | BINARY, 200_000, None));
        assert_eq!(buf.chunk().len(), if owned { Driver::MAX_WRITE } else { 200_000 });
        for (from, n) in [(0, 60_000), (60_000, 140_000)] {
            let shared = buf.copy_to_bytes(n);
            assert_eq!((shared.as_ptr(), shared.len()), (payload[from..].as_ptr(), n));
        }
        assert_eq!(buf.remaining(), 0);
    }
}

/// Bytes that were received elsewhere are adopted with their buffer, wherever they are cut.
#[test]
fn a_filled_buffer_is_adopted() {
    let messages = [3, 300, 70_000, 0, 130].map(|len| wire::binary(Role::Server, &wire::sample(len)));
    let bytes = messages.concat();
    for step in [1, 7, 100, 1000, 4000] {
        let mut client = Connection::new(Role::Client, &Config::new());
        let (mut spare, mut got) = (RecvBuffer::with_capacity(4000), vec![]);
        for chunk in bytes.chunks(step) {
            let mut filled = Vec::from(spare);
            filled.resize(4000, 0);
            filled[..chunk.len()].copy_from_slice(chunk);
            let (inbound, driver) = client.drive();
            spare = inbound.receive_buffer(filled.into(), chunk.len());
            while let Some(event) = inbound.next_event(driver.outbound()).unwrap() {
                match event {
                    Event::Message(message) => got.push(message.as_bytes().to_vec()),
                    event => panic!("{event:?}"),
                }
            }
        }
        assert!(
            got.iter().map(Vec::len).eq([3, 300, 70_000, 0, 130]) && got[2] == wire::sample(70_000),
            "{step}"
        );
    }
    // Not copied: the message is lent from where it was received.
    let mut client = Connection::new(Role::Client, &Config::new());
    let place = RecvBuffer::from(messages[1].clone());
    let filled = Vec::from(place);
    let (at, len) = (filled.as_ptr(), messages[1].len());
    let _ = client.drive().0.receive_buffer(filled.into(), len);
    match client.next_event() {
        Ok(Some(Event::Message(message))) => assert_eq!(message.as_bytes().as_ptr(), at.wrapping_add(4)),
        event => panic!("{event:?}"),
    }
}

/// DRV-09: with a high water mark of 0, one message at a time is queued.
#[test]
fn a_mark_of_zero_queues_one_message() {
    let limits = Limits::new().output_high_water(0);
    let mut connection = Connection::new(Role::Server, &Config::new().limits(limits));
    for _ in 0..2 {
        assert!(!connection.drive().1.outbound().is_full());
        connection.feed("x").unwrap();
        assert_eq!(connection.feed("y"), Err(SendError::Full("y".into())));
        connection.output().advance(3);
    }
}

/// DRV-15: a flood of prepared messages of any length takes no more memory than the mark promises.
#[test]
fn prepared_messages_count_with_their_bookkeeping() {
    const MARK: usize = 1 << 20;
    for len in [0, 1, 16, 100, 1000, 4092, 4093, 5000] {
        let prepared = PreparedMessage::binary(vec![1; len]);
        let mut connection = Connection::new(Role::Server, &Config::new());
        while connection.feed(&prepared).is_ok() {}
        let (queued, held) = (connection.drive().1.outbound().queued(), connection.allocated());
        assert!(
            queued >= MARK && held < 2 * MARK + MARK / 8,
            "{len}: {held} bytes for {queued}"
        );
        let mut slices = [std::io::IoSlice::new(&[]); 16];
        let output = connection.output();
        let used = output.chunks_vectored(&mut slices);
        let bytes: usize = slices[..used].iter().map(|slice| slice.len()).sum();
        assert!(bytes >= 16 * 4096 - 4096, "{len}: one write for {bytes} bytes");
    }
}
