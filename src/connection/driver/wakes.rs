//! What one task must wake in the other, where one reads and one writes.

use core::mem;

use super::clock::{Judging, Who};
use crate::connection::{closing::ReadyState, driver::Driver, time::Time};

/// Who is to be woken, because what it waits for has changed; see [`Driver::wakes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Wakes {
    /// The caller that [`Driver::next`] told to wait.
    pub reader: bool,
    /// The caller that [`Driver::next_write`] told to wait.
    pub writer: bool,
}

impl Driver {
    /// Whether somebody waits who may have to be woken: whether [`wakes`](Self::wakes) is worth asking for.
    #[inline]
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        // A reader whose turn it was has just been told what to wait for, unless something was queued since.
        let is_due = self.reader_waits == Some(Time::ZERO);
        let has_changed = !self.reads_now || !self.outbound.is_quiet();
        is_due || self.writer_waits || (self.reader_waits.is_some() && has_changed)
    }

    /// Who is to be woken. Ask when the turn of either is over, and after something was queued; each is told once.
    ///
    /// The reader is woken when a deadline has become earlier than the one that it waits for, when that has passed, and at
    /// the end. The writer is woken when everything is written, when nothing can be written any more, when the
    /// peer has closed, and at the end.
    pub fn wakes(&mut self) -> Wakes {
        let is_over = self.outbound.ready_state() == ReadyState::Closed;
        let is_severed = self.outbound.closing.severed().is_some();
        // What the writer has given up, the reader ends.
        let is_stalled = self.outbound.closing.stalled().is_some();
        // Whoever writes changes nothing about what is received.
        let next = self.deadlines.next(&self.outbound, None);
        // In a grace, the deadline that it waits for has passed already.
        let is_patient = matches!(self.phase(Who::Reader), (Judging::Grace, _));
        let is_earlier = |until: Time| !is_patient && next.is_some_and(|next| next < until);
        let reader = self
            .reader_waits
            .is_some_and(|until| until == Time::ZERO || is_over || is_stalled || is_earlier(until));
        // One that waits for room to send more need not wait any longer.
        let closing = &mut self.outbound.closing;
        let is_refused = closing.is_received() && !mem::replace(&mut closing.is_told, true);
        let writer = self.writer_waits && (is_over || is_severed || is_refused || !self.outbound.can_stall());
        if reader {
            self.reader_waits = None;
        }
        if writer {
            self.writer_waits = false;
        }
        Wakes { reader, writer }
    }
}
