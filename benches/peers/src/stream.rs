//! Messages of any size: how fast one is echoed, and how much memory that uses.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::{
    child::Child,
    load::{self, Expect},
    run::Run,
    servers::{Kind, Server},
    wire::{self, Replies},
};

pub const SECTION: &str = "stream";

const MAX_ROUNDS: usize = 3;

const MIB: u64 = 1 << 20;

const WORKLOADS: [(&str, u64); 4] = [
    ("1 MiB", MIB),
    ("16 MiB", 16 * MIB),
    ("256 MiB", 256 * MIB),
    ("1 GiB", 1024 * MIB),
];

/// Above this size, only servers that do not hold the message are measured.
const WHOLE: u64 = 16 * MIB;

/// The size of one write: a multiple of the masking key's length.
const CHUNK: usize = 256 << 10;

pub fn run(run: &mut Run) {
    let takes_part =
        |server: Server| server == Server::OursTokioStreamed || server.is_plain() && server.kind() != Kind::Batched;
    let mut servers = run.servers(SECTION, takes_part);
    for round in 0..run.rounds.min(MAX_ROUNDS) {
        Run::turns(round, &mut servers);
        for (name, len) in WORKLOADS {
            for &server in &servers {
                let holds = server != Server::OursTokioStreamed && server.kind() != Kind::Limit;
                if (holds && len > WHOLE) || (run.quick && len > MIB) {
                    continue;
                }
                let what = format!("{name} {}", server.name());
                match measure(server, len) {
                    Ok(Measured { speed, cpu, peak }) => {
                        let result = format!("{speed:.2} GB/s, {peak:.1} MiB at the peak");
                        run.progress(SECTION, round, &what, &result);
                        for (metric, value) in [("GB/s", speed), ("cpu ms", cpu), ("peak MiB", peak)] {
                            run.push(SECTION, name, metric, server, value);
                        }
                    }
                    Err(error) => run.failed(SECTION, &what, &error),
                }
            }
        }
    }
}

struct Measured {
    /// Gigabytes per second.
    speed: f64,
    /// Milliseconds of the server.
    cpu: f64,
    /// Mebibytes by which the server grew.
    peak: f64,
}

fn measure(server: Server, len: u64) -> io::Result<Measured> {
    let child = Child::start(server, false)?;
    let request = (server.kind() != Kind::Limit).then(|| wire::request(None));
    let (mut streams, _) = load::connect(child.addr, 1, request.as_deref())?;
    let mut stream = streams.remove(0);
    let mut writer = stream.try_clone()?;
    let (resident, before, started) = (child.resident()?, child.cpu()?, Instant::now());
    let expect = Expect::of(server.kind());
    thread::scope(|scope| {
        let write = scope.spawn(move || write(&mut writer, len));
        read(&mut stream, len, expect)?;
        write
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the load panicked")))
    })?;
    let elapsed = started.elapsed().as_secs_f64();
    // The time of a thread that is still running is not fully accounted for.
    thread::sleep(Duration::from_millis(20));
    Ok(Measured {
        speed: len as f64 / elapsed / 1e9,
        cpu: (child.cpu()? - before) as f64 / 1e6,
        peak: child.peak()?.saturating_sub(resident) as f64 / MIB as f64,
    })
}

fn write(stream: &mut TcpStream, len: u64) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let key = [0x37, 0xFA, 0x21, 0x3D];
    chunk.extend((0..CHUNK).map(|i| (i * 31) as u8 ^ key[i % 4]));
    let mut header = Vec::new();
    wire::push_masked_header(&mut header, wire::BINARY, key, len);
    stream.write_all(&header)?;
    for _ in 0..len / CHUNK as u64 {
        stream.write_all(&chunk)?;
    }
    Ok(())
}

fn read(stream: &mut TcpStream, len: u64, expect: Expect) -> io::Result<()> {
    stream.set_read_timeout(Some(load::PATIENCE))?;
    let (mut buffer, mut received, mut replies) = (vec![0; CHUNK], 0, Replies::default());
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        received += n as u64;
        let is_whole = match expect {
            Expect::Bytes => received > len,
            Expect::Messages if replies.receive(&buffer[..n]) => replies.messages > 0,
            Expect::Messages => false,
        };
        if is_whole {
            let is_echo = expect == Expect::Bytes || replies.bytes == len;
            return if is_echo {
                Ok(())
            } else {
                Err(io::Error::other("not the same length"))
            };
        }
    }
}
