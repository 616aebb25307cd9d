//! The two directions of a connection, for two tasks.
//!
//! The transport and the sending side are protected by a lock, which is held only while they are polled, never across an await.

use alloc::{boxed::Box, sync::Arc};
use core::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    ReuniteError, Transport, WebSocket,
    engine::{Link, Receiving, Wakers, Wanted},
    tasks::Tasks,
};
use crate::{
    connection::{Closure, Event, Fin, Found, Outbound, SendError},
    error::Error,
    frame::CloseFrame,
    message::Message,
};

/// Separates the directions of a connection.
pub(super) fn split<T: Transport>(websocket: WebSocket<T>) -> (SendHalf<T>, RecvHalf<T>) {
    let shared = Arc::new(Shared {
        link: Mutex::new(websocket.link),
        tasks: Tasks::default(),
    });
    let recv = RecvHalf {
        receiving: websocket.receiving,
        shared: Arc::clone(&shared),
        subprotocol: websocket.subprotocol,
    };
    (SendHalf { shared }, recv)
}

/// What both halves use.
#[derive(Debug)]
pub(super) struct Shared<T: Transport> {
    link: Mutex<Link<T>>,
    tasks: Tasks,
}

impl<T: Transport> Shared<T> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Link<T>> {
        // What a panicking task leaves behind is whole: all that happens under the lock is polling and queueing.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the link, and then wakes whom it concerns.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut Link<T>) -> R) -> R {
        let mut link = self.lock();
        let result = change(&mut link);
        let wakes = link.driver.has_waiting().then(|| link.driver.wakes());
        drop(link);
        let wakes = wakes.unwrap_or_default();
        if wakes.reader {
            self.tasks.recv().wake();
        }
        if wakes.writer {
            self.tasks.send().wake();
        }
        result
    }

    /// Queues something.
    pub(super) fn queue<R>(&self, queue: impl FnOnce(&mut Outbound) -> R) -> R {
        self.with(|link| queue(link.driver.outbound()))
    }
}

/// The sending half of a [`WebSocket`]; see [`WebSocket::split`].
#[derive(Debug)]
pub struct SendHalf<T: Transport> {
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
        self.shared.queue(|outbound| outbound.send(message))
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
        self.shared.lock().driver.outbound_ref().closure()
    }

    /// The time between the latest timed Ping and its answer, if there was one.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.shared.lock().driver.outbound_ref().latency()
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
        } = recv;
        drop(self.shared);
        match Arc::try_unwrap(shared) {
            Ok(shared) => Ok(WebSocket {
                link: shared.link.into_inner().unwrap_or_else(PoisonError::into_inner),
                receiving,
                subprotocol,
                tasks: None,
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
            match self.shared.queue(|outbound| feed(outbound, data)) {
                Err(SendError::Full(unsent)) => data = unsent,
                fed => return fed.map_err(|refused| Error::Send(refused.without_unsent())),
            }
            poll_fn(|cx| self.poll_room(cx)).await?;
        }
    }

    /// Begins the closing handshake, unless it has begun.
    pub(super) fn start_close<'c>(&self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        match self.shared.queue(|outbound| outbound.close(frame)) {
            Ok(()) | Err(SendError::Closing(())) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let tasks = &self.shared.tasks;
        tasks.send().register(cx);
        let both = &mut Context::from_waker(tasks.both());
        self.shared.with(|link| link.poll_write_all(&mut Wakers::of(both)))
    }

    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let is_full = self.shared.lock().driver.outbound_ref().is_full();
        if is_full {
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
    pub(super) receiving: Receiving,
    shared: Arc<Shared<T>>,
    subprotocol: Option<Box<str>>,
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
        self.shared.lock().driver.outbound_ref().latency()
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.shared.lock().driver.outbound_ref().closure()
    }

    fn poll_find(&mut self, wanted: Wanted, cx: &mut Context<'_>) -> Poll<Result<Option<Found>, Error>> {
        let Self { receiving, shared, .. } = self;
        let tasks = &shared.tasks;
        tasks.recv().register(cx);
        shared.with(|link| receiving.poll_find(wanted, link, &mut Wakers::new(cx, tasks.both())))
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'static>>, Error>> {
        let Self { receiving, shared, .. } = self;
        let tasks = &shared.tasks;
        let found = receiving.find_short();
        tasks.recv().register(cx);
        let wakers = &mut Wakers::new(cx, tasks.both());
        shared.with(|link| match found {
            Some(found) => receiving.poll_own(found, link, wakers),
            None => receiving.poll_recv(link, wakers),
        })
    }

    async fn lend(&mut self, found: Found) -> Result<Event<'_>, Error> {
        let Self { receiving, shared, .. } = self;
        match receiving.lend(found) {
            Ok(event) => Ok(event),
            Err(error) => {
                shared.queue(|outbound| outbound.fail(error));
                let tasks = &shared.tasks;
                let failure = poll_fn(|cx| {
                    tasks.recv().register(cx);
                    shared.with(|link| link.poll_failure(&mut Wakers::new(cx, tasks.both())))
                });
                Err(failure.await)
            }
        }
    }
}
