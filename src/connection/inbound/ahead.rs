//! Making room in the receive buffer for a caller that takes no events.

use super::Inbound;
use crate::{
    config::Delivery,
    connection::Outbound,
    frame::{CloseFrame, FrameHeader, Opcode},
};

/// The purpose for which frames are parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Taking the next event.
    Take,
    /// Finding out whether there is one. It is left in place, except that the payload of a message is assembled if
    /// necessary.
    LookAhead,
}

impl Inbound {
    /// Makes room for a caller that waits to write and takes no events meanwhile (DRV-20). Once there is no room, or
    /// nothing more arrives, the available part of a long message is moved to its own buffer, within its limits, which
    /// makes room for more. If a Close is the next event, it takes effect at once.
    pub(in crate::connection) fn look_ahead(&mut self, outbound: &mut Outbound) {
        let is_of_use = self.eof || !self.has_room();
        if !is_of_use || self.assembled || self.delivery == Delivery::Fragments {
            return;
        }
        match self.parse_as(Purpose::LookAhead) {
            Ok(Some(_)) => {
                // Only a message that was assembled. Until it is taken, the fast path finds nothing.
                self.assembled = true;
                self.short_end = 0;
            }
            Ok(None) => match self.whole_frame() {
                Some((header, masked)) if header.opcode == Opcode::Close => apply_close(&header, masked, outbound),
                Some(_) => {}
                // A failure is returned when an event is asked for, as is the next one.
                None => drop(self.settle_end(outbound)),
            },
            Err(failure) => {
                outbound.fail(failure);
            }
        }
    }

    /// Returns the next frame and its payload, if all of it has arrived.
    pub(super) fn whole_frame(&self) -> Option<(FrameHeader, &[u8])> {
        if self.frame.is_some() || self.ended {
            return None;
        }
        let unread = self.buffer.unread();
        let (header, header_len) = FrameHeader::decode(unread).ok()??;
        let payload = &unread[header_len..];
        let len = usize::try_from(header.payload_len).ok()?;
        Some((header, payload.get(..len)?))
    }
}

/// Applies a Close to the sending half before it is taken. Applying it again changes nothing.
fn apply_close(header: &FrameHeader, masked: &[u8], outbound: &mut Outbound) {
    let mut payload = [0; FrameHeader::MAX_CONTROL_LEN];
    let payload = &mut payload[..masked.len().min(FrameHeader::MAX_CONTROL_LEN)];
    payload.copy_from_slice(&masked[..payload.len()]);
    if let Some(key) = header.masking_key {
        key.apply(payload);
    }
    match CloseFrame::decode(payload) {
        Ok(frame) => outbound.on_close(frame),
        Err(error) => {
            outbound.fail(error.into());
        }
    }
}
