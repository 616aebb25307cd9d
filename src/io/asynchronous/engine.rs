//! The poll engine: moves bytes between a transport and a connection until something is found, or nothing can be moved.
//!
//! The two directions are separate structures, so that a whole connection and its halves are driven by the same code.

use core::{
    mem,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::io::{self, IoSlice};

use bytes::Buf;

use super::{Timer, Transport, pool};
use crate::{
    config::Config,
    connection::{Connection, Deadlines, Event, Found, Inbound, Outbound, ProtocolError, ReadyState, SendError, Time},
    error::Error,
    message::Message,
    negotiated::Negotiated,
};

/// Slices of one vectored write.
const SLICES: usize = 16;

/// Reads of one poll that lead to no event, after which other tasks get their turn.
const READS: usize = 32;

/// The sending side: the queue, and the transport, which reads go through as well.
#[derive(Debug)]
pub(super) struct Sending<T> {
    pub(super) transport: T,
    pub(super) outbound: Outbound,
    /// Whether the write side of the transport is shut down.
    shut_down: bool,
    /// Whether the receiving side knows that output waits, and so watches the deadline of it.
    pub(super) watched: bool,
    /// Whether a sink was told that there is room for a message.
    pub(super) promised: bool,
}

/// The receiving side, which also watches the deadlines.
#[derive(Debug)]
pub(super) struct Receiving<C> {
    pub(super) inbound: Inbound,
    deadlines: Deadlines,
    timer: C,
    /// When a failed connection stops to wait for the peer.
    linger_until: Option<Time>,
}

/// Starts a connection over a transport.
pub(super) fn start<T: Transport>(
    transport: T,
    negotiated: &Negotiated,
    config: &Config,
) -> (Sending<T>, Receiving<T::Timer>) {
    let (inbound, outbound, deadlines) = Connection::from_negotiated(negotiated, config).into_parts();
    let sending = Sending {
        transport,
        outbound,
        shut_down: false,
        watched: false,
        promised: false,
    };
    let receiving = Receiving {
        inbound,
        deadlines,
        timer: T::Timer::new(),
        linger_until: None,
    };
    (sending, receiving)
}

/// The transport and the connection, to go on without the engine.
pub(super) fn stop<T: Transport>(mut sending: Sending<T>, receiving: Receiving<T::Timer>) -> (T, Connection) {
    // Whoever goes on with them flushes the transport.
    sending.outbound.unflushed = false;
    let connection = Connection::from_parts(receiving.inbound, sending.outbound, receiving.deadlines);
    (sending.transport, connection)
}

impl<T: Transport> Sending<T> {
    /// Writes everything that is queued, in as few writes as it takes, and flushes the transport.
    ///
    /// An error of the transport ends the connection. If it was given up by somebody else, that error is returned.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.outbound.closing.is_abandoned() {
            let failure = self.outbound.closing.failure();
            return Poll::Ready(failure.map_or(Ok(()), |failure| Err(failure.into())));
        }
        match ready!(self.poll_write_all(cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(self.lost(error)),
        }
    }

    /// Queues the message of a sink. A promise of room holds, also if Pongs took the room in between.
    pub(super) fn start_send<'m>(&mut self, message: Message<'m>) -> Result<(), SendError<Message<'m>>> {
        if mem::take(&mut self.promised) {
            self.outbound.send_above_mark(message)
        } else {
            self.outbound.send(message)
        }
    }

    /// Whether a flush would do anything.
    fn has_work(&self) -> bool {
        self.outbound.wants_write() || self.outbound.unflushed || self.outbound.closing.is_abandoned()
    }

    /// The same for the receiving side, which watches the deadlines.
    fn poll_flush_watched(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let flushed = self.poll_flush(cx);
        self.watched = flushed.is_pending();
        flushed
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.outbound.wants_write() {
            let output = self.outbound.output();
            let mut slices = [IoSlice::new(&[]); SLICES];
            let used = output.chunks_vectored(&mut slices);
            match ready!(self.transport.poll_write(cx, &slices[..used]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => output.advance(n),
            }
            self.outbound.unflushed = true;
        }
        if self.outbound.unflushed {
            ready!(self.transport.poll_flush(cx))?;
            self.outbound.unflushed = false;
        }
        self.watched = false;
        Poll::Ready(Ok(()))
    }

    /// Shuts the write side down, if it is time. A peer that is gone already is told by the read side.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.shut_down && !self.outbound.wants_write() && self.outbound.closing.wants_shutdown() {
            let _ = ready!(self.transport.poll_shutdown(cx));
            self.shut_down = true;
        }
        Poll::Ready(())
    }

    /// Gives up on a transport that failed. Behind a completed closing handshake that is just its end.
    pub(super) fn lost(&mut self, error: io::Error) -> Result<(), Error> {
        if self.outbound.on_lost() {
            Ok(())
        } else {
            Err(error.into())
        }
    }
}

