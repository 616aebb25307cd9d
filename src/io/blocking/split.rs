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
//!
//! The half that receives writes, too, but never waits long for a peer to read: that peer may wait for this side to
//! read. So writes are bounded to a [short time](PATIENCE), after which a sender just goes on, and the receiver reads
//! before it tries again.

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
        Closure, Deadlines, Event, Fin, Found, Inbound, Outbound, Output, ProtocolError, ReadyState, SendError, Time,
        Timer,
    },
    error::Error,
    frame::CloseFrame,
    message::Message,
};

/// How long one write of a split stream may wait, and a read while something waits to be written.
const PATIENCE: Duration = Duration::from_millis(5);

/// How long the receiver leaves the stream alone that took nothing, as long as there is something to read.
const RESPITE: Duration = Duration::from_millis(50);

/// Separates the directions of a connection.
pub(super) fn split<S: SplitStream>(websocket: WebSocket<S>) -> Result<(SendHalf<S>, RecvHalf<S>), Error> {
    let mut writer = Writer {
        stream: websocket.stream.try_clone()?,
        output: Output::default(),
        unflushed: websocket.unflushed,
        shut_down: websocket.shut_down,
        stalled: None,
    };
    // A stream that cannot bound its writes has no deadline for them.
    let _ = writer.stream.set_write_timeout(Some(PATIENCE));
    let (inbound, outbound, deadlines) = websocket.connection.into_parts();
    let shared = Arc::new(Shared {
        sending: Mutex::new(Sending {
            outbound,
            writer: Some(writer),
        }),
        returned: Condvar::new(),
        write_timeout: websocket.write_timeout,
        origin: Instant::now(),
    });
    let recv = RecvHalf {
        stream: websocket.stream,
        inbound,
        deadlines: deadlines.without_write(),
        // While this half waits, the other may begin the closing handshake, for which there is a deadline.
        reader: websocket.reader.with_patience(websocket.close_timeout),
        at_end: false,
        respite: None,
        shared: Arc::clone(&shared),
        subprotocol: websocket.subprotocol,
        close_timeout: websocket.close_timeout,
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
    /// The clock of refused writes.
    origin: Instant,
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
    /// Whether the stream may hold written bytes back.
    unflushed: bool,
    /// Whether the write side of the stream is shut down.
    shut_down: bool,
    /// When the stream first took nothing, if it has taken nothing since.
    stalled: Option<Time>,
}

/// Who wants to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    /// Waits until all is written, by this thread or another.
    Send,
    /// Writes what goes out at once, unless another thread is writing: that one will write what was queued here.
    Recv,
}

impl<S: Stream> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Sending<S>> {
        // What a panicking thread leaves behind is whole: queueing is all that happens under the lock.
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is queued. Behind the last Close, shuts down.
    ///
    /// `WouldBlock` is left for [`Half::Recv`], if the stream does not take everything at once, or is non-blocking.
    fn flush(&self, half: Half) -> Result<(), Error> {
        let mut sending = self.lock();
        loop {
            if sending.outbound.closing.is_abandoned() {
                // What is queued goes nowhere any more.
                return sending
                    .outbound
                    .closing
                    .failure()
                    .map_or(Ok(()), |failure| Err(failure.into()));
            }
            let Some(mut writer) = sending.writer.take() else {
                match half {
                    Half::Send => sending = self.wait(sending, None),
                    Half::Recv => return Ok(()),
                }
                continue;
            };
            let is_new = writer.output.is_empty();
            if is_new {
                writer.output = sending.outbound.take_output();
            }
            let is_last = !sending.outbound.wants_write() && sending.outbound.closing.wants_shutdown();
            if writer.is_idle() && (writer.shut_down || !is_last) {
                sending.writer = Some(writer);
                return Ok(());
            }
            drop(sending);
            let written = self.write(&mut writer, half);
            if is_last && written.is_ok() {
                writer.shut_down = true;
                // The peer may be gone already; the end of the stream will tell.
                let _ = writer.stream.shutdown(Shutdown::Write);
            }
            sending = self.lock();
            if let Err(error) = &written {
                sending.on_write_error(error, &mut writer);
            }
            sending.writer = Some(writer);
            self.returned.notify_all();
            written?;
            // What was queued since then is left to others, who could keep the receiver from reading for ever.
            if is_last || (half == Half::Recv && is_new) {
                return Ok(());
            }
        }
    }

