//! The two directions of a connection, for two threads.
//!
//! Everybody who has something to send shares the sending side behind a lock, which is never held while the stream is
//! read or written. Whoever writes takes the writer out from behind it, and puts it back when all is written. Whoever
//! finds the writer taken has nothing to do: the one who has it writes also what was queued in the meantime.
//!
//! ```text
//!   RecvHalf: stream -> Inbound --(Pong, Close)--+
//!                                                v
//!   SendHalf: messages ---------------------> Outbound -> Writer -> stream
//!                                            `------ Mutex ------'
//! ```

use alloc::sync::Arc;
use core::time::Duration;
use std::{
    io,
    net::Shutdown,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{
    SplitStream, Stream, WebSocket,
    transport::{self, Reader, Received},
};
use crate::{
    connection::{
        Closure, Deadlines, Event, Fin, Found, Inbound, Outbound, Output, ProtocolError, ReadyState, SendError, Timer,
    },
    error::Error,
    frame::CloseFrame,
    message::Message,
};

/// Separates the directions of a connection.
pub(super) fn split<S: SplitStream>(websocket: WebSocket<S>) -> Result<(SendHalf<S>, RecvHalf<S>), Error> {
    let writer = Writer {
        stream: websocket.stream.try_clone()?,
        output: Output::default(),
    };
    let (inbound, outbound, deadlines) = websocket.connection.into_parts();
    let shared = Arc::new(Shared {
        sending: Mutex::new(Sending {
            outbound,
            writer: Some(writer),
        }),
        returned: Condvar::new(),
        write_timeout: deadlines.write_timeout(),
    });
    let recv = RecvHalf {
        stream: websocket.stream,
        inbound,
        deadlines,
        reader: websocket.reader,
        shared: Arc::clone(&shared),
        subprotocol: websocket.subprotocol,
        close_timeout: websocket.close_timeout,
        shut_down: false,
    };
    Ok((SendHalf { shared }, recv))
}

/// What both halves send through.
#[derive(Debug)]
struct Shared<S> {
    sending: Mutex<Sending<S>>,
    /// Notified when the writer is put back.
    returned: Condvar,
    write_timeout: Option<Duration>,
}

#[derive(Debug)]
struct Sending<S> {
    outbound: Outbound,
    /// `None` while somebody writes.
    writer: Option<Writer<S>>,
}

/// The write side of the stream, and the bytes that are on their way there.
#[derive(Debug)]
struct Writer<S> {
    stream: S,
    output: Output,
}

/// What to do when somebody else is writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WhenTaken {
    /// Leave it to the other, who will write what was queued here.
    Leave,
    /// Wait until the other has written.
    Wait,
}

