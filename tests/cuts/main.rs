//! Cuts never change the result: streams for the ids of the checklist, each whole, under every cut in two, and under every pair
//! of cuts.
//!
//! Heads of the opening handshake are long, so only release builds try pairs of cuts for them.
#![cfg(feature = "os-entropy")]
#![allow(unreachable_pub, reason = "the modules of a test are its own public")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::cast_possible_truncation, reason = "samples may wrap")]

mod coverage;
mod frames;
mod heads;
#[path = "../core/raw.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod raw;
#[path = "../core/rng.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod rng;
#[path = "../core/wire.rs"]
#[allow(dead_code, reason = "shared with another test")]
mod wire;

use websocket_proto::{Role, frame::Rsv};

/// A stream of frames from a peer of either role.
struct Stream {
    /// The ids of the checklist that it covers.
    ids: &'static str,
    about: &'static str,
    bytes: Box<dyn Fn(Role) -> Vec<u8>>,
    /// The code of the failure; 1006 if only the end of the stream causes it.
    fails: Option<u16>,
    /// Whether this side closes before anything arrives.
    closes_first: bool,
    /// Compression is negotiated, with context takeover (`true`) or without.
    deflate: Option<bool>,
    /// The reserved bits that extensions of the application claim.
    claims: Rsv,
}

impl Stream {
    fn fails(self, code: u16) -> Self {
        Self {
            fails: Some(code),
            ..self
        }
    }

    fn claims(self, claims: Rsv) -> Self {
        Self { claims, ..self }
    }

    fn closes_first(self) -> Self {
        Self {
            closes_first: true,
            ..self
        }
    }
}

/// Streams up to this length are cut in three at every pair of positions.
const PAIRS: usize = if cfg!(debug_assertions) { 130 } else { usize::MAX };

/// Runs a stream whole, under every cut and under every pair of cuts. All results must be equal; returns that result.
#[track_caller]
fn every_cut<O: PartialEq + std::fmt::Debug>(about: &str, bytes: &[u8], run: impl Fn(&[&[u8]]) -> O) -> O {
    let whole = run(&[bytes]);
    for at in 1..bytes.len() {
        let (head, rest) = bytes.split_at(at);
        assert_eq!(run(&[head, rest]), whole, "{about}, cut at {at}");
        if bytes.len() > PAIRS {
            continue;
        }
        for next in 1..rest.len() {
            let (middle, tail) = rest.split_at(next);
            assert_eq!(
                run(&[head, middle, tail]),
                whole,
                "{about}, cut at {at} and {}",
                at + next
            );
        }
    }
    whole
}
