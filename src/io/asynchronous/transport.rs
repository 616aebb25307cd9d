//! What a runtime provides: streams and timers.

use alloc::vec::Vec;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

use bytes::buf::Limit;

use crate::connection::Time;

/// Room at the end of the buffer of a long message, for [`Transport::poll_read_buf`].
#[derive(Debug)]
pub struct ReadBuf<'a, 'b>(&'a mut Limit<&'b mut Vec<u8>>);

impl<'a, 'b> ReadBuf<'a, 'b> {
    pub(super) const fn new(buffer: &'a mut Limit<&'b mut Vec<u8>>) -> Self {
        Self(buffer)
    }

    /// The room, to be filled from its beginning. Its memory may not be initialised.
    pub const fn as_buf_mut(&mut self) -> &mut impl bytes::BufMut {
        &mut *self.0
    }
}

/// A stream of a runtime, with the runtime's timer.
///
/// The shells of this crate have their own: [`tokio::Io`](crate::tokio::Io) and [`futures::Io`](crate::futures::Io).
/// Implement this trait for another runtime to get a complete shell for it: an [`Acceptor`](super::Acceptor) or a
/// [`Connector`](super::Connector) opens connections over it.
///
/// If a method returns [`Poll::Pending`], it has registered the task of its context to be woken, independently for the
/// two directions.
pub trait Transport: Unpin {
    /// The timer of the same runtime.
    type Timer: RuntimeTimer;

    /// Whether the type overrides [`poll_read_buf`](Self::poll_read_buf), so that long messages should be read with it.
    const HAS_READ_BUF: bool = false;

    /// Reads into `buffer`, which is not empty. `0` means the end of the stream.
    ///
    /// # Errors
    ///
    /// The errors of the stream, except `WouldBlock` and `Interrupted`.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Appends to `buffer`, which has room. `0` is the end of the stream.
    ///
    /// A stream that can fill uninitialised memory saves the time to initialise it. The provided method cannot.
    ///
    /// # Errors
    ///
    /// As for [`poll_read`](Self::poll_read).
    fn poll_read_buf(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_, '_>) -> Poll<io::Result<usize>> {
        let (filled, room) = (buffer.0.get_ref().len(), buffer.0.limit());
        let bytes = buffer.0.get_mut();
        bytes.resize(filled + room, 0);
        let read = self.poll_read(cx, &mut bytes[filled..]);
        let n = match &read {
            Poll::Ready(Ok(n)) => room.min(*n),
            _ => 0,
        };
        bytes.truncate(filled + n);
        read
    }

    /// Writes some of the bytes of `slices`. The first slice is not empty.
    ///
    /// # Errors
    ///
    /// The errors of the stream, except `WouldBlock` and `Interrupted`.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Flushes what the stream has buffered.
    ///
    /// # Errors
    ///
    /// The errors of the stream.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Shuts down the write side.
    ///
    /// # Errors
    ///
    /// The errors of the stream.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A timer of a runtime.
pub trait RuntimeTimer: Unpin {
    /// Creates a timer whose origin is now.
    fn new() -> Self;

    /// Returns the time since the origin.
    fn now(&self) -> Time;

    /// Waits until `due`. A call with another `due` replaces the previous one.
    fn poll_until(&mut self, due: Time, cx: &mut Context<'_>) -> Poll<()>;
}

/// Treats a missing `close_notify` as end of stream. WebSocket has its own Close, and a connection that ends without
/// one has failed in either case (RFC 6455 §7.1.5). Many peers omit `close_notify` after a Close.
#[cfg(any(feature = "tokio", feature = "futures-io"))]
pub(crate) fn end_without_notice(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::task::Waker;

    use bytes::BufMut;

    use super::*;

    /// A stream of a few bytes that does not use spare capacity.
    struct Few(&'static [u8]);

    struct Never;

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

    impl Transport for Few {
        type Timer = Never;

        fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            if self.0.is_empty() {
                return Poll::Pending;
            }
            let n = self.0.len().min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Poll::Ready(Ok(n))
        }

        fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn what_is_read_is_appended_and_nothing_else() {
        let (mut stream, mut cx) = (Few(b"abcdefg"), Context::from_waker(Waker::noop()));
        let mut bytes = vec![b'_'];
        bytes.reserve(8);
        for (limit, expected) in [(3, &b"_abc"[..]), (8, b"_abcdefg")] {
            let read = stream.poll_read_buf(&mut cx, &mut ReadBuf::new(&mut (&mut bytes).limit(limit)));
            assert!(matches!(read, Poll::Ready(Ok(3 | 4))));
            assert_eq!(bytes, expected);
        }
        assert!(
            stream
                .poll_read_buf(&mut cx, &mut ReadBuf::new(&mut (&mut bytes).limit(4)))
                .is_pending()
        );
        assert_eq!(bytes, b"_abcdefg");
    }
}
