//! The methods that every connection type has, written once: for the blocking and async shells, for whole connections
//! and halves.
//!
//! The macros take what differs between shells: the words `async` and `await`, or nothing. Each type provides what the
//! methods are built on: `state` and `change` (access to the sending side), `write_all`, `write_some` (writes until
//! there is room), `find_short` (a fast path for a message that has already arrived), `find` and `lend`.

use crate::connection::Found;

/// The events that a caller waits for. Other events are skipped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    All,
    /// Messages and fragments.
    Data,
    /// No event: only the end of the connection.
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

/// The sending methods of whole connections and sending halves.
macro_rules! send_verbs {
    ($($async:ident $await:ident)?) => {
        /// Sends a message: [feeds](Self::feed) it, then [flushes](Self::flush).
        ///
        /// # Errors
        ///
        /// As for [`feed`](Self::feed) and [`flush`](Self::flush). After the stream has failed, data that the peer sent
        /// earlier can still be received.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

If the future is dropped before it completes, the message is either queued as a whole and written by the next call, or not
queued at all because there was no room yet. To know which, use [`ready`](Self::ready) with
[`try_feed`](Self::try_feed).")])?
        pub $($async)? fn send<'m>(&mut self, outgoing: impl Into<Outgoing<'m>>) -> Result<(), Error> {
            self.feed(outgoing)$(.$await)??;
            self.flush()$(.$await)?
        }

        /// Queues a message, a control frame or a fragment; see [`Outgoing`]. If the queue is full
        /// ([`output_high_water`](crate::Limits::output_high_water)), waits for room first.
        ///
        /// Queued output is written together, at the latest before the next wait for a message. After the stream has
        /// failed, messages are accepted and dropped until the end of the connection has been received.
        ///
        /// # Errors
        ///
        /// [`Error::Send`] if the message is refused; otherwise as for [`ready`](Self::ready). In both cases nothing is
        /// queued.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

If the future is dropped before it completes, nothing is queued.")])?
        pub $($async)? fn feed<'m>(&mut self, outgoing: impl Into<Outgoing<'m>>) -> Result<(), Error> {
            // The first attempt stays outside the loop, which would move the message once more: a third of the cost of
            // queueing a short one.
            let mut unsent = match self.try_feed(outgoing) {
                Err(SendError::Full(unsent)) => unsent,
                fed => return Ok(fed?),
            };
            loop {
                self.write_some()$(.$await)??;
                // Another task or thread, or a Pong, may have used the room.
                unsent = match self.try_feed(unsent) {
                    Err(SendError::Full(unsent)) => unsent,
                    fed => return Ok(fed?),
                };
            }
        }

        /// Queues a message, a control frame or a fragment if there is room, without waiting.
        ///
        /// # Errors
        ///
        /// Any [`SendError`]. It hands back the refused message where it can.
        #[inline]
        pub fn try_feed<'m>(&mut self, outgoing: impl Into<Outgoing<'m>>) -> Result<(), SendError<Outgoing<'m>>> {
            self.change(|outbound| outbound.feed(outgoing))
        }

        /// Waits until there is room for a message, or until no more messages can be sent.
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
        /// A whole connection also reads while it waits for the peer, as far as its buffers allow. So two endpoints
        /// that write at the same time do not block each other, and the peer's Close ends the wait. The next call that
        /// receives returns what was read.
        ///
        /// # Errors
        ///
        /// [`Error::Io`], once, if the stream fails. On a non-blocking stream it may also be `WouldBlock`: the next
        /// call writes the rest. [`Error::Protocol`] if the connection was given up, for example because the peer has
        /// read nothing for too long ([`Timers::write`](crate::Timers::write)), or if the stream has failed before.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: the next call continues after the last byte written.")])?
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

Cancel safe: if the future is dropped before it completes, the Ping is either not queued or written by the next call.")])?
        ///
        /// [RFC 6455 §5.5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2
        pub $($async)? fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
            self.send(Outgoing::ping(payload))$(.$await)?
        }

        /// Sends a Pong with up to 125 bytes of payload ([RFC 6455 §5.5.3]). Pings are answered automatically.
        ///
        /// # Errors
        ///
        /// As for [`send`](Self::send).
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: if the future is dropped before it completes, the Pong is either not queued or written by the next call.")])?
        ///
        /// [RFC 6455 §5.5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3
        pub $($async)? fn pong(&mut self, payload: &[u8]) -> Result<(), Error> {
            self.send(Outgoing::pong(payload))$(.$await)?
        }

        /// Queues the Close that starts the closing handshake, without waiting. Does nothing if the connection is
        /// already closing.
        ///
        /// To finish the handshake, receive until the end; messages that still arrive are returned.
        ///
        /// # Errors
        ///
        /// [`Error::Send`] for a frame that may not be sent.
        pub fn feed_close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
            Ok(self.change(|outbound| outbound.close(frame))?)
        }

        /// Returns the number of bytes that are queued and not yet written.
        #[must_use]
        pub fn queued(&self) -> usize {
            self.state(Outbound::queued)
        }
    };
}

