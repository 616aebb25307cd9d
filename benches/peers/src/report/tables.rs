//! The tables of the report: which samples they contain, in which order, with which targets.

use crate::{codec, deflate, echo, handshake, memory, scale, stream};

pub struct Section {
    pub title: &'static str,
    pub about: &'static str,
    /// The sections of the samples whose notes are printed here.
    pub samples: &'static [&'static str],
    pub plots: &'static [&'static str],
    pub tables: &'static [Table],
}

pub struct Table {
    pub title: &'static str,
    pub section: &'static str,
    pub metric: &'static str,
    /// The heading of each column, and its workload.
    pub columns: &'static [(&'static str, &'static str)],
    /// Whether more is better.
    pub is_rate: bool,
    pub targets: &'static [(&'static str, &'static [&'static str])],
}

impl Table {
    const fn new(
        title: &'static str,
        section: &'static str,
        metric: &'static str,
        columns: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self {
            title,
            section,
            metric,
            columns,
            is_rate: false,
            targets: &[],
        }
    }

    const fn rate(mut self) -> Self {
        self.is_rate = true;
        self
    }

    const fn reach(mut self, targets: &'static [(&'static str, &'static [&'static str])]) -> Self {
        self.targets = targets;
        self
    }

    pub fn has(&self, workload: &str) -> bool {
        self.columns.iter().any(|(_, column)| *column == workload)
    }
}

const ECHO: &[(&str, &str)] = &[
    ("1×1 125 B", "1×1 125 B"),
    ("100×1 125 B", "100×1 125 B"),
    ("100×1 1 KiB", "100×1 1 KiB"),
    ("10×32 64 B", "10×32 64 B"),
    ("10×1 64 KiB", "10×1 64 KiB"),
    ("10×1 1 MiB", "10×1 1 MiB"),
];

pub(super) const DEFLATE: &[(&str, &str)] = &[
    ("1 KiB, takeover", "1 KiB, takeover"),
    ("16 KiB, takeover", "16 KiB, takeover"),
    ("1 KiB, no takeover", "1 KiB, no takeover"),
    ("16 KiB, no takeover", "16 KiB, no takeover"),
];

