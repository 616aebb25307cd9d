//! The poll engine: performs the driver's steps on a transport until an event is found or no bytes can be moved.
//!
//! The [`Driver`] decides which step is next and when a connection is over. The state of the two directions is
//! separate, so that the same code drives a whole connection and its halves.

use core::{
    fmt, mem,
    task::{Context, Poll, Waker, ready},
};
use std::io::{self, IoSlice};

use super::{ReadBuf, RuntimeTimer, Transport, pool};
use crate::{
    connection::{Connection, Driver, Event, Fault, Found, Inbound, ProtocolError, SendError, Step},
    error::Error,
    io::verbs::Wanted,
    message::Message,
    outgoing::Outgoing,
};

/// The number of slices in one vectored write.
const SLICES: usize = 16;

/// Bytes of one read whose data is discarded.
const DISCARD: usize = 1 << 10;

/// Messages found without waiting, after which other tasks get their turn (DRV-13).
const BURST: u8 = 64;

/// What both directions use: the transport, the timer, and the driver, which includes the sending side.
pub(super) struct Link<T: Transport> {
    pub(super) transport: T,
    pub(super) driver: Driver,
    timer: T::Timer,
    /// The first error of the transport, until it is reported.
    error: Option<io::Error>,
    /// Whether it was reported.
    told: bool,
    /// Whether a sink was promised room for a message.
    pub(super) promised: bool,
    /// Whether a step that may concern another task was performed.
    pub(super) moved: bool,
}

/// The receiving side.
#[derive(Debug)]
pub(super) struct Receiving {
    inbound: Inbound,
    /// Messages left until other tasks get their turn.
    burst: u8,
    /// Whether the `Stream` of messages is over, after returning an error or the end.
    pub(super) fused: bool,
}

/// The tasks to wake when a side of the transport is ready or a timer is due.
pub(super) struct Wakers<'a, 'w> {
    /// The task that reads.
    read: &'a mut Context<'w>,
    /// A waker for everything else. Two tasks may wait for that.
    shared: &'a Waker,
}

impl<'a, 'w: 'a> Wakers<'a, 'w> {
    /// For a single task.
    #[inline]
    pub(super) const fn of(read: &'a mut Context<'w>) -> Self {
        let shared = read.waker();
        Self { read, shared }
    }

    #[inline]
    pub(super) const fn new(read: &'a mut Context<'w>, shared: &'a Waker) -> Self {
        Self { read, shared }
    }
}

/// Starts a connection over a transport.
pub(super) fn start<T: Transport>(transport: T, connection: Connection) -> (Link<T>, Receiving) {
    let (inbound, driver) = connection.into_halves();
    let link = Link {
        transport,
        driver,
        timer: T::Timer::new(),
        error: None,
        told: false,
        promised: false,
        moved: false,
    };
    let receiving = Receiving {
        inbound,
        burst: BURST,
        fused: false,
    };
    (link, receiving)
}

/// Returns the transport and the connection, to continue without the engine.
pub(super) fn stop<T: Transport>(mut link: Link<T>, receiving: Receiving) -> (T, Connection) {
    // The next owner flushes the transport.
    link.driver.flushed();
    (link.transport, Connection::from_halves(receiving.inbound, link.driver))
}

impl<T: Transport + fmt::Debug> fmt::Debug for Link<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Link");
        shown.field("transport", &self.transport).field("driver", &self.driver);
        shown.finish_non_exhaustive()
    }
}

