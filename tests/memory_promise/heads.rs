//! The opening handshake: endless heads, and heads that are as expensive as possible.

use allocation_counter::measure;
use websocket_proto::{
    Config, Limits, Role,
    handshake::{Accept, ClientHandshake, ServerHandshake},
};

use crate::assert_kept;

/// Reads of an opening handshake, which must be no longer than the receive buffer.
const READ: usize = 2000;

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
            "the same subprotocols",
            field("Sec-WebSocket-Protocol", &"a,".repeat(room / 2)) + "\r\n",
        ),
        (
            "flags",
            field(
                "Sec-WebSocket-Extensions",
                &format!("permessage-deflate{}", ";a".repeat(room / 2 - 10)),
            ) + "\r\n",
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

/// A server with compression reads the parameters of what is offered.
fn with_and_without_deflate(config: &Config) -> Vec<Config> {
    #[cfg(feature = "deflate")]
    return vec![
        config.clone(),
        config.clone().deflate(websocket_proto::DeflateConfig::new()),
    ];
    #[cfg(not(feature = "deflate"))]
    return vec![config.clone()];
}

/// SEC-07, HS-S-52, HS-C-41: for every head, at both ends and however it is cut.
#[test]
fn handshakes_keep_the_promise() {
    for limits in [Limits::new(), Limits::new().max_head_size(2000).max_head_fields(20)] {
        let config = Config::new().limits(limits.recv_buffer_size(READ).max_message_size(0).output_high_water(1));
        let promise = |config: &Config, role| config.worst_case(role, 0).total();
        for (name, tail) in tails(&limits) {
            for width in [1, 700, usize::MAX] {
                let bytes = format!("{REQUEST}{tail}").into_bytes();
                for config in with_and_without_deflate(&config) {
                    let peak = measure(|| {
                        let mut handshake = ServerHandshake::new(&config);
                        for piece in bytes.chunks(width.min(READ)) {
                            match handshake.receive(piece) {
                                Ok(None) => {}
                                Ok(Some(request)) => drop(request.accept(Accept::new())),
                                Err(error) => drop(error.response()),
                            }
                        }
                    });
                    let promise = promise(&config, Role::Server);
                    assert_kept(&format!("a request with {name}"), peak.bytes_max, promise, false);
                }
                let promise = promise(&config, Role::Client);
                let bytes = format!("{RESPONSE}{tail}").into_bytes();
                let peak = measure(|| {
                    let request = "ws://a/".parse().unwrap();
                    let mut handshake = ClientHandshake::new(request, *b"the sample nonce", &config).unwrap();
                    for piece in bytes.chunks(width.min(READ)) {
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
            for piece in refusal.as_bytes().chunks(READ) {
                drop(handshake.receive(piece));
            }
        });
        let promise = promise(&config, Role::Client);
        assert_kept("an endless refusal", peak.bytes_max, promise, false);
    }
}
