//! Long messages, which are queued without a copy.

use bytes::{Bytes, BytesMut};

use super::Outbound;
#[cfg(feature = "async")]
use crate::connection::recv_buffer::RecvBuffer;
use crate::{frame::FrameHeader, message::Message};

impl Outbound {
    /// Takes the receive buffer that a message was sent from, once it is written.
    #[cfg(feature = "async")]
    pub(crate) fn take_recv_buffer(&mut self) -> Option<RecvBuffer> {
        self.output.take_written().map(RecvBuffer::from_bytes)
    }

    /// Queues a long message, without a copy if its buffer may be taken.
    pub(super) fn push_long(&mut self, header: &FrameHeader, mut data: Message<'_>) {
        if let Some((buffer, payload)) = data.take_received() {
            self.output.push_frame_received(header, buffer, payload);
        } else if data.is_free_to_take() {
            self.push_taken(header, data.into_bytes());
        } else {
            self.output.push_frame(header, data.as_bytes());
        }
    }

    /// Queues an owned payload without a copy, if it needs no mask or nothing else shares it.
    #[inline]
    fn push_taken(&mut self, header: &FrameHeader, payload: Bytes) {
        match header.masking_key {
            None => self.output.push_frame_shared(header, payload),
            Some(key) => match payload.try_into_mut() {
                Ok(mut own) => {
                    key.apply(&mut own);
                    self.output.push_frame_shared(header, BytesMut::freeze(own));
                }
                Err(shared) => self.output.push_frame(header, &shared),
            },
        }
    }
}
