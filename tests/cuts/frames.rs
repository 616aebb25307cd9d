//! Streams of frames.

mod extended;
mod plain;

use websocket_proto::{
    CloseFrame, Config, Connection, Delivery, Limits, Negotiated, ProtocolError, ReadyState, Role, frame::Rsv,
};

use crate::{
    Stream, every_cut,
    raw::{Ended, Got, joined, take_events, take_output},
    rng::SeededEntropy,
    wire::{self, KEY},
};

/// The outcome of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Got>,
    error: Option<ProtocolError>,
    written: Vec<u8>,
    state: ReadyState,
    wants_shutdown: bool,
    closure: Option<Ended>,
    /// The same after the end of the transport.
    at_end: (Option<ProtocolError>, Option<Ended>),
}

fn limits() -> Limits {
    Limits::new().max_message_size(300).max_fragments(9)
}

fn run(role: Role, stream: &Stream, delivery: Delivery, pieces: &[&[u8]]) -> Outcome {
    let config = Config::new()
        .limits(limits())
        .delivery(delivery)
        .entropy(std::sync::Arc::new(SeededEntropy::new(1)));
    let mut connection =
        Connection::from_negotiated(&negotiated(role, stream).with_reserved_bits(stream.claims), &config);
    if stream.closes_first {
        connection
            .close(CloseFrame::from(websocket_proto::CloseCode::GOING_AWAY))
            .unwrap();
    }
    let (mut events, mut written, mut error) = (Vec::new(), Vec::new(), None);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let space = connection.space();
            let n = space.len().min(rest.len());
            space[..n].copy_from_slice(&rest[..n]);
            connection.advance(n);
            rest = &rest[n..];
            error = take_events(&mut connection, &mut events).err();
        }
        take_output(&mut connection, usize::MAX, &mut written);
    }
    let (state, wants_shutdown) = (connection.ready_state(), connection.wants_shutdown());
    let closure = connection.close_info().map(Ended::from);
    connection.receive_eof();
    let last = take_events(&mut connection, &mut events).err();
    Outcome {
        events: joined(&events),
        error,
        written,
        state,
        wants_shutdown,
        closure,
        at_end: (last, connection.close_info().map(Ended::from)),
    }
}

#[cfg(feature = "deflate")]
fn negotiated(role: Role, stream: &Stream) -> Negotiated {
    use websocket_proto::{ContextTakeover, DeflateParams};

    let params = DeflateParams::new();
    let forbid = ContextTakeover::Forbid;
    match stream.deflate {
        None => Negotiated::new(role),
        Some(true) => Negotiated::new(role).with_deflate(params),
        Some(false) => {
            Negotiated::new(role).with_deflate(params.server_context_takeover(forbid).client_context_takeover(forbid))
        }
    }
}

#[cfg(not(feature = "deflate"))]
fn negotiated(role: Role, _: &Stream) -> Negotiated {
    Negotiated::new(role)
}

/// FR-01, MSG-01, CL-01: frames give the same result under every cut and every pair of cuts, at both ends, whole or in pieces.
#[test]
fn cuts_do_not_change_frames() {
    for stream in streams() {
        if stream.deflate.is_some() && !cfg!(feature = "deflate") {
            continue;
        }
        for from in wire::ROLES {
            let bytes = (stream.bytes)(from);
            for delivery in [Delivery::Messages, Delivery::Fragments] {
                let whole = every_cut(stream.about, &bytes, |pieces| {
                    run(from.peer(), &stream, delivery, pieces)
                });
                let code = whole.error.map(|error| error.close_code().value());
                assert_eq!(
                    code,
                    stream.fails.filter(|code| *code != 1006),
                    "{}: {whole:?}",
                    stream.about
                );
                if stream.fails == Some(1006) {
                    assert_eq!(whole.at_end.0, Some(ProtocolError::ConnectionLost), "{}", stream.about);
                }
            }
        }
    }
}

fn key(from: Role) -> Option<[u8; 4]> {
    (from == Role::Client).then_some(KEY)
}

fn stream(ids: &'static str, about: &'static str, bytes: impl Fn(Role) -> Vec<u8> + 'static) -> Stream {
    Stream {
        ids,
        about,
        bytes: Box::new(bytes),
        fails: None,
        closes_first: false,
        deflate: None,
        claims: Rsv::NONE,
    }
}

fn one(ids: &'static str, about: &'static str, first: u8, payload: &'static [u8]) -> Stream {
    stream(ids, about, move |from| wire::frame(from, first, payload))
}

fn many(ids: &'static str, about: &'static str, frames: &'static [(u8, &'static [u8])]) -> Stream {
    stream(ids, about, move |from| {
        let frames = frames.iter().map(|(first, payload)| wire::frame(from, *first, payload));
        frames.collect::<Vec<_>>().concat()
    })
}

/// Some bytes after a header that is complete for that role.
fn raw(ids: &'static str, about: &'static str, first: u8, len: u64, form: usize) -> Stream {
    stream(ids, about, move |from| {
        [wire::header_in_form(first, len, form, key(from)), vec![0; 20]].concat()
    })
}

/// Compressed frames, with or without context takeover.
fn deflated(takeover: bool, stream: Stream) -> Stream {
    Stream {
        deflate: Some(takeover),
        ..stream
    }
}

/// The reserved bit of permessage-deflate.
const C: u8 = 0x40;
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// All streams of frames.
pub(super) fn streams() -> Vec<Stream> {
    let mut streams = plain::streams();
    streams.extend(extended::compressed());
    streams.extend(extended::extended());
    streams
}
