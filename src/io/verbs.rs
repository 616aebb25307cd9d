//! The verbs of a connection, written once: for the blocking shell and the async ones, for whole connections and halves.
//!
//! What differs is passed in: the words `async` and `await`, or nothing. A type brings what its verbs are made of: `state` and
//! `change` (access to the sending side), `write_all`, `write_some` (until there is room), `find_short` (a message that is there,
//! in few steps), `find` and `lend`.

use crate::connection::Found;

/// The events that a caller waits for. Others are passed over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    All,
    /// Messages and fragments.
    Data,
    /// None: just the end of the connection.
    End,
}

impl Wanted {
    pub(super) fn includes(self, found: &Found) -> bool {
        match self {
            Self::All => true,
            Self::Data => !found.is_control(),
            Self::End => false,
        }
    }
}

/// The methods to send: of whole connections and sending halves.
macro_rules! send_verbs {
    ($($async:ident $await:ident)?) => {
        /// Sends a message: [feeds](Self::feed) it, then [flushes](Self::flush).
        ///
        /// # Errors
        ///
        /// As for [`feed`](Self::feed) and [`flush`](Self::flush). After a failure of the stream, what the peer has sent can
        /// still be received.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

If it is dropped before it completes, the message is either queued as a whole, and written by the next call, or, if it was
waiting for room, not queued. To know which, use [`ready`](Self::ready) and [`try_feed`](Self::try_feed).")])?
        pub $($async)? fn send<'m>(&mut self, outgoing: impl Into<Outgoing<'m>>) -> Result<(), Error> {
            self.feed(outgoing)$(.$await)??;
            self.flush()$(.$await)?
        }

        /// Queues a message, or whatever else is to be sent; see [`Outgoing`]. If too much is queued already
        /// ([`output_high_water`](crate::Limits::output_high_water)), it first waits for room.
        ///
        /// What is queued is written together, at the latest before the next wait for a message. After a failure of the stream
        /// it is accepted and dropped until the end has been received.
        ///
        /// # Errors
        ///
        /// [`Error::Send`] if it was refused; otherwise as for [`ready`](Self::ready). Nothing is queued then.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

If it is dropped before it completes, nothing was queued.")])?
        pub $($async)? fn feed<'m>(&mut self, outgoing: impl Into<Outgoing<'m>>) -> Result<(), Error> {
            // As in the loop, which would move what is sent once more: that is a third of what it takes to queue a short message.
            let mut unsent = match self.try_feed(outgoing) {
                Err(SendError::Full(unsent)) => unsent,
                fed => return Ok(fed?),
            };
            loop {
                self.write_some()$(.$await)??;
                // Another task or thread, or a Pong, may have taken the room.
                unsent = match self.try_feed(unsent) {
                    Err(SendError::Full(unsent)) => unsent,
                    fed => return Ok(fed?),
                };
            }
        }

        /// Queues a message, or whatever else is to be sent, if there is room, without waiting.
        ///
        /// # Errors
        ///
        /// Any [`SendError`], which hands back what was refused.
        #[inline]
        pub fn try_feed<'m>(&mut self, outgoing: impl Into<Outgoing<'m>>) -> Result<(), SendError<Outgoing<'m>>> {
            self.change(|outbound| outbound.feed(outgoing))
        }

        /// Waits until there is room for a message, or none can be sent any more.
        ///
        /// # Errors
        ///
        /// As for [`flush`](Self::flush).
        $(#[doc = crate::io::verbs::text!($await "\n# Cancel safety\n\nCancel safe.")])?
        pub $($async)? fn ready(&mut self) -> Result<(), Error> {
            self.write_some()$(.$await)?
        }

        /// Writes everything that is queued.
        ///
        /// A whole connection also reads while it waits for the peer, as much as fits: two ends that write at the same time do
        /// not block each other, and the peer's Close ends the wait. What it reads is for the next call that receives.
        ///
        /// # Errors
        ///
        /// [`Error::Io`], once, when the stream failed; over a non-blocking stream also with `WouldBlock`, and the rest is
        /// written by the next call. [`Error::Protocol`] when the connection was given up, as it is when the peer takes nothing
        /// for too long ([`Timers::write`](crate::Timers::write)), or when the stream has failed before.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: the next call continues after the last byte that was written.")])?
        pub $($async)? fn flush(&mut self) -> Result<(), Error> {
            self.write_all()$(.$await)?
        }

        /// Sends a Ping with up to 125 bytes of payload ([RFC 6455 §5.5.2]).
        ///
        /// # Errors
        ///
        /// As for [`send`](Self::send).
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: if it is dropped before it completes, the Ping was not queued, or is written by the next call.")])?
        ///
        /// [RFC 6455 §5.5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2
        pub $($async)? fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
            self.send(Outgoing::ping(payload))$(.$await)?
        }

        /// Sends a Pong with up to 125 bytes of payload ([RFC 6455 §5.5.3]). Pings are answered without it.
        ///
        /// # Errors
        ///
        /// As for [`send`](Self::send).
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: if it is dropped before it completes, the Pong was not queued, or is written by the next call.")])?
        ///
        /// [RFC 6455 §5.5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3
        pub $($async)? fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
            self.send(Outgoing::pong(payload))$(.$await)?
        }

        /// Queues the Close that begins the closing handshake, without waiting, unless the connection is closing already.
        /// Receive until the end to finish it; the messages that still arrive are received.
        ///
        /// # Errors
        ///
        /// [`Error::Send`] for a frame that may not be sent.
        pub fn feed_close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
            Ok(self.change(|outbound| outbound.close(frame))?)
        }

        /// Bytes that are queued and not written yet.
        #[must_use]
        pub fn queued(&self) -> usize {
            self.state(Outbound::queued)
        }
    };
}

