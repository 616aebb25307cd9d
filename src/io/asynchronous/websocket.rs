//! A connection over an async transport.

use core::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    RecvHalf, SendHalf, Transport,
    engine::{self, Link, Receiving, Wakers, Wanted},
    split,
    tasks::Tasks,
};
use crate::{
    config::Config,
    connection::{Closure, Connection, Driver, Event, Fin, Found, Outbound, SendError},
    deflate::params::DeflateParams,
    error::Error,
    frame::CloseFrame,
    message::Message,
    negotiated::Negotiated,
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
    pub(super) subprotocol: Option<Box<str>>,
    /// The tasks that use it as a stream and as a sink, which may be two.
    pub(super) tasks: Option<Box<Tasks>>,
}

impl<T: Transport> WebSocket<T> {
    /// A WebSocket whose opening handshake was done elsewhere.
    #[must_use]
    pub fn from_parts(transport: T, negotiated: &Negotiated, config: &Config) -> Self {
        let (link, receiving) = engine::start(transport, negotiated, config);
        Self {
            link,
            receiving,
            subprotocol: negotiated.subprotocol().map(Into::into),
            tasks: None,
        }
    }

    /// The next message, or `None` once the connection was closed as it should be.
    ///
    /// Pings are answered and Pongs are passed over. What was fed is written before it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`], terminally, when the connection failed; the peer was told why. [`Error::Io`] when the
    /// stream failed. [`Error::FragmentDelivery`] if fragments are to be delivered.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is either returned or still there for the next call.
    pub async fn recv(&mut self) -> Result<Option<Message<'static>>, Error> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next message, lent from the connection's buffers, with the sending half to answer it while it is lent.
    ///
    /// Answers are written before the next wait, or with [`flush`](Self::flush). While so much is queued that an answer
    /// would be refused, it waits for that to be written first: so a peer that does not read is not read from either.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is either returned or still there for the next call.
    pub async fn recv_ref(&mut self) -> Result<Option<(Message<'_>, &mut Outbound)>, Error> {
        let has_room = !self.link.driver.outbound().is_full();
        let found = match has_room.then(|| self.receiving.find_short()).flatten() {
            found @ Some(_) => found,
            None => {
                let found = poll_fn(|cx| {
                    if self.outbound().is_full() {
                        // DRV-02: if it cannot be written, what the peer has said is still to be received.
                        ready!(self.receiving.poll_written(&mut self.link, &mut Wakers::of(cx)));
                    }
                    self.poll_find(Wanted::Data, cx)
                });
                found.await?
            }
        };
        let Some(found) = found else { return Ok(None) };
        let failing = match self.lend(found) {
            Ok((Event::Message(message), outbound)) => return Ok(Some((message, outbound))),
            Ok(_) => return Err(Error::FragmentDelivery),
            Err(failing) => failing,
        };
        Err(failing.await)
    }

