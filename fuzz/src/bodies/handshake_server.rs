//! A server that receives any request: cuts never change the result, every error has an answer, and an accepted request satisfies
//! all the rules by a naive check and gets an answer that a client accepts.

use websocket_proto::{
    Config, DeflateConfig, Limits, Role,
    handshake::{
        Accept, ClientHandshake, ClientRequest, HandshakeError, OriginPolicy, Rejection, ServerHandshake,
        UpgradeRequest,
    },
};

use super::{edits, raw::Cuts, rng::Rng};

const REQUEST: [&str; 6] = [
    "GET /chat HTTP/1.1",
    "Host: example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// ```text
///   byte 0   1: the rest are edits of a good request, 2: compression may be negotiated, 12: the limits
///   byte 1   where the bytes are cut
/// ```
pub fn run(data: &[u8]) {
    let Some((&[flags, seed], rest)) = data.split_first_chunk() else {
        return;
    };
    let input = if flags & 1 == 1 {
        edits::head(&REQUEST, rest)
    } else {
        rest.to_vec()
    };
    let config = config(flags);
    let whole = serve(&config, &input, Cuts::Whole);
    let cuts = if seed == 0 {
        Cuts::Bytes
    } else {
        Cuts::Random(Rng::new(seed.into()))
    };
    let cut = serve(&config, &input, cuts);
    assert_eq!(describe(&cut), describe(&whole));
    match whole {
        Ok((request, leftover)) => {
            assert!(input.ends_with(&leftover));
            check_head(&config, &request, &input[..input.len() - leftover.len()]);
            check_answers(&config, &request);
        }
        Err(HandshakeError::Eof) => {
            assert!(
                input.len() <= config.limits.max_head_size,
                "more is held than the limit"
            );
        }
        Err(error) => {
            let response = error.response().expect("an answer");
            let start = format!("HTTP/1.1 {} ", error.status().expect("a status"));
            assert!(response.starts_with(start.as_bytes()) && response.ends_with(b"\r\n\r\n"));
        }
    }
}

pub fn config(flags: u8) -> Config {
    let limits = match flags >> 2 & 3 {
        0 => Limits::new(),
        1 => Limits::new().max_head_size(300),
        2 => Limits::new().max_head_fields(8),
        _ => Limits::new().max_head_size(170).max_head_fields(5).max_error_body(10),
    };
    let config = Config::new().limits(limits);
    if flags & 2 == 2 { compressing(config) } else { config }
}

#[cfg(feature = "deflate")]
fn compressing(config: Config) -> Config {
    config.deflate(DeflateConfig::context_takeover())
}

#[cfg(not(feature = "deflate"))]
fn compressing(config: Config) -> Config {
    let _ = DeflateConfig::context_takeover();
    config
}

/// A request and the bytes after it.
type Served = Result<(UpgradeRequest, Vec<u8>), HandshakeError>;

fn serve(config: &Config, input: &[u8], mut cuts: Cuts) -> Served {
    let mut handshake = ServerHandshake::new(config);
    let mut done = 0;
    while done < input.len() {
        let n = cuts.next(done, input.len() - done);
        let received = handshake.receive(&input[done..done + n]);
        done += n;
        if !matches!(received, Ok(None)) {
            assert!(matches!(handshake.receive(b"x"), Err(HandshakeError::Ended)));
            assert!(matches!(handshake.receive_eof(), HandshakeError::Ended));
        }
        if let Some(request) = received? {
            let accepted = request.accept(Accept::new()).expect("nothing is selected");
            let mut leftover = accepted.into_negotiated().leftover().to_vec();
            leftover.extend_from_slice(&input[done..]);
            return Ok((request, leftover));
        }
    }
    Err(handshake.receive_eof())
}

fn describe(served: &Served) -> String {
    match served {
        Ok((request, leftover)) => format!(
            "{} {} {} {:?} {} {:?} {:?} {:?} {:?} {leftover:?}",
            request.method(),
            request.target(),
            request.path(),
            request.query(),
            request.host(),
            request.origin(),
            request.headers(),
            request.subprotocols().collect::<Vec<_>>(),
            request.extensions().collect::<Vec<_>>(),
        ),
        Err(error) => format!("{error:?}"),
    }
}

/// The fields of a head that follows the grammar of RFC 9112, with lower-case names.
pub fn fields(head: &[u8]) -> (String, Vec<(String, String)>) {
    let text: String = head.iter().copied().map(char::from).collect();
    let text = text.strip_suffix("\r\n\r\n").expect("an end");
    // RFC 9112 §2.2: empty lines before a request are ignored.
    let mut lines = text.trim_start_matches("\r\n").split("\r\n");
    let start = lines.next().expect("a first line").to_owned();
    let fields = lines.map(|line| {
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        let (name, value) = line.split_once(':').expect("a colon");
        assert!(
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)),
            "{name:?}"
        );
        (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned())
    });
    (start, fields.collect())
}

