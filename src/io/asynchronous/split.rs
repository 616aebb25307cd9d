//! The two directions of a connection, for two tasks.
//!
//! The transport and the sending side are behind a lock, which is held only while they are polled, never across an
//! await. Both tasks may wait for the write side of the transport at the same time, but a transport remembers only one;
//! so it is polled with a waker that wakes both.

use alloc::{boxed::Box, sync::Arc, task::Wake};
use core::{
    future::poll_fn,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    ReuniteError, Transport, WebSocket,
    engine::{Receiving, Sending, Wanted},
};
use crate::{
    connection::{Closure, Event, Fin, Found, Outbound, SendError},
    error::Error,
    frame::CloseFrame,
    message::Message,
};

/// Separates the directions of a connection.
pub(super) fn split<T: Transport>(websocket: WebSocket<T>) -> (SendHalf<T>, RecvHalf<T>) {
    let tasks = Arc::new(Tasks::default());
    let shared = Arc::new(Shared {
        sending: Mutex::new(websocket.sending),
        write_waker: Arc::clone(&tasks).into(),
        tasks,
    });
    let recv = RecvHalf {
        receiving: websocket.receiving,
        shared: Arc::clone(&shared),
        subprotocol: websocket.subprotocol,
        fused: websocket.fused,
    };
    (SendHalf { shared }, recv)
}

/// What both halves send through.
#[derive(Debug)]
pub(super) struct Shared<T> {
    sending: Mutex<Sending<T>>,
    tasks: Arc<Tasks>,
    /// Wakes the tasks of both halves.
    write_waker: Waker,
}

impl<T> Shared<T> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Sending<T>> {
        lock(&self.sending)
    }
}

/// The tasks that wait with one of the halves.
#[derive(Debug, Default)]
struct Tasks {
    send: Task,
    recv: Task,
}

#[derive(Debug, Default)]
struct Task(Mutex<Option<Waker>>);

impl Task {
    fn register(&self, cx: &Context<'_>) {
        let mut waker = lock(&self.0);
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        // Not under the lock: a waker may run the task at once.
        let waker = lock(&self.0).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.send.wake();
        self.recv.wake();
    }
}

/// What a panicking task leaves behind is whole: all that happens under the locks is polling and queueing.
fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sending half of a [`WebSocket`]; see [`WebSocket::split`].
#[derive(Debug)]
pub struct SendHalf<T> {
    pub(super) shared: Arc<Shared<T>>,
}

impl<T: Transport> SendHalf<T> {
    /// Sends a message: queues it and writes everything that is queued.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::send`].
    ///
    /// # Cancel safety
    ///
    /// As for [`WebSocket::send`].
    pub async fn send(&mut self, message: impl Into<Message<'_>>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Queues a message. If too much is queued already, waits until that is written.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The message is not queued then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the message was not queued.
    pub async fn feed(&mut self, message: impl Into<Message<'_>>) -> Result<(), Error> {
        self.with_room(message.into(), Outbound::send).await
    }

    /// Queues a message if there is room, without waiting. It is written with the next flush of either half.
    ///
    /// # Errors
    ///
    /// Any [`SendError`], which hands the message back.
    pub fn try_feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError<Message<'m>>> {
        self.shared.lock().outbound.send(message)
    }

