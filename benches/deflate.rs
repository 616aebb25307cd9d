//! Echo of compressed JSON-like text in memory, beside the codec alone with the same settings.
//!
//! A pass is one message: the server reads a frame that a client compressed, and answers with the message compressed. The
//! codec alone inflates and deflates the same messages from buffer to buffer. Before the times come the bytes on the wire
//! for each byte of payload.

#![allow(clippy::cast_possible_truncation, reason = "lengths of short messages")]

use divan::{Bencher, counter::BytesCount};
use websocket_proto::{
    Buf, Config, Connection, ContextTakeover, DeflateConfig, DeflateParams, Event, Negotiated, Role,
};
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

const SIZES: [usize; 2] = [1 << 10, 16 << 10];

/// Messages that follow each other before they begin anew, which is farther back than any window.
const MESSAGES: usize = 200;

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// How a direction goes on behind a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    NoTakeover,
    Takeover12,
    Takeover15,
}

impl Mode {
    const ALL: [Self; 3] = [Self::NoTakeover, Self::Takeover12, Self::Takeover15];

    fn bits(self) -> u8 {
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

fn main() {
    for (mode, len) in cases() {
        let (mut server, frames) = (endpoint(Role::Server, mode), frames(mode, len));
        let out: usize = frames.iter().map(|frame| echo(&mut server, frame)).sum();
        let ratio = out as f64 / (len * MESSAGES) as f64;
        println!("{mode:?}, {len} bytes: {ratio:.3} on the wire for each byte");
    }
    divan::main();
}

fn cases() -> impl Iterator<Item = (Mode, usize)> {
    Mode::ALL.into_iter().flat_map(|mode| SIZES.map(|len| (mode, len)))
}

/// Messages such as an API sends: the same keys in the same order, and values that differ.
fn texts(len: usize) -> Vec<String> {
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

fn endpoint(role: Role, mode: Mode) -> Connection {
    let config = Config::new().deflate(
        DeflateConfig::with_takeover()
            .server_max_window_bits(15)
            .client_max_window_bits(15),
    );
    let negotiated = Negotiated::new(role).with_deflate(mode.params());
    Connection::from_negotiated(&negotiated, &config)
}

/// What a client sends, message by message.
fn frames(mode: Mode, len: usize) -> Vec<Vec<u8>> {
    let mut client = endpoint(Role::Client, mode);
    let frame = |text: String| {
        client.send(text).expect("room");
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

/// Reads a frame, answers with the message, and writes that. Returns how many bytes it took.
fn echo(server: &mut Connection, frame: &[u8]) -> usize {
    server.receive(frame);
    let (inbound, outbound) = server.split_mut();
    match inbound.next_event(outbound) {
        Ok(Some(Event::Message(message))) => outbound.send(message).expect("room"),
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

#[divan::bench(args = cases())]
fn connection(bencher: Bencher<'_, '_>, (mode, len): (Mode, usize)) {
    let frames = frames(mode, len);
    let mut server = endpoint(Role::Server, mode);
    let mut next = 0;
    bencher.counter(BytesCount::new(len)).bench_local(|| {
        // The client starts anew with its first message, and so does the server.
        if next == 0 {
            server = endpoint(Role::Server, mode);
        }
        let written = echo(&mut server, &frames[next]);
        next = (next + 1) % MESSAGES;
        written
    });
}

#[divan::bench(args = cases())]
fn codec_alone(bencher: Bencher<'_, '_>, (mode, len): (Mode, usize)) {
    let mut deflate = Deflate::new(6, false, mode.bits());
    let mut out = vec![0; 2 * len + 100];
    let compress = |deflate: &mut Deflate, text: &[u8], out: &mut [u8]| {
        if mode == Mode::NoTakeover {
            deflate.reset();
        }
        let before = deflate.total_out();
        deflate.compress(text, out, DeflateFlush::SyncFlush).expect("valid");
        (deflate.total_out() - before) as usize
    };
    let payloads: Vec<Vec<u8>> = texts(len)
        .iter()
        .map(|text| {
            let n = compress(&mut deflate, text.as_bytes(), &mut out);
            assert!(out[..n].ends_with(&TAIL));
            out[..n].to_vec()
        })
        .collect();
    let mut inflate = Inflate::new(false, 15);
    deflate.reset();
    let (mut message, mut next) = (vec![0; len + 1], 0);
    bencher.counter(BytesCount::new(len)).bench_local(|| {
        if next == 0 || mode == Mode::NoTakeover {
            inflate.reset(false);
        }
        let before = inflate.total_out();
        let status = inflate.decompress(&payloads[next], &mut message, InflateFlush::SyncFlush);
        assert!(status.is_ok() && inflate.total_out() - before == len as u64);
        next = (next + 1) % MESSAGES;
        compress(&mut deflate, &message[..len], &mut out)
    });
}
