//! Whether something may be sent now: decided in one place, before anything else happens.

use super::Outbound;
use crate::{
    connection::{error::SendError, mask_keys::MaskKeys},
    entropy::EntropyError,
    frame::{FrameHeader, MaskingKey},
    outgoing::{Content, Outgoing},
};

impl Outbound {
    /// Returns the key to mask this with if it may be queued now. After that nothing can fail: a message that is not
    /// sent must not be compressed, since the window must match the peer's.
    pub(super) fn admit(&mut self, outgoing: &Outgoing<'_>) -> Result<Option<MaskingKey>, SendError> {
        match &outgoing.content {
            // §5.5: at most 125 bytes.
            Content::Control(_, payload) if payload.len() > FrameHeader::MAX_CONTROL_LEN => {
                return Err(SendError::ControlTooLong);
            }
            Content::Control(..) => {}
            // §5.2 (FR-02): a reserved bit is 0 unless an extension uses it.
            Content::Extension(frame) if !self.claimed().contains(frame.rsv) => {
                return Err(SendError::ReservedBits(frame.rsv.without(self.claimed())));
            }
            Content::Extension(frame) if self.continues(frame) => {}
            // §5.4: only fragments of the same kind may follow in a fragmented message.
            Content::Fragment(fragment) if self.message.is_none_or(|open| open == fragment.data.kind()) => {}
            _ if self.is_inside_message() => return Err(SendError::MessageOpen(())),
            _ => {}
        }
        // §5.5.1: nothing after a Close.
        if !self.closing.is_open() {
            return Err(SendError::Closing(()));
        }
        if self.is_full() {
            return Err(SendError::Full(()));
        }
        self.next_key().map_err(|EntropyError { .. }| SendError::NoEntropy(()))
    }

    /// Returns whether a fragmented message is being sent, or would be if its rest were not dropped.
    fn is_inside_message(&self) -> bool {
        self.message.is_some() && (self.closing.is_open() || self.closing.is_deaf())
    }

    #[inline]
    pub(super) fn next_key(&mut self) -> Result<Option<MaskingKey>, EntropyError> {
        self.keys.as_mut().map(MaskKeys::next).transpose()
    }
}
