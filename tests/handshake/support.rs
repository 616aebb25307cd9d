//! Heads that tests modify, and runs of a handshake that must not depend on how the bytes are cut.

use websocket_proto::{
    Config,
    handshake::{
        Accept, ClientHandshake, ClientRequest, HandshakeError, ServerHandshake, UpgradeRequest, UpgradeResponse,
    },
};

/// The nonce of the key in the RFC's example, and the accept value that belongs to it.
pub(crate) const NONCE: [u8; 16] = *b"the sample nonce";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Heads up to this length are cut at every position; longer ones at some positions.
const CUT_EVERYWHERE: usize = 700;

/// A head as a list of lines.
#[derive(Clone)]
pub(crate) struct Head {
    lines: Vec<Vec<u8>>,
}

impl Head {
    /// A short, valid request.
    pub(crate) fn request() -> Self {
        Self::new("GET /chat HTTP/1.1")
            .add("Host: example.com")
            .add("Upgrade: websocket")
            .add("Connection: Upgrade")
            .add("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
            .add("Sec-WebSocket-Version: 13")
    }

    /// A short, valid response to [`NONCE`].
    pub(crate) fn response() -> Self {
        Self::new("HTTP/1.1 101 Switching Protocols")
            .add("Upgrade: websocket")
            .add("Connection: Upgrade")
            .add(format!("Sec-WebSocket-Accept: {ACCEPT}"))
    }

    pub(crate) fn new(start_line: impl AsRef<[u8]>) -> Self {
        Self { lines: Vec::new() }.add(start_line)
    }

    pub(crate) fn add(mut self, line: impl AsRef<[u8]>) -> Self {
        self.lines.push(line.as_ref().to_vec());
        self
    }

    pub(crate) fn start_line(mut self, line: impl AsRef<[u8]>) -> Self {
        self.lines[0] = line.as_ref().to_vec();
        self
    }

    /// Removes all fields with that name.
    pub(crate) fn without(mut self, name: &str) -> Self {
        let start = format!("{name}:").into_bytes();
        self.lines.retain(|line| !line.starts_with(&start));
        self
    }

    /// Replaces all fields with that name by one, or adds it.
    pub(crate) fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let line = [name.as_bytes(), b": ", value.as_ref()].concat();
        self.without(name).add(line)
    }

