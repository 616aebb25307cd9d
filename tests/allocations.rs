//! How often and how much the data phase allocates.
//!
//! This is a separate target because the counting allocator replaces the global one. It counts by thread, so tests do not disturb
//! each other.

#![cfg(feature = "os-entropy")]
#![allow(clippy::cast_possible_truncation, reason = "samples may wrap")]

use allocation_counter::measure;
use websocket_proto::{
    Buf, Config, Connection, Event, Fragment, Message, PreparedMessage, ProtocolError, RecvBuffer, Role, SendError,
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
};

/// The most bytes that a read returns.
const READ: usize = 64 << 10;

fn frame(from: Role, opcode: Opcode, payload: &[u8], bytes: &mut Vec<u8>) {
    let masking_key = (from == Role::Client).then(|| MaskingKey::new([0x37, 0xfa, 0x21, 0x3d]));
    let header = FrameHeader {
        fin: true,
        rsv: Rsv::NONE,
        opcode,
        masking_key,
        payload_len: payload.len() as u64,
    };
    let mut head = [0; FrameHeader::MAX_LEN];
    let len = header.encode(&mut head);
    bytes.extend_from_slice(&head[..len]);
    match masking_key {
        Some(key) => key.apply_into(payload, bytes),
        None => bytes.extend_from_slice(payload),
    }
}

/// Messages of 16 bytes to `most`, alternately text and binary, enough of them that many are cut by reads.
fn messages(from: Role, most: usize) -> (Vec<u8>, usize) {
    let (mut bytes, mut count) = (Vec::new(), 0);
    while bytes.len() < 40 * READ {
        for len in [16, 100, 125, 126, 1000, 4000, 4096, 5000, 10_000, 16 << 10] {
            if len <= most {
                frame(from, Opcode::Binary, &vec![0xf5; len], &mut bytes);
                frame(from, Opcode::Text, "é".repeat(len / 2).as_bytes(), &mut bytes);
                count += 2;
            }
        }
    }
    (bytes, count)
}

/// A connection that reads into 64 KiB.
fn connection(role: Role) -> Connection {
    let mut connection = Connection::new(role, &Config::new());
    connection.split_mut().0.give_buffer(RecvBuffer::with_capacity(READ));
    connection
}

/// Reads all bytes as a transport delivers them, and acts on the events that the connection then has.
fn read(connection: &mut Connection, mut bytes: &[u8], mut act: impl FnMut(&mut Connection)) {
    while !bytes.is_empty() {
        let space = connection.space();
        let n = space.len().min(bytes.len());
        space[..n].copy_from_slice(&bytes[..n]);
        connection.advance(n);
        bytes = &bytes[n..];
        act(connection);
    }
}

/// Writes all output, like a transport that accepts everything.
fn write(connection: &mut Connection) -> usize {
    let mut written = 0;
    while connection.output().has_remaining() {
        let n = connection.output().chunk().len();
        connection.output().advance(n);
        written += n;
    }
    written
}

/// Allocations of the second run; the first is a warm-up.
fn allocations(mut act: impl FnMut()) -> u64 {
    act();
    measure(act).count_total
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];

#[test]
fn receiving_lent_messages_allocates_nothing() {
    for role in ROLES {
        let (bytes, expected) = messages(role.peer(), 16 << 10);
        for own_buffer in [true, false] {
            let mut connection = match own_buffer {
                true => Connection::new(role, &Config::new()),
                false => connection(role),
            };
            let mut seen = 0;
            let count = allocations(|| {
                read(&mut connection, &bytes, |connection| {
                    while let Some(event) = connection.next_event().expect("valid frames") {
                        seen += usize::from(matches!(event, Event::Message(_)));
                    }
                });
            });
            assert_eq!(seen, 2 * expected);
            assert_eq!(count, 0, "{role:?} for {expected} messages");
        }
    }
}

#[test]
fn sending_small_messages_allocates_nothing() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        let payload = [7; 4096];
        let count = allocations(|| {
            for i in 0..5000 {
                connection.feed(&payload[..i % 4097]).expect("open");
                connection.feed("text").expect("open");
                connection.feed(Fragment::last(&payload[..i % 100])).expect("open");
                if i % 7 == 0 {
                    connection.ping(&payload[..125]).expect("open");
                    connection.pong(b"").expect("open");
                }
                write(&mut connection);
            }
        });
        assert_eq!(count, 0, "{role:?}");
    }
}

