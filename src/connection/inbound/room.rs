//! Where received bytes go.

use super::Inbound;
use crate::connection::recv_buffer::RecvBuffer;

impl Inbound {
    /// The room to read received bytes into; tell with [`advance`](Self::advance) how many it were.
    ///
    /// The room is initialised memory of unspecified content. For a long binary message it is the message's own buffer,
    /// so that its payload is never copied. It is empty only while so many events wait to be taken with
    /// [`next_event`](Self::next_event) that nothing more fits.
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

    /// Takes over the first `n` bytes of what [`space`](Self::space) returned last.
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

    /// Takes over received bytes from a buffer of the caller's, by copying them.
    ///
    /// The receive buffer grows to what it must hold; take the events after each call to keep it small.
    pub fn receive(&mut self, bytes: &[u8]) {
        let rest = self.receive_direct(bytes);
        self.note_received(rest.len());
        self.buffer.push(rest);
    }

    /// Takes over the first `n` bytes of a buffer that was filled elsewhere, with the buffer. Returns a spare buffer for the
    /// next read: for completion-based I/O, whose operations own what they fill.
    ///
    /// Nothing is copied, except what belongs to a long message that is open, and what follows a few bytes of an unfinished
    /// header. Take the events after each call. The spare buffer may be an empty one that holds no memory.
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
    /// // The one that was filled comes back the next time.
    /// assert_eq!(buffer.capacity(), 0);
    /// # Ok::<(), websocket_proto::ProtocolError>(())
    /// ```
    pub fn receive_buffer(&mut self, filled: RecvBuffer, n: usize) -> RecvBuffer {
        debug_assert!(n <= filled.capacity(), "more bytes than the buffer holds");
        let n = n.min(filled.capacity());
        let rest = self.receive_direct(filled.slice(0..n)).len();
        self.note_received(rest);
        self.buffer.take_over(filled, n - rest, n)
    }

    /// Takes over what belongs to a long message that is open, by copying it. Returns the rest.
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

    /// Notes that the transport delivers no more bytes. Events that are already here still come first.
    pub fn receive_eof(&mut self) {
        self.eof = true;
    }
}
