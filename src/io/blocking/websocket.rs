//! A connection over a stream.

use core::time::Duration;
use std::time::Instant;

use super::{
    Acceptor, Connector, RecvHalf, SendHalf, SplitStream, Stream, drive::Stop, split, verbs::verbs, whole::Sides,
};
use crate::{
    config::Config,
    connection::{Closure, Connection, Event, Fin, Outbound, SendError, Time},
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
    pub(super) sides: Sides,
    pub(super) subprotocol: Option<Box<str>>,
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
    pub fn from_negotiated(stream: S, negotiated: &Negotiated, config: &Config) -> Self {
        Self {
            stream,
            connection: Connection::from_negotiated(negotiated, config),
            sides: Sides::new(),
            subprotocol: negotiated.subprotocol().map(Into::into),
        }
    }

    /// The next message, or `None` once the connection was closed cleanly.
    ///
    /// Pings are answered and Pongs are skipped. What was fed is written before it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`], terminally, when the connection failed; the peer was told why. [`Error::Io`], once, when the
    /// stream failed before the peer has closed, after the messages that had arrived; or with `WouldBlock` when it is not ready,
    /// or its [time limit](Stream#time-limits-of-the-application) has passed. [`Error::FragmentDelivery`] if fragments are to
    /// be delivered.
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        Ok(self.recv_ref()?.map(|(message, _)| message))
    }

    /// The same, but it waits no longer than `timeout`. When the time is up, nothing is lost: the next call goes on.
    ///
    /// ```no_run
    /// use std::{net::TcpStream, time::Duration};
    /// use websocket_proto::{Error, blocking::WebSocket};
    ///
    /// fn poll(websocket: &mut WebSocket<TcpStream>) -> Result<(), Error> {
    ///     match websocket.recv_timeout(Duration::from_millis(100)) {
    ///         Ok(Some(message)) => println!("{message:?}"),
    ///         Ok(None) => println!("closed"),
    ///         Err(error) if error.is_would_block() => println!("nothing yet"),
    ///         Err(error) => return Err(error),
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The time is kept to a few milliseconds if the stream can [bound](Stream::set_read_timeout) its reads. A timeout of zero
    /// receives what has arrived.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv); [`Error::Io`] with `WouldBlock` when the time is up.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message<'_>>, Error> {
        let until = self.sides.clock.now() + timeout;
        Ok(self.recv_until(Some(until))?.map(|(message, _)| message))
    }

    /// The next message, with the sending half to answer it while it is lent.
    ///
    /// Answers are written before the next wait, or with [`flush`](Self::flush). If enough is queued that an answer
    /// would be refused, that is written first: so a peer that does not read is not read from for long either.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_ref(&mut self) -> Result<Option<(Message<'_>, &mut Outbound)>, Error> {
        self.recv_until(None)
    }

    fn recv_until(&mut self, until: Option<Time>) -> Result<Option<(Message<'_>, &mut Outbound)>, Error> {
        if self.connection.split_mut().1.is_full() {
            // If it cannot be written, what has arrived is received nevertheless.
            self.drive_to_write(until)?;
        }
        let found = loop {
            match self.wait(until)? {
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

    /// The next event of any kind, or `None` once the connection was closed cleanly.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), but for fragments, which are events too.
    pub fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        match self.wait(None)? {
            None => Ok(None),
            Some(found) => self.lend(found).map(|(event, _)| Some(event)),
        }
    }

    verbs!(self: &mut Self);

    /// Writes everything that is queued.
    ///
    /// While it waits for the peer, it reads as well, as much as fits: two ends that write at once do not block each other, and
    /// the peer's Close ends the wait. What it reads is for the next call that receives.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] if the peer took nothing for too long, or the stream has failed before; [`Error::Io`] when the stream
    /// failed, or with `WouldBlock` took only a part.
    pub fn flush(&mut self) -> Result<(), Error> {
        match self.drive_to_write(None)? {
            Stop::Ended => self.write_end(),
            _ => Ok(()),
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
        while self.wait(None)?.is_some() {}
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

    /// When to receive again at the latest, for an event loop with non-blocking streams, even if nothing has come: that lets
    /// happen what is due, and writes it. The time may change with every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.connection.poll_timeout()?;
        self.sides.clock.instant(due)
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

    /// The stream and the connection, for a loop of your own. The stream has the time limits that the application gave it.
    #[must_use]
    pub fn into_parts(mut self) -> (S, Connection) {
        self.sides.reader.limit.restore(&mut self.stream);
        self.sides.writes.restore(&mut self.stream);
        // Whoever goes on with them flushes the stream.
        self.connection.drive().1.flushed();
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
}
