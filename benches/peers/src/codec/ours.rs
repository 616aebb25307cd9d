//! This crate: the core, and its tokio shell.

use std::{cell::Cell, hint::black_box, io::IoSlice, rc::Rc, sync::Arc};

use websocket_proto::{Buf, Config, Connection, Limits, Message, Negotiated, Role, tokio::WebSocket};

use super::{
    Batch, Subject,
    memory::{Memory, block_on},
    support::{
        MIB,
        recv::{Ours, Take},
        stream::Stream,
    },
};

pub fn receivers(stream: &Arc<Stream>) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for (name, take) in [("ours (lent)", Take::Lent), ("ours (owned)", Take::Owned)] {
        let own = Arc::clone(stream);
        let mut ours = Ours::new(&own);
        subjects.push(Subject::new(name, move || ours.pass(&own, take)));
    }
    let own = Arc::clone(stream);
    let mut shell = shell(own.receiver, Memory::new(stream, &Rc::default()));
    subjects.push(Subject::new("ours-tokio (lent)", move || {
        block_on(async {
            for _ in 0..own.messages {
                let received = shell.recv_ref().await.expect("the stream is valid");
                let message = received.expect("the stream has no end");
                assert_eq!(message.len(), own.len);
                black_box(message.as_bytes());
            }
        });
    }));
    subjects
}

fn config() -> Config {
    // 32 of the longest messages fit.
    Config::new().limits(Limits::new().output_high_water(4 * MIB))
}

fn shell(role: Role, stream: Memory) -> WebSocket<Memory> {
    WebSocket::from_negotiated(stream, &Negotiated::new(role), &config())
}

pub fn senders(batch: &Batch, writes: &Rc<Cell<u64>>) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for (name, is_shared) in [("ours (lent)", false), ("ours (shared)", true)] {
        let (own, writes) = (batch.clone(), Rc::clone(writes));
        let mut connection = Connection::new(own.role, &config());
        subjects.push(Subject::new(name, move || {
            for i in 1..=own.messages {
                let message = match is_shared {
                    true => Message::from(own.payload.clone()),
                    false => Message::from(black_box(&own.payload[..])),
                };
                assert!(connection.feed(message).is_ok(), "there is room");
                if i % own.per_flush == 0 {
                    write(&mut connection, &writes);
                }
            }
        }));
    }
    let own = batch.clone();
    let input = Arc::new(Stream::new(own.role, super::Content::Binary, 1));
    let mut shell = shell(own.role, Memory::new(&input, writes));
    subjects.push(Subject::new("ours-tokio (shared)", move || {
        block_on(async {
            for i in 1..=own.messages {
                shell.feed(own.payload.clone()).await.expect("there is room");
                if i % own.per_flush == 0 {
                    shell.flush().await.expect("the stream takes all");
                }
            }
        });
    }));
    subjects
}

/// Takes the output like a vectored write.
fn write(connection: &mut Connection, writes: &Cell<u64>) {
    let output = connection.output();
    while output.has_remaining() {
        let mut slices = [IoSlice::new(&[]); 16];
        let used = output.chunks_vectored(&mut slices);
        let n = slices[..used].iter().map(|slice| slice.len()).sum();
        black_box(&slices[..used]);
        output.advance(n);
        writes.set(writes.get() + 1);
    }
}
