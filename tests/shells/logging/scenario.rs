//! What a peer sends to an endpoint, and what the endpoint then logs.

use std::{sync::Arc, time::Duration};

use websocket_proto::{
    CloseCode, CloseFrame, Config, Entropy, EntropyError, Limits, Timers,
    handshake::{Accept, ClientRequest, Rejection, UpgradeRequest},
};

/// The longest time that a test waits for a deadline.
const SOON: Duration = Duration::from_millis(30);

/// An endpoint, its peer, and the expected lines.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    pub(crate) config: Config,
    /// What the peer sends.
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Then,
    /// Whether the endpoint closes the connection first.
    pub(crate) closes: bool,
    pub(crate) lines: &'static [&'static str],
}

/// What the peer does once it has sent everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It ends its side, and reads to the end.
    Ends,
    /// It reads to the end, and ends its side only then.
    Waits,
    /// It does neither, until the endpoint has ended.
    Stays,
}

pub(crate) type Decide = fn(&UpgradeRequest) -> Result<Accept, Rejection>;

pub(crate) enum Side {
    Server(Decide),
    Client(Box<ClientRequest>),
}

/// The Close that an endpoint sends.
pub(crate) const CLOSE: CloseFrame<'static> = CloseFrame::new(CloseCode::NORMAL, "own-reason");

/// A constant nonce, so that the peer knows the answer.
#[derive(Debug)]
struct Known;

impl Entropy for Known {
    fn fill(&self, dest: &mut [u8]) -> Result<(), EntropyError> {
        for (dest, byte) in dest.iter_mut().zip(b"the sample nonce".iter().cycle()) {
            *dest = *byte;
        }
        Ok(())
    }
}

pub(crate) const REQUEST: &str = "GET /chat?token=query-secret HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: x-known; level=parameter-secret, x-other\r\n\
    Origin: http://origin-secret\r\nCookie: id=cookie-secret\r\nAuthorization: Bearer bearer-secret\r\n\r\n";

pub(crate) const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: id=cookie-secret\r\n\
    Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x-known; level=parameter-secret\r\n\r\n";

/// Text that must not occur in any line: everything that is private to the endpoints and their peers.
pub(crate) const SECRETS: [&str; 6] = ["secret", "own-reason", "peer-reason", "token", "/chat", "example.com"];

const ACCEPTED: &str =
    "DEBUG handshake: handshake accepted role=\"server\" status=101 subprotocol=\"chat\" extensions=x-known";

fn accept(request: &UpgradeRequest) -> Result<Accept, Rejection> {
    let extension = request.extensions().next().expect("an offer");
    Ok(Accept::new().subprotocol("chat").extension(extension))
}

fn plain(_: &UpgradeRequest) -> Result<Accept, Rejection> {
    Ok(Accept::new())
}

fn reject(_: &UpgradeRequest) -> Result<Accept, Rejection> {
    Err(Rejection::new(401)
        .header("WWW-Authenticate", "Basic realm=\"realm-secret\"")
        .body("body-secret"))
}

fn mistake(_: &UpgradeRequest) -> Result<Accept, Rejection> {
    Ok(Accept::new().subprotocol("subprotocol-secret"))
}

fn impossible(_: &UpgradeRequest) -> Result<Accept, Rejection> {
    Err(Rejection::new(101))
}