    pub(crate) fn map(mut self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Self {
        change(&mut self.lines);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.lines.join(&b"\r\n"[..]);
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes
    }
}

impl From<Head> for Vec<u8> {
    fn from(head: Head) -> Self {
        head.bytes()
    }
}

/// A request, and the bytes after its head.
pub(crate) type Served = Result<(UpgradeRequest, Vec<u8>), HandshakeError>;

/// Runs a server on `input`, followed by the end of the transport, under many segmentations.
pub(crate) fn serve(input: impl Into<Vec<u8>>) -> Served {
    serve_with(&Config::new(), input)
}

pub(crate) fn serve_with(config: &Config, input: impl Into<Vec<u8>>) -> Served {
    let describe = |result: &Served| match result {
        Ok((request, leftover)) => format!("{} {leftover:?}", describe_request(request)),
        Err(error) => format!("{error:?}"),
    };
    under_segmentations(&input.into(), |pieces| serve_pieces(config, pieces), describe)
}

fn serve_pieces(config: &Config, pieces: &[&[u8]]) -> Served {
    let mut handshake = ServerHandshake::new(config);
    for (index, piece) in pieces.iter().enumerate() {
        match handshake.receive(piece) {
            Ok(None) => {}
            Ok(Some(request)) => {
                assert!(matches!(handshake.receive(b"x"), Err(HandshakeError::Ended)));
                assert!(matches!(handshake.receive_eof(), HandshakeError::Ended));
                let accepted = request.accept(Accept::new()).expect("nothing is selected");
                let mut leftover = accepted.into_negotiated().leftover().to_vec();
                leftover.extend(pieces[index + 1..].concat());
                return Ok((request, leftover));
            }
            Err(error) => {
                assert!(matches!(handshake.receive(piece), Err(HandshakeError::Ended)));
                assert!(matches!(handshake.handle_timeout(), HandshakeError::Ended));
                return Err(error);
            }
        }
    }
    Err(handshake.receive_eof())
}

fn describe_request(request: &UpgradeRequest) -> String {
    format!(
        "{} {} {} {:?} {} {:?} {:?} {:?} {:?}",
        request.method(),
        request.target(),
        request.path(),
        request.query(),
        request.host(),
        request.origin(),
        request.headers(),
        request.subprotocols().collect::<Vec<_>>(),
        request.extensions().collect::<Vec<_>>(),
    )
}

/// The status with which a server refuses `input`.
pub(crate) fn status(input: impl Into<Vec<u8>>) -> u16 {
    let error = serve(input).expect_err("an invalid request");
    error.status().unwrap_or_else(|| panic!("{error:?} has no status"))
}

/// The bytes with which a server answers a valid request.
pub(crate) fn answer(input: impl Into<Vec<u8>>, accept: Accept) -> String {
    let (request, _) = serve(input).expect("a valid request");
    let accepted = request.accept(accept).expect("a valid answer");
    String::from_utf8(accepted.response().to_vec()).expect("an ASCII response")
}

/// A response, and the bytes after its head.
pub(crate) type Connected = Result<(UpgradeResponse, Vec<u8>), HandshakeError>;

/// A client's request without anything special.
pub(crate) fn plain_request() -> ClientRequest {
    "ws://example.com/chat".parse().expect("a valid URI")
}

/// Runs a client with a plain request on the answer `input`.
pub(crate) fn connect(input: impl Into<Vec<u8>>) -> Connected {
    connect_with(&Config::new(), &plain_request(), input)
}

/// Runs a client on the answer `input`, followed by the end of the transport, under many segmentations.
pub(crate) fn connect_with(config: &Config, request: &ClientRequest, input: impl Into<Vec<u8>>) -> Connected {
    let describe = |result: &Connected| match result {
        Ok((response, leftover)) => format!(
            "{:?} {:?} {:?} {leftover:?}",
            response.headers(),
            response.subprotocol(),
            response.extensions().collect::<Vec<_>>(),
        ),
        Err(error) => format!("{error:?}"),
    };
    let run = |pieces: &[&[u8]]| connect_pieces(config, request.clone(), pieces);
    under_segmentations(&input.into(), run, describe)
}

fn connect_pieces(config: &Config, request: ClientRequest, pieces: &[&[u8]]) -> Connected {
    let mut handshake = ClientHandshake::new(request, NONCE, config).expect("a valid request");
    for (index, piece) in pieces.iter().enumerate() {
        match handshake.receive(piece) {
            Ok(None) => {}
            Ok(Some(response)) => {
                assert!(matches!(handshake.receive(b"x"), Err(HandshakeError::Ended)));
                assert!(matches!(handshake.receive_eof(), HandshakeError::Ended));
                let mut leftover = response.clone().into_negotiated().leftover().to_vec();
                leftover.extend(pieces[index + 1..].concat());
                return Ok((response, leftover));
            }
            Err(error) => {
                assert!(matches!(handshake.receive(piece), Err(HandshakeError::Ended)));
                assert!(matches!(handshake.handle_timeout(), HandshakeError::Ended));
                return Err(error);
            }
        }
    }
    Err(handshake.receive_eof())
}

/// The bytes of a request that a client sends.
pub(crate) fn sent(request: ClientRequest) -> String {
    let handshake = ClientHandshake::new(request, NONCE, &Config::new()).expect("a valid request");
    String::from_utf8(handshake.request().to_vec()).expect("an ASCII request")
}

/// Runs on `input` whole, byte by byte, in two pieces for every cut, and in random pieces. All results must be equal.
fn under_segmentations<T>(input: &[u8], run: impl Fn(&[&[u8]]) -> T, describe: impl Fn(&T) -> String) -> T {
    let whole = run(&[input]);
    let expected = describe(&whole);
    let check = |pieces: &[&[u8]]| assert_eq!(describe(&run(pieces)), expected, "in {} pieces", pieces.len());

    check(&input.chunks(1).collect::<Vec<_>>());
    let mut random = Random::new(input.len() as u64);
    if input.len() <= CUT_EVERYWHERE {
        (0..=input.len()).for_each(|cut| check(&[&input[..cut], &input[cut..]]));
    } else {
        for _ in 0..32 {
            let cut = random.below(input.len());
            check(&[&input[..cut], &input[cut..]]);
        }
    }
    for _ in 0..8 {
        let longest = 1 + random.below(64);
        let mut pieces = Vec::new();
        let mut rest = input;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + random.below(longest)).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        check(&pieces);
    }
    whole
}

/// A small generator of repeatable numbers.
struct Random(u64);

impl Random {
    const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % end
    }
}