/// The receiving methods of whole connections and receiving halves.
macro_rules! recv_verbs {
    ($($async:ident $await:ident)?) => {
        /// Receives the next message, owned. Returns `None` once the connection has closed cleanly.
        ///
        /// Pings are answered and Pongs are skipped. Queued output is written before waiting.
        ///
        /// # Errors
        ///
        /// [`Error::Protocol`] if the connection failed; every later call fails, too. The peer was told the reason in a
        /// Close. [`Error::Io`], once, if the stream failed before the peer's Close; messages that had arrived are
        /// returned first. On a non-blocking stream it may also be `WouldBlock`. [`Error::FragmentDelivery`] with
        /// [`Delivery::Fragments`](crate::Delivery::Fragments).
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: dropping the future loses no message.")])?
        pub $($async)? fn recv(&mut self) -> Result<Option<Message<'static>>, Error> {
            self.recv_owned()$(.$await)?
        }

        /// Receives the next message, borrowed from the connection's buffers until the next call. It costs no
        /// allocation.
        ///
        /// # Errors
        ///
        /// As for [`recv`](Self::recv).
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: dropping the future loses no message.")])?
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

        /// Receives the next event of any kind, borrowed. Returns `None` once the connection has closed cleanly.
        ///
        /// # Errors
        ///
        /// As for [`recv`](Self::recv), but fragments are events and not an error.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: dropping the future loses no event.")])?
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

/// The steps of a server in the opening handshake. `open` creates the WebSocket, and `drive` continues to the end of a
/// refusal.
macro_rules! accept_verbs {
    ($websocket:ty $(, $async:ident $await:ident)?) => {
        /// Receives the client's request.
        ///
        /// # Errors
        ///
        /// [`Error::Handshake`] for a request that is invalid or late. An error response was sent, and the client had
        /// [2 s](Opening::LAST_WAIT) to close its side. [`Error::Io`]; on a non-blocking stream it may be `WouldBlock`:
        /// call again later.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: the next call continues with the bytes that have arrived.")])?
        pub $($async)? fn recv_request(&mut self) -> Result<UpgradeRequest, Error> {
            self.link.recv()$(.$await)?
        }

        /// Accepts the request. If a non-blocking stream is not ready for the response, later calls write it.
        ///
        /// # Errors
        ///
        /// [`Error::Accept`] if the response cannot be sent, after a response with status 500 was sent; [`Error::Io`].
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

If the future is dropped before it completes, the connection is dropped.")])?
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

        /// Rejects the request. Waits for at most [2 s](Opening::LAST_WAIT) until the client has read the response and
        /// closed its side; on a non-blocking stream, it does not wait.
        ///
        /// Returns [`Error::Rejected`], or [`Error::Reject`] if the rejection cannot be sent, after a response with
        /// status 500 was sent.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

If the future is dropped before it completes, the connection is dropped.")])?
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
        /// Sends the request and receives the server's response.
        ///
        /// # Errors
        ///
        /// [`Error::Handshake`] if the server refuses, or its response is invalid or late; [`Error::Io`]; on a
        /// non-blocking stream it may be `WouldBlock`: call again later.
        $(#[doc = crate::io::verbs::text!($await "
# Cancel safety

Cancel safe: the next call continues where this one stopped.")])?
        pub $($async)? fn recv_response(&mut self) -> Result<UpgradeResponse, Error> {
            self.link.recv()$(.$await)?
        }

        /// Opens the connection that the response has agreed to.
        #[must_use]
        pub fn open(self, response: UpgradeResponse) -> $websocket {
            self.link.open(&response.into_negotiated())
        }
    };
}

/// The methods that report a connection's state, of whole connections and both halves.
macro_rules! state_verbs {
    () => {
        /// Returns the negotiated subprotocol, if any.
        #[must_use]
        pub fn subprotocol(&self) -> Option<&str> {
            self.agreed()?.subprotocol.as_deref()
        }

        /// Returns the negotiated parameters of permessage-deflate, or `None` if messages are not compressed.
        #[must_use]
        pub fn deflate(&self) -> Option<DeflateParams> {
            self.agreed()?.deflate
        }

        /// Returns how the connection ended or is ending, or `None` while it is open.
        #[must_use]
        pub fn close_info(&self) -> Option<CloseInfo> {
            self.state(Outbound::close_info)
        }

        /// Queues a Ping to measure the round-trip time, unless one is already pending; see [`latency`](Self::latency).
        pub fn measure_latency(&mut self) {
            self.change(Outbound::measure_latency);
        }

        /// Returns the latest round-trip time measured, if any. The keepalive's Pings are measured, too.
        #[must_use]
        pub fn latency(&self) -> Option<Duration> {
            self.state(Outbound::latency)
        }
    };
}

/// The text, if the word is given.
#[cfg(feature = "async")]
macro_rules! text {
    ($word:ident $text:literal) => {
        $text
    };
}

#[cfg(feature = "async")]
pub(crate) use text;
pub(crate) use {accept_verbs, connect_verbs, recv_verbs, send_verbs, state_verbs};