pub const SECTIONS: &[Section] = &[
    Section {
        title: "Loopback echo",
        about: "Server on one core, load on another. `100×1` is 100 connections with one message in flight; `10×32` is 10 \
            connections that write 32 messages at once and wait for all replies, so their latency is that of 32 messages.",
        samples: &[echo::SECTION],
        plots: &["echo"],
        tables: &[
            Table::new("server CPU, µs a message", echo::SECTION, "cpu µs", ECHO).reach(&[
                (
                    "tokio",
                    &[
                        "–",
                        "≤ 1.03 × raw-tokio",
                        "≤ 1.05 × raw-tokio",
                        "≤ 0.25",
                        "≤ best peer",
                        "≤ best peer",
                    ],
                ),
                (
                    "mio",
                    &[
                        "–",
                        "≤ uWebSockets",
                        "≤ uWebSockets",
                        "≤ uWebSockets",
                        "≤ uWebSockets",
                        "≤ uWebSockets",
                    ],
                ),
                (
                    "uring",
                    &[
                        "≤ 1.05 × raw-uring",
                        "≤ 1.05 × raw-uring, < raw-epoll",
                        "≤ 1.05 × raw-uring, < raw-epoll",
                        "≤ 1.05 × raw-uring",
                        "≤ 1.1 × ours-mio",
                        "≤ 1.1 × ours-mio",
                    ],
                ),
            ]),
            Table::new("messages a second", echo::SECTION, "messages/s", ECHO).rate(),
            Table::new("latency, median, µs", echo::SECTION, "p50 µs", ECHO),
            Table::new("latency, 99 %, µs", echo::SECTION, "p99 µs", ECHO),
        ],
    },
    Section {
        title: "permessage-deflate echo",
        about: "JSON-like text at level 6 on 10 connections with one message in flight. `ours-*` use the windows of 4 KiB that \
            `DeflateConfig::context_takeover()` sets, `ours-tokio-32k` those of 32 KiB that the peers use. \
            tokio-tungstenite, fastwebsockets and tokio-websockets do not compress. soketto does, but not in one build with \
            the others: it requires the C zlib, which would replace the zlib-rs of all of them. The text compresses less \
            well than the text for which the targets were set.",
        samples: &[deflate::SECTION],
        plots: &["deflate"],
        tables: &[
            Table::new("server CPU, µs a message", deflate::SECTION, "cpu µs", DEFLATE)
                .reach(&[("tokio", &["≤ 33", "≤ 275", "≤ 21", "≤ 130"])]),
            Table::new("bytes out / payload", deflate::SECTION, "bytes out / payload", DEFLATE)
                .reach(&[("tokio", &["0.17", "0.15", "0.30", "0.17"])]),
            Table::new("messages a second", deflate::SECTION, "messages/s", DEFLATE).rate(),
        ],
    },
    Section {
        title: "Handshakes",
        about: "Connections that are opened, upgraded and closed one after another, with the request of a browser.",
        samples: &[handshake::SECTION],
        plots: &["handshake"],
        tables: &[
            Table::new(
                "server CPU, µs each",
                handshake::SECTION,
                "cpu µs",
                &[("handshake", "")],
            )
            .reach(&[("tokio", &["≤ 0.97 × best peer"])]),
            Table::new(
                "handshakes a second",
                handshake::SECTION,
                "handshakes/s",
                &[("handshake", "")],
            )
            .rate(),
        ],
    },
    Section {
        title: "Idle memory",
        about: "Growth of the server's resident memory per connection, with 10,000 connections: after the handshake, and after \
            one echo of 1 KiB on each. With permessage-deflate, the client offers context takeover; `ours-*` use windows of \
            4 KiB, the others, and `ours-tokio-32k`, of 32 KiB.",
        samples: &[memory::SECTION],
        plots: &["memory"],
        tables: &[
            Table::new(
                "bytes a connection",
                memory::SECTION,
                "bytes",
                &[
                    ("after the handshake", "after the handshake"),
                    ("after an echo", "after an echo"),
                ],
            )
            .reach(&[("tokio", &["≤ 1,600", "≤ 1,600"]), ("mio", &["≤ 700", "≤ 700"])]),
            Table::new(
                "bytes a connection, with permessage-deflate",
                memory::SECTION,
                "bytes",
                &[
                    ("after the handshake", "after the handshake, deflate"),
                    ("after an echo", "after an echo, deflate"),
                ],
            ),
        ],
    },
    Section {
        title: "In memory: receive",
        about: "Nanoseconds of the thread per message, from a stream that is always ready and returns 64 KiB per read, or less \
            if the library asks for less. *lent* reads a message in place, *owned* takes ownership of it; peers are measured \
            with what they return. soketto's text is validated by the application. Ours masks with the feature `wide-simd`, \
            peers with their own equivalents.",
        samples: &[codec::RECEIVE],
        plots: &["receive"],
        tables: &[
            Table::new(
                "masked binary, ns",
                codec::RECEIVE,
                "ns",
                &[
                    ("16 B", "masked binary, 16 B"),
                    ("125 B", "masked binary, 125 B"),
                    ("1 KiB", "masked binary, 1 KiB"),
                    ("16 KiB", "masked binary, 16 KiB"),
                    ("256 KiB", "masked binary, 256 KiB"),
                    ("4 MiB", "masked binary, 4 MiB"),
                ],
            )
            .reach(&[
                ("lent", &["≤ 12", "≤ 20", "≤ 42", "≥ 40 GB/s", "≥ 37 GB/s", "≥ 31 GB/s"]),
                (
                    "owned",
                    &["≤ 35", "≤ 42", "≤ 75", "≥ 36 GB/s", "≥ 37 GB/s", "≥ 31 GB/s"],
                ),
            ]),
            Table::new(
                "masked text, mixed, ns",
                codec::RECEIVE,
                "ns",
                &[
                    ("16 B", "masked text, mixed, 16 B"),
                    ("125 B", "masked text, mixed, 125 B"),
                    ("1 KiB", "masked text, mixed, 1 KiB"),
                    ("16 KiB", "masked text, mixed, 16 KiB"),
                    ("4 MiB", "masked text, mixed, 4 MiB"),
                ],
            )
            .reach(&[("lent", &["≤ 40", "≤ 38", "≤ 105", "≥ 12.6 GB/s", "≥ 11 GB/s"])]),
            Table::new(
                "masked text, ASCII, ns",
                codec::RECEIVE,
                "ns",
                &[
                    ("125 B", "masked text, ASCII, 125 B"),
                    ("1 KiB", "masked text, ASCII, 1 KiB"),
                    ("16 KiB", "masked text, ASCII, 16 KiB"),
                ],
            )
            .reach(&[("lent", &["≤ 30", "≤ 52", "≥ 29 GB/s"])]),
            Table::new(
                "unmasked binary, and fragments, ns",
                codec::RECEIVE,
                "ns",
                &[
                    ("16 B", "unmasked binary, 16 B"),
                    ("1 KiB", "unmasked binary, 1 KiB"),
                    ("16 KiB", "unmasked binary, 16 KiB"),
                    ("4 MiB", "unmasked binary, 4 MiB"),
                    ("masked, 64 KiB in 64", "masked binary, 64 KiB in fragments of 1 KiB"),
                ],
            )
            .reach(&[("lent", &["≤ 9", "≤ 27", "–", "–", "≥ 15 GB/s"])]),
        ],
    },
    Section {
        title: "In memory: send",
        about: "Nanoseconds of the thread per message, into a stream that accepts everything. That flatters libraries that \
            always write each message separately: fastwebsockets and wtx, see the table of writes, each of which is a system \
            call in real use. *lent* passes a slice, *shared* a clone of `Bytes`; peers get what is best for them. wtx masks \
            in place, so the application cannot use the payload afterwards. Unpredictable masking keys, which RFC 6455 \
            requires, are used by ours (ChaCha) and by the libraries that use `rand`: tungstenite, fastwebsockets, soketto, \
            yawc. Here, wtx uses xorshift, and tokio-websockets and sockudo-ws use fastrand.",
        samples: &[codec::SEND],
        plots: &["send"],
        tables: &[
            Table::new("server, flushed each, ns", codec::SEND, "ns", SEND_UNMASKED_1),
            Table::new("server, 32 a flush, ns", codec::SEND, "ns", SEND_UNMASKED_32)
                .reach(&[("lent", &["≤ 9", "–", "≤ 22", "≤ 40 owned"])]),
            Table::new("client, flushed each, ns", codec::SEND, "ns", SEND_MASKED_1),
            Table::new("client, 32 a flush, ns", codec::SEND, "ns", SEND_MASKED_32)
                .reach(&[("lent", &["≤ 12", "–", "≤ 26", "≥ 60 GB/s"])]),
            Table::new(
                "server, 32 a flush, writes a message",
                codec::SEND,
                "writes",
                SEND_UNMASKED_32,
            ),
        ],
    },
    Section {
        title: "Many connections",
        about: "One connection in a hundred, but at least one, has a message of 125 B in flight; the others are open and silent.",
        samples: &[scale::SECTION],
        plots: &["scale"],
        tables: &[
            Table::new("server CPU, µs a message", scale::SECTION, "cpu µs", SCALE),
            Table::new("messages a second", scale::SECTION, "messages/s", SCALE).rate(),
            Table::new("latency, median, µs", scale::SECTION, "p50 µs", SCALE),
            Table::new("latency, 99 %, µs", scale::SECTION, "p99 µs", SCALE),
            Table::new("MiB resident in the server", scale::SECTION, "MiB", SCALE),
        ],
    },
    Section {
        title: "Large messages",
        about: "One message in one frame, echoed on one connection. `ours-tokio-streamed` forwards pieces as they arrive; all \
            others receive the whole message first, so they are measured up to 16 MiB only.",
        samples: &[stream::SECTION],
        plots: &["stream"],
        tables: &[
            Table::new("GB/s, each way", stream::SECTION, "GB/s", STREAM).rate(),
            Table::new("server CPU, ms a message", stream::SECTION, "cpu ms", STREAM),
            Table::new(
                "peak growth of the server's memory, MiB",
                stream::SECTION,
                "peak MiB",
                STREAM,
            ),
        ],
    },
];

