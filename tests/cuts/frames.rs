//! Streams of frames.

use websocket_proto::{
    CloseFrame, Config, Connection, Delivery, Limits, Negotiated, ProtocolError, ReadyState, Role, frame::Rsv,
};

use crate::{
    Stream, every_cut,
    raw::{Ended, Got, joined, take_events, take_output},
    rng::SeededEntropy,
    wire::{self, BINARY, CLOSE, FIN, KEY, PING, PONG, TEXT},
};

/// What came of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Got>,
    error: Option<ProtocolError>,
    written: Vec<u8>,
    state: ReadyState,
    wants_shutdown: bool,
    closure: Option<Ended>,
    /// The same behind the end of the transport.
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

/// FR-01, MSG-01, CL-01: frames give the same under every cut and every pair of cuts, at both ends, whole or in pieces.
#[test]
fn frames_do_not_show_cuts() {
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

/// Bytes behind a whole header of a role's own.
fn raw(ids: &'static str, about: &'static str, first: u8, len: u64, form: usize) -> Stream {
    stream(ids, about, move |from| {
        [wire::header_in_form(first, len, form, key(from)), vec![0; 20]].concat()
    })
}

/// Compressed frames, where the window goes on if so.
fn deflated(takeover: bool, stream: Stream) -> Stream {
    Stream {
        deflate: Some(takeover),
        ..stream
    }
}

const C: u8 = 0x40;
/// The bit of an extension of the application.
const X: u8 = 0x20;
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

pub(super) fn streams() -> Vec<Stream> {
    let mut streams = vec![
        one("FR-01 FR-12 FR-13 MSG-01", "a text", FIN | TEXT, b"Hello"),
        one("MSG-09 FR-18", "an empty text", FIN | TEXT, b""),
        one("FR-18", "an empty Pong", FIN | PONG, b""),
        raw("FR-02 FR-20", "a reserved bit", FIN | 0x20 | TEXT, 5, 0).fails(1002),
        raw("FR-03", "a reserved opcode", FIN | 0x3, 5, 0).fails(1002),
        raw("FR-03", "a reserved control opcode", FIN | 0xB, 5, 0).fails(1002),
        one("FR-04", "a length of two bytes", FIN | BINARY, &[7; 126]),
        raw("FR-05", "the top bit of the length", FIN | BINARY, 1 << 63, 8).fails(1002),
        raw("FR-06", "two bytes for a short length", FIN | BINARY, 125, 2).fails(1002),
        raw("FR-06", "eight bytes for a length of two", FIN | BINARY, 65_535, 8).fails(1002),
        stream("FR-09 FR-11", "the mask of the other role", |from| {
            wire::text(from.peer(), "Hello")
        })
        .fails(1002),
        stream("FR-14", "a key of zeros", |from| {
            let key = (from == Role::Client).then_some([0; 4]);
            [wire::header(FIN | TEXT, 2, key), b"ok".to_vec()].concat()
        }),
        raw("FR-15", "a long Ping", FIN | PING, 126, 2).fails(1002),
        raw("FR-16", "a Ping in fragments", PING, 3, 0).fails(1002),
        many(
            "FR-19 FR-21 MSG-04",
            "texts before and behind a fault",
            &[
                (FIN | TEXT, b"a"),
                (FIN | TEXT, b"b"),
                (FIN, b"?"),
                (FIN | TEXT, b"c"),
                (FIN | CLOSE, b""),
            ],
        )
        .fails(1002),
        stream("FR-22 CL-22", "the end inside a frame", |from| {
            let mut bytes = wire::text(from, "Hello");
            bytes.pop();
            bytes
        })
        .fails(1006),
        raw(
            "FR-23 FR-24 SEC-03",
            "the longest length there is",
            FIN | BINARY,
            (1 << 63) - 1,
            8,
        )
        .fails(1009),
        raw("SEC-03", "over the limit by one", FIN | BINARY, 301, 2).fails(1009),
        many(
            "SEC-04",
            "over the limit in fragments",
            &[(BINARY, &[1; 140]), (0, &[1; 160]), (0, b"x")],
        )
        .fails(1009),
        many(
            "SEC-05",
            "too many fragments",
            &[
                (TEXT, b""),
                (0, b""),
                (0, b""),
                (0, b""),
                (0, b""),
                (0, b""),
                (0, b""),
                (0, b""),
                (0, b""),
                (0, b""),
            ],
        )
        .fails(1008),
        many(
            "FR-25 MSG-02 MSG-03 MSG-07 MSG-08 MSG-10",
            "fragments of 0, 1 and more bytes",
            &[
                (TEXT, b""),
                (0, b"a"),
                (0, b""),
                (0, b"bcd"),
                (FIN, b""),
                (BINARY, b"x"),
                (FIN, b"y"),
            ],
        ),
        many(
            "MSG-05",
            "a message inside another",
            &[(TEXT, b"a"), (FIN | TEXT, b"b")],
        )
        .fails(1002),
        many(
            "MSG-06 MSG-21 MSG-26",
            "control frames between fragments",
            &[
                (TEXT, b"a"),
                (FIN | PING, b"1"),
                (0, b"b"),
                (FIN | PONG, b"2"),
                (FIN, b"c"),
            ],
        ),
        many(
            "MSG-22 MSG-23 SEC-09",
            "Pings in a row, and Pongs",
            &[
                (FIN | PING, b"1"),
                (FIN | PING, b"2"),
                (FIN | PING, b"3"),
                (FIN | PONG, b"?"),
                (FIN | PONG, b""),
            ],
        ),
        many(
            "MSG-11 MSG-12 MSG-15",
            "code points of all widths, cut",
            &[
                (TEXT, b"\xc3"),
                (0, b"\xbf\xe2"),
                (0, b""),
                (0, b"\x82\xac\xf0\x9f"),
                (FIN, b"\xa6\x80\xef\xbf\xbf"),
            ],
        ),
        many(
            "MSG-13",
            "a code point without end",
            &[(TEXT, b"a\xe2"), (FIN, b"\x82")],
        )
        .fails(1007),
        one("MSG-14 MSG-16 SEC-07", "text that is none", FIN | TEXT, b"ab\xc0\xafcd").fails(1007),
        one("MSG-14", "a surrogate", FIN | TEXT, b"\xed\xa0\x80").fails(1007),
        one("MSG-17", "binary that is no text", FIN | BINARY, b"\xff\xfe\xc0"),
        one("CL-01", "a Close without a body", FIN | CLOSE, b""),
        one("CL-02", "a Close of one byte", FIN | CLOSE, b"\x03").fails(1002),
        one("CL-03", "a reason that is no text", FIN | CLOSE, b"\x03\xe8\xc0\x80").fails(1007),
        raw("CL-04", "a reason too long", FIN | CLOSE, 126, 2).fails(1002),
        one("CL-05 CL-09 CL-20", "a Close", FIN | CLOSE, b"\x03\xe9bye \xe2\x82\xac"),
        one("CL-06", "a code that is only reported", FIN | CLOSE, b"\x03\xed").fails(1002),
        one("CL-07", "a reserved code", FIN | CLOSE, b"\x03\xec").fails(1002),
        one("CL-08", "a code out of range", FIN | CLOSE, b"\x13\x88").fails(1002),
        many(
            "CL-11 CL-14",
            "frames behind a Close",
            &[
                (FIN | CLOSE, b"\x03\xe8"),
                (FIN | TEXT, b"x"),
                (FIN | PING, b""),
                (FIN | CLOSE, b"\x03\xe9"),
                (FIN, b""),
            ],
        ),
        many(
            "CL-15 CL-16",
            "frames behind the own Close",
            &[(FIN | TEXT, b"late"), (FIN | PING, b"?"), (FIN | CLOSE, b"\x03\xe9")],
        )
        .closes_first(),
        one("CL-17", "both close", FIN | CLOSE, b"\x03\xe8").closes_first(),
        many(
            "CL-19",
            "a Close inside a message",
            &[(TEXT, b"a"), (FIN | CLOSE, b"\x03\xe8")],
        ),
        many(
            "CL-21",
            "a fault behind the own Close",
            &[(FIN | 0x3, b""), (FIN | CLOSE, b"\x03\xe8")],
        )
        .closes_first()
        .fails(1002),
        one("CL-22", "the end without a Close", FIN | TEXT, b"bye").fails(1006),
        one(
            "PMD-26",
            "a compressed frame that was not agreed on",
            FIN | C | TEXT,
            HELLO,
        )
        .fails(1002),
    ];
    streams.extend(compressed());
    streams.extend(extended());
    streams
}

fn extended() -> Vec<Stream> {
    let claimed = |stream: Stream| stream.claims(Rsv::RSV2);
    vec![
        claimed(many(
            "EXT-10",
            "frames of an extension, in one and in several, with and without their bit",
            &[
                (FIN | X | TEXT, b"\xff"),
                (X | BINARY, b"one"),
                (FIN | PING, b"?"),
                (X, b""),
                (FIN, b"\xff"),
                (FIN | TEXT, b"plain"),
            ],
        )),
        claimed(one("EXT-11", "a bit that nobody claims", FIN | X | 0x10 | TEXT, b"")).fails(1002),
        claimed(one("EXT-11", "a claimed bit on a Ping", FIN | X | PING, b"")).fails(1002),
        claimed(many(
            "EXT-12",
            "a message of an extension that is too big",
            &[(X | BINARY, &[b'x'; 200]), (FIN | X, &[b'x'; 101])],
        ))
        .fails(1009),
        claimed(deflated(
            true,
            many(
                "EXT-14",
                "an extension under compression",
                &[
                    (X | C | TEXT, b"\xf2\x48\xcd"),
                    (FIN, b"\xc9\xc9\x07\x00"),
                    (FIN | C | TEXT, b"\xf2\x00\x11\x00\x00"),
                ],
            ),
        )),
        claimed(deflated(
            true,
            many(
                "EXT-14",
                "a claimed bit inside of a compressed message",
                &[(C | TEXT, HELLO), (FIN | X, b"")],
            ),
        ))
        .fails(1002),
    ]
}

fn compressed() -> Vec<Stream> {
    vec![
        deflated(
            false,
            many(
                "PMD-23 PMD-32 PMD-38",
                "compressed and not, in turn",
                &[
                    (FIN | C | TEXT, HELLO),
                    (FIN | TEXT, b"Hello"),
                    (FIN | C | BINARY, HELLO),
                ],
            ),
        ),
        deflated(
            false,
            many(
                "PMD-24",
                "RSV1 on a continuation",
                &[(C | TEXT, HELLO), (FIN | C, b"\0")],
            ),
        )
        .fails(1002),
        deflated(false, one("PMD-25", "RSV1 on a Ping", FIN | C | PING, b"")).fails(1002),
        deflated(
            false,
            many(
                "PMD-27 PMD-28",
                "fragments of compressed data, with a Ping",
                &[
                    (C | TEXT, b"\xf2\x48"),
                    (0, b""),
                    (FIN | PING, b"1"),
                    (0, b"\xcd\xc9\xc9"),
                    (FIN, b"\x07\x00"),
                ],
            ),
        ),
        deflated(
            false,
            many(
                "PMD-31 PMD-33",
                "blocks of every kind",
                &[
                    (FIN | C | TEXT, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
                    (FIN | C | TEXT, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
                    (FIN | C | TEXT, b"\x00"),
                    (FIN | C | TEXT, b"\x02\x00"),
                ],
            ),
        ),
        deflated(
            false,
            one(
                "PMD-34",
                "a final block",
                FIN | C | TEXT,
                b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            ),
        ),
        deflated(
            false,
            one(
                "PMD-35",
                "data behind a final block",
                FIN | C | TEXT,
                b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            ),
        ),
        deflated(
            true,
            many(
                "PMD-21 PMD-36",
                "a message that refers to the one before",
                &[(FIN | C | TEXT, HELLO), (FIN | C | TEXT, b"\xf2\x00\x11\x00\x00")],
            ),
        ),
        deflated(
            false,
            many(
                "PMD-37",
                "a reference that was not agreed on",
                &[(FIN | C | TEXT, HELLO), (FIN | C | TEXT, b"\xf2\x00\x11\x00\x00")],
            ),
        )
        .fails(1007),
        deflated(
            false,
            one("PMD-40", "a reserved kind of block", FIN | C | TEXT, b"\x06\x00"),
        )
        .fails(1007),
        deflated(
            false,
            one("PMD-40", "an end inside a block", FIN | C | TEXT, b"\xf2\x48\xcd"),
        )
        .fails(1007),
        deflated(false, one("PMD-41", "compressed, but empty", FIN | C | TEXT, b"")),
        deflated(
            false,
            one(
                "PMD-42",
                "text that is none",
                FIN | C | TEXT,
                b"\x00\x02\x00\xfd\xff\xc0\x80\x00",
            ),
        )
        .fails(1007),
        deflated(
            false,
            many(
                "PMD-43",
                "a bomb",
                // 301 times the same byte.
                &[(C | BINARY, b"\x32\x30\x18\x05"), (FIN, b"\x44\x03\x00\x00")],
            ),
        )
        .fails(1009),
    ]
}
