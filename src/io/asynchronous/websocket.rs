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
/// [Queued](Self::feed) messages are written together, at the latest before the next wait for a message. So a loop of
/// `recv` and `feed` answers everything that arrived together with one write.
///
/// Dropping it drops the stream without a closing handshake; use [`close`](Self::close) to close the connection
/// cleanly.
#[derive(Debug)]
pub struct WebSocket<T: Transport> {
    pub(super) link: Link<T>,
    pub(super) receiving: Receiving,
    /// The tasks that use it as a stream and as a sink; they may differ.
    pub(super) tasks: Option<Box<Tasks>>,
}

impl<T: Transport> WebSocket<T> {
    /// Creates a WebSocket from a transport and a connection, after [`into_parts`](Self::into_parts) or an opening
    /// handshake that was done elsewhere.
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

    /// Receives the next message, borrowed, together with the sending side, so that you can answer it while it is
    /// borrowed.
    ///
    /// Answers are written before the next wait, or by [`flush`](Self::flush). While the queue is so full that an
    /// answer would be refused, this method waits for it to be written. So a peer that does not read is not read from
    /// either.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")]
    /// # use websocket_proto::{Error, tokio::WebSocket};
    /// # async fn echo(mut websocket: WebSocket<tokio::net::TcpStream>) -> Result<(), Error> {
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
    /// Cancel safe: dropping the future loses no message.
    pub async fn recv_split(&mut self) -> Result<Option<(Message<'_>, &mut Outbound)>, Error> {
        let has_room = !self.state(Outbound::is_full);
        let found = match has_room.then(|| self.receiving.find_short()).flatten() {
            found @ Some(_) => found,
            None => {
                let found = poll_fn(|cx| {
                    if self.state(Outbound::is_full) {
                        // DRV-02: even if it cannot be written, data that the peer has sent is received.
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

    /// Closes the connection: sends a Close, then waits for the peer's Close and for the end of the stream.
    ///
    /// Messages that still arrive are discarded; to receive them, use [`feed_close`](Self::feed_close) instead. If the
    /// connection is already closing, this method only waits for the end.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a frame that may not be sent. [`Error::Protocol`] if the closing handshake did not finish,
    /// or not in time ([`Timers::close`](crate::Timers::close)). [`Error::Io`] if the stream failed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the Close is queued at the first poll, and the next call of any method continues from there.
    pub async fn close(&mut self, frame: impl Into<Option<CloseFrame<'_>>>) -> Result<(), Error> {
        self.feed_close(frame)?;
        poll_fn(|cx| self.poll_find(Wanted::End, cx)).await?;
        Ok(())
    }

    /// Returns the transport.
    #[must_use]
    pub const fn transport(&self) -> &T {
        &self.link.transport
    }

    /// Returns the transport. Reading from it or writing to it corrupts the connection.
    #[must_use]
    pub const fn transport_mut(&mut self) -> &mut T {
        &mut self.link.transport
    }

    /// Returns the transport and the connection, for your own loop. [`from_parts`](Self::from_parts) puts them together
    /// again.
    ///
    /// Queued output is still in the connection. The connection's clock has another origin afterwards, so a deadline
    /// that is already set may fire early or late.
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

    /// Lends an event that was found, together with the sending side.
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
/// A separate type, to save memory: the tasks of all connections reserve space for it.
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
