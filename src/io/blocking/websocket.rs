//! A connection over a stream.

use core::time::Duration;
use std::{io, net::Shutdown, time::Instant};

use super::{
    Acceptor, Connector, RecvHalf, SendHalf, SplitStream, Stream, split,
    transport::{self, Reader, Received},
};
use crate::{
    config::Config,
    connection::{Closure, Connection, Event, Fin, Found, Outbound, ReadyState, SendError},
    deflate::params::DeflateParams,
    error::Error,
    frame::CloseFrame,
    handshake::{Accept, ClientRequest, Rejection, UpgradeRequest},
    message::Message,
    negotiated::Negotiated,
    prepared::PreparedMessage,
};

/// A WebSocket over a blocking (or non-blocking) stream.
///
/// Messages that [`recv`](Self::recv) returns are lent from the connection's buffers. What is [fed](Self::feed) is
/// written together, at the latest before the next wait for a message, so that a loop of `recv` and `feed` answers
/// everything that arrived together with one write.
///
/// Dropping it drops the stream without a closing handshake; [`close`](Self::close) ends it properly.
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) stream: S,
    pub(super) connection: Connection,
    pub(super) reader: Reader,
    pub(super) subprotocol: Option<Box<str>>,
    pub(super) close_timeout: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    /// Whether the write side of the stream is shut down.
    pub(super) shut_down: bool,
}

impl<S: Stream> WebSocket<S> {
    /// Accepts the upgrade request of a client, with default settings and no subprotocol.
    ///
    /// A server that is meant for certain web sites should check the origin of browsers: see
    /// [`accept_with`](Self::accept_with).
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for a request that is not valid, which was then answered; [`Error::Io`].
    pub fn accept(stream: S) -> Result<Self, Error> {
        Self::accept_with(stream, &Config::new(), |_| Ok(Accept::new()))
    }

    /// Accepts or rejects the upgrade request of a client, as `decide` says.
    ///
    /// ```no_run
    /// use websocket_proto::{Config, blocking::WebSocket, handshake::{Accept, OriginPolicy, Rejection}};
    ///
    /// # fn serve(stream: std::net::TcpStream) -> Result<(), websocket_proto::Error> {
    /// let origins = OriginPolicy::same_origin();
    /// let websocket = WebSocket::accept_with(stream, &Config::new(), |request| {
    ///     if request.check_origin(&origins).is_err() {
    ///         return Err(Rejection::new(403));
    ///     }
    ///     if request.path() != "/chat" {
    ///         return Err(Rejection::new(404).body("There is only /chat here.\n"));
    ///     }
    ///     Ok(match request.select_subprotocol(&["chat.v2", "chat.v1"]) {
    ///         Some(subprotocol) => Accept::new().subprotocol(subprotocol),
    ///         None => Accept::new(),
    ///     })
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for a request that is not valid, which was then answered; [`Error::Rejected`] if `decide`
    /// said so; [`Error::Accept`] or [`Error::Reject`] for a decision that cannot be sent, in which case the client was
    /// told 500; [`Error::Io`].
    pub fn accept_with(
        stream: S,
        config: &Config,
        decide: impl FnOnce(&UpgradeRequest) -> Result<Accept, Rejection>,
    ) -> Result<Self, Error> {
        let mut acceptor = Acceptor::new(stream, config);
        let request = acceptor.recv_request()?;
        match decide(&request) {
            Ok(accept) => acceptor.accept(&request, accept),
            Err(rejection) => Err(acceptor.reject(&request, &rejection)),
        }
    }

    /// Opens a connection over a stream that leads to the server, with default settings.
    ///
    /// To connect the stream as well, see [`blocking::connect`](super::connect).
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the server refuses or its answer is not valid; [`Error::Request`]; [`Error::Io`].
    pub fn client(stream: S, request: ClientRequest) -> Result<Self, Error> {
        Self::client_with(stream, request, &Config::new())
    }

    /// Opens a connection over a stream that leads to the server.
    ///
    /// # Errors
    ///
    /// As for [`client`](Self::client).
    pub fn client_with(stream: S, request: ClientRequest, config: &Config) -> Result<Self, Error> {
        let mut connector = Connector::new(stream, request, config)?;
        let response = connector.recv_response()?;
        connector.open(response)
    }

    /// A WebSocket whose opening handshake was done elsewhere.
    #[must_use]
    pub fn from_negotiated(mut stream: S, negotiated: &Negotiated, config: &Config) -> Self {
        // A stream that cannot bound its writes has no deadline for them.
        let _ = stream.set_write_timeout(config.timers.write);
        Self {
            stream,
            connection: Connection::from_negotiated(negotiated, config),
            reader: Reader::new(),
            subprotocol: negotiated.subprotocol().map(Into::into),
            close_timeout: config.timers.close,
            write_timeout: config.timers.write,
            shut_down: false,
        }
    }

