//! The sending direction: messages in, bytes to write out.

mod admit;
mod compressed;
mod extension;
mod fragment;
mod long;
mod prepared;
mod push;
mod severed;

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use self::push::{control_header, opcode};
use crate::{
    config::{Config, PingPolicy},
    connection::{
        closing::{CloseInfo, Closing, ReadyState},
        error::{ProtocolError, SendError},
        found::Fault,
        mask_keys::MaskKeys,
        output::{MAX_INLINE, Output},
        probe::Probe,
    },
    deflate::{Compressor, params::DeflateParams},
    entropy::EntropyError,
    frame::{CloseCode, CloseFrame, FrameHeader, Opcode, Rsv},
    message::MessageKind,
    negotiated::Agreed,
    outgoing::{Content, Outgoing},
    role::Role,
    sync::Arc,
};

/// Returns the most automatic Pongs queued: 16, or as many of the longest as fit below the mark, and at least one. Of
/// further Pings only the latest is answered, as §5.5.3 allows.
pub(super) const fn max_pongs(high_water: usize) -> u8 {
    match high_water / (FrameHeader::MAX_CONTROL_LEN + 6) {
        0 => 1,
        #[expect(clippy::cast_possible_truncation, reason = "the arm bounds it")]
        pongs @ 1..=15 => pongs as u8,
        _ => 16,
    }
}

/// The sending half of a [`Connection`](crate::Connection).
///
/// Sending methods only queue bytes and never write. Queued bytes are in [`output`](Self::output), to be written to the
/// transport when it is ready.
#[derive(Debug)]
pub struct Outbound {
    high_water: u32,
    pings: PingPolicy,
    /// Automatic Pongs in the output that end before `pongs_end`.
    pongs: u8,
    pongs_end: u64,
    /// The kind of the fragmented message being sent.
    message: Option<MessageKind>,
    /// The compressor, if compression was negotiated.
    deflate: Option<Box<Compressor>>,
    /// The result of the opening handshake, if any.
    agreed: Option<Arc<Agreed>>,
    /// A client's supply of masking keys; a server does not mask.
    keys: Option<MaskKeys>,
    output: Output,
    /// Whether the transport may hold written bytes back. Only the shells know.
    pub(crate) unflushed: bool,
    pub(crate) closing: Closing,
    pub(super) probe: Probe,
}

