//! The async engine on compio: [`Transport`] over a stream whose operations own their buffers.
//!
//! The engine reads into memory that it lends, and a completion-based runtime must own it. So this type has a buffer for
//! each direction: bytes are received there and copied once, and bytes to send are copied there and flushed.

use std::{
    future::Future,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use compio::{
    BufResult,
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::sleep_until,
};
use websocket_proto::{
    Time,
    asynchronous::{RuntimeTimer, Transport},
};

/// Bytes of a read. A connection that waits owns a buffer of this size, since its read does.
const READ: usize = 16 << 10;

/// The most bytes that wait to be sent.
const WRITE: usize = 64 << 10;

/// An operation that is pending.
type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

/// A stream of compio, for [`websocket_proto::asynchronous`].
pub(crate) struct Io {
    stream: TcpStream,
    reading: Option<Pending<BufResult<usize, Vec<u8>>>>,
    /// Bytes that were received, of which `taken` are taken.
    received: Vec<u8>,
    taken: usize,
    writing: Option<Pending<BufResult<(), Vec<u8>>>>,
    /// The buffer of the last write.
    sent: Vec<u8>,
    closing: Option<Pending<io::Result<()>>>,
}

impl Io {
    /// Wraps a stream.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            reading: None,
            received: Vec::new(),
            taken: 0,
            writing: None,
            sent: Vec::new(),
            closing: None,
        }
    }

    /// Waits until the bytes that were accepted have left.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else {
            return Poll::Ready(Ok(()));
        };
        let BufResult(written, buffer) = ready!(writing.as_mut().poll(cx));
        self.writing = None;
        self.sent = buffer;
        Poll::Ready(written)
    }
}

impl Transport for Io {
    type Timer = Timer;

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.taken == self.received.len() {
            let reading = self.reading.get_or_insert_with(|| {
                let (mut stream, mut own) = (self.stream.clone(), mem::take(&mut self.received));
                self.taken = 0;
                own.clear();
                own.reserve(READ);
                Box::pin(async move { stream.read(own).await })
            });
            let BufResult(read, own) = ready!(reading.as_mut().poll(cx));
            self.reading = None;
            self.received = own;
            read?;
        }
        let rest = &self.received[self.taken..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.taken += n;
        Poll::Ready(Ok(n))
    }

    /// Accepts bytes while none wait, and starts to send them.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let (mut stream, mut own) = (self.stream.clone(), mem::take(&mut self.sent));
        own.clear();
        for slice in slices {
            own.extend_from_slice(&slice[..slice.len().min(WRITE - own.len())]);
        }
        let n = own.len();
        self.writing = Some(Box::pin(async move { stream.write_all(own).await }));
        match self.poll_sent(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(n)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        let closing = self.closing.get_or_insert_with(|| {
            let mut stream = self.stream.clone();
            Box::pin(async move { stream.shutdown().await })
        });
        closing.as_mut().poll(cx)
    }
}

/// A timer of compio.
pub(crate) struct Timer {
    origin: Instant,
    /// When it is set to, if it is.
    sleeping: Option<(Time, Pending<()>)>,
}

impl RuntimeTimer for Timer {
    fn new() -> Self {
        Self {
            origin: Instant::now(),
            sleeping: None,
        }
    }

    fn now(&self) -> Time {
        Time::from_origin(self.origin.elapsed())
    }

    fn poll_until(&mut self, due: Time, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleeping.as_ref().is_none_or(|(set, _)| *set != due) {
            let at = self.origin + due.since(Time::ZERO);
            self.sleeping = Some((due, Box::pin(sleep_until(at))));
        }
        let Some((_, sleeping)) = &mut self.sleeping else {
            return Poll::Pending;
        };
        ready!(sleeping.as_mut().poll(cx));
        self.sleeping = None;
        Poll::Ready(())
    }
}