/// A server that accepts the request, and what the client then sends.
fn server(name: &'static str, frames: &[u8], lines: &'static [&'static str]) -> Scenario {
    Scenario {
        name,
        side: Side::Server(accept),
        config: Config::new(),
        bytes: [REQUEST.as_bytes(), frames].concat(),
        then: Then::Ends,
        closes: false,
        lines,
    }
}

fn client(name: &'static str, bytes: impl Into<Vec<u8>>, lines: &'static [&'static str]) -> Scenario {
    let request: ClientRequest = "ws://user.example.com/chat?token=query-secret".parse().expect("a URI");
    let offer = |name| websocket_proto::handshake::Extension::new(name);
    let request = request
        .subprotocol("chat")
        .extension(offer("x-known").param("level", "parameter-secret"))
        .header("Cookie", "id=cookie-secret")
        .header("Authorization", "Bearer bearer-secret");
    Scenario {
        name,
        side: Side::Client(Box::new(request)),
        config: Config::new().entropy(Arc::new(Known)),
        bytes: bytes.into(),
        then: Then::Ends,
        closes: false,
        lines,
    }
}

impl Scenario {
    fn config(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change(self.config);
        self
    }

    fn limits(self, limits: Limits) -> Self {
        self.config(|config| config.limits(limits))
    }

    fn timers(self, timers: Timers) -> Self {
        self.config(|config| config.timers(timers)).then(Then::Waits)
    }

    fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    fn closes(mut self) -> Self {
        self.closes = true;
        self
    }

    fn decide(mut self, decide: Decide) -> Self {
        self.side = Side::Server(decide);
        self
    }

    fn request(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.bytes = change(REQUEST).into_bytes();
        self
    }
}

/// A frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).expect("a short payload");
    [&[first, 0x80 | len, 0, 0, 0, 0][..], payload].concat()
}

pub(crate) fn handshakes() -> Vec<Scenario> {
    let late = Timers::new().handshake(SOON);
    vec![
        server("a request that violates a rule", b"", &[
            "DEBUG handshake: handshake refused role=\"server\" status=405 error=request method cannot open a WebSocket connection",
        ])
        .request(|request| request.replace("GET", "POST")),
        server("a scanner", b"", &[
            "DEBUG handshake: handshake refused role=\"server\" status=400 error=the peer does not speak HTTP/1.1",
        ])
        .request(|_| "\u{16}\u{3}\u{1}".to_owned()),
        server("a client that disconnects", b"", &[
            "DEBUG handshake: handshake refused role=\"server\" error=connection ended during the opening handshake",
        ])
        .request(|request| request[..99].to_owned()),
        server("a head that is too large", b"", &[
            "DEBUG handshake: limit exceeded role=\"server\" limit=\"max_head_size\" max=100",
            "DEBUG handshake: handshake refused role=\"server\" status=431 error=HTTP head is too large",
        ])
        .limits(Limits::new().max_head_size(100)),
        server("a head with too many fields", b"", &[
            "DEBUG handshake: limit exceeded role=\"server\" limit=\"max_head_fields\" max=4",
            "DEBUG handshake: handshake refused role=\"server\" status=431 error=HTTP head has too many fields",
        ])
        .limits(Limits::new().max_head_fields(4)),
        server("a slow client", b"", &[
            "DEBUG handshake: deadline passed role=\"server\" timer=\"handshake\"",
            "DEBUG handshake: handshake refused role=\"server\" status=408 error=opening handshake timed out",
        ])
        .request(|request| request[..99].to_owned())
        .timers(late),
        server("a client that is rejected", b"", &[
            "DEBUG handshake: handshake refused role=\"server\" status=401 error=rejected by the application",
        ])
        .decide(reject),
        server("a decision that cannot be sent", b"", &[
            "INFO handshake: handshake refused role=\"server\" status=500 error=client did not offer the subprotocol",
        ])
        .decide(mistake),
        server("a rejection that cannot be sent", b"", &[
            "INFO handshake: handshake refused role=\"server\" status=500 error=status does not reject a request",
        ])
        .decide(impossible),
        server("nothing was negotiated", b"", &[
            "DEBUG handshake: handshake accepted role=\"server\" status=101",
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"peer\" \
             error=connection lost without a closing handshake",
        ])
        .decide(plain),
        client("a server that refuses", "HTTP/1.1 403 reason-secret\r\nX: field-secret\r\nContent-Length: 11\r\n\r\nbody-secret", &[
            "INFO handshake: handshake refused role=\"client\" status=403 error=server refused with status 403",
        ]),
        client("a server that disconnects", "HTTP/1.1 ", &[
            "INFO handshake: handshake refused role=\"client\" error=connection ended during the opening handshake",
        ]),
        client("a response that does not match", RESPONSE.replace("s3pP", "S3pP"), &[
            "INFO handshake: handshake refused role=\"client\" error=Sec-WebSocket-Accept does not match the key",
        ]),
        client("a slow server", "HTTP/1.1 ", &[
            "DEBUG handshake: deadline passed role=\"client\" timer=\"handshake\"",
            "INFO handshake: handshake refused role=\"client\" error=opening handshake timed out",
        ])
        .timers(late),
    ]
}

pub(crate) fn connections() -> Vec<Scenario> {
    let hello = frame(0x81, b"payload-secret");
    let close = frame(0x88, b"\x03\xE8peer-reason");
    vec![
        server("the client closes", &[hello.clone(), close.clone()].concat(), &[
            ACCEPTED,
            "DEBUG connection: connection closed role=\"server\" clean=true initiator=\"peer\" sent=1000 received=1000 reason_len=11",
        ]),
        server("the server closes", &frame(0x88, b""), &[
            ACCEPTED,
            "DEBUG connection: connection closed role=\"server\" clean=true initiator=\"local\" sent=1000 received=1005 reason_len=0",
        ])
        .closes(),
        client("the client closes", [RESPONSE.as_bytes(), b"\x82\x0Epayload-secret\x88\x02\x03\xE9"].concat(), &[
            "DEBUG handshake: handshake accepted role=\"client\" status=101 subprotocol=\"chat\" extensions=x-known",
            "DEBUG connection: connection closed role=\"client\" clean=true initiator=\"local\" sent=1000 received=1001 reason_len=0",
        ])
        .closes(),
        server("a lost connection", &hello, &[
            ACCEPTED,
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"peer\" \
             error=connection lost without a closing handshake",
        ]),
        server("invalid text", &frame(0x81, b"payload-secret\xFF"), &[
            ACCEPTED,
            "INFO connection: protocol violated role=\"server\" error=text message is not valid UTF-8",
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"local\" sent=1007 error=text message is not valid UTF-8",
        ]),
        server("an invalid Close", &frame(0x88, b"\x03\xEEpeer-reason"), &[
            ACCEPTED,
            "INFO connection: protocol violated role=\"server\" error=invalid close payload: close code 1006 may not be sent",
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"local\" sent=1002 \
             error=invalid close payload: close code 1006 may not be sent",
        ]),
        server("a frame that is too big", &hello, &[
            ACCEPTED,
            "INFO connection: limit exceeded role=\"server\" limit=\"max_frame_size\" max=13",
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"local\" sent=1009 error=frame exceeds `Limits::max_frame_size`",
        ])
        .limits(Limits::new().max_frame_size(13)),
        server("a message that is too big", &[frame(0x01, b"payload-secret"), frame(0x80, b"payload-secret")].concat(), &[
            ACCEPTED,
            "INFO connection: limit exceeded role=\"server\" limit=\"max_message_size\" max=27",
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"local\" sent=1009 error=message exceeds `Limits::max_message_size`",
        ])
        .limits(Limits::new().max_message_size(27)),
        server("too many fragments", &[frame(0x01, b""), frame(0, b""), frame(0, b"")].concat(), &[
            ACCEPTED,
            "INFO connection: limit exceeded role=\"server\" limit=\"max_fragments\" max=2",
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"local\" sent=1008 \
             error=message has more fragments than `Limits::max_fragments`",
        ])
        .limits(Limits::new().max_fragments(2)),
        server("a silent client", &hello, &[
            ACCEPTED,
            "INFO connection: deadline passed role=\"server\" timer=\"idle\"",
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"local\" sent=1001 error=timed out: idle peer",
        ])
        .timers(Timers::new().idle(SOON)),
        server("a dead client", &hello, &[
            ACCEPTED,
            "INFO connection: deadline passed role=\"server\" timer=\"keepalive\"",
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"local\" \
             error=timed out: no answer to a keepalive ping",
        ])
        .timers(Timers::new().keepalive(SOON).pong(SOON)),
        server("an unfinished message", &frame(0x01, b"payload-secret"), &[
            ACCEPTED,
            "INFO connection: deadline passed role=\"server\" timer=\"message\"",
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"local\" sent=1008 \
             error=timed out: unfinished message",
        ])
        .timers(Timers::new().message(SOON)),
        server("a client that closes and stays connected", &close, &[
            ACCEPTED,
            "DEBUG connection: deadline passed role=\"server\" timer=\"close\"",
            "DEBUG connection: connection closed role=\"server\" clean=true initiator=\"peer\" sent=1000 received=1000 reason_len=11",
        ])
        .timers(Timers::new().close(SOON))
        .then(Then::Stays),
        server("a client that does not answer a Close", &hello, &[
            ACCEPTED,
            "DEBUG connection: deadline passed role=\"server\" timer=\"close\"",
            "DEBUG connection: connection closed role=\"server\" clean=false initiator=\"local\" sent=1000 \
             error=timed out: closing handshake",
        ])
        .timers(Timers::new().close(SOON))
        .closes(),
    ]
}
