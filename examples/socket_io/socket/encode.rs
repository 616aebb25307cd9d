//! Packets of Socket.IO to send, each encoded once, whoever receives it.

use std::{fmt::Write, sync::Arc};

use websocket_proto::{DeflateConfig, PreparedMessage};

use super::{args::Args, state::Id};
use crate::engine::Unit;

/// Encodes packets for a namespace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoder<'a> {
    pub(super) namespace: &'a str,
    /// How messages are compressed, for clients that negotiated it.
    pub(super) deflate: Option<DeflateConfig>,
}

impl Encoder<'_> {
    /// An event. `offset` is added as its last argument.
    pub(super) fn event(self, name: &str, args: Args<'_>, id: Option<u64>, offset: Option<u64>) -> Unit {
        let mut text = self.head('2', '5', args, id, name.len() + args.json().len() + 32);
        text.push('[');
        push_string(&mut text, name);
        if !args.json().is_empty() {
            text.push(',');
            text.push_str(args.json());
        }
        if let Some(offset) = offset {
            let _ = write!(text, ",\"{offset}\"");
        }
        text.push(']');
        self.unit(text, args)
    }

    /// The acknowledgement of an event.
    pub(super) fn ack(self, id: u64, args: Args<'_>) -> Unit {
        let mut text = self.head('3', '6', args, Some(id), args.json().len());
        text.push('[');
        text.push_str(args.json());
        text.push(']');
        self.unit(text, args)
    }

    /// The client has joined the namespace. With `recovery`, it may recover its state with this secret.
    pub(super) fn connect(self, id: Id, recovery: Option<Id>) -> Unit {
        let mut text = self.head('0', '0', Args::NONE, None, 64);
        text.push_str("{\"sid\":\"");
        id.push_to(&mut text);
        if let Some(secret) = recovery {
            text.push_str("\",\"pid\":\"");
            secret.push_to(&mut text);
        }
        text.push_str("\"}");
        Unit::text(text)
    }

    /// The client was refused.
    pub(super) fn connect_error(self, message: &str) -> Unit {
        let mut text = self.head('4', '4', Args::NONE, None, message.len() + 16);
        text.push_str("{\"message\":");
        push_string(&mut text, message);
        text.push('}');
        Unit::text(text)
    }

    /// The client has left the namespace.
    pub(super) fn disconnect(self) -> Unit {
        Unit::text(self.head('1', '1', Args::NONE, None, 0))
    }

    /// The digit of Engine.IO, the type, attachments, namespace and id.
    fn head(self, kind: char, binary: char, args: Args<'_>, id: Option<u64>, more: usize) -> String {
        let mut text = String::with_capacity(more + self.namespace.len() + 32);
        text.push('4');
        match args.attachments().len() {
            0 => text.push(kind),
            attachments => {
                let _ = write!(text, "{binary}{attachments}-");
            }
        }
        if self.namespace != "/" {
            text.push_str(self.namespace);
            text.push(',');
        }
        if let Some(id) = id {
            let _ = write!(text, "{id}");
        }
        text
    }

    fn unit(self, text: String, args: Args<'_>) -> Unit {
        let text = self.deflated(PreparedMessage::text(text));
        if args.attachments().is_empty() {
            return Unit::One(text);
        }
        let attachments = args.attachments().iter();
        let attachments = attachments.map(|bytes| self.deflated(PreparedMessage::binary(bytes.clone())));
        Unit::Many([text].into_iter().chain(attachments).collect::<Arc<[_]>>())
    }

    fn deflated(self, message: PreparedMessage) -> PreparedMessage {
        match self.deflate {
            Some(config) => message.deflated(config),
            None => message,
        }
    }
}

fn push_string(text: &mut String, string: &str) {
    if string.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        text.push('"');
        text.push_str(string);
        text.push('"');
    } else {
        text.push_str(serde_json::to_string(string).as_deref().unwrap_or("\"\""));
    }
}
