//! permessage-deflate in the data phase ([RFC 7692 §6, §7.2](https://www.rfc-editor.org/rfc/rfc7692#section-6)).

mod blocks;
mod bounds;
mod conversation;
mod inflate;
mod prepared;
mod receiving;
mod sending;

use websocket_proto::{Config, Connection, ContextTakeover, DeflateConfig, DeflateParams, Negotiated, Role};

use crate::{
    raw::{Got, Outcome, Scenario, take_frames},
    wire::{self, BINARY, FIN, Sent, TEXT},
};

/// The bit that marks a message as compressed.
pub const RSV1: u8 = 0x40;

pub const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// Context takeover both ways and the largest windows.
pub const PLAIN: DeflateParams = DeflateParams::new();

/// No context takeover.
pub const NO_CONTEXT: DeflateParams = DeflateParams::new()
    .server_context_takeover(ContextTakeover::Forbid)
    .client_context_takeover(ContextTakeover::Forbid);

/// Settings that compress everything and request nothing.
pub fn everything() -> DeflateConfig {
    DeflateConfig::new()
        .server_context_takeover(ContextTakeover::Allow)
        .client_context_takeover(ContextTakeover::Allow)
        .threshold(0)
}

pub fn connection(role: Role, params: DeflateParams, config: DeflateConfig) -> Connection {
    let negotiated = Negotiated::new(role).with_deflate(params);
    Connection::from_negotiated(&negotiated, &Config::new().deflate(config))
}

/// A compressed message in one frame.
pub fn compressed(from: Role, opcode: u8, payload: &[u8]) -> Vec<u8> {
    wire::frame(from, FIN | RSV1 | opcode, payload)
}

/// The outcome for an endpoint of that role that receives these bytes.
#[track_caller]
pub fn receive(role: Role, params: DeflateParams, bytes: impl Into<Vec<u8>>) -> Outcome {
    Scenario::new(role, bytes).deflate(params).run()
}

/// Asserts that both roles read the same compressed text from this payload.
#[track_caller]
pub fn assert_reads(payload: &[u8], expected: &str) {
    for role in wire::ROLES {
        for params in [PLAIN, NO_CONTEXT] {
            let bytes = [
                compressed(role.peer(), TEXT, payload),
                compressed(role.peer(), BINARY, payload),
            ];
            receive(role, params, bytes.concat()).assert_open(&[Got::text(expected), Got::binary(expected.as_bytes())]);
        }
    }
}

/// The payload of a message, joined from all its frames.
pub fn joined(frames: &[Sent]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.payload.iter().copied()).collect()
}

/// What this call makes an endpoint send, as frames.
pub fn sent_by(role: Role, connection: &mut Connection, send: impl FnOnce(&mut Connection)) -> Vec<Sent> {
    send(connection);
    take_frames(role, connection)
}

/// Text that is repetitive, but not the same throughout.
pub fn json(len: usize, seed: usize) -> String {
    let mut text = String::new();
    for i in seed.. {
        if text.len() >= len {
            break;
        }
        text.push_str(&format!(
            "{{\"id\":{},\"name\":\"user {}\",\"price\":{}.{:02},\"active\":{},\"tags\":[\"alpha\",\"beta\"]}},",
            i * 7919 % 100_003,
            i * 31 % 977,
            i * 17 % 501,
            i * 13 % 100,
            i % 3 == 0,
        ));
    }
    text.truncate(len);
    text
}

/// The reference: an independent compressor, flushed to a byte boundary, with its tail.
pub struct Reference(flate2::Compress);

impl Reference {
    pub fn new() -> Self {
        Self(flate2::Compress::new(flate2::Compression::new(6), false))
    }

    /// A whole message, without its tail.
    pub fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = self.flushed(payload);
        assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]), "{payload:?}");
        bytes.truncate(bytes.len() - 4);
        bytes
    }

    pub fn flushed(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(payload.len() + payload.len() / 8 + 100);
        let before = self.0.total_in();
        self.0
            .compress_vec(payload, &mut bytes, flate2::FlushCompress::Sync)
            .unwrap();
        assert_eq!(self.0.total_in() - before, payload.len() as u64);
        bytes
    }
}
