//! The receiving direction: received bytes in, events out.

mod ahead;
mod extension;
mod handed_over;
mod inflate;
mod lend;
mod payload;
mod room;
mod rules;

use alloc::boxed::Box;
use core::ops::Range;

#[cfg(feature = "async")]
use self::payload::Lent;
use self::{
    ahead::Purpose,
    payload::{OpenFrame, OpenMessage, Progress},
};
use crate::{
    config::{Config, Delivery},
    connection::{
        Event, Outbound,
        assemble::Assembly,
        error::ProtocolError,
        found::{Found, Parsed},
        output::MAX_INLINE,
        recv_buffer::RecvBuffer,
    },
    deflate::Decompressor,
    frame::{FrameError, FrameHeader, MaskingKey, Opcode, Rsv},
    role::Role,
    utf8,
};

/// The most bytes left unread when all events were taken: any frame header, or any control frame except its last byte.
pub(super) const MAX_UNREAD: usize = FrameHeader::MAX_LEN + FrameHeader::MAX_CONTROL_LEN;

/// The receiving half of a [`Connection`](crate::Connection).
///
/// It holds all parse state, so reads can be cut, cancelled and resumed anywhere. [`next_event`](Self::next_event)
/// takes the sending half, to queue automatic replies; nothing else here uses it.
///
/// ```text
///                 header complete, payload complete and unfragmented
///          +----------------------------------------------------------> lent from the receive buffer
///          |
///  unread bytes ---> header ---> payload arrives ---> assembled (Delivery::Messages) ---> lent from its own buffer
///          ^                            |
///          +------- next fragment ------+-----------> lent piece by piece (Delivery::Fragments)
/// ```
#[derive(Debug)]
pub struct Inbound {
    delivery: Delivery,
    /// Whether input is ignored: after a Close was received or the connection failed.
    ended: bool,
    /// The MASK bit that frames must have.
    mask_bit: u8,
    /// The payload length below which [`parse_short`](Self::parse_short) may return a message; 0 if it may not.
    short_end: u32,
    /// Whether [`space`](Self::space) returned the message buffer and not the receive buffer.
    direct: bool,
    /// Whether the transport delivers no more bytes.
    eof: bool,
    /// Whether the assembled message is the next event: it was complete before it was asked for.
    assembled: bool,
    /// The base-two logarithm of the size of its own receive buffer.
    buffer_bits: u8,
    max_fragments: u32,
    max_frame_size: u64,
    max_message_size: u64,
    buffer: RecvBuffer,
    frame: Option<OpenFrame>,
    message: Option<OpenMessage>,
    assembly: Assembly,
    /// The decompressor, if compression was negotiated.
    deflate: Option<Box<Decompressor>>,
    /// The number of bytes received, and the progress of messages that did not arrive at once; both wrap.
    received: u32,
    progress: u32,
    #[cfg(feature = "async")]
    lent: Lent,
}

/// What has arrived, as counters that a deadline can watch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrivals {
    pub(super) bytes: u32,
    /// The progress of messages, if one is unfinished.
    pub(super) message: Option<u32>,
}

