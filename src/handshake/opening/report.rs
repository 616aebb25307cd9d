//! Reporting the results of steps.

use super::{Handshake, Opening, Stage};
use crate::{
    connection::{Time, driver::Readiness},
    handshake::HandshakeError,
};

/// Reporting the results of steps, with the names that the [`Driver`](crate::Driver) uses.
impl<H: Handshake> Opening<H> {
    /// Begins a turn: both sides of the transport may be ready. For callers that do not know which side is ready.
    pub fn turn(&mut self) {
        self.readable();
        self.writable();
    }

    /// Reports that the read side may be ready.
    pub fn readable(&mut self) {
        self.read.free();
    }

    /// Reports that the write side may be ready.
    pub fn writable(&mut self) {
        self.write.free();
    }

    /// Reports that this many bytes of the output were written.
    pub fn wrote(&mut self, n: usize) {
        self.written = self.output.len().min(self.written + n);
        self.write = Readiness::Free;
    }

    /// Reports that the transport has flushed everything.
    pub const fn flushed(&mut self) {
        self.unflushed = false;
        self.write = Readiness::Free;
    }

    /// Reports that the write side was shut down, or cannot be.
    pub const fn shut_down(&mut self) {
        self.shut_down = true;
        self.write = Readiness::Free;
    }

    /// Reports that the write side is not ready.
    pub const fn write_blocked(&mut self) {
        self.write = Readiness::Blocked;
    }

    /// Reports that an operation of the write side was started, whose result is reported later, as in completion-based
    /// I/O.
    pub const fn write_started(&mut self) {
        self.write = Readiness::UnderWay;
    }

    /// Reports that the write side failed. A server that is refusing has then ended. A client still receives data that
    /// the server has sent, which may say why the server accepts no request.
    pub fn write_failed(&mut self) {
        self.write = Readiness::Over;
        match self.stage {
            Stage::Exchange => self.begins = true,
            Stage::Settled => self.lose(HandshakeError::Eof),
            Stage::Refusal => {}
        }
    }

    /// Reports that these bytes were read, at least one.
    pub fn read(&mut self, bytes: &[u8]) {
        debug_assert!(!bytes.is_empty(), "the end is reported with `read_ended`");
        self.reads = self.reads.saturating_add(1);
        self.read = Readiness::Free;
        if self.stage == Stage::Exchange {
            if let Some(outcome) = self.handshake.receive(bytes).transpose() {
                self.settle(outcome);
            }
        }
    }

    /// Reports that the read side is not ready.
    pub const fn read_blocked(&mut self) {
        self.read = Readiness::Blocked;
    }

    /// Reports that a read was started, whose result is reported later; see [`write_started`](Self::write_started).
    pub const fn read_started(&mut self) {
        self.read = Readiness::UnderWay;
    }

    /// Reports that the transport has ended.
    pub fn read_ended(&mut self) {
        self.read = Readiness::Over;
        self.end_input();
    }

    /// Reports that the read side failed, and the write side with it.
    pub fn read_failed(&mut self) {
        self.write = Readiness::Over;
        self.read_ended();
    }

    /// Reports the time.
    pub fn at(&mut self, now: Time) {
        if self.begins {
            let end = now + Self::LAST_WAIT;
            self.due = Some(self.due.map_or(end, |due| due.min(end)));
            self.begins = false;
        }
        self.asked = true;
        (self.phase, self.moment) = (self.phase.told(now, self.moment), now);
    }
}