/// The events that a caller waits for. Others are passed over, within the bounds of one poll.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    All,
    /// Messages and fragments.
    Data,
    /// None: just the end of the connection.
    End,
}

impl Wanted {
    fn includes(self, found: &Found) -> bool {
        match self {
            Self::All => true,
            Self::Data => !found.is_control(),
            Self::End => false,
        }
    }
}

impl<C: Timer> Receiving<C> {
    /// A message that has arrived, in the common case: most messages are found in these few steps.
    #[inline]
    pub(super) fn find_short(&mut self) -> Option<Found> {
        self.inbound.parse_short()
    }

    /// Goes on until an event is found that is wanted. `None` is the end of a connection that was closed as it should
    /// be.
    ///
    /// The write side is polled with a context of its own, since several tasks may wait for it.
    pub(super) fn poll_find<T: Transport>(
        &mut self,
        wanted: Wanted,
        sending: &mut Sending<T>,
        cx: &mut Context<'_>,
        write_cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Found>, Error>> {
        let found = self.poll_find_within_bounds(wanted, sending, cx, write_cx);
        if !matches!(found, Poll::Ready(Ok(Some(_)))) {
            // A connection that waits, or has ended, holds no buffers.
            pool::reclaim(&mut self.inbound, &mut sending.outbound);
            self.inbound.release();
            sending.outbound.release();
        }
        found
    }

    fn poll_find_within_bounds<T: Transport>(
        &mut self,
        wanted: Wanted,
        sending: &mut Sending<T>,
        cx: &mut Context<'_>,
        write_cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Found>, Error>> {
        for _ in 0..READS {
            match self.find(wanted, &mut sending.outbound) {
                Ok(Some(found)) => return Poll::Ready(Ok(Some(found))),
                Ok(None) if sending.outbound.ready_state() == ReadyState::Closed => {
                    // The peer ended its direction first. To end the other one is a matter of courtesy, not worth a
                    // wait, but without it TLS and HTTP/2 would take the end for a failure.
                    let _ = sending.poll_shutdown(write_cx);
                    return Poll::Ready(Ok(None));
                }
                Ok(None) => {}
                Err(error) => {
                    ready!(self.lingering().poll(sending, cx, write_cx));
                    return Poll::Ready(Err(error.into()));
                }
            }
            if sending.has_work() {
                if let Poll::Ready(flushed) = sending.poll_flush_watched(write_cx) {
                    flushed?;
                }
            }
            // What waits is read before a deadline about the peer is judged, and before its timer is set.
            let is_quiet = self.deadlines.is_quiet_for(&self.inbound, &sending.outbound);
            if !is_quiet {
                self.poll_deadlines(sending, cx, write_cx)?;
                if sending.outbound.ready_state() == ReadyState::Closed {
                    continue;
                }
            }
            match self.poll_read(sending, cx) {
                Poll::Ready(Ok(0)) => self.inbound.receive_eof(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    self.inbound.receive_eof();
                    sending.lost(error)?;
                }
                Poll::Pending => {
                    if !is_quiet || self.deadlines.next_of(&self.inbound, &sending.outbound).is_none() {
                        return Poll::Pending;
                    }
                    self.poll_deadlines(sending, cx, write_cx)?;
                    if sending.outbound.ready_state() == ReadyState::Open {
                        return Poll::Pending;
                    }
                }
            }
        }
        // A peer that always has something to say does not put a deadline off.
        self.poll_deadlines(sending, cx, write_cx)?;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The next event that is wanted, among what has arrived.
    fn find(&mut self, wanted: Wanted, outbound: &mut Outbound) -> Result<Option<Found>, ProtocolError> {
        loop {
            match self.inbound.find(outbound)? {
                Some(found) if !wanted.includes(&found) => {}
                found => return Ok(found),
            }
        }
    }

    fn poll_read<T: Transport>(&mut self, sending: &mut Sending<T>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.inbound.wants_read() {
            // The peer has ended its direction, but this one has not: the write side or the deadline goes on.
            return Poll::Pending;
        }
        if T::HAS_READ_BUF {
            let transport = &mut sending.transport;
            let read = self.inbound.read_direct(|buffer| transport.poll_read_buf(cx, buffer));
            if let Some(read) = read {
                return read;
            }
        }
        pool::lend(&mut self.inbound, &mut sending.outbound);
        let n = ready!(sending.transport.poll_read(cx, self.inbound.space()))?;
        self.inbound.advance(n);
        Poll::Ready(Ok(n))
    }

    /// Writes everything that is queued, for as long as the peer takes some of it.
    ///
    /// No other deadline is watched here: while nothing is read, a silent peer says nothing about itself.
    pub(super) fn poll_flush<T: Transport>(
        &mut self,
        sending: &mut Sending<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        loop {
            if let Poll::Ready(flushed) = sending.poll_flush(cx) {
                return Poll::Ready(flushed);
            }
            let Some(due) = self.deadlines.next_write(&sending.outbound) else {
                return Poll::Pending;
            };
            ready!(self.poll_due(due, cx));
            let now = self.timer.now();
            self.deadlines
                .handle_write(now, &mut self.inbound, &mut sending.outbound);
        }
    }

    fn poll_due(&mut self, due: Time, cx: &mut Context<'_>) -> Poll<()> {
        match due {
            // Something happened that a deadline has to be set for.
            Time::ZERO => Poll::Ready(()),
            due => self.timer.poll_until(due, cx),
        }
    }

    /// Fires due timers, writes what they queue, and shuts the write side down if it is time.
    #[inline(never)]
    fn poll_deadlines<T: Transport>(
        &mut self,
        sending: &mut Sending<T>,
        cx: &mut Context<'_>,
        write_cx: &mut Context<'_>,
    ) -> Result<(), Error> {
        while let Some(due) = self.deadlines.next_of(&self.inbound, &sending.outbound) {
            if self.poll_due(due, cx).is_pending() {
                break;
            }
            self.deadlines
                .handle(self.timer.now(), &mut self.inbound, &mut sending.outbound);
            if sending.has_work() {
                if let Poll::Ready(flushed) = sending.poll_flush_watched(write_cx) {
                    flushed?;
                }
            }
        }
        // What it waits for, the read side or the deadline will bring along.
        let _ = sending.poll_shutdown(write_cx);
        Ok(())
    }

    /// Lends what was found. Text that turns out not to be UTF-8 fails the connection, which then needs
    /// [`Lingering`] to end.
    #[inline]
    pub(super) fn lend(&mut self, found: Found) -> Result<Event<'_>, (ProtocolError, Lingering<'_, C>)> {
        let Self {
            inbound,
            deadlines,
            timer,
            linger_until,
        } = self;
        inbound.lend_with_buffer(found).map_err(|error| {
            (
                error,
                Lingering {
                    timer,
                    until: linger_until,
                    timeout: deadlines.close_timeout(),
                },
            )
        })
    }

    fn lingering(&mut self) -> Lingering<'_, C> {
        Lingering {
            timer: &mut self.timer,
            until: &mut self.linger_until,
            timeout: self.deadlines.close_timeout(),
        }
    }
}

/// The end of a connection that failed (§7.1.1): writes the Close, shuts down, and reads what is under way for a bounded
/// time, so that it does not provoke a reset which destroys the Close.
///
/// Whatever goes wrong here, the failure that led here is what counts. The buffers of the receiving side are not touched,
/// since the borrow checker has to assume that a message is lent from them.
pub(super) struct Lingering<'a, C> {
    timer: &'a mut C,
    until: &'a mut Option<Time>,
    timeout: Option<Duration>,
}

