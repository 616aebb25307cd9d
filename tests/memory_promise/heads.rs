//! The opening handshake: endless heads, and heads that are as expensive as possible.

use allocation_counter::measure;
use websocket_proto::{
    Config, Limits,
    handshake::{Accept, ClientHandshake, ServerHandshake},
};

use crate::{assert_kept, promise};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// A list of different short elements.
fn elements(len: usize, separator: &str) -> String {
    let names = (0..).map(|n: u32| format!("{n:x}"));
    let mut list = String::from("x");
    for name in names {
        if list.len() + separator.len() + name.len() > len {
            return list;
        }
        list.push_str(separator);
        list.push_str(&name);
    }
    list
}

/// Everything that can follow the header fields.
fn tails(limits: &Limits) -> Vec<(&'static str, String)> {
    let room = limits.max_head_size - 400;
    let field = |name: &str, value: &str| format!("{name}: {value}\r\n");
    let many: String = (0..limits.max_head_fields - 10)
        .map(|n| field(&format!("x{n}"), "y"))
        .collect();
    vec![
        ("nothing", "\r\n".into()),
        ("an endless value", field("x", &"y".repeat(2 * limits.max_head_size))),
        ("an endless name", "x".repeat(2 * limits.max_head_size)),
        ("endless fields", field("x", "y").repeat(2 * limits.max_head_fields)),
        ("as many fields as there may be", many + "\r\n"),
        ("a long value", field("x", &"y".repeat(room)) + "\r\n"),
        (
            "subprotocols",
            field("Sec-WebSocket-Protocol", &elements(room, ",")) + "\r\n",
        ),
        (
            "extensions",
            field("Sec-WebSocket-Extensions", &elements(room, ",")) + "\r\n",
        ),
        (
            "parameters",
            field("Sec-WebSocket-Extensions", &elements(room, ";")) + "\r\n",
        ),
        (
            "offers of compression",
            field("Sec-WebSocket-Extensions", &"permessage-deflate;a,".repeat(room / 21)) + "\r\n",
        ),
        (
            "parameters in quotes",
            field(
                "Sec-WebSocket-Extensions",
                &format!("x{}", ";a=\"\\b\"".repeat(room / 7)),
            ) + "\r\n",
        ),
    ]
}

/// SEC-07, HS-S-52, HS-C-41: for every head, at both ends and however it is cut.
#[test]
fn handshakes_keep_the_promise() {
    for limits in [Limits::new(), Limits::new().max_head_size(2000).max_head_fields(20)] {
        let config = Config::new().limits(limits);
        let promise = promise::handshake(&limits);
        for (name, tail) in tails(&limits) {
            for width in [1, 700, usize::MAX] {
                let bytes = format!("{REQUEST}{tail}").into_bytes();
                let peak = measure(|| {
                    let mut handshake = ServerHandshake::new(&config);
                    for piece in bytes.chunks(width.min(2000)) {
                        match handshake.receive(piece) {
                            Ok(None) => {}
                            Ok(Some(request)) => drop(request.accept(Accept::new())),
                            Err(error) => drop(error.response()),
                        }
                    }
                });
                assert_kept(&format!("a request with {name}"), peak.bytes_max, promise, false);
                let bytes = format!("{RESPONSE}{tail}").into_bytes();
                let peak = measure(|| {
                    let request = "ws://a/".parse().unwrap();
                    let mut handshake = ClientHandshake::new(request, *b"the sample nonce", &config).unwrap();
                    for piece in bytes.chunks(width.min(2000)) {
                        drop(handshake.receive(piece));
                    }
                });
                assert_kept(&format!("a response with {name}"), peak.bytes_max, promise, false);
            }
        }
        let refusal = format!("HTTP/1.1 400 No\r\n\r\n{}", "why? ".repeat(100_000));
        let peak = measure(|| {
            let request = "ws://a/".parse().unwrap();
            let mut handshake = ClientHandshake::new(request, *b"the sample nonce", &config).unwrap();
            for piece in refusal.as_bytes().chunks(2000) {
                drop(handshake.receive(piece));
            }
        });
        assert_kept("an endless refusal", peak.bytes_max, promise, false);
    }
}