    /// The next message, or `None` once the connection was closed as it should be.
    ///
    /// Pings are answered and Pongs are passed over. What was fed is written before it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`], terminally, when the connection failed; the peer was told why. [`Error::Io`] when the
    /// stream failed, or with `WouldBlock` is not ready. [`Error::FragmentDelivery`] if fragments are to be delivered.
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        Ok(self.recv_ref()?.map(|(message, _)| message))
    }

    /// The next message, with the sending half to answer it while it is lent.
    ///
    /// Answers are written before the next wait, or with [`flush`](Self::flush). If so much is queued that an answer
    /// would be refused, that is written first: so a peer that does not read is not read from either.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_ref(&mut self) -> Result<Option<(Message<'_>, &mut Outbound)>, Error> {
        if self.connection.split_mut().1.is_full() {
            self.flush()?;
        }
        let found = loop {
            match self.wait()? {
                None => return Ok(None),
                Some(found) if found.is_control() => {}
                Some(found) => break found,
            }
        };
        match self.lend(found)? {
            (Event::Message(message), outbound) => Ok(Some((message, outbound))),
            _ => Err(Error::FragmentDelivery),
        }
    }

    /// The next event of any kind, or `None` once the connection was closed as it should be.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), but for fragments, which are events too.
    pub fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        match self.wait()? {
            None => Ok(None),
            Some(found) => self.lend(found).map(|(event, _)| Some(event)),
        }
    }

    /// Sends a message: queues it and writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it was refused; [`Error::Protocol`] if the peer took nothing for too long; [`Error::Io`] when
    /// the stream failed, or with `WouldBlock` took only a part: the rest goes out with the next call.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.feed(message)?;
        self.flush()
    }

    /// Queues a message. If too much is queued already, that is written first.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The message is not queued then.
    pub fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.with_room(message.into(), Connection::send)
    }

    /// Queues a message that is not to be compressed; see [`Outbound::send_uncompressed`].
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed).
    pub fn feed_uncompressed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.with_room(message.into(), Connection::send_uncompressed)
    }

    /// Sends a message that was encoded beforehand, to be sent through many connections; see
    /// [`Outbound::send_prepared`].
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.feed_prepared(message)?;
        self.flush()
    }

    /// Queues a message that was encoded beforehand. If too much is queued already, that is written first.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The message is not queued then.
    pub fn feed_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.with_room((), |connection, ()| connection.send_prepared(message))
    }

    /// Queues a fragment of a message. If too much is queued already, that is written first.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The fragment is not queued then.
    pub fn feed_fragment<'m>(&mut self, data: impl Into<Message<'m>>, fin: Fin) -> Result<(), Error> {
        self.with_room(data.into(), |connection, data| connection.send_fragment(data, fin))
    }

    /// Sends a Ping with up to 125 bytes of payload.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.with_room((), |connection, ()| connection.ping(payload))?;
        self.flush()
    }

    /// Sends a Pong with up to 125 bytes of payload. Pings are answered without it.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.with_room((), |connection, ()| connection.pong(payload))?;
        self.flush()
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] if the peer took nothing for too long; [`Error::Io`] when the stream failed, or with
    /// `WouldBlock` took only a part.
    pub fn flush(&mut self) -> Result<(), Error> {
        let mut refused = None;
        loop {
            let outbound = self.connection.split_mut().1;
            outbound.unflushed |= outbound.wants_write();
            if !outbound.unflushed {
                return Ok(());
            }
            match transport::write_all(&mut self.stream, outbound.output()) {
                Ok(()) => outbound.unflushed = false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let now = self.reader.now();
                    self.connection.handle_timeout(now);
                    let closing = &self.connection.split_mut().1.closing;
                    if let (Some(failure), true) = (closing.failure(), closing.is_abandoned()) {
                        return Err(failure.into());
                    }
                    if !transport::has_waited(self.write_timeout, refused, now) {
                        return Err(error.into());
                    }
                    refused = Some(now);
                }
                Err(error) => return self.lost(error),
            }
        }
    }

    /// Closes the connection: sends a Close, waits for the peer's and for the end of the stream.
    ///
    /// Messages that still arrive are discarded. If the connection is closing already, this only waits for the end.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a frame that may not be sent. [`Error::Protocol`] if the closing handshake was not finished,
    /// in time ([`Timers::close`](crate::Timers::close)) or at all. [`Error::Io`], also with `WouldBlock`.
    pub fn close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        match self.connection.close(frame) {
            Ok(()) | Err(SendError::Closing(())) => {}
            Err(error) => return Err(error.into()),
        }
        while self.wait()?.is_some() {}
        Ok(())
    }

    /// What both sides agreed on about permessage-deflate; `None` if messages are not compressed.
    #[must_use]
    pub fn deflate(&self) -> Option<DeflateParams> {
        self.connection.deflate()
    }

    /// The subprotocol that both sides agreed on, if any.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.connection.closure()
    }

    /// Queues a Ping whose answer is timed, unless one is under way; see [`latency`](Self::latency).
    pub fn measure_latency(&mut self) {
        self.connection.measure_latency();
    }

    /// The time between the latest timed Ping and its answer, if there was one. The keepalive times its Pings, too.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.connection.latency()
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called next, for an event loop with non-blocking streams.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.connection.poll_timeout().map(|due| self.reader.instant(due))
    }

    /// Lets happen what is due, for an event loop with non-blocking streams. The calls to receive do that as well.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] for a deadline that ended the connection.
    pub fn handle_timeout(&mut self) -> Result<(), Error> {
        self.connection.handle_timeout(self.reader.now());
        match self.connection.split_mut().1.closing.failure() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// The stream.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream. Reading from it or writing to it breaks the connection.
    #[must_use]
    pub const fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream and the connection, for a loop of one's own. No time limit is left on reads and writes of the stream.
    #[must_use]
    pub fn into_parts(mut self) -> (S, Connection) {
        let _ = self.stream.set_read_timeout(None);
        let _ = self.stream.set_write_timeout(None);
        // Whoever goes on with them flushes the stream.
        self.connection.split_mut().1.unflushed = false;
        (self.stream, self.connection)
    }

    /// Separates the directions, for use on two threads.
    ///
    /// The receiving half goes on to answer Pings and to finish the closing handshake, also while the sending half
    /// blocks or does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the stream cannot be cloned.
    pub fn split(self) -> Result<(SendHalf<S>, RecvHalf<S>), Error>
    where
        S: SplitStream,
    {
        split::split(self)
    }

    /// Queues something, and writes what is queued before if that is too much.
    fn with_room<T>(
        &mut self,
        data: T,
        feed: impl Fn(&mut Connection, T) -> Result<(), SendError<T>>,
    ) -> Result<(), Error> {
        let fed = match feed(&mut self.connection, data) {
            Err(SendError::Full(unsent)) => {
                self.flush()?;
                feed(&mut self.connection, unsent)
            }
            fed => fed,
        };
        fed.map_err(|refused| Error::Send(refused.without_unsent()))
    }

    /// Goes on until an event is found. `None` is the end of a connection that was closed as it should be.
    #[inline]
    fn wait(&mut self) -> Result<Option<Found>, Error> {
        // Most messages are found in few steps.
        match self.connection.split_mut().0.parse_short() {
            Some(found) => Ok(Some(found)),
            None => self.wait_in_full(),
        }
    }

    fn wait_in_full(&mut self) -> Result<Option<Found>, Error> {
        loop {
            let (inbound, outbound) = self.connection.split_mut();
            let failure = match inbound.find(outbound) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => None,
                Err(failure) => Some(failure),
            };
            if self.connection.ready_state() == ReadyState::Closed {
                // The peer is not made to wait until the stream is dropped.
                let _ = self.stream.shutdown(Shutdown::Both);
                return failure.map_or(Ok(None), |failure| Err(failure.into()));
            }
            // A failure is told when the peer was told and has ended its side, or had the time for it.
            match self.step() {
                Err(error) if failure.is_some() && !error.is_would_block() => {}
                stepped => stepped?,
            }
        }
    }

    /// Writes what waits, lets happen what is due, and then reads once.
    fn step(&mut self) -> Result<(), Error> {
        let due = loop {
            self.flush()?;
            match self.connection.poll_timeout() {
                Some(due) if self.reader.now() >= due => self.connection.handle_timeout(self.reader.now()),
                due => break due,
            }
        };
        if self.connection.wants_shutdown() && !self.shut_down {
            self.shut_down = true;
            // The peer may be gone already; the end of the stream will tell.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        let (inbound, outbound) = self.connection.split_mut();
        if outbound.closing.is_abandoned() {
            return Ok(());
        }
        outbound.release();
        match self.reader.read(&mut self.stream, inbound, due) {
            Ok(Received::Bytes) => Ok(()),
            Ok(Received::End) => {
                self.connection.receive_eof();
                Ok(())
            }
            // The time that the read was given is up, and the next step does what is due.
            Ok(Received::NotReady(_)) if due.is_some_and(|due| self.reader.is_due(due)) => Ok(()),
            Ok(Received::NotReady(error)) => Err(error.into()),
            Err(error) => self.lost(error),
        }
    }

    /// Gives up on a stream that failed. Behind a completed closing handshake that is just its end.
    fn lost(&mut self, error: io::Error) -> Result<(), Error> {
        if self.connection.lose() {
            Ok(())
        } else {
            Err(error.into())
        }
    }

    /// Lends what was found, and the sending half with it.
    #[inline]
    fn lend(&mut self, found: Found) -> Result<(Event<'_>, &mut Outbound), Error> {
        let (inbound, outbound) = self.connection.split_mut();
        match inbound.lend(found) {
            Ok(event) => Ok((event, outbound)),
            Err(error) => {
                let error = outbound.fail(error);
                transport::linger(&mut self.stream, outbound, self.close_timeout)?;
                Err(error.into())
            }
        }
    }
}