impl<C: Timer> Lingering<'_, C> {
    pub(super) fn poll<T: Transport>(
        &mut self,
        sending: &mut Sending<T>,
        cx: &mut Context<'_>,
        write_cx: &mut Context<'_>,
    ) -> Poll<()> {
        let _ = sending.poll_flush_watched(write_cx);
        let _ = sending.poll_shutdown(write_cx);
        // Also while output waits: a peer that is writing itself may not read before that is taken.
        let closing = &sending.outbound.closing;
        if !closing.is_abandoned() && !closing.is_eof() && has_ended(&mut sending.transport, cx) {
            sending.outbound.on_eof();
        }
        let mut is_expired = || {
            self.timeout.is_some_and(|timeout| {
                let until = *self.until.get_or_insert_with(|| self.timer.now() + timeout);
                self.timer.poll_until(until, cx).is_ready()
            })
        };
        if sending.outbound.ready_state() != ReadyState::Closed && !is_expired() {
            return Poll::Pending;
        }
        sending.outbound.on_eof();
        sending.outbound.abandon();
        Poll::Ready(())
    }
}

/// Reads and discards what is there. Returns whether the stream has ended.
pub(super) fn has_ended<T: Transport>(transport: &mut T, cx: &mut Context<'_>) -> bool {
    let mut discarded = [0; 1024];
    for _ in 0..READS {
        match transport.poll_read(cx, &mut discarded) {
            Poll::Ready(Ok(0) | Err(_)) => return true,
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => return false,
        }
    }
    cx.waker().wake_by_ref();
    false
}
