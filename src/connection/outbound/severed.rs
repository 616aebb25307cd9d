//! A transport that takes no more bytes, but may still deliver some; and what is logged about the end.

use super::Outbound;
use crate::{
    connection::{closing::Severed, time::Timer},
    log,
    outgoing::{Content, Outgoing},
};

impl Outbound {
    /// The transport takes no more bytes. What it still delivers is received (DRV-02).
    pub(in crate::connection) fn sever(&mut self, why: Severed) {
        self.closing.on_severed(why, self.can_stall());
        self.output.clear();
        self.unflushed = false;
    }

    /// Drops what is sent on a transport that takes no more bytes.
    #[cold]
    pub(super) fn drop_unsent(&mut self, outgoing: &Outgoing<'_>) {
        if let Content::Fragment(fragment) = &outgoing.content {
            self.message = (!fragment.is_last).then_some(fragment.data.kind());
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
