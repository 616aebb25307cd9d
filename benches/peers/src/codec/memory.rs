//! A transport in memory that is always ready: reads start again at the end of the data, writes are discarded.

use std::{
    cell::Cell,
    future::Future,
    hint::black_box,
    io::{self, IoSlice, Read, Write},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::support::{READ, stream::Stream};

#[derive(Clone)]
pub struct Memory {
    input: Arc<Stream>,
    at: usize,
    /// Calls that wrote something; each would be a system call.
    writes: Rc<Cell<u64>>,
}

impl Memory {
    pub fn new(input: &Arc<Stream>, writes: &Rc<Cell<u64>>) -> Self {
        Self {
            input: Arc::clone(input),
            at: 0,
            writes: Rc::clone(writes),
        }
    }

    /// The bytes of the next read, at most as many as fit.
    fn next(&mut self, room: usize) -> &[u8] {
        let rest = &self.input.bytes[self.at..];
        let n = rest.len().min(READ).min(room);
        self.at = (self.at + n) % self.input.bytes.len();
        &rest[..n]
    }

    fn discard(&mut self, bytes: &[u8]) -> usize {
        black_box(bytes);
        self.writes.set(self.writes.get() + 1);
        bytes.len()
    }

    fn discard_all(&mut self, slices: &[IoSlice<'_>]) -> usize {
        black_box(slices);
        self.writes.set(self.writes.get() + 1);
        slices.iter().map(|slice| slice.len()).sum()
    }
}

impl Read for Memory {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let bytes = self.next(room.len());
        room[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.discard(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.discard_all(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Memory {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        room.put_slice(self.next(room.remaining()));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.discard(bytes)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.discard_all(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl wtx::stream::StreamReader for Memory {
    async fn read(&mut self, room: &mut [u8]) -> wtx::Result<usize> {
        Ok(Read::read(self, room)?)
    }
}

impl wtx::stream::StreamWriter for Memory {
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        self.discard(bytes);
        Ok(())
    }

    async fn write_all_vectored(&mut self, slices: &[&[u8]]) -> wtx::Result<()> {
        black_box(slices);
        self.writes.set(self.writes.get() + 1);
        Ok(())
    }
}

/// Polls until it is done. No future has to wait, so one that makes no progress is stuck.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("waits for something that never comes");
}
