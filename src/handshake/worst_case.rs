//! What a connection uses at most from its opening handshake to its end: the formula of the guide's page on memory.

use super::headers::Field;
use crate::{
    config::{Config, Limits, WorstCase},
    connection::{self, RESPONSE, RecvBuffer},
    fields::ExtensionParam,
    role::Role,
};

impl Config {
    /// Returns the most heap memory that one connection with these settings uses from its opening handshake to its end,
    /// whatever its peer does. A server can accept a connection only if that much is free, so that it never runs out of
    /// memory.
    ///
    /// `largest` is the length of the longest message that the application itself sends, in bytes; for an echo server,
    /// that is [`Limits::max_message_size`].
    ///
    /// ```
    /// use websocket_proto::{Config, Limits, Role};
    ///
    /// let config = Config::new().limits(Limits::small(512));
    /// let each = config.worst_case(Role::Server, 512);
    /// assert!(each.connections(64 << 10) >= 6, "{each:?}");
    /// ```
    ///
    /// It applies to the bare core, if the loop
    ///
    /// - reads into [`space`](crate::Connection::space), and during the opening handshake at most
    ///   [`recv_buffer_size`](Limits::recv_buffer_size) bytes at a time;
    /// - writes from [`output`](crate::Connection::output). While output is [taken](crate::Driver::take_output), a
    ///   second queue may exist.
    ///
    /// The [guide](https://docs.rs/websocket-proto/latest/websocket_proto/guide/memory/index.html) has the formula, what it does not
    /// count, and what the shells add. [`Timers`](crate::Timers) cost no memory.
    #[must_use]
    pub fn worst_case(&self, role: Role, largest: usize) -> WorstCase {
        opening(self, role).or(connection::worst_case(self, role, largest))
    }
}

fn opening(config: &Config, role: Role) -> WorstCase {
    let Limits {
        max_head_size: head,
        max_head_fields: fields,
        max_error_body: body,
        recv_buffer_size,
        ..
    } = config.limits;
    // Bytes after the head: in the request, in the outcome and in the new connection. There are two copies of the
    // response, too.
    let read = RecvBuffer::rounded(recv_buffer_size);
    let held = head
        .saturating_add(fields.saturating_mul(size_of::<Field>()))
        .saturating_add(3 * read + 2 * RESPONSE);
    // A head that grows; and the table of the parser, if it does not fit on the stack.
    let slots = fields.saturating_mul(size_of::<httparse::Header<'_>>());
    let parsing = head.max(slots);
    // A list has an element, or a parameter, in two bytes at least.
    let reads_parameters = role == Role::Client || config.deflate_config().is_some();
    let element = match reads_parameters {
        true => size_of::<ExtensionParam<'_>>(),
        false => size_of::<&[u8]>(),
    };
    // Values with escapes are copied.
    let list = (head / 2)
        .saturating_mul(element)
        .saturating_add(head.saturating_mul(2));
    let all = WorstCase::new(held, parsing.max(list));
    match role {
        Role::Server => all,
        // The body of a refusal doubles as it grows.
        Role::Client => all.and(WorstCase::new(body.saturating_mul(2), body)),
    }
}
