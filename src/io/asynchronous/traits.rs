//! A connection as a stream and a sink of messages.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use super::{RecvHalf, SendHalf, Transport, WebSocket, engine::Wanted};
use crate::{error::Error, message::Message};

/// The messages that arrive. The stream ends behind an error, or when the connection was closed as it should be.
impl<T: Transport> Stream for WebSocket<T> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.fused {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_recv(cx)).transpose();
        self.fused = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl<T: Transport> FusedStream for WebSocket<T> {
    fn is_terminated(&self) -> bool {
        self.fused
    }
}

/// The messages to send. Flushing writes them; closing begins the closing handshake with code 1000 and finishes it.
impl<T: Transport> Sink<Message<'static>> for WebSocket<T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_room(cx))?;
        self.sending.promised = true;
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message<'static>) -> Result<(), Error> {
        Ok(self.sending.start_send(message)?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        WebSocket::poll_flush(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.start_close(crate::frame::CloseCode::NORMAL)?;
        self.poll_find(Wanted::End, cx).map_ok(|_| ())
    }
}

/// The messages that arrive. The stream ends behind an error, or when the connection was closed as it should be.
impl<T: Transport> Stream for RecvHalf<T> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.fused {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_recv(cx)).transpose();
        self.fused = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl<T: Transport> FusedStream for RecvHalf<T> {
    fn is_terminated(&self) -> bool {
        self.fused
    }
}

/// The messages to send. Flushing writes them; closing begins the closing handshake with code 1000, which the receiving
/// half finishes.
impl<T: Transport> Sink<Message<'static>> for SendHalf<T> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_room(cx))?;
        self.shared.lock().promised = true;
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message<'static>) -> Result<(), Error> {
        Ok(self.shared.lock().start_send(message)?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        SendHalf::poll_flush(&self, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.start_close(crate::frame::CloseCode::NORMAL)?;
        SendHalf::poll_flush(&self, cx)
    }
}