impl<S: Stream> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Sending<S>> {
        // What a panicking thread leaves behind is whole: queueing is all that happens under the lock.
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes everything that is queued, and what others queue meanwhile.
    fn flush(&self, when_taken: WhenTaken) -> Result<(), Error> {
        let mut sending = self.lock();
        loop {
            match sending.writer.take() {
                Some(mut writer) => {
                    if writer.output.is_empty() {
                        writer.output = sending.outbound.take_output();
                    }
                    if writer.output.is_empty() {
                        sending.writer = Some(writer);
                        return Ok(());
                    }
                    drop(sending);
                    let result = self.write(&mut writer);
                    sending = self.lock();
                    if let Err(error) = &result {
                        sending.on_write_error(error, &mut writer);
                    }
                    sending.writer = Some(writer);
                    self.returned.notify_all();
                    result?;
                }
                None if when_taken == WhenTaken::Leave => return Ok(()),
                None => sending = self.returned.wait(sending).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn write(&self, writer: &mut Writer<S>) -> Result<(), Error> {
        let mut stalled_since = None;
        loop {
            match transport::write_all(&mut writer.stream, &mut writer.output) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Either the stream is non-blocking, and refuses a second time at once, or it took as long as it
                    // may, and does so again.
                    let (Some(timeout), Some(since)) = (self.write_timeout, stalled_since) else {
                        if self.write_timeout.is_none() {
                            return Err(error.into());
                        }
                        stalled_since = Some(Instant::now());
                        continue;
                    };
                    if since.elapsed() < timeout / 2 {
                        return Err(error.into());
                    }
                    return Err(ProtocolError::TimedOut(Timer::Write).into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<S: Stream> Sending<S> {
    /// Gives the connection up, unless the stream was just not ready, and wakes the half that reads.
    fn on_write_error(&mut self, error: &Error, writer: &mut Writer<S>) {
        if error.is_would_block() {
            return;
        }
        if let Error::Protocol(error) = error {
            self.outbound.fail(*error);
        }
        self.outbound.on_eof();
        self.outbound.abandon();
        let _ = writer.stream.shutdown(Shutdown::Both);
    }

    /// Whether nothing is queued or on its way.
    fn is_flushed(&self) -> bool {
        !self.outbound.wants_write() && self.writer.as_ref().is_some_and(|writer| writer.output.is_empty())
    }
}

/// The sending half of a [`WebSocket`]; see [`WebSocket::split`].
///
/// Clones send through the same connection, each message as a whole.
#[derive(Debug)]
pub struct SendHalf<S> {
    shared: Arc<Shared<S>>,
}

impl<S: Stream> SendHalf<S> {
    /// Sends a message: queues it and writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it was refused; [`Error::Protocol`] if the peer took nothing for too long; [`Error::Io`].
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.feed(message)?;
        self.flush()
    }

    /// Queues a message. If too much is queued already, waits until that is written.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The message is not queued then.
    pub fn feed<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.feed_when_room(message.into(), Outbound::send)
    }

    /// Queues a message that is not to be compressed; see [`Outbound::send_uncompressed`].
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed).
    pub fn feed_uncompressed<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.feed_when_room(message.into(), Outbound::send_uncompressed)
    }

    /// Queues a fragment of a message. If too much is queued already, waits until that is written.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The fragment is not queued then.
    pub fn feed_fragment<'m>(&self, data: impl Into<Message<'m>>, fin: Fin) -> Result<(), Error> {
        self.feed_when_room(data.into(), |outbound, data| outbound.send_fragment(data, fin))
    }

    /// Sends a Ping with up to 125 bytes of payload.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.shared.lock().outbound.ping(payload)?;
        self.flush()
    }

    /// Sends a Pong with up to 125 bytes of payload. Pings are answered without it.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.shared.lock().outbound.pong(payload)?;
        self.flush()
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] if the peer took nothing for too long; [`Error::Io`] when the stream failed.
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.flush(WhenTaken::Wait)
    }

    /// Begins the closing handshake. The receiving half finishes it, and then ends with `None`.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn close<'c>(&self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), Error> {
        self.shared.lock().outbound.close(frame)?;
        self.flush()
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.shared.lock().outbound.closure()
    }

    fn feed_when_room<'m>(
        &self,
        mut data: Message<'m>,
        feed: impl Fn(&mut Outbound, Message<'m>) -> Result<(), SendError<Message<'m>>>,
    ) -> Result<(), Error> {
        loop {
            let fed = feed(&mut self.shared.lock().outbound, data);
            match fed {
                Err(SendError::Full(unsent)) => data = unsent,
                fed => return Ok(fed?),
            }
            self.flush()?;
        }
    }
}

impl<S> Clone for SendHalf<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// The receiving half of a [`WebSocket`]; see [`WebSocket::split`].
///
/// It must go on receiving for Pings to be answered, deadlines to be kept and the closing handshake to be finished.
#[derive(Debug)]
pub struct RecvHalf<S> {
    stream: S,
    inbound: Inbound,
    deadlines: Deadlines,
    reader: Reader,
    shared: Arc<Shared<S>>,
    subprotocol: Option<Box<str>>,
    close_timeout: Option<Duration>,
    /// Whether the write side of the stream is shut down.
    shut_down: bool,
}

