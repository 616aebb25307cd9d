//! What one task must wake in the other, if one reads and the other writes.

use core::mem;

use super::clock::{Judging, Who};
use crate::connection::{closing::ReadyState, driver::Driver, time::Time};

/// Which tasks to wake because what they wait for has changed; see [`Driver::wakes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Wakes {
    /// The caller that [`Driver::next`] returned [`Step::Wait`](crate::Step::Wait) to.
    pub reader: bool,
    /// The caller that [`Driver::next_write`] returned [`Step::Wait`](crate::Step::Wait) to.
    pub writer: bool,
}

impl Driver {
    /// Returns whether a task that may have to be woken is waiting: whether [`wakes`](Self::wakes) is worth calling.
    #[inline]
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        // A reader that had its turn knows what to wait for, unless something was queued since.
        let is_due = self.reader_waits == Some(Time::ZERO);
        let has_changed = !self.reads_now || !self.outbound.is_quiet();
        is_due || self.writer_waits || (self.reader_waits.is_some() && has_changed)
    }

    /// Returns which tasks to wake. Call it when the turn of either is over, and after something was queued; each
    /// wake-up is returned once.
    ///
    /// The reader is woken when a deadline has become earlier than the one that it waits for, when that deadline has
    /// passed, and at the end. The writer is woken when everything is written, when nothing can be written any more,
    /// when the peer has closed, and at the end.
    pub fn wakes(&mut self) -> Wakes {
        let is_over = self.outbound.ready_state() == ReadyState::Closed;
        let is_severed = self.outbound.closing.severed().is_some();
        // The reader ends what the writer has given up.
        let is_stalled = self.outbound.closing.stalled().is_some();
        // A write does not change what was received.
        let next = self.deadlines.next(&self.outbound, None);
        // In a grace period, the deadline that it waits for has already passed.
        let is_patient = matches!(self.phase(Who::Reader), (Judging::Grace, _));
        let is_earlier = |until: Time| !is_patient && next.is_some_and(|next| next < until);
        let reader = self
            .reader_waits
            .is_some_and(|until| until == Time::ZERO || is_over || is_stalled || is_earlier(until));
        // A writer that waits for room to send more need not wait any longer.
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
