//! A connection over an async transport.

use alloc::sync::Arc;
use core::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    Transport,
    engine::{self, Link, Receiving, Wakers},
    tasks::Tasks,
};
use crate::{
    connection::{CloseInfo, Connection, Event, Fault, Found, Outbound, SendError},
    deflate::params::DeflateParams,
    error::Error,
    frame::CloseFrame,
    io::verbs::{Wanted, recv_verbs, send_verbs, state_verbs},
    message::Message,
    negotiated::Agreed,
    outgoing::Outgoing,
};

/// A WebSocket over an async stream.
///
/// Use it as [`tokio::WebSocket`](crate::tokio::WebSocket) or [`futures::WebSocket`](crate::futures::WebSocket).
///
/// What is [fed](Self::feed) is written together, at the latest before the next wait for a message, so that a loop of
/// `recv` and `feed` answers everything that arrived together with one write.
///
/// Dropping it drops the stream without a closing handshake; [`close`](Self::close) ends it properly.
#[derive(Debug)]
pub struct WebSocket<T: Transport> {
    pub(super) link: Link<T>,
    pub(super) receiving: Receiving,
    /// The tasks that use it as a stream and as a sink, which may be two.
    pub(super) tasks: Option<Box<Tasks>>,
}

impl<T: Transport> WebSocket<T> {
    /// A WebSocket from a transport and a connection, after an opening handshake that was done elsewhere or
    /// [`into_parts`](Self::into_parts).
    #[must_use]
    pub fn from_parts(transport: T, connection: Connection) -> Self {
        let (link, receiving) = engine::start(transport, connection);
        Self {
            link,
            receiving,
            tasks: None,
        }
    }

    recv_verbs!(async await);
    send_verbs!(async await);
    state_verbs!();

    /// The next message, lent, with the sending side to answer it while it is lent.
    ///
    /// Answers are written before the next wait, or with [`flush`](Self::flush). While enough is queued that an answer
    /// would be refused, it waits for that to be written first: so a peer that does not read is not read from either.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # async fn echo(mut websocket: websocket_proto::tokio::WebSocket<tokio::net::TcpStream>) -> Result<(), websocket_proto::Error> {
    /// while let Some((message, outbound)) = websocket.recv_split().await? {
    ///     outbound.feed(message)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is either returned or still there for the next call.
    pub async fn recv_split(&mut self) -> Result<Option<(Message<'_>, &mut Outbound)>, Error> {
        let has_room = !self.state(Outbound::is_full);
        let found = match has_room.then(|| self.receiving.find_short()).flatten() {
            found @ Some(_) => found,
            None => {
                let found = poll_fn(|cx| {
                    if self.state(Outbound::is_full) {
                        // DRV-02: if it cannot be written, what the peer has said is still to be received.
                        ready!(self.receiving.poll_written(&mut self.link, &mut Wakers::of(cx)));
                    }
                    self.poll_find(Wanted::Data, cx)
                });
                found.await?
            }
        };
        let Some(found) = found else { return Ok(None) };
        let failing = match self.lend_split(found) {
            Ok((Event::Message(message), outbound)) => return Ok(Some((message, outbound))),
            Ok((event, _)) => return Err(Error::no_message(&event)),
            Err(failing) => failing,
        };
        Err(failing.await)
    }

    /// Closes the connection: sends a Close, waits for the peer's and for the end of the stream.
    ///
    /// Messages that still arrive are discarded; to receive them, use [`feed_close`](Self::feed_close). If the connection is
    /// closing already, this only waits for the end.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a frame that may not be sent. [`Error::Protocol`] if the closing handshake was not finished,
    /// in time ([`Timers::close`](crate::Timers::close)) or at all. [`Error::Io`] when the stream failed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the Close is queued at the first poll, and the next call of any method goes on with the rest.
    pub async fn close(&mut self, frame: impl Into<Option<CloseFrame<'_>>>) -> Result<(), Error> {
        self.feed_close(frame)?;
        poll_fn(|cx| self.poll_find(Wanted::End, cx)).await?;
        Ok(())
    }

    /// The transport.
    #[must_use]
    pub const fn transport(&self) -> &T {
        &self.link.transport
    }

    /// The transport. Reading from it or writing to it breaks the connection.
    #[must_use]
    pub const fn transport_mut(&mut self) -> &mut T {
        &mut self.link.transport
    }

    /// The transport and the connection, for your own loop; [`from_parts`](Self::from_parts) puts them together again.
    ///
    /// What is queued is still in the connection. Its time has another origin then, so a deadline that is already set may
    /// pass early or late.
    #[must_use]
    pub fn into_parts(self) -> (T, Connection) {
        engine::stop(self.link, self.receiving)
    }

    pub(super) fn state<R>(&self, read: impl FnOnce(&Outbound) -> R) -> R {
        read(self.link.driver.outbound_ref())
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut Outbound) -> R) -> R {
        change(self.link.driver.outbound())
    }

    fn agreed(&self) -> Option<&Arc<Agreed>> {
        self.link.driver.outbound_ref().agreed()
    }

    #[inline]
    fn find_short(&mut self) -> Option<Found> {
        self.receiving.find_short()
    }

    fn find(&mut self, wanted: Wanted) -> impl Future<Output = Result<Option<Found>, Error>> {
        poll_fn(move |cx| self.poll_find(wanted, cx))
    }

    #[inline]
    fn lend(&mut self, found: Found) -> Result<Event<'_>, Failing<'_, T>> {
        let Self { link, receiving, .. } = self;
        match receiving.lend(found) {
            Ok(event) => Ok(event),
            Err(fault) => Err(Failing::new(link, fault)),
        }
    }

    fn recv_owned(&mut self) -> impl Future<Output = Result<Option<Message<'static>>, Error>> {
        poll_fn(|cx| self.poll_recv(cx))
    }

    fn write_all(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_flush(cx))
    }

    fn write_some(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_room(cx))
    }

    fn poll_find(&mut self, wanted: Wanted, cx: &mut Context<'_>) -> Poll<Result<Option<Found>, Error>> {
        self.receiving.poll_find(wanted, &mut self.link, &mut Wakers::of(cx))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'static>>, Error>> {
        let Self { link, receiving, .. } = self;
        match receiving.find_short() {
            Some(found) => receiving.poll_own(found, link, &mut Wakers::of(cx)),
            None => receiving.poll_recv(link, &mut Wakers::of(cx)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.receiving.poll_flush(&mut self.link, &mut Wakers::of(cx))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.state(Outbound::is_full) {
            return self.poll_flush(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// Lends what was found, and the sending side with it.
    #[inline]
    fn lend_split(&mut self, found: Found) -> Result<(Event<'_>, &mut Outbound), Failing<'_, T>> {
        let Self { link, receiving, .. } = self;
        match receiving.lend(found) {
            Ok(event) => Ok((event, link.driver.outbound())),
            Err(fault) => Err(Failing::new(link, fault)),
        }
    }
}

/// Finishes the connection after invalid UTF-8, before the error is returned.
///
/// A type of its own, since the tasks of all connections have room for it.
struct Failing<'a, T: Transport> {
    link: &'a mut Link<T>,
}

impl<'a, T: Transport> Failing<'a, T> {
    #[cold]
    fn new(link: &'a mut Link<T>, fault: Fault) -> Self {
        link.driver.outbound().tell(fault);
        Self { link }
    }
}

impl<T: Transport> Future for Failing<'_, T> {
    type Output = Error;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        self.link.poll_failure(&mut Wakers::of(cx))
    }
}