/// The methods to receive: of whole connections and receiving halves.
macro_rules! recv_verbs {
    ($($async:ident $await:ident)?) => {
        /// The next message, owned, or `None` once the connection was closed cleanly.
        ///
        /// Pings are answered and Pongs are skipped. What was fed is written before it waits.
        ///
        /// # Errors
        ///
        /// [`Error::Protocol`], terminally, when the connection failed; the peer was told why. [`Error::Io`], once, when the
        /// stream failed before the peer has closed, after the messages that had arrived; over a non-blocking stream also with
        /// `WouldBlock`. [`Error::FragmentDelivery`] with [`Delivery::Fragments`](crate::Delivery::Fragments).
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: a message is either returned or still there for the next call.")])?
        pub $($async)? fn recv(&mut self) -> Result<Option<Message<'static>>, Error> {
            self.recv_owned()$(.$await)?
        }

        /// The next message, lent from the connection's buffers until the next call: it costs no allocation.
        ///
        /// # Errors
        ///
        /// As for [`recv`](Self::recv).
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: a message is either returned or still there for the next call.")])?
        pub $($async)? fn recv_ref(&mut self) -> Result<Option<Message<'_>>, Error> {
            let found = match self.find_short() {
                found @ Some(_) => found,
                None => self.find(Wanted::Data)$(.$await)??,
            };
            let Some(found) = found else { return Ok(None) };
            let failed = match self.lend(found) {
                Ok(Event::Message(message)) => return Ok(Some(message)),
                Ok(event) => return Err(Error::no_message(&event)),
                Err(failed) => failed,
            };
            Err(failed$(.$await)?)
        }

        /// The next event of any kind, lent, or `None` once the connection was closed cleanly.
        ///
        /// # Errors
        ///
        /// As for [`recv`](Self::recv), except for fragments, which are events too.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: an event is either returned or still there for the next call.")])?
        pub $($async)? fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error> {
            let found = match self.find_short() {
                found @ Some(_) => found,
                None => self.find(Wanted::All)$(.$await)??,
            };
            let Some(found) = found else { return Ok(None) };
            let failed = match self.lend(found) {
                Ok(event) => return Ok(Some(event)),
                Err(failed) => failed,
            };
            Err(failed$(.$await)?)
        }
    };
}

