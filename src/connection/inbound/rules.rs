//! The rules for the first two bytes of a frame, on this connection and in its current state.

use super::Inbound;
use crate::{
    connection::error::ProtocolError,
    frame::{Opcode, Rsv},
    log,
    role::Role,
};

impl Inbound {
    /// Applies the rules of the connection to the first two bytes of an incomplete header (FR-20).
    #[cold]
    pub(super) fn check_start(&self, unread: &[u8]) -> Result<(), ProtocolError> {
        let &[first, second, ..] = unread else {
            return Ok(());
        };
        match Opcode::from_bits(first & 0x0F) {
            Some(opcode) => self.check_rules(opcode, Rsv::from_bits(first >> 4), second & 0x80 != 0),
            None => Ok(()), // `decode` refuses it
        }
    }

    /// Logs the limit that was exceeded, if that is the fault.
    #[cold]
    pub(super) fn log_limit(&self, error: ProtocolError) {
        let (limit, max) = match error {
            ProtocolError::FrameTooBig => ("max_frame_size", self.max_frame_size),
            ProtocolError::MessageTooBig => ("max_message_size", self.max_message_size),
            ProtocolError::TooManyFragments => ("max_fragments", self.max_fragments.into()),
            _ => return,
        };
        let role = match self.mask_bit {
            0 => Role::Client,
            _ => Role::Server,
        };
        log::limit(role, limit, max);
    }

    #[inline]
    pub(super) fn check_rules(&self, opcode: Opcode, rsv: Rsv, masked: bool) -> Result<(), ProtocolError> {
        // §5.2: reserved bits are 0 unless a negotiated extension uses them.
        if rsv != Rsv::NONE && !self.may_have(opcode, rsv) {
            return Err(ProtocolError::ReservedBits(rsv));
        }
        // §5.1: a client masks every frame, a server none.
        match self.mask_bit {
            0 if masked => return Err(ProtocolError::MaskedFrame),
            0 => {}
            _ if !masked => return Err(ProtocolError::UnmaskedFrame),
            _ => {}
        }
        // §5.4: fragments of one message are not interleaved with another message.
        match opcode {
            Opcode::Continuation if self.message.is_none() => Err(ProtocolError::UnexpectedContinuation),
            Opcode::Text | Opcode::Binary if self.message.is_some() => Err(ProtocolError::InterleavedMessage),
            _ => Ok(()),
        }
    }
}
