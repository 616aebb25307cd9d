//! What is copied between the buffer that a read has filled and the memory that a write takes.
//!
//! A copy needs a destination: memory that was allocated for it, which the counting allocator shows, or memory that was there
//! before, which the addresses of what is written show. This is a target of its own since that allocator takes the place of
//! the global one.

#![cfg(feature = "os-entropy")]
#![allow(clippy::cast_possible_truncation, reason = "samples may wrap")]

use core::ops::Range;

use allocation_counter::{AllocationInfo, measure};
use websocket_proto::{
    Buf, Bytes, Config, Connection, Event, OwnedOutput, RecvBuffer, Role, Step,
    frame::{FrameHeader, MaskingKey, Opcode, Rsv},
};

/// The length of the message.
const LEN: usize = 100_000;

/// How many connections it is sent to.
const PEERS: usize = 10;

/// What a few frames, and the references to a payload, may cost; far less than a copy of it.
const SMALL: u64 = 10_000;

fn payload() -> Vec<u8> {
    (0..LEN).map(|i| b'a' + (i % 23) as u8).collect()
}

/// A client's frame, where a read has put it: in a buffer of that length.
fn filled(opcode: Opcode, payload: &[u8], len: usize) -> (Vec<u8>, usize) {
    let key = MaskingKey::new([0x37, 0xfa, 0x21, 0x3d]);
    let header = FrameHeader {
        fin: true,
        rsv: Rsv::NONE,
        opcode,
        masking_key: Some(key),
        payload_len: payload.len() as u64,
    };
    let mut head = [0; FrameHeader::MAX_LEN];
    let head_len = header.encode(&mut head);
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(&head[..head_len]);
    key.apply_into(payload, &mut bytes);
    let n = bytes.len();
    bytes.resize(len, 0);
    (bytes, n)
}

fn place(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr() as usize;
    start..start + bytes.len()
}

/// Receives a message in a buffer that was handed over, and keeps it.
fn receive(receiver: &mut Connection, buffer: Vec<u8>, n: usize) -> Bytes {
    let (inbound, driver) = receiver.drive();
    let _spare = inbound.receive_buffer(RecvBuffer::from(buffer), n);
    driver.read(n);
    match inbound.next_event(driver.outbound()) {
        Ok(Some(Event::Message(message))) => message.into_bytes(),
        event => panic!("{event:?}"),
    }
}

/// Takes the output for a write that owns it.
fn take_output(connection: &mut Connection) -> OwnedOutput {
    let (inbound, driver) = connection.drive();
    assert_eq!(driver.next(inbound), Step::Write);
    driver.take_output()
}

/// Writes the output, and returns the bytes together with where they were. A header may be with its payload or alone.
fn written(mut output: OwnedOutput) -> (Vec<u8>, Vec<Range<usize>>) {
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    while output.has_remaining() {
        let chunk = output.chunk();
        bytes.extend_from_slice(chunk);
        places.push(place(chunk));
        let n = chunk.len();
        output.advance(n);
    }
    (bytes, places)
}

fn assert_written_from(output: OwnedOutput, expected: &[u8], buffer: &Range<usize>) {
    let (bytes, places) = written(output);
    assert!(bytes.ends_with(expected) && bytes.len() <= expected.len() + FrameHeader::MAX_LEN);
    let longest = places
        .iter()
        .max_by_key(|place| place.len())
        .expect("something was written");
    assert!(
        longest.len() >= expected.len(),
        "it was written in one piece: {places:x?}"
    );
    assert!(
        buffer.start <= longest.start && longest.end <= buffer.end,
        "{longest:x?} is not in {buffer:x?}"
    );
}

/// A message received in a buffer of the system's, kept, and sent to many, leaves from where it arrived. It is only
/// unmasked there.
#[test]
fn a_message_is_received_kept_and_broadcast_without_a_copy() {
    let payload = payload();
    let (buffer, n) = filled(Opcode::Binary, &payload, 128 << 10);
    let received_at = place(&buffer);
    let config = Config::new();
    let mut receiver = Connection::new(Role::Server, &config);
    let mut peers: Vec<_> = (0..PEERS).map(|_| Connection::new(Role::Server, &config)).collect();
    let mut outputs = Vec::with_capacity(PEERS);
    let info = measure(|| {
        let message = receive(&mut receiver, buffer, n);
        for peer in &mut peers {
            peer.feed(message.clone()).expect("room");
            outputs.push(take_output(peer));
        }
    });
    println!("received and sent to {PEERS}: {info:?}");
    assert!(info.bytes_total < SMALL, "{info:?}");
    for output in outputs {
        assert_written_from(output, &payload, &received_at);
    }
}