/// All values of a field.
pub fn all<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    fields
        .iter()
        .filter(|(have, _)| have == name)
        .map(|(_, value)| &**value)
        .collect()
}

/// Whether a list contains this element, case-insensitively.
pub fn has(values: &[&str], wanted: &str) -> bool {
    values
        .iter()
        .flat_map(|value| value.split(','))
        .any(|element| element.trim_matches([' ', '\t']).eq_ignore_ascii_case(wanted))
}

/// §4.2.1, by a naive check.
fn check_head(config: &Config, request: &UpgradeRequest, head: &[u8]) {
    assert!(head.len() <= config.limits.max_head_size);
    let (start, fields) = fields(head);
    assert!(fields.len() <= config.limits.max_head_fields);
    let mut start = start.split(' ');
    assert_eq!(start.next(), Some("GET"));
    assert_eq!(start.next(), Some(request.target()));
    assert!(matches!(start.next(), Some("HTTP/1.1")));
    assert_eq!(start.next(), None);
    assert!(request.path().starts_with('/') && !request.target().contains('#'));
    assert_eq!(all(&fields, "host").len(), 1);
    assert!(!request.host().is_empty());
    assert!(has(&all(&fields, "upgrade"), "websocket"));
    assert!(has(&all(&fields, "connection"), "upgrade"));
    assert_eq!(all(&fields, "sec-websocket-version"), ["13"]);
    let key = all(&fields, "sec-websocket-key");
    assert_eq!(key.len(), 1);
    assert_eq!(key[0].len(), 24);
    assert!(all(&fields, "origin").len() <= 1);
    assert!(
        all(&fields, "content-length")
            .iter()
            .all(|len| len.bytes().all(|digit| digit == b'0'))
    );
    assert!(all(&fields, "transfer-encoding").is_empty());
    let offered: Vec<&str> = request.subprotocols().collect();
    assert!(offered.iter().enumerate().all(|(i, one)| !offered[..i].contains(one)));
    assert_eq!(request.headers().len(), fields.len());
}

/// Each way to accept gives an answer that is accepted by the client that sent this key and these offers.
fn check_answers(config: &Config, request: &UpgradeRequest) {
    let key = request.headers().get_bytes("sec-websocket-key").expect("a key");
    let nonce = decode_key(key);
    for subprotocol in [None, request.subprotocols().next()] {
        let mut accept = Accept::new().header("x-server", "fuzz");
        let mut client: ClientRequest = "ws://example.com/chat".parse().expect("a valid URI");
        if let Some(subprotocol) = subprotocol {
            accept = accept.subprotocol(subprotocol);
            client = client.subprotocol(subprotocol);
        }
        for extension in request.extensions() {
            client = client.extension(extension);
        }
        let accepted = request.accept(accept).expect("what was offered can be accepted");
        let mut client = ClientHandshake::new(client, nonce, &Config::new()).expect("a valid request");
        if !client.request().windows(24).any(|part| part == key) {
            // A key whose unused bits are set is valid, but no client of this crate sends one.
            continue;
        }
        let response = client
            .receive(accepted.response())
            .expect("a valid response")
            .expect("a whole response");
        assert_eq!(response.subprotocol(), subprotocol);
        let negotiated = accepted.into_negotiated();
        assert_eq!(
            (negotiated.role(), negotiated.subprotocol()),
            (Role::Server, subprotocol)
        );
        let agreed = response.extensions().next().is_some();
        assert_eq!(negotiated.deflate().is_some(), agreed);
        assert!(!agreed || has_deflate(config));
    }
    assert!(request.check_origin(&OriginPolicy::any()).is_ok());
    let same = request.check_origin(&OriginPolicy::same_origin()).is_ok();
    assert!(!same || request.origin().is_none_or(|origin| origin.contains("://")));
    assert!(
        request
            .reject(&Rejection::new(404))
            .is_ok_and(|bytes| bytes.starts_with(b"HTTP/1.1 404"))
    );
}

#[cfg(feature = "deflate")]
fn has_deflate(config: &Config) -> bool {
    config.deflate.is_some()
}

#[cfg(not(feature = "deflate"))]
fn has_deflate(_: &Config) -> bool {
    false
}

/// The nonce in a valid key.
fn decode_key(key: &[u8]) -> [u8; 16] {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("{key:?}"),
    };
    assert!(key.ends_with(b"=="));
    let bits = key[..22]
        .iter()
        .fold((Vec::new(), 0u32, 0), |(mut bytes, mut bits, mut count), byte| {
            bits = bits << 6 | u32::from(digit(*byte));
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
                bits &= (1 << count) - 1;
            }
            (bytes, bits, count)
        });
    bits.0.try_into().expect("16 bytes")
}
