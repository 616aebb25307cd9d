//! A transport that takes no more bytes, but may still deliver some.

use super::Outbound;
use crate::connection::{closing::Severed, error::SendError};

impl Outbound {
    /// The transport takes no more bytes. What it still delivers is received (DRV-02).
    pub(in crate::connection) fn sever(&mut self, why: Severed) {
        self.closing.on_severed(why, self.can_stall());
        self.output.clear();
        self.unflushed = false;
    }

    /// What becomes of something that is sent and was refused: on a transport that takes no more bytes, it is dropped.
    #[cold]
    pub(super) fn drop_if_deaf<T>(&self, refused: SendError<T>) -> Result<(), SendError<T>> {
        match refused {
            SendError::Closing(_) if self.closing.is_deaf() => Ok(()),
            refused => Err(refused),
        }
    }
}