impl Outbound {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        Self {
            // DRV-09: with a mark of 0, nothing could ever be queued.
            high_water: u32::try_from(config.limits.output_high_water)
                .unwrap_or(u32::MAX)
                .max(1),
            pings: config.pings,
            pongs: 0,
            pongs_end: 0,
            message: None,
            deflate: None,
            agreed: None,
            keys: (role == Role::Client).then(|| MaskKeys::new(config.entropy.clone())),
            output: Output::new(),
            unflushed: false,
            closing: Closing::new(role),
            probe: Probe::default(),
        }
    }

    /// Queues a message, a control frame or a fragment; see [`Outgoing`].
    ///
    /// A payload of up to 4 KiB, or a borrowed one, is copied. A larger owned payload is queued without a copy (a
    /// client masks it in place, if nothing else shares it).
    ///
    /// A server queues a [prepared message](crate::PreparedMessage) as it is: without a copy if it is longer than 4 KiB
    /// or the only one queued. It counts in full against [`output_high_water`](crate::Limits::output_high_water). It is
    /// compressed anew only if the peer's window is too small for its compressed form. A client masks a copy.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if too much is already queued, [`SendError::Closing`] after a Close or a failure,
    /// [`SendError::MessageOpen`] inside a fragmented message (for a fragment, inside one of the other kind),
    /// [`SendError::NoEntropy`] if no masking key is available. All hand back the refused message.
    #[inline]
    pub fn feed<'m>(&mut self, outgoing: impl Into<Outgoing<'m>>) -> Result<(), SendError<Outgoing<'m>>> {
        let outgoing = outgoing.into();
        // Inlined, and passed by reference, the message of the common case stays in registers. Moving it through memory
        // takes twice the time, since its parts are stored one by one and loaded as vectors.
        let is_fed = match &outgoing.content {
            Content::Message(message) => self.push_short(message.kind(), message.as_bytes()),
            Content::Prepared(message) => self.push_prepared_plain(message),
            _ => false,
        };
        if is_fed {
            return Ok(());
        }
        self.feed_in_full(outgoing)
    }

    #[inline(never)]
    fn feed_in_full<'m>(&mut self, outgoing: Outgoing<'m>) -> Result<(), SendError<Outgoing<'m>>> {
        match self.admit(&outgoing) {
            Ok(masking_key) => self.push(outgoing, masking_key),
            Err(SendError::Closing(())) if self.closing.is_deaf() => self.drop_unsent(&outgoing),
            Err(refused) => return Err(refused.with_unsent(outgoing)),
        }
        Ok(())
    }

    /// Like [`feed`](Self::feed), for a message that was promised room, even if the room has been used since.
    #[cfg(feature = "async")]
    pub(crate) fn feed_above_mark<'m>(
        &mut self,
        outgoing: impl Into<Outgoing<'m>>,
    ) -> Result<(), SendError<Outgoing<'m>>> {
        let mark = core::mem::replace(&mut self.high_water, u32::MAX);
        let fed = self.feed(outgoing);
        self.high_water = mark;
        fed
    }

    /// Queues a Ping ([RFC 6455 §5.5.2]) with up to 125 bytes of payload, which the peer's Pong repeats.
    ///
    /// # Errors
    ///
    /// [`SendError::ControlTooLong`], [`SendError::Full`], [`SendError::Closing`] or [`SendError::NoEntropy`].
    ///
    /// [RFC 6455 §5.5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.feed_in_full(Outgoing::ping(payload))
            .map_err(|refused| refused.without_unsent())
    }

    /// Queues a Pong ([RFC 6455 §5.5.3]): an unsolicited one, or the answer under [`PingPolicy::Report`].
    ///
    /// It does not replace an automatic Pong, and is not replaced by one.
    ///
    /// # Errors
    ///
    /// [`SendError::ControlTooLong`], [`SendError::Full`], [`SendError::Closing`] or [`SendError::NoEntropy`].
    ///
    /// [RFC 6455 §5.5.3]: https://www.rfc-editor.org/rfc/rfc6455#section-5.5.3
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.feed_in_full(Outgoing::pong(payload))
            .map_err(|refused| refused.without_unsent())
    }

    /// Queues a Close, after everything else that is queued, to start the closing handshake ([RFC 6455 §7.1.2]). Does
    /// nothing if the connection is already closing or has failed.
    ///
    /// `None` sends a Close without a code. After the Close, nothing more can be sent; keep reading until the
    /// connection is [`Closed`](crate::ReadyState::Closed).
    ///
    /// # Errors
    ///
    /// [`SendError::ReasonTooLong`] if the reason is longer than 123 bytes, [`SendError::InvalidCloseCode`] for a code
    /// that may not be sent (by this role: 1010 is for clients), [`SendError::NoEntropy`] if no masking key is
    /// available.
    ///
    /// [RFC 6455 §7.1.2]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.2
    pub fn close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), SendError> {
        let frame = frame.into();
        if let Some(CloseFrame { code, reason }) = frame {
            let is_server = self.keys.is_none();
            // §7.4.1: only clients send 1010.
            if !code.is_sendable() || (is_server && code == CloseCode::EXTENSION_REQUIRED) {
                return Err(SendError::InvalidCloseCode(code));
            }
            if reason.len() > CloseFrame::MAX_REASON_LEN {
                return Err(SendError::ReasonTooLong);
            }
        }
        if !self.closing.is_open() {
            return Ok(());
        }
        self.push_close(frame)
            .map_err(|EntropyError { .. }| SendError::NoEntropy(()))
    }

    /// Returns the bytes to write to the transport.
    #[inline]
    pub const fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Returns the output, read-only.
    #[inline]
    pub(super) const fn output_ref(&self) -> &Output {
        &self.output
    }

    /// Returns whether the queue is so full that messages are refused with [`SendError::Full`].
    ///
    /// An application that answers what it receives should then stop taking events until output was written.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        // Once the connection is closing, messages are refused for another reason, and waiting for room is pointless.
        self.output.queued() >= self.high_water as usize && self.closing.is_open()
    }

    /// Returns the number of bytes queued and not known to be written. A payload counts in full, even if other
    /// connections share it.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.output.queued()
    }

    /// Returns whether there is output to write.
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        !self.output.is_empty()
    }

    /// Lends the sending half a buffer to queue frames in, in place of its own.
    ///
    /// An event loop can own one buffer, with any content, and lend it together with a
    /// [`RecvBuffer`](crate::RecvBuffer) to the connection that is readable. Returns the buffer that is not needed: the
    /// given one if output is queued or the sending half has one that is no smaller, otherwise its former one.
    #[inline]
    pub fn give_buffer(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        self.output.give_buffer(buffer)
    }

    /// Takes the buffer, to lend it to another connection. Returns `None` if there is none, or while output is queued.
    #[inline]
    pub fn take_buffer(&mut self) -> Option<Vec<u8>> {
        self.output.take_buffer()
    }

    /// Frees empty buffers. A client keeps its unused masking keys, at most 1 KiB.
    pub fn release(&mut self) {
        if self.output.is_empty() {
            self.output.release();
        }
        if let Some(deflate) = &mut self.deflate {
            deflate.release();
        }
    }

    /// Returns the negotiated subprotocol, if any.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.agreed.as_ref()?.subprotocol.as_deref()
    }

    /// Returns the negotiated parameters of permessage-deflate, or `None` if messages are not compressed.
    #[must_use]
    pub fn deflate(&self) -> Option<DeflateParams> {
        self.agreed.as_ref()?.deflate
    }

    /// Returns the negotiated parameters, for the halves to share.
    #[cfg(feature = "std")]
    pub(crate) fn agreed(&self) -> Option<&Arc<Agreed>> {
        self.agreed.as_ref()
    }

    pub(super) fn set_agreed(&mut self, agreed: Option<Arc<Agreed>>) {
        self.agreed = agreed;
    }

    /// Returns the number of heap bytes that the sending half holds.
    #[must_use]
    pub fn allocated(&self) -> usize {
        let deflate = self
            .deflate
            .as_ref()
            .map_or(0, |deflate| size_of::<Compressor>() + deflate.allocated());
        // Includes the reference counts of the shared pointer.
        let agreed = self.agreed.as_ref().map_or(0, |agreed| {
            size_of::<Agreed>() + 2 * size_of::<usize>() + agreed.subprotocol.as_ref().map_or(0, |name| name.len())
        });
        self.output.allocated() + self.keys.as_ref().map_or(0, MaskKeys::allocated) + deflate + agreed
    }

    /// Queues a Ping to measure the round-trip time, unless one is already pending or nothing can be sent.
    pub(crate) fn measure_latency(&mut self) {
        let Some(payload) = self.probe.start() else { return };
        if self.ping(&payload).is_err() {
            self.probe.cancel();
        }
    }

    /// Returns the latest round-trip time measured, if any.
    #[must_use]
    pub const fn latency(&self) -> Option<Duration> {
        self.probe.latency()
    }

    /// Queues a keepalive Ping. It replaces a measurement whose answer never came, since of several Pings the peer need
    /// only answer the latest (§5.5.3).
    pub(super) fn keepalive_ping(&mut self) {
        self.probe.cancel();
        self.measure_latency();
    }

    /// Returns the state of the connection.
    #[must_use]
    pub fn ready_state(&self) -> ReadyState {
        self.closing.ready_state(!self.can_stall())
    }

    /// Returns how the connection ended or is ending, or `None` while it is open.
    #[must_use]
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.closing.close_info(!self.can_stall())
    }

    /// Returns whether output is queued, or written but not known to have left.
    pub(super) fn can_stall(&self) -> bool {
        self.output.queued() > 0 || self.unflushed
    }

    /// Returns whether this side has nothing to do: it is open, has nothing to write and does not need the time.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.closing.is_open() && !self.can_stall() && !self.probe.wants_time()
    }

    /// Returns whether both Close frames were exchanged and this side's is written.
    pub(super) fn is_close_exchanged(&self) -> bool {
        self.closing.is_handshake_done() && !self.can_stall()
    }

    /// Returns the number of bytes written since the connection began, as a counter that wraps.
    #[expect(clippy::cast_possible_truncation, reason = "it wraps")]
    pub(super) fn written_mark(&self) -> u32 {
        self.output.written() as u32
    }

    /// Queues bytes that must be sent before the first frame.
    pub(super) fn push_unsent_response(&mut self, bytes: &[u8]) {
        self.output.push_raw(bytes);
    }

    /// Answers a Ping, if the connection answers Pings.
    pub(super) fn on_ping(&mut self, payload: &[u8]) {
        // MSG-21, CL-14: no Pong after a Close was sent or received.
        if self.pings == PingPolicy::Report || !self.closing.is_open() {
            return;
        }
        // Without entropy there is no Pong; the peer will consider the connection dead.
        let Ok(masking_key) = self.next_key() else { return };
        let header = control_header(Opcode::Pong, masking_key, payload);
        if self.output.written() >= self.pongs_end {
            self.pongs = 0;
        }
        // While a Pong is deferred, the others are not written, and their number stays the same.
        if self.pongs < max_pongs(self.high_water as usize) {
            self.pongs += 1;
            self.output.push_frame(&header, payload);
            self.pongs_end = self.output.end();
        } else {
            // SEC-09: a peer that floods with Pings and reads no Pongs fills only this one place.
            self.output.defer_frame(&header, payload, self.pongs_end);
        }
    }

    /// Notes the answer to a Ping of this side.
    pub(super) fn on_pong(&mut self, payload: &[u8]) {
        self.probe.on_pong(payload);
    }

    /// Answers the peer's Close with the same code, unless a Close was already sent (§5.5.1).
    pub(super) fn on_close(&mut self, frame: Option<CloseFrame<'_>>) {
        self.closing.on_received(frame);
        if !self.closing.is_close_sent() {
            // Without entropy there is no masked Close; the transport is then closed without one.
            let _ = self.push_close(frame.map(|frame| frame.code.into()));
        }
    }

    /// Fails the connection for a fault that was found elsewhere. Returns the failure that counts.
    pub(crate) fn tell(&mut self, fault: Fault) -> ProtocolError {
        self.fail(fault.0)
    }

    /// Fails the connection (§7.1.7): queues a Close with the reason, if one can still be sent.
    ///
    /// Returns the failure that counts, which is the first.
    pub(super) fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        let error = self.closing.on_failure(error);
        let code = error.close_code();
        if !self.closing.is_close_sent() && code.is_sendable() {
            let _ = self.push_close(Some(code.into()));
        }
        error
    }

    /// The common case in few steps: a message that is copied as it is, and that nothing prevents. Returns whether it
    /// was queued.
    #[inline]
    fn push_short(&mut self, kind: MessageKind, payload: &[u8]) -> bool {
        let is_plain = self.message.is_none() && self.deflate.is_none();
        if payload.len() > MAX_INLINE || !is_plain || !self.closing.is_open() || self.is_full() {
            return false;
        }
        let Ok(masking_key) = self.next_key() else { return false };
        let header = FrameHeader {
            fin: true,
            rsv: Rsv::NONE,
            opcode: opcode(kind),
            masking_key,
            payload_len: payload.len() as u64,
        };
        self.output.push_frame(&header, payload);
        true
    }
}
