//! Streams without extensions.

use websocket_proto::Role;

use super::{C, HELLO, many, one, raw, stream};
use crate::{
    Stream,
    wire::{self, BINARY, CLOSE, FIN, PING, PONG, TEXT},
};

pub(super) fn streams() -> Vec<Stream> {
    vec![
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
            "texts before and after a fault",
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
            "the longest possible length",
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
        one("MSG-14 MSG-16 SEC-07", "invalid text", FIN | TEXT, b"ab\xc0\xafcd").fails(1007),
        one("MSG-14", "a surrogate", FIN | TEXT, b"\xed\xa0\x80").fails(1007),
        one("MSG-17", "binary data that is not text", FIN | BINARY, b"\xff\xfe\xc0"),
        one("CL-01", "a Close without a body", FIN | CLOSE, b""),
        one("CL-02", "a Close of one byte", FIN | CLOSE, b"\x03").fails(1002),
        one(
            "CL-03",
            "a reason that is not valid text",
            FIN | CLOSE,
            b"\x03\xe8\xc0\x80",
        )
        .fails(1007),
        raw("CL-04", "a reason too long", FIN | CLOSE, 126, 2).fails(1002),
        one("CL-05 CL-09 CL-20", "a Close", FIN | CLOSE, b"\x03\xe9bye \xe2\x82\xac"),
        one("CL-06", "a code that is only reported", FIN | CLOSE, b"\x03\xed").fails(1002),
        one("CL-07", "a reserved code", FIN | CLOSE, b"\x03\xec").fails(1002),
        one("CL-08", "a code out of range", FIN | CLOSE, b"\x13\x88").fails(1002),
        many(
            "CL-11 CL-14",
            "frames after a Close",
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
            "frames after the own Close",
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
            "a fault after the own Close",
            &[(FIN | 0x3, b""), (FIN | CLOSE, b"\x03\xe8")],
        )
        .closes_first()
        .fails(1002),
        one("CL-22", "the end without a Close", FIN | TEXT, b"bye").fails(1006),
        one(
            "PMD-26",
            "a compressed frame that was not negotiated",
            FIN | C | TEXT,
            HELLO,
        )
        .fails(1002),
    ]
}
