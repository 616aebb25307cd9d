//! Who holds which buffer for how long.

use websocket_proto::{Config, Connection, Event, Limits, Message, RecvBuffer, Role};

use crate::{
    raw::{assert_idle, take_events, take_frames},
    wire::{self, BINARY, FIN, ROLES, TEXT, sample},
};

/// Receives a message in reads of that size and takes it.
fn receive_owned<T>(connection: &mut Connection, bytes: &[u8], step: usize, take: impl Fn(Message<'_>) -> T) -> T {
    for chunk in bytes.chunks(step) {
        connection.receive(chunk);
        if let Some(event) = connection.next_event().unwrap() {
            match event {
                Event::Message(message) => return take(message),
                event => panic!("{event:?}"),
            }
        }
    }
    panic!("no message came");
}

/// A large message is taken with its buffer: nothing stays in the connection, and nothing is copied.
#[test]
fn a_large_message_is_taken_with_its_buffer() {
    for role in ROLES {
        let payload = sample(1_000_000);
        let bytes = wire::binary(role.peer(), &payload);
        let mut connection = Connection::new(role, &Config::new());
        let (lent, owned) = receive_owned(&mut connection, &bytes, 50_000, |message| {
            let lent = message.as_bytes().as_ptr() as usize;
            (lent, message.into_bytes())
        });
        assert_eq!(owned, payload);
        assert_eq!(owned.as_ptr() as usize, lent, "taken, not copied");
        assert!(
            connection.allocated() < 200_000,
            "the buffer is gone: {}",
            connection.allocated()
        );

        let text = "é".repeat(500_000);
        let bytes = wire::text(role.peer(), &text);
        let (lent, owned) = receive_owned(&mut connection, &bytes, 50_000, |message| match message {
            Message::Text(text) => (text.as_ptr() as usize, text.into_string()),
            Message::Binary(_) => panic!("text was sent"),
        });
        assert_eq!((owned.as_ptr() as usize, &owned), (lent, &text));

        // A vector is also taken without a copy.
        let bytes = wire::binary(role.peer(), &payload);
        let (lent, owned) = receive_owned(&mut connection, &bytes, 50_000, |message| match message {
            Message::Binary(payload) => (payload.as_ptr() as usize, payload.into_vec()),
            Message::Text(_) => panic!("bytes were sent"),
        });
        assert_eq!((owned.as_ptr() as usize, owned), (lent, payload));
    }
}

/// A small message that is kept uses memory of its own size: it pins neither the receive buffer nor the buffer of a large
/// message.
#[test]
fn a_small_message_does_not_pin_a_large_buffer() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        let large = wire::binary(role.peer(), &sample(500_000));
        receive_owned(&mut connection, &large, 50_000, |message| {
            assert_eq!(message.len(), 500_000)
        });
        let held = connection.allocated();
        assert!(held >= 500_000, "the buffer is kept for the next message");

        let small = wire::fragments(role.peer(), BINARY, &[b"sm", b"all"]);
        let kept = receive_owned(&mut connection, &small, 50_000, |message| message.into_bytes());
        assert_eq!(
            connection.allocated(),
            held,
            "the small one did not take the large buffer with it"
        );
        let kept: Vec<u8> = kept.into();
        assert!(kept.capacity() < 100);

        let small = wire::fragments(role.peer(), TEXT, &[b"sm", b"all"]);
        let kept = receive_owned(&mut connection, &small, 50_000, |message| match message {
            Message::Text(text) => text.into_string(),
            Message::Binary(_) => panic!("text was sent"),
        });
        assert!(kept.capacity() < 100);
    }
}

/// An idle connection holds nothing, whatever it has done before, and works afterwards as if nothing had happened.
#[test]
fn a_released_connection_holds_nothing() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        assert_eq!(connection.allocated(), 0, "a new one holds nothing");
        let streams = [
            wire::text(role.peer(), "short"),
            wire::binary(role.peer(), &sample(200_000)),
            wire::fragments(role.peer(), TEXT, &[b"frag", b"", b"ments"]),
            wire::ping(role.peer(), b"?"),
        ];
        for bytes in &streams {
            for step in [1, 7, 1000, bytes.len()] {
                for chunk in bytes.chunks(step) {
                    connection.receive(chunk);
                    take_events(&mut connection, &mut Vec::new()).unwrap();
                }
                connection.feed(&sample(10_000)).unwrap();
                connection.feed(sample(10_000)).unwrap();
                assert!(connection.allocated() > 0);
                take_frames(role, &mut connection);
                connection.release();
                assert_idle(role, &connection);
            }
        }
    }
}