#[test]
fn batches_of_messages_are_sent_without_allocation() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        let count = allocations(|| {
            for _ in 0..50 {
                for i in 0..200 {
                    connection.feed(&[7; 300][..i]).expect("open");
                }
                // The queue never becomes empty: one byte always remains.
                while connection.output().remaining() > 1 {
                    let n = (connection.output().chunk().len() - 1).clamp(1, 1000);
                    connection.output().advance(n);
                }
            }
        });
        assert_eq!(count, 0, "{role:?}");
    }
}

#[test]
fn automatic_pongs_allocate_nothing() {
    for role in ROLES {
        let mut connection = connection(role);
        // Up to 16 Pings in a read are all answered; if there are more, the latest is kept separately.
        for (pings, most) in [(16, 0), (100, 2000)] {
            let mut bytes = Vec::new();
            for i in 0..pings {
                frame(role.peer(), Opcode::Ping, &[9; 125][..i % 126], &mut bytes);
            }
            let count = allocations(|| {
                for _ in 0..1000 {
                    read(&mut connection, &bytes, |connection| {
                        while connection.next_event().expect("valid frames").is_some() {}
                        assert!(write(connection) >= 17 * 2);
                    });
                }
            });
            assert!(count <= most, "{role:?}: {count} for {pings} at a time");
        }
    }
}

/// Answers every message with itself while it is lent, and writes once per read.
fn echo(connection: &mut Connection, bytes: &[u8]) {
    read(connection, bytes, |connection| {
        let (inbound, outbound) = connection.split_mut();
        while let Some(event) = inbound.next_event(outbound).expect("valid frames") {
            if let Event::Message(message) = event {
                outbound.feed(message).expect("room");
            }
        }
        write(connection);
    });
}

#[test]
fn echoing_lent_messages_allocates_nothing() {
    for role in ROLES {
        let (bytes, _) = messages(role.peer(), 4 << 10);
        let mut connection = connection(role);
        assert_eq!(allocations(|| echo(&mut connection, &bytes)), 0, "{role:?}");
    }
}

/// A message of over 4 KiB that a read cuts is assembled, and echoed together with the buffer that it was assembled in: that
/// costs a few allocations for each read, whatever the number of messages.
#[test]
fn echoing_longer_messages_allocates_only_for_cut_ones() {
    for role in ROLES {
        let (bytes, _) = messages(role.peer(), 16 << 10);
        let reads = bytes.len().div_ceil(READ) as u64 + 1;
        let mut connection = connection(role);
        let count = allocations(|| echo(&mut connection, &bytes));
        assert!(count <= 6 * reads, "{role:?}: {count} in {reads} reads");
    }
}

#[test]
fn an_owned_message_is_one_allocation() {
    for role in ROLES {
        let (bytes, expected) = messages(role.peer(), 16 << 10);
        let reads = bytes.len().div_ceil(READ) as u64 + 1;
        for as_bytes in [true, false] {
            let mut connection = connection(role);
            let count = allocations(|| {
                read(&mut connection, &bytes, |connection| {
                    while let Some(event) = connection.next_event().expect("valid frames") {
                        match event {
                            Event::Message(message) if as_bytes => drop(message.into_bytes()),
                            Event::Message(message) => drop(message.into_owned()),
                            _ => {}
                        }
                    }
                });
            });
            // The message that a read cuts grows in steps, because the message before it took the buffer.
            assert!(count <= expected as u64 + 4 * reads, "{role:?}: {count} for {expected}");
        }
    }
}

/// A large message costs its own size and the doubling while it grows, whether it is taken or not.
#[test]
fn a_large_message_is_allocated_about_once() {
    let mut bytes = Vec::new();
    frame(Role::Client, Opcode::Binary, &vec![1; 8 << 20], &mut bytes);
    for taken in [true, false] {
        let mut connection = connection(Role::Server);
        let info = measure(|| {
            read(&mut connection, &bytes, |connection| {
                if let Some(Event::Message(message)) = connection.next_event().expect("valid frames") {
                    assert_eq!(message.len(), 8 << 20);
                    if taken {
                        drop(message.into_bytes());
                    }
                }
            });
        });
        assert!(info.count_total <= 20, "{info:?}");
        // During a reallocation the old and the new buffer exist at the same time.
        assert!(info.bytes_max <= 13 << 20, "{info:?}");
    }
}

