//! A stream that does what a script says.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use smol::io as futures_io;
use tokio::io as tokio_io;
use websocket_proto::{
    Time,
    asynchronous::{RuntimeTimer, Transport},
};

/// What the next read finds.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Bytes(Vec<u8>),
    /// Nothing, until the script goes on.
    Pending,
    Eof,
    Error(io::ErrorKind),
}

#[derive(Debug)]
struct State {
    input: VecDeque<Step>,
    /// Bytes that one write takes at most.
    write_width: usize,
    /// Whether each write waits once before it takes anything.
    write_pauses: bool,
    paused: bool,
    /// Whether writes wait until this is taken back.
    blocked: bool,
    /// Writes (and flushes) that succeed before they fail.
    write_fails_after: Option<usize>,
    vectored: bool,
    /// Whether what is written stays here until it is flushed.
    buffering: bool,
    /// Whether flushes wait until this is taken back.
    held: bool,
    buffered: Vec<u8>,
    writes: Vec<Vec<u8>>,
    reads: usize,
    flushes: usize,
    shutdowns: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Whether the script can go on with what the reader, or the writer, waits for.
    reader_may: bool,
    writer_may: bool,
}

/// The test's end of a [`Pipe`].
#[derive(Clone, Debug)]
pub(crate) struct Script(Arc<Mutex<State>>);

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Pipe(Script);

impl Pipe {
    pub(crate) fn new() -> (Self, Script) {
        let script = Script(Arc::new(Mutex::new(State {
            input: VecDeque::new(),
            write_width: usize::MAX,
            write_pauses: false,
            paused: false,
            blocked: false,
            write_fails_after: None,
            vectored: false,
            buffering: false,
            held: false,
            buffered: vec![],
            writes: vec![],
            reads: 0,
            flushes: 0,
            shutdowns: 0,
            reader: None,
            writer: None,
            reader_may: false,
            writer_may: false,
        })));
        (Self(script.clone()), script)
    }
}

impl Script {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Adds to what is read, and wakes the reader.
    pub(crate) fn push(&self, step: Step) {
        let waker = {
            let mut state = self.state();
            state.input.push_back(step);
            state.reader.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn bytes(&self, bytes: impl Into<Vec<u8>>) {
        self.push(Step::Bytes(bytes.into()));
    }

    /// Adds bytes in pieces, with a wait before each.
    pub(crate) fn trickle(&self, bytes: &[u8], width: usize) {
        for piece in bytes.chunks(width) {
            self.push(Step::Pending);
            self.bytes(piece);
        }
    }

    pub(crate) fn write_width(&self, width: usize) {
        self.state().write_width = width;
    }

    pub(crate) fn write_pauses(&self) {
        self.state().write_pauses = true;
    }

    pub(crate) fn vectored(&self) {
        self.state().vectored = true;
    }

    pub(crate) fn buffering(&self) {
        self.state().buffering = true;
    }

    /// Makes the stream buffer, and pass nothing on.
    pub(crate) fn hold(&self) {
        self.buffering();
        self.state().held = true;
    }

    pub(crate) fn fail_writes_after(&self, writes: usize) {
        self.state().write_fails_after = Some(writes);
    }

    /// Makes all writes wait.
    pub(crate) fn block(&self) {
        self.state().blocked = true;
    }

    /// Lets writes and flushes go on, and wakes the writer.
    pub(crate) fn unblock(&self) {
        self.state().blocked = false;
        self.state().held = false;
        self.wake_writer();
    }

    pub(crate) fn wake_writer(&self) {
        let waker = self.state().writer.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes who waits for something that the script can give, the writer first. Returns whether there was somebody.
    pub(crate) fn tick(&self) -> bool {
        let waker = {
            let mut state = self.state();
            if std::mem::take(&mut state.writer_may) {
                state.writer.take()
            } else if std::mem::take(&mut state.reader_may) {
                state.reader.take()
            } else {
                return false;
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// What each write took. In a buffering stream, what each flush passed on.
    pub(crate) fn writes(&self) -> Vec<Vec<u8>> {
        self.state().writes.clone()
    }

    pub(crate) fn written(&self) -> Vec<u8> {
        self.state().writes.concat()
    }

    pub(crate) fn reads(&self) -> usize {
        self.state().reads
    }

    pub(crate) fn flushes(&self) -> usize {
        self.state().flushes
    }

    pub(crate) fn shutdowns(&self) -> usize {
        self.state().shutdowns
    }

    /// Whether all input was read.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.state().input.is_empty()
    }

    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(!buffer.is_empty(), "a read into nothing cannot be told from the end");
        let mut state = self.state();
        state.reads += 1;
        match state.input.pop_front() {
            None | Some(Step::Pending) => {
                state.reader_may = !state.input.is_empty();
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Step::Bytes(mut bytes)) => {
                let n = bytes.len().min(buffer.len());
                assert!(n > 0, "a piece of nothing would be the end");
                buffer[..n].copy_from_slice(&bytes[..n]);
                if n < bytes.len() {
                    bytes.drain(..n);
                    state.input.push_front(Step::Bytes(bytes));
                }
                Poll::Ready(Ok(n))
            }
            Some(Step::Eof) => {
                state.input.push_front(Step::Eof);
                Poll::Ready(Ok(0))
            }
            Some(Step::Error(kind)) => {
                state.input.push_front(Step::Error(kind));
                Poll::Ready(Err(kind.into()))
            }
        }
    }

    fn poll_may_write(state: &mut State, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if state.blocked || (state.write_pauses && !state.paused) {
            state.writer_may = !state.blocked;
            state.paused = true;
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.paused = false;
        match &mut state.write_fails_after {
            Some(0) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Some(left) => *left -= 1,
            None => {}
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        assert!(
            slices.first().is_some_and(|slice| !slice.is_empty()),
            "the first slice is not empty"
        );
        let mut state = self.state();
        std::task::ready!(Self::poll_may_write(&mut state, cx))?;
        let slices = if state.vectored { slices } else { &slices[..1] };
        let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        bytes.truncate(state.write_width);
        let n = bytes.len();
        if state.buffering {
            state.buffered.extend(bytes);
        } else {
            state.writes.push(bytes);
        }
        Poll::Ready(Ok(n))
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if !state.buffered.is_empty() {
            if state.held {
                state.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            std::task::ready!(Self::poll_may_write(&mut state, cx))?;
            let bytes = std::mem::take(&mut state.buffered);
            state.writes.push(bytes);
        }
        state.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&self) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.shutdowns += 1;
        // As some streams have it, which are not connected any more then.
        Poll::Ready(if state.shutdowns > 1 {
            Err(io::ErrorKind::NotConnected.into())
        } else {
            Ok(())
        })
    }
}

impl Transport for Pipe {
    type Timer = Never;

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown()
    }
}

/// A clock that stands still, so that whatever waits for a deadline hangs.
#[derive(Debug)]
pub(crate) struct Never;

impl RuntimeTimer for Never {
    fn new() -> Self {
        Self
    }

    fn now(&self) -> Time {
        Time::ZERO
    }

    fn poll_until(&mut self, _: Time, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl tokio_io::AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio_io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = std::task::ready!(self.0.poll_read(cx, buffer.initialize_unfilled()))?;
        buffer.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl tokio_io::AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(self.0.state().vectored, "this stream does not support vectored writes");
        self.0.poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.state().vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown()
    }
}

impl futures_io::AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }
}

impl futures_io::AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown()
    }
}
