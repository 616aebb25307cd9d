//! Compressed JSON-like text: a client's messages, and a server that echoes them.

use websocket_proto::{
    Buf, Config, Connection, ContextTakeover, DeflateConfig, DeflateParams, Event, Negotiated, Role,
};

/// Messages in a row before the sequence starts again, which is farther back than any window.
pub(crate) const MESSAGES: usize = 200;

/// How a direction continues after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    NoTakeover,
    Takeover12,
    Takeover15,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::NoTakeover, Self::Takeover12, Self::Takeover15];

    pub(crate) fn bits(self) -> u8 {
        if self == Self::Takeover12 { 12 } else { 15 }
    }

    fn params(self) -> DeflateParams {
        let takeover = match self {
            Self::NoTakeover => ContextTakeover::Forbid,
            Self::Takeover12 | Self::Takeover15 => ContextTakeover::Allow,
        };
        DeflateParams::new()
            .server_context_takeover(takeover)
            .client_context_takeover(takeover)
            .server_max_window_bits(self.bits())
            .client_max_window_bits(self.bits())
    }
}

/// Messages like those of an API: the same keys in the same order, with different values.
pub(crate) fn texts(len: usize) -> Vec<String> {
    let mut state = 1_u64;
    let mut number = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let mut text = || {
        let mut text = String::with_capacity(len + 200);
        while text.len() < len {
            text.push_str(&format!(
                "{{\"id\":{},\"user\":\"user-{}\",\"price\":{}.{:02},\"active\":{},\"tags\":[\"tag{}\",\"tag{}\"],\
                 \"note\":\"{:x}\"}},",
                number(1_000_000),
                number(5000),
                number(1000),
                number(100),
                number(2) == 0,
                number(50),
                number(50),
                number(1 << 24),
            ));
        }
        text.truncate(len);
        text
    };
    (0..MESSAGES).map(|_| text()).collect()
}

pub(crate) fn endpoint(role: Role, mode: Mode) -> Connection {
    let config = Config::new().deflate(
        DeflateConfig::context_takeover()
            .server_max_window_bits(15)
            .client_max_window_bits(15),
    );
    let negotiated = Negotiated::new(role).with_deflate(mode.params());
    Connection::from_negotiated(&negotiated, &config)
}

/// What a client sends, message by message.
pub(crate) fn frames(mode: Mode, len: usize) -> Vec<Vec<u8>> {
    let mut client = endpoint(Role::Client, mode);
    let frame = |text: String| {
        client.feed(text).expect("room");
        let mut frame = Vec::new();
        while client.output().has_remaining() {
            frame.extend_from_slice(client.output().chunk());
            let n = client.output().chunk().len();
            client.output().advance(n);
        }
        frame
    };
    texts(len).into_iter().map(frame).collect()
}

/// Reads a frame, answers with the message, and writes the answer. Returns its number of bytes.
pub(crate) fn echo(server: &mut Connection, frame: &[u8]) -> usize {
    server.receive(frame);
    let (inbound, outbound) = server.split_mut();
    match inbound.next_event(outbound) {
        Ok(Some(Event::Message(message))) => outbound.feed(message).expect("room"),
        event => panic!("{event:?}"),
    }
    let mut written = 0;
    while server.output().has_remaining() {
        let n = server.output().chunk().len();
        server.output().advance(n);
        written += n;
    }
    written
}
