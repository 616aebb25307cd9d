//! The two directions of a connection, for two tasks.
//!
//! The transport and the sending side are protected by a lock, which is held only while they are polled, never across an await.

use alloc::sync::Arc;
use core::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    Transport, WebSocket,
    engine::{Link, Receiving, Wakers},
    tasks::Tasks,
};
use crate::{
    connection::{CloseInfo, Event, Found, Outbound, SendError},
    deflate::params::DeflateParams,
    error::Error,
    frame::CloseFrame,
    io::{
        reunite::ReuniteError,
        verbs::{Wanted, recv_verbs, send_verbs, state_verbs},
    },
    message::Message,
    negotiated::Agreed,
    outgoing::Outgoing,
};

impl<T: Transport> WebSocket<T> {
    /// Splits the connection into its two directions, for several tasks. [`SendHalf::reunite`] puts them together
    /// again.
    ///
    /// The receiving half continues to answer Pings and finishes the closing handshake, even while the sending half is
    /// not used.
    #[must_use]
    pub fn split(self) -> (SendHalf<T>, RecvHalf<T>) {
        let agreed = self.link.driver.outbound_ref().agreed().cloned();
        let shared = Arc::new(SharedLink {
            link: Mutex::new(self.link),
            tasks: Tasks::default(),
        });
        let send = SendHalf::new(Arc::clone(&shared), agreed.clone());
        let recv = RecvHalf {
            receiving: self.receiving,
            shared,
            agreed,
        };
        (send, recv)
    }
}

/// The state that both halves share.
#[derive(Debug)]
pub(super) struct SharedLink<T: Transport> {
    link: Mutex<Link<T>>,
    tasks: Tasks,
}

impl<T: Transport> SharedLink<T> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Link<T>> {
        // The state is consistent after a panic: only polling and queueing happen under the lock.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `change` with the link, then wakes the tasks that it concerns.
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

    fn state<R>(&self, read: impl FnOnce(&Outbound) -> R) -> R {
        read(self.lock().driver.outbound_ref())
    }

    fn change<R>(&self, change: impl FnOnce(&mut Outbound) -> R) -> R {
        self.with(|link| change(link.driver.outbound()))
    }
}

/// The sending half of a [`WebSocket`]; see [`WebSocket::split`].
///
/// All clones send through the same connection, each message as a whole.
#[derive(Debug)]
pub struct SendHalf<T: Transport> {
    pub(super) shared: Arc<SharedLink<T>>,
    agreed: Option<Arc<Agreed>>,
    /// The number that identifies this half among those that send.
    number: u64,
}

impl<T: Transport> SendHalf<T> {
    send_verbs!(async await);
    state_verbs!();

    /// Starts the closing handshake. The receiving half finishes it and then returns `None`.
    ///
    /// # Errors
    ///
    /// As for [`flush`](Self::flush), and [`Error::Send`] for a frame that may not be sent.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the Close is queued at the first poll, and written by the next call on either half.
    pub async fn close(&mut self, frame: impl Into<Option<CloseFrame<'_>>>) -> Result<(), Error> {
        self.feed_close(frame)?;
        self.flush().await
    }

    /// Puts the two halves back together.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`], with both halves, if they belong to different connections, or the sending half has other
    /// clones.
    pub fn reunite(self, recv: RecvHalf<T>) -> Result<WebSocket<T>, ReuniteError<Self, RecvHalf<T>>> {
        if !Arc::ptr_eq(&self.shared, &recv.shared) {
            return Err(ReuniteError::new(self, recv));
        }
        let RecvHalf {
            receiving,
            shared,
            agreed,
        } = recv;
        drop(self);
        match Arc::try_unwrap(shared) {
            Ok(shared) => Ok(WebSocket {
                link: shared.link.into_inner().unwrap_or_else(PoisonError::into_inner),
                receiving,
                tasks: None,
            }),
            Err(shared) => {
                let send = Self::new(Arc::clone(&shared), agreed.clone());
                let recv = RecvHalf {
                    receiving,
                    shared,
                    agreed,
                };
                Err(ReuniteError::new(send, recv))
            }
        }
    }

