//! An end of the network as the stream types that the shells need.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, IoSlice, Read, Write},
    net::Shutdown,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use websocket_proto::blocking::Stream;

use crate::network::Pipe;

/// A stream that never blocks.
pub struct NonBlocking {
    pipe: Pipe,
    /// The task to wake when the stream is ready.
    waker: Rc<RefCell<Waker>>,
}

impl NonBlocking {
    pub fn new(pipe: Pipe) -> (Self, Rc<RefCell<Waker>>) {
        let waker = Rc::new(RefCell::new(Waker::noop().clone()));
        (
            Self {
                pipe,
                waker: Rc::clone(&waker),
            },
            waker,
        )
    }

    fn now<T>(&self, act: impl FnOnce(&Pipe, &Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
        match act(&self.pipe, &Context::from_waker(&self.waker.borrow())) {
            Poll::Ready(done) => done,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Read for NonBlocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.now(|pipe, cx| pipe.poll_read(cx, buffer))
    }
}

impl Write for NonBlocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.now(|pipe, cx| pipe.poll_write(cx, &[IoSlice::new(bytes)]))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.now(|pipe, cx| pipe.poll_write(cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.now(|pipe, cx| pipe.poll_flush(cx))
    }
}

impl Stream for NonBlocking {
    fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.pipe.shut_down();
        }
        Ok(())
    }
}

#[cfg(all(feature = "tokio", feature = "futures-io"))]
pub use self::asynchronous::Virtual;

#[cfg(all(feature = "tokio", feature = "futures-io"))]
mod asynchronous {
    use std::pin::Pin;

    use tokio::io as tokio_io;
    use websocket_proto::asynchronous::{ReadBuf, Transport};

    use super::{Context, IoSlice, Pipe, Poll, io};
    use crate::clock::VirtualTimer;

    /// The transport of a runtime, on the virtual clock. `DIRECT` states whether long messages are read into fresh memory, which
    /// the stream zeroes first.
    pub struct Virtual<T, const DIRECT: bool>(pub T);

    impl<T: Transport, const DIRECT: bool> Transport for Virtual<T, DIRECT> {
        type Timer = VirtualTimer;

        const HAS_READ_BUF: bool = DIRECT;

        fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            self.0.poll_read(cx, buffer)
        }

        fn poll_read_buf(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_, '_>) -> Poll<io::Result<usize>> {
            self.0.poll_read_buf(cx, buffer)
        }

        fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
            self.0.poll_write(cx, slices)
        }

        fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.poll_flush(cx)
        }

        fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.poll_shutdown(cx)
        }
    }

    impl tokio_io::AsyncRead for Pipe {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut tokio_io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let n = std::task::ready!(Pipe::poll_read(&self, cx, buffer.initialize_unfilled()))?;
            buffer.advance(n);
            Poll::Ready(Ok(()))
        }
    }

    impl tokio_io::AsyncWrite for Pipe {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pipe::poll_write(&self, cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Pipe::poll_write(&self, cx, slices)
        }

        fn is_write_vectored(&self) -> bool {
            self.is_vectored()
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pipe::poll_flush(&self, cx)
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pipe::poll_shutdown(&self, cx)
        }
    }

    impl futures_io::AsyncRead for Pipe {
        fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            Pipe::poll_read(&self, cx, buffer)
        }
    }

    impl futures_io::AsyncWrite for Pipe {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pipe::poll_write(&self, cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Pipe::poll_write(&self, cx, slices)
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pipe::poll_flush(&self, cx)
        }

        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pipe::poll_shutdown(&self, cx)
        }
    }
}
