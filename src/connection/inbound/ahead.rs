//! Making room in the receive buffer for one who takes no events.

use super::Inbound;
use crate::{
    config::Delivery,
    connection::Outbound,
    frame::{CloseFrame, FrameHeader, Opcode},
};

/// What frames are parsed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To take the next event.
    Take,
    /// To find out whether there is one. It is left where it is, but for the payload of a message that has to be assembled.
    LookAhead,
}

impl Inbound {
    /// For one who waits to write, and takes no events meanwhile (DRV-20). Once nothing more fits, or nothing more comes, what is
    /// there of a long message goes to its own buffer, within its limits, and leaves room for more. If a Close is the next
    /// event, it has its effect at once.
    pub(in crate::connection) fn look_ahead(&mut self, outbound: &mut Outbound) {
        let is_of_use = self.eof || !self.has_room();
        if !is_of_use || self.assembled || self.delivery == Delivery::Fragments {
            return;
        }
        match self.parse_as(Purpose::LookAhead) {
            Ok(Some(_)) => {
                // Just a message that was assembled. Until it is taken, nothing is found in few steps.
                self.assembled = true;
                self.short_end = 0;
            }
            Ok(None) => match self.whole_frame() {
                Some((header, masked)) if header.opcode == Opcode::Close => apply_close(&header, masked, outbound),
                Some(_) => {}
                // If this is a failure, it is told when an event is asked for, as the next one is.
                None => drop(self.settle_end(outbound)),
            },
            Err(failure) => {
                outbound.fail(failure);
            }
        }
    }

    /// The next frame and its payload, if all of it is there.
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

/// Applies a Close to the sending half before it is taken. To do so again then changes nothing.
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
