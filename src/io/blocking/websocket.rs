//! A connection over a stream.

use core::time::Duration;
use std::time::Instant;

use super::{Stream, drive::Sides};
use crate::{
    connection::{CloseInfo, Connection, Event, Outbound, SendError},
    deflate::params::DeflateParams,
    error::Error,
    frame::CloseFrame,
    io::verbs::{Wanted, recv_verbs, send_verbs, state_verbs},
    message::Message,
    outgoing::Outgoing,
};

/// A WebSocket over a blocking (or non-blocking) stream.
///
/// [Queued](Self::feed) messages are written together, at the latest before the next wait for a message. So a loop of
/// `recv` and `feed` answers everything that arrived together with one write.
///
/// Dropping it drops the stream without a closing handshake; use [`close`](Self::close) to close the connection
/// cleanly.
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) stream: S,
    pub(super) connection: Connection,
    pub(super) sides: Sides,
}

impl<S: Stream> WebSocket<S> {
    /// Creates a WebSocket from a stream and a connection, after [`into_parts`](Self::into_parts) or an opening
    /// handshake that was done elsewhere.
    #[must_use]
    pub fn from_parts(stream: S, connection: Connection) -> Self {
        Self {
            stream,
            connection,
            sides: Sides::new(),
        }
    }

    recv_verbs!();
    send_verbs!();
    state_verbs!();

    /// Receives the next message like [`recv`](Self::recv), but waits for at most `timeout`. Nothing is lost when the
    /// time is up: the next call continues.
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
    /// The timeout is accurate to a few milliseconds if the stream supports [read timeouts](Stream::set_read_timeout).
    /// A timeout of zero returns only what has already arrived.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv); [`Error::Io`] with `WouldBlock` when the time is up.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message<'static>>, Error> {
        let until = self.sides.clock.now() + timeout;
        let Some(found) = self.find_until(Wanted::Data, Some(until))? else {
            return Ok(None);
        };
        match self.lend(found)? {
            Event::Message(message) => Ok(Some(message.into_owned())),
            event => Err(Error::no_message(&event)),
        }
    }

    /// Receives the next message, borrowed, together with the sending side, so that you can answer it while it is
    /// borrowed.
    ///
    /// Answers are written before the next wait, or by [`flush`](Self::flush). If the queue is so full that an answer
    /// would be refused, it is written first. So a peer that does not read is not read from for long either.
    ///
    /// ```no_run
    /// # use websocket_proto::{Error, blocking::WebSocket};
    /// # fn echo(mut websocket: WebSocket<std::net::TcpStream>) -> Result<(), Error> {
    /// while let Some((message, outbound)) = websocket.recv_split()? {
    ///     outbound.feed(message)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_split(&mut self) -> Result<Option<(Message<'_>, &mut Outbound)>, Error> {
        if self.state(Outbound::is_full) {
            // Even if it cannot be written, data that has arrived is received.
            self.write_or_give_up()?;
        }
        let Some(found) = self.find(Wanted::Data)? else {
            return Ok(None);
        };
        match self.lend_split(found)? {
            (Event::Message(message), outbound) => Ok(Some((message, outbound))),
            (event, _) => Err(Error::no_message(&event)),
        }
    }

    /// Closes the connection: sends a Close, then waits for the peer's Close and for the end of the stream.
    ///
    /// Messages that still arrive are discarded; to receive them, use [`feed_close`](Self::feed_close) instead. If the
    /// connection is already closing, this method only waits for the end.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a frame that may not be sent. [`Error::Protocol`] if the closing handshake did not finish,
    /// or not in time ([`Timers::close`](crate::Timers::close)). [`Error::Io`], also with `WouldBlock`.
    pub fn close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        self.feed_close(frame)?;
        self.find(Wanted::End)?;
        Ok(())
    }

    /// Returns the latest time to receive again, even if nothing has arrived, to fire due timers.
    ///
    /// It is meant for event loops with non-blocking streams. Any other call may change it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.connection.poll_timeout()?;
        self.sides.clock.instant(due)
    }

    /// Returns the stream.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// Returns the stream. Reading from it or writing to it corrupts the connection.
    #[must_use]
    pub const fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns the stream and the connection, for your own loop. [`from_parts`](Self::from_parts) puts them together
    /// again. The stream keeps only the timeouts that the application has set.
    ///
    /// Queued output is still in the connection. The connection's clock has another origin afterwards, so a deadline
    /// that is already set may fire early or late.
    #[must_use]
    pub fn into_parts(mut self) -> (S, Connection) {
        self.sides.reader.limit.restore(&mut self.stream);
        self.sides.writes.restore(&mut self.stream);
        // The next owner flushes the stream.
        self.connection.drive().1.flushed();
        (self.stream, self.connection)
    }
}