    /// The next event of any kind, or `None` once the connection was closed as it should be.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), but for fragments, which are events too.
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
        let failing = match self.lend(found) {
            Ok((event, _)) => return Ok(Some(event)),
            Err(failing) => failing,
        };
        Err(failing.await)
    }

    /// Sends a message: queues it and writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it was refused; otherwise as for [`flush`](Self::flush).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the message is either queued as a whole, to be written by the next call, or was not
    /// queued at all, if it waited for room. To know which, use [`ready`](Self::ready) and
    /// [`try_feed`](Self::try_feed).
    pub async fn send(&mut self, message: impl Into<Message<'_>>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Queues a message. If too much is queued already, that is written first.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The message is not queued then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it completes, the message was not queued.
    pub async fn feed(&mut self, message: impl Into<Message<'_>>) -> Result<(), Error> {
        // As `with_room` does, which would move the message once more: that is a third of what it takes to queue a short one.
        let message = match self.try_feed(message) {
            Err(SendError::Full(message)) => message,
            fed => return Ok(fed?),
        };
        self.ready().await?;
        Ok(self.try_feed(message)?)
    }

    /// Queues a message if there is room, without waiting.
    ///
    /// # Errors
    ///
    /// Any [`SendError`], which hands the message back.
    pub fn try_feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError<Message<'m>>> {
        self.outbound().send(message)
    }

    /// Queues a message that is not to be compressed; see [`Outbound::send_uncompressed`].
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

    /// Queues a fragment of a message. If too much is queued already, that is written first.
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
    /// [`Error::Io`] when the stream failed. [`Error::Protocol`] when the connection was given up, as it is when the peer
    /// takes nothing for too long ([`Timers::write`](crate::Timers::write)).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call goes on behind the last byte that was written.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Closes the connection: sends a Close, waits for the peer's and for the end of the stream.
    ///
    /// Messages that still arrive are discarded. If the connection is closing already, this only waits for the end.
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
        self.start_close(frame)?;
        poll_fn(|cx| self.poll_find(Wanted::End, cx)).await?;
        Ok(())
    }

    /// What both sides agreed on about permessage-deflate; `None` if messages are not compressed.
    #[must_use]
    pub fn deflate(&self) -> Option<DeflateParams> {
        self.driver().outbound_ref().deflate()
    }

    /// The subprotocol that both sides agreed on, if any.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.driver().outbound_ref().closure()
    }

    /// Queues a Ping whose answer is timed, unless one is under way; see [`latency`](Self::latency).
    pub fn measure_latency(&mut self) {
        self.outbound().measure_latency();
    }

    /// The time between the latest timed Ping and its answer, if there was one. The keepalive times its Pings, too.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.driver().outbound_ref().latency()
    }

    /// Bytes that are queued and not written yet.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.driver().outbound_ref().queued()
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

    /// The transport and the connection, for a loop of one's own.
    ///
    /// What is queued is still in the connection. The time that its deadlines are told has another origin then, so a
    /// deadline that was already set may pass early or late.
    #[must_use]
    pub fn into_parts(self) -> (T, Connection) {
        engine::stop(self.link, self.receiving)
    }

    /// Separates the directions, for use in two tasks.
    ///
    /// The receiving half goes on to answer Pings and to finish the closing handshake, also while nobody uses the
    /// sending half.
    #[must_use]
    pub fn split(self) -> (SendHalf<T>, RecvHalf<T>) {
        split::split(self)
    }

    /// The sending side of the connection.
    pub(super) const fn outbound(&mut self) -> &mut Outbound {
        self.link.driver.outbound()
    }

    const fn driver(&self) -> &Driver {
        &self.link.driver
    }

    /// Begins the closing handshake, unless it has begun.
    pub(super) fn start_close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        match self.outbound().close(frame) {
            Ok(()) | Err(SendError::Closing(())) => Ok(()),
            Err(error) => Err(error.into()),
        }
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
        if self.outbound().is_full() {
            return self.poll_flush(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// Queues something. If too much is queued already, that is written first.
    pub(super) async fn with_room<M>(
        &mut self,
        data: M,
        feed: impl Fn(&mut Outbound, M) -> Result<(), SendError<M>>,
    ) -> Result<(), Error> {
        let data = match feed(self.outbound(), data) {
            Err(SendError::Full(unsent)) => unsent,
            fed => return fed.map_err(|refused| Error::Send(refused.without_unsent())),
        };
        self.ready().await?;
        feed(self.outbound(), data).map_err(|refused| Error::Send(refused.without_unsent()))
    }

    /// Lends what was found, and the sending half with it.
    #[inline]
    fn lend(&mut self, found: Found) -> Result<(Event<'_>, &mut Outbound), Failing<'_, T>> {
        let Self { link, receiving, .. } = self;
        match receiving.lend(found) {
            Ok(event) => Ok((event, link.driver.outbound())),
            Err(error) => {
                link.driver.outbound().fail(error);
                Err(Failing { link })
            }
        }
    }
}

/// The end of a connection on which text was received that is none, to be awaited before that is told.
///
/// A type of its own, since the tasks of all connections have room for it.
struct Failing<'a, T: Transport> {
    link: &'a mut Link<T>,
}

impl<T: Transport> Future for Failing<'_, T> {
    type Output = Error;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        self.link.poll_failure(&mut Wakers::of(cx))
    }
}
