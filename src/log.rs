//! Events of handshakes and connections for operators, through the `tracing` crate and feature.
//!
//! Each fact is logged as an event once, where it is decided. Without the feature the functions are empty, so that
//! callers need no `cfg`. The names of targets, messages and fields are public: the guide lists them, and the `logging`
//! test suite checks them.
//!
//! Events that a peer can cause at will are `DEBUG`, or `INFO` if they require an accepted opening handshake. No event
//! contains payload, the value of a header field or a close reason. The only text from a peer is names of subprotocols
//! and extensions, which are HTTP tokens, so nothing needs escaping.
#![cfg_attr(
    not(feature = "tracing"),
    allow(dead_code, unused_variables, reason = "without the feature nothing is done with it")
)]

use core::{
    borrow::Borrow,
    fmt::{self, Display},
    marker::PhantomData,
};

use crate::{fields::Extension, role::Role};

const HANDSHAKE: &str = "websocket_proto::handshake";
const CONNECTION: &str = "websocket_proto::connection";

#[cfg(feature = "tracing")]
macro_rules! event {
    ($target:expr, $level:ident, $($rest:tt)+) => {
        tracing::event!(target: $target, tracing::Level::$level, $($rest)+)
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($($any:tt)*) => {
        ()
    };
}

/// Logs that an opening handshake was accepted: by a server's application, or by the server and the checks of a client.
pub(crate) fn accepted<'a, I>(role: Role, status: u16, subprotocol: Option<&str>, extensions: I)
where
    I: Iterator<Item: Borrow<Extension<'a>>> + Clone,
{
    event!(
        HANDSHAKE,
        DEBUG,
        role = name(role),
        status,
        subprotocol,
        extensions = Names::new(extensions).map(tracing::field::display),
        "handshake accepted"
    );
}

/// Logs that an opening handshake ended without a connection. Anyone can make a server refuse one; a client's failure
/// concerns the operator.
pub(crate) fn refused(role: Role, status: Option<u16>, error: &dyn Display) {
    match role {
        Role::Server => event!(
            HANDSHAKE,
            DEBUG,
            role = name(role),
            status,
            error = %error,
            "handshake refused"
        ),
        Role::Client => event!(
            HANDSHAKE,
            INFO,
            role = name(role),
            status,
            error = %error,
            "handshake refused"
        ),
    }
}

/// Logs a handshake that was refused because the application's decision cannot be sent: the server must be corrected.
pub(crate) fn refused_for_mistake(status: u16, error: &dyn Display) {
    event!(
        HANDSHAKE,
        INFO,
        role = name(Role::Server),
        status,
        error = %error,
        "handshake refused"
    );
}

/// Logs that the deadline of an opening handshake has passed.
pub(crate) fn handshake_deadline(role: Role) {
    event!(
        HANDSHAKE,
        DEBUG,
        role = name(role),
        timer = "handshake",
        "deadline passed"
    );
}

/// Logs that a head exceeds this limit of [`Limits`](crate::Limits).
pub(crate) fn head_limit(role: Role, limit: &'static str, max: usize) {
    event!(HANDSHAKE, DEBUG, role = name(role), limit, max, "limit exceeded");
}

/// Logs that a deadline of an open connection has passed.
pub(crate) fn deadline(role: Role, timer: &'static str) {
    event!(CONNECTION, INFO, role = name(role), timer, "deadline passed");
}

/// Logs that a deadline of a closing connection has passed. This is common: many peers leave the end of the transport
/// to the other side.
pub(crate) fn closing_deadline(role: Role, timer: &'static str) {
    event!(CONNECTION, DEBUG, role = name(role), timer, "deadline passed");
}

/// Logs that data from a connection's peer exceeds this limit of [`Limits`](crate::Limits).
pub(crate) fn limit(role: Role, limit: &'static str, max: u64) {
    event!(CONNECTION, INFO, role = name(role), limit, max, "limit exceeded");
}

/// Logs that a connection's peer violated the protocol.
pub(crate) fn violated(role: Role, error: &dyn Display) {
    event!(CONNECTION, INFO, role = name(role), error = %error, "protocol violated");
}

/// Logs the end of a connection.
pub(crate) fn closed<E: Display>(closed: &Closed<E>) {
    event!(
        CONNECTION,
        DEBUG,
        role = name(closed.role),
        clean = closed.clean,
        initiator = closed.initiator,
        sent = closed.sent,
        received = closed.received,
        reason_len = closed.reason_len,
        error = closed.error.as_ref().map(tracing::field::display),
        "connection closed"
    );
}

/// How a connection ended.
pub(crate) struct Closed<E> {
    pub(crate) role: Role,
    pub(crate) clean: bool,
    /// `None` for a connection that was dropped while it was open.
    pub(crate) initiator: Option<&'static str>,
    /// The close codes; `None` if there was no Close.
    pub(crate) sent: Option<u16>,
    pub(crate) received: Option<u16>,
    /// The length of the reason in the peer's Close, in bytes. The text itself belongs to the peer.
    pub(crate) reason_len: Option<usize>,
    pub(crate) error: Option<E>,
}

/// Whether an event that is logged only once was already logged.
#[derive(Debug)]
pub(crate) struct Once(#[cfg(feature = "tracing")] bool);

impl Once {
    pub(crate) const fn new() -> Self {
        Self(
            #[cfg(feature = "tracing")]
            false,
        )
    }

    /// Returns whether to log it now: only the first time, and never without the feature.
    pub(crate) fn is_first(&mut self) -> bool {
        #[cfg(feature = "tracing")]
        return !core::mem::replace(&mut self.0, true);
        #[cfg(not(feature = "tracing"))]
        return false;
    }
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

/// The names of extensions, without their parameters.
struct Names<'a, I>(I, PhantomData<&'a ()>);

impl<'a, I: Iterator<Item: Borrow<Extension<'a>>> + Clone> Names<'a, I> {
    /// Returns `None` if there are no extensions.
    fn new(extensions: I) -> Option<Self> {
        extensions.clone().next().map(|_| Self(extensions, PhantomData))
    }
}

impl<'a, I: Iterator<Item: Borrow<Extension<'a>>> + Clone> Display for Names<'a, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, extension) in self.0.clone().enumerate() {
            f.write_str(if index > 0 { ", " } else { "" })?;
            f.write_str(extension.borrow().name())?;
        }
        Ok(())
    }
}
