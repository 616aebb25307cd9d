//! Choosing the next step from the state of a connection and its transport.

use super::{
    Driver, READS, Step,
    clock::{Judging, Who},
};
use crate::connection::{
    Inbound,
    closing::{ReadyState, Severed},
    deadlines::earlier,
    inbound::Arrivals,
    time::Time,
};

/// The state of one side of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It can be tried.
    Free,
    /// It was tried, and was not ready.
    Blocked,
    /// An operation was started whose result is reported later.
    UnderWay,
    /// Reading only: nothing more fits until events are taken.
    Paused,
    /// It has ended or failed.
    Over,
}

impl Readiness {
    pub(crate) fn free(&mut self) {
        if matches!(self, Self::Blocked | Self::Paused) {
            *self = Self::Free;
        }
    }
}

/// The callers that ask for the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// A caller that waits for events.
    Events,
    /// A caller that waits for its output to be written, and also reads.
    Written,
    /// A caller that only waits for the end, without the receiving half.
    End,
}

impl Driver {
    #[inline(never)]
    pub(super) fn next_in_full(&mut self, asks: Asks, mut inbound: Option<&mut Inbound>) -> Step {
        let was_full = asks == Asks::Events && self.is_full();
        let may_leave_events = was_full || asks == Asks::Written;
        if asks == Asks::Events && !was_full && self.read == Readiness::Paused {
            self.read = Readiness::Free;
        }
        loop {
            if was_full && !self.is_full() {
                // The events that were left must be taken first.
                return Step::Yield;
            }
            if self.read == Readiness::Over {
                self.end_input(may_leave_events, inbound.as_deref_mut());
            }
            if may_leave_events {
                if let Some(inbound) = inbound.as_deref_mut() {
                    self.look_ahead(inbound);
                }
            }
            let received = inbound.as_ref().and_then(|inbound| self.received(asks, inbound));
            self.take_time(received);
            let closing = &self.outbound.closing;
            if closing.severed().is_some() && closing.is_received() {
                // DRV-20: nothing more can be sent, and nothing that arrives counts.
                self.outbound.abandon();
            }
            if self.outbound.ready_state() == ReadyState::Closed {
                self.outbound.closing.log_end(true);
                let has_failed = self.outbound.closing.failure().is_some();
                if let Some(inbound) = inbound.filter(|_| has_failed && !may_leave_events) {
                    // CL-21: the failure may have come in this very step. A read under way changes nothing any more.
                    inbound.end();
                }
                return self.last_step();
            }
            if let Some(step) = self.write_step() {
                return step;
            }
            if asks == Asks::Written && !self.outbound.can_stall() {
                let is_severed = self.outbound.closing.severed().is_some();
                return if is_severed { Step::Ended } else { Step::Written };
            }
            let due = self.deadlines.next(&self.outbound, received);
            // A deadline is armed before the read: what is read then counts as after it.
            if due == Some(Time::ZERO) {
                return Step::Time;
            }
            if self.read == Readiness::Free {
                if asks == Asks::Written && inbound.as_ref().is_some_and(|inbound| !inbound.wants_read()) {
                    self.read_paused();
                    continue;
                }
                return self.read_step(due);
            }
            let until = match self.phase(Who::Reader) {
                (Judging::Tried, moment) => {
                    self.phases[Who::Reader as usize] = Judging::Quiet;
                    if self.read == Readiness::Paused {
                        // Bytes for which there was no room must still be read.
                        self.judge_output(moment);
                    }
                    self.deadlines.judge(moment, &mut self.outbound, received);
                    continue;
                }
                (Judging::Grace, moment) => Some(moment),
                _ => due,
            };
            let closing = &self.outbound.closing;
            if let Some(failure) = closing.stalled() {
                // The writer that detected this did not read. By now, everything that has arrived was read.
                self.outbound.fail(failure);
                self.outbound.abandon();
                continue;
            }
            return self.wait(until);
        }
    }

    #[inline]
    pub(super) fn wait(&mut self, until: Option<Time>) -> Step {
        (self.reads, self.asked) = (0, false);
        self.reader_waits = Some(until.unwrap_or(Time::END));
        Step::Wait(until)
    }

    /// Returns what may be judged by what was received: nothing, while reading is paused.
    fn received(&self, asks: Asks, inbound: &Inbound) -> Option<Arrivals> {
        let received = inbound.received();
        match self.read {
            Readiness::Paused => None,
            // DRV-16: bytes read while events are left may be progress of a message, or all of it.
            _ if asks == Asks::Written && inbound.has_unread() => Some(Arrivals {
                message: None,
                ..received
            }),
            // As long as there may be more to read, a message needs no time.
            Readiness::Free => Some(Arrivals {
                message: None,
                ..received
            }),
            _ => Some(received),
        }
    }

    /// DRV-20: makes room for bytes waiting to be read, as far as possible without handing out events.
    fn look_ahead(&mut self, inbound: &mut Inbound) {
        inbound.look_ahead(&mut self.outbound);
        if self.read == Readiness::Free && !inbound.has_room() {
            self.read = Readiness::Paused;
        }
    }