    fn write(&self, writer: &mut Writer<S>, half: Half) -> Result<(), Error> {
        let mut refused = None;
        writer.unflushed = true;
        loop {
            let waiting = writer.output.len();
            match transport::write_all(&mut writer.stream, &mut writer.output) {
                Ok(()) => {
                    writer.unflushed = false;
                    writer.stalled = None;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let now = Time::from_origin(self.origin.elapsed());
                    if writer.output.len() < waiting {
                        writer.stalled = None;
                    }
                    let stalled = now.since(*writer.stalled.get_or_insert(now));
                    if self.write_timeout.is_some_and(|timeout| stalled >= timeout) {
                        return Err(ProtocolError::TimedOut(Timer::Write).into());
                    }
                    if half == Half::Recv || !transport::has_waited(Some(PATIENCE), refused, now) {
                        return Err(error.into());
                    }
                    refused = Some(now);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until somebody has written, for at most so long.
    fn wait<'a>(&self, sending: MutexGuard<'a, Sending<S>>, most: Option<Duration>) -> MutexGuard<'a, Sending<S>> {
        match most {
            None => self.returned.wait(sending).unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let waited = self.returned.wait_timeout(sending, most);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

impl<S> Writer<S> {
    /// Whether nothing is on its way.
    fn is_idle(&self) -> bool {
        self.output.is_empty() && !self.unflushed
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
        self.abandon(&mut writer.stream);
    }

    /// Gives the connection up, and wakes whoever reads or writes.
    fn abandon(&mut self, stream: &mut S) {
        self.outbound.on_eof();
        self.outbound.abandon();
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// Whether nothing is queued or on its way.
    fn is_flushed(&self) -> bool {
        !self.outbound.wants_write() && self.writer.as_ref().is_some_and(Writer::is_idle)
    }

    /// Whether the connection is over, and nobody writes any more.
    fn is_closed(&self) -> bool {
        let state = self.outbound.ready_state();
        state == ReadyState::Closed && (self.is_flushed() || self.outbound.closing.is_abandoned())
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
        self.with_room(message.into(), Outbound::send)
    }

    /// Queues a fragment of a message. If too much is queued already, waits until that is written.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send). The fragment is not queued then.
    pub fn feed_fragment<'m>(&self, data: impl Into<Message<'m>>, fin: Fin) -> Result<(), Error> {
        self.with_room(data.into(), |outbound, data| outbound.send_fragment(data, fin))
    }

    /// Sends a Ping with up to 125 bytes of payload.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.with_room((), |outbound, ()| outbound.ping(payload))?;
        self.flush()
    }

    /// Sends a Pong with up to 125 bytes of payload. Pings are answered without it.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        self.with_room((), |outbound, ()| outbound.pong(payload))?;
        self.flush()
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] if the peer took nothing for too long; [`Error::Io`] when the stream failed.
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.flush(Half::Send)
    }

    /// Begins the closing handshake. The receiving half finishes it, and then ends with `None`.
    ///
    /// A receiving half that is blocked already notices that a deadline runs within
    /// [`Timers::close`](crate::Timers::close), so that a peer which does not answer may take up to twice this time.
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

    /// Queues something, and waits until what is queued before is written if that is too much.
    fn with_room<T>(
        &self,
        mut data: T,
        feed: impl Fn(&mut Outbound, T) -> Result<(), SendError<T>>,
    ) -> Result<(), Error> {
        loop {
            let fed = feed(&mut self.shared.lock().outbound, data);
            match fed {
                Err(SendError::Full(unsent)) => data = unsent,
                fed => return fed.map_err(|refused| Error::Send(refused.without_unsent())),
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
    /// Whether the stream has ended.
    at_end: bool,
    /// The end of the [`RESPITE`] of a stream that did not take all that waits.
    respite: Option<Time>,
    shared: Arc<Shared<S>>,
    subprotocol: Option<Box<str>>,
    close_timeout: Option<Duration>,
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
            let found = self.inbound.parse();
            if let Ok(Some(found)) = &found {
                if !found.is_control() {
                    return Ok(Some(found.clone()));
                }
            }
            let mut sending = self.shared.lock();
            let failure = match found {
                Ok(Some(found)) => match self.inbound.settle(&found, &mut sending.outbound) {
                    Ok(()) => return Ok(Some(found)),
                    Err(failure) => Some(failure),
                },
                Ok(None) => self.inbound.exhausted(&mut sending.outbound).err(),
                Err(failure) => Some(sending.outbound.fail(failure)),
            };
            if sending.is_closed() {
                // Whoever is still blocked in a write is released by this.
                let _ = self.stream.shutdown(Shutdown::Both);
                return failure.map_or(Ok(None), |failure| Err(failure.into()));
            }
            drop(sending);
            // A failure is told when the peer was told and has ended its side, or had the time for it.
            match self.step() {
                Err(error) if failure.is_some() && !error.is_would_block() => {}
                stepped => stepped?,
            }
        }
    }

    /// Writes what waits, unless somebody is writing; lets happen what is due; and then reads once.
    fn step(&mut self) -> Result<(), Error> {
        let (due, began) = loop {
            if self.at_end || self.respite.is_none_or(|respite| self.reader.now() >= respite) {
                self.respite = None;
                match self.shared.flush(Half::Recv) {
                    Ok(()) => {}
                    Err(error) if error.is_would_block() => self.respite = Some(self.reader.now() + RESPITE),
                    Err(Error::Io(error)) => return self.lost(error),
                    // The connection was given up, which is found out there where it is waited for.
                    Err(_) => return Ok(()),
                }
            }
            let mut sending = self.shared.lock();
            let now = self.reader.now();
            match self.deadlines.next(&sending.outbound) {
                Some(due) if now >= due => self.deadlines.handle(now, &mut self.inbound, &mut sending.outbound),
                due => break (due, now),
            }
        };
        let due = match (self.respite, due) {
            (None, due) => due,
            (Some(_), Some(due)) => Some(due.min(began + PATIENCE)),
            (Some(_), None) => Some(began + PATIENCE),
        };
        let sending = self.shared.lock();
        if sending.outbound.closing.is_abandoned() {
            return Ok(());
        }
        if self.at_end {
            // There is nothing left but to wait for whoever is writing.
            if !sending.is_closed() {
                drop(self.shared.wait(sending, due.map(|due| due.since(began))));
            }
            return Ok(());
        }
        drop(sending);
        match self.reader.read(&mut self.stream, &mut self.inbound, due) {
            Ok(Received::Bytes) => Ok(()),
            Ok(Received::End) => {
                self.at_end = true;
                self.inbound.receive_eof();
                Ok(())
            }
            // The time that the read was given is up, and the next step does what is due.
            Ok(Received::NotReady(_)) if self.reader.is_up(began, due) => {
                self.respite = None;
                Ok(())
            }
            Ok(Received::NotReady(error)) => Err(error.into()),
            Err(error) => self.lost(error),
        }
    }

    /// Gives up on a stream that failed. Behind a completed closing handshake that is just its end.
    fn lost(&mut self, error: io::Error) -> Result<(), Error> {
        self.inbound.receive_eof();
        let mut sending = self.shared.lock();
        let is_over = sending.outbound.on_lost();
        sending.abandon(&mut self.stream);
        if is_over { Ok(()) } else { Err(error.into()) }
    }

    fn lend(&mut self, found: Found) -> Result<Event<'_>, Error> {
        match self.inbound.lend(found) {
            Ok(event) => Ok(event),
            Err(error) => {
                let error = self.shared.lock().outbound.fail(error);
                linger(&self.shared, &mut self.stream, self.close_timeout)?;
                Err(error.into())
            }
        }
    }
}

/// Ends the transport of a connection that failed, as [`transport::linger`] does, beside whoever is writing.
fn linger<S: Stream>(shared: &Shared<S>, stream: &mut S, timeout: Option<Duration>) -> Result<(), Error> {
    let deadline = transport::deadline(timeout);
    let flushed = shared.flush(Half::Recv);
    let drained = flushed.and_then(|()| Ok(transport::drain(stream, deadline)?));
    match drained {
        Err(error) if error.is_would_block() && Instant::now() < deadline => return Err(error),
        _ => shared.lock().abandon(stream),
    }
    Ok(())
}