impl Inbound {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        let limits = &config.limits;
        // A message assembled in memory must fit into an address space, even one of 32 bits.
        let most = match config.delivery {
            Delivery::Messages => isize::MAX as u64,
            Delivery::Fragments => u64::MAX,
        };
        let max_message_size = limits.max_message_size.min(most);
        let mut inbound = Self {
            mask_bit: match role {
                Role::Client => 0,
                Role::Server => 0x80,
            },
            short_end: 0,
            delivery: config.delivery,
            ended: false,
            direct: false,
            eof: false,
            assembled: false,
            buffer_bits: RecvBuffer::size_bits(limits.recv_buffer_size),
            max_fragments: limits.max_fragments,
            max_frame_size: limits.max_frame_size,
            max_message_size,
            buffer: RecvBuffer::default(),
            frame: None,
            message: None,
            assembly: Assembly::new(),
            deflate: None,
            received: 0,
            progress: 0,
            #[cfg(feature = "async")]
            lent: Lent::default(),
        };
        inbound.allow_short();
        inbound
    }

    /// Allows [`parse_short`](Self::parse_short) to return messages, if the configuration does.
    fn allow_short(&mut self) {
        // A longer message in a buffer that was handed over is lent together with that.
        let most = if self.assembly.handed_over {
            MAX_INLINE as u64
        } else {
            0xFFFF
        };
        #[expect(clippy::cast_possible_truncation, reason = "at most 16 bits")]
        let end = match self.delivery {
            Delivery::Messages => 1 + self.max_frame_size.min(self.max_message_size).min(most) as u32,
            Delivery::Fragments => 0,
        };
        self.short_end = end;
    }

    /// Returns the next event, or `None` if more bytes are needed.
    ///
    /// The event borrows its data until the next call on this connection. When this returns, automatic replies (the
    /// Pong to a Ping, the Close to a Close) are queued in `outbound`.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the peer violated the protocol or a limit, if the transport ended without a closing
    /// handshake, or if a deadline passed. Further calls return it again. A fault of the peer, or the end of the
    /// transport, is returned after all events before it.
    #[expect(clippy::inline_always, reason = "measured: see below")]
    #[inline(always)]
    pub fn next_event<'a>(&'a mut self, outbound: &mut Outbound) -> Result<Option<Event<'a>>, ProtocolError> {
        // Inlined, the event of the common case stays in registers. Passing it through memory takes twice the time,
        // since its parts are stored one by one and loaded as vectors.
        match self.parse_short() {
            Some(Found::Binary(payload)) => Ok(Some(Event::Message(self.buffer.slice(payload).into()))),
            Some(Found::Text(payload)) => match utf8::check(self.buffer.slice(payload)) {
                Ok(text) => Ok(Some(Event::Message(text.into()))),
                Err(_) => {
                    self.ended = true;
                    Err(outbound.fail(ProtocolError::InvalidUtf8))
                }
            },
            _ => self.next_event_in_full(outbound),
        }
    }

    #[inline(never)]
    fn next_event_in_full<'a>(&'a mut self, outbound: &mut Outbound) -> Result<Option<Event<'a>>, ProtocolError> {
        let parsed = if self.is_drained() {
            Ok(None)
        } else {
            self.parse_in_full()
        };
        match self.settle(Parsed(parsed), outbound)? {
            None => Ok(None),
            Some(found) => self.lend(found).map(Some).map_err(|fault| outbound.tell(fault)),
        }
    }

    /// The part of [`next_event`](Self::next_event) that lends nothing; [`lend`](Self::lend) is the other.
    #[cfg(feature = "async")]
    #[inline]
    pub(crate) fn find(&mut self, outbound: &mut Outbound) -> Result<Option<Found>, ProtocolError> {
        let parsed = self.parse();
        self.settle(parsed, outbound)
    }

    /// Looks for the next event without touching the sending half.
    #[inline]
    pub(crate) fn parse(&mut self) -> Parsed {
        Parsed(match self.parse_short() {
            Some(found) => Ok(Some(found)),
            None if self.is_drained() => Ok(None),
            None => self.parse_in_full(),
        })
    }

    /// Returns whether all received bytes have been processed.
    #[inline]
    fn is_drained(&self) -> bool {
        self.buffer.is_empty() && self.frame.is_none() && !self.assembled
    }

    fn parse_in_full(&mut self) -> Result<Option<Found>, ProtocolError> {
        self.assembly.in_buffer = false;
        if core::mem::take(&mut self.assembled) {
            self.allow_short();
            return Ok(Some(Found::Assembled));
        }
        self.parse_as(Purpose::Take)
    }

    fn parse_as(&mut self, purpose: Purpose) -> Result<Option<Found>, ProtocolError> {
        let found = self.parse_frames(purpose);
        if let Err(error) = found {
            self.log_limit(error);
            self.end();
            // The rest will not be processed, and the next read needs the room.
            self.buffer.clear();
        }
        found
    }

    /// Applies a [parsed](Self::parse) result to the sending half: answers control frames, and notes a failure or, once
    /// no event is left, the end of the transport.
    #[inline]
    pub(crate) fn settle(&mut self, parsed: Parsed, outbound: &mut Outbound) -> Result<Option<Found>, ProtocolError> {
        match parsed.0 {
            Ok(Some(found)) => {
                if found.is_control() {
                    self.settle_control(&found, outbound)?;
                }
                Ok(Some(found))
            }
            Ok(None) => self.settle_end(outbound).map(|()| None),
            Err(error) => Err(outbound.fail(error)),
        }
    }

    /// The common case in few steps: an unfragmented data frame of up to 64 KiB that has arrived completely.
    ///
    /// Anything unusual, faults included, is left to [`parse_frames`](Self::parse_frames), which would return the same
    /// here but takes twice as long.
    #[expect(clippy::inline_always, reason = "measured: see `next_event`")]
    #[inline(always)]
    pub(crate) fn parse_short(&mut self) -> Option<Found> {
        let &[first, second, ref rest @ ..] = self.buffer.unread() else {
            return None;
        };
        // FIN, no reserved bit, text or binary; the required MASK bit, and the length in the other seven bits.
        let between_messages = self.frame.is_none() && self.message.is_none() && !self.ended;
        if !matches!(first, 0x81 | 0x82) || !between_messages {
            return None;
        }
        let (len, len_bytes) = match second ^ self.mask_bit {
            len @ 0..=125 => (usize::from(len), 0),
            126 => {
                let len = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
                if len < 126 {
                    return None;
                }
                (len, 2)
            }
            _ => return None,
        };
        if len >= self.short_end as usize {
            return None;
        }
        let rest = &rest[len_bytes..];
        let payload = if self.mask_bit == 0 {
            if rest.len() < len {
                return None;
            }
            self.buffer.consume_behind(2 + len_bytes, len)
        } else {
            let (key, rest) = rest.split_first_chunk()?;
            if rest.len() < len {
                return None;
            }
            let key = MaskingKey::new(*key);
            let payload = self.buffer.consume_behind(6 + len_bytes, len);
            key.apply(self.buffer.slice_mut(payload.clone()));
            payload
        };
        Some(match first {
            0x81 => Found::Text(payload),
            _ => Found::Binary(payload),
        })
    }

    fn parse_frames(&mut self, purpose: Purpose) -> Result<Option<Found>, ProtocolError> {
        loop {
            if self.frame.is_some() {
                match self.continue_frame()? {
                    Progress::Found(found) => return Ok(Some(found)),
                    Progress::FrameDone => {}
                    Progress::NeedsBytes => return Ok(None),
                }
            }
            if self.ended {
                // CL-14: anything after the peer's Close, or after a failure, is discarded.
                self.buffer.clear();
                return Ok(None);
            }
            let unread = self.buffer.unread();
            let (header, header_len) = match FrameHeader::decode(unread) {
                Ok(Some(decoded)) => decoded,
                Ok(None) => {
                    self.check_start(unread)?;
                    return Ok(None);
                }
                Err(error @ (FrameError::OverlongLength | FrameError::LengthTopBit)) => {
                    // A fault in the first two bytes is reported first, as if they had arrived alone.
                    self.check_start(unread)?;
                    return Err(error.into());
                }
                Err(error) => return Err(error.into()),
            };
            let available = unread.len() - header_len;
            self.check_rules(header.opcode, header.rsv, header.masking_key.is_some())?;

            if header.opcode.is_control() {
                #[expect(clippy::cast_possible_truncation, reason = "at most 125, as `decode` checked")]
                let len = header.payload_len as usize;
                if available < len || purpose == Purpose::LookAhead {
                    return Ok(None);
                }
                let payload = self.take_payload(header_len, len, header.masking_key);
                return Ok(Some(match header.opcode {
                    Opcode::Ping => Found::Ping(payload),
                    Opcode::Pong => Found::Pong(payload),
                    _ => {
                        self.end();
                        Found::Close(payload)
                    }
                }));
            }

            // FR-24: the limits are checked before an announced length is used for anything else.
            let len = header.payload_len;
            if len > self.max_frame_size {
                return Err(ProtocolError::FrameTooBig);
            }
            if len > self.max_message_size {
                return Err(ProtocolError::MessageTooBig);
            }
            let whole =
                header.fin && self.message.is_none() && self.delivery == Delivery::Messages && header.rsv == Rsv::NONE;
            if whole && len <= available as u64 {
                if purpose == Purpose::LookAhead {
                    return Ok(None);
                }
                #[expect(clippy::cast_possible_truncation, reason = "no more than what is available")]
                let payload = self.take_payload(header_len, len as usize, header.masking_key);
                return Ok(Some(match header.opcode {
                    Opcode::Text => Found::Text(payload),
                    _ if self.is_in_place(payload.len()) => Found::Assembled,
                    _ => Found::Binary(payload),
                }));
            }
            self.open_frame(&header)?;
            let _ = self.buffer.consume_behind(0, header_len);
        }
    }

    /// Settles what had to wait until no events were left: the end of the transport, and any failure.
    #[inline]
    fn settle_end(&mut self, outbound: &mut Outbound) -> Result<(), ProtocolError> {
        if self.eof {
            outbound.on_eof();
        }
        match outbound.closing.failure() {
            None => Ok(()),
            Some(failure) => {
                // CL-21: what a read brings that was under way changes nothing.
                self.end();
                Err(failure)
            }
        }
    }

    /// Frees all empty buffers, so that an idle connection costs only its own size.
    pub fn release(&mut self) {
        if self.buffer.capacity() > 0 {
            self.buffer.release(MAX_UNREAD);
        }
        if self.holds_spare() && !self.assembled {
            self.assembly.release();
        }
        if let Some(deflate) = &mut self.deflate {
            deflate.release();
        }
    }

    /// Returns the size of the receive buffer in bytes.
    pub(crate) fn buffer_capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns the number of heap bytes that the receiving half holds.
    #[must_use]
    pub fn allocated(&self) -> usize {
        let deflate = self
            .deflate
            .as_ref()
            .map_or(0, |deflate| size_of::<Decompressor>() + deflate.allocated());
        self.buffer.allocated() + self.assembly.capacity() + deflate
    }

    /// Returns whether it keeps the buffer of a delivered message for the next one.
    pub(crate) fn holds_spare(&self) -> bool {
        // A frame for an extension is delivered before its message ends.
        let is_between = |message: OpenMessage| message.raw && !message.compressed && self.frame.is_none();
        self.message.is_none_or(is_between) && self.assembly.capacity() > 0
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it wraps")]
    fn note_received(&mut self, n: usize) {
        self.received = self.received.wrapping_add(n as u32);
    }

    /// Returns what has arrived, so that a deadline can tell whether the peer is silent.
    #[inline]
    pub(super) fn received(&self) -> Arrivals {
        // Bytes received but not processed, because events were left, are not the peer's fault.
        let is_open = match &self.frame {
            Some(frame) => frame.remaining > 0 && self.buffer.is_empty(),
            None => self.message.is_some() && self.whole_frame().is_none(),
        };
        Arrivals {
            bytes: self.received,
            message: is_open.then_some(self.progress),
        }
    }

    /// Returns whether more bytes can come and there is room for them.
    pub(crate) fn wants_read(&self) -> bool {
        !self.eof && self.has_room()
    }

    /// Returns whether there is room for more bytes.
    pub(super) fn has_room(&self) -> bool {
        self.buffer.has_room()
    }

    /// Returns whether received bytes have not been processed: in the receive buffer, or a complete frame that was read
    /// into the message buffer.
    pub(super) fn has_unread(&self) -> bool {
        !self.buffer.unread().is_empty() || self.frame.is_some_and(|frame| frame.remaining == 0)
    }

    /// Ignores all further input.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.frame = None;
        self.message = None;
        if let Some(deflate) = &mut self.deflate {
            deflate.abandon();
        }
    }

    /// Consumes and unmasks a payload that is complete in the receive buffer.
    #[inline]
    fn take_payload(&mut self, header_len: usize, len: usize, key: Option<MaskingKey>) -> Range<usize> {
        let range = self.buffer.consume_behind(header_len, len);
        if let Some(key) = key {
            key.apply(self.buffer.slice_mut(range.clone()));
        }
        range
    }
}