impl<T: Transport> Link<T> {
    /// Queues the message of a sink. A promise of room holds even if Pongs have used the room meanwhile.
    pub(super) fn start_send<'m>(&mut self, message: Message<'m>) -> Result<(), SendError<Outgoing<'m>>> {
        let outbound = self.driver.outbound();
        if mem::take(&mut self.promised) {
            outbound.feed_above_mark(message)
        } else {
            outbound.feed(message)
        }
    }

    /// Writes all queued output, while another task reads or no task does.
    pub(super) fn poll_write_all(&mut self, wakers: &mut Wakers<'_, '_>) -> Poll<Result<(), Error>> {
        self.driver.writable();
        loop {
            match self.driver.next_write() {
                Step::Written => return Poll::Ready(Ok(())),
                Step::Ended => return Poll::Ready(self.write_outcome()),
                Step::Time => self.driver.at_write(self.timer.now()),
                Step::Wait(Some(due)) => {
                    ready!(self.timer.poll_until(due, &mut Context::from_waker(wakers.shared)));
                    self.driver.at_write(self.timer.now());
                }
                step => ready!(self.poll_step(step, wakers)),
            }
        }
    }

    /// Returns the failure of a connection once it is over. Does not use the receiving side, which the borrow checker
    /// considers lent.
    pub(super) fn poll_failure(&mut self, wakers: &mut Wakers<'_, '_>) -> Poll<Error> {
        self.driver.turn();
        loop {
            match self.driver.next_end() {
                Step::Ended => {
                    let failure = self.outcome().err();
                    return Poll::Ready(failure.unwrap_or_else(|| ProtocolError::ConnectionLost.into()));
                }
                step => ready!(self.poll_step(step, wakers)),
            }
        }
    }

    /// Performs a step that does not need the receiving side. Ready means continue.
    fn poll_step(&mut self, step: Step, wakers: &mut Wakers<'_, '_>) -> Poll<()> {
        match step {
            Step::Write => self.write(wakers),
            Step::Flush => self.flush(wakers),
            step => return self.poll_rare_step(step, wakers),
        }
        Poll::Ready(())
    }

    #[inline(never)]
    fn poll_rare_step(&mut self, step: Step, wakers: &mut Wakers<'_, '_>) -> Poll<()> {
        match step {
            Step::Discard => {
                let read = self.transport.poll_read(wakers.read, &mut [0; DISCARD]);
                self.has_read(read);
            }
            Step::Shutdown => match self.transport.poll_shutdown(&mut Context::from_waker(wakers.shared)) {
                // If the peer is gone already, the read side reports it.
                Poll::Ready(_) => self.driver.shut_down(),
                Poll::Pending => self.driver.write_blocked(),
            },
            Step::Time => self.driver.at(self.timer.now()),
            Step::Wait(Some(due)) => {
                ready!(self.timer.poll_until(due, &mut Context::from_waker(wakers.shared)));
                self.moved = true;
                self.driver.at(self.timer.now());
            }
            Step::Yield => {
                wakers.read.waker().wake_by_ref();
                return Poll::Pending;
            }
            _ => return Poll::Pending,
        }
        Poll::Ready(())
    }

    #[inline]
    fn write(&mut self, wakers: &Wakers<'_, '_>) {
        let cx = &mut Context::from_waker(wakers.shared);
        let chunk = self.driver.chunk();
        let written = if chunk.len() == self.driver.outbound_ref().queued() {
            self.transport.poll_write(cx, &[IoSlice::new(chunk)])
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let used = self.driver.slices(&mut slices);
            self.transport.poll_write(cx, &slices[..used])
        };
        match written {
            Poll::Ready(Ok(0)) => self.write_failed(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(n)) => {
                self.moved = true;
                self.driver.wrote(n);
            }
            Poll::Ready(Err(error)) => self.write_failed(error),
            Poll::Pending => self.driver.write_blocked(),
        }
    }

    #[inline]
    fn flush(&mut self, wakers: &Wakers<'_, '_>) {
        match self.transport.poll_flush(&mut Context::from_waker(wakers.shared)) {
            Poll::Ready(Ok(())) => {
                self.moved = true;
                self.driver.flushed();
            }
            Poll::Ready(Err(error)) => self.write_failed(error),
            Poll::Pending => self.driver.write_blocked(),
        }
    }

    /// Returns whether something was read, and there may be new events.
    #[inline]
    fn read(&mut self, inbound: &mut Inbound, wakers: &mut Wakers<'_, '_>) -> bool {
        let read = self.poll_read(inbound, wakers.read);
        self.has_read(read)
    }

    #[inline]
    fn poll_read(&mut self, inbound: &mut Inbound, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if T::HAS_READ_BUF {
            let transport = &mut self.transport;
            let read = inbound.read_direct(|buffer| transport.poll_read_buf(cx, &mut ReadBuf::new(buffer)));
            if let Some(read) = read {
                return read;
            }
        }
        pool::lend(inbound, self.driver.outbound());
        let n = ready!(self.transport.poll_read(cx, inbound.space()))?;
        inbound.advance(n);
        Poll::Ready(Ok(n))
    }

    #[inline]
    fn has_read(&mut self, read: Poll<io::Result<usize>>) -> bool {
        match read {
            Poll::Ready(Ok(0)) => self.driver.read_ended(),
            Poll::Ready(Ok(n)) => {
                self.moved = true;
                self.driver.read(n);
                return true;
            }
            Poll::Ready(Err(error)) => {
                self.note(error);
                self.driver.read_failed();
            }
            Poll::Pending => {
                self.driver.read_blocked();
                return false;
            }
        }
        self.moved = true;
        false
    }

    #[cold]
    fn write_failed(&mut self, error: io::Error) {
        self.moved = true;
        self.note(error);
        self.driver.write_failed();
    }

    fn note(&mut self, error: io::Error) {
        if !self.told {
            self.error.get_or_insert(error);
        }
    }

    /// Returns how the connection ended, for the receiving side.
    fn outcome(&mut self) -> Result<(), Error> {
        self.driver.outcome().map_err(|failure| self.tell(failure))
    }

    /// Returns how the sending direction ended.
    fn write_outcome(&mut self) -> Result<(), Error> {
        self.driver.write_outcome().map_err(|failure| self.tell(failure))
    }

    /// Returns a failure of the connection, or the transport error that caused it if that was not reported yet.
    fn tell(&mut self, failure: ProtocolError) -> Error {
        self.told = true;
        match self.error.take() {
            Some(error) if failure == ProtocolError::ConnectionLost => error.into(),
            _ => failure.into(),
        }
    }

    /// Releases the buffers of a connection that waits or has ended.
    fn rest(&mut self, inbound: &mut Inbound) {
        let outbound = self.driver.outbound();
        pool::reclaim(inbound, outbound);
        inbound.release();
        outbound.release();
    }
}