const SCALE: &[(&str, &str)] = &[
    ("1", "1"),
    ("10", "10"),
    ("100", "100"),
    ("1,000", "1,000"),
    ("10,000", "10,000"),
];

const STREAM: &[(&str, &str)] = &[
    ("1 MiB", "1 MiB"),
    ("16 MiB", "16 MiB"),
    ("256 MiB", "256 MiB"),
    ("1 GiB", "1 GiB"),
];

const SEND_UNMASKED_1: &[(&str, &str)] = &[
    ("16 B", "unmasked, 1 per flush, 16 B"),
    ("125 B", "unmasked, 1 per flush, 125 B"),
    ("1 KiB", "unmasked, 1 per flush, 1 KiB"),
    ("16 KiB", "unmasked, 1 per flush, 16 KiB"),
    ("256 KiB", "unmasked, 1 per flush, 256 KiB"),
    ("4 MiB", "unmasked, 1 per flush, 4 MiB"),
];

const SEND_UNMASKED_32: &[(&str, &str)] = &[
    ("16 B", "unmasked, 32 per flush, 16 B"),
    ("125 B", "unmasked, 32 per flush, 125 B"),
    ("1 KiB", "unmasked, 32 per flush, 1 KiB"),
    ("16 KiB", "unmasked, 32 per flush, 16 KiB"),
];

const SEND_MASKED_1: &[(&str, &str)] = &[
    ("16 B", "masked, 1 per flush, 16 B"),
    ("125 B", "masked, 1 per flush, 125 B"),
    ("1 KiB", "masked, 1 per flush, 1 KiB"),
    ("16 KiB", "masked, 1 per flush, 16 KiB"),
    ("256 KiB", "masked, 1 per flush, 256 KiB"),
    ("4 MiB", "masked, 1 per flush, 4 MiB"),
];

const SEND_MASKED_32: &[(&str, &str)] = &[
    ("16 B", "masked, 32 per flush, 16 B"),
    ("125 B", "masked, 32 per flush, 125 B"),
    ("1 KiB", "masked, 32 per flush, 1 KiB"),
    ("16 KiB", "masked, 32 per flush, 16 KiB"),
];