    /// Queues a message that is not to be compressed; see [`Outbound::send_uncompressed`](crate::Outbound::send_uncompressed).
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed).
    ///
    /// # Cancel safety
    ///
    /// As for [`feed`](Self::feed).
    pub async fn feed_uncompressed(&mut self, message: impl Into<Message<'_>>) -> Result<(), Error> {
        self.with_room(message.into(), Outbound::send_uncompressed).await
    }

    /// Queues a fragment of a message. If too much is queued already, waits until that is written.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The fragment is not queued then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the fragment was not queued.
    pub async fn feed_fragment(&mut self, data: impl Into<Message<'_>>, fin: Fin) -> Result<(), Error> {
        self.with_room(data.into(), |outbound, data| outbound.send_fragment(data, fin))
            .await
    }

    /// Waits until there is room for a message.
    ///
    /// # Errors
    ///
    /// As for [`flush`](Self::flush).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn ready(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_room(cx)).await
    }

    /// Sends a Ping with up to 125 bytes of payload.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropped before it completes, the Ping was not queued, or is written by the next call.
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.with_room((), |outbound, ()| outbound.ping(payload)).await?;
        self.flush().await
    }

    /// Sends a Pong with up to 125 bytes of payload. Pings are answered without it.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropped before it completes, the Pong was not queued, or is written by the next call.
    pub async fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.with_room((), |outbound, ()| outbound.pong(payload)).await?;
        self.flush().await
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the stream failed; [`Error::Protocol`] when the connection was given up.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call goes on behind the last byte that was written.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Begins the closing handshake. The receiving half finishes it, and then ends with `None`.
    ///
    /// # Errors
    ///
    /// As for [`flush`](Self::flush), and [`Error::Send`] for a frame that may not be sent.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the Close is queued at the first poll, and written by the next call on either half.
    pub async fn close(&mut self, frame: impl Into<Option<CloseFrame<'_>>>) -> Result<(), Error> {
        self.start_close(frame)?;
        self.flush().await
    }

    /// Queues the Close that begins the closing handshake, without waiting for it to be written, unless the connection is
    /// closing already. The receiving half writes it and finishes the handshake, in time, also when the peer reads nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a frame that may not be sent.
    pub fn feed_close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        self.start_close(frame)
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.shared.lock().outbound.closure()
    }

    /// The time between the latest timed Ping and its answer, if there was one.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.shared.lock().outbound.latency()
    }

    /// Puts the halves together again.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] with both, if they are not of the same connection.
    pub fn reunite(self, recv: RecvHalf<T>) -> Result<WebSocket<T>, ReuniteError<T>> {
        if !Arc::ptr_eq(&self.shared, &recv.shared) {
            return Err(ReuniteError {
                send: self,
                recv: Box::new(recv),
            });
        }
        let RecvHalf {
            receiving,
            shared,
            subprotocol,
            fused,
        } = recv;
        drop(self.shared);
        match Arc::try_unwrap(shared) {
            Ok(shared) => Ok(WebSocket {
                sending: shared.sending.into_inner().unwrap_or_else(PoisonError::into_inner),
                receiving,
                subprotocol,
                fused,
            }),
            // There are two halves only, so this is not reached.
            Err(shared) => Err(ReuniteError {
                send: Self {
                    shared: Arc::clone(&shared),
                },
                recv: Box::new(RecvHalf {
                    receiving,
                    shared,
                    subprotocol,
                    fused,
                }),
            }),
        }
    }

    /// Queues something. While too much is queued already, waits until that is written; the other half may be quicker to
    /// fill the room with Pongs.
    pub(super) async fn with_room<M>(
        &self,
        mut data: M,
        feed: impl Fn(&mut Outbound, M) -> Result<(), SendError<M>>,
    ) -> Result<(), Error> {
        loop {
            let fed = feed(&mut self.shared.lock().outbound, data);
            match fed {
                Err(SendError::Full(unsent)) => data = unsent,
                fed => return fed.map_err(|refused| Error::Send(refused.without_unsent())),
            }
            poll_fn(|cx| self.poll_room(cx)).await?;
        }
    }

    /// Begins the closing handshake, unless it has begun.
    pub(super) fn start_close<'c>(&self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        let started = self.shared.lock().outbound.close(frame);
        match started {
            Ok(()) => {
                // The receiving half has a deadline to watch now.
                self.shared.tasks.recv.wake();
                Ok(())
            }
            Err(SendError::Closing(())) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.tasks.send.register(cx);
        let mut write_cx = Context::from_waker(&self.shared.write_waker);
        let mut sending = self.shared.lock();
        let flushed = sending.poll_flush(&mut write_cx);
        let news = match flushed {
            // There is a deadline to watch now. Told once: both halves may be in one task, which would wake itself.
            Poll::Pending => !sending.watched,
            // The connection was lost.
            Poll::Ready(Err(_)) => true,
            Poll::Ready(Ok(())) => false,
        };
        drop(sending);
        if news {
            self.shared.tasks.recv.wake();
        }
        flushed
    }

    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.shared.lock().outbound.is_full() {
            return self.poll_flush(cx);
        }
        Poll::Ready(Ok(()))
    }
}