impl Receiving {
    /// Returns a message that has already arrived, in the common case: most messages are found in these few steps.
    #[inline]
    pub(super) fn find_short(&mut self) -> Option<Found> {
        if self.burst == 0 {
            return None;
        }
        // Counts every call, whether or not there is a message: that takes fewer steps.
        self.burst -= 1;
        self.inbound.parse_short()
    }

    /// Continues until a wanted event is found. Returns `None` at the end of a connection that closed cleanly.
    pub(super) fn poll_find<T: Transport>(
        &mut self,
        wanted: Wanted,
        link: &mut Link<T>,
        wakers: &mut Wakers<'_, '_>,
    ) -> Poll<Result<Option<Found>, Error>> {
        let Some(burst) = self.burst.checked_sub(1) else {
            self.burst = BURST;
            wakers.read.waker().wake_by_ref();
            return Poll::Pending;
        };
        link.driver.turn();
        loop {
            // A failure is returned later, as the outcome.
            if let Ok(Some(found)) = self.find(wanted, link) {
                self.burst = burst;
                return Poll::Ready(Ok(Some(found)));
            }
            loop {
                match link.driver.next(&mut self.inbound) {
                    Step::Read => {
                        if link.read(&mut self.inbound, wakers) {
                            break;
                        }
                    }
                    Step::Write => link.write(wakers),
                    Step::Flush => link.flush(wakers),
                    Step::Ended => {
                        self.burst = BURST;
                        link.rest(&mut self.inbound);
                        return Poll::Ready(link.outcome().map(|()| None));
                    }
                    step => {
                        if step == Step::Wait(None) || link.poll_rare_step(step, wakers).is_pending() {
                            self.burst = BURST;
                            link.rest(&mut self.inbound);
                            return Poll::Pending;
                        }
                    }
                }
            }
        }
    }

    /// Returns the next wanted event among those that have arrived.
    #[inline]
    fn find<T: Transport>(&mut self, wanted: Wanted, link: &mut Link<T>) -> Result<Option<Found>, ProtocolError> {
        loop {
            match self.inbound.find(link.driver.outbound())? {
                Some(found) if !wanted.includes(&found) => {}
                found => return Ok(found),
            }
        }
    }

    /// Writes all queued output, and reads meanwhile as far as there is room.
    pub(super) fn poll_flush<T: Transport>(
        &mut self,
        link: &mut Link<T>,
        wakers: &mut Wakers<'_, '_>,
    ) -> Poll<Result<(), Error>> {
        let is_written = ready!(self.poll_written(link, wakers));
        Poll::Ready(if is_written { Ok(()) } else { link.write_outcome() })
    }

    /// Like [`poll_flush`](Self::poll_flush), but does not report why output cannot be written. Returns whether all was
    /// written.
    pub(super) fn poll_written<T: Transport>(&mut self, link: &mut Link<T>, wakers: &mut Wakers<'_, '_>) -> Poll<bool> {
        link.driver.turn();
        let mut has_read = false;
        loop {
            match link.driver.next_flush(&mut self.inbound) {
                Step::Written => return Poll::Ready(true),
                Step::Ended => return Poll::Ready(false),
                Step::Read => has_read |= link.read(&mut self.inbound, wakers),
                step => {
                    if link.poll_step(step, wakers).is_pending() {
                        if has_read {
                            // Another part of the same task may have looked for a message just before.
                            wakers.read.waker().wake_by_ref();
                        }
                        link.rest(&mut self.inbound);
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Lends an event that was found. Text with invalid UTF-8 fails the connection, which must then be
    /// [finished](Link::poll_failure).
    #[inline]
    pub(super) fn lend(&mut self, found: Found) -> Result<Event<'_>, Fault> {
        let Self { inbound, burst, .. } = self;
        // Nothing is postponed after the end.
        inbound.lend_with_buffer(found).inspect_err(|_| *burst = BURST)
    }

    /// Receives the next message, owned.
    #[inline]
    pub(super) fn poll_recv<T: Transport>(
        &mut self,
        link: &mut Link<T>,
        wakers: &mut Wakers<'_, '_>,
    ) -> Poll<Result<Option<Message<'static>>, Error>> {
        let Some(found) = ready!(self.poll_find(Wanted::Data, link, wakers))? else {
            return Poll::Ready(Ok(None));
        };
        self.poll_own(found, link, wakers)
    }

    /// Returns an event that was found, owned.
    #[inline]
    pub(super) fn poll_own<T: Transport>(
        &mut self,
        found: Found,
        link: &mut Link<T>,
        wakers: &mut Wakers<'_, '_>,
    ) -> Poll<Result<Option<Message<'static>>, Error>> {
        match self.lend(found) {
            Ok(Event::Message(message)) => return Poll::Ready(Ok(Some(message.into_owned()))),
            Ok(event) => return Poll::Ready(Err(Error::no_message(&event))),
            Err(fault) => link.driver.outbound().tell(fault),
        };
        // This finds only the failure, once the connection has ended.
        self.poll_find(Wanted::End, link, wakers).map_ok(|_| None)
    }
}