/// Releasing inside a frame keeps what has arrived of it, and nothing else.
#[test]
fn release_keeps_what_is_needed() {
    let payload = sample(30_000);
    for role in ROLES {
        let bytes = wire::binary(role.peer(), &payload);
        for at in [1, 2, 3, 5, 9, 13, 100, 15_000, 29_000] {
            let mut connection = Connection::new(role, &Config::new());
            connection.space();
            connection.receive(&bytes[..at]);
            assert_eq!(connection.next_event(), Ok(None));
            connection.release();
            assert!(
                connection.allocated() <= 2 * at + 16,
                "{} after {at}",
                connection.allocated()
            );
            connection.receive(&bytes[at..]);
            assert_eq!(
                connection.next_event(),
                Ok(Some(Event::Message(Message::from(&payload))))
            );
        }
        // Also inside a control frame.
        let bytes = wire::ping(role.peer(), &sample(125));
        for at in 1..bytes.len() {
            let mut connection = Connection::new(role, &Config::new());
            connection.space();
            connection.receive(&bytes[..at]);
            assert_eq!(connection.next_event(), Ok(None));
            connection.release();
            assert!(connection.allocated() <= at, "{} after {at}", connection.allocated());
            connection.receive(&bytes[at..]);
            assert_eq!(connection.next_event(), Ok(Some(Event::Ping(&sample(125)))));
        }
    }
}

/// Releasing while events are pending loses none.
#[test]
fn release_loses_no_pending_event() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        let bytes: Vec<u8> = (0..100).flat_map(|i| wire::binary(role.peer(), &sample(i))).collect();
        connection.receive(&bytes);
        for i in 0..100 {
            connection.release();
            assert_eq!(
                connection.next_event(),
                Ok(Some(Event::Message(Message::from(&sample(i)))))
            );
        }
        connection.release();
        assert_idle(role, &connection);
    }
}

/// Pending output survives a release.
#[test]
fn release_keeps_pending_output() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.feed("small").unwrap();
        connection.feed(sample(10_000)).unwrap();
        connection.release();
        let payloads: Vec<Vec<u8>> = take_frames(role, &mut connection)
            .into_iter()
            .map(|frame| frame.payload)
            .collect();
        assert_eq!(payloads, [b"small".to_vec(), sample(10_000)]);
    }
}

/// One buffer serves many connections: between reads they hold only the few bytes of an unfinished header.
#[test]
fn a_buffer_can_be_lent_from_connection_to_connection() {
    let config = Config::new();
    let mut servers: Vec<Connection> = (0..50).map(|_| Connection::new(Role::Server, &config)).collect();
    let bytes: Vec<u8> = (0..30).flat_map(|i| wire::binary(Role::Client, &sample(i))).collect();
    let mut shared = Some(RecvBuffer::with_capacity(512));
    let mut come = vec![0; servers.len()];
    for chunk in bytes.chunks(17) {
        for (server, come) in servers.iter_mut().zip(&mut come) {
            let (inbound, outbound) = server.split_mut();
            let spare = inbound.give_buffer(shared.take().expect("the buffer came back"));
            assert!(spare.capacity() <= 200, "at most what an unfinished frame left");
            inbound.space()[..chunk.len()].copy_from_slice(chunk);
            inbound.advance(chunk.len());
            while let Some(event) = inbound.next_event(outbound).unwrap() {
                assert_eq!(event, Event::Message(Message::from(&sample(*come))));
                *come += 1;
            }
            shared = inbound.take_buffer();
            assert!(inbound.allocated() <= 2 * 36 + 16, "{}", inbound.allocated());
        }
    }
    assert_eq!(come, vec![30; servers.len()]);
    assert!(servers.iter().all(|server| server.allocated() <= 100));
}

/// A buffer that contains events is not taken away; one that is no larger than the present one is handed back.
#[test]
fn buffers_are_swapped_without_loss() {
    let mut client = Connection::new(Role::Client, &Config::new());
    let (inbound, outbound) = client.split_mut();
    assert!(inbound.take_buffer().is_none(), "there is none yet");
    let given = inbound.give_buffer(RecvBuffer::with_capacity(1000));
    assert_eq!(given.capacity(), 0);
    assert_eq!(inbound.give_buffer(RecvBuffer::with_capacity(1000)).capacity(), 1000);
    assert_eq!(
        inbound.give_buffer(RecvBuffer::with_capacity(10)).capacity(),
        256,
        "the smallest size"
    );
    inbound.receive(&wire::binary(Role::Server, &sample(300)));
    assert!(inbound.take_buffer().is_none(), "an event waits in it");
    let former = inbound.give_buffer(RecvBuffer::with_capacity(5000));
    assert_eq!(former.capacity(), 1000);
    assert_eq!(
        inbound.next_event(outbound),
        Ok(Some(Event::Message(Message::from(&sample(300)))))
    );
    assert_eq!(inbound.take_buffer().map(|buffer| buffer.capacity()), Some(5000));
    assert_eq!(inbound.allocated(), 0);
}

