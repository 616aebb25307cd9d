//! A transport that takes no more bytes, but may still deliver some.

use super::Outbound;
use crate::{
    connection::closing::Severed,
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
