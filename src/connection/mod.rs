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
};

/// Something that arrived, lent until the next call on the connection.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A whole message, with [`Delivery::Messages`](crate::Delivery::Messages).
    Message(Message<'a>),
    /// A piece of a message, with [`Delivery::Fragments`](crate::Delivery::Fragments).
    Fragment(Fragment<'a>),
    /// A data frame for an extension of the application, on a connection with claimed reserved bits.
    Extension(ExtensionFrame<'a>),
    /// A Ping. Its Pong is already queued, unless that is left to the application.
    Ping(&'a [u8]),
    /// A Pong, whether it answers a Ping or not.
    Pong(&'a [u8]),
    /// The peer's Close; `None` if it had no code. The Close that answers it is already queued.
    Close(Option<CloseFrame<'a>>),
}

/// A WebSocket connection behind its opening handshake, without I/O.
///
/// Received bytes go in, [`Event`]s come out; messages to send go in, bytes to write come out; deadlines come out, the
/// time goes in. It reads no clock, takes no lock and does not care how the bytes are moved.
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
/// // Answer every message while it is lent: `split_mut` separates the direction it came from and the other one.
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
    /// A connection whose opening handshake was done elsewhere.
    #[must_use]
    pub fn new(role: Role, config: &Config) -> Self {
        Self {
            inbound: Inbound::new(role, config),
            driver: Driver::new(Outbound::new(role, config), Deadlines::new(config.timers)),
        }
    }

    /// The connection that an opening handshake led to.
    ///
    /// Bytes that came behind the handshake are received at once, and its [unsent response](Negotiated::unsent_response) is the first
    /// output.
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

    /// The room to read received bytes into. See [`Inbound::space`].
    #[inline]
    pub fn space(&mut self) -> &mut [u8] {
        self.inbound.space()
    }

    /// Takes over the first `n` bytes of what [`space`](Self::space) returned last.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        self.inbound.advance(n);
    }

    /// Takes over received bytes by copying them. See [`Inbound::receive`].
    pub fn receive(&mut self, bytes: &[u8]) {
        self.inbound.receive(bytes);
    }

    /// Notes that the transport delivers no more bytes.
    ///
    /// Call [`next_event`](Self::next_event) afterwards: behind the events that are left, it tells whether this was a
    /// clean end.
    pub fn receive_eof(&mut self) {
        self.inbound.receive_eof();
    }

    /// The next event, or `None` when more bytes are needed or the connection is over.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`], terminally; see [`Inbound::next_event`].
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ProtocolError> {
        self.inbound.next_event(&mut self.driver.outbound)
    }

    /// Queues a message, or whatever else is to be sent; see [`Outgoing`].
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

    /// Begins the closing handshake, unless the connection is closing already.
    ///
    /// # Errors
    ///
    /// See [`Outbound::close`].
    pub fn close<'c>(&mut self, frame: impl Into<Option<CloseFrame<'c>>>) -> Result<(), SendError> {
        self.driver.outbound.close(frame)
    }

    /// The sending half, to be looked at.
    #[cfg(feature = "std")]
    pub(crate) const fn outbound(&self) -> &Outbound {
        &self.driver.outbound
    }

    /// The bytes to write to the transport. See [`Output`].
    #[inline]
    pub fn output(&mut self) -> &mut Output {
        self.driver.outbound.output()
    }

    /// Whether bytes from the transport are of use: always, until it ends or so many events wait that nothing fits.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.inbound.wants_read() && !self.driver.outbound.closing.is_abandoned()
    }

    /// Whether there is output to write.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.driver.outbound.wants_write()
    }

    /// Whether the write side of the transport should be shut down now ([RFC 6455 §7.1.1]).
    ///
    /// Then keep reading until the connection is [`ReadyState::Closed`], so that bytes of the peer that are under way
    /// do not provoke a reset which destroys the Close.
    ///
    /// [RFC 6455 §7.1.1]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.1
    #[must_use]
    pub fn wants_shutdown(&self) -> bool {
        !self.wants_write() && self.driver.outbound.closing.wants_shutdown()
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called next. It may change with every other call.
    ///
    /// [`Time::ZERO`] means at once: something happened that a deadline has to be set for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.driver.patience(Some(&self.inbound))
    }

    /// Tells the time, and lets happen what is due. Calling it early or often is harmless.
    ///
    /// A deadline about the peer is judged at once, whatever may wait in the transport: read first. A loop on the
    /// [driver](Self::drive) reports the time there instead, and need not care.
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

    /// Queues a Ping whose answer is timed, unless one is under way. The keepalive does the same.
    pub fn measure_latency(&mut self) {
        self.driver.outbound.measure_latency();
    }

    /// The time between the latest timed Ping and its answer, if there was one.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.driver.outbound.latency()
    }

    /// Where the connection is in its life.
    #[must_use]
    pub fn ready_state(&self) -> ReadyState {
        self.driver.outbound.ready_state()
    }

    /// How the connection ended or is ending; `None` while it is open.
    #[must_use]
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.driver.outbound.close_info()
    }

    /// The subprotocol that both sides agreed on, if any.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.driver.outbound.subprotocol()
    }

    /// What both sides agreed on about permessage-deflate; `None` if messages are not compressed.
    #[must_use]
    pub fn deflate(&self) -> Option<DeflateParams> {
        self.driver.outbound.deflate()
    }

    /// Gives the connection up: the transport failed, or is dropped without a closing handshake.
    pub fn abort(&mut self) {
        self.lose();
    }

    /// The transport failed. Returns whether that is no more than the end of a closing handshake.
    pub(crate) fn lose(&mut self) -> bool {
        self.inbound.receive_eof();
        self.inbound.end();
        self.driver.outbound.on_lost()
    }

    /// Compresses as negotiated, within what the configuration allows this side to do.
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
        // A sender may always do without what it was granted.
        own.takeover &= allowed == ContextTakeover::Allow;
        own.window_bits = own.window_bits.min(bits);
        self.inbound.set_deflate(peer);
        self.driver.outbound.set_deflate(own);
    }

    /// The two directions, to be used at the same time: a message that one lends can be answered through the other.
    #[inline]
    pub fn split_mut(&mut self) -> (&mut Inbound, &mut Outbound) {
        (&mut self.inbound, &mut self.driver.outbound)
    }

    /// The receiving half, and the [`Driver`], which owns the sending half and says what to do next with the transport.
    #[inline]
    pub fn drive(&mut self) -> (&mut Inbound, &mut Driver) {
        (&mut self.inbound, &mut self.driver)
    }

    /// Takes the connection apart for two tasks or threads: one receives with the [`Inbound`], and shares the [`Driver`] with
    /// those that send. See [`Driver`](Driver#two-tasks).
    #[must_use]
    pub fn into_halves(self) -> (Inbound, Driver) {
        (self.inbound, self.driver)
    }

    /// Puts the halves of one connection together again.
    #[must_use]
    pub const fn from_halves(inbound: Inbound, driver: Driver) -> Self {
        Self { inbound, driver }
    }

    /// Frees every buffer that holds nothing: an idle connection then costs its own size only, and that of a client
    /// up to 1 KiB of masking keys.
    ///
    /// Call it before waiting, if another event is not to be expected at once.
    pub fn release(&mut self) {
        self.inbound.release();
        self.driver.outbound.release();
    }

    /// Bytes of heap that the connection holds.
    #[must_use]
    pub fn allocated(&self) -> usize {
        self.inbound.allocated() + self.driver.outbound.allocated()
    }
}
