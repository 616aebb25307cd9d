//! The tokio shell over memory: the cost of finding a message, answering it and waiting for it, without a system call.

use core::{
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::io;

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::{self, Runtime},
};
use websocket_proto::{Config, Negotiated, Timers, tokio::WebSocket};

use super::stream::Stream;

/// Polls until a message is available. A macro, so that only the shell is counted.
macro_rules! ready {
    ($received:expr, $cx:ident) => {{
        let mut received = pin!($received);
        loop {
            if let Poll::Ready(received) = received.as_mut().poll(&mut $cx) {
                break received.expect("the stream is valid").expect("the stream continues");
            }
        }
    }};
}

/// How the messages arrive, and what happens to them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Way {
    /// Whether a message is echoed.
    pub(crate) echoes: bool,
    /// Whether every read finds nothing at first, so that the task waits.
    pub(crate) waits: bool,
    pub(crate) keepalive: bool,
}

/// A connection that is kept from pass to pass, so that its buffers are warm.
pub(crate) struct Shell {
    websocket: WebSocket<Memory>,
    messages: usize,
    echoes: bool,
    /// Timers need a runtime. It is never run, so none of them fires.
    runtime: Runtime,
}

impl Shell {
    pub(crate) fn new(stream: Stream, way: Way) -> Self {
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let timers = Timers::new().keepalive(way.keepalive.then_some(Duration::from_secs(3600)));
        let config = Config::new().timers(timers);
        let (messages, negotiated) = (stream.messages, Negotiated::new(stream.receiver));
        let memory = Memory {
            stream,
            at: 0,
            waits: way.waits,
            is_ready: false,
        };
        let guard = runtime.enter();
        let websocket = WebSocket::from_negotiated(memory, &negotiated, &config);
        drop(guard);
        Self {
            websocket,
            messages,
            echoes: way.echoes,
            runtime,
        }
    }

    /// One pass over the stream.
    pub(crate) fn pass(&mut self) {
        let _guard = self.runtime.enter();
        self.websocket.stream_mut().at = 0;
        let mut cx = Context::from_waker(Waker::noop());
        if self.echoes {
            for _ in 0..self.messages {
                let (message, outbound) = ready!(self.websocket.recv_split(), cx);
                outbound.feed(message).expect("there is room");
            }
        } else {
            for _ in 0..self.messages {
                black_box(ready!(self.websocket.recv_ref(), cx).as_bytes());
            }
        }
    }
}

/// A stream in memory, which accepts all writes.
struct Memory {
    stream: Stream,
    at: usize,
    waits: bool,
    /// Whether the next read finds data although reads wait.
    is_ready: bool,
}

impl AsyncRead for Memory {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let memory = &mut *self;
        if memory.waits && !memory.is_ready {
            memory.is_ready = true;
            return Poll::Pending;
        }
        memory.is_ready = false;
        let n = memory.stream.source_at(memory.at).read(buffer.initialize_unfilled());
        buffer.advance(n);
        memory.at += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(black_box(bytes).len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
