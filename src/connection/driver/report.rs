//! Reporting the results of steps, the output to write, and how the connection ended.

#[cfg(feature = "std")]
use std::io::IoSlice;

use bytes::Buf;

use super::{Driver, clock::Who, steps::Readiness};
use crate::connection::{closing::Severed, error::ProtocolError, output::OwnedOutput, time::Time};

/// Reporting the results of steps.
impl Driver {
    /// Reports that this many bytes of the output were written.
    #[inline]
    pub fn wrote(&mut self, n: usize) {
        let output = self.outbound.output();
        let n = n.min(output.len()); // Output may have been given up while the write was under way.
        output.advance(n);
        self.outbound.unflushed = true;
        self.write = Readiness::Free;
    }

    /// Reports that the transport has flushed everything.
    #[inline]
    pub fn flushed(&mut self) {
        self.outbound.unflushed = false;
        self.write = Readiness::Free;
    }

    /// Reports that the write side was shut down, or cannot be.
    pub fn shut_down(&mut self) {
        self.write = Readiness::Over;
    }

    /// Reports that the write side is not ready.
    #[inline]
    pub fn write_blocked(&mut self) {
        self.write = Readiness::Blocked;
    }

    /// Reports that an operation of the write side was started, whose result is reported later, as in completion-based
    /// I/O. No other one is asked for meanwhile, even if the caller [waits](super::Step::Wait).
    #[inline]
    pub fn write_started(&mut self) {
        self.write = Readiness::UnderWay;
    }

    /// Takes the output, for [`Step::Write`](super::Step::Write), to be written without a lock on the driver, or by an
    /// operation that owns what it writes. This starts the write, as [`write_started`](Self::write_started) does.
    ///
    /// When the write is done, return the output with [`return_output`](Self::return_output), or report
    /// [`write_failed`](Self::write_failed). What is queued meanwhile is written after it.
    pub fn take_output(&mut self) -> OwnedOutput {
        self.write_started();
        self.outbound.output().take()
    }

    /// Reports that a write of output that was taken is done. The bytes by which it was advanced were written; the rest
    /// is written next.
    ///
    /// If the write side was not ready for all of it, report [`write_blocked`](Self::write_blocked) afterwards. Output
    /// of another connection, which must not be passed in, counts as a failed write: it would not continue what was
    /// written.
    pub fn return_output(&mut self, output: OwnedOutput) {
        if self.write == Readiness::UnderWay {
            self.write = Readiness::Free;
        }
        let has_moved = output.has_moved();
        if self.outbound.output().put_back(output) {
            self.outbound.unflushed |= has_moved;
        } else if self.outbound.closing.severed().is_none() && !self.outbound.closing.is_abandoned() {
            self.write_failed();
        }
    }

    /// Reports that the write side failed. This ends the sending direction only: data that the peer has sent is still
    /// received, for as long as the closing handshake may take.
    pub fn write_failed(&mut self) {
        self.write = Readiness::Over;
        self.outbound.sever(Severed::Failed);
    }

    /// Reports that this many bytes were read, at least one. Take the events before asking for the next step.
    #[inline]
    pub fn read(&mut self, n: usize) {
        debug_assert!(n > 0, "the end is reported with `read_ended`");
        self.reads = self.reads.saturating_add(1);
        self.read = Readiness::Free;
    }

    /// Reports that the read side is not ready.
    #[inline]
    pub fn read_blocked(&mut self) {
        self.read = Readiness::Blocked;
    }

    /// Reports that a read was started, whose result is reported later; see [`write_started`](Self::write_started).
    #[inline]
    pub fn read_started(&mut self) {
        self.read = Readiness::UnderWay;
    }

    /// Reports that nothing more is read until events were taken, which begins with another [`turn`](Self::turn).
    pub fn read_paused(&mut self) {
        self.read = Readiness::Paused;
    }

    /// Reports that the transport has ended.
    pub fn read_ended(&mut self) {
        self.read = Readiness::Over;
        self.outbound.closing.at_end = true;
    }

    /// Reports that the read side failed, and the write side with it.
    pub fn read_failed(&mut self) {
        self.read = Readiness::Over;
        self.write = Readiness::Over;
        self.outbound.sever(Severed::Failed);
    }

    /// Reports the time.
    pub fn at(&mut self, now: Time) {
        self.asked = true;
        self.tell(Who::Reader, now);
    }

    /// Reports the time, for a caller of [`next_write`](Self::next_write).
    pub fn at_write(&mut self, now: Time) {
        if self.reader_waits.is_some_and(|until| until <= now) {
            self.reader_waits = Some(Time::ZERO);
        }
        self.tell(Who::Writer, now);
    }
}

/// The output to write, and how the connection ended.
impl Driver {
    /// Returns the next bytes to write, in one piece.
    #[inline]
    #[must_use]
    pub fn chunk(&self) -> &[u8] {
        let chunk = self.outbound.output_ref().chunk();
        &chunk[..chunk.len().min(Self::MAX_WRITE)]
    }

    /// Fills `slices` with the next bytes for a vectored write. Returns the number of slices used.
    #[cfg(feature = "std")]
    #[inline]
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.outbound.output_ref().slices(slices, Self::MAX_WRITE)
    }

    /// Returns how the connection ended, for a caller that receives, once the next step is
    /// [`Step::Ended`](super::Step::Ended).
    ///
    /// # Errors
    ///
    /// The failure. [`ProtocolError::ConnectionLost`] also stands for an error of the transport. After the peer's
    /// Close, it does not matter how the transport ended.
    pub fn outcome(&self) -> Result<(), ProtocolError> {
        let closing = &self.outbound.closing;
        match closing.failure() {
            Some(failure) => Err(failure),
            None if closing.is_received() => Ok(()),
            None => Err(ProtocolError::ConnectionLost),
        }
    }

    /// Returns whether messages are accepted and dropped, because the transport accepts no more bytes although
    /// neither side has closed. A sending call that has no other way to report this fails with
    /// [`write_outcome`](Self::write_outcome).
    #[inline]
    #[must_use]
    pub fn drops_output(&self) -> bool {
        self.outbound.closing.is_deaf()
    }

    /// Returns how the sending direction ended, for a caller that sends.
    ///
    /// # Errors
    ///
    /// The failure, or [`ProtocolError::ConnectionLost`] for a transport that accepts no more bytes; every call returns
    /// it again. After a completed closing handshake there is nothing left to send, unless some output was given up.
    pub fn write_outcome(&self) -> Result<(), ProtocolError> {
        let closing = &self.outbound.closing;
        if closing.is_handshake_done() && !closing.is_cut() {
            return Ok(());
        }
        let failure = closing.failure().or(closing.stalled());
        Err(failure.unwrap_or(ProtocolError::ConnectionLost))
    }
}
