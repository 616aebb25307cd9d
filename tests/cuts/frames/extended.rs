//! Streams with permessage-deflate, and with extensions of the application.

use websocket_proto::frame::Rsv;

use super::{C, HELLO, deflated, many, one};
use crate::{
    Stream,
    wire::{BINARY, FIN, PING, TEXT},
};

/// The reserved bit of an extension of the application.
const X: u8 = 0x20;

pub(super) fn extended() -> Vec<Stream> {
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
        claimed(one(
            "EXT-11",
            "a bit that no extension claims",
            FIN | X | 0x10 | TEXT,
            b"",
        ))
        .fails(1002),
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
                "an extension of compressed data",
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
                "a claimed bit inside a compressed message",
                &[(C | TEXT, HELLO), (FIN | X, b"")],
            ),
        ))
        .fails(1002),
    ]
}

pub(super) fn compressed() -> Vec<Stream> {
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
                "data after a final block",
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
                "a reference without context takeover",
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
                "invalid text",
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
                // The same byte 301 times.
                &[(C | BINARY, b"\x32\x30\x18\x05"), (FIN, b"\x44\x03\x00\x00")],
            ),
        )
        .fails(1009),
    ]
}