/// A lent message that is sent back leaves from where it arrived, with its header in front.
#[test]
fn an_echo_is_not_copied() {
    let payload = payload();
    let (buffer, n) = filled(Opcode::Binary, &payload, 128 << 10);
    let received_at = place(&buffer);
    let mut connection = Connection::new(Role::Server, &Config::new());
    let mut output = None;
    let info = measure(|| {
        let (inbound, driver) = connection.drive();
        let _spare = inbound.receive_buffer(RecvBuffer::from(buffer), n);
        driver.read(n);
        let Ok(Some(Event::Message(message))) = inbound.next_event(driver.outbound()) else {
            panic!("a message is there");
        };
        driver.outbound().feed(message).expect("room");
        output = Some(take_output(&mut connection));
    });
    println!("echoed: {info:?}");
    assert!(info.bytes_total < SMALL, "{info:?}");
    assert_written_from(output.expect("it was taken"), &payload, &received_at);
}

/// Where a copy cannot be avoided, there is one: of text that is kept, which has to begin with its allocation; of a message
/// that is much shorter than its buffer, or not alone in it; and of one that several reads have brought.
#[test]
fn at_most_one_copy_is_made() {
    let payload = payload();
    let one = |what: &str, info: AllocationInfo| {
        println!("{what}: {info:?}");
        let copy = LEN as u64..=LEN as u64 + SMALL;
        assert!(copy.contains(&info.bytes_total), "{what}: {info:?}");
    };
    for (what, opcode, len) in [
        ("text", Opcode::Text, 128 << 10),
        ("a buffer that is too large", Opcode::Binary, 256 << 10),
    ] {
        let (buffer, n) = filled(opcode, &payload, len);
        let mut receiver = Connection::new(Role::Server, &Config::new());
        one(what, measure(|| drop(receive(&mut receiver, buffer, n))));
    }

    let (mut buffer, n) = filled(Opcode::Binary, &payload, 128 << 10);
    let mut receiver = Connection::new(Role::Server, &Config::new());
    buffer[n..n + 6].copy_from_slice(b"\x89\x80\0\0\0\0");
    one(
        "with a Ping after it",
        measure(|| drop(receive(&mut receiver, buffer, n + 6))),
    );

    // In several reads: the buffer moves as it grows. From the second message on, room for all of it is made at once.
    let (whole, n) = filled(Opcode::Binary, &payload, LEN + 14);
    let mut receiver = Connection::new(Role::Server, &Config::new());
    for moved in [2 * LEN as u64, 0] {
        let mut buffers: Vec<_> = whole[..n].chunks(16 << 10).map(<[u8]>::to_vec).collect();
        let last = buffers.pop().expect("several");
        let info = measure(|| {
            for buffer in buffers {
                let (inbound, driver) = receiver.drive();
                let n = buffer.len();
                let _spare = inbound.receive_buffer(RecvBuffer::from(buffer), n);
                assert!(matches!(inbound.next_event(driver.outbound()), Ok(None)));
            }
            let n = last.len();
            drop(receive(&mut receiver, last, n));
        });
        println!("in several reads: {info:?}");
        assert!(info.bytes_total <= LEN as u64 + moved + SMALL, "{info:?}");
    }
}

/// A buffer that an event loop lends is never taken along.
#[test]
fn a_lent_buffer_stays() {
    let payload = payload();
    let (frame, n) = filled(Opcode::Binary, &payload, LEN + 14);
    let mut connection = Connection::new(Role::Server, &Config::new());
    // First one that was handed over, which is then replaced.
    drop(receive(&mut connection, frame.clone(), n));
    let lent = RecvBuffer::with_capacity(128 << 10);
    let (inbound, driver) = connection.drive();
    let _former = inbound.give_buffer(lent);
    let space = inbound.space();
    let lent_at = place(space);
    space[..n].copy_from_slice(&frame[..n]);
    inbound.advance(n);
    let Ok(Some(Event::Message(message))) = inbound.next_event(driver.outbound()) else {
        panic!("a message is there");
    };
    let kept = message.into_bytes();
    assert_eq!(kept, payload);
    assert!(!lent_at.contains(&(kept.as_ptr() as usize)));
    assert_eq!(inbound.take_buffer().map(|buffer| buffer.capacity()), Some(128 << 10));
}