    /// Returns whether messages are refused until output is written, so that events are left.
    fn is_full(&self) -> bool {
        self.outbound.is_full() && self.outbound.can_stall()
    }

    /// Notes that the transport delivers no more bytes, and that all were processed, unless events may be left.
    fn end_input(&mut self, may_leave_events: bool, inbound: Option<&mut Inbound>) {
        if let Some(inbound) = inbound {
            inbound.receive_eof();
        }
        // Otherwise the end is found after the remaining events.
        if !may_leave_events && !self.outbound.closing.is_eof() {
            self.outbound.on_eof();
        }
    }

    /// Looks at the deadlines, if a time was reported.
    fn take_time(&mut self, received: Option<Arrivals>) {
        let (phase, now) = self.phase(Who::Reader);
        if !phase.is_told() {
            return;
        }
        let passed = self.deadlines.look(now, &mut self.outbound, received);
        if self.has_passed(Who::Reader, passed) {
            if self.reads >= READS {
                // Waiting bytes have had their chance: a flood does not delay the end.
                self.deadlines.judge(now, &mut self.outbound, received);
                self.phases[Who::Reader as usize] = Judging::Quiet;
            }
            self.read.free();
            self.write.free();
        }
    }

    /// Gives up the sending direction if output has stalled for too long, for a caller that does not read.
    fn judge_output(&mut self, now: Time) {
        if let Some((_, timer)) = self.deadlines.look_at_output(now, &self.outbound) {
            self.outbound.log_deadline(timer);
            self.outbound.sever(match self.outbound.closing.at_end {
                true => Severed::Failed,
                false => Severed::Stalled(timer),
            });
        }
    }

    fn read_step(&mut self, due: Option<Time>) -> Step {
        if self.reads < READS {
            let has_failed = self.outbound.closing.failure().is_some();
            return if has_failed { Step::Discard } else { Step::Read };
        }
        if due.is_some() && !self.asked {
            return Step::Time;
        }
        (self.reads, self.asked) = (0, false);
        Step::Yield
    }

    /// Returns a step to write or flush, in the common case.
    #[inline]
    pub(super) fn write_step_while_open(&self) -> Option<Step> {
        let outbound = &self.outbound;
        if self.write != Readiness::Free || !outbound.closing.is_open() {
            None
        } else if outbound.wants_write() {
            Some(Step::Write)
        } else {
            outbound.unflushed.then_some(Step::Flush)
        }
    }

    /// Returns the next step of a connection that is over. RFC 8446 §6.1 (SEC-16): a stream of TLS notifies the peer
    /// before it is dropped, even if output was given up.
    fn last_step(&self) -> Step {
        let is_possible = self.write == Readiness::Free && self.outbound.closing.severed().is_none();
        if is_possible { Step::Shutdown } else { Step::Ended }
    }

    fn write_step(&self) -> Option<Step> {
        let (outbound, closing) = (&self.outbound, &self.outbound.closing);
        if self.write != Readiness::Free || closing.is_abandoned() || closing.severed().is_some() {
            None
        } else if outbound.wants_write() {
            Some(Step::Write)
        } else if outbound.unflushed {
            Some(Step::Flush)
        } else if closing.wants_shutdown() {
            Some(Step::Shutdown)
        } else {
            None
        }
    }

    /// Returns the next step of a caller that only writes, while another caller reads or none does. It ends with
    /// [`Step::Written`], or with [`Step::Ended`] if the rest cannot be written.
    ///
    /// It reads nothing, and judges only whether output has stalled. If it has for too long, that ends the sending
    /// direction; a reader still gets what has arrived. The reader and the writer of a connection share one timer.
    pub fn next_write(&mut self) -> Step {
        self.writer_waits = false;
        loop {
            let (phase, now) = self.phase(Who::Writer);
            if phase.is_told() {
                self.deadlines.look(now, &mut self.outbound, None);
                let passed = self.deadlines.look_at_output(now, &self.outbound);
                if self.has_passed(Who::Writer, passed) {
                    self.write.free();
                }
            }
            if self.outbound.closing.is_abandoned() || self.outbound.closing.severed().is_some() {
                return Step::Ended;
            }
            if let Some(step) = self.write_step() {
                return step;
            }
            if !self.outbound.can_stall() {
                return Step::Written;
            }
            let due = self.deadlines.next_output(&self.outbound);
            if due == Some(Time::ZERO) {
                return Step::Time;
            }
            let until = match self.phase(Who::Writer) {
                (Judging::Tried, now) => {
                    self.phases[Who::Writer as usize] = Judging::Quiet;
                    self.judge_output(now);
                    continue;
                }
                (Judging::Grace, moment) => Some(moment),
                _ => due,
            };
            self.writer_waits = true;
            // The shared timer is set to the earlier of the two times.
            let reader_waits = self
                .reader_waits
                .filter(|&time| time != Time::ZERO && time != Time::END);
            return Step::Wait(earlier(until, reader_waits));
        }
    }
}