    fn new(shared: Arc<SharedLink<T>>, agreed: Option<Arc<Agreed>>) -> Self {
        let number = shared.tasks.send().number();
        Self { shared, agreed, number }
    }

    fn state<R>(&self, read: impl FnOnce(&Outbound) -> R) -> R {
        self.shared.state(read)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Outbound) -> R) -> R {
        self.shared.change(change)
    }

    const fn agreed(&self) -> Option<&Arc<Agreed>> {
        self.agreed.as_ref()
    }

    fn write_all(&self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_flush(cx))
    }

    fn write_some(&self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_room(cx))
    }

    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let tasks = &self.shared.tasks;
        tasks.send().register(self.number, cx);
        let all = &mut Context::from_waker(tasks.all());
        self.shared.with(|link| link.poll_write_all(&mut Wakers::of(all)))
    }

    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.state(Outbound::is_full) {
            return self.poll_flush(cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Transport> Clone for SendHalf<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared), self.agreed.clone())
    }
}

impl<T: Transport> Drop for SendHalf<T> {
    fn drop(&mut self) {
        self.shared.tasks.send().forget(self.number);
    }
}

/// The receiving half of a [`WebSocket`]; see [`WebSocket::split`].
///
/// Keep receiving: that answers Pings, enforces deadlines and finishes the closing handshake.
#[derive(Debug)]
pub struct RecvHalf<T: Transport> {
    pub(super) receiving: Receiving,
    shared: Arc<SharedLink<T>>,
    agreed: Option<Arc<Agreed>>,
}

impl<T: Transport> RecvHalf<T> {
    recv_verbs!(async await);
    state_verbs!();

    fn state<R>(&self, read: impl FnOnce(&Outbound) -> R) -> R {
        self.shared.state(read)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Outbound) -> R) -> R {
        self.shared.change(change)
    }

    const fn agreed(&self) -> Option<&Arc<Agreed>> {
        self.agreed.as_ref()
    }

    #[inline]
    fn find_short(&mut self) -> Option<Found> {
        self.receiving.find_short()
    }

    fn find(&mut self, wanted: Wanted) -> impl Future<Output = Result<Option<Found>, Error>> {
        poll_fn(move |cx| self.poll_find(wanted, cx))
    }

    fn recv_owned(&mut self) -> impl Future<Output = Result<Option<Message<'static>>, Error>> {
        poll_fn(|cx| self.poll_recv(cx))
    }

    fn poll_find(&mut self, wanted: Wanted, cx: &mut Context<'_>) -> Poll<Result<Option<Found>, Error>> {
        let Self { receiving, shared, .. } = self;
        let tasks = &shared.tasks;
        tasks.recv().register(cx);
        shared.with(|link| receiving.poll_find(wanted, link, &mut Wakers::new(cx, tasks.all())))
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'static>>, Error>> {
        let Self { receiving, shared, .. } = self;
        let tasks = &shared.tasks;
        let found = receiving.find_short();
        tasks.recv().register(cx);
        let wakers = &mut Wakers::new(cx, tasks.all());
        shared.with(|link| match found {
            Some(found) => receiving.poll_own(found, link, wakers),
            None => receiving.poll_recv(link, wakers),
        })
    }

    #[inline]
    fn lend(&mut self, found: Found) -> Result<Event<'_>, Failing<'_, T>> {
        let Self { receiving, shared, .. } = self;
        receiving.lend(found).map_err(|fault| {
            shared.change(|outbound| outbound.tell(fault));
            Failing { shared }
        })
    }
}

/// Finishes the connection after invalid UTF-8, before the error is returned.
struct Failing<'a, T: Transport> {
    shared: &'a SharedLink<T>,
}

impl<T: Transport> Future for Failing<'_, T> {
    type Output = Error;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        let tasks = &self.shared.tasks;
        tasks.recv().register(cx);
        self.shared
            .with(|link| link.poll_failure(&mut Wakers::new(cx, tasks.all())))
    }
}
