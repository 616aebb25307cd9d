//! Receiving: a connection and the limit to compare it with, each as one pass over a stream.

use core::hint::black_box;

use websocket_proto::{Bytes, Config, Connection, Event, Message, RecvBuffer};

use super::{
    READ,
    limit::{Payload, RecvLoop},
    stream::Stream,
};

/// What the receiver does with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// Reads it in place.
    Lent,
    /// Takes ownership of it, and drops it.
    Owned,
    /// The same, and each read is handed over in a buffer of its own, as completion-based I/O fills it.
    HandedOver,
}

/// A connection that is kept from pass to pass, so that its buffers are warm.
pub(crate) struct Ours(Connection);

impl Ours {
    pub(crate) fn new(stream: &Stream) -> Self {
        let mut connection = Connection::new(stream.receiver, &Config::new());
        let _ = connection.split_mut().0.give_buffer(RecvBuffer::with_capacity(READ));
        Self(connection)
    }

    /// One pass over the stream.
    #[inline]
    pub(crate) fn receive(&mut self, stream: &Stream, mut sink: impl FnMut(Message<'_>)) {
        let mut source = stream.source();
        loop {
            let n = source.read(self.0.space());
            if n == 0 {
                break;
            }
            self.0.advance(n);
            while let Some(event) = self.0.next_event().expect("the stream is valid") {
                if let Event::Message(message) = event {
                    sink(message);
                }
            }
        }
    }

    pub(crate) fn pass(&mut self, stream: &Stream, take: Take) {
        match take {
            Take::Lent => self.receive(stream, |message| {
                black_box(message.as_bytes());
            }),
            Take::Owned => self.receive(stream, |message| {
                black_box(message.into_owned());
            }),
            Take::HandedOver => self.receive_buffers(stream),
        }
    }

    fn receive_buffers(&mut self, stream: &Stream) {
        let mut source = stream.source();
        loop {
            let mut buffer = Vec::with_capacity(stream.read);
            let n = source.read_behind(&mut buffer, stream.read);
            if n == 0 {
                break;
            }
            let (inbound, driver) = self.0.drive();
            let _ = inbound.receive_buffer(buffer.into(), n);
            while let Some(event) = inbound.next_event(driver.outbound()).expect("the stream is valid") {
                if let Event::Message(message) = event {
                    black_box(message.into_bytes());
                }
            }
        }
    }
}

/// The bare loop; it converts text to a `str` with `simdutf8`.
pub(crate) fn limit_pass(limit: &mut RecvLoop, stream: &Stream, take: Take) {
    match (take, stream.content.is_text()) {
        (Take::Lent, false) => limit.receive(stream, |payload| {
            black_box(payload.as_bytes());
        }),
        (Take::Lent, true) => limit.receive(stream, |payload| {
            black_box(simdutf8::basic::from_utf8(payload.as_bytes()).expect("the text is valid"));
        }),
        (Take::Owned | Take::HandedOver, false) => limit.receive(stream, |payload| {
            black_box(match payload {
                Payload::InPlace(bytes) => Bytes::copy_from_slice(bytes),
                Payload::Apart(bytes) => core::mem::take(bytes).into(),
            });
        }),
        (Take::Owned | Take::HandedOver, true) => limit.receive(stream, |payload| {
            let text = simdutf8::basic::from_utf8(payload.as_bytes()).expect("the text is valid");
            black_box(String::from(text));
        }),
    }
}
