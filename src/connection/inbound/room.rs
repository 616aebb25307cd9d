//! Where received bytes go.

use super::{Inbound, MAX_UNREAD};
use crate::connection::recv_buffer::RecvBuffer;

impl Inbound {
    /// Returns the space to read received bytes into; then report the count with [`advance`](Self::advance).
    ///
    /// The space is initialised memory with unspecified content. For a long binary message, it is the message's own
    /// buffer, so that its payload is never copied. It is empty only while the buffer is full of events to be taken
    /// with [`next_event`](Self::next_event).
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        if self.frame.is_none() {
            self.direct = false;
            return self.buffer.spare(1 << self.buffer_bits);
        }
        self.space_in_frame()
    }

    fn space_in_frame(&mut self) -> &mut [u8] {
        let direct = self
            .direct_remaining()
            .and_then(|remaining| self.assembly.direct_space(remaining));
        self.direct = direct.is_some();
        match direct {
            Some(room) => room,
            None => self.buffer.spare(1 << self.buffer_bits),
        }
    }

    /// Receives the first `n` bytes of the space that [`space`](Self::space) last returned.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        self.note_received(n);
        if !core::mem::take(&mut self.direct) {
            return self.buffer.fill(n);
        }
        if let Some(frame) = &mut self.frame {
            let taken = self.assembly.direct_fill(frame.remaining_or_less(n), frame.key);
            debug_assert!(taken == n, "advance() by more than space() had");
            frame.advance(taken);
            self.progress = self.progress.wrapping_add(1);
        }
    }

    /// Receives bytes by copying them from the caller's buffer.
    ///
    /// The receive buffer grows as necessary; take the events after each call to keep it small.
    pub fn receive(&mut self, bytes: &[u8]) {
        let rest = self.receive_direct(bytes);
        self.note_received(rest.len());
        self.buffer.push(rest);
    }

    /// Receives the first `n` bytes of a buffer that was filled elsewhere, together with the buffer. Returns a spare
    /// buffer for the next read. This is for completion-based I/O, whose operations own the buffer that they fill.
    ///
    /// Nothing is copied, except bytes of a long message that is arriving, and bytes that follow the first few of an
    /// unfinished header. Take the events after each call. The spare buffer may be empty and hold no memory.
    ///
    /// A binary message of more than 4 KiB that is alone in the buffer and fills at least half of it can take the buffer
    /// along: [`into_bytes`](crate::Message::into_bytes) then copies nothing, and neither does sending it while it is
    /// lent.
    ///
    /// ```
    /// use websocket_proto::{Config, Connection, Event, RecvBuffer, Role};
    ///
    /// let mut client = Connection::new(Role::Client, &Config::new());
    /// let mut buffer = RecvBuffer::with_capacity(16 << 10);
    ///
    /// // Hand the vector to the operation, and the number of bytes that it has read to the connection.
    /// let mut bytes = Vec::from(buffer);
    /// bytes[..4].copy_from_slice(b"\x81\x02Hi");
    /// let (inbound, driver) = client.drive();
    /// buffer = inbound.receive_buffer(bytes.into(), 4);
    /// assert_eq!(inbound.next_event(driver.outbound())?, Some(Event::Message("Hi".into())));
    ///
    /// // The filled buffer comes back the next time.
    /// assert_eq!(buffer.capacity(), 0);
    /// # Ok::<(), websocket_proto::ProtocolError>(())
    /// ```
    pub fn receive_buffer(&mut self, filled: RecvBuffer, n: usize) -> RecvBuffer {
        debug_assert!(n <= filled.capacity(), "more bytes than the buffer holds");
        let n = n.min(filled.capacity());
        self.note_received(n);
        if self.buffer.is_empty() && !self.assembly.handed_over {
            self.set_handed_over(true);
        }
        // Bytes of a long message are copied and unmasked in one pass when they are parsed. Copying them into the room of
        // that message here would zero the room first.
        self.buffer.take_over(filled, n)
    }

    /// Receives the bytes that belong to a long message that is arriving, by copying them. Returns the rest.
    fn receive_direct<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let mut rest = bytes;
        while let Some(room) = self.direct_remaining().and_then(|n| self.assembly.direct_space(n)) {
            let n = room.len().min(rest.len());
            if n == 0 {
                break;
            }
            room[..n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            self.direct = true;
            self.advance(n);
        }
        rest
    }

    /// Lends the connection a receive buffer, in place of its own.
    ///
    /// Returns the buffer that is not needed: the given one if the connection has one that is no smaller, otherwise the
    /// connection's former one.
    #[inline]
    pub fn give_buffer(&mut self, buffer: RecvBuffer) -> RecvBuffer {
        if self.assembly.handed_over {
            self.set_handed_over(false);
        }
        self.buffer.give(buffer)
    }

    /// Takes the receive buffer, to lend it to another connection.
    ///
    /// If it contains a few bytes of an unfinished frame, the connection keeps only those. Returns `None` if there is
    /// no buffer, or if it contains events: take those first.
    #[inline]
    pub fn take_buffer(&mut self) -> Option<RecvBuffer> {
        self.buffer.take(MAX_UNREAD)
    }

    /// Notes that the transport delivers no more bytes. Events that have arrived are still returned first.
    pub fn receive_eof(&mut self) {
        self.eof = true;
    }
}
