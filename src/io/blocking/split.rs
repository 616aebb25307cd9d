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

mod recv;
mod send;

use alloc::sync::Arc;
use core::time::Duration;
use std::{
    io,
    net::Shutdown,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Buf;

use super::{SplitStream, Stream, WebSocket, transport};
use crate::{
    connection::{Outbound, OwnedOutput, ProtocolError, ReadyState, Time, Timer},
    error::Error,
};

pub use self::{recv::RecvHalf, send::SendHalf};

/// How long one write of a split stream may wait, and a read while something waits to be written.
const PATIENCE: Duration = Duration::from_millis(5);

/// How long the receiver leaves the stream alone that took nothing, as long as there is something to read.
const RESPITE: Duration = Duration::from_millis(50);

/// Separates the directions of a connection.
pub(super) fn split<S: SplitStream>(websocket: WebSocket<S>) -> Result<(SendHalf<S>, RecvHalf<S>), Error> {
    let stream = websocket.stream.try_clone()?;
    let (inbound, mut outbound, deadlines) = websocket.connection.into_parts();
    let mut writer = Writer {
        stream,
        output: outbound.take_output(),
        unflushed: core::mem::take(&mut outbound.unflushed),
        shut_down: websocket.shut_down,
        stalled: None,
    };
    // A stream that cannot bound its writes has no deadline for them.
    let _ = writer.stream.set_write_timeout(Some(PATIENCE));
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
    output: OwnedOutput,
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
            let is_new = !writer.output.has_remaining();
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
            // The other half may have met the same fault, and told it.
            let is_told = sending.outbound.closing.is_abandoned();
            if let Err(error) = &written {
                sending.on_write_error(error, &mut writer);
            }
            sending.writer = Some(writer);
            self.returned.notify_all();
            if is_told && written.is_err() {
                continue;
            }
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
            let waiting = writer.output.remaining();
            match transport::write_all(&mut writer.stream, &mut writer.output) {
                Ok(()) => {
                    writer.unflushed = false;
                    writer.stalled = None;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let now = Time::from_origin(self.origin.elapsed());
                    if writer.output.remaining() < waiting {
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
        !self.output.has_remaining() && !self.unflushed
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
