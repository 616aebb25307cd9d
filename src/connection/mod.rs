//! The data phase of a connection, from the opening handshake to the end: bytes in, events out, bytes out.

mod assemble;
mod closing;
mod deadlines;
pub(crate) mod driver;
mod error;
mod found;
mod inbound;
mod mask_keys;
mod outbound;
mod output;
mod probe;
mod recv_buffer;
mod time;
mod worst_case;

use core::time::Duration;

use crate::{
    config::Config,
    deflate::{
        Settings,
        params::{ContextTakeover, DeflateParams},
    },
    frame::CloseFrame,
    message::{ExtensionFrame, Fragment, Message},
    negotiated::Negotiated,
    outgoing::Outgoing,
    role::Role,
};

#[cfg(feature = "std")]
pub(crate) use self::deadlines::earlier;
pub use self::{
    closing::{CloseInfo, ReadyState, Side},
    driver::{Driver, Step, Wakes},
    error::{ProtocolError, SendError},
    inbound::Inbound,
    outbound::Outbound,
    output::{Output, OwnedOutput},
    recv_buffer::RecvBuffer,
    time::{Time, Timer},
};
pub(crate) use self::{
    deadlines::Deadlines,
    found::{Fault, Found},
    time::Millis,
    worst_case::{RESPONSE, worst_case},
};

