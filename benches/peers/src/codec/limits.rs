//! The limits: copies, the XOR of the masking and the validation of text alone, and bare loops without checks or state.

use std::{hint::black_box, sync::Arc};

use websocket_proto::Role;

use super::{
    Batch, Subject,
    support::{
        READ, keys,
        limit::{RecvLoop, SendLoop, xor},
        recv::{Take, limit_pass},
        stream::Stream,
    },
};

/// The limits process blocks of this size, which stay in the cache.
const BLOCK: usize = 16 << 10;

pub fn receivers(stream: &Arc<Stream>) -> Vec<Subject> {
    let mut subjects = Vec::new();
    let own = Arc::clone(stream);
    let mut buffer = vec![0; READ];
    subjects.push(Subject::new("limit:memcpy", move || {
        let mut source = own.source();
        while source.read(&mut buffer) > 0 {
            black_box(&buffer);
        }
    }));
    if stream.receiver == Role::Server {
        let own = Arc::clone(stream);
        let mut buffer = vec![0; own.len.min(BLOCK)];
        subjects.push(Subject::new("limit:xor", move || {
            for_blocks(&own, |n| xor([0x37, 0xFA, 0x21, 0x3D], black_box(&mut buffer[..n])));
        }));
    }
    if stream.content.is_text() {
        let own = Arc::clone(stream);
        let text = own.content.payload(own.len.min(BLOCK));
        subjects.push(Subject::new("limit:simdutf8", move || {
            for_blocks(&own, |n| {
                // The last block may cut a character, which does not change the amount of work.
                let _ = black_box(simdutf8::basic::from_utf8(black_box(&text[..n])));
            });
        }));
    }
    let own = Arc::clone(stream);
    let mut limit = RecvLoop::new();
    subjects.push(Subject::new("limit:loop", move || {
        limit_pass(&mut limit, &own, Take::Lent)
    }));
    subjects
}

/// Processes as many bytes as the messages of a pass have.
fn for_blocks(stream: &Stream, mut each: impl FnMut(usize)) {
    for _ in 0..stream.messages {
        let mut rest = stream.len;
        while rest > 0 {
            let n = rest.min(BLOCK);
            each(n);
            rest -= n;
        }
    }
}

pub fn senders(batch: &Batch) -> Vec<Subject> {
    let own = batch.clone();
    let keys = match own.role {
        Role::Server => Vec::new(),
        Role::Client => keys(256),
    };
    let mut limit = SendLoop::new(keys);
    let pass = move || {
        for i in 1..=own.messages {
            limit.send(black_box(&own.payload));
            if i % own.per_flush == 0 {
                limit.flush();
            }
        }
    };
    vec![Subject::new("limit:loop", pass)]
}