/// A long binary message is read straight into the buffer that the message owns afterwards: `space()` is a part of it.
#[test]
fn a_long_message_is_read_in_place() {
    let payload = sample(200_000);
    for role in ROLES {
        let bytes = wire::binary(role.peer(), &payload);
        let header_len = bytes.len() - payload.len();
        let (start, rest) = bytes.split_at(header_len + 60_000);
        let mut connection = Connection::new(role, &Config::new());
        connection.receive(start);
        assert_eq!(connection.next_event(), Ok(None));
        let (mut rest, mut place) = (rest, 0);
        while !rest.is_empty() {
            let space = connection.space();
            let n = space.len().min(rest.len());
            place = space[..n].as_ptr_range().end as usize;
            space[..n].copy_from_slice(&rest[..n]);
            connection.advance(n);
            rest = &rest[n..];
            if !rest.is_empty() {
                assert_eq!(connection.next_event(), Ok(None));
            }
        }
        let Ok(Some(Event::Message(message))) = connection.next_event() else {
            panic!("no message came");
        };
        assert_eq!(message.as_bytes(), payload);
        assert_eq!(message.as_bytes().as_ptr_range().end as usize, place, "it was copied");
    }
}

/// One buffer serves the output of many connections: each keeps it while output is pending, and then gives it back.
#[test]
fn an_output_buffer_can_be_lent_from_connection_to_connection() {
    for role in ROLES {
        let mut buffer = Vec::with_capacity(5000);
        buffer.extend_from_slice(b"of any content");
        let place = buffer.as_ptr();
        for _ in 0..3 {
            let mut connection = Connection::new(role, &Config::new());
            let outbound = connection.split_mut().1;
            assert_eq!(outbound.take_buffer(), None, "there is none yet");
            assert_eq!(outbound.give_buffer(buffer).capacity(), 0, "it had none");
            outbound.feed(&sample(1000)).unwrap();
            assert_eq!(outbound.take_buffer(), None, "it is in use");
            assert_eq!(outbound.give_buffer(vec![1; 9000]), vec![1; 9000], "it is in use");
            let frames = take_frames(role, &mut connection);
            assert_eq!(frames[0].payload, sample(1000));
            buffer = connection.split_mut().1.take_buffer().expect("nothing waits");
            assert_eq!((buffer.as_ptr(), buffer.capacity()), (place, 5000));
        }
    }
}

/// A failed connection drops the message it was assembling.
#[test]
fn a_failure_frees_the_message() {
    for role in ROLES {
        let mut connection = Connection::new(role, &Config::new());
        connection.receive(&wire::frame(role.peer(), BINARY, &sample(100_000)));
        assert_eq!(connection.next_event(), Ok(None));
        connection.receive(&wire::frame(role.peer(), FIN | 0x3, b""));
        take_events(&mut connection, &mut Vec::new()).unwrap_err();
        take_frames(role, &mut connection);
        connection.release();
        assert_idle(role, &connection);
    }
}

/// The buffer that a connection allocates for itself has the configured size, rounded up to a power of two.
#[test]
fn the_size_of_the_receive_buffer_is_a_limit() {
    for (size, expected) in [
        (0, 256),
        (1, 256),
        (256, 256),
        (257, 512),
        (4000, 4096),
        (16 << 10, 16 << 10),
        (100_000, 1 << 17),
    ] {
        let config = Config::new().limits(Limits::new().recv_buffer_size(size));
        let mut connection = Connection::new(Role::Server, &config);
        // The first read is a short one; after it the buffer may be given back at once.
        let first = connection.space().len();
        assert_eq!((first, connection.allocated()), (expected.min(1024), expected));
        assert_eq!((connection.space().len(), connection.allocated()), (expected, expected));
        connection.release();
        assert_eq!(connection.allocated(), 0);
        // Messages of any length pass through it.
        let long = wire::sample(70_000);
        let mut input = &wire::binary(Role::Client, &long)[..];
        loop {
            if let Some(event) = connection.next_event().unwrap() {
                assert_eq!(event, Event::Message(Message::from(&long)));
                break;
            }
            let space = connection.space();
            let n = space.len().min(input.len());
            space[..n].copy_from_slice(&input[..n]);
            connection.advance(n);
            input = &input[n..];
        }
        assert!(input.is_empty());
    }
}