/// The steps of a server in the opening handshake. `open` makes the WebSocket, and `drive` goes on to the end of a refusal.
macro_rules! accept_verbs {
    ($websocket:ty $(, $async:ident $await:ident)?) => {
        /// Returns the client's request.
        ///
        /// # Errors
        ///
        /// [`Error::Handshake`] for a request that is invalid or late, after the client was told and had
        /// [2 s](Opening::LAST_WAIT) to end its side; [`Error::Io`], over a non-blocking stream also with `WouldBlock`: then
        /// call again.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: the next call continues with what has arrived.")])?
        pub $($async)? fn recv_request(&mut self) -> Result<UpgradeRequest, Error> {
            self.link.recv()$(.$await)?
        }

        /// Accepts the request. A stream that does not take the response yet gets it with later calls.
        ///
        /// # Errors
        ///
        /// [`Error::Accept`] if the request cannot be accepted in this way, in which case the client was told 500;
        /// [`Error::Io`].
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

If it is dropped before it completes, the connection is dropped with it.")])?
        pub $($async)? fn accept(mut self, request: &UpgradeRequest, accept: Accept) -> Result<$websocket, Error> {
            match self.link.opener.opening.accept(request, accept) {
                Ok(negotiated) => {
                    let mut websocket = self.link.open(&negotiated);
                    match websocket.flush()$(.$await)? {
                        Err(error) if !error.is_would_block() => Err(error),
                        _ => Ok(websocket),
                    }
                }
                Err(error) => {
                    let _ = self.link.drive()$(.$await)?;
                    Err(error.into())
                }
            }
        }

        /// Rejects the request, and waits for at most [2 s](Opening::LAST_WAIT) until the client has read the response and
        /// ended its side; not over a non-blocking stream.
        ///
        /// Returns [`Error::Rejected`]; [`Error::Reject`] if it cannot be rejected in this way, in which case the client was
        /// told 500.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

If it is dropped before it completes, the connection is dropped with it.")])?
        pub $($async)? fn reject(mut self, _: &UpgradeRequest, rejection: &Rejection) -> Error {
            let rejected = self.link.opener.opening.reject(rejection);
            let _ = self.link.drive()$(.$await)?;
            match rejected {
                Ok(()) => Error::Rejected(rejection.status()),
                Err(error) => error.into(),
            }
        }
    };
}

/// The steps of a client in the opening handshake.
macro_rules! connect_verbs {
    ($websocket:ty $(, $async:ident $await:ident)?) => {
        /// Sends the request, and returns the server's response.
        ///
        /// # Errors
        ///
        /// [`Error::Handshake`] if the server refuses, or its response is invalid or late; [`Error::Io`], over a non-blocking
        /// stream also with `WouldBlock`: then call again.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: the next call continues where this one was.")])?
        pub $($async)? fn recv_response(&mut self) -> Result<UpgradeResponse, Error> {
            self.link.recv()$(.$await)?
        }

        /// Opens the connection that the response allows.
        #[must_use]
        pub fn open(self, response: UpgradeResponse) -> $websocket {
            self.link.open(&response.into_negotiated())
        }
    };
}

/// What is known of a connection: methods of whole connections and of both halves.
macro_rules! state_verbs {
    () => {
        /// The subprotocol that both sides agreed on, if any.
        #[must_use]
        pub fn subprotocol(&self) -> Option<&str> {
            self.agreed()?.subprotocol.as_deref()
        }

        /// What both sides agreed on about permessage-deflate; `None` if messages are not compressed.
        #[must_use]
        pub fn deflate(&self) -> Option<DeflateParams> {
            self.agreed()?.deflate
        }

        /// How the connection ended or is ending; `None` while it is open.
        #[must_use]
        pub fn close_info(&self) -> Option<CloseInfo> {
            self.state(Outbound::close_info)
        }

        /// Queues a Ping whose answer is timed, unless one is under way; see [`latency`](Self::latency).
        pub fn measure_latency(&mut self) {
            self.change(Outbound::measure_latency);
        }

        /// The time between the latest timed Ping and its answer, if there was one. The keepalive times its Pings, too.
        #[must_use]
        pub fn latency(&self) -> Option<Duration> {
            self.state(Outbound::latency)
        }
    };
}

/// The text, where the word is there.
#[cfg(feature = "async")]
macro_rules! text {
    ($word:ident $text:literal) => {
        $text
    };
}

#[cfg(feature = "async")]
pub(crate) use text;
pub(crate) use {accept_verbs, connect_verbs, recv_verbs, send_verbs, state_verbs};
