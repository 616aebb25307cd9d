//! What a whole connection and its sending half both do to send.

/// The methods to send, with the type of `self`. They need `with_room` and `flush`.
macro_rules! verbs {
    ($this:ident: $type:ty) => {
        /// Sends a message: queues it and writes everything that is queued.
        ///
        /// # Errors
        ///
        /// [`Error::Send`] if it was refused; [`Error::Protocol`] if the peer took nothing for too long, or the stream has
        /// failed before; [`Error::Io`] when the stream failed, or with `WouldBlock` took only a part: the rest goes out with
        /// the next call. After a failure of the stream, what the peer has sent can still be received.
        pub fn send<'m>($this: $type, message: impl Into<Message<'m>>) -> Result<(), Error> {
            $this.feed(message)?;
            $this.flush()
        }

        /// Queues a message. If too much is queued already, that is written first.
        ///
        /// # Errors
        ///
        /// As for [`send`](Self::send). The message is not queued then.
        pub fn feed<'m>($this: $type, message: impl Into<Message<'m>>) -> Result<(), Error> {
            $this.with_room(message.into(), Outbound::send)
        }

        /// Queues a message that is not to be compressed; see [`Outbound::send_uncompressed`].
        ///
        /// # Errors
        ///
        /// As for [`feed`](Self::feed).
        pub fn feed_uncompressed<'m>($this: $type, message: impl Into<Message<'m>>) -> Result<(), Error> {
            $this.with_room(message.into(), Outbound::send_uncompressed)
        }

        /// Sends a message that was encoded beforehand, to be sent through many connections; see
        /// [`Outbound::send_prepared`].
        ///
        /// # Errors
        ///
        /// As for [`send`](Self::send).
        pub fn send_prepared($this: $type, message: &PreparedMessage) -> Result<(), Error> {
            $this.feed_prepared(message)?;
            $this.flush()
        }

        /// Queues a message that was encoded beforehand. If too much is queued already, that is written first.
        ///
        /// # Errors
        ///
        /// As for [`send`](Self::send). The message is not queued then.
        pub fn feed_prepared($this: $type, message: &PreparedMessage) -> Result<(), Error> {
            $this.with_room((), |outbound, ()| outbound.send_prepared(message))
        }

        /// Queues a fragment of a message. If too much is queued already, that is written first.
        ///
        /// # Errors
        ///
        /// As for [`send`](Self::send). The fragment is not queued then.
        pub fn feed_fragment<'m>($this: $type, data: impl Into<Message<'m>>, fin: Fin) -> Result<(), Error> {
            $this.with_room(data.into(), |outbound, data| outbound.send_fragment(data, fin))
        }

        /// Sends a Ping with up to 125 bytes of payload.
        ///
        /// # Errors
        ///
        /// As for [`send`](Self::send).
        pub fn ping($this: $type, payload: &[u8]) -> Result<(), Error> {
            $this.with_room((), |outbound, ()| outbound.ping(payload))?;
            $this.flush()
        }

        /// Sends a Pong with up to 125 bytes of payload. Pings are answered without it.
        ///
        /// # Errors
        ///
        /// As for [`send`](Self::send).
        pub fn pong($this: $type, payload: &[u8]) -> Result<(), Error> {
            $this.with_room((), |outbound, ()| outbound.pong(payload))?;
            $this.flush()
        }
    };
}

pub(super) use verbs;