/// Something received, borrowed until the next call on the connection.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A whole message, with [`Delivery::Messages`](crate::Delivery::Messages).
    Message(Message<'a>),
    /// Part of a message, with [`Delivery::Fragments`](crate::Delivery::Fragments).
    Fragment(Fragment<'a>),
    /// A data frame for an extension of the application, on a connection with claimed reserved bits.
    Extension(ExtensionFrame<'a>),
    /// A Ping. Its Pong is already queued, unless the application answers Pings.
    Ping(&'a [u8]),
    /// A Pong, whether it answers a Ping or is unsolicited.
    Pong(&'a [u8]),
    /// The peer's Close; `None` if it had no code. The answering Close is already queued.
    Close(Option<CloseFrame<'a>>),
}

/// A WebSocket connection after its opening handshake, without I/O.
///
/// Received bytes go in and [`Event`]s come out; messages go in and bytes to write come out; deadlines come out and the
/// time goes in. A connection reads no clock, takes no lock, and does not depend on how the bytes are transported.
///
/// ```
/// use websocket_proto::{Buf, Config, Connection, Event, Role};
///
/// let config = Config::new();
/// let mut server = Connection::new(Role::Server, &config);
///
/// // Bytes from the transport: the masked text frame "Hello" of RFC 6455 §5.7.
/// server.receive(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
///
/// // Answer every message while it is borrowed: `split_mut` separates the two directions.
/// let (inbound, outbound) = server.split_mut();
/// while let Some(event) = inbound.next_event(outbound)? {
///     if let Event::Message(message) = event {
///         outbound.feed(message).map_err(|error| error.without_unsent())?;
///     }
/// }
/// assert_eq!(server.output().chunk(), b"\x81\x05Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    inbound: Inbound,
    driver: Driver,
}

impl Connection {
    /// Creates a connection whose opening handshake was done elsewhere.
    #[must_use]
    pub fn new(role: Role, config: &Config) -> Self {
        Self {
            inbound: Inbound::new(role, config),
            driver: Driver::new(Outbound::new(role, config), Deadlines::new(config.timers)),
        }
    }

    /// Creates a connection from the outcome of an opening handshake.
    ///
    /// Bytes that arrived after the handshake are received at once, and its [unsent
    /// response](Negotiated::unsent_response) is the first output.
    #[must_use]
    pub fn from_negotiated(negotiated: &Negotiated, config: &Config) -> Self {
        let mut connection = Self::new(negotiated.role(), config);
        connection.driver.outbound.set_agreed(negotiated.agreed());
        if let Some(params) = negotiated.deflate() {
            connection.set_deflate(params, negotiated.role(), config);
        }
        connection.inbound.claim(negotiated.reserved_bits());
        if !negotiated.leftover().is_empty() {
            connection.receive(negotiated.leftover());
        }
        connection
            .driver
            .outbound
            .push_unsent_response(negotiated.unsent_response());
        connection
    }

    /// Returns the space to read received bytes into. See [`Inbound::space`].
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        self.inbound.space()
    }

    /// Receives the first `n` bytes of the space that [`space`](Self::space) last returned.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        self.inbound.advance(n);
    }

    /// Receives bytes by copying them. See [`Inbound::receive`].
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbound.receive(bytes);
    }

    /// Notes that the transport has ended and delivers no more bytes.
    ///
    /// Call [`next_event`](Self::next_event) afterwards: after the remaining events, it reports whether the end was
    /// clean.
    pub fn receive_eof(&mut self) {
        self.inbound.receive_eof();
    }

    /// Returns the next event, or `None` if more bytes are needed or the connection is over.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] once the connection has failed, and from then on; see [`Inbound::next_event`].
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ProtocolError> {
        self.inbound.next_event(&mut self.driver.outbound)
    }

    /// Queues a message, a control frame or a fragment; see [`Outgoing`].
    ///
    /// # Errors
    ///
    /// See [`Outbound::feed`].
    #[inline]
    pub fn feed<'m>(&mut self, outgoing: impl Into<Outgoing<'m>>) -> Result<(), SendError<Outgoing<'m>>> {
        self.driver.outbound.feed(outgoing)
    }

    /// Queues a Ping.
    ///
    /// # Errors
    ///
    /// See [`Outbound::ping`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.driver.outbound.ping(payload)
    }

    /// Queues a Pong.
    ///
    /// # Errors
    ///
    /// See [`Outbound::pong`].
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.driver.outbound.pong(payload)
    }

    /// Starts the closing handshake, unless the connection is already closing.
    ///
    /// # Errors
    ///
    /// See [`Outbound::close`].
    pub fn close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), SendError> {
        self.driver.outbound.close(frame)
    }

    /// Returns the sending half, read-only.
    #[cfg(feature = "std")]
    pub(crate) const fn outbound(&self) -> &Outbound {
        &self.driver.outbound
    }

    /// Returns the bytes to write to the transport. See [`Output`].
    #[inline]
    pub fn output(&mut self) -> &mut Output {
        self.driver.outbound.output()
    }

    /// Returns whether bytes from the transport are useful: always, until it ends or the buffer is full of events not
    /// yet taken.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.inbound.wants_read() && !self.driver.outbound.closing.is_abandoned()
    }

    /// Returns whether there is output to write.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.driver.outbound.wants_write()
    }

    /// Returns whether the write side of the transport should be shut down now ([RFC 6455 §7.1.1]).
    ///
    /// After that, keep reading until the connection is [`ReadyState::Closed`]. Otherwise bytes of the peer still in
    /// flight can cause a reset that destroys the Close.
    ///
    /// [RFC 6455 §7.1.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1
    #[must_use]
    pub fn wants_shutdown(&self) -> bool {
        !self.wants_write() && self.driver.outbound.closing.wants_shutdown()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) must be called next. Any other call may change it.
    ///
    /// [`Time::ZERO`] means at once: a deadline needs the current time to start.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.driver.patience(Some(&self.inbound))
    }

    /// Advances time and fires due timers. Calling it early or often is harmless.
    ///
    /// Deadlines about the peer are judged at once, even if bytes are waiting in the transport: read first. A loop over
    /// the [driver](Self::drive) reports the time there instead, and this does not apply.
    ///
    /// Call [`next_event`](Self::next_event) afterwards: it reports a deadline that ended the connection.
    pub fn handle_timeout(&mut self, now: Time) {
        let Driver {
            outbound, deadlines, ..
        } = &mut self.driver;
        if deadlines.handle_at_once(now, outbound, self.inbound.received()) {
            self.inbound.end();
        }
    }

    /// Queues a Ping to measure the round-trip time, unless one is already pending. The keepalive does the same.
    pub fn measure_latency(&mut self) {
        self.driver.outbound.measure_latency();
    }

    /// Returns the latest round-trip time measured, if any.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.driver.outbound.latency()
    }

    /// Returns the state of the connection.
    #[must_use]
    pub fn ready_state(&self) -> ReadyState {
        self.driver.outbound.ready_state()
    }

    /// Returns how the connection ended or is ending, or `None` while it is open.
    #[must_use]
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.driver.outbound.close_info()
    }

    /// Returns the negotiated subprotocol, if any.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.driver.outbound.subprotocol()
    }

    /// Returns the negotiated parameters of permessage-deflate, or `None` if messages are not compressed.
    #[must_use]
    pub fn deflate(&self) -> Option<DeflateParams> {
        self.driver.outbound.deflate()
    }

    /// Abandons the connection: the transport failed, or is dropped without a closing handshake.
    pub fn abort(&mut self) {
        self.lose();
    }

    /// Notes that the transport failed. Returns whether this only ends a completed closing handshake.
    pub(crate) fn lose(&mut self) -> bool {
        self.inbound.receive_eof();
        self.inbound.end();
        self.driver.outbound.on_lost()
    }

    /// Sets up compression as negotiated, within what the configuration allows this side.
    fn set_deflate(&mut self, params: DeflateParams, role: Role, config: &Config) {
        let config = config.deflate_config().unwrap_or_default().bounded();
        let settings = |takeover, window_bits| Settings {
            takeover: takeover == ContextTakeover::Allow,
            window_bits,
            level: config.level,
            memory_level: config.memory_level,
            threshold: config.threshold,
        };
        let server = settings(params.server_context_takeover, params.server_max_window_bits);
        let client = settings(params.client_context_takeover, params.client_max_window_bits);
        let (mut own, peer, allowed, bits) = match role {
            Role::Server => (
                server,
                client,
                config.server_context_takeover,
                config.server_max_window_bits,
            ),
            Role::Client => (
                client,
                server,
                config.client_context_takeover,
                config.client_max_window_bits,
            ),
        };
        // A sender need not use all that it was granted.
        own.takeover &= allowed == ContextTakeover::Allow;
        own.window_bits = own.window_bits.min(bits);
        self.inbound.set_deflate(peer);
        self.driver.outbound.set_deflate(own);
    }

    /// Returns the two directions, to be used together: a message borrowed from one can be answered through the other.
    #[inline]
    pub fn split_mut(&mut self) -> (&mut Inbound, &mut Outbound) {
        (&mut self.inbound, &mut self.driver.outbound)
    }

    /// Returns the receiving half and the [`Driver`], which owns the sending half and decides what to do next with the
    /// transport.
    #[inline]
    pub fn drive(&mut self) -> (&mut Inbound, &mut Driver) {
        (&mut self.inbound, &mut self.driver)
    }

    /// Splits the connection for two tasks or threads. One receives with the [`Inbound`], and shares the [`Driver`]
    /// with those that send. See [`Driver`](Driver#two-tasks).
    #[must_use]
    pub fn into_halves(self) -> (Inbound, Driver) {
        (self.inbound, self.driver)
    }

    /// Puts the two halves of a connection back together.
    #[must_use]
    pub const fn from_halves(inbound: Inbound, driver: Driver) -> Self {
        Self { inbound, driver }
    }

    /// Frees all empty buffers. An idle connection then costs only its own size, and a client up to 1 KiB of masking
    /// keys.
    ///
    /// Call it before waiting, unless another event is expected at once.
    pub fn release(&mut self) {
        self.inbound.release();
        self.driver.outbound.release();
    }

    /// Returns the number of heap bytes that the connection holds.
    #[must_use]
    pub fn allocated(&self) -> usize {
        self.inbound.allocated() + self.driver.outbound.allocated()
    }
}
