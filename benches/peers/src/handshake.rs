//! Handshakes: the server's cost of a connection that is opened, upgraded and closed.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::{
    child::Child,
    load,
    run::Run,
    servers::{Kind, Server},
    wire,
};

pub const SECTION: &str = "handshake";

/// A browser's offer; servers that do not compress decline it.
const OFFER: &str = "permessage-deflate; client_max_window_bits";

pub fn run(run: &mut Run) {
    let mut servers = run.servers(SECTION, |server| server.kind() != Kind::Batched && server.is_plain());
    for round in 0..run.rounds {
        Run::turns(round, &mut servers);
        for &server in &servers {
            match measure(run, server) {
                Ok((cpu, rate)) => {
                    run.progress(SECTION, round, &server.name(), &format!("{cpu:.1} µs a handshake"));
                    run.push(SECTION, "", "cpu µs", server, cpu);
                    run.push(SECTION, "", "handshakes/s", server, rate);
                }
                Err(error) => run.failed(SECTION, &server.name(), &error),
            }
        }
    }
}

/// Microseconds of the server per handshake, and handshakes per second.
fn measure(run: &mut Run, server: Server) -> io::Result<(f64, f64)> {
    let child = Child::start(server, false)?;
    let request = wire::request(Some(OFFER));
    let connect = || {
        let mut stream = TcpStream::connect(child.addr)?;
        if server.kind() == Kind::Limit {
            stream.write_all(&request)?;
            return stream.read_exact(&mut vec![0; request.len()]);
        }
        load::upgrade(&mut stream, &request).map(drop)
    };
    let duration = run.duration(SECTION);
    let rest = || {
        thread::sleep(Duration::from_millis(20));
        child.cpu()
    };
    let warm_up = Instant::now();
    while warm_up.elapsed() < run.warm_up() {
        connect()?;
    }
    let (before, started, mut count) = (rest()?, Instant::now(), 0);
    while started.elapsed() < duration {
        connect()?;
        count += 1;
    }
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    Ok(((rest()? - before) as f64 / 1e3 / f64::from(count), rate))
}