/// A message of many reads is one allocation, too, from the second message on: by then the connection knows how long they may
/// get.
#[test]
fn a_long_owned_message_is_one_allocation() {
    for role in ROLES {
        for opcode in [Opcode::Binary, Opcode::Text] {
            let mut bytes = Vec::new();
            frame(role.peer(), opcode, &[b'x'; 1 << 20], &mut bytes);
            let mut connection = connection(role);
            let count = allocations(|| {
                read(&mut connection, &bytes, |connection| {
                    while let Some(event) = connection.next_event().expect("a valid frame") {
                        let Event::Message(message) = event else {
                            panic!("{event:?}");
                        };
                        assert_eq!(message.into_owned().len(), 1 << 20);
                    }
                });
            });
            assert_eq!(count, 1, "{role:?}, {opcode:?}");
        }
    }
}

#[test]
fn queueing_a_large_owned_message_copies_nothing() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.feed("warm up").expect("open");
        write(&mut connection);
        let payload = vec![1; 1_000_000];
        let info = measure(|| {
            connection.feed(payload).expect("open");
            assert!(connection.output().remaining() > 1_000_000);
        });
        assert!(info.bytes_total < 1000, "{role:?}: {info:?}");
    }
}

#[test]
fn a_prepared_message_is_cloned_and_sent_without_allocation() {
    for len in [0, 1, 125, 4096, 100_000] {
        let message = PreparedMessage::binary(vec![1; len]);
        // The first connection that shares the frame allocates the reference count.
        let mut connection = Connection::new(Role::Server, &Config::new());
        connection.feed(&message).expect("open");

        let mut connections: Vec<_> = (0..100)
            .map(|_| Connection::new(Role::Server, &Config::new()))
            .collect();
        let info = measure(|| {
            for connection in &mut connections {
                let clone = message.clone();
                connection.feed(&clone).expect("open");
                assert!(connection.output().len() > len);
                write(connection);
                connection.release();
            }
        });
        assert_eq!(info.count_total, 0, "{len}: {info:?}");
    }
}

/// The frame is made in one allocation, and the shared structure in another.
#[test]
fn preparing_a_message_copies_the_payload_once() {
    let payload = vec![1; 100_000];
    let info = measure(|| drop(PreparedMessage::binary(&payload)));
    assert!(info.count_total == 2 && info.bytes_total < 100_300, "{info:?}");
}

/// A thousand connections with one queued message use no memory beyond their own; each further message costs a reference.
#[test]
fn a_queued_broadcast_costs_no_memory_per_connection() {
    const CONNECTIONS: i64 = 1000;
    let messages = [1, 2, 3, 4].map(|fill| PreparedMessage::binary(vec![fill; 64 << 10]));
    let mut connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| Connection::new(Role::Server, &Config::new()))
        .collect();
    for (i, most) in [0, 256, 0, 0].into_iter().enumerate() {
        let info = measure(|| {
            for connection in &mut connections {
                connection.feed(&messages[i]).expect("room");
            }
        });
        println!(
            "message {i}: {} bytes for {CONNECTIONS} connections",
            info.bytes_current
        );
        assert!(info.bytes_current <= most * CONNECTIONS + 100, "message {i}: {info:?}");
    }
    assert!(
        connections
            .iter_mut()
            .all(|connection| connection.output().len() > 4 * (64 << 10))
    );
}

