//! The contents of the plots.

use super::tables::DEFLATE;
use crate::{codec, deflate, echo, handshake, memory, scale, stream};

/// A plot with a panel for each workload.
pub struct Bars {
    pub name: &'static str,
    pub title: &'static str,
    pub section: &'static str,
    pub metric: &'static str,
    /// The heading of each panel, and its workload.
    pub workloads: &'static [(&'static str, &'static str)],
}

/// A plot with a line for each subject.
pub struct Lines {
    pub name: &'static str,
    pub title: &'static str,
    pub section: &'static str,
    pub metric: &'static str,
    pub x: &'static str,
    pub points: &'static [(f64, &'static str)],
    pub subjects: &'static [&'static str],
    /// Smaller values are drawn here, because a logarithmic scale has no zero.
    pub floor: f64,
}

pub const BARS: &[Bars] = &[
    Bars {
        name: "echo",
        title: "Loopback echo: server CPU, µs a message (less is better)",
        section: echo::SECTION,
        metric: "cpu µs",
        workloads: &[
            ("100 connections, one message in flight, 125 B", "100×1 125 B"),
            ("100 connections, one message in flight, 1 KiB", "100×1 1 KiB"),
            ("10 connections, 32 messages in flight, 64 B", "10×32 64 B"),
            ("10 connections, 64 KiB", "10×1 64 KiB"),
        ],
    },
    Bars {
        name: "deflate",
        title: "permessage-deflate echo: server CPU, µs a message (less is better)",
        section: deflate::SECTION,
        metric: "cpu µs",
        workloads: DEFLATE,
    },
    Bars {
        name: "handshake",
        title: "Handshakes: server CPU, µs each (less is better)",
        section: handshake::SECTION,
        metric: "cpu µs",
        workloads: &[("connect, upgrade, close", "")],
    },
    Bars {
        name: "memory",
        title: "Idle memory: bytes of RSS a connection (less is better)",
        section: memory::SECTION,
        metric: "bytes",
        workloads: &[
            ("after an echo of 1 KiB", "after an echo"),
            ("after an echo of 1 KiB, permessage-deflate", "after an echo, deflate"),
        ],
    },
    Bars {
        name: "receive",
        title: "In memory: receiving, ns a message (less is better)",
        section: codec::RECEIVE,
        metric: "ns",
        workloads: &[
            ("masked binary, 16 B", "masked binary, 16 B"),
            ("masked binary, 1 KiB", "masked binary, 1 KiB"),
            (
                "masked text, 1 KiB, characters of all lengths",
                "masked text, mixed, 1 KiB",
            ),
            (
                "masked binary, 64 KiB in fragments",
                "masked binary, 64 KiB in fragments of 1 KiB",
            ),
        ],
    },
    Bars {
        name: "send",
        title: "In memory: sending 32 messages a flush, ns a message (less is better)",
        section: codec::SEND,
        metric: "ns",
        workloads: &[
            ("server, 16 B", "unmasked, 32 per flush, 16 B"),
            ("server, 1 KiB", "unmasked, 32 per flush, 1 KiB"),
            ("client, 16 B", "masked, 32 per flush, 16 B"),
            ("client, 1 KiB", "masked, 32 per flush, 1 KiB"),
        ],
    },
];

pub const LINES: &[Lines] = &[
    Lines {
        name: "scale",
        title: "1 % of the connections active: server CPU, µs a message",
        section: scale::SECTION,
        metric: "cpu µs",
        x: "connections",
        points: &[
            (1.0, "1"),
            (10.0, "10"),
            (100.0, "100"),
            (1000.0, "1,000"),
            (10_000.0, "10,000"),
        ],
        subjects: &[
            "raw-epoll",
            "raw-uring",
            "raw-tokio",
            "ours-tokio",
            "ours-mio",
            "ours-uring",
            "tokio-tungstenite",
            "tokio-websockets",
            "wtx",
            "sockudo-ws",
        ],
        floor: 0.0,
    },
    Lines {
        name: "stream",
        title: "Echo of one message: peak growth of the server's memory, MiB",
        section: stream::SECTION,
        metric: "peak MiB",
        x: "size of the message, MiB",
        points: &[(1.0, "1 MiB"), (16.0, "16 MiB"), (256.0, "256 MiB"), (1024.0, "1 GiB")],
        subjects: &[
            "raw-tokio",
            "ours-tokio",
            "ours-tokio-streamed",
            "tokio-tungstenite",
            "tokio-websockets",
            "fastwebsockets",
            "wtx",
        ],
        floor: 0.1,
    },
];