impl<S: Stream> RecvHalf<S> {
    /// The next message, or `None` once the connection was closed as it should be.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv`].
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        let found = loop {
            match self.wait()? {
                None => return Ok(None),
                Some(found) if found.is_control() => {}
                Some(found) => break found,
            }
        };
        match self.lend(found)? {
            Event::Message(message) => Ok(Some(message)),
            _ => Err(Error::FragmentDelivery),
        }
    }

    /// The next event of any kind, or `None` once the connection was closed as it should be.
    ///
    /// # Errors
    ///
    /// As for [`WebSocket::recv_event`].
    pub fn recv_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        match self.wait()? {
            None => Ok(None),
            Some(found) => self.lend(found).map(Some),
        }
    }

    /// The subprotocol that both sides agreed on, if any.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn closure(&self) -> Option<Closure> {
        self.shared.lock().outbound.closure()
    }

    /// Goes on until an event is found. `None` is the end of a connection that was closed as it should be.
    fn wait(&mut self) -> Result<Option<Found>, Error> {
        loop {
            // Messages are found without the lock; only what concerns the sending side takes it.
            let settled = match self.inbound.parse() {
                Ok(Some(found)) if !found.is_control() => return Ok(Some(found)),
                Ok(Some(found)) => {
                    let settled = self.inbound.settle(&found, &mut self.shared.lock().outbound);
                    settled.map(|()| Some(found))
                }
                Ok(None) => {
                    let exhausted = self.inbound.exhausted(&mut self.shared.lock().outbound);
                    exhausted.map(|()| None)
                }
                Err(error) => Err(self.shared.lock().outbound.fail(error)),
            };
            match settled {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) if self.is_closed() => return Ok(None),
                Ok(None) => self.step()?,
                Err(error) => {
                    linger(&self.shared, &mut self.stream, self.close_timeout);
                    return Err(error.into());
                }
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.shared.lock().outbound.ready_state() == ReadyState::Closed
    }

    /// Writes what waits, unless somebody is writing; lets happen what is due; and then reads once.
    fn step(&mut self) -> Result<(), Error> {
        let due = loop {
            match self.shared.flush(WhenTaken::Leave) {
                Err(Error::Io(error)) if error.kind() != io::ErrorKind::WouldBlock => return self.lost(error),
                flushed => flushed?,
            }
            let mut sending = self.shared.lock();
            match self.deadlines.next(&sending.outbound) {
                Some(due) if self.reader.now() >= due => {
                    let now = self.reader.now();
                    self.deadlines.handle(now, &mut self.inbound, &mut sending.outbound);
                }
                due => break due,
            }
        };
        {
            let sending = self.shared.lock();
            if sending.outbound.closing.is_abandoned() {
                return Ok(());
            }
            if sending.outbound.closing.wants_shutdown() && sending.is_flushed() && !self.shut_down {
                self.shut_down = true;
                // The peer may be gone already; the end of the stream will tell.
                let _ = self.stream.shutdown(Shutdown::Write);
            }
        }
        match self.reader.read(&mut self.stream, &mut self.inbound, due) {
            Ok(Received::Bytes) => Ok(()),
            Ok(Received::End) => {
                self.inbound.receive_eof();
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
        self.inbound.receive_eof();
        let mut sending = self.shared.lock();
        let is_over = sending.outbound.closing.is_handshake_done();
        sending.outbound.on_eof();
        sending.outbound.abandon();
        if is_over { Ok(()) } else { Err(error.into()) }
    }

    fn lend(&mut self, found: Found) -> Result<Event<'_>, Error> {
        match self.inbound.lend(found) {
            Ok(event) => Ok(event),
            Err(error) => {
                let error = self.shared.lock().outbound.fail(error);
                linger(&self.shared, &mut self.stream, self.close_timeout);
                Err(error.into())
            }
        }
    }
}

/// Ends the transport of a connection that failed, as [`transport::linger`] does, beside whoever is writing.
fn linger<S: Stream>(shared: &Shared<S>, stream: &mut S, timeout: Option<Duration>) {
    let flushed = shared.flush(WhenTaken::Leave).is_ok();
    if flushed && !shared.lock().outbound.closing.is_abandoned() {
        if shared.lock().is_flushed() {
            let _ = stream.shutdown(Shutdown::Write);
        }
        transport::drain(stream, transport::deadline(timeout));
    }
    let mut sending = shared.lock();
    sending.outbound.on_eof();
    sending.outbound.abandon();
    // Whoever is still blocked in a write is released by this.
    let _ = stream.shutdown(Shutdown::Both);
}
