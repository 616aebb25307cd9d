//! A connection as a stream and a sink of messages.

use core::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use super::{RecvHalf, SendHalf, Transport, WebSocket, engine::Wakers};
use crate::{connection::Outbound, error::Error, message::Message};

/// A stream of the messages received. It ends after an error, or when the connection has closed cleanly.
///
/// Two tasks may use the stream and the [sink](Sink), through `futures_util::StreamExt::split` for example.
impl<T: Transport> Stream for WebSocket<T> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.receiving.fused {
            return Poll::Ready(None);
        }
        let Self {
            link, receiving, tasks, ..
        } = &mut *self;
        let polled = match receiving.find_short() {
            Some(found) => receiving.poll_own(found, link, &mut Wakers::of(cx)),
            None => {
                let tasks = tasks.get_or_insert_default();
                tasks.recv().register(cx);
                let both = &mut Context::from_waker(tasks.all());
                let polled = receiving.poll_recv(link, &mut Wakers::of(both));
                if mem::take(&mut link.moved) {
                    tasks.send().wake();
                }
                polled
            }
        };
        let next = ready!(polled).transpose();
        self.receiving.fused = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl<T: Transport> FusedStream for WebSocket<T> {
    fn is_terminated(&self) -> bool {
        self.receiving.fused
    }
}

/// A sink for messages. Flushing writes them. Closing sends a Close with code 1000; reading the [stream](Stream) to its
/// end then finishes the closing handshake, as [`close`](WebSocket::close) does.
impl<T: Transport> Sink<Message<'static>> for WebSocket<T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.state(Outbound::is_full) {
            ready!(self.as_mut().poll_flush(cx))?;
        }
        self.link.promised = true;
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message<'static>) -> Result<(), Error> {
        Ok(self.link.start_send(message)?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self {
            link, receiving, tasks, ..
        } = &mut *self;
        let mut flushed = receiving.poll_flush(link, &mut Wakers::of(cx));
        if flushed.is_pending() {
            // Both tasks are waiting now.
            let tasks = tasks.get_or_insert_default();
            tasks.send().register(0, cx);
            let both = &mut Context::from_waker(tasks.all());
            flushed = receiving.poll_flush(link, &mut Wakers::of(both));
        }
        // The other task handles what was read, and new deadlines.
        if let (true, Some(tasks)) = (mem::take(&mut link.moved), tasks) {
            tasks.recv().wake();
        }
        flushed
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.feed_close(crate::frame::CloseCode::NORMAL)?;
        self.poll_flush(cx)
    }
}

/// A stream of the messages received. It ends after an error, or when the connection has closed cleanly.
impl<T: Transport> Stream for RecvHalf<T> {
    type Item = Result<Message<'static>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.receiving.fused {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_recv(cx)).transpose();
        self.receiving.fused = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl<T: Transport> FusedStream for RecvHalf<T> {
    fn is_terminated(&self) -> bool {
        self.receiving.fused
    }
}

/// A sink for messages. Flushing writes them. Closing starts the closing handshake with code 1000; the receiving half
/// finishes it.
impl<T: Transport> Sink<Message<'static>> for SendHalf<T> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_room(cx))?;
        self.shared.lock().promised = true;
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message<'static>) -> Result<(), Error> {
        Ok(self.shared.with(|link| link.start_send(message))?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        SendHalf::poll_flush(&self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.feed_close(crate::frame::CloseCode::NORMAL)?;
        SendHalf::poll_flush(&self, cx)
    }
}
