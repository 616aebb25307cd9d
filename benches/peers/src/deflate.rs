//! Echo of compressed text over loopback: the server's cost per message, and the size of its answer.

use std::{io, time::Duration};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    child::Child,
    load::{self, Expect, Messages},
    run::Run,
    samples::Samples,
    servers::Server,
    wire,
};

pub const SECTION: &str = "deflate";

const CONNECTIONS: usize = 10;

/// Messages in a row before the sequence starts again.
const MESSAGES: usize = 100;

const LEVEL: u32 = 6;

/// The end of a flush, which a message omits (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// The client's offer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    Takeover,
    NoTakeover,
}

impl Offer {
    pub fn extensions(self) -> &'static str {
        match self {
            Self::Takeover => "permessage-deflate; client_max_window_bits",
            Self::NoTakeover => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
            }
        }
    }
}

const WORKLOADS: [(&str, Offer, usize); 4] = [
    ("1 KiB, takeover", Offer::Takeover, 1 << 10),
    ("16 KiB, takeover", Offer::Takeover, 16 << 10),
    ("1 KiB, no takeover", Offer::NoTakeover, 1 << 10),
    ("16 KiB, no takeover", Offer::NoTakeover, 16 << 10),
];

pub fn run(run: &mut Run) {
    let mut servers = run.servers(SECTION, Server::can_deflate);
    for round in 0..run.rounds {
        Run::turns(round, &mut servers);
        for (name, offer, len) in WORKLOADS {
            let texts = texts(len);
            alone(&mut run.samples, name, offer, &texts);
            for &server in &servers {
                let what = format!("{name} {}", server.name());
                match measure(run, server, name, offer, &texts) {
                    Ok(result) => run.progress(SECTION, round, &what, &result),
                    Err(error) => run.failed(SECTION, &what, &error),
                }
            }
        }
    }
}

fn measure(run: &mut Run, server: Server, name: &str, offer: Offer, texts: &[String]) -> io::Result<String> {
    let child = Child::start(server, true)?;
    let request = wire::request(Some(offer.extensions()));
    let (streams, agreed) = load::connect(child.addr, CONNECTIONS, Some(&request))?;
    let agreed = Agreed::new(agreed.as_deref())?;
    if offer == Offer::Takeover && !agreed.server_takeover {
        let note = format!("{} takes no context over, whatever the client offers.", server.name());
        run.samples.note(SECTION, note);
        return Ok("does not take contexts over".into());
    }
    let messages = messages(texts, agreed, Expect::Messages);
    let measured = load::drive(&child, streams, &messages, run.warm_up(), run.duration(SECTION))?;
    let payload = texts[0].len() as f64 * measured.messages as f64;
    let cpu = measured.cpu_per_message();
    run.push(SECTION, name, "cpu µs", server, cpu);
    run.push(SECTION, name, "messages/s", server, measured.rate());
    run.push(
        SECTION,
        name,
        "bytes out / payload",
        server,
        measured.bytes as f64 / payload,
    );
    Ok(format!("{cpu:.1} µs a message"))
}

/// The server's answer to the offer.
#[derive(Clone, Copy)]
pub struct Agreed {
    server_takeover: bool,
    client_takeover: bool,
    client_window_bits: u8,
}

impl Agreed {
    pub fn new(extensions: Option<&str>) -> io::Result<Self> {
        let agreed = extensions.unwrap_or_default();
        let mut parts = agreed.split(';').map(str::trim);
        if parts.next() != Some("permessage-deflate") {
            return Err(io::Error::other(format!("the server does not compress: {agreed:?}")));
        }
        let mut found = Self {
            server_takeover: true,
            client_takeover: true,
            client_window_bits: 15,
        };
        for part in parts {
            match part.split_once('=').unwrap_or((part, "")) {
                ("server_no_context_takeover", _) => found.server_takeover = false,
                ("client_no_context_takeover", _) => found.client_takeover = false,
                ("client_max_window_bits", bits) => {
                    found.client_window_bits = bits.trim_matches('"').parse().map_err(io::Error::other)?;
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The texts as a client sends them. The first one refers to nothing before it, so the sequence can be repeated.
pub fn messages(texts: &[String], agreed: Agreed, expect: Expect) -> Messages {
    let mut compress = Compress::new_with_window_bits(Compression::new(LEVEL), false, agreed.client_window_bits);
    let batches = texts.iter().enumerate().map(|(i, text)| {
        if !agreed.client_takeover {
            compress.reset();
        }
        let mut payload = Vec::new();
        deflate(&mut compress, text.as_bytes(), &mut payload);
        payload.truncate(payload.len() - TAIL.len());
        let mut frame = Vec::new();
        wire::push_masked(
            &mut frame,
            wire::TEXT | wire::RSV1,
            [i as u8, 0x5A, 0xC3, 0x21],
            &payload,
        );
        frame
    });
    Messages {
        batches: batches.collect(),
        per_batch: 1,
        bytes: None,
        expect,
    }
}

/// The codec alone, as the limit: inflates and deflates the same messages from buffer to buffer.
fn alone(samples: &mut Samples, name: &str, offer: Offer, texts: &[String]) {
    const SUBJECT: &str = "zlib-rs alone";
    let takeover = offer == Offer::Takeover;
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    let compressed: Vec<Vec<u8>> = texts
        .iter()
        .map(|text| {
            if !takeover {
                compress.reset();
            }
            let mut out = Vec::new();
            deflate(&mut compress, text.as_bytes(), &mut out);
            out
        })
        .collect();
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    let mut decompress = Decompress::new(false);
    let (mut text, mut out, mut bytes_out, mut bytes_in) = (Vec::new(), Vec::new(), 0, 0);
    let mut pass = || {
        for message in &compressed {
            if !takeover {
                compress.reset();
                decompress.reset(false);
            }
            text.clear();
            inflate(&mut decompress, message, &mut text);
            out.clear();
            deflate(&mut compress, &text, &mut out);
            bytes_in += text.len();
            bytes_out += out.len() - TAIL.len();
        }
    };
    pass();
    let passes = 3;
    let started = cpu_time();
    for _ in 0..passes {
        pass();
    }
    let micros = (cpu_time() - started).as_secs_f64() * 1e6 / (passes * texts.len()) as f64;
    samples.push(SECTION, name, "cpu µs", SUBJECT, micros);
    let ratio = bytes_out as f64 / bytes_in as f64;
    samples.push(SECTION, name, "bytes out / payload", SUBJECT, ratio);
}

fn deflate(compress: &mut Compress, input: &[u8], out: &mut Vec<u8>) {
    let before = compress.total_in();
    loop {
        out.reserve(input.len() / 2 + 64);
        let taken = (compress.total_in() - before) as usize;
        let status = compress.compress_vec(&input[taken..], out, FlushCompress::Sync);
        // With spare capacity, the flush is complete.
        if !matches!(status, Ok(Status::Ok)) || out.len() < out.capacity() {
            return;
        }
    }
}

fn inflate(decompress: &mut Decompress, input: &[u8], out: &mut Vec<u8>) {
    let before = decompress.total_in();
    loop {
        out.reserve(16 << 10);
        let taken = (decompress.total_in() - before) as usize;
        let status = decompress.decompress_vec(&input[taken..], out, FlushDecompress::Sync);
        if !matches!(status, Ok(Status::Ok)) || out.len() < out.capacity() {
            return;
        }
    }
}

/// The running time of this thread.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Messages like those of an API: the same keys in the same order, with different values.
pub fn texts(len: usize) -> Vec<String> {
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