/// Sending to a group allocates nothing, whatever happens to the messages, once the queues have grown; a subscription costs what
/// the documentation states.
#[cfg(feature = "tokio")]
#[test]
fn a_broadcast_to_a_group_allocates_nothing() {
    use core::{
        pin::pin,
        task::{Context, Waker},
    };
    use websocket_proto::tokio::{Broadcast, WhenSlow};

    const RECEIVERS: usize = 1000;
    let room = Broadcast::new();
    let mut subscriptions = Vec::with_capacity(RECEIVERS);
    let info = measure(|| {
        for i in 0..RECEIVERS {
            let policies = [WhenSlow::DropMessage, WhenSlow::DropOldest, WhenSlow::Disconnect];
            subscriptions.push(room.subscribe(4, policies[i % 3]));
        }
    });
    let each = info.bytes_current as usize / RECEIVERS + size_of_val(&subscriptions[0]);
    println!("a subscription: {each} bytes");
    assert!(each <= 256, "{each} bytes");

    let message = PreparedMessage::binary(vec![1; 1000]);
    let mut round = || {
        for subscription in &mut subscriptions {
            let mut recv = pin!(subscription.recv());
            let polled = recv.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        for _ in 0..4 {
            assert_eq!(
                room.try_send(&message).expect("no receiver to wait for").queued,
                RECEIVERS
            );
        }
        for subscription in &mut subscriptions {
            while subscription.try_recv().expect("open").is_some() {}
        }
    };
    round();
    let grown = measure(&mut round);
    assert_eq!(grown.count_total, 0, "{grown:?}");
    let freed = measure(|| drop(subscriptions));
    println!(
        "with a queue that was used: {} bytes",
        -freed.bytes_current / RECEIVERS as i64
    );
    assert_eq!(room.receivers(), 0);
}

/// `allocated` reports the actual heap of a connection.
#[test]
fn allocated_reports_the_heap_of_a_connection() {
    for role in ROLES {
        let mut slot = None;
        let mut whole = Vec::new();
        frame(role.peer(), Opcode::Binary, &vec![1; 200_000], &mut whole);
        frame(role.peer(), Opcode::Ping, b"?", &mut whole);
        for received in [0, 1, 5, 100, 20_000, 100_000, 200_005, whole.len()] {
            for send in [0, 10, 10_000] {
                let info = measure(|| {
                    let mut connection = Connection::new(role, &Config::new());
                    for chunk in whole[..received].chunks(3000) {
                        connection.receive(chunk);
                        while connection.next_event().expect("valid frames").is_some() {}
                    }
                    if send > 0 {
                        connection.feed(&[1; 10_000][..send]).expect("open");
                    }
                    slot = Some(connection);
                });
                let connection = slot.take().expect("made above");
                let live = info.bytes_current as usize;
                assert_eq!(
                    connection.allocated(),
                    live,
                    "{role:?}, {received} received, {send} sent"
                );
            }
        }
    }
}

/// The same with many messages that are sent without copying.
#[test]
fn allocated_reports_the_heap_of_queued_messages() {
    for count in 0..12 {
        let mut slot = None;
        let info = measure(|| {
            let mut connection = Connection::new(Role::Server, &Config::new());
            for _ in 0..count {
                connection.feed(vec![1; 10_000]).expect("open");
            }
            slot = Some(connection);
        });
        let allocated = slot.map(|connection| connection.allocated() as i64);
        assert_eq!(allocated, Some(info.bytes_current), "{count} messages");
    }
}

/// A released connection uses no memory beyond its own size, but a client also keeps one batch of masking keys.
#[test]
fn a_released_connection_has_no_heap() {
    for role in ROLES {
        let (bytes, _) = messages(role.peer(), 16 << 10);
        let mut slot = None;
        let info = measure(|| {
            let mut connection = Connection::new(role, &Config::new());
            echo(&mut connection, &bytes);
            connection.release();
            slot = Some(connection);
        });
        let keys = i64::from(role == Role::Client);
        assert!(
            info.count_current <= keys && info.bytes_current <= 1100 * keys,
            "{role:?}: {info:?}"
        );
        let allocated = slot.map(|connection| connection.allocated() as i64);
        assert_eq!(allocated, Some(info.bytes_current));
    }
}

#[test]
fn types_that_move_around_are_small() {
    let bound = |what: &str, size: usize, most: usize| {
        println!("{what}: {size} bytes");
        assert!(size <= most, "{what} has {size} bytes");
    };
    bound("Connection", size_of::<Connection>(), 536);
    bound("Event", size_of::<Event<'_>>(), 48);
    bound(
        "Result of next_event",
        size_of::<Result<Option<Event<'_>>, ProtocolError>>(),
        48,
    );
    bound("Message", size_of::<Message<'_>>(), 40);
    // More than two words would cost each call of `recv` instructions.
    bound("Error", size_of::<websocket_proto::Error>(), 16);
    bound("ProtocolError", size_of::<ProtocolError>(), 16);
    bound("SendError", size_of::<SendError>(), 8);
    bound("SendError<Message>", size_of::<SendError<Message<'_>>>(), 48);
    bound("RecvBuffer", size_of::<RecvBuffer>(), 40);
}
