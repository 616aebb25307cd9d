//! A transport that accepts no more bytes, but may still deliver some; and logging how the connection ended.

use super::Outbound;
use crate::{
    connection::{closing::Severed, time::Timer},
    log,
    outgoing::{Content, Outgoing},
};

impl Outbound {
    /// Notes that the transport accepts no more bytes. What it still delivers is received (DRV-02).
    pub(in crate::connection) fn sever(&mut self, why: Severed) {
        self.closing.on_severed(why, self.can_stall());
        self.output.clear();
        self.unflushed = false;
    }

    /// Gives up the transport, with all output that is waiting for it.
    pub(crate) fn abandon(&mut self) {
        self.closing.on_abandoned(self.output.queued());
        self.output.clear();
        self.unflushed = false;
    }

    /// Notes that the transport failed. Returns whether this only ends a completed closing handshake: after the peer's
    /// Close, how the transport ends only matters to whether the end was clean.
    pub(crate) fn on_lost(&mut self) -> bool {
        self.on_eof();
        self.abandon();
        self.closing.is_handshake_done()
    }

    /// Notes that the transport delivers no more bytes.
    pub(crate) fn on_eof(&mut self) {
        self.closing.on_eof(!self.can_stall());
        if self.closing.is_abandoned() {
            self.abandon();
        }
    }

    #[cold]
    pub(super) fn drop_unsent(&mut self, outgoing: &Outgoing<'_>) {
        match &outgoing.content {
            Content::Fragment(fragment) => self.message = (!fragment.is_last).then_some(fragment.data.kind()),
            Content::Extension(frame) => self.message = (!frame.is_last).then_some(frame.kind),
            _ => {}
        }
    }
}

impl Outbound {
    /// Logs a deadline that has passed.
    pub(in crate::connection) fn log_deadline(&self, timer: Timer) {
        let (role, timer) = (self.closing.role(), timer.name());
        if self.closing.is_open() {
            log::deadline(role, timer);
        } else {
            log::closing_deadline(role, timer);
        }
    }
}

/// A connection that is dropped before its end ends here.
#[cfg(feature = "tracing")]
impl Drop for Outbound {
    fn drop(&mut self) {
        self.closing.log_end(!self.can_stall());
    }
}
