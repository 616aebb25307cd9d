//! Loopback echo: the server's cost per message, messages per second, and latency.

use std::{io, time::Duration};

use crate::{
    child::Child,
    load::{self, Expect, Measured, Messages},
    run::Run,
    servers::{Kind, Server},
    wire,
};

pub const SECTION: &str = "echo";

/// What the connections send.
#[derive(Clone, Copy, Debug)]
struct Workload {
    name: &'static str,
    connections: usize,
    in_flight: usize,
    len: usize,
}

const WORKLOADS: [Workload; 6] = [
    Workload::new("1×1 125 B", 1, 1, 125),
    Workload::new("100×1 125 B", 100, 1, 125),
    Workload::new("100×1 1 KiB", 100, 1, 1 << 10),
    Workload::new("10×32 64 B", 10, 32, 64),
    Workload::new("10×1 64 KiB", 10, 1, 64 << 10),
    Workload::new("10×1 1 MiB", 10, 1, 1 << 20),
];

impl Workload {
    const fn new(name: &'static str, connections: usize, in_flight: usize, len: usize) -> Self {
        Self {
            name,
            connections,
            in_flight,
            len,
        }
    }

    fn messages(&self, kind: Kind) -> Messages {
        let payload: Vec<u8> = (0..self.len).map(|i| (i * 31 + i / 255) as u8).collect();
        let mut batch = Vec::new();
        for _ in 0..self.in_flight {
            wire::push_masked(&mut batch, wire::BINARY, [0x37, 0xFA, 0x21, 0x3D], &payload);
        }
        Messages {
            batches: vec![batch],
            per_batch: self.in_flight as u64,
            bytes: Some((self.in_flight * self.len) as u64),
            expect: Expect::of(kind),
        }
    }

    fn measure(&self, server: Server, warm_up: Duration, duration: Duration) -> io::Result<Measured> {
        let child = Child::start(server, false)?;
        let request = (server.kind() != Kind::Limit).then(|| wire::request(None));
        let (streams, _) = load::connect(child.addr, self.connections, request.as_deref())?;
        load::drive(&child, streams, &self.messages(server.kind()), warm_up, duration)
    }
}

pub fn run(run: &mut Run) {
    let mut servers = run.servers(SECTION, Server::is_plain);
    for round in 0..run.rounds {
        Run::turns(round, &mut servers);
        for workload in &WORKLOADS {
            for &server in &servers {
                let what = format!("{} {}", workload.name, server.name());
                match workload.measure(server, run.warm_up(), run.duration(SECTION)) {
                    Ok(measured) => {
                        let cpu = measured.cpu_per_message();
                        run.progress(SECTION, round, &what, &format!("{cpu:.2} µs a message"));
                        let figures = [
                            ("cpu µs", cpu),
                            ("messages/s", measured.rate()),
                            ("p50 µs", measured.quantile(0.5)),
                            ("p99 µs", measured.quantile(0.99)),
                        ];
                        for (metric, value) in figures {
                            run.push(SECTION, workload.name, metric, server, value);
                        }
                    }
                    Err(error) => run.failed(SECTION, &what, &error),
                }
            }
        }
    }
}
