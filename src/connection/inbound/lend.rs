//! From what was found, a place in the buffers, to the event that lends it.

use core::ops::Range;

use super::{Inbound, inflate::inflated};
#[cfg(feature = "async")]
use crate::message::Payload;
use crate::{
    connection::{Event, Fin, Fragment, Outbound, error::ProtocolError},
    frame::CloseFrame,
    message::{Message, MessageKind},
    utf8,
};

/// Bytes of payload from which on it is worth to send it from the receive buffer, rather than to copy it: most of a buffer.
#[cfg(feature = "async")]
const EXCHANGE: usize = 32 << 10;

/// What [`Inbound::parse`] found, and where it lies. It borrows nothing, so it can be kept while
/// the buffers are not lent yet.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Text(Range<usize>),
    Binary(Range<usize>),
    Assembled,
    Fragment(MessageKind, Range<usize>, Fin),
    /// A fragment that was decompressed, with its length.
    Inflated(MessageKind, usize, Fin),
    /// A fragment of text that is just the code point which earlier pieces had cut.
    CodePoint(usize, Fin),
    Ping(Range<usize>),
    Pong(Range<usize>),
    Close(Range<usize>),
}

impl Found {
    /// Whether it concerns the sending half as well, through [`Inbound::settle`].
    pub(crate) fn is_control(&self) -> bool {
        matches!(self, Self::Ping(_) | Self::Pong(_) | Self::Close(_))
    }
}

impl Inbound {
    /// Applies a control frame to the sending half: the Pong or Close that answers it is queued there.
    pub(crate) fn settle(&mut self, found: &Found, outbound: &mut Outbound) -> Result<(), ProtocolError> {
        if core::mem::take(&mut self.settled) {
            return Ok(());
        }
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

    /// As [`lend`](Self::lend), for a caller that sees to it that there is another receive buffer: a long message that lies
    /// alone in the receive buffer is lent together with it, so that it can be sent from there.
    #[cfg(feature = "async")]
    #[inline]
    pub(crate) fn lend_with_buffer(&mut self, found: Found) -> Result<Event<'_>, ProtocolError> {
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
    pub(crate) fn lend(&mut self, found: Found) -> Result<Event<'_>, ProtocolError> {
        let event = match found {
            Found::Text(payload) => match utf8::check(self.buffer.slice(payload)) {
                Ok(text) => Event::Message(text.into()),
                Err(_) => {
                    self.ended = true;
                    return Err(ProtocolError::InvalidUtf8);
                }
            },
            Found::Binary(payload) => Event::Message(self.buffer.slice(payload).into()),
            Found::Assembled => Event::Message(self.assembly.lend()),
            Found::Fragment(MessageKind::Binary, payload, fin) => Event::Fragment(Fragment {
                data: self.buffer.slice(payload).into(),
                fin,
            }),
            Found::Fragment(MessageKind::Text, payload, fin) => match utf8::check(self.buffer.slice(payload)) {
                Ok(text) => Event::Fragment(Fragment { data: text.into(), fin }),
                Err(_) => {
                    self.ended = true;
                    self.frame = None;
                    return Err(ProtocolError::InvalidUtf8);
                }
            },
            Found::Inflated(MessageKind::Binary, len, fin) => Event::Fragment(Fragment {
                data: inflated(self.deflate.as_deref(), len).into(),
                fin,
            }),
            Found::Inflated(MessageKind::Text, len, fin) => match utf8::check(inflated(self.deflate.as_deref(), len)) {
                Ok(text) => Event::Fragment(Fragment { data: text.into(), fin }),
                Err(_) => {
                    self.ended = true;
                    self.frame = None;
                    return Err(ProtocolError::InvalidUtf8);
                }
            },
            Found::CodePoint(len, fin) => match self.assembly.code_point(len) {
                Ok(text) => Event::Fragment(Fragment {
                    data: Message::from(text),
                    fin,
                }),
                Err(error) => return Err(error),
            },
            Found::Ping(payload) => Event::Ping(self.buffer.slice(payload)),
            Found::Pong(payload) => Event::Pong(self.buffer.slice(payload)),
            // `settle` has decoded it before and found no fault.
            Found::Close(payload) => Event::Close(CloseFrame::decode(self.buffer.slice(payload))?),
        };
        Ok(event)
    }
}
