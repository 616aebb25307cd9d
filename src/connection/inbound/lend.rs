//! Lending events: from what was found, a range in the buffers, to the event that borrows it.

use super::{Inbound, inflate::inflated};
#[cfg(feature = "async")]
use crate::message::{Message, Payload};
use crate::{
    connection::{
        Event, Outbound,
        error::ProtocolError,
        found::{Fault, Found},
    },
    frame::CloseFrame,
    message::{Fragment, MessageKind},
    utf8,
};

/// The payload length from which sending from the receive buffer is cheaper than copying: most of a buffer.
#[cfg(feature = "async")]
const EXCHANGE: usize = 32 << 10;

impl Inbound {
    /// Applies a control frame to the sending half: queues the Pong or Close that answers it.
    pub(super) fn settle_control(&mut self, found: &Found, outbound: &mut Outbound) -> Result<(), ProtocolError> {
        match found {
            Found::Ping(payload) => outbound.on_ping(self.buffer.slice(payload.clone())),
            Found::Pong(payload) => outbound.on_pong(self.buffer.slice(payload.clone())),
            Found::Close(payload) => match CloseFrame::decode(self.buffer.slice(payload.clone())) {
                Ok(frame) => outbound.on_close(frame),
                Err(error) => return Err(outbound.fail(error.into())),
            },
            _ => {}
        }
        Ok(())
    }

    /// Like [`lend`](Self::lend), for a caller that provides another receive buffer: a long message that is alone in
    /// the receive buffer is lent together with it, so that it can be sent from there.
    #[cfg(feature = "async")]
    #[inline]
    pub(crate) fn lend_with_buffer(&mut self, found: Found) -> Result<Event<'_>, Fault> {
        match found {
            Found::Binary(payload) if payload.len() >= EXCHANGE && self.buffer.is_empty() => {
                let payload = Payload::received(self.buffer.bytes_mut(), payload);
                Ok(Event::Message(Message::Binary(payload)))
            }
            found => self.lend(found),
        }
    }

    /// Lends what was found. Text in the receive buffer is checked here, since only the check makes a `&str` of it.
    #[inline]
    pub(crate) fn lend(&mut self, found: Found) -> Result<Event<'_>, Fault> {
        match found {
            Found::Binary(payload) => Ok(Event::Message(self.buffer.slice(payload).into())),
            Found::Text(payload) => match utf8::check(self.buffer.slice(payload)) {
                Ok(text) => Ok(Event::Message(text.into())),
                Err(_) => Err(invalid_text(&mut self.ended, &mut self.frame)),
            },
            found => self.lend_in_full(found),
        }
    }

    #[inline(never)]
    fn lend_in_full(&mut self, found: Found) -> Result<Event<'_>, Fault> {
        let (kind, payload, is_last) = match found {
            Found::Text(payload) => return self.lend(Found::Text(payload)),
            Found::Binary(payload) => return self.lend(Found::Binary(payload)),
            Found::Assembled => return Ok(self.lend_assembled()),
            Found::Fragment(kind, payload, is_last) => (kind, self.buffer.slice(payload), is_last),
            Found::Inflated(kind, len, is_last) => (kind, inflated(self.deflate.as_deref(), len), is_last),
            Found::CodePoint(len, is_last) => {
                let data = self.assembly.code_point(len).map_err(Fault)?.into();
                return Ok(Event::Fragment(Fragment { data, is_last }));
            }
            Found::Ping(payload) => return Ok(Event::Ping(self.buffer.slice(payload))),
            Found::Pong(payload) => return Ok(Event::Pong(self.buffer.slice(payload))),
            // `settle_control` has decoded it before, without a fault.
            Found::Close(payload) => {
                let frame = CloseFrame::decode(self.buffer.slice(payload));
                return Ok(Event::Close(frame.map_err(|error| Fault(error.into()))?));
            }
        };
        let data = match kind {
            MessageKind::Text => match utf8::check(payload) {
                Ok(text) => text.into(),
                Err(_) => return Err(invalid_text(&mut self.ended, &mut self.frame)),
            },
            MessageKind::Binary => payload.into(),
        };
        Ok(Event::Fragment(Fragment { data, is_last }))
    }
}

/// §8.1: invalid UTF-8 in a text message fails the connection.
#[cold]
fn invalid_text<F>(ended: &mut bool, frame: &mut Option<F>) -> Fault {
    *ended = true;
    *frame = None;
    Fault(ProtocolError::InvalidUtf8)
}
