//! Heads of the opening handshake, and what follows them.

use websocket_proto::{
    Config, Limits,
    handshake::{Accept, ClientHandshake, ClientRequest, HandshakeError, Headers, ServerHandshake},
};

use crate::every_cut;

const REQUEST: &str = "GET /c HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const RESPONSE: &str = "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// The ids, the part of the head to replace, its replacement, and the resulting status: 0 if there is no answer.
pub(super) type Row = (&'static str, &'static str, &'static str, u16);

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const END: &str = "13\r\n\r\n";

pub(super) const REQUESTS: &[Row] = &[
    (
        "HS-S-32 HS-S-33 HS-S-34 HS-S-35 HS-S-37 HS-S-40 HS-S-41 HS-S-42",
        "",
        "",
        101,
    ),
    ("HS-S-01", "GET", "POST", 405),
    ("HS-S-02", "HTTP/1.1", "HTTP/1.0", 505),
    ("HS-S-03", "/c", "http://b/c?d", 101),
    ("HS-S-03", "/c", "c", 400),
    ("HS-S-05", "Host", "Ho\u{1}st", 400),
    (
        "HS-S-06",
        "Host: a\r\nUpgrade: websocket\r\n",
        "Upgrade: websocket\r\nHost: a\r\n",
        101,
    ),
    ("HS-S-07", "Upgrade: websocket", "uPGRADE: websocket", 101),
    ("HS-S-08", "Host: a\r\n", "Host: a\r\nX: y\r\n", 101),
    ("HS-S-09", "Host: a\r\n", "", 400),
    ("HS-S-10", ": websocket", ": h2c, WebSocket", 101),
    ("HS-S-10", ": websocket", ": h2c", 426),
    ("HS-S-11", ": Upgrade", ": keep-alive ,\tupgrade", 101),
    (
        "HS-S-12",
        "Connection: Upgrade",
        "Connection: close\r\nConnection: Upgrade",
        101,
    ),
    ("HS-S-13", ": websocket", ": websockets", 426),
    ("HS-S-14", ": websocket", ": webſocket", 426),
    ("HS-S-15", KEY, "", 400),
    (
        "HS-S-16",
        VERSION,
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        400,
    ),
    ("HS-S-17", "ZQ==", "Z===", 400),
    ("HS-S-18", "dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==", 101),
    ("HS-S-19", "Key: ", "Key: \t ", 101),
    ("HS-S-20", VERSION, "", 426),
    ("HS-S-21", ": 13", ": 8", 426),
    ("HS-S-22", ": 13", ": 013", 426),
    (
        "HS-S-23",
        VERSION,
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n",
        400,
    ),
    (
        "HS-S-24",
        END,
        "13\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n\r\n",
        101,
    ),
    ("HS-S-25", END, "13\r\nSec-WebSocket-Protocol: a b\r\n\r\n", 400),
    ("HS-S-26", END, "13\r\nSec-WebSocket-Protocol: a, a\r\n\r\n", 400),
    (
        "HS-S-27 EXT-05",
        END,
        "13\r\nSec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: b;c\r\n\r\n",
        101,
    ),
    ("HS-S-28 EXT-03", END, "13\r\nSec-WebSocket-Extensions: a;\r\n\r\n", 400),
    (
        "HS-S-29 EXT-01 EXT-06 EXT-08",
        END,
        "13\r\nSec-WebSocket-Extensions: a ; b=c , d;e=\"f\"\r\n\r\n",
        101,
    ),
    (
        "EXT-02",
        END,
        "13\r\nSec-WebSocket-Extensions: a;b=\"c d\"\r\n\r\n",
        400,
    ),
    ("EXT-04", END, "13\r\nSec-WebSocket-Extensions: ,a,,b,\r\n\r\n", 101),
    (
        "EXT-09",
        END,
        "13\r\nSec-WebSocket-Extensions: __proto__;constructor\r\n\r\n",
        101,
    ),
    ("HS-S-30", END, "13\r\nOrigin: http://b\r\n\r\n", 101),
    (
        "HS-S-31",
        END,
        "13\r\nOrigin: http://b\r\nOrigin: http://b\r\n\r\n",
        400,
    ),
    ("HS-S-43", "\r\n\r\n", "\r\n\r\n\u{1}\u{2}GET / HTTP/1.1\r\n\r\n", 101),
    ("HS-S-46", "Host:", "Host :", 400),
    ("HS-S-47", "Host: a", "Host: a\r\n b", 400),
    ("HS-S-48", "Host: a", "Host: a\0b", 400),
    ("HS-S-49", "Host: a", "Host: a\r\nX: \u{e9}", 101),
    ("HS-S-50", "GET", "\r\n\r\nGET", 101),
    ("HS-S-51", "Host: a", "Host: a\r\nContent-Length: 5", 400),
    (
        "HS-S-52",
        "Host: a",
        "Host: a\r\nX: 1\r\nX: 2\r\nX: 3\r\nX: 4\r\nX: 5\r\nX: 6\r\nX: 7\r\nX: 8",
        431,
    ),
    ("HS-S-53", "Host: a\r\n", "Host: a\r\nX:\r\nY:\r\n", 101),
    ("HS-S-55", "\r\n\r\n", "\r\n", 0),
    ("SEC-07", "GET", "\u{16}\u{3}\u{1}", 400),
    (
        "PMD-01 PMD-08",
        END,
        "13\r\nSec-WebSocket-Extensions: permessage-deflate;x\r\n\r\n",
        101,
    ),
    (
        "PMD-02 PMD-03 PMD-04 PMD-05 PMD-07 PMD-09",
        END,
        "13\r\nSec-WebSocket-Extensions: permessage-deflate;client_max_window_bits;client_max_window_bits,\
         permessage-deflate;server_no_context_takeover=1,permessage-deflate;server_max_window_bits=16,\
         permessage-deflate;client_max_window_bits=08,permessage-deflate\r\n\r\n",
        101,
    ),
    (
        "PMD-06 PMD-10 PMD-11 PMD-12 PMD-13 PMD-14",
        END,
        "13\r\nSec-WebSocket-Extensions: permessage-deflate;server_max_window_bits=\"10\";client_max_window_bits;\
         server_no_context_takeover;client_no_context_takeover\r\n\r\n",
        101,
    ),
];

/// The same for responses: 101 means an open connection, 0 a failure.
pub(super) const RESPONSES: &[Row] = &[
    ("HS-C-35 PMD-22", "", "", 101),
    ("HS-C-21", "101 S", "401 No", 401),
    (
        "HS-C-21 HS-C-42",
        "101 S\r\n",
        "426 No\r\nContent-Length: 0\r\nSec-WebSocket-Version: 8\r\n",
        426,
    ),
    ("HS-C-22", "HTTP/1.1 101", "HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 101", 101),
    ("HS-C-23", "HTTP/1.1 101", "HTTP/1.1 10", 0),
    ("HS-C-24", ": websocket", ": websocket, h2c", 0),
    ("HS-C-24", ": websocket", ": WebSocket", 101),
    ("HS-C-25", ": Upgrade", ": close", 0),
    ("HS-C-26", "s3p", "S3p", 0),
    (
        "HS-C-27",
        "xOo=\r\n",
        "xOo=\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        0,
    ),
    ("HS-C-28", "xOo=\r\n", "xOo=\r\nSec-WebSocket-Extensions: x\r\n", 0),
    ("HS-C-29", "xOo=\r\n", "xOo=\r\nSec-WebSocket-Extensions: x;\r\n", 0),
    (
        "HS-C-30 HS-C-31",
        "xOo=\r\n",
        "xOo=\r\nSec-WebSocket-Extensions: y\r\nSec-WebSocket-Extensions: y\r\n",
        0,
    ),
    ("HS-C-32", "xOo=\r\n", "xOo=\r\nSec-WebSocket-Protocol: b\r\n", 0),
    (
        "HS-C-33",
        "xOo=\r\n",
        "xOo=\r\nSec-WebSocket-Protocol: chat, chat\r\n",
        0,
    ),
    ("HS-C-34", "xOo=\r\n", "xOo=\r\nSec-WebSocket-Protocol: Chat\r\n", 0),
    (
        "HS-C-36",
        "Upgrade: websocket\r\n",
        "X: y\r\nuPGRADE: websocket\r\n",
        101,
    ),
    ("HS-C-37", ": websocket", ": web\u{e9}", 0),
    ("HS-C-38", "\r\n\r\n", "\r\n\r\n\u{1}\u{2}HTTP/1.1\r\n\r\n", 101),
    ("HS-C-40", "\r\n\r\n", "\r\n", 0),
    (
        "HS-C-41",
        "\r\n\r\n",
        "\r\nX: 1\r\nX: 2\r\nX: 3\r\nX: 4\r\nX: 5\r\nX: 6\r\nX: 7\r\nX: 8\r\nX: 9\r\nX: 10\r\n\r\n",
        0,
    ),
    (
        "PMD-15",
        "xOo=\r\n",
        "xOo=\r\nSec-WebSocket-Extensions: permessage-deflate;x\r\n",
        0,
    ),
    (
        "PMD-16",
        "xOo=\r\n",
        "xOo=\r\nSec-WebSocket-Extensions: permessage-deflate;client_max_window_bits\r\n",
        0,
    ),
    (
        "PMD-17",
        "xOo=\r\n",
        "xOo=\r\nSec-WebSocket-Extensions: permessage-deflate;server_max_window_bits=16\r\n",
        0,
    ),
    (
        "PMD-18",
        "xOo=\r\n",
        "xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        0,
    ),
    (
        "PMD-19",
        "xOo=\r\n",
        "xOo=\r\nSec-WebSocket-Extensions: permessage-deflate;server_no_context_takeover;client_no_context_takeover\r\n",
        101,
    ),
];

fn config() -> Config {
    let config = Config::new().limits(Limits::new().max_head_fields(12));
    #[cfg(feature = "deflate")]
    let config = {
        use websocket_proto::{DeflateConfig, OfferPolicy};

        config.deflate(DeflateConfig::new().offer_policy(OfferPolicy::Strict))
    };
    config
}

/// The outcome, the status, and the bytes after the head.
type Outcome = (String, u16, Vec<u8>);

fn fields(headers: &Headers) -> Vec<(&str, &[u8])> {
    headers.iter().collect()
}

fn status(response: &[u8]) -> u16 {
    let digits = response.get(9..12).map(String::from_utf8_lossy);
    digits.map_or(0, |digits| digits.parse().expect("a status"))
}

fn serve(pieces: &[&[u8]]) -> Outcome {
    let mut handshake = ServerHandshake::new(&config());
    for (n, piece) in pieces.iter().enumerate() {
        match handshake.receive(piece) {
            Ok(None) => {}
            Ok(Some(request)) => {
                let accepted = request.accept(Accept::new()).expect("nothing is selected");
                let answer = String::from_utf8_lossy(accepted.response()).into_owned();
                let about = format!("{} {:?} {answer}", request.target(), fields(request.headers()));
                let status = status(accepted.response());
                let mut leftover = accepted.into_negotiated().leftover().to_vec();
                leftover.extend(pieces[n + 1..].concat());
                return (about, status, leftover);
            }
            Err(error) => {
                let response = error.response().unwrap_or_default();
                let about = format!("{error:?} {}", String::from_utf8_lossy(&response));
                return (about, status(&response), Vec::new());
            }
        }
    }
    (format!("{:?}", handshake.receive_eof()), 0, Vec::new())
}

fn connect(pieces: &[&[u8]]) -> Outcome {
    let request: ClientRequest = "ws://a/c".parse().unwrap();
    let request = request.subprotocol("chat");
    let mut handshake = ClientHandshake::new(request, *b"the sample nonce", &config()).unwrap();
    for (n, piece) in pieces.iter().enumerate() {
        match handshake.receive(piece) {
            Ok(None) => {}
            Ok(Some(response)) => {
                let about = format!(
                    "{:?} {:?} {:?}",
                    fields(response.headers()),
                    response.subprotocol(),
                    response.deflate()
                );
                let mut leftover = response.into_negotiated().leftover().to_vec();
                leftover.extend(pieces[n + 1..].concat());
                return (about, 101, leftover);
            }
            Err(error) => return failed(&error),
        }
    }
    failed(&handshake.receive_eof())
}

fn failed(error: &HandshakeError) -> Outcome {
    match error {
        HandshakeError::Refused(refusal) => (
            format!("{:?}", fields(refusal.headers())),
            refusal.status(),
            refusal.body().to_vec(),
        ),
        error => (format!("{error:?}"), 0, Vec::new()),
    }
}

fn check(rows: &[Row], head: &str, run: fn(&[&[u8]]) -> Outcome) {
    for (ids, old, new, status) in rows {
        if ids.starts_with("PMD") && !cfg!(feature = "deflate") {
            continue;
        }
        let bytes = match *old {
            "" => head.to_owned(),
            old => head.replacen(old, new, 1),
        };
        assert!(old.is_empty() || bytes != head, "{ids}: nothing was replaced");
        let outcome = every_cut(ids, bytes.as_bytes(), run);
        assert_eq!(outcome.1, *status, "{ids}: {outcome:?}");
    }
}

/// HS-S-53: requests give the same result under every cut and every pair of cuts.
#[test]
fn cuts_do_not_change_requests() {
    check(REQUESTS, REQUEST, serve);
}

/// HS-C-38: responses give the same result under every cut and every pair of cuts.
#[test]
fn cuts_do_not_change_responses() {
    check(RESPONSES, RESPONSE, connect);
}
