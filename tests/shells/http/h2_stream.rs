//! An HTTP/2 stream as a byte stream ([RFC 8441 §5](https://www.rfc-editor.org/rfc/rfc8441#section-5)).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The DATA frames of one stream: END_STREAM ends each direction. If it is dropped before that, h2 itself resets the stream with
/// CANCEL.
#[derive(Debug)]
pub(crate) struct H2Stream {
    send: SendStream<Bytes>,
    recv: RecvStream,
    /// The rest of the last DATA frame.
    received: Bytes,
}

impl H2Stream {
    pub(crate) fn new(send: SendStream<Bytes>, recv: RecvStream) -> Self {
        Self {
            send,
            recv,
            received: Bytes::new(),
        }
    }

    /// Resets the stream.
    pub(crate) fn reset(&mut self, reason: h2::Reason) {
        self.send.send_reset(reason);
    }
}

impl AsyncRead for H2Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.received.is_empty() {
            match ready!(this.recv.poll_data(cx)) {
                Some(data) => this.received = data.map_err(into_io)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = this.received.len().min(buffer.remaining());
        buffer.put_slice(&this.received.split_to(len));
        // Consumed bytes make room in the peer's window.
        this.recv.flow_control().release_capacity(len).map_err(into_io)?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for H2Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.send.reserve_capacity(bytes.len());
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(capacity) => drop(capacity.map_err(into_io)?),
                // The direction is no longer open: it was reset, or this side ended it.
                None => {
                    return Poll::Ready(Err(match self.send.poll_reset(cx) {
                        Poll::Ready(Ok(reason)) => into_io(reason.into()),
                        Poll::Ready(Err(error)) => into_io(error),
                        Poll::Pending => io::ErrorKind::BrokenPipe.into(),
                    }));
                }
            }
        }
        let len = self.send.capacity().min(bytes.len());
        let data = Bytes::copy_from_slice(&bytes[..len]);
        self.send.send_data(data, false).map_err(into_io)?;
        Poll::Ready(Ok(len))
    }

    /// The connection writes on its own.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(into_io))
    }
}

fn into_io(error: h2::Error) -> io::Error {
    if error.is_reset() {
        return io::Error::new(io::ErrorKind::ConnectionReset, error);
    }
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::Other.into());
    }
    io::Error::other(error)
}
