//! Many connections of which few are active: what the idle ones cost the others.

use std::io;

use crate::{
    child::Child,
    load::{self, Expect, Measured, Messages},
    run::Run,
    servers::{Kind, Server},
    wire,
};

pub const SECTION: &str = "scale";

const MAX_ROUNDS: usize = 3;

const WORKLOADS: [(&str, usize); 5] = [("1", 1), ("10", 10), ("100", 100), ("1,000", 1000), ("10,000", 10_000)];

const LEN: usize = 125;

pub fn run(run: &mut Run) {
    let mut servers = run.servers(SECTION, |server| server.is_plain() && server.kind() != Kind::Batched);
    for round in 0..run.rounds.min(MAX_ROUNDS) {
        Run::turns(round, &mut servers);
        for (name, connections) in WORKLOADS {
            if run.quick && connections > 100 {
                continue;
            }
            for &server in &servers {
                let what = format!("{name} connections {}", server.name());
                match measure(run, server, connections) {
                    Ok((measured, resident)) => {
                        let cpu = measured.cpu_per_message();
                        run.progress(SECTION, round, &what, &format!("{cpu:.2} µs a message"));
                        let figures = [
                            ("cpu µs", cpu),
                            ("messages/s", measured.rate()),
                            ("p50 µs", measured.quantile(0.5)),
                            ("p99 µs", measured.quantile(0.99)),
                            ("MiB", resident as f64 / f64::from(1 << 20)),
                        ];
                        for (metric, value) in figures {
                            run.push(SECTION, name, metric, server, value);
                        }
                    }
                    Err(error) => run.failed(SECTION, &what, &error),
                }
            }
        }
    }
}

/// The results of the active connections, and the server's resident memory afterwards.
fn measure(run: &mut Run, server: Server, connections: usize) -> io::Result<(Measured, u64)> {
    let child = Child::start(server, false)?;
    let request = (server.kind() != Kind::Limit).then(|| wire::request(None));
    let (mut active, _) = load::connect(child.addr, connections, request.as_deref())?;
    let _idle = active.split_off((connections / 100).max(1));
    let mut frame = Vec::new();
    wire::push_masked(&mut frame, wire::BINARY, [0x37, 0xFA, 0x21, 0x3D], &[0x5A; LEN]);
    let messages = Messages {
        batches: vec![frame],
        per_batch: 1,
        bytes: Some(LEN as u64),
        expect: Expect::of(server.kind()),
    };
    let measured = load::drive(&child, active, &messages, run.warm_up(), run.duration(SECTION))?;
    Ok((measured, child.resident()?))
}
