//! A client that receives any response: cuts never change the result, an accepted response satisfies all the rules by a naive
//! check, and of a refusal at most the limit is stored.

use websocket_proto::{
    Config,
    handshake::{ClientHandshake, ClientRequest, Extension, HandshakeError, UpgradeResponse},
};

use super::{
    edits,
    handshake_server::{all, config, fields, has},
    raw::Cuts,
    rng::Rng,
};

const NONCE: [u8; 16] = *b"the sample nonce";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const RESPONSE: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

/// ```text
///   byte 0   1: the rest are edits of a good response, 2: compression is offered, 12: the limits,
///            16: a subprotocol is required, 32: the transport times out rather than end
///   byte 1   where the bytes are cut
/// ```
pub fn run(data: &[u8]) {
    let Some((&[flags, seed], rest)) = data.split_first_chunk() else {
        return;
    };
    let input = if flags & 1 == 1 {
        edits::head(&RESPONSE, rest)
    } else {
        rest.to_vec()
    };
    let config = config(flags);
    let mut request: ClientRequest = "ws://example.com/chat".parse().expect("a valid URI");
    request = request
        .subprotocol("chat")
        .subprotocol("superchat")
        .extension(Extension::new("foo").flag("a"));
    if flags & 16 != 0 {
        request = request.require_subprotocol();
    }
    let connect = |cuts| connect(&config, request.clone(), flags & 32 != 0, &input, cuts);
    let whole = connect(Cuts::Whole);
    let cut = connect(if seed == 0 {
        Cuts::Bytes
    } else {
        Cuts::Random(Rng::new(seed.into()))
    });
    assert_eq!(describe(&cut), describe(&whole));
    match &whole {
        Ok((response, leftover)) => {
            assert!(input.ends_with(leftover));
            check(&config, response, &input[..input.len() - leftover.len()]);
            assert!(flags & 16 == 0 || response.subprotocol().is_some());
        }
        Err(HandshakeError::Refused(refusal)) => {
            assert!(refusal.body().len() <= config.limits.max_error_body);
            assert!(
                !(100..200).contains(&refusal.status()) && refusal.status() < 1000,
                "{}",
                refusal.status()
            );
        }
        Err(error) => assert_ne!(format!("{error:?}"), "Ended"),
    }
}

/// A response and the bytes after it.
type Connected = Result<(UpgradeResponse, Vec<u8>), HandshakeError>;

fn connect(config: &Config, request: ClientRequest, late: bool, input: &[u8], mut cuts: Cuts) -> Connected {
    let mut handshake = ClientHandshake::new(request, NONCE, config).expect("a valid request");
    let mut done = 0;
    while done < input.len() {
        let n = cuts.next(done, input.len() - done);
        let received = handshake.receive(&input[done..done + n]);
        done += n;
        if !matches!(received, Ok(None)) {
            assert!(matches!(handshake.receive(b"x"), Err(HandshakeError::Ended)));
            assert!(matches!(handshake.handle_timeout(), HandshakeError::Ended));
        }
        if let Some(response) = received? {
            let mut leftover = response.clone().into_negotiated().leftover().to_vec();
            leftover.extend_from_slice(&input[done..]);
            return Ok((response, leftover));
        }
    }
    Err(if late {
        handshake.handle_timeout()
    } else {
        handshake.receive_eof()
    })
}

fn describe(connected: &Connected) -> String {
    match connected {
        Ok((response, leftover)) => format!(
            "{:?} {:?} {:?} {leftover:?}",
            response.headers(),
            response.subprotocol(),
            response.extensions().collect::<Vec<_>>(),
        ),
        Err(error) => format!("{error:?}"),
    }
}

/// §4.1, by a naive check of the last of the heads.
fn check(config: &Config, response: &UpgradeResponse, heads: &[u8]) {
    let last = heads.strip_suffix(b"\r\n\r\n").expect("an end");
    let before = last
        .windows(4)
        .rposition(|end| end == b"\r\n\r\n")
        .map_or(0, |end| end + 4);
    let head = &heads[before..];
    assert!(head.len() <= config.limits.max_head_size);
    let (start, fields) = fields(head);
    assert!(start.starts_with("HTTP/1.1 101"), "{start}");
    assert!(fields.len() <= config.limits.max_head_fields);
    assert!(has(&all(&fields, "upgrade"), "websocket"));
    assert!(has(&all(&fields, "connection"), "upgrade"));
    assert_eq!(all(&fields, "sec-websocket-accept"), [ACCEPT]);
    let selected = all(&fields, "sec-websocket-protocol");
    assert!(selected.len() <= 1 && selected.first().copied() == response.subprotocol());
    assert!(matches!(response.subprotocol(), None | Some("chat" | "superchat")));
    for extension in response.extensions() {
        let is_deflate = extension.name() == "permessage-deflate";
        assert!(extension.name() == "foo" || is_deflate);
        assert!(!is_deflate || response.deflate().is_some());
    }
    assert_eq!(response.headers().len(), fields.len());
}
