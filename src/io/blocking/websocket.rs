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
/// What is [fed](Self::feed) is written together, at the latest before the next wait for a message, so that a loop of `recv` and `feed` answers
/// everything that arrived together with one write.
///
/// Dropping it drops the stream without a closing handshake; [`close`](Self::close) ends it properly.
#[derive(Debug)]
pub struct WebSocket<S> {
    pub(super) stream: S,
    pub(super) connection: Connection,
    pub(super) sides: Sides,
}

impl<S: Stream> WebSocket<S> {
    /// A WebSocket from a stream and a connection, after an opening handshake that was done elsewhere or
    /// [`into_parts`](Self::into_parts).
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

    /// As [`recv`](Self::recv), but it waits no longer than `timeout`. When the time is up, nothing is lost: the next call
    /// continues.
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

    /// The next message, lent, with the sending side to answer it while it is lent.
    ///
    /// Answers are written before the next wait, or with [`flush`](Self::flush). If enough is queued that an answer
    /// would be refused, that is written first: so a peer that does not read is not read from for long either.
    ///
    /// ```no_run
    /// # fn echo(mut websocket: websocket_proto::blocking::WebSocket<std::net::TcpStream>) -> Result<(), websocket_proto::Error> {
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
            // If it cannot be written, what has arrived is received nevertheless.
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

    /// Closes the connection: sends a Close, waits for the peer's and for the end of the stream.
    ///
    /// Messages that still arrive are discarded; to receive them, use [`feed_close`](Self::feed_close). If the connection is closing already, this only waits for the end.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a frame that may not be sent. [`Error::Protocol`] if the closing handshake was not finished,
    /// in time ([`Timers::close`](crate::Timers::close)) or at all. [`Error::Io`], also with `WouldBlock`.
    pub fn close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        self.feed_close(frame)?;
        self.find(Wanted::End)?;
        Ok(())
    }

    /// When to receive again at the latest, for an event loop with non-blocking streams, even if nothing has come: that fires
    /// due timers. The time may change with every other call.
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

    /// The stream and the connection, for your own loop; [`from_parts`](Self::from_parts) puts them together again. The stream has
    /// the time limits that the application gave it.
    ///
    /// What is queued is still in the connection. Its time has another origin then, so a deadline that is already set may
    /// pass early or late.
    #[must_use]
    pub fn into_parts(mut self) -> (S, Connection) {
        self.sides.reader.limit.restore(&mut self.stream);
        self.sides.writes.restore(&mut self.stream);
        // Whoever goes on with them flushes the stream.
        self.connection.drive().1.flushed();
        (self.stream, self.connection)
    }
}