/// The receiving half of a [`WebSocket`]; see [`WebSocket::split`].
///
/// It must go on receiving for Pings to be answered, deadlines to be kept and the closing handshake to be finished.
#[derive(Debug)]
pub struct RecvHalf<T: Transport> {
    receiving: Receiving<T::Timer>,
    shared: Arc<Shared<T>>,
    subprotocol: Option<Box<str>>,
    pub(super) fused: bool,
}

impl<T: Transport> RecvHalf<T> {
    /// The next message, or `None` once the connection was closed as it should be.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is either returned or still there for the next call.
    pub async fn recv(&mut self) -> Result<Option<Message<'static>>, Error> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next message, lent from the connection's buffers.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is either returned or still there for the next call.
    pub async fn recv_ref(&mut self) -> Result<Option<Message<'_>>, Error> {
        let found = match self.receiving.find_short() {
            found @ Some(_) => found,
            None => poll_fn(|cx| self.poll_find(Wanted::Data, cx)).await?,
        };
        let Some(found) = found else { return Ok(None) };
        match self.lend(found).await? {
            Event::Message(message) => Ok(Some(message)),
            _ => Err(Error::FragmentDelivery),
        }
    }

    /// The next event of any kind, or `None` once the connection was closed as it should be.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv_event`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: an event is either returned or still there for the next call.
    pub async fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        let found = match self.receiving.find_short() {
            found @ Some(_) => found,
            None => poll_fn(|cx| self.poll_find(Wanted::All, cx)).await?,
        };
        let Some(found) = found else { return Ok(None) };
        self.lend(found).await.map(Some)
    }

    /// The subprotocol that both sides agreed on, if any.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The time between the latest timed Ping and its answer, if there was one. The keepalive times its Pings.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.shared.lock().outbound.latency()
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.shared.lock().outbound.closure()
    }

    fn poll_find(&mut self, wanted: Wanted, cx: &mut Context<'_>) -> Poll<Result<Option<Found>, Error>> {
        self.shared.tasks.recv.register(cx);
        let mut write_cx = Context::from_waker(&self.shared.write_waker);
        let polled = self
            .receiving
            .poll_find(wanted, &mut self.shared.lock(), cx, &mut write_cx);
        if let Poll::Ready(Ok(None) | Err(_)) = polled {
            // Whoever waits to send waits for nothing.
            self.shared.tasks.send.wake();
        }
        polled
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'static>>, Error>> {
        let found = match self.receiving.find_short() {
            found @ Some(_) => found,
            None => ready!(self.poll_find(Wanted::Data, cx))?,
        };
        let Some(found) = found else {
            return Poll::Ready(Ok(None));
        };
        match self.receiving.lend(found) {
            Ok(Event::Message(message)) => return Poll::Ready(Ok(Some(message.into_owned()))),
            Ok(_) => return Poll::Ready(Err(Error::FragmentDelivery)),
            Err((error, _)) => self.shared.lock().outbound.fail(error),
        };
        // This finds nothing but the failure, once the connection has ended.
        self.poll_find(Wanted::End, cx).map_ok(|_| None)
    }

    async fn lend(&mut self, found: Found) -> Result<Event<'_>, Error> {
        let Self { receiving, shared, .. } = self;
        match receiving.lend(found) {
            Ok(event) => Ok(event),
            Err((error, mut lingering)) => {
                let error = shared.lock().outbound.fail(error);
                poll_fn(|cx| {
                    shared.tasks.recv.register(cx);
                    let mut write_cx = Context::from_waker(&shared.write_waker);
                    lingering.poll(&mut shared.lock(), cx, &mut write_cx)
                })
                .await;
                shared.tasks.send.wake();
                Err(error.into())
            }
        }
    }
}
