//! Idle memory: the server's resident memory for a connection that sends nothing.

use std::{io, thread, time::Duration};

use crate::{
    child::Child,
    deflate::{self, Agreed, Offer},
    load::{self, Expect, Messages},
    run::Run,
    servers::{Kind, Server},
    wire,
};

pub const SECTION: &str = "memory";

/// Memory hardly differs between rounds.
const MAX_ROUNDS: usize = 3;

const LEN: usize = 1 << 10;

pub fn run(run: &mut Run) {
    let connections = if run.quick { 200 } else { 10_000 };
    for deflate in [false, true] {
        let takes_part = |server: Server| {
            server.kind() != Kind::Batched
                && if deflate {
                    server.can_deflate()
                } else {
                    server.is_plain()
                }
        };
        let mut servers = run.servers(SECTION, takes_part);
        for round in 0..run.rounds.min(MAX_ROUNDS) {
            Run::turns(round, &mut servers);
            for &server in &servers {
                let suffix = if deflate { ", deflate" } else { "" };
                let what = format!("{}{suffix}", server.name());
                match measure(server, deflate, connections, run.warm_up()) {
                    Ok((opened, echoed)) => {
                        let result = format!("{opened:.0} bytes a connection, {echoed:.0} after an echo");
                        run.progress(SECTION, round, &what, &result);
                        let workload = format!("after the handshake{suffix}");
                        run.push(SECTION, &workload, "bytes", server, opened);
                        let workload = format!("after an echo{suffix}");
                        run.push(SECTION, &workload, "bytes", server, echoed);
                    }
                    Err(error) => run.failed(SECTION, &what, &error),
                }
            }
        }
    }
}

/// Bytes per connection that was opened, and that echoed once.
fn measure(server: Server, deflate: bool, connections: usize, patience: Duration) -> io::Result<(f64, f64)> {
    let child = Child::start(server, deflate)?;
    let resident = || {
        thread::sleep(patience);
        Ok::<_, io::Error>(child.resident()? as f64)
    };
    let offer = deflate.then(|| Offer::Takeover.extensions());
    let request = (server.kind() != Kind::Limit).then(|| wire::request(offer));
    // The first connection makes the server allocate what it needs for all.
    let (mut first, agreed) = load::connect(child.addr, 1, request.as_deref())?;
    let messages = messages(server, deflate, agreed.as_deref())?;
    load::exchange(&mut first[0], &messages)?;

    let before = resident()?;
    let (mut streams, _) = load::connect(child.addr, connections, request.as_deref())?;
    let opened = resident()?;
    for stream in &mut streams {
        load::exchange(stream, &messages)?;
    }
    let echoed = resident()?;
    Ok((
        (opened - before) / connections as f64,
        (echoed - before) / connections as f64,
    ))
}

fn messages(server: Server, deflate: bool, agreed: Option<&str>) -> io::Result<Messages> {
    let expect = Expect::of(server.kind());
    if deflate {
        let texts = &deflate::texts(LEN)[..1];
        return Ok(deflate::messages(texts, Agreed::new(agreed)?, expect));
    }
    let mut frame = Vec::new();
    wire::push_masked(&mut frame, wire::BINARY, [0x37, 0xFA, 0x21, 0x3D], &[0x5A; LEN]);
    Ok(Messages {
        batches: vec![frame],
        per_batch: 1,
        bytes: Some(LEN as u64),
        expect,
    })
}
